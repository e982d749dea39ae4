"""The page of a training: what was trained now, and beside it what earlier trainings left of the rest.

A training of one role or series must not take the others off the page. Scores come from the registry; the
equity curves, which are no part of a model, are kept beside the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog

from sereno.core.errors import SkipThis
from sereno.core.files import replace_file

if TYPE_CHECKING:
    from sereno.core.candle import Candles
    from sereno.core.instrument import Series
    from sereno.models.report import EquityCurve
    from sereno.models.train import TrainReport
    from sereno.ops.app import Desk

_log = structlog.get_logger("sereno.train")
REPORT = "train-report.html"
CURVES = "train-report-curves.json"


def write_page(desk: Desk, reports: Sequence[TrainReport], read: Callable[[Series], Candles]) -> Path:
    """Write the page of every traded series; where it is.

    read   the candles that the reports were learned from
    """
    from sereno.models.kept import completed
    from sereno.models.report import write_train_report

    trained = {report.series: report for report in reports}
    told = []
    for series in desk.series:
        record, report = _record(desk, series), trained.get(series)
        shown = record if report is None else completed(report, record)
        told += [shown] if shown is not None else []
    kept = desk.paths.reports / CURVES
    drawn = {report.series.key: curve for report in reports if (curve := _curve(desk, report, read))}
    curves = {**read_curves(kept), **drawn}
    path = write_train_report(desk.paths.reports / REPORT, told, equity=curves)
    _write(kept, {report.series.key: curves[key] for report in told if (key := report.series.key) in curves})
    return path


def _record(desk: Desk, series: Series) -> TrainReport | None:
    from sereno.models.kept import on_record

    try:
        return on_record(desk.registry, series)
    except SkipThis as cause:
        _log.warning("train.not_on_page", series=series.key, reason=str(cause))
        return None


def _curve(desk: Desk, report: TrainReport, read: Callable[[Series], Candles]) -> EquityCurve | None:
    """The fold's forecasts, which chose nothing, traded by the desk's rules."""
    from sereno.features.frame import compute
    from sereno.models.report import EquityCurve, window_of
    from sereno.ops.steps.backtest import refused, traded

    if report.fold is None or not report.fold.forecasts.present.any():
        return None
    candles = read(report.series)
    frame = compute(candles, atr_bars=desk.settings.barriers.atr_bars)
    result = traded(desk, report.series, candles, frame, report.fold.forecasts)
    figures = result.figures
    result_words = f"{figures.trades} trades, net result {figures.net_quote:.2f} quote"
    caption = (
        f"{result_words if figures.trades else 'No trade'}, fee {desk.settings.costs.fee_bps:g} bps and slippage "
        f"{desk.settings.costs.slippage_bps:g} bps a side. Refused, by the first reason: {refused(result)}."
    )
    return EquityCurve(result.ts, result.equity, caption, window_of(report.fold))


def _write(path: Path, curves: Mapping[str, EquityCurve]) -> None:
    body = {
        key: {
            "ts": curve.ts.tolist(),
            "equity_quote": curve.equity_quote.tolist(),
            "caption": curve.caption,
            "window": curve.window,
        }
        for key, curve in curves.items()
    }
    replace_file(path, json.dumps(body, allow_nan=False))


def read_curves(path: Path) -> Mapping[str, EquityCurve]:
    """Curves of earlier trainings; a file that is damaged tells of none."""
    from sereno.models.report import EquityCurve

    try:
        body = json.loads(path.read_bytes())
        return {
            key: EquityCurve(
                np.array(kept["ts"], dtype=np.int64),
                np.array(kept["equity_quote"], dtype=np.float64),
                str(kept["caption"]),
                str(kept["window"]),
            )
            for key, kept in body.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as cause:
        _log.warning("train.unreadable_curves", path=str(path), reason=repr(cause))
        return {}
