"""One turn of `sereno up` after another: nothing that passes by itself may end the desk.

While the desk's lease has lapsed nobody decides: the children are ended, and started again once it is
taken back. A full disk or a ledger that does not answer is told once, and tried again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from sereno.core.errors import SerenoError
from sereno.core.settings import Settings
from sereno.ops.console import Console
from sereno.ops.daemon import abandon_orphans
from sereno.ops.guard import is_disk_full
from sereno.ops.hold import Hold, Holding
from sereno.ops.launch import end_children
from sereno.ops.logs import lines_lost
from sereno.ops.records import BALLAST_BYTES, ready_ballast
from sereno.ops.scheduler import Scheduler

ROOM_BYTES = 1024 * 1024
AMPLE_BYTES = 2 * BALLAST_BYTES  # giving the ballast up makes some room, which must not look like help
ROOM_LOOK_S = 5.0
_log = structlog.get_logger("sereno.up")


@dataclass(slots=True)
class Going:
    """The desk after its first pass.

    parts   what is done each turn, in order, while the desk is ours
    """

    settings: Settings
    console: Console
    scheduler: Scheduler
    hold: Hold
    parts: tuple[Callable[[], None], ...]
    monotonic: Callable[[], float] = time.monotonic
    free_bytes: Callable[[], int] | None = None
    _halted: bool = False
    _full: bool = False
    _look_at: float = 0.0
    _trouble: str = ""

    def turn(self) -> None:
        """One turn; what goes wrong in it is told once and tried again at the next."""
        try:
            self._look_for_room()
            self._follow_hold()
            if not self._halted:
                for part in self.parts:
                    part()
        except (SerenoError, OSError) as cause:
            self._tell_trouble(cause)
        else:
            if self._trouble:
                self._trouble = ""
                self._say("the desk goes on")

    def _follow_hold(self) -> None:
        if self.hold.state is Holding.LAPSED and not self._halted:
            self._halt()
        elif self.hold.state is Holding.OURS and self._halted:
            abandon_orphans(self.settings)
            self.scheduler.resume()
            self._halted = False
            _log.info("desk.resumed")
            self._say("the ledger answers again: the desk goes on")

    def _halt(self) -> None:
        """Nobody may decide without a lease."""
        self._halted = True
        _log.error("desk.halted", why=self.hold.why)
        self._say(
            f"{self.hold.why}: another program may keep the ledger locked, or it cannot be reached. "
            "Jobs and daemons are stopped until it answers; nothing need be done here"
        )
        end_children(self.scheduler.pause())

    def _look_for_room(self) -> None:
        if self.monotonic() < self._look_at:
            return
        self._look_at = self.monotonic() + ROOM_LOOK_S
        full = self._free_bytes() < (AMPLE_BYTES if self._full else ROOM_BYTES)
        if full and not self._full:
            self._tell_full()
        elif self._full and not full:
            self._say("the disk has room again")
            _log.warning("disk.has_room", log_lines_lost=lines_lost())
            ready_ballast(self.settings.paths.run)
        self._full = full

    def _free_bytes(self) -> int:
        if self.free_bytes is not None:
            return self.free_bytes()
        return shutil.disk_usage(self.settings.paths.root).free

    def _tell_full(self) -> None:
        self._full = True
        _log.error("disk.full", remedy="free some room below state_dir")
        self._say(f"disk.full: free some room below {self.settings.paths.root}; the desk waits for it")

    def _tell_trouble(self, cause: SerenoError | OSError) -> None:
        name = cause.event if isinstance(cause, SerenoError) else type(cause).__name__
        if is_disk_full(cause):
            if not self._full:
                self._tell_full()
            return
        if name == self._trouble:
            return
        self._trouble = name
        _log.error("up.trouble", error=str(cause))
        self._say(f"{cause}; tried again until it goes")

    def _say(self, text: str) -> None:
        """Standard output may lie on the full disk, or nobody may read it any more."""
        try:
            self.console.say(text)
        except OSError as cause:
            _log.warning("console.silent", error=str(cause), text=text)
