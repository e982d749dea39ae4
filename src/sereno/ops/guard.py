"""The one place that may catch everything: it turns whatever a job does into a `Verdict`."""

from __future__ import annotations

import errno
import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Self, cast

from sereno.core.errors import FixConfig, SerenoError, SkipThis, StopTrading, TryLater
from sereno.ops.run import Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from sereno.ops.app import Desk
    from sereno.ops.jobs import Job

EXIT_OK = 0
EXIT_FAULT = 1
EXIT_CONFIG = 2
EXIT_LATER = 75
EXIT_TIMEOUT = 124
MOST_DETAILS = 256 * 1024
MOST_ERROR = 8 * 1024
_EXITS: tuple[tuple[type[SerenoError], int], ...] = (
    (FixConfig, EXIT_CONFIG),
    (StopTrading, 3),
    (SkipThis, 4),
    (TryLater, EXIT_LATER),
)


def exit_code_of(error: SerenoError) -> int:
    """What a command answers after such an error."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), EXIT_FAULT)


def error_of(exit_code: int, line: str) -> SerenoError | None:
    """The error of a child, from its exit code and the last line of its log; None where it told none of ours."""
    kind = next((kind for kind, code in _EXITS if code == exit_code), None)
    try:
        told = json.loads(line)
        event, remedy, fields = str(told["event"]), str(told["remedy"]), dict(told["fields"])
    except (ValueError, TypeError, KeyError):
        return None
    return None if kind is None else kind(event, remedy=remedy, **fields)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of one call of a job function, in words that fit through a pipe."""

    ok: bool
    rows: int | None
    error: str | None
    exit_code: int
    details: Mapping[str, object]

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), default=str)

    def capped(self) -> Self:
        """The same within `MOST_DETAILS` and `MOST_ERROR` characters; details that are too long are left out."""
        room = MOST_DETAILS
        kept: dict[str, object] = {}
        for name, value in self.details.items():
            length = len(json.dumps({name: value}, default=str))
            if length <= room:
                kept[name] = value
                room -= length
        if len(kept) < len(self.details):
            kept["truncated"] = True
        error = None if self.error is None else self.error[:MOST_ERROR]
        return replace(self, error=error, details=kept)

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The reverse."""
        return cls(**json.loads(line))


def load_function(path: str) -> Callable[..., Outcome]:
    """The job function behind `module:name`."""
    module, _, name = path.partition(":")
    return cast("Callable[..., Outcome]", getattr(import_module(module), name))


def guarded(job: Job, desk: Desk, run: Run) -> Verdict:
    """Call a job; whatever happens becomes a verdict, no longer than one may be, and a log event."""
    return _called(job, desk, run).capped()


def _called(job: Job, desk: Desk, run: Run) -> Verdict:
    import structlog

    log = structlog.get_logger("sereno.job")
    log.info("job.started")
    try:
        outcome = load_function(job.function)(desk, run, *job.arguments)
    except SerenoError as error:
        log.warning("job.failed", error=str(error), kind=type(error).__name__)
        if isinstance(error, StopTrading):
            from sereno.ops.steps.freeze import freeze_entries

            freeze_entries(desk, error, job=job.name)
        return Verdict(False, None, str(error), exit_code_of(error), {"kind": type(error).__name__})
    except Exception as error:
        story = _story(error)
        log.exception("job.crashed", error=story)
        return Verdict(False, None, story, EXIT_FAULT, {"trace": _place(error)})
    if outcome.failed:
        log.warning("job.failed", error=outcome.failed)
        return Verdict(False, outcome.rows, outcome.failed, EXIT_FAULT, outcome.details)
    log.info("job.finished", rows=outcome.rows)
    return Verdict(True, outcome.rows, None, EXIT_OK, outcome.details)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that the disk has no room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "disk is full" in str(error) or "No space left" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _story(error: Exception) -> str:
    if is_disk_full(error):
        return f"disk full: free some room below state_dir ({error})"
    return f"{type(error).__name__}: {error}"


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
