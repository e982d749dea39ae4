"""Running jobs in processes of their own, as `sereno run` does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from sereno.core.settings import Settings
from sereno.ops.app import open_desk_ledger
from sereno.store.ledger import runs
from sereno.store.ledger.runs import JobRun

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0

SCRIPT = """
import sys
from sereno.core.errors import SerenoError
from sereno.core.settings import Settings
from sereno.ops.guard import exit_code_of
from sereno.ops.jobs import Daemon, Job
from sereno.ops.runner import run_and_log
from sereno.ops.schedule import every
name, function, timeout_s, is_daemon, settings, *arguments = sys.argv[1:]
job = Job(name, "", Daemon("x") if is_daemon == "1" else every(15), int(timeout_s),
          f"tests.ops.job_functions:{function}", tuple(arguments))
try:
    sys.exit(run_and_log(Settings.model_validate_json(settings), job))
except SerenoError as error:
    print(error, file=sys.stderr)
    sys.exit(exit_code_of(error))
"""


def settings_of(folder: Path, **changes: object) -> Settings:
    """Mode paper: the host's clock, no simulator."""
    return Settings.model_validate({"state_dir": folder, "mode": "paper", **changes})


def start(
    folder: Path,
    function: str,
    *arguments: str,
    timeout_s: int = 60,
    daemon: bool = False,
    given: str = "",
    job: str = "probe",
    first: str = "",
) -> subprocess.Popen[str]:
    """Begin a run; `given` is the settings as JSON, `first` what its process does before."""
    text = given or f'{{"state_dir": "{folder}", "mode": "paper"}}'
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            first + SCRIPT,
            job,
            function,
            str(timeout_s),
            "1" if daemon else "0",
            text,
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    folder: Path,
    function: str,
    *arguments: str,
    timeout_s: int = 60,
    given: str = "",
    job: str = "probe",
    first: str = "",
) -> tuple[int, str]:
    """A run to its end: exit code and log."""
    process = start(folder, function, *arguments, timeout_s=timeout_s, given=given, job=job, first=first)
    _, log = process.communicate(timeout=PATIENCE_S)
    return process.returncode, log


def records(folder: Path) -> list[JobRun]:
    """Every run that was recorded, newest first."""
    ledger = open_desk_ledger(settings_of(folder))
    with ledger.read() as tx:
        found = runs.latest(tx)
    ledger.close()
    return found


def until(happened: Callable[[], bool], *, what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen in {patience_s:.0f} s"
        time.sleep(0.02)


def hanging(folder: Path) -> tuple[int, int]:
    """Wait until the job hangs; its process and that of its child."""
    until(lambda: (folder / "hanging").exists(), what="the job's start")
    worker, grandchild = (folder / "hanging").read_text().split()
    return int(worker), int(grandchild)


def is_gone(pid: int) -> bool:
    """Whether a process no longer runs."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
