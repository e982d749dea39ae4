"""Starting and ending child processes of the desk: each is `sereno …` with the caller's settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sereno.ops.process import die_with_parent

LOG_BYTES = 10 * 1024 * 1024


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
        with log_file(self.logs, name).open("ab") as target:
            return subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", "sereno", *self.options, *words],
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=target,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )


def log_file(folder: Path, name: str) -> Path:
    """`<folder>/<name>.log`; one that has grown large is put aside, and the one before it dropped."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log


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


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.kill(child.pid, number)
    except ProcessLookupError:
        return
