"""Metrics of a job for node_exporter's textfile collector; also read by `/metrics`."""

from __future__ import annotations

import os
from pathlib import Path

from sereno.ops.run import Finished


def job_metrics(prefix: str, mode: str, run: Finished) -> str:
    """One job's last run in the Prometheus text format."""
    labels = f'{{job="{run.job}",mode="{mode}"}}'
    rows = [
        ("job_last_run_timestamp_seconds", "Wall time at which the last run ended.", run.wall_ms / 1000),
        ("job_last_run_success", "1 if the last run succeeded.", float(run.status == "success")),
        ("job_last_run_duration_seconds", "Wall time the last run took.", run.duration_s),
    ]
    if run.rows is not None:
        rows.append(("job_last_run_rows", "Rows the last run wrote.", float(run.rows)))
    return "".join(
        f"# HELP {prefix}{name} {text}\n# TYPE {prefix}{name} gauge\n{prefix}{name}{labels} {value!r}\n"
        for name, text, value in rows
    )


def write_textfile(folder: Path, prefix: str, mode: str, run: Finished) -> Path:
    """Replace `<folder>/sereno_<job>.prom` atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"sereno_{run.job}.prom"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(job_metrics(prefix, mode, run))
    draft.replace(path)
    return path
