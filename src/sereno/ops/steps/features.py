"""The job `features`: features and labels of every traded series, checked and stored.

Training and decisions compute their own, from the same candles by the same code; what this job checks is
that they may: no feature with holes, and the row that decisions are made from equal to the one that is
trained on. What it stores is for people's notebooks.
"""

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
    from sereno.features.engine import FeatureRow
    from sereno.features.frame import FeatureFrame
    from sereno.labels.barrier import Labels
    from sereno.ops.app import Desk

MOST_NAN_FRAC = 0.05
LIVE_TOLERANCE = 1e-9  # relative, of a stepped value against the batch's
LABELS = ("long", "short", "long_return", "short_return", "forward_return", "end_ms")


def features_file(root: Path, series: Series) -> Path:
    """Where the features of a series are stored."""
    return root / "features" / f"{series.instrument.slug}_{series.timeframe}.parquet"


def labels_file(root: Path, series: Series) -> Path:
    """Where its labels are: apart, since they know the future. Rows are those of the features."""
    return root / "labels" / f"{series.instrument.slug}_{series.timeframe}.parquet"


def compute_features(desk: Desk, run: Run) -> Outcome:
    """Compute, check, store.

    Failed when a feature has holes after its warm-up, when the live row is not the batch's, or when no
    series has enough history.
    """
    told: dict[str, object] = {}
    faults: list[str] = []
    rows = 0
    for number, series in enumerate(desk.series):
        run.tell("features and labels", number, len(desk.series))
        try:
            count, summary, found = _one(desk, series)
        except SkipThis as cause:
            told[series.key] = {"skipped": str(cause)}
            continue
        rows += count
        told[series.key] = summary
        faults += [f"{series.key}: {fault}" for fault in found]
    run.tell("features and labels", len(desk.series), len(desk.series))
    if not rows:
        faults.append("no series has enough history; run the collector first")
    return Outcome(rows=rows, details={"series": told}, failed="; ".join(faults) or None)


def _one(desk: Desk, series: Series) -> tuple[int, dict[str, object], list[str]]:
    from sereno.features.engine import live_row
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
    _store(desk.paths.root, series, frame, labels)
    faults = [f"holes in {', '.join(holed)}"] if holed else []
    if apart := told_apart(frame, live_row(candles, atr_bars=settings.barriers.atr_bars).row):
        faults.append(f"live and batch differ in {', '.join(apart)}: do not trade before this is explained")
    return len(candles), summary, faults


def told_apart(frame: FeatureFrame, row: FeatureRow) -> list[str]:
    """The features whose live value is not that of the frame's newest row."""
    same = np.isclose(row.values, frame.values[-1], rtol=LIVE_TOLERANCE, atol=1e-12, equal_nan=True)
    return [name for name, equal in zip(frame.names, same.tolist(), strict=True) if not equal]


def _share(hits: np.ndarray, among: np.ndarray) -> float | None:
    return round(float(hits[among].mean()), 4) if among.any() else None


def _store(root: Path, series: Series, frame: FeatureFrame, labels: Labels) -> None:
    known = {"ts": frame.ts, "close": frame.close, "atr": frame.atr}
    known |= {name: frame.values[:, i] for i, name in enumerate(frame.names)}
    _write(features_file(root, series), known)
    _write(labels_file(root, series), {"ts": frame.ts} | {name: getattr(labels, name) for name in LABELS})


def _write(path: Path, columns: dict[str, np.ndarray]) -> None:
    import polars as pl

    with replacing(path) as draft:
        pl.DataFrame(columns).write_parquet(draft)
