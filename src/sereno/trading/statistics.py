"""One definition of every trading figure. An undefined figure is None, neither 0 nor infinity.

A win has a result above 0, a loss one below; a break-even round trip is neither, and counts only as
a trade. Drawdown is measured from the highest equity so far, starting with the initial equity, so an
account that only loses has one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from sereno.core.instrument import Series
from sereno.core.order import Position
from sereno.trading.rules import streak_after

YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures over closed round trips of one quote currency, net of fees.

    win_rate            wins over all trades
    profit_factor       sum of wins over sum of losses; None without a loss
    expectancy_quote    mean result of a trade
    max_drawdown_frac   deepest fall from a peak as a share of that peak
    max_drawdown_quote  deepest fall from a peak in quote
    """

    trades: int
    wins: int
    losses: int
    break_even: int
    net_quote: float
    win_rate: float | None
    profit_factor: float | None
    expectancy_quote: float | None
    average_win_quote: float | None
    average_loss_quote: float | None
    best_quote: float | None
    worst_quote: float | None
    longest_losing_streak: int
    max_drawdown_frac: float | None
    max_drawdown_quote: float
    return_frac: float | None


def statistics(results_quote: Sequence[float], *, initial_equity_quote: float) -> Statistics:
    """Figures of net results in the order of their exits."""
    results = list(results_quote)
    wins, losses = [r for r in results if r > 0], [r for r in results if r < 0]
    equity = [initial_equity_quote]
    for result in results:
        equity.append(equity[-1] + result)
    net = math.fsum(results)
    return Statistics(
        trades=len(results),
        wins=len(wins),
        losses=len(losses),
        break_even=len(results) - len(wins) - len(losses),
        net_quote=net,
        win_rate=_ratio(len(wins), len(results)),
        profit_factor=_ratio(math.fsum(wins), -math.fsum(losses)),
        expectancy_quote=_ratio(net, len(results)),
        average_win_quote=_ratio(math.fsum(wins), len(wins)),
        average_loss_quote=_ratio(math.fsum(losses), len(losses)),
        best_quote=max(results, default=None),
        worst_quote=min(results, default=None),
        longest_losing_streak=max(losing_streaks(results)),
        max_drawdown_frac=max_drawdown_frac(equity),
        max_drawdown_quote=max(drawdowns_quote(equity)),
        return_frac=_ratio(net, initial_equity_quote),
    )


def by_quote(positions: Iterable[Position], *, initial_equity_quote: Decimal) -> dict[str, Statistics]:
    """Figures of closed positions per quote currency: different currencies are never added up.

    Exits of one moment count in the order in which the engine and its gate take them: by series.
    """
    results: dict[str, list[tuple[int, Series, float]]] = {}
    for position in positions:
        if position.exit_ms is not None and position.pnl_quote is not None:
            quote = position.series.instrument.quote
            exit_ = (position.exit_ms, position.series, float(position.pnl_quote))
            results.setdefault(quote, []).append(exit_)
    return {
        quote: statistics([pnl for *_, pnl in sorted(rows)], initial_equity_quote=float(initial_equity_quote))
        for quote, rows in sorted(results.items())
    }


def drawdowns_quote(equity: Sequence[float]) -> list[float]:
    """How far each value lies below the highest so far, in quote; the first value is the first peak."""
    return [peak - value for peak, value in zip(accumulate(equity, max), equity, strict=True)]


def drawdowns_frac(equity: Sequence[float]) -> list[float] | None:
    """How far each value lies below the highest so far, as a share of it.

    None without values, or if a peak is not above 0.
    """
    peaks = list(accumulate(equity, max))
    if not peaks or peaks[0] <= 0:
        return None
    return [fall / peak for fall, peak in zip(drawdowns_quote(equity), peaks, strict=True)]


def max_drawdown_frac(equity: Sequence[float]) -> float | None:
    """Deepest fall from a peak as a share of it; None where that is undefined."""
    falls = drawdowns_frac(equity)
    return None if falls is None else max(falls)


def losing_streaks(results: Iterable[float]) -> list[int]:
    """Losses in a row after each result, in the order of the exits; the gate counts in the same way."""
    return list(accumulate(results, streak_after, initial=0))


def sharpe(returns: Sequence[float], *, bar_ms: int) -> float | None:
    """Annualised Sharpe ratio of per-bar simple returns; the crypto year has 365 days.

    None with fewer than two returns or without variation.
    """
    n = len(returns)
    if n < 2:
        return None
    mean = math.fsum(returns) / n
    deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (n - 1))
    if deviation <= 1e-15:
        return None
    return mean / deviation * math.sqrt(YEAR_MS / bar_ms)


def _ratio(above: float, below: float) -> float | None:
    return above / below if below > 0 else None
