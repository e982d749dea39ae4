"""Starting and ending child processes of the desk: each is `sereno …` with the caller's settings."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sereno.ops.log_file import LOG_VARIABLE
from sereno.ops.process import die_with_parent


@dataclass(frozen=True, slots=True)
class Launch:
    """How children are started.

    options   `--config` and `--set` words that repeat this process's settings
    logs      folder for what children print
    """

    options: tuple[str, ...]
    logs: Path

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """`sereno <words>`, in a session of its own; its output goes to `<logs>/<name>.log`."""
        return start_logged(
            [sys.executable, "-m", "sereno", *self.options, *words], self.logs / f"{name}.log"
        )


def start_logged(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A process in a session of its own whose output is appended to a file; it keeps that file small itself."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as target:
        return subprocess.Popen(  # noqa: S603 - our own words
            words,
            env={**os.environ, LOG_VARIABLE: str(log)},
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=target,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def end_children(children: Iterable[subprocess.Popen[bytes]], *, patience_s: float = 10.0) -> None:
    """Ask all to end, wait, and kill those that do not."""
    living = [child for child in children if child.poll() is None]
    for child in living:
        _signal(child, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    for child in living:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)
            child.wait()


def kill_tree(child: subprocess.Popen[bytes]) -> None:
    """Kill a child and all that it started, whatever groups those are in; a stopped one too."""
    import psutil

    try:
        below = psutil.Process(child.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    _signal(child, signal.SIGKILL)
    for process in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    child.wait()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.kill(child.pid, number)
    except ProcessLookupError:
        return
