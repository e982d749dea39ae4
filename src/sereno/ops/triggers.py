"""At wall speed APScheduler fires the table: it wakes exactly at the firings and sleeps in between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from sereno.ops.schedule import Schedule

if TYPE_CHECKING:
    from sereno.ops.jobs import Job
    from sereno.ops.scheduler import Scheduler


class ScheduleTrigger(BaseTrigger):  # type: ignore[misc]
    """APScheduler's view of a `Schedule`."""

    def __init__(self, schedule: Schedule, zone: str) -> None:
        self.schedule = schedule
        self.zone = zone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """First firing after the previous one, or from now on."""
        after = previous_fire_time or now
        at = self.schedule.next_after(int(after.timestamp() * 1000), self.zone)
        return datetime.fromtimestamp(at / 1000, tz=UTC)


def background(scheduler: Scheduler) -> Any:
    """An APScheduler, not yet started, that fires every timed job; missed firings become one."""
    triggers = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)})
    for job in scheduler.timed:
        triggers.add_job(
            _fire,
            ScheduleTrigger(job.schedule, scheduler.zone),
            args=(scheduler, job),
            id=job.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    return triggers


def follow_clock(triggers: Any, moved_ms: int) -> None:
    """After the host's clock was set: what it passed over is fired once, what was planned by a later time anew."""
    if moved_ms > 0:
        triggers.wakeup()
        return
    for job in triggers.get_jobs():
        triggers.reschedule_job(job.id, trigger=job.trigger)


def _fire(scheduler: Scheduler, job: Job) -> None:
    scheduler.fire(job)
