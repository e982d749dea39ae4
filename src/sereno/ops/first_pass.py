"""One full pass along the path of the data, each step a job of its own process, with progress."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from sereno.core.errors import SerenoError
from sereno.core.instrument import Series
from sereno.core.settings import Settings
from sereno.ops.app import Desk, open_desk_ledger
from sereno.ops.guard import EXIT_LATER, EXIT_OK
from sereno.ops.jobs import COLLECTOR, JOBS, PATH, TRAIN, Job, find_job
from sereno.ops.launch import Launch, end_children
from sereno.ops.progress import read_progress
from sereno.ops.runner import progress_file

if TYPE_CHECKING:
    from sereno.ops.console import Console

POLL_S = 0.1


def steps_of(*, trained: bool) -> tuple[tuple[Job, tuple[str, ...]], ...]:
    """Each job along the path of the data, with the words that run it once.

    Training is left out where every series has a served model.
    """
    path = (find_job(name, JOBS) for name in PATH if not (trained and name == TRAIN))
    return tuple((job, ("infer",) if job.is_daemon else ("run", job.name)) for job in path)


def first_pass(
    settings: Settings, launch: Launch, console: Console, stopping: Callable[[], bool]
) -> tuple[str, ...]:
    """Run the steps in order; answers those that failed, and the series that were left without a model.

    Later steps run although earlier ones failed, unless they would find no candle at all.
    """
    failed = []
    for job, words in steps_of(trained=is_trained(settings)):
        if stopping():
            break
        status = _step(settings, launch, console, stopping, job, words)
        if status not in (EXIT_OK, EXIT_LATER) and not stopping():
            failed.append(job.name)
            log, why = launch.logs / f"{job.name}.log", _why(settings, job) or str(status)
            console.say(f"{job.name} failed: {why}; more in {log}")
            if job.name == COLLECTOR and not _has_candles(settings):
                event = re.search(r"[a-z]+\.[a-z_]+", why)
                cause = event[0] if event else "it failed"
                console.say(
                    f"no candles, because {COLLECTOR}: {cause}; the steps that need some are left out"
                )
                return tuple(failed)
    console.first_report()
    if stopping():
        return tuple(failed)
    return (*failed, *_told_of_untrained(settings, console))


def _has_candles(settings: Settings) -> bool:
    """Whether any traded series has some; a lake that cannot say so is the next step's to tell."""
    with Desk(settings) as desk:
        try:
            known = {series.key for series in desk.lake.series()}
        except SerenoError:
            return True
        return any(series.key in known for series in desk.series)


def _told_of_untrained(settings: Settings, console: Console) -> tuple[str, ...]:
    """Say of each traded series without a model why it has none; answers their keys."""
    without = [series.key for series in untrained(settings)]
    reasons = _skipped_by_training(settings) if without else {}
    for key in without:
        console.say(f"{key} has no model, so it gets no signal: {reasons.get(key, 'it was not trained')}")
    return tuple(without)


def _skipped_by_training(settings: Settings) -> dict[str, str]:
    """Why the newest training left series out."""
    from sereno.ops.facts import last_ended

    ledger = open_desk_ledger(settings)
    with ledger.read() as tx:
        run = last_ended(tx, TRAIN, settings.mode)
    ledger.close()
    skipped = run.details.get("skipped") if run else None
    return {str(key): str(why) for key, why in skipped.items()} if isinstance(skipped, dict) else {}


def _step(
    settings: Settings,
    launch: Launch,
    console: Console,
    stopping: Callable[[], bool],
    job: Job,
    words: tuple[str, ...],
) -> int:
    told = progress_file(settings, job.recorded_as).path
    began = time.monotonic()
    child = launch.start(job.name, *words)
    try:
        with console.step(job.name) as show:
            while child.poll() is None and not stopping():
                show(read_progress(told))
                time.sleep(POLL_S)
    finally:
        end_children((child,))
    if child.returncode == 0:
        console.say(f"{job.name} done in {time.monotonic() - began:.1f} s")
    return int(child.returncode)


def _why(settings: Settings, job: Job) -> str:
    """What the step's record says of its failure; nothing when it left none."""
    from sereno.ops.facts import last_ended

    try:
        ledger = open_desk_ledger(settings)
        with closing(ledger), ledger.read() as tx:
            run = last_ended(tx, job.recorded_as, settings.mode)
    except SerenoError as cause:
        return str(cause)
    return run.error or "" if run else ""


def is_trained(settings: Settings) -> bool:
    """Whether every role of every traded series has a current model."""
    return not untrained(settings)


def untrained(settings: Settings) -> tuple[Series, ...]:
    """Traded series of which a role has no current model."""
    from sereno.store.registry import Registry

    registry = Registry(settings.paths.registry)
    traded = (Series(i, tf) for tf in settings.candles.timeframes for i in settings.venue.listed())
    return tuple(
        series
        for series in traded
        if any(registry.current(role, series) is None for role in ("trend", "return", "risk"))
    )
