"""Files for people who read files: `risk_state_*.json` and `performance_history_*.json`."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

from sereno.core.errors import StopTrading
from sereno.core.files import JsonObject, replace_json
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.order import PAPER_ACCOUNT, EquityPoint, Position
from sereno.core.risk import RiskState
from sereno.core.timeframe import UtcMs, iso
from sereno.store.ledger import Ledger, equity, positions, risk_state
from sereno.trading.risk import AccountView, RiskReason, standing
from sereno.trading.statistics import by_quote

HISTORY_LIMIT = 5000


def export_account(
    ledger: Ledger, folder: Path, *, mode: Mode, account: str = PAPER_ACCOUNT, now: UtcMs
) -> tuple[Path, ...]:
    """Write `risk_state_<mode>_<account>.json` and one `performance_history_<slug>_<timeframe>.json` a series.

    An unreadable risk state is written as that, and raises StopTrading after all else is written.
    """
    fault: StopTrading | None = None
    state: RiskState | None = None
    with ledger.read() as tx:
        try:
            state = risk_state.load(tx, mode, account)
        except StopTrading as cause:
            fault = cause
        point = equity.latest(tx, mode, account)
        first = equity.first(tx, mode, account)
        open_now = len(positions.open(tx, mode, account))
        traded = positions.series(tx, mode, account)
    written = [folder / f"risk_state_{mode}_{account}.json"]
    equity_quote = None if point is None else point.equity_quote
    view = AccountView(mode, account, equity_quote, state, state_is_unreadable=fault is not None)
    replace_json(written[0], risk_json(view, point, open_now, now=now))
    initial = Decimal(0) if first is None else first.balance_quote
    for series in traded:
        with ledger.read() as tx:
            trips = positions.of_series(tx, mode, account, series)
        written.append(folder / f"performance_history_{series.instrument.slug}_{series.timeframe}.json")
        of = {"mode": mode.value, "account": account}
        replace_json(written[-1], of | history_json(series, trips, initial, now=now))
    if fault is not None:
        raise fault
    return tuple(written)


def risk_json(view: AccountView, point: EquityPoint | None, open_positions: int, *, now: UtcMs) -> JsonObject:
    """Where the account stands. Money is text: exact. Missing is null, and `fault` says what cannot be read."""
    state, equity_quote = view.state, view.equity
    return {
        "exported": iso(now),
        "equity_quote": _text(equity_quote),
        "balance_quote": None if point is None else _text(point.balance_quote),
        "open_positions": open_positions,
        "entries_allowed": standing(view, now) is None,
        "fault": RiskReason.STATE_UNREADABLE.value if view.state_is_unreadable else None,
        "state": None
        if state is None
        else {
            "mode": state.mode.value,
            "account": state.account,
            "day_start": iso(state.day_start_ms),
            "day_start_equity_quote": _text(state.day_start_equity_quote),
            "day_loss_frac": _loss(state.day_start_equity_quote, equity_quote),
            "week_start": iso(state.week_start_ms),
            "week_start_equity_quote": _text(state.week_start_equity_quote),
            "week_loss_frac": _loss(state.week_start_equity_quote, equity_quote),
            "losing_streak": state.losing_streak,
            "paused_until": None if state.paused_until_ms is None else iso(state.paused_until_ms),
            "pause_reason": state.pause_reason,
            "blocked_reason": state.blocked_reason,
            "updated": iso(state.updated_ms),
            "version": state.version,
        },
    }


def history_json(
    series: Series, trips: list[Position], initial_equity_quote: Decimal, *, now: UtcMs
) -> JsonObject:
    """The newest round trips of one series, oldest first; the figures per quote currency are of all of them.

    trips  all there were, by entry
    """
    figures = by_quote(trips, initial_equity_quote=initial_equity_quote)
    kept = trips[-HISTORY_LIMIT:]
    return {
        "exported": iso(now),
        "symbol": series.instrument.symbol,
        "timeframe": series.timeframe.value,
        "figures": {quote: asdict(value) for quote, value in figures.items()},
        "trades_left_out": len(trips) - len(kept),
        "trades": [_trip(trip) for trip in kept],
    }


def _trip(trip: Position) -> JsonObject:
    return {
        "position_id": trip.position_id,
        "signal_id": trip.signal_id,
        "side": trip.side.value,
        "quantity_base": _text(trip.quantity_base),
        "entry": iso(trip.entry_ms),
        "entry_price": _text(trip.entry_price),
        "initial_stop": _text(trip.initial_stop),
        "stop": _text(trip.stop),
        "target": _text(trip.target),
        "bars_held": trip.bars_held,
        "exit": None if trip.exit_ms is None else iso(trip.exit_ms),
        "exit_price": _text(trip.exit_price),
        "exit_reason": None if trip.exit_reason is None else trip.exit_reason.value,
        "fees_quote": _text(trip.fees_quote),
        "pnl_quote": _text(trip.pnl_quote),
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _loss(start: Decimal, equity_quote: Decimal | None) -> float | None:
    """Share lost since the start; below 0 is a gain. None when it is undefined."""
    return None if equity_quote is None or start <= 0 else float((start - equity_quote) / start)
