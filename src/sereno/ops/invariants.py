"""What must hold after any run of the desk, checked against the ledger. Each answers its violations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from sereno.core.order import Fill, OrderPurpose
from sereno.core.signal import Decision
from sereno.core.timeframe import UtcMs, iso
from sereno.store.ledger import equity, fills, orders, positions, runs, signals
from sereno.trading.risk import entry_order_id

if TYPE_CHECKING:
    from sereno.ops.app import Desk

MOST = 1_000_000
TOLERANCE_QUOTE = Decimal("0.00000001")


def no_overlap(desk: Desk, _since: UtcMs) -> list[str]:
    """Runs of one job follow each other."""
    with desk.ledger.read() as tx:
        found = runs.latest(tx, None, MOST, mode=desk.mode)
    faults: list[str] = []
    ends: dict[str, UtcMs] = {}
    for run in sorted(found, key=lambda r: (r.started_ms, r.run_id)):
        if run.started_ms < ends.get(run.job, 0):
            faults.append(f"{run.job} {run.run_id} began before the run before it ended")
        if run.ended_ms is not None:
            ends[run.job] = max(run.ended_ms, ends.get(run.job, 0))
    return faults


def every_run_ended(desk: Desk, _since: UtcMs) -> list[str]:
    """No run is left without an end."""
    with desk.ledger.read() as tx:
        return [f"{r.run_id} has no end" for r in runs.running(tx) if r.mode is desk.mode]


def every_signal_explained(desk: Desk, since: UtcMs) -> list[str]:
    """Each signal names its reason, a refused one the rule; a taken one has levels and a size."""
    with desk.ledger.read() as tx:
        found = signals.recent(tx, None, MOST, since, mode=desk.mode)
    faults = []
    for s in found:
        if not (s.reason and s.reason_detail and s.regime_reason):
            faults.append(f"{s.signal_id} does not say why")
        if s.decision is not Decision.NO_TRADE and (
            s.stop is None or s.target is None or s.position_size <= 0
        ):
            faults.append(f"{s.signal_id} was taken without stop, target or size")
    return faults


def a_signal_for_each_candle(desk: Desk, since: UtcMs) -> list[str]:
    """Each closed candle since then has exactly one signal."""
    faults = []
    for series in desk.series:
        closes = {int(ms) for ms in desk.lake.candles(series, since - series.timeframe.ms + 1).close_ms}
        with desk.ledger.read() as tx:
            made = [s.ts for s in signals.recent(tx, series, MOST, since + 1, mode=desk.mode)]
        missing = sorted(closes - set(made))
        if missing:
            faults.append(f"{series.key}: {len(missing)} candles without a signal, first {iso(missing[0])}")
        if len(made) != len(set(made)):
            faults.append(f"{series.key}: two signals for one candle")
    return faults


def every_taken_signal_answered(desk: Desk, since: UtcMs) -> list[str]:
    """Each taken signal but the newest has an entry order, filled, cancelled or refused."""
    sides = (Decision.LONG, Decision.SHORT)
    with desk.ledger.read() as tx:
        point = equity.latest(tx, desk.mode, desk.account)
        taken = signals.recent(tx, None, MOST, since, sides, mode=desk.mode)
        reached = point.ts if point else since
        return [
            f"{s.signal_id} was taken and nobody answered"
            for s in taken
            if s.ts < reached and orders.get(tx, entry_order_id(s, desk.account)) is None
        ]


def equity_is_sum_of_fills(desk: Desk, _since: UtcMs) -> list[str]:
    """The balance is the first one plus what every fill moved, to the last digit that money has."""
    with desk.ledger.read() as tx:
        curve = equity.series(tx, desk.mode, desk.account)
        all_fills = fills.recent(tx, desk.mode, desk.account, MOST)
        held = positions.open(tx, desk.mode, desk.account)
    if not curve:
        return []
    flow = sum((_flow(fill) for fill in all_fills), Decimal(0))
    inside = sum((p.side.sign * p.entry_price * p.quantity_base for p in held), Decimal(0))
    expected = curve[0].balance_quote + flow + inside
    allowed = TOLERANCE_QUOTE * (1 + len(all_fills))
    if abs(expected - curve[-1].balance_quote) <= allowed:
        return []
    return [f"balance {curve[-1].balance_quote}, but fills give {expected}"]


def _flow(fill: Fill) -> Decimal:
    """What a fill moved in quote: buying pays, selling receives, both pay the fee."""
    buys = fill.side.sign if fill.purpose is OrderPurpose.ENTRY else -fill.side.sign
    return -buys * fill.price * fill.quantity_base - fill.fee_quote


def nothing_from_the_future(desk: Desk, _since: UtcMs) -> list[str]:
    """No stored candle ends after now."""
    now = desk.clock.now_ms()
    faults = []
    for series in desk.lake.series():
        extent = desk.lake.extent(series)
        if extent is not None and extent.last_open_ms + series.timeframe.ms > now:
            faults.append(f"{series.key} holds a candle that is not over")
    return faults


INVARIANTS: Sequence[tuple[str, Callable[[Desk, UtcMs], list[str]]]] = (
    ("runs of a job do not overlap", no_overlap),
    ("every run has an end", every_run_ended),
    ("every signal is explained", every_signal_explained),
    ("every closed candle has one signal", a_signal_for_each_candle),
    ("every taken signal was answered", every_taken_signal_answered),
    ("equity is the sum of fills", equity_is_sum_of_fills),
    ("no candle comes from the future", nothing_from_the_future),
)
