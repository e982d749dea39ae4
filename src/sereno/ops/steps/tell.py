"""Telling people: a round of the outbox, at the end of `anomaly` and of every `positions` run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from sereno.core.clock import WallClock
from sereno.ops.entries import queue_alert
from sereno.ops.watchman import queue_blind_alert
from sereno.watch.channels.telegram import Telegram
from sereno.watch.outbox import Round, deliver

if TYPE_CHECKING:
    from sereno.ops.app import Desk

_log = structlog.get_logger("sereno.alerts")


def tell_waiting(desk: Desk) -> Round:
    """Try the alerts that are due."""
    return deliver(desk.ledger, desk.mode, Telegram(desk.settings.notify), WallClock().now_ms())


def tell_aside(desk: Desk) -> None:
    """The same beside work that matters more; also whether entries are blocked, and whether anybody looks.

    What goes wrong here is logged and no more.
    """
    try:
        with desk.ledger.begin() as tx:
            queue_alert(tx, desk)
            queue_blind_alert(tx, desk)
        tell_waiting(desk)
    except Exception as cause:  # noqa: BLE001 - a message must never cost a job that lets positions out
        _log.error("alert.round_failed", error=f"{type(cause).__name__}: {cause}")
