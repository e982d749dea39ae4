"""The desk's own lease: who may run it, and what `sereno up` does while the ledger does not answer.

Three ways apart: it is *held*; it *lapsed*, since the ledger did not answer for long, and is taken back
as soon as it does; or another one *took* it, and this desk must end.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from sereno.core.errors import SerenoError, TryLater
from sereno.core.settings import Settings
from sereno.ops.lease import Lease
from sereno.store.ledger import Ledger

_log = structlog.get_logger("sereno.up")


class Holding(StrEnum):
    """Whose the desk is."""

    OURS = "ours"
    LAPSED = "lapsed"
    TAKEN = "taken"


@dataclass(slots=True)
class Hold:
    """The right to run a desk. A thread renews it, and takes it back after it lapsed.

    why   it is not ours: for a person
    """

    lease: Lease
    state: Holding = Holding.OURS
    why: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @classmethod
    def take(cls, ledger: Ledger, settings: Settings) -> Hold:
        """Raises TryLater while another `sereno up` lives: two would share a simulator."""
        lease = Lease(ledger, f"desk:{settings.mode}", ttl_s=settings.jobs.lease_s)
        if not lease.take():
            raise TryLater(
                "desk.runs_already",
                remedy="another `sereno up` runs this desk: stop it first, or look at it with `sereno status`",
                holder=lease.held_by(),
            )
        return cls(lease)

    @property
    def is_taken(self) -> bool:
        """Whether this desk must end, since another one runs it."""
        return self.state is Holding.TAKEN

    def start(self) -> None:
        """Begin renewing."""
        self._thread = threading.Thread(target=self._beat, name="desk-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End renewing and let the next one have it, if the ledger answers."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        try:
            self.lease.give_back()
        except SerenoError as cause:
            _log.warning("lease.not_given_back", lease=self.lease.name, error=str(cause))

    def look(self) -> None:
        """One beat: renew it, or try to take it back."""
        match self.state:
            case Holding.OURS:
                self._renew()
            case Holding.LAPSED:
                self._take_back()
            case Holding.TAKEN:
                return

    def _beat(self) -> None:
        while self.state is not Holding.TAKEN and not self._stop.wait(self.lease.beat_s):
            self.look()

    def _renew(self) -> None:
        why = self.lease.fault()
        if why is None:
            return
        if self.lease.is_taken:
            self._taken()
            return
        self.why = why
        self.state = Holding.LAPSED
        _log.error("desk.lease_lapsed", why=why)

    def _take_back(self) -> None:
        try:
            ours = self.lease.take()
        except SerenoError as cause:
            _log.warning("desk.ledger_silent", error=str(cause))
            return
        if not ours:
            self._taken()
            return
        self.why = ""
        self.state = Holding.OURS
        _log.info("desk.lease_taken_back")

    def _taken(self) -> None:
        self.why = f"another `sereno up` took this desk: {self._other()}"
        self.state = Holding.TAKEN
        _log.error("desk.lease_taken", why=self.why)

    def _other(self) -> str:
        try:
            return self.lease.held_by() or "it has let go since"
        except SerenoError as cause:
            return str(cause)
