"""What the decider says of the models that it loads, and what keeps it from an entry."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from sereno.core.candle import Candles
from sereno.core.clock import FixedClock
from sereno.core.forecast import Forecast
from sereno.core.instrument import Series
from sereno.core.row_digest import row_digest
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import Timeframe
from sereno.features.engine import FeatureRow
from sereno.market import gaps
from sereno.models.contract import Role
from sereno.models.serve import Forecaster
from sereno.ops.app import Desk
from sereno.ops.steps import missed
from sereno.store.lake_words import Gap
from sereno.store.ledger import instruments
from sereno.store.ledger import signals as kept
from tests.features.markets import lively
from tests.store.test_registry import keep
from tests.surfaces.seeded import seeded_desk, settings_for
from tests.trading.worlds import GRID, forecast


def test_a_damaged_current_model_is_told_once_a_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = SimpleNamespace(
        fell_back={Role.TREND: "new"}, versions={Role.TREND: "old", Role.RETURN: "r", Role.RISK: "k"}
    )
    monkeypatch.setattr(Forecaster, "load", lambda *_, **__: damaged)
    with seeded_desk(tmp_path) as desk, structlog.testing.capture_logs() as logs:
        series = desk.series[0]
        for _ in range(3):
            desk.decider._forecaster(series)
        assert len(logs) == 1
        desk.registry.use("trend", series, keep(desk.registry, 1, series_key=series.key))
        desk.decider._forecaster(series)
    assert len(logs) == 2
    told = logs[0]
    assert (told["event"], told["log_level"], told["role"]) == ("models.fell_back", "warning", "trend")
    assert (told["damaged"], told["served"]) == ("new", "old")


class Sure:
    """A forecaster that always sees a rise."""

    trained_ms = 0

    def forecast(self, row: FeatureRow) -> Forecast:
        return forecast(row.ts, prob_up=0.8, prob_down=0.1, expected_return=0.02, p90=0.04)


HOURLY_CANDLES = lively(900)
NOW_MS = int(HOURLY_CANDLES.close_ms[-1]) + 1000


def eager_desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk that trades one pair at 1h and 4h and would go long on every candle."""
    desk = Desk(
        settings_for(
            folder,
            venue={"instruments": ("BTC/USDT",)},
            candles={"timeframes": ("1h", "4h"), "settle_s": 0.0},
            costs={"fee_bps": 0.0, "slippage_bps": 0.0},
            signals={"gap_rest_bars": 10},
        ),
        clock=FixedClock(NOW_MS),
    )
    monkeypatch.setattr(desk.decider, "_forecaster", lambda _: Sure())
    with desk.ledger.begin() as tx:
        instruments.save(tx, desk.series[0].instrument, GRID, NOW_MS)
    return desk


def of_timeframe(desk: Desk, timeframe: Timeframe) -> Series:
    return next(one for one in desk.series if one.timeframe is timeframe)


def told(signal: Signal) -> tuple[Decision, str]:
    return signal.decision, signal.reason_detail.partition(" candles")[0]


def without(candles: Candles, first: int, last: int) -> Candles:
    rows = [*range(first), *range(last, len(candles))]
    return Candles.of(candles.timeframe, [one for i, one in enumerate(candles) if i in set(rows)])


@pytest.mark.parametrize(
    ("gap", "known_as", "said"),
    [
        (None, None, None),
        ((895, 897), None, "2"),
        ((895, 897), gaps.NOTHING_THERE, "2"),
        ((600, 603), None, "3"),
        ((600, 603), gaps.ASKED_ONCE, "3"),
        ((600, 603), gaps.NOTHING_THERE, None),
        ((5, 9), None, None),
    ],
)
def test_a_hole_under_the_features_refuses_by_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gap: tuple[int, int] | None,
    known_as: str | None,
    said: str | None,
) -> None:
    with eager_desk(tmp_path, monkeypatch) as desk:
        series = of_timeframe(desk, Timeframe.H1)
        candles = HOURLY_CANDLES if gap is None else without(HOURLY_CANDLES, *gap)
        desk.lake.append(series, candles, source="test", mode=desk.mode, now=NOW_MS)
        if gap is not None and known_as is not None:
            first, last = (int(HOURLY_CANDLES.open_ms[i]) for i in (gap[0], gap[1] - 1))
            desk.lake.record_gap(series, Gap(first, last, known_as))
        signal = desk.decider.decide(series)
    if said is None:
        assert signal.decision is Decision.LONG
    else:
        assert told(signal) == (Decision.NO_TRADE, f"data_gap: {said}")
        assert signal.reason == "data_gap"
        assert not signal.risk_allowed


def test_a_signal_rests_the_instrument_on_every_timeframe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with eager_desk(tmp_path, monkeypatch) as desk:
        hourly, slower = of_timeframe(desk, Timeframe.H1), of_timeframe(desk, Timeframe.H4)
        four = lively(900, timeframe=Timeframe.H4)
        shift = (NOW_MS - 1000) // Timeframe.H4.ms * Timeframe.H4.ms - int(four.close_ms[-1])
        columns = (getattr(four, name) for name in ("open", "high", "low", "close", "volume"))
        desk.lake.append(
            slower,
            Candles(Timeframe.H4, four.open_ms + shift, *columns),
            source="test",
            mode=desk.mode,
            now=NOW_MS,
        )
        desk.lake.append(hourly, HOURLY_CANDLES, source="test", mode=desk.mode, now=NOW_MS)
        assert desk.decider.decide(slower).decision is Decision.LONG
        refused = desk.decider.decide(hourly)
    assert refused.decision is Decision.NO_TRADE
    assert refused.reason == "cooldown_other_timeframe"
    assert "resting for 3 bars of 4h" in refused.refusals[0].detail


def test_candles_that_closed_while_nobody_decided_get_their_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with eager_desk(tmp_path, monkeypatch) as desk:
        series = of_timeframe(desk, Timeframe.H1)
        seen = HOURLY_CANDLES.slice(0, 890)
        desk.lake.append(series, seen, source="test", mode=desk.mode, now=NOW_MS)
        first = desk.decider.decide(series)
        assert desk.decider.catch_up(series) == 0, "what closed before the first decision is history"
        desk.lake.append(series, HOURLY_CANDLES.slice(890), source="test", mode=desk.mode, now=NOW_MS)
        newest = desk.decider.decide(series)
        assert desk.decider.catch_up(series) == 9
        assert desk.decider.catch_up(series) == 0
        with desk.ledger.read() as tx:
            found = kept.recent(tx, series, 100)
    assert [one.ts for one in found] == HOURLY_CANDLES.close_ms[889:].tolist()[::-1]
    assert found[0] == newest
    assert found[-1] == first
    for one in found[1:-1]:
        assert (one.decision, one.reason) == (Decision.NO_TRADE, "stale_candle")
        assert one.position_size == 0
        assert one.data_digest == row_digest(HOURLY_CANDLES.between(None, one.ts))


def test_a_long_absence_is_caught_up_in_bounded_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed, "MOST_BARS", 40)
    with eager_desk(tmp_path, monkeypatch) as desk:
        series = of_timeframe(desk, Timeframe.H1)
        desk.lake.append(series, HOURLY_CANDLES.slice(0, 800), source="test", mode=desk.mode, now=NOW_MS)
        desk.decider.decide(series)
        desk.lake.append(series, HOURLY_CANDLES.slice(800), source="test", mode=desk.mode, now=NOW_MS)
        desk.decider.decide(series)
        caught = [desk.decider.catch_up(series) for _ in range(3)]
    assert caught == [missed.MOST_A_PASS, 40 - missed.MOST_A_PASS, 0]
