"""`/metrics`: what this process counts, and what the ledger knows of all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class HttpMetrics:
    """Requests that this process answered."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        labels = ("method", "path", "status")
        self._requests = Counter(
            f"{prefix}http_requests_total", "Answered requests.", labels, registry=registry
        )
        self._latency = Histogram(
            f"{prefix}http_request_latency_seconds",
            "Time to answer.",
            ("method", "path"),
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )

    def count(self, method: str, path: str, status: int, seconds: float) -> None:
        """One more request; `path` is a route template."""
        self._requests.labels(method, path, str(status)).inc()
        self._latency.labels(method, path).observe(seconds)


@dataclass(frozen=True, slots=True)
class JobGauge:
    """A job's newest ended run. `wall_s` is the host's time of its end."""

    job: str
    success: bool
    duration_s: float | None
    wall_s: float | None


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """What the ledger says at one moment; None: nothing yet."""

    mode: str
    ingestion: JobGauge | None
    ingestion_failures: int
    signal_pass: JobGauge | None
    signal_failures: int
    last_ingestion_wall_s: float | None
    last_signal_wall_s: float | None
    jobs: tuple[JobGauge, ...]
    daemons: tuple[tuple[str, bool], ...]
    equity_quote: float | None
    open_positions: int


def families(prefix: str, facts: DeskFacts) -> Iterator[Metric]:
    """The facts as metric families."""
    yield from _gauges(prefix, facts)
    for name, text, count in (
        ("ingestion_failures", "Collector cycles that failed.", facts.ingestion_failures),
        ("signal_generation_failures", "Signal passes that failed.", facts.signal_failures),
    ):
        counter = CounterMetricFamily(f"{prefix}{name}", text, labels=("mode",))
        counter.add_metric((facts.mode,), count)
        yield counter
    yield from _by_job(prefix, facts)


def _gauges(prefix: str, facts: DeskFacts) -> Iterator[Metric]:
    rows: tuple[tuple[str, str, float | None], ...] = (
        (
            "ingestion_duration_seconds",
            "Wall time of the newest collector cycle.",
            facts.ingestion.duration_s if facts.ingestion else None,
        ),
        (
            "signal_generation_duration_seconds",
            "Wall time of the newest signal pass.",
            facts.signal_pass.duration_s if facts.signal_pass else None,
        ),
        (
            "last_ingestion_timestamp_seconds",
            "Host's time of the newest successful cycle.",
            facts.last_ingestion_wall_s,
        ),
        (
            "last_signal_timestamp_seconds",
            "Host's time of the newest successful signal pass.",
            facts.last_signal_wall_s,
        ),
        ("equity_quote", "Equity of the paper account.", facts.equity_quote),
        ("open_positions", "Positions that are open.", float(facts.open_positions)),
    )
    for name, text, value in rows:
        if value is not None:
            gauge = GaugeMetricFamily(f"{prefix}{name}", text, labels=("mode",))
            gauge.add_metric((facts.mode,), value)
            yield gauge


def _by_job(prefix: str, facts: DeskFacts) -> Iterable[Metric]:
    labels = ("job", "mode")
    success = GaugeMetricFamily(
        f"{prefix}job_last_run_success", "1 if the newest run succeeded.", labels=labels
    )
    ended = GaugeMetricFamily(
        f"{prefix}job_last_run_timestamp_seconds", "Host's time of its end.", labels=labels
    )
    took = GaugeMetricFamily(f"{prefix}job_last_run_duration_seconds", "Wall time it took.", labels=labels)
    up = GaugeMetricFamily(f"{prefix}daemon_up", "1 while a daemon holds its lease.", labels=labels)
    for job in facts.jobs:
        success.add_metric((job.job, facts.mode), float(job.success))
        if job.wall_s is not None:
            ended.add_metric((job.job, facts.mode), job.wall_s)
        if job.duration_s is not None:
            took.add_metric((job.job, facts.mode), job.duration_s)
    for name, alive in facts.daemons:
        up.add_metric((name, facts.mode), float(alive))
    return (success, ended, took, up)
