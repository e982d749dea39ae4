"""The right to run a job: taken before, renewed while it lives, given back after."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from sereno.core.clock import WallClock
from sereno.core.mode import Mode
from sereno.ops.process import holder_name, is_dead
from sereno.store.ledger import leases

if TYPE_CHECKING:
    from sereno.store.ledger import Ledger

BEATS = 6
TRUST_FRAC = 2 / 3
_log = structlog.get_logger("sereno.lease")


def lease_name(mode: Mode, job: str) -> str:
    """Leases of different modes do not meet."""
    return f"job:{mode}:{job}"


class Lease:
    """One holder's lease. Wall time: it must expire although a simulated clock stands still.

    It is renewed each `beat_s`, and no longer trusted `TRUST_FRAC` of its time after it was last ours
    for certain: work must have ended before another process may begin.

    is_taken   whether another holder was seen; a ledger that does not answer says nothing of that
    """

    def __init__(self, ledger: Ledger, name: str, *, ttl_s: float) -> None:
        self.name = name
        self.holder = holder_name()
        self.ttl_s = ttl_s
        self.beat_s = ttl_s / BEATS
        self.is_taken = False
        self._sure_at = time.monotonic()
        self._ledger = ledger
        self._wall = WallClock()

    def take(self) -> bool:
        """Whether it is ours now; that of a dead process on this host is taken over at once."""
        began = time.monotonic()
        with self._ledger.begin() as tx:
            ours = leases.acquire(
                tx, self.name, self.holder, self._wall.now_ms(), int(self.ttl_s * 1000), is_dead=is_dead
            )
        self._sure_at = began
        self.is_taken = not ours
        return ours

    def renew(self) -> bool:
        """Whether it is still ours, for another `ttl_s`."""
        with self._ledger.begin() as tx:
            return leases.renew(tx, self.name, self.holder, self._wall.now_ms(), int(self.ttl_s * 1000))

    def fault(self) -> str | None:
        """Renew it; why the work must end, or None."""
        began = time.monotonic()
        try:
            if not self.renew():
                self.is_taken = True
                return "another process holds the lease"
        except Exception as cause:  # noqa: BLE001 - a busy ledger now may answer at the next beat
            silent_s = time.monotonic() - self._sure_at
            _log.warning("lease.renew_failed", lease=self.name, silent_s=round(silent_s, 3), error=str(cause))
            if silent_s < TRUST_FRAC * self.ttl_s:
                return None
            return f"the lease could not be renewed for {silent_s:.0f} s"
        self._sure_at = began
        return None

    def held_by(self) -> str | None:
        """Who holds it now, as the ledger says."""
        with self._ledger.read() as tx:
            return leases.holder(tx, self.name)

    def give_back(self) -> None:
        """Let the next one have it."""
        with self._ledger.begin() as tx:
            leases.release(tx, self.name, self.holder)


class Heartbeat:
    """Renews a daemon's lease from a thread, for as long as the daemon shows life.

    `on_lost` is called, once, when the lease is gone or cannot be renewed, or no life was shown for
    `stall_s`.
    """

    def __init__(self, lease: Lease, *, stall_s: float, on_lost: Callable[[str], None]) -> None:
        self._lease = lease
        self._stall_s = stall_s
        self._on_lost = on_lost
        self._alive_at = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def alive(self) -> None:
        """The daemon's loop goes on."""
        self._alive_at = time.monotonic()

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def stop(self) -> None:
        """End renewing and wait for it."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _beat(self) -> None:
        while not self._stop.wait(self._lease.beat_s):
            why = self._fault()
            if why:
                _log.error("lease.lost", lease=self._lease.name, why=why)
                self._on_lost(why)
                return

    def _fault(self) -> str | None:
        if time.monotonic() - self._alive_at > self._stall_s:
            return f"no sign of life for {self._stall_s:.0f} s"
        return self._lease.fault()
