"""The job `features`: features and labels of every traded series, checked and stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sereno.core.errors import SkipThis
from sereno.core.files import replacing
from sereno.core.instrument import Series
from sereno.core.timeframe import iso
from sereno.ops.run import Outcome, Run

if TYPE_CHECKING:
    from sereno.features.frame import FeatureFrame
    from sereno.labels.barrier import Labels
    from sereno.ops.app import Desk

MOST_NAN_FRAC = 0.05


def features_file(root: Path, series: Series) -> Path:
    """Where features and labels of a series are stored, for notebooks and reports."""
    return root / "features" / f"{series.instrument.slug}_{series.timeframe}.parquet"


def compute_features(desk: Desk, run: Run) -> Outcome:
    """Compute, check, store. Failed when a feature has holes after its warm-up, or no series has data."""
    told: dict[str, object] = {}
    faults: list[str] = []
    rows = 0
    for number, series in enumerate(desk.series):
        run.tell("features and labels", number, len(desk.series))
        try:
            count, summary, fault = _one(desk, series)
        except SkipThis as cause:
            told[series.key] = {"skipped": str(cause)}
            continue
        rows += count
        told[series.key] = summary
        faults += [fault] if fault else []
    run.tell("features and labels", len(desk.series), len(desk.series))
    if not rows:
        faults.append("no series has enough history; run the collector first")
    return Outcome(rows=rows, details={"series": told}, failed="; ".join(faults) or None)


def _one(desk: Desk, series: Series) -> tuple[int, dict[str, object], str | None]:
    from sereno.features.frame import compute, warm_up_bars
    from sereno.labels.barrier import triple_barrier

    settings = desk.settings
    candles = desk.lake.candles(series)
    warm_up = warm_up_bars(series.timeframe)
    if len(candles) <= warm_up:
        raise SkipThis("features.short_history", candles=len(candles), warm_up_bars=warm_up)
    frame = compute(candles, atr_bars=settings.barriers.atr_bars)
    labels = triple_barrier(candles, frame.atr, barriers=settings.barriers, costs=settings.costs)
    holes = np.isnan(frame.values[warm_up:]).mean(axis=0)
    holed = [name for name, share in zip(frame.names, holes, strict=True) if share > MOST_NAN_FRAC]
    labelled = labels.long >= 0
    summary: dict[str, object] = {
        "rows": len(candles),
        "features": len(frame.names),
        "warm_up_bars": warm_up,
        "nan_frac_worst": round(float(holes.max()), 5),
        "labelled": int(labelled.sum()),
        "long_target_frac": _share(labels.long == 1, labelled),
        "short_target_frac": _share(labels.short == 1, labels.short >= 0),
        "first": iso(int(frame.ts[0])),
        "last": iso(int(frame.ts[-1])),
    }
    _store(features_file(desk.paths.root, series), frame, labels)
    return len(candles), summary, f"{series.key}: holes in {', '.join(holed)}" if holed else None


def _share(hits: np.ndarray, among: np.ndarray) -> float | None:
    return round(float(hits[among].mean()), 4) if among.any() else None


def _store(path: Path, frame: FeatureFrame, labels: Labels) -> None:
    import polars as pl

    columns = {"ts": frame.ts, "close": frame.close, "atr": frame.atr}
    columns |= {name: frame.values[:, i] for i, name in enumerate(frame.names)}
    columns |= {
        f"label_{name}": getattr(labels, name)
        for name in ("long", "short", "long_return", "short_return", "forward_return", "end_ms")
    }
    with replacing(path) as draft:
        pl.DataFrame(columns).write_parquet(draft)
