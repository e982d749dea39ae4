"""The turn of a command that writes what a job writes: it holds the job's lease meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sereno.core.errors import TryLater
from sereno.ops.lease import Heartbeat, Lease, lease_name

if TYPE_CHECKING:
    from sereno.ops.app import Desk

LOOK_EVERY_S = 0.25


@contextmanager
def turn_of(
    desk: Desk, job: str, *, patience_s: float, waiting: Callable[[], None]
) -> Iterator[Callable[[], None]]:
    """Hold the lease of `job` inside the block, in any process and on any host that shares the ledger.

    patience_s   for how long a run of the job is waited for
    waiting      called once when that is needed
    yields       a check for between two writes: it raises TryLater once the lease is lost

    Raises TryLater when the job still runs after that.
    """
    lease = Lease(desk.ledger, lease_name(desk.mode, job), ttl_s=desk.settings.jobs.lease_s)
    _take(lease, job, patience_s, waiting)
    lost: list[str] = []
    heartbeat = Heartbeat(lease, stall_s=math.inf, on_lost=lost.append)

    def still_ours() -> None:
        if lost:
            raise TryLater("job.turn_lost", remedy="run the command again", job=job, why=lost[0])

    heartbeat.start()
    try:
        yield still_ours
    finally:
        heartbeat.stop()
        lease.give_back()


def _take(lease: Lease, job: str, patience_s: float, waiting: Callable[[], None]) -> None:
    deadline = time.monotonic() + patience_s
    told = False
    while not lease.take():
        if time.monotonic() >= deadline:
            raise TryLater(
                "job.held",
                remedy=f"the job {job} runs just now: try again when it is done, or wait longer with --wait",
                job=job,
            )
        if not told:
            told = True
            waiting()
        time.sleep(min(LOOK_EVERY_S, max(0.0, deadline - time.monotonic())))
