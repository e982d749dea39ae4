"""Who watches the watchman: people are told when the job that would tell them could not look.

The job `positions` asks, for `anomaly` cannot say so itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sereno.core.clock import WallClock
from sereno.ops.entries import desk_moment
from sereno.ops.facts import FAILED, last_ended
from sereno.ops.jobs import ANOMALY
from sereno.ops.logs import Redactor
from sereno.watch import outbox
from sereno.watch.checks import Noticed, Severity
from sereno.watch.outbox import Moment

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sereno.ops.app import Desk
    from sereno.store.ledger.runs import JobRun

CHECK = "watch_blind"


def queue_blind_alert(tx: Connection, desk: Desk) -> int:
    """Put into the outbox that nobody looks, and that somebody does again; how many alerts."""
    noticed = watch_blind(last_ended(tx, ANOMALY, desk.mode))
    moment = Moment(desk_moment(desk.clock), WallClock().now_ms())
    return outbox.put(
        tx, desk.mode, noticed, moment, redact=Redactor.of(desk.settings).text, only_check=CHECK
    )


def watch_blind(newest: JobRun | None) -> tuple[Noticed, ...]:
    """The newest run of the watchman ended before its end: it counted no rows, not even none."""
    if newest is None or newest.status not in FAILED or newest.rows is not None:
        return ()
    message = f"the checks did not come to their end: {newest.error or newest.status}"
    return (Noticed(CHECK, Severity.HIGH, ANOMALY, message, {"run_id": newest.run_id}),)
