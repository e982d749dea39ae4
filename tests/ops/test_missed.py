"""Every candle since the first signal has one, however the daemon came and went, and each can be replayed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sereno.core.clock import FixedClock
from sereno.core.errors import SkipThis
from sereno.core.forecast import Forecast
from sereno.core.instrument import Series
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.features.engine import FeatureRow
from sereno.ops.app import Desk
from sereno.ops.steps import missed
from sereno.ops.steps.retell import candles_of
from sereno.ops.steps.signals import decide_all
from sereno.signals.replay import replay
from sereno.signals.words import HINDSIGHT
from sereno.store.ledger import signals as kept
from tests.ops.test_decider import HOURLY_CANDLES, Sure, eager_desk, of_timeframe

FIRST = 860


def came(desk: Desk, series: Series, last: int, first: int = 0) -> None:
    """Candles [first, last) come, at the moment when the newest closes."""
    block = HOURLY_CANDLES.slice(first, last)
    now = int(block.close_ms[-1]) + 1000
    if now > desk.clock.now_ms():
        desk.clock.set(now)  # type: ignore[attr-defined]
    desk.lake.append(series, block, source="test", mode=desk.mode, now=desk.clock.now_ms())


def desk_at(folder: Path, monkeypatch: pytest.MonkeyPatch, rows: int = FIRST) -> tuple[Desk, Series]:
    """An eager desk at the moment when a candle closes."""
    desk = eager_desk(folder, monkeypatch)
    desk.clock = FixedClock(int(HOURLY_CANDLES.close_ms[rows - 1]) + 1000)
    series = of_timeframe(desk, Timeframe.H1)
    came(desk, series, rows)
    return desk, series


def made(desk: Desk, series: Series) -> list[Signal]:
    """All signals, oldest first."""
    with desk.ledger.read() as tx:
        return kept.recent(tx, series, 1000)[::-1]


@settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(  # candles that come, and whether the daemon decides, and lives on to look back
        st.tuples(st.integers(1, 9), st.sampled_from(("away", "killed", "whole"))), min_size=1, max_size=5
    )
)
def test_law_every_candle_since_the_first_signal_has_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(missed, "MOST_A_PASS", 7)
        desk, series = desk_at(tmp_path_factory.mktemp("law"), patch)
        with desk:
            newest = FIRST
            desk.decider.decide(series)
            for bars, daemon in steps:
                came(desk, series, newest + bars, newest)
                newest += bars
                if daemon != "away":
                    desk.decider.decide(series)
                if daemon == "whole":
                    desk.decider.catch_up(series)
            desk.decider.decide(series)
            while desk.decider.catch_up(series):
                pass
            found = made(desk, series)
    assert [one.ts for one in found] == HOURLY_CANDLES.close_ms[FIRST - 1 : newest].tolist()


def test_a_hole_older_than_what_is_known_of_the_window_is_filled_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between deciding and looking back, after an absence longer than the window."""
    monkeypatch.setattr(missed, "MOST_BARS", 12)
    desk, series = desk_at(tmp_path, monkeypatch)
    with desk:
        desk.decider.decide(series)
        came(desk, series, 890, FIRST)
        desk.decider.decide(series)
        came(desk, series, 892, 890)
        desk.decider.decide(series)
        assert desk.decider.catch_up(series) == 11
        found = made(desk, series)[1:]
    assert [one.ts for one in found] == HOURLY_CANDLES.close_ms[879:892].tolist()


def test_missed_candles_replay_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a correction of the history came in between."""
    desk, series = desk_at(tmp_path, monkeypatch)
    with desk:
        desk.decider.decide(series)
        came(desk, series, 870, FIRST)
        desk.decider.decide(series)
        assert desk.decider.catch_up(series) == 9
        before = HOURLY_CANDLES.slice(850, 851)
        corrected = replace(before, volume=2 * before.volume)
        desk.clock.set(desk.clock.now_ms() + HOUR_MS)  # type: ignore[attr-defined]
        now = desk.clock.now_ms()
        desk.lake.append(series, corrected, source="test", mode=desk.mode, now=now)
        found = made(desk, series)
        for one in found:
            again = replayed(desk, one)
            assert again == ()
    assert [one.reason for one in found[1:-1]] == ["stale_candle"] * 9
    assert all(one.decision is Decision.NO_TRADE for one in found[1:-1])
    assert "nobody decided" in found[1].refusals[0].detail


def test_a_missed_candle_says_when_its_models_may_know_what_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weekly training may come between an outage and the look back."""
    desk, series = desk_at(tmp_path, monkeypatch)
    with desk:
        desk.decider.decide(series)
        came(desk, series, 870, FIRST)
        monkeypatch.setattr(Sure, "trained_ms", int(HOURLY_CANDLES.close_ms[865]))
        newest = desk.decider.decide(series)
        desk.decider.catch_up(series)
        told = {one.ts: one.reason_detail for one in made(desk, series)}
        assert all(replayed(desk, one) == () for one in made(desk, series))
    known = [ts for ts, detail in told.items() if HINDSIGHT in detail]
    assert known == HOURLY_CANDLES.close_ms[860:865].tolist()
    assert HINDSIGHT not in newest.reason_detail


def replayed(desk: Desk, stored: Signal) -> tuple[object, ...]:
    given = desk.settings
    with desk.ledger.read() as tx:
        taken = kept.last_taken(tx, stored.series, stored.mode, before=stored.ts)
    return replay(
        stored,
        candles_of(desk, stored),
        Sure(),
        settings_digest=given.digest,
        signals=given.signals,
        barriers=given.barriers,
        costs=given.costs,
        last_taken_ms=taken.ts if taken else None,
    ).differences


def test_a_missed_candle_that_cannot_be_decided_takes_nothing_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, series = desk_at(tmp_path, monkeypatch)
    with desk:
        desk.decider.decide(series)
        came(desk, series, 864, FIRST)
        monkeypatch.setattr(desk.decider, "_forecaster", lambda _: Unsure(int(HOURLY_CANDLES.close_ms[861])))
        outcome = decide_all(desk, (series,))
        found = made(desk, series)
    assert outcome.failed is None
    assert outcome.rows == 3
    assert [one.ts for one in found] == [int(HOURLY_CANDLES.close_ms[i]) for i in (859, 860, 862, 863)]


class Unsure(Sure):
    """A forecaster that has no word on one candle."""

    def __init__(self, ts: int) -> None:
        self._ts = ts

    def forecast(self, row: FeatureRow) -> Forecast:
        if row.ts == self._ts:
            raise SkipThis("models.no_word", remedy="none", ts=row.ts)
        return super().forecast(row)
