"""The outbox: what people are to be told is a row first and a message second, so that no fault of a channel loses it.

An alert is tried until it is delivered or `GIVE_UP_MS` old; a channel that is down is asked once a
round, not once an alert. Delivery is at least once: a process killed between the message and its
record sends it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from sereno.core.errors import FixConfig, SerenoError, TryLater
from sereno.core.ids import stable_id
from sereno.core.mode import Mode
from sereno.core.timeframe import DAY_MS, HOUR_MS, MINUTE_MS, UtcMs, iso
from sereno.store.ledger import alerts
from sereno.store.ledger.alerts import Alert, AlertKind, AlertState
from sereno.watch.checks import Noticed, Severity, recovered, to_send

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sereno.store.ledger import Ledger

MOST_A_ROUND = 10
MOST_REMEMBERED = 2000
FIRST_PAUSE_MS = MINUTE_MS
LONGEST_PAUSE_MS = HOUR_MS
GIVE_UP_MS = 2 * DAY_MS
_log = structlog.get_logger("sereno.alerts")


class Channel(Protocol):
    """A way to people."""

    @property
    def configured(self) -> bool:
        """Whether there is anybody at its end."""
        ...

    def send(self, text: str) -> None:
        """Deliver. TryLater: it did not arrive; FixConfig: it never will as the settings are."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment, in the desk's time and in the host's."""

    desk_ms: UtcMs
    wall_ms: UtcMs


@dataclass(frozen=True, slots=True)
class Round:
    """What one round brought. `fault` is the newest reason why something still waits."""

    delivered: int
    waiting: int
    fault: str | None


def put(
    tx: Connection,
    mode: Mode,
    noticed: Sequence[Noticed],
    now: Moment,
    *,
    redact: Callable[[str], str],
    only_check: str = "",
) -> int:
    """Queue what wakes people and was not told within a day, and what is well again; how many alerts.

    redact      takes secrets out of a text: what is queued will leave the house
    only_check  the one check that looked; what others found is left as it is. Empty: all of them did
    """
    told = told_before(alerts.newest(tx, mode, MOST_REMEMBERED))
    ours = f"{only_check}:" if only_check else ""
    told = {key: known for key, known in told.items() if key.startswith(ours)}
    fresh = [
        _alert(mode, one.key, AlertKind.RAISED, one.severity, redact(_words(one, now)), now)
        for one in to_send(noticed, told, now=now.desk_ms)
    ]
    well = [
        _alert(mode, key, AlertKind.RECOVERED, told[key][0], redact(f"[RECOVERED] {key}"), now)
        for key in recovered(noticed, told)
    ]
    return [alerts.add(tx, alert) for alert in (*fresh, *well)].count(True)


def told_before(newest_first: Sequence[Alert]) -> dict[str, tuple[Severity, UtcMs]]:
    """What people know or are about to be told, and that has not recovered since; given up is not told."""
    told: dict[str, tuple[Severity, UtcMs]] = {}
    for alert in reversed(newest_first):
        if alert.kind is AlertKind.RECOVERED:
            told.pop(alert.key, None)
        elif alert.state is not AlertState.GIVEN_UP:
            told[alert.key] = (Severity(alert.severity), alert.ts)
    return told


def deliver(ledger: Ledger, mode: Mode, channel: Channel, wall_ms: UtcMs) -> Round:
    """Try what is due, oldest first. Never raises what the channel raises; the ledger's faults it does."""
    with ledger.read() as tx:
        due = alerts.waiting(tx, mode, MOST_A_ROUND, due_wall_ms=wall_ms)
    delivered = 0
    for alert in due:
        state, down = _try(ledger, channel, alert, wall_ms)
        delivered += state is AlertState.DELIVERED
        if down:
            break
    with ledger.read() as tx:
        left = alerts.waiting(tx, mode, MOST_REMEMBERED)
    fault = next((alert.error for alert in reversed(left) if alert.error), None)
    return Round(delivered, len(left), fault)


def pause_ms(tries: int, error: SerenoError) -> int:
    """How long to wait after the n-th failed try, n >= 1: doubling, or as long as the channel asks."""
    asked_s = error.after_s if isinstance(error, TryLater) else None
    own = FIRST_PAUSE_MS << min(tries - 1, 10)
    return min(max(own, round((asked_s or 0.0) * 1000)), LONGEST_PAUSE_MS)


def _try(ledger: Ledger, channel: Channel, alert: Alert, wall_ms: UtcMs) -> tuple[AlertState, bool]:
    """What became of one alert, and whether the channel is down for the others too."""
    if not channel.configured:
        return _end(ledger, alert, AlertState.LOGGED, tries=0), False
    with ledger.begin() as tx:
        if not alerts.claim(tx, alert, wall_ms + FIRST_PAUSE_MS):
            return AlertState.WAITING, False
    try:
        channel.send(alert.text)
    except (TryLater, FixConfig) as cause:
        _log.error("alert.not_delivered", alert=alert.alert_id, key=alert.key, error=str(cause))
        return _failed(ledger, alert, cause, wall_ms), True
    return _end(ledger, alert, AlertState.DELIVERED, tries=alert.tries + 1), False


def _failed(ledger: Ledger, alert: Alert, cause: SerenoError, wall_ms: UtcMs) -> AlertState:
    tries = alert.tries + 1
    if wall_ms - alert.raised_wall_ms >= GIVE_UP_MS:
        return _end(ledger, alert, AlertState.GIVEN_UP, tries=tries, error=str(cause))
    with ledger.begin() as tx:
        alerts.postpone(
            tx,
            alert.alert_id,
            tries=tries,
            next_try_wall_ms=wall_ms + pause_ms(tries, cause),
            error=str(cause),
        )
    return AlertState.WAITING


def _end(
    ledger: Ledger, alert: Alert, state: AlertState, *, tries: int, error: str | None = None
) -> AlertState:
    with ledger.begin() as tx:
        alerts.end(tx, alert.alert_id, state, tries=tries, error=error)
    return state


def _alert(mode: Mode, key: str, kind: AlertKind, severity: Severity, text: str, now: Moment) -> Alert:
    return Alert(
        alert_id=stable_id("alert", mode.value, key, kind.value, now.desk_ms, now.wall_ms),
        mode=mode,
        key=key,
        kind=kind,
        severity=severity.value,
        text=text,
        ts=now.desk_ms,
        raised_wall_ms=now.wall_ms,
        next_try_wall_ms=now.wall_ms,
    )


def _words(one: Noticed, now: Moment) -> str:
    """The moment is told, for a message may come late."""
    return f"[{one.severity.upper()}] {one.check} {one.subject}: {one.message} ({iso(now.desk_ms)})"
