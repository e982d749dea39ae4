"""What one run over an account has to work through, read once at its start: candles, moments, signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sereno.core.candle import Candle, Candles
from sereno.core.instrument import InstrumentRules, Series
from sereno.core.mode import Mode
from sereno.core.order import OrderStatus, Position
from sereno.core.signal import Signal
from sereno.core.timeframe import UtcMs
from sereno.store.ledger import Ledger, Tx, equity, instruments, orders, positions
from sereno.store.ledger import signals as kept_signals
from sereno.trading.account import PENDING_LIMIT
from sereno.trading.changed import changed
from sereno.trading.engine import Limits
from sereno.trading.rules import Rulebook

ReadCandles: TypeAlias = Callable[[Series, UtcMs | None, UtcMs | None], Candles]
"""(series, since, until) -> closed candles with since <= open_ms < until; `Lake.candles` fits."""
BookOf: TypeAlias = Callable[[Series, InstrumentRules | None], Rulebook]
"""The rules of a series on its venue's grid; None where the grid is not known."""

SIGNAL_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run sees at its start; each transaction checks that the clock is still its own.

    clock    how far the account had come; None if it was never opened
    moments  closes of candles that lie ahead of it, and what else signals wait for, in order; the present,
             where candles changed and nothing else is to come
    signals  those without an answer, by the moment at which the account comes to them
    changed  open positions with candles that changed under them, as those candles are now
    """

    clock: UtcMs | None
    candles: Mapping[Series, Candles]
    moments: tuple[UtcMs, ...]
    signals: Mapping[UtcMs, tuple[Signal, ...]]
    limits: Limits
    changed: tuple[tuple[Position, Candles], ...] = ()

    def closing(self, moment: UtcMs) -> list[tuple[Series, Candle]]:
        """The candles that close at a moment."""
        found: list[tuple[Series, Candle]] = []
        for series, candles in self.candles.items():
            row = int(candles.open_ms.searchsorted(moment - series.timeframe.ms))
            if row < len(candles) and int(candles.close_ms[row]) == moment:
                found.extend((series, candle) for candle in candles.slice(row, row + 1))
        return found

    def newest_close(self, position: Position, moment: UtcMs) -> float | None:
        """The newest close of a position's series up to a moment; None while there is none since its entry."""
        candles = self.candles[position.series]
        row = int(candles.close_ms.searchsorted(moment, side="right")) - 1
        if row < 0 or int(candles.close_ms[row]) <= position.entry_ms:
            return None
        return float(candles.close[row])

    def in_time(self, moment: UtcMs) -> tuple[Signal, ...]:
        """Signals of a moment that may still be entered on."""
        return tuple(s for s in self.signals.get(moment, ()) if not _is_late(s, moment))

    def late(self, moment: UtcMs) -> tuple[Signal, ...]:
        """Signals of a moment whose entry candle is already over: their price is in the past."""
        return tuple(s for s in self.signals.get(moment, ()) if _is_late(s, moment))


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the ledger says of an account at the start of a run.

    waiting   signals of entries that are pending
    followed  series whose candles matter: traded, held, or entered soon
    """

    clock: UtcMs | None
    held: tuple[Position, ...]
    waiting: tuple[Signal, ...]
    unanswered: tuple[Signal, ...]
    followed: tuple[Series, ...]
    grids: Mapping[Series, InstrumentRules | None]

    def since(self, series: Series, now: UtcMs) -> UtcMs:
        """Up to when a series has been worked through: its positions may lag behind the account's clock."""
        behind = [p.checked_ms for p in self.held if p.series == series]
        behind += [s.ts for s in self.waiting if s.series == series]
        return min([*behind, now if self.clock is None else self.clock])

    def first_needed(self, series: Series, since: UtcMs) -> UtcMs:
        """From where on its candles are read: all that its open positions were checked on, to see that they stand."""
        entries = (p.entry_ms for p in self.held if p.series == series)
        return min([since - series.timeframe.ms, *entries])


def plan_run(
    ledger: Ledger,
    read_candles: ReadCandles,
    now: UtcMs,
    *,
    mode: Mode,
    account: str,
    series: Sequence[Series],
    book_of: BookOf,
    max_open_positions: int,
    look_back_bars: int | None,
) -> Plan:
    """What lies between the account's clock and `now`. Arguments as those of `advance_account`."""
    with ledger.read() as tx:
        standing = _standing(tx, mode, account, series, now, look_back_bars)
    candles, moments = {}, set[UtcMs]()
    for one in standing.followed:
        since = standing.since(one, now)
        candles[one] = read_candles(one, standing.first_needed(one, since), now)
        closes = candles[one].close_ms
        moments.update(closes[(closes > since) & (closes <= now)].tolist())
    dated = _dated(standing.unanswered, frozenset(standing.followed), standing.clock, now)
    limits = Limits(
        books={one: book_of(one, grid) for one, grid in standing.grids.items()},
        grids={one: grid for one, grid in standing.grids.items() if grid is not None},
        max_open_positions=max_open_positions,
    )
    looked_at = ((one, changed(one, candles[one.series])) for one in standing.held)
    under = tuple((one, now_there) for one, now_there in looked_at if now_there is not None)
    ahead = tuple(sorted(moments | set(dated)))
    return Plan(standing.clock, candles, ahead or ((now,) if under else ()), dated, limits, under)


def engaged(tx: Tx, mode: Mode, account: str) -> tuple[Series, ...]:
    """Series of open positions and of pending entries: their candles are needed, listed or not."""
    held = (position.series for position in positions.open(tx, mode, account))
    return tuple(sorted({*held, *(signal.series for signal in _waiting(tx, mode, account))}))


def _standing(
    tx: Tx, mode: Mode, account: str, series: Sequence[Series], now: UtcMs, look_back_bars: int | None
) -> _Standing:
    point = equity.latest(tx, mode, account)
    clock = None if point is None else point.ts
    held = tuple(positions.open(tx, mode, account))
    waiting = _waiting(tx, mode, account)
    followed = tuple(sorted({*series, *(p.series for p in held), *(s.series for s in waiting)}))
    widest_ms = max((s.timeframe.ms for s in followed), default=0)
    since = None if look_back_bars is None else (clock or now) - look_back_bars * widest_ms
    return _Standing(
        clock=clock,
        held=held,
        waiting=waiting,
        unanswered=tuple(kept_signals.unanswered(tx, mode, account, SIGNAL_LIMIT, since)),
        followed=followed,
        grids={one: instruments.rules(tx, one.instrument) for one in followed},
    )


def _waiting(tx: Tx, mode: Mode, account: str) -> tuple[Signal, ...]:
    pending = orders.recent(tx, mode, account, PENDING_LIMIT, status=OrderStatus.PENDING)
    causes = {order.signal_id for order in pending if order.signal_id}
    found = (kept_signals.get(tx, signal_id) for signal_id in sorted(causes))
    return tuple(signal for signal in found if signal is not None)


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


def _is_late(signal: Signal, moment: UtcMs) -> bool:
    return signal.ts + signal.series.timeframe.ms <= moment
