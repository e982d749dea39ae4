"""The job `walkforward`: models re-trained per fold, each fold reported out of sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.timeframe import iso
from sereno.ops.provenance import backtest_words
from sereno.ops.run import Outcome, Run
from sereno.ops.steps.backtest import FOLD_WORDS, walked

if TYPE_CHECKING:
    from sereno.models.walkforward import Fold
    from sereno.ops.app import Desk
    from sereno.trading.backtest import BacktestResult

LOSS = {"trend": "log_loss", "return": "pinball", "risk": "log_loss"}
REPORT = "walkforward.html"


def walk_forward(desk: Desk, run: Run) -> Outcome:
    """Every traded series. Failed when none has enough history."""
    from sereno.trading.backtest_report import write_backtest_report

    told: dict[str, object] = {}
    results: list[BacktestResult] = []
    lines: list[dict[str, str]] = []
    rows, until = 0, desk.clock.now_ms()
    for series in desk.series:
        try:
            walk, result = walked(desk, run.tell, series, until=until)
        except SkipThis as cause:
            told[series.key] = {"skipped": str(cause)}
            continue
        results.append(result)
        lines += [_line(series, fold) for fold in walk.folds]
        rows += sum(fold.test_rows for fold in walk.folds)
        told[series.key] = {
            "folds": [_fold(fold) for fold in walk.folds],
            "trades": result.figures.trades,
            "net_quote": result.figures.net_quote,
            "return_frac": result.figures.return_frac,
            "win_rate": result.figures.win_rate,
            "sharpe": result.sharpe,
        }
    if not results:
        return Outcome(0, {"series": told}, failed="no series has enough history to walk forward")
    path = desk.paths.reports / REPORT
    notes = (FOLD_WORDS, backtest_words(desk.settings))
    write_backtest_report(path, results, title="Walk-forward", notes=notes, folds=lines)
    return Outcome(rows, {"series": told, "report": str(path)})


def _line(series: Series, fold: Fold) -> dict[str, str]:
    """One row of the page: the loss of the trees against the baseline's, and which of them was served."""
    line = {
        "what": f"{series.instrument.symbol} {series.timeframe} fold {fold.number}",
        "from": iso(fold.test_from_ms)[:10],
        "to": iso(fold.test_to_ms)[:10],
        "trained on": f"{fold.train_rows} rows",
        "tested on": f"{fold.test_rows} rows",
    }
    for role, scores in fold.metrics.items():
        name = LOSS[role.value]
        trees, baseline = scores.trees[name], scores.baseline[name]
        told = f"{_number(trees)} ({_number(baseline)}), {scores.served}"
        line[f"{role.value}: {name.replace('_', ' ')} (baseline's), served"] = told
    return line


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _fold(fold: Fold) -> dict[str, object]:
    return {
        "number": fold.number,
        "train_rows": fold.train_rows,
        "test_rows": fold.test_rows,
        "from": iso(fold.test_from_ms),
        "to": iso(fold.test_to_ms),
        "roles": {
            role.value: {
                "served": scores.served,
                "trees": dict(scores.trees),
                "baseline": dict(scores.baseline),
            }
            for role, scores in fold.metrics.items()
        },
    }
