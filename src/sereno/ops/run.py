"""Words of a run: what a job is handed, what it answers, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sereno.core.timeframe import UtcMs
from sereno.ops.progress import Tell, silent


def _nothing() -> None:
    """For runs that nobody watches."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Run:
    """What a job may use of its surroundings.

    tell       `(label, done, total)` for progress bars
    alive      shows life; a daemon calls it in each loop, or is taken for hung
    stopping   whether a daemon was asked to end
    """

    run_id: str
    job: str
    tell: Tell = silent
    alive: Callable[[], None] = _nothing
    stopping: Callable[[], bool] = _never


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job did. `failed` tells why it counts as failed although it went through."""

    rows: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended.

    status       success, error, timeout, or skipped when somebody stopped it
    wall_ms      host's time of the end
    duration_s   by a monotonic clock
    exit_code    what `sereno run` answers: 0 ok, 1 fault, 2 settings, 3 stop, 4 skip, 75 later, 124 time-out
    """

    job: str
    run_id: str
    status: str
    rows: int | None
    error: str | None
    details: Mapping[str, object]
    started_ms: UtcMs
    ended_ms: UtcMs
    wall_ms: UtcMs
    duration_s: float
    exit_code: int
