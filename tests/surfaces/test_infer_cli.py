"""`sereno infer` says when what it shows is old, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sereno.core.clock import STALL_MS, ClockAnchor, ClockFile, FixedClock, WallClock
from sereno.core.errors import SkipThis
from sereno.core.settings import Settings
from sereno.core.signal import Decision
from sereno.core.timeframe import HOUR_MS, MINUTE_MS, Timeframe
from sereno.ops.app import Desk
from sereno.ops.steps.freshness import why_nothing_new
from sereno.store.ledger import signals
from sereno.surfaces.cli import context, desk
from tests.surfaces.seeded import NOW_MS, candles, signal_of


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk in mode sim whose lake holds the newest candle, with its signal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERENO_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("SERENO_VENUE__INSTRUMENTS", "BTC/USDT")
    context.remember(None, [])
    settings: Settings = context.loaded().settings
    settings.paths.run.mkdir(parents=True, exist_ok=True)
    with Desk(settings, clock=FixedClock(NOW_MS)) as opened:
        (series,) = opened.series
        opened.lake.append(series, candles(), source="test", mode=opened.mode, now=NOW_MS)
        made = signal_of(series, Timeframe.H1.floor(NOW_MS), Decision.NO_TRADE, mode=opened.mode)
        with opened.ledger.begin() as tx:
            signals.save(tx, made)
        yield opened
    context.remember(None, [])


def tell_time(world: Desk, *, silent_ms: int, now: int = NOW_MS) -> None:
    ClockFile(world.paths.clock_file).write(ClockAnchor(now, WallClock().now_ms() - silent_ms, 0.0))


def test_a_world_that_stands_still_decides_nothing_new(
    world: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(desk, "_run_watched", lambda _: 0)
    tell_time(world, silent_ms=2 * STALL_MS)
    with pytest.raises(SkipThis, match="the simulator does not run") as caught:
        desk.infer(())
    assert caught.value.event == "infer.nothing_new"
    assert "NO_TRADE" in capsys.readouterr().out, "what is known is shown all the same"
    tell_time(world, silent_ms=0)
    assert desk.infer(("btc/usdt",)) == 0


def test_a_candle_that_did_not_come_leaves_nothing_new(world: Desk) -> None:
    tell_time(world, silent_ms=0)
    assert why_nothing_new(world, world.series, NOW_MS) is None
    found = why_nothing_new(world, world.series, NOW_MS + HOUR_MS + MINUTE_MS)
    assert found is not None
    assert found.fields == {"series": world.series[0].key}


def test_a_failed_pass_keeps_its_own_status(world: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "_run_watched", lambda _: 3)
    tell_time(world, silent_ms=2 * STALL_MS)
    assert desk.infer(()) == 3
