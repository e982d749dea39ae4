"""Trading the past out of sample: behind `sereno backtest`, the job `walkforward` and the training report.

The rules of decision, position, costs and venue are the desk's. Its path is another one: a series is traded
alone with the whole initial equity, and by models that were trained once a fold, untuned (`FOLD_WORDS`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.timeframe import UtcMs, iso
from sereno.ops.entries import desk_moment
from sereno.ops.progress import Tell
from sereno.ops.provenance import backtest_words

if TYPE_CHECKING:
    from sereno.features.frame import FeatureFrame
    from sereno.models.contract import Forecasts
    from sereno.models.walkforward import WalkForward
    from sereno.ops.app import Desk
    from sereno.trading.backtest import BacktestResult

REPORT = "backtest.html"
FOLD_WORDS = (
    "Models are trained anew for each fold, on the candles before it, with untuned parameters and few rounds; the desk "
    "trains more often and tunes. The parameters it serves today are not used: they were chosen on candles that lie in "
    "the folds."
)


def traded(
    desk: Desk, series: Series, candles: Candles, frame: FeatureFrame, forecasts: Forecasts
) -> BacktestResult:
    """Forecasts traded with the desk's rules, costs and the venue's grid as far as it is known."""
    from sereno.store.ledger import instruments
    from sereno.trading.backtest import NO_GRID, backtest

    settings = desk.settings
    with desk.ledger.read() as tx:
        grid = instruments.rules(tx, series.instrument)
    return backtest(
        candles,
        frame,
        forecasts,
        series=series,
        signals=settings.signals,
        barriers=settings.barriers,
        costs=settings.costs,
        risk=settings.risk,
        rules=grid or NO_GRID,
    )


def walked(
    desk: Desk,
    tell: Tell,
    series: Series,
    *,
    until: UtcMs,
    folds: int | None = None,
    since: UtcMs | None = None,
) -> tuple[WalkForward, BacktestResult]:
    """Models re-trained per fold over the stored candles, and their joined forecasts traded.

    until   candles that closed by then are known: one moment for all series of a report, for the desk goes on
    folds   None: as the settings say
    """
    from sereno.features.frame import compute
    from sereno.models.walkforward import walk_forward
    from sereno.ops.steps.peers import peers_of

    settings = desk.settings
    plan = settings.walkforward if folds is None else settings.walkforward.model_copy(update={"folds": folds})
    last = until - series.timeframe.ms + 1
    candles = desk.lake.candles(series, since, last)
    extent = None if len(candles) else desk.lake.extent(series)
    if extent is not None:
        raise SkipThis(
            "backtest.nothing_since",
            remedy=f"the newest candle of {series.key} opens at {iso(extent.last_open_ms)}: begin earlier",
        )
    walk = walk_forward(
        candles,
        series,
        plan=plan,
        models=settings.models,
        barriers=settings.barriers,
        costs=settings.costs,
        peers=peers_of(desk, series, lambda other: desk.lake.candles(other, since, last)),
        progress=tell,
    )
    frame = compute(candles, atr_bars=settings.barriers.atr_bars)
    return walk, traded(desk, series, candles, frame, walk.forecasts)


def backtest_desk(
    desk: Desk, tell: Tell, *, folds: int | None, symbols: Collection[str], since: UtcMs | None
) -> tuple[str, ...]:
    """Every series asked for; writes the report and answers lines for the terminal.

    Raises SkipThis when no series has enough history.
    """
    from sereno.trading.backtest_report import write_backtest_report

    lines: list[str] = []
    results: list[BacktestResult] = []
    until = desk_moment(desk.clock)
    for series in desk.series:
        if symbols and series.instrument.symbol not in symbols:
            continue
        try:
            _, result = walked(desk, tell, series, until=until, folds=folds, since=since)
        except SkipThis as cause:
            lines.append(f"{series.key}: skipped: {cause}")
            continue
        results.append(result)
        lines += told(result)
    if not results:
        raise SkipThis("backtest.nothing", remedy="; ".join(lines) or "no such instrument")
    path = desk.paths.reports / REPORT
    write_backtest_report(path, results, notes=(FOLD_WORDS, backtest_words(desk.settings)))
    return (*lines, f"report: {path}")


def told(result: BacktestResult) -> tuple[str, ...]:
    """One result in words."""
    f, near = result.figures, result.nearest
    missed = (
        () if f.trades or near is None else (f"  nearest miss: {near.side} at {iso(near.ts)}, {near.detail}",)
    )
    return (
        f"{result.series.key} {iso(result.first_ms)[:10]} to {iso(result.last_ms)[:10]}",
        f"  trades {f.trades}, net {f.net_quote:.2f} quote, return {_share(f.return_frac)}, "
        f"buy and hold {_share(result.buy_and_hold_frac)}",
        f"  win rate {_share(f.win_rate)}, profit factor {_number(f.profit_factor)}, "
        f"Sharpe {_number(result.sharpe)}, deepest drawdown {_share(f.max_drawdown_frac)}",
        f"  refused: {refused(result)}",
        *missed,
    )


def refused(result: BacktestResult) -> str:
    """What kept from entries, and how often."""
    return ", ".join(f"{name} {n}" for name, n in result.refused.items() if n) or "nothing"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
