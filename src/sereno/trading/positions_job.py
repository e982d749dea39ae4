"""Advances a paper account over closed candles.

The ledger alone knows how far it came. Each moment at which candles close is one transaction: bars,
mark, signals, and every record that follows from them. A kill at any point leaves the last whole
moment; the next run goes on from there, and ids that follow from their cause make a repeat harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from sereno.core.errors import TryLater
from sereno.core.instrument import InstrumentRules, Series
from sereno.core.mode import Mode
from sereno.core.order import PAPER_ACCOUNT
from sereno.core.settings.sections import BarrierSettings, CostSettings, RiskSettings, SignalSettings
from sereno.core.signal import Signal
from sereno.core.timeframe import UtcMs
from sereno.store.ledger import Ledger, Tx, audit, equity, orders, positions, risk_state
from sereno.store.ledger import signals as kept_signals
from sereno.trading.account import load_account, with_risk, with_terms
from sereno.trading.account_words import (
    AccountState,
    Action,
    BarClosed,
    Cancel,
    CandlesChanged,
    KeepEquity,
    KeepPosition,
    Marked,
    NoteChange,
    Refuse,
    Settle,
    SignalTaken,
    Submit,
)
from sereno.trading.backtest import NO_GRID
from sereno.trading.brokers.paper import PaperBroker
from sereno.trading.engine import SIGNAL_LATE, refusal, step
from sereno.trading.positions_plan import SIGNAL_LIMIT, Plan, ReadCandles, plan_run
from sereno.trading.rules import Rulebook, rulebook

CHANGED = "position.candle_changed"
CHANGED_BY = "job:positions"


@dataclass(slots=True)
class Advanced:
    """What one run did.

    moments    candle closes that were worked through
    changed    open positions under which candles changed
    newest_ms  how far the account has come; None if it was never opened
    """

    moments: int = 0
    approved: int = 0
    opened: int = 0
    closed: int = 0
    refused: int = 0
    cancelled: int = 0
    changed: int = 0
    newest_ms: UtcMs | None = None
    reasons: dict[str, int] = field(default_factory=dict)


def advance_account(
    ledger: Ledger,
    read_candles: ReadCandles,
    now: UtcMs,
    *,
    mode: Mode,
    account: str = PAPER_ACCOUNT,
    series: Sequence[Series],
    barriers: BarrierSettings,
    costs: CostSettings,
    risk: RiskSettings,
    signals: SignalSettings,
    look_back_bars: int | None = None,
) -> Advanced:
    """Apply the rules to every candle that closed since the last run, up to `now`.

    series          traded ones; series of open positions are looked after whether or not they are listed
    look_back_bars  how far before the account's clock signals are looked for that have no answer yet, in
                    bars of the widest series; None: through all that are kept, which takes its time

    Raises TryLater when another process advances the same account at the same time.
    """

    def book_of(one: Series, grid: InstrumentRules | None) -> Rulebook:
        """Exits need no lot; without a grid the gate refuses entries."""
        known = grid or NO_GRID
        return rulebook(one.timeframe, known, barriers=barriers, costs=costs, risk=risk, signals=signals)

    plan = plan_run(
        ledger,
        read_candles,
        now,
        mode=mode,
        account=account,
        series=series,
        book_of=book_of,
        max_open_positions=risk.max_open_positions,
        look_back_bars=look_back_bars,
    )
    done = Advanced(newest_ms=plan.clock)
    state: AccountState | None = None
    for moment in plan.moments:
        with ledger.begin() as tx:
            point = equity.latest(tx, mode, account)
            stood = None if point is None else point.ts
            is_overtaken = (
                stood != done.newest_ms
                or _is_answered(tx, plan.signals.get(moment, ()), mode, account)
                or (not done.moments and _is_reviewed(tx, plan))
            )
            if is_overtaken:
                raise TryLater("account.advanced_elsewhere", account=account, mode=mode.value)
            if state is None:
                loaded = load_account(tx, mode=mode, account=account)
                state = with_terms(tx, loaded, plan.limits.books)
            else:
                state = with_risk(tx, state)  # a person may block the account between two moments
            at = moment if done.newest_ms is None else max(moment, done.newest_ms)
            known = state.risk  # what the ledger has, whatever becomes of it from here on
            state, reviewed = _reviewed(state, plan, at) if not done.moments else (state, [])
            actions, after = _moment(state, plan, moment, at)
            actions = reviewed + actions
            actions += [refusal(late, after.view, SIGNAL_LATE) for late in plan.late(moment)]
            _perform(tx, actions, done)
            if after.risk is not None and after.risk != known:
                risk_state.save(tx, after.risk, after.risk.version)
        state = after
        done.moments += 1
        if point is not None:
            done.newest_ms = at
    return done


def _reviewed(state: AccountState, plan: Plan, at: UtcMs) -> tuple[AccountState, list[Action]]:
    """First of all: what candles that changed since mean for the positions that were checked on them."""
    actions: list[Action] = []
    for position, candles in plan.changed:
        price = plan.newest_close(position, at)
        seen = CandlesChanged(
            position.position_id, candles, at, float(candles.close[-1]) if price is None else price
        )
        state, done = step(state, seen, plan.limits)
        actions.extend(done)
    return state, actions


def _moment(state: AccountState, plan: Plan, moment: UtcMs, at: UtcMs) -> tuple[list[Action], AccountState]:
    actions: list[Action] = []
    state = _marked_before(state, plan, moment)
    for series, candle in plan.closing(moment):
        state, done = step(state, BarClosed(series, candle), plan.limits)
        actions.extend(done)
    state, done = step(state, Marked(at), plan.limits)
    actions.extend(done)
    for signal in plan.in_time(moment):
        state, done = step(state, SignalTaken(signal), plan.limits)
        actions.extend(done)
    return actions, state


def _is_answered(tx: Tx, signals: Sequence[Signal], mode: Mode, account: str) -> bool:
    """Whether another process answered one of these since the plan was made: the clock need not tell."""
    since = min((signal.ts for signal in signals), default=None)
    found = kept_signals.unanswered(tx, mode, account, SIGNAL_LIMIT, since) if signals else ()
    return not {signal.signal_id for signal in signals} <= {signal.signal_id for signal in found}


def _is_reviewed(tx: Tx, plan: Plan) -> bool:
    """Whether another process saw what changed under a position since the plan was made: nor does the clock tell this.

    Until this transaction ends, none can.
    """
    return any(positions.get_locked(tx, one.position_id) != one for one, _ in plan.changed)


def _marked_before(state: AccountState, plan: Plan, moment: UtcMs) -> AccountState:
    """Open positions at their newest close up to the moment."""
    held = []
    for one in state.held:
        mark = plan.newest_close(one.position, moment)
        held.append(one if mark is None else replace(one, mark=mark))
    return replace(state, held=tuple(held))


def _perform(tx: Tx, actions: Sequence[Action], done: Advanced) -> None:
    broker = PaperBroker(tx)
    for action in actions:
        match action:
            case Submit(approved=approved):
                broker.submit(approved)
                done.approved += 1
            case Settle(fill=fill):
                broker.settle(fill)
            case Cancel(order_id=order_id, reason=reason):
                broker.cancel(order_id, reason)
                done.cancelled += 1
            case Refuse(order=order):
                orders.add(tx, order)
                done.refused += 1
                done.reasons[order.reason] = done.reasons.get(order.reason, 0) + 1
            case KeepPosition(position=position):
                positions.save(tx, position)
                done.opened += position.bars_held == 0
                done.closed += not position.is_open
            case KeepEquity(point=point):
                equity.add(tx, point)
            case NoteChange():
                _note(tx, action)
                done.changed += 1
            case _:
                assert_never(action)


def _note(tx: Tx, change: NoteChange) -> None:
    before, after = change.before, change.after
    detail = {
        "mode": before.mode.value,
        "account": before.account,
        "series": before.series.key,
        "checked_ms": before.checked_ms,
        "bars_held": before.bars_held,
        "bars_now": change.bars,
        "outcome": "held" if after.exit_reason is None else after.exit_reason.value,
        "level": None if change.level is None else f"{change.level:f}",
        "exit_price": None if after.exit_price is None else f"{after.exit_price:f}",
    }
    audit.append(tx, change.ts, CHANGED_BY, CHANGED, before.position_id, detail)
