"""`/metrics`: what this process counts, and what the ledger knows of all others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

from sereno.ops import metric_table as table
from sereno.ops.metric_table import Metric, Sample, exposition

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class HttpMetrics:
    """Requests that this process answered."""

    def __init__(self, prefix: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        requests, latency = table.HTTP_REQUESTS, table.HTTP_LATENCY
        self._requests = Counter(
            f"{prefix}{requests.name}", requests.text, requests.labels, registry=self._registry
        )
        self._latency = Histogram(
            f"{prefix}{latency.name}",
            latency.text,
            latency.labels,
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )

    def count(self, method: str, path: str, status: int, seconds: float) -> None:
        """One more request; `path` is a route template."""
        self._requests.labels(method, path, str(status)).inc()
        self._latency.labels(method, path).observe(seconds)

    def text(self) -> str:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry).decode()


@dataclass(frozen=True, slots=True)
class JobGauge:
    """A job's newest ended run. `wall_s` is the host's time of its end."""

    job: str
    success: bool
    duration_s: float | None
    wall_s: float | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """What the ledger says at one moment; None: nothing yet.

    jobs     newest runs; none where textfiles tell of them
    ended    (job, status, how many runs ever ended so)
    entries  (account, whether it may enter); None: no account has been opened
    """

    mode: str
    ingestion: JobGauge | None
    ingestion_failures: int
    signal_pass: JobGauge | None
    signal_failures: int
    last_ingestion_wall_s: float | None
    last_signal_wall_s: float | None
    jobs: tuple[JobGauge, ...]
    ended: tuple[tuple[str, str, int], ...]
    daemons: tuple[tuple[str, bool], ...]
    equity_quote: float | None
    open_positions: int
    entries: tuple[str, bool] | None


def desk_metrics(prefix: str, facts: DeskFacts) -> str:
    """The ledger's facts in Prometheus' text format; what nobody knows yet is left out."""
    return exposition(prefix, _samples(facts))


def _samples(facts: DeskFacts) -> Iterator[Sample]:
    whole: tuple[tuple[Metric, float | None], ...] = (
        (table.INGESTION_DURATION, facts.ingestion.duration_s if facts.ingestion else None),
        (table.INGESTION_FAILURES, float(facts.ingestion_failures)),
        (table.LAST_INGESTION, facts.last_ingestion_wall_s),
        (table.SIGNAL_DURATION, facts.signal_pass.duration_s if facts.signal_pass else None),
        (table.SIGNAL_FAILURES, float(facts.signal_failures)),
        (table.LAST_SIGNAL, facts.last_signal_wall_s),
        (table.EQUITY, facts.equity_quote),
        (table.OPEN_POSITIONS, float(facts.open_positions)),
    )
    for metric, value in whole:
        if value is not None:
            yield Sample(metric, (facts.mode,), value)
    for newest in facts.jobs:
        yield from _job(newest, facts.mode)
    for job, status, count in facts.ended:
        yield Sample(table.JOB_RUNS, (job, status, facts.mode), float(count))
    if facts.entries is not None:
        account, allowed = facts.entries
        yield Sample(table.ENTRIES_ALLOWED, (account, facts.mode), float(allowed))
    for name, alive in facts.daemons:
        yield Sample(table.DAEMON_UP, (name, facts.mode), float(alive))


def _job(job: JobGauge, mode: str) -> Iterator[Sample]:
    values: tuple[tuple[Metric, float | None], ...] = (
        (table.JOB_ENDED, job.wall_s),
        (table.JOB_SUCCESS, float(job.success)),
        (table.JOB_DURATION, job.duration_s),
        (table.JOB_ROWS, None if job.rows is None else float(job.rows)),
    )
    for metric, value in values:
        if value is not None:
            yield Sample(metric, (job.job, mode), value)
