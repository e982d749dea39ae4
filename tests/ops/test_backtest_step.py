"""What a backtest of the desk is judged by while the desk goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sereno.core.candle import Candles
from sereno.core.clock import FixedClock
from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.timeframe import HOUR_MS, Timeframe, UtcMs
from sereno.ops.app import Desk
from sereno.ops.run import Run
from sereno.ops.steps.backtest import backtest_desk, walked
from sereno.ops.steps.walkforward import walk_forward
from tests.surfaces.seeded import NOW_MS, seeded_desk


def asked_backtest(desk: Desk) -> None:
    with pytest.raises(SkipThis):
        backtest_desk(desk, lambda *_: None, folds=None, symbols=(), since=None)


def job(desk: Desk) -> None:
    assert walk_forward(desk, Run("r", "walkforward")).failed


@pytest.mark.parametrize(("module", "judge"), [("backtest", asked_backtest), ("walkforward", job)])
def test_every_series_is_judged_up_to_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, judge: Callable[[Desk], None]
) -> None:
    told: list[UtcMs] = []

    def slow(desk: Desk, *_: object, until: UtcMs, **__: object) -> None:
        told.append(until)
        assert isinstance(desk.clock, FixedClock)
        desk.clock.advance(HOUR_MS)
        raise SkipThis("too.short")

    monkeypatch.setattr(f"sereno.ops.steps.{module}.walked", slow)
    with seeded_desk(tmp_path) as desk:
        assert len(desk.series) > 1
        judge(desk)
        assert told == [NOW_MS] * len(desk.series)


def test_candles_that_closed_later_are_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Seen(Exception):
        pass

    newest: list[UtcMs] = []

    def look(candles: Candles, _series: Series, *, peers: tuple[Candles, ...], **_: object) -> None:
        newest.extend(int(one.close_ms[-1]) for one in (candles, *peers))
        raise Seen

    monkeypatch.setattr("sereno.models.walkforward.walk_forward", look)
    close = Timeframe.H1.floor(NOW_MS) - 3 * HOUR_MS
    with seeded_desk(tmp_path) as desk:
        for until in (close, close - 1):
            with pytest.raises(Seen):
                walked(desk, lambda *_: None, desk.series[0], until=until)
    assert newest == [close, close, close - HOUR_MS, close - HOUR_MS]
