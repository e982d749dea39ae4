"""Advances a paper account over closed candles.

The ledger alone knows how far it came. Each moment at which candles close is one transaction: bars,
mark, signals, and every record that follows from them. A kill at any point leaves the last whole
moment; the next run goes on from there, and ids that follow from their cause make a repeat harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never

from sereno.core.candle import Candle, Candles
from sereno.core.errors import TryLater
from sereno.core.instrument import InstrumentRules, Series
from sereno.core.mode import Mode
from sereno.core.order import PAPER_ACCOUNT, OrderStatus
from sereno.core.settings.sections import BarrierSettings, CostSettings, RiskSettings, SignalSettings
from sereno.core.signal import Signal
from sereno.core.timeframe import UtcMs
from sereno.store.ledger import Ledger, Tx, equity, instruments, orders, positions, risk_state
from sereno.store.ledger import signals as kept_signals
from sereno.trading.account import PENDING_LIMIT, load_account, with_risk, with_terms
from sereno.trading.account_words import (
    AccountState,
    Action,
    BarClosed,
    Cancel,
    KeepEquity,
    KeepPosition,
    Marked,
    Refuse,
    Settle,
    SignalTaken,
    Submit,
)
from sereno.trading.backtest import NO_GRID
from sereno.trading.brokers.paper import PaperBroker
from sereno.trading.engine import SIGNAL_LATE, Limits, refusal, step
from sereno.trading.rules import Rulebook, rulebook

ReadCandles: TypeAlias = Callable[[Series, UtcMs | None, UtcMs | None], Candles]
"""(series, since, until) -> closed candles with since <= open_ms < until; `Lake.candles` fits."""

SIGNAL_LIMIT = 10_000


@dataclass(slots=True)
class Advanced:
    """What one run did.

    moments    candle closes that were worked through
    newest_ms  how far the account has come; None if it was never opened
    """

    moments: int = 0
    approved: int = 0
    opened: int = 0
    closed: int = 0
    refused: int = 0
    cancelled: int = 0
    newest_ms: UtcMs | None = None
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a run sees at its start; each transaction checks that the clock is still its own."""

    clock: UtcMs | None
    candles: Mapping[Series, Candles]
    moments: tuple[UtcMs, ...]
    signals: Mapping[UtcMs, tuple[Signal, ...]]
    limits: Limits


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
    slices = _Slices(barriers, costs, risk, signals)
    plan = _plan(
        ledger,
        read_candles,
        now,
        mode=mode,
        account=account,
        series=series,
        slices=slices,
        look_back_bars=look_back_bars,
    )
    done = Advanced(newest_ms=plan.clock)
    state: AccountState | None = None
    for moment in plan.moments:
        with ledger.begin() as tx:
            point = equity.latest(tx, mode, account)
            stood = None if point is None else point.ts
            if stood != done.newest_ms or _is_answered(tx, plan.signals.get(moment, ()), mode, account):
                raise TryLater("account.advanced_elsewhere", account=account, mode=mode.value)
            if state is None:
                loaded = load_account(tx, mode=mode, account=account)
                state = with_terms(tx, loaded, plan.limits.books)
            else:
                state = with_risk(tx, state)  # a person may block the account between two moments
            at = moment if done.newest_ms is None else max(moment, done.newest_ms)
            actions, after = _moment(state, plan, moment, at)
            actions = [*actions, *_late(plan, moment, after)]
            _perform(tx, actions, done)
            if after.risk is not None and after.risk != state.risk:
                risk_state.save(tx, after.risk, after.risk.version)
        state = after
        done.moments += 1
        if point is not None:
            done.newest_ms = at
    return done


@dataclass(frozen=True, slots=True)
class _Slices:
    barriers: BarrierSettings
    costs: CostSettings
    risk: RiskSettings
    signals: SignalSettings

    def book(self, series: Series, grid: InstrumentRules | None) -> Rulebook:
        return rulebook(
            series.timeframe,
            grid or NO_GRID,  # exits need no lot; without a grid the gate refuses entries
            barriers=self.barriers,
            costs=self.costs,
            risk=self.risk,
            signals=self.signals,
        )


def _plan(
    ledger: Ledger,
    read_candles: ReadCandles,
    now: UtcMs,
    *,
    mode: Mode,
    account: str,
    series: Sequence[Series],
    slices: _Slices,
    look_back_bars: int | None,
) -> _Plan:
    with ledger.read() as tx:
        point = equity.latest(tx, mode, account)
        held = positions.open(tx, mode, account)
        waiting = orders.recent(tx, mode, account, PENDING_LIMIT, status=OrderStatus.PENDING)
        reasons = {o.signal_id: kept_signals.get(tx, o.signal_id) for o in waiting if o.signal_id}
        pending = [signal for signal in reasons.values() if signal is not None]
        clock = None if point is None else point.ts
        followed = sorted({*series, *(p.series for p in held), *(s.series for s in pending)})
        widest_ms = max((s.timeframe.ms for s in followed), default=0)
        since = None if look_back_bars is None else (clock or now) - look_back_bars * widest_ms
        unanswered = kept_signals.unanswered(tx, mode, account, SIGNAL_LIMIT, since)
        grids = {s: instruments.rules(tx, s.instrument) for s in followed}
    seen: dict[Series, UtcMs] = {}
    for position in held:
        seen[position.series] = min(position.checked_ms, seen.get(position.series, position.checked_ms))
    for signal in pending:
        seen[signal.series] = min(signal.ts, seen.get(signal.series, signal.ts))
    candles, moments = {}, set[UtcMs]()
    for one in followed:
        since = min(seen.get(one, clock if clock is not None else now), clock if clock is not None else now)
        found = read_candles(one, since - one.timeframe.ms, now)
        candles[one] = found
        closes = found.close_ms
        moments.update(closes[(closes > since) & (closes <= now)].tolist())
    dated = _dated(unanswered, frozenset(followed), clock, now)
    known = {s: grid for s, grid in grids.items() if grid is not None}
    limits = Limits(
        books={s: slices.book(s, grids[s]) for s in followed},
        grids=known,
        max_open_positions=slices.risk.max_open_positions,
    )
    return _Plan(
        clock=clock,
        candles=candles,
        moments=tuple(sorted(moments | set(dated))),
        signals=dated,
        limits=limits,
    )


def _dated(
    unanswered: Iterable[Signal], followed: frozenset[Series], clock: UtcMs | None, now: UtcMs
) -> dict[UtcMs, tuple[Signal, ...]]:
    """Taken signals that no order answers yet, by the moment at which the account comes to them.

    However old one is, it gets its answer: after a long rest a refusal for being late. One of a series
    that is no longer traded is left alone until it is late.
    """
    dated: dict[UtcMs, list[Signal]] = {}
    for signal in sorted(unanswered, key=lambda s: (s.ts, s.series.key)):
        at = signal.ts if clock is None else max(signal.ts, clock)
        if at <= now and (signal.series in followed or _is_late(signal, at)):
            dated.setdefault(at, []).append(signal)
    return {at: tuple(found) for at, found in dated.items()}


def _moment(state: AccountState, plan: _Plan, moment: UtcMs, at: UtcMs) -> tuple[list[Action], AccountState]:
    actions: list[Action] = []
    state = _marked_before(state, plan, moment)
    for series, candle in _closing(plan, moment):
        state, done = step(state, BarClosed(series, candle), plan.limits)
        actions.extend(done)
    state, done = step(state, Marked(at), plan.limits)
    actions.extend(done)
    for signal in plan.signals.get(moment, ()):
        if not _is_late(signal, moment):
            state, done = step(state, SignalTaken(signal), plan.limits)
            actions.extend(done)
    return actions, state


def _is_answered(tx: Tx, signals: Sequence[Signal], mode: Mode, account: str) -> bool:
    """Whether another process answered one of these since the plan was made: the clock need not tell."""
    since = min((signal.ts for signal in signals), default=None)
    found = kept_signals.unanswered(tx, mode, account, SIGNAL_LIMIT, since) if signals else ()
    return not {signal.signal_id for signal in signals} <= {signal.signal_id for signal in found}


def _late(plan: _Plan, moment: UtcMs, state: AccountState) -> list[Action]:
    """A signal whose entry candle is already over is refused: its price is in the past."""
    return [
        refusal(signal, state.view, SIGNAL_LATE)
        for signal in plan.signals.get(moment, ())
        if _is_late(signal, moment)
    ]


def _is_late(signal: Signal, moment: UtcMs) -> bool:
    return signal.ts + signal.series.timeframe.ms <= moment


def _closing(plan: _Plan, moment: UtcMs) -> list[tuple[Series, Candle]]:
    found: list[tuple[Series, Candle]] = []
    for series, candles in plan.candles.items():
        row = int(candles.open_ms.searchsorted(moment - series.timeframe.ms))
        if row < len(candles) and int(candles.close_ms[row]) == moment:
            found.extend((series, candle) for candle in candles.slice(row, row + 1))
    return found


def _marked_before(state: AccountState, plan: _Plan, moment: UtcMs) -> AccountState:
    """Open positions at their newest close up to the moment."""
    held = []
    for one in state.held:
        candles = plan.candles[one.position.series]
        row = int(candles.close_ms.searchsorted(moment, side="right")) - 1
        fresh = row >= 0 and int(candles.close_ms[row]) > one.position.entry_ms
        held.append(replace(one, mark=float(candles.close[row])) if fresh else one)
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
            case _:
                assert_never(action)
