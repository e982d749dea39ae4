"""The one table of jobs. Command line, scheduler, metrics, checks and `docs/jobs.md` derive from it.

A new job is one function `(Desk, Run) -> Outcome` and one row here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sereno.core.errors import FixConfig
from sereno.ops.schedule import SUNDAY, Schedule, daily, every, first_weekday, hourly, weekly

HOUR_S = 3600

# Names that other code has to say; nobody else spells one out.
COLLECTOR = "collector"
FEATURES = "features"
TRAIN = "train"
SIGNALS = "signals"
SIGNAL_ROUND = "signals-pass"
POSITIONS = "positions"
ANOMALY = "anomaly"
DASHBOARD = "dashboard"

PATH = (COLLECTOR, FEATURES, TRAIN, SIGNALS, POSITIONS)
"""The jobs that carry a candle to a position, in the order in which the data walks."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A job that never ends by itself; `words` says what wakes it."""

    words: str


@dataclass(frozen=True, slots=True)
class Job:
    """One row.

    function    `module:name` of `(Desk, Run) -> Outcome`; imported only by the process that runs it
    timeout_s   after this long the run's processes are killed; a daemon is killed when it shows no
                life for that long
    arguments   further words for the function
    catch_up    whether one run is made after downtime that swallowed a firing
    round_name  under which each round of a daemon is recorded; empty where a run is one piece of work
    """

    name: str
    summary: str
    when: Schedule | Daemon
    timeout_s: int
    function: str
    arguments: tuple[str, ...] = ()
    catch_up: bool = True
    round_name: str = ""

    @property
    def recorded_as(self) -> str:
        """Under which name its newest piece of work is recorded."""
        return self.round_name or self.name

    @property
    def is_daemon(self) -> bool:
        """Whether it runs for as long as the desk."""
        return isinstance(self.when, Daemon)

    @property
    def schedule(self) -> Schedule:
        """When it fires; a daemon has none."""
        if isinstance(self.when, Daemon):
            raise TypeError(f"{self.name} is a daemon")
        return self.when


JOBS: tuple[Job, ...] = (
    Job(
        COLLECTOR,
        "collects closed candles, repairs gaps, checks quality",
        every(15),
        2 * HOUR_S,
        "sereno.ops.steps.collector:collect",
    ),
    Job(
        FEATURES,
        "computes features and labels, checks and stores them",
        hourly(3, minute=10),
        HOUR_S,
        "sereno.ops.steps.features:compute_features",
    ),
    Job(
        TRAIN,
        "trains, calibrates and judges the models of every series",
        weekly(SUNDAY, 2, 0),
        6 * HOUR_S,
        "sereno.ops.steps.train:train",
    ),
    Job(
        SIGNALS,
        "decides on each closed candle and writes signal.json",
        Daemon("candle closes, at the latest every jobs.signal_loop_s"),
        600,
        "sereno.ops.steps.signals:signals_daemon",
        round_name=SIGNAL_ROUND,
    ),
    Job(
        POSITIONS,
        "advances paper positions over closed candles",
        every(5),
        600,
        "sereno.ops.steps.positions:advance_positions",
    ),
    Job(
        "walkforward",
        "re-trains per fold and reports each fold out of sample",
        first_weekday(SUNDAY, 4, 0),
        6 * HOUR_S,
        "sereno.ops.steps.walkforward:walk_forward",
    ),
    Job(
        ANOMALY,
        "looks for stale data, silent, late or one-sided signals, old models, losses, failed jobs; lets old records go",
        hourly(6, minute=37),
        600,
        "sereno.ops.steps.anomaly:look_for_anomalies",
    ),
    Job(
        DASHBOARD,
        "serves the HTTP API",
        Daemon("requests"),
        120,
        "sereno.surfaces.api.server:serve",
    ),
)


def daily_signals(at: str) -> Job:
    """The extra row that `recommendation_update_time` adds."""
    hour, minute = (int(part) for part in at.split(":"))
    return Job(
        "signals-daily",
        "the signals run at recommendation_update_time",
        daily(hour, minute),
        600,
        "sereno.ops.steps.signals:make_signals",
    )


def one_pass(symbols: tuple[str, ...] = ()) -> Job:
    """What the signals daemon does at each close, as a run of its own: behind `sereno infer`."""
    return Job(
        SIGNAL_ROUND,
        "one decision on each series",
        every(15),
        600,
        "sereno.ops.steps.signals:make_signals",
        symbols,
    )


def jobs_of(recommendation_update_time: str) -> tuple[Job, ...]:
    """All rows in force."""
    extra = (daily_signals(recommendation_update_time),) if recommendation_update_time else ()
    return (*JOBS, *extra)


def find_job(name: str, jobs: Collection[Job]) -> Job:
    """Row by name. Raises FixConfig if there is none."""
    for job in jobs:
        if job.name == name:
            return job
    names = ", ".join(job.name for job in jobs)
    raise FixConfig("job.unknown", remedy=f"choose one of {names}", job=name)
