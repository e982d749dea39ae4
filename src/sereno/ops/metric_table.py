"""The one table of metrics. `/metrics` and the textfiles that may stand in for a part of it take names, texts, types and labels from it.

Names stand without their prefix, which is a setting. Moments are the host's, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """Prometheus' types of which the desk has any."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One row. A counter's name ends with `_total` and its value never falls."""

    name: str
    text: str
    type: MetricType
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric; `labels` in the order of the metric's own."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, text, MetricType.GAUGE, (*labels, "mode"))


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, text, MetricType.COUNTER, (*labels, "mode"))


HTTP_REQUESTS = Metric(
    "http_requests_total",
    "Requests that the API answered.",
    MetricType.COUNTER,
    ("method", "path", "status"),
)
HTTP_LATENCY = Metric(
    "http_request_latency_seconds",
    "Time that the API took to answer.",
    MetricType.HISTOGRAM,
    ("method", "path"),
)
INGESTION_DURATION = _gauge("ingestion_duration_seconds", "Wall time of the newest collector cycle.")
INGESTION_FAILURES = _counter("ingestion_failures_total", "Collector cycles that failed.")
LAST_INGESTION = _gauge("last_ingestion_timestamp_seconds", "End of the newest successful collector cycle.")
SIGNAL_DURATION = _gauge("signal_generation_duration_seconds", "Wall time of the newest signal pass.")
SIGNAL_FAILURES = _counter("signal_generation_failures_total", "Signal passes that failed.")
LAST_SIGNAL = _gauge("last_signal_timestamp_seconds", "End of the newest successful signal pass.")
EQUITY = _gauge("equity_quote", "Equity of the paper account, in the quote currency.")
OPEN_POSITIONS = _gauge("open_positions", "Positions that are open.")
ENTRIES_ALLOWED = _gauge(
    "entries_allowed",
    "1 while the account may enter; 0 while it is blocked, paused, or its risk state is lost.",
    "account",
)
JOB_RUNS = _counter("job_runs_total", "Ended runs of the job by how they ended.", "job", "status")
JOB_ENDED = _gauge("job_last_run_timestamp_seconds", "End of the job's newest run.", "job")
JOB_SUCCESS = _gauge("job_last_run_success", "1 if the job's newest run succeeded, else 0.", "job")
JOB_DURATION = _gauge("job_last_run_duration_seconds", "Wall time of the job's newest run.", "job")
JOB_ROWS = _gauge("job_last_run_rows", "Rows that the job's newest run produced.", "job")
DAEMON_UP = _gauge("daemon_up", "1 while the daemon holds its lease, else 0.", "job")

METRICS: tuple[Metric, ...] = (
    HTTP_REQUESTS,
    HTTP_LATENCY,
    INGESTION_DURATION,
    INGESTION_FAILURES,
    LAST_INGESTION,
    SIGNAL_DURATION,
    SIGNAL_FAILURES,
    LAST_SIGNAL,
    EQUITY,
    OPEN_POSITIONS,
    ENTRIES_ALLOWED,
    JOB_RUNS,
    JOB_ENDED,
    JOB_SUCCESS,
    JOB_DURATION,
    JOB_ROWS,
    DAEMON_UP,
)


def exposition(prefix: str, samples: Iterable[Sample]) -> str:
    """The samples in Prometheus' text format 0.0.4, metric by metric in the order of the table."""
    by_metric: dict[Metric, list[Sample]] = {}
    for sample in samples:
        by_metric.setdefault(sample.metric, []).append(sample)
    return "".join(_family(prefix, metric, by_metric[metric]) for metric in METRICS if metric in by_metric)


def _family(prefix: str, metric: Metric, samples: list[Sample]) -> str:
    name = f"{prefix}{metric.name}"
    head = f"# HELP {name} {metric.text}\n# TYPE {name} {metric.type}\n"
    return head + "".join(f"{name}{{{_labels(sample)}}} {sample.value!r}\n" for sample in samples)


def _labels(sample: Sample) -> str:
    pairs = zip(sample.metric.labels, sample.labels, strict=True)
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
