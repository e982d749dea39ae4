"""Backtest of one series: the batch decision, then the compiled rules over its candles."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from sereno.core.candle import F64, I64, Candles
from sereno.core.instrument import InstrumentRules, Series
from sereno.core.settings.sections import BarrierSettings, CostSettings, RiskSettings, SignalSettings
from sereno.models.contract import Forecasts
from sereno.signals.batch import I8, Decisions, Frame, Miss, decide_all
from sereno.trading.rules import EXIT_REASONS, Rulebook, rulebook
from sereno.trading.statistics import Statistics, sharpe, statistics

NO_GRID = InstrumentRules(
    price_tick=Decimal("0.00000001"),
    quantity_step=Decimal("0.00000001"),
    min_quantity=Decimal(0),
    min_notional_quote=Decimal(0),
)
"""For candles whose venue rules are not known; paper refuses to enter without them."""
OPEN_AT_END = "open_at_end"


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """(n,) columns of closed round trips in the order of their entries. Quote, base and money grid.

    decided_bar  row of the candles whose close the decision was made on
    sign         +1 long, -1 short
    reason       code of `trading.rules`
    bars_held    bars including entry and exit bar
    balance      account after the exit
    """

    decided_bar: I64
    sign: I64
    entry_ms: I64
    exit_ms: I64
    reason: I64
    bars_held: I64
    lots: I64
    entry_price: F64
    exit_price: F64
    quantity: F64
    initial_stop: F64
    target: F64
    entry_fee: F64
    exit_fee: F64
    pnl: F64
    balance: F64

    def __len__(self) -> int:
        return len(self.sign)


@dataclass(frozen=True, slots=True, eq=False)
class BacktestResult:
    """What a backtest leaves.

    equity     (n,) account at each close, open position marked to it
    refused    how often each rule refused: the decision's reasons, then the kernel's
    sharpe     annualised, of per-bar equity returns
    exposure_frac  share of bars with an open position
    nearest        what came nearest to a trade of all that the decision refused
    open_at_end    a last position was still open; neither trades nor equity hold it
    """

    series: Series
    first_ms: int
    last_ms: int
    initial_equity_quote: float
    trades: Trades
    ts: I64
    equity: F64
    figures: Statistics
    sharpe: float | None
    exposure_frac: float | None
    refused: dict[str, int]
    buy_and_hold_frac: float | None
    open_at_end: bool = False
    nearest: Miss | None = None


def run(
    candles: Candles, side: I8, atr: F64, book: Rulebook, *, initial_equity: float
) -> tuple[Trades, dict[str, int]]:
    """The rules over candles and decisions, each (n,) and row for row; (trades, refusal counts)."""
    from sereno.trading import kernel  # numba: only when something is really computed

    if not len(candles) == len(side) == len(atr):
        raise ValueError(f"{len(candles)} candles, {len(side)} decisions and {len(atr)} ranges do not match")
    bound = int(np.count_nonzero(side))
    rows = kernel.empty_rows(bound)
    counts = np.zeros(len(kernel.COUNTS), dtype=np.int64)
    bars = kernel.bars_of(candles, side, atr)
    n = kernel.walk(bars, book, initial_equity, rows, counts)
    trades = Trades(**{name: column[:n].copy() for name, column in rows._asdict().items()})
    return trades, dict(zip(kernel.COUNTS, counts.tolist(), strict=True))


def backtest(
    candles: Candles,
    frame: Frame,
    forecasts: Forecasts,
    *,
    series: Series,
    signals: SignalSettings,
    barriers: BarrierSettings,
    costs: CostSettings,
    risk: RiskSettings,
    rules: InstrumentRules = NO_GRID,
) -> BacktestResult:
    """Trade the forecasts over the candles they cover, as paper would with this series alone.

    candles    every candle of the frame, and more if there are
    forecasts  out of sample, or the result means nothing; rows match the frame's on `ts`
    """
    decisions = decide_all(
        forecasts,
        frame,
        market=series.instrument.market,
        signals=signals,
        barriers=barriers,
        costs=costs,
    )
    present = forecasts.ts[forecasts.present]
    since = int(present[0]) - candles.timeframe.ms if len(present) else None
    covered = candles.between(since, None)
    side, atr = aligned(covered, decisions)
    book = rulebook(candles.timeframe, rules, barriers=barriers, costs=costs, risk=risk, signals=signals)
    initial = float(risk.initial_equity_quote)
    trades, refusals = run(covered, side, atr, book, initial_equity=initial)
    open_at_end = refusals.pop(OPEN_AT_END) > 0
    equity, in_position = equity_of(covered, trades, initial)
    steps = (
        np.diff(equity, prepend=initial) / np.concatenate([[initial], equity[:-1]]) if len(equity) else equity
    )
    return BacktestResult(
        series=series,
        first_ms=int(covered.open_ms[0]) if len(covered) else 0,
        last_ms=int(covered.close_ms[-1]) if len(covered) else 0,
        initial_equity_quote=initial,
        trades=trades,
        ts=covered.close_ms,
        equity=equity,
        figures=statistics(trades.pnl.tolist(), initial_equity_quote=initial),
        sharpe=sharpe(steps.tolist(), bar_ms=candles.timeframe.ms),
        exposure_frac=float(in_position.mean()) if len(covered) else None,
        refused=decisions.refusals | refusals,
        open_at_end=open_at_end,
        nearest=decisions.nearest,
        buy_and_hold_frac=float(covered.close[-1] / covered.open[0] - 1.0) if len(covered) else None,
    )


def aligned(candles: Candles, decisions: Decisions) -> tuple[I8, F64]:
    """Side and average true range for each candle, matched on the candle's close; 0 and NaN without one."""
    side = np.zeros(len(candles), dtype=np.int8)
    atr = np.full(len(candles), np.nan)
    rows = np.searchsorted(decisions.ts, candles.close_ms)
    inside = rows < len(decisions)
    inside[inside] = decisions.ts[rows[inside]] == candles.close_ms[inside]
    side[inside] = decisions.side[rows[inside]]
    atr[inside] = decisions.atr[rows[inside]]
    return side, atr


def equity_of(candles: Candles, trades: Trades, initial: float) -> tuple[F64, I8]:
    """(n,) equity marked to each close, and (n,) 1 where a position was open at some time in the bar."""
    equity = np.full(len(candles), initial)
    held = np.zeros(len(candles), dtype=np.int8)
    closes = candles.close_ms
    balance = initial
    for k in range(len(trades)):
        first = int(np.searchsorted(candles.open_ms, trades.entry_ms[k]))
        last = int(np.searchsorted(closes, trades.exit_ms[k]))
        marks = candles.close[first:last]
        open_result = trades.sign[k] * (marks - trades.entry_price[k]) * trades.quantity[k]
        equity[first:last] = balance + open_result - trades.entry_fee[k]
        balance = float(trades.balance[k])
        equity[last:] = balance
        held[first : last + 1] = 1
    return equity, held


def reason_of(code: int) -> str:
    """Name of an exit code."""
    return EXIT_REASONS[code].value
