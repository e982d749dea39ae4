"""The simulator as a child of `sereno up`: started, let go, and started again when it dies."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import structlog

from sereno.core.errors import SerenoError, TryLater
from sereno.core.mode import Mode
from sereno.core.settings import Settings
from sereno.ops.address import SIM_ADDRESS, read_address, sim_address
from sereno.ops.guard import error_of
from sereno.ops.launch import Launch, kill_tree

START_S = 60.0
LOOK_S = 0.05
ANSWER_S = 10.0
PAUSE_S = 1.0
LOOK_ANSWER_S = 1.0
MOST_SILENT_LOOKS = 15
_log = structlog.get_logger("sereno.up")


@dataclass(slots=True)
class SimulatorChild:
    """The simulator's process; when it dies it is started again, where its clock stopped.

    speed   simulated per wall time at which its clock is to go; 0 at rest
    """

    settings: Settings
    launch: Launch
    child: subprocess.Popen[bytes]
    speed: float = 0.0
    _told_speed: float = 0.0
    _next_at: float = 0.0
    _silent_looks: int = 0

    @classmethod
    def start(cls, settings: Settings, launch: Launch) -> SimulatorChild | None:
        """Begin with its clock at rest; None where none is needed, or where one runs that is used as it is."""
        if settings.mode is not Mode.SIM:
            return None
        if living_simulator(settings.paths.run / SIM_ADDRESS):
            _log.info("sim.found")
            return None
        return cls(settings, launch, _begin(launch))

    def wait_until_ready(self, stopping: Callable[[], bool]) -> None:
        """Wait until it tells its address.

        Raises its own error when it ends with one, TryLater when it ends otherwise or is too slow.
        """
        deadline = time.monotonic() + START_S
        log = self.settings.paths.logs / "sim.log"
        while time.monotonic() < deadline and not stopping():
            if self.child.poll() is not None:
                raise _error_of(self.child.returncode, log)
            if living_simulator(self.settings.paths.run / SIM_ADDRESS):
                return
            time.sleep(LOOK_S)
        if not stopping():
            raise TryLater("sim.slow_start", remedy="the machine is busy: try again")

    def _let_go(self) -> None:
        """Let time go on. Raises TryLater when it does not answer."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{sim_address(self.settings.paths)}/sim/speed",
            data=json.dumps({"speed": self.speed}).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S):  # noqa: S310
                self._told_speed = self.speed
        except (OSError, HTTPException) as cause:
            raise TryLater(
                "sim.silent", remedy="the machine is busy or its disk full", cause=cause
            ) from cause

    def keep(self) -> None:
        """Start it again if it is gone or hangs, and let its time go at `speed`; after a pause where that failed.

        Raises TryLater when it failed.
        """
        if time.monotonic() < self._next_at:
            return
        self._end_if_hung()
        self._next_at = time.monotonic() + PAUSE_S
        if self.child.poll() is not None:
            _log.error("sim.ended", status=self.child.returncode)
            self._told_speed = 0.0
            self.child = _begin(self.launch)
            self.wait_until_ready(lambda: False)
        if self.speed != self._told_speed:
            self._let_go()

    def _end_if_hung(self) -> None:
        """Kill it once it was silent so many times in a row: a stopped process cannot tell of itself."""
        if self.child.poll() is not None or self._answers():
            self._silent_looks = 0
            return
        self._silent_looks += 1
        if self._silent_looks >= MOST_SILENT_LOOKS:
            _log.error("sim.hung", silent_looks=self._silent_looks)
            kill_tree(self.child)

    def _answers(self) -> bool:
        told = read_address(self.settings.paths.run / SIM_ADDRESS)
        if told is None:
            return False
        try:
            with urllib.request.urlopen(f"{told.url}/sim/clock", timeout=LOOK_ANSWER_S):  # noqa: S310
                return True
        except HTTPError:
            return True
        except (OSError, HTTPException):
            return False


def living_simulator(path: Path) -> str:
    """Address of a living simulator of this world, or nothing."""
    told = read_address(path)
    return "" if told is None or told.is_stale or _is_refused(told.url) else told.url


def _begin(launch: Launch) -> subprocess.Popen[bytes]:
    return launch.start("sim", "sim", "--standing")


def _is_refused(address: str) -> bool:
    """Whether nobody listens there: not every holder that is gone can be judged by its name."""
    try:
        with urllib.request.urlopen(f"{address}/sim/clock", timeout=ANSWER_S):  # noqa: S310 - our own address
            return False
    except OSError as cause:
        return isinstance(getattr(cause, "reason", cause), ConnectionRefusedError)


def _error_of(exit_code: int, log: Path) -> SerenoError:
    lines = log.read_text().strip().splitlines() if log.exists() else []
    last = lines[-1] if lines else "it said nothing"
    told = error_of(exit_code, last)
    return told or TryLater("sim.not_started", remedy=f"see {log}: {last}", exit_code=exit_code)
