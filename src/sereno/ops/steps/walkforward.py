"""The job `walkforward`: models re-trained per fold, each fold reported out of sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sereno.core.errors import SkipThis
from sereno.core.timeframe import iso
from sereno.ops.run import Outcome, Run
from sereno.ops.steps.backtest import walked

if TYPE_CHECKING:
    from sereno.models.walkforward import Fold
    from sereno.ops.app import Desk
    from sereno.trading.backtest import BacktestResult

FOLDS = 4
REPORT = "walkforward.html"


def walk_forward(desk: Desk, run: Run) -> Outcome:
    """Every traded series. Failed when none has enough history."""
    from sereno.trading.backtest_report import write_backtest_report

    told: dict[str, object] = {}
    results: list[BacktestResult] = []
    rows = 0
    for series in desk.series:
        try:
            walk, result = walked(desk, run.tell, series, folds=FOLDS)
        except SkipThis as cause:
            told[series.key] = {"skipped": str(cause)}
            continue
        results.append(result)
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
    write_backtest_report(path, results)
    return Outcome(rows, {"series": told, "report": str(path)})


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
