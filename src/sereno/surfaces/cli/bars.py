"""Progress bars for commands that run a job in the foreground."""

from __future__ import annotations

import sys
import threading

from sereno.core.settings import Settings
from sereno.ops.bars import bars
from sereno.ops.jobs import Job
from sereno.ops.progress import read_progress
from sereno.ops.run import Finished
from sereno.ops.runner import progress_file, run_job

POLL_S = 0.15


def run_watched(settings: Settings, job: Job, options: tuple[str, ...]) -> Finished:
    """Run a job here, with bars for its progress when someone looks."""
    if not sys.stderr.isatty():
        return run_job(settings, job, options)
    ended = threading.Event()
    path = progress_file(settings, job.name).path

    def look() -> None:
        with bars() as tell:
            while not ended.wait(POLL_S):
                for label, (done, total) in read_progress(path).items():
                    tell(label, done, total)

    watcher = threading.Thread(target=look, name="bars", daemon=True)
    try:
        return run_job(settings, job, options, forked=watcher.start)
    finally:
        ended.set()
        watcher.join(2)
