"""Metrics of a job for node_exporter's textfile collector, where they lie there instead of in `/metrics`."""

from __future__ import annotations

from pathlib import Path

from sereno.core.files import replace_file
from sereno.ops.metric_table import (
    JOB_DURATION,
    JOB_ENDED,
    JOB_ROWS,
    JOB_SUCCESS,
    Metric,
    Sample,
    exposition,
)
from sereno.ops.run import Finished


def job_metrics(prefix: str, mode: str, run: Finished) -> str:
    """One job's last run in the Prometheus text format."""
    values: list[tuple[Metric, float]] = [
        (JOB_ENDED, run.wall_ms / 1000),
        (JOB_SUCCESS, float(run.status == "success")),
        (JOB_DURATION, run.duration_s),
    ]
    if run.rows is not None:
        values.append((JOB_ROWS, float(run.rows)))
    return exposition(prefix, [Sample(metric, (run.job, mode), value) for metric, value in values])


def write_textfile(folder: Path, prefix: str, mode: str, run: Finished) -> Path:
    """Replace `<folder>/sereno_<job>.prom` atomically."""
    path = _path(folder, run.job)
    replace_file(path, job_metrics(prefix, mode, run))
    return path


def remove_textfiles(folder: Path) -> None:
    """Take away what an earlier setting has left, of every job: node_exporter would tell it for ever."""
    for path in folder.glob("sereno_*.prom"):
        path.unlink(missing_ok=True)


def _path(folder: Path, job: str) -> Path:
    return folder / f"sereno_{job}.prom"
