"""Functions that stand in for jobs: they end well, badly, never, or are killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sereno.core.errors import FixConfig, SkipThis, StopTrading, TryLater
from sereno.ops.app import Desk
from sereno.ops.run import Outcome, Run

ERRORS = {
    "fix": FixConfig("test.fix", remedy="do this"),
    "later": TryLater("test.later"),
    "skip": SkipThis("test.skip"),
    "stop": StopTrading("test.stop"),
    "clock": StopTrading("clock.offset", offset_ms=9000),
}


def well(_desk: Desk, run: Run) -> Outcome:
    run.tell("things", 1, 2)
    return Outcome(7, {"what": "done"})


def tells(_desk: Desk, _run: Run, text: str) -> Outcome:
    return Outcome(1, {"places": [{"url": text, "count": 1}]})


def not_well(_desk: Desk, _run: Run) -> Outcome:
    return Outcome(1, {}, failed="half of it failed")


def crash(_desk: Desk, _run: Run, text: str) -> Outcome:
    raise ValueError(f"broken by {text}")


def ours(_desk: Desk, _run: Run, kind: str) -> Outcome:
    raise ERRORS[kind]


def disk_full(desk: Desk, _run: Run) -> Outcome:
    """Write until there is no room; on a real file system when it is small, else by pretending."""
    with (desk.paths.root / "filler").open("wb", buffering=0) as file:
        for _ in range(64):
            file.write(b"x" * 1_048_576)
    raise OSError(errno.ENOSPC, "No space left on device")


def hang(desk: Desk, _run: Run) -> Outcome:
    """Start a grandchild, say who both are, and sleep."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    whoami = Path(desk.paths.root) / "hanging"
    draft = whoami.with_suffix(".tmp")
    draft.write_text(f"{os.getpid()} {grandchild.pid}")
    draft.replace(whoami)
    time.sleep(600)
    return Outcome()


def forks(desk: Desk, _run: Run, how: str) -> Outcome:
    """Leave a process behind: a fork that has the job's pipe, or one with a session of its own."""
    if how == "session":
        words = [sys.executable, "-c", "import time; time.sleep(600)"]
        left = subprocess.Popen(words, start_new_session=True).pid
    else:
        left = os.fork()
        if not left:
            time.sleep(600)
    (desk.paths.root / "left").write_text(str(left))
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(1)


def tells_much(_desk: Desk, _run: Run) -> Outcome:
    return Outcome(1, {"first": 1, "much": "y" * 30_000_000, "last": 2})


def kill_itself(_desk: Desk, _run: Run) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    return Outcome()


def loop(desk: Desk, run: Run) -> Outcome:
    """A daemon: lives until it is asked to stop."""
    (desk.paths.root / "hanging").write_text(f"{os.getpid()} 0")
    while not run.stopping():
        run.alive()
        time.sleep(0.02)
    return Outcome(3)


def hung_loop(_desk: Desk, _run: Run) -> Outcome:
    """A daemon whose loop stands still although its process lives."""
    time.sleep(600)
    return Outcome()
