"""When jobs fire: one value, from which next firings, systemd's text and APScheduler's trigger follow.

Wall times mean what systemd means by them: a wall time that a clock change skips does not fire, one
that it repeats fires once. Schedules that are mere intervals count in UTC, so that a change of the
clock neither skips nor repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from sereno.core.timeframe import DAY_MS, MINUTE_MS, UtcMs

SUNDAY = 6
_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Fires at each wall time whose parts are all listed.

    weekdays   0 Monday … 6 Sunday; None: every one
    days       first and last day of the month, inclusive; None: every one
    wall       whether hours are of the configured zone; otherwise of UTC
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    clock_text: str
    words: str
    weekdays: tuple[int, ...] | None = None
    days: tuple[int, int] | None = None
    wall: bool = True

    def firings(self, after: UtcMs, zone: str = "UTC") -> Iterator[UtcMs]:
        """Every firing later than `after`, in order."""
        tz = ZoneInfo(zone) if self.wall else ZoneInfo("UTC")
        first = datetime.fromtimestamp(after / 1000, tz=tz).date()
        for offset in count():
            day = first + timedelta(days=offset)
            if not self._matches(day):
                continue
            for hour in self.hours:
                for minute in self.minutes:
                    at = _moment(day, hour, minute, tz)
                    if at is not None and at > after:
                        yield at

    def next_after(self, after: UtcMs, zone: str = "UTC") -> UtcMs:
        """The first firing later than `after`."""
        return next(self.firings(after, zone))

    def last_at_or_before(self, at: UtcMs, zone: str = "UTC") -> UtcMs:
        """The newest firing that is not later than `at`."""
        for back_days in (1, 8, 40):
            fired = list(_until(self.firings(at - back_days * DAY_MS, zone), at))
            if fired:
                return fired[-1]
        raise ValueError(f"{self.words} has not fired in 40 days before {at}")

    def on_calendar(self, zone: str = "UTC") -> str:
        """The same for `OnCalendar=` of a systemd timer."""
        week = ",".join(_DAY_NAMES[d] for d in self.weekdays) + " " if self.weekdays else ""
        days = f"{self.days[0]:02d}..{self.days[1]:02d}" if self.days else "*"
        return f"{week}*-*-{days} {self.clock_text}:00 {zone if self.wall else 'UTC'}"

    def _matches(self, day: date) -> bool:
        in_week = self.weekdays is None or day.weekday() in self.weekdays
        return in_week and (self.days is None or self.days[0] <= day.day <= self.days[1])


def _moment(day: date, hour: int, minute: int, tz: ZoneInfo) -> UtcMs | None:
    """UTC milliseconds of a wall time, the first one if it is repeated; None if the clock skips it."""
    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=tz)
    there = local.astimezone(UTC)
    back = there.astimezone(tz)
    if (back.hour, back.minute, back.day) != (hour, minute, day.day):
        return None
    return int(there.timestamp()) * 1000


def _until(moments: Iterator[UtcMs], at: UtcMs) -> Iterator[UtcMs]:
    for moment in moments:
        if moment > at:
            return
        yield moment


def every(minutes: int) -> Schedule:
    """Each `minutes` minutes of the hour; must divide it."""
    if not 1 <= minutes < 60 or 60 % minutes:
        raise ValueError(f"{minutes} minutes do not divide an hour")
    return Schedule(
        minutes=tuple(range(0, 60, minutes)),
        hours=tuple(range(24)),
        clock_text=f"*:00/{minutes:02d}",
        words=f"every {minutes} minutes",
        wall=False,
    )


def hourly(step_hours: int, *, minute: int) -> Schedule:
    """At `minute` past each `step_hours`-th hour of the UTC day; must divide it."""
    if not 1 <= step_hours < 24 or 24 % step_hours:
        raise ValueError(f"{step_hours} hours do not divide a day")
    return Schedule(
        minutes=(minute,),
        hours=tuple(range(0, 24, step_hours)),
        clock_text=f"00/{step_hours:02d}:{minute:02d}",
        words=f"every {step_hours} hours at :{minute:02d}",
        wall=False,
    )


def each_close(candle_ms: int) -> Schedule:
    """Whenever a candle of this span ends; for spans from a minute to a day that divide the day."""
    minutes = candle_ms // MINUTE_MS
    if not 1 <= minutes <= 1440 or 1440 % minutes:
        raise ValueError(f"candles of {minutes} minutes do not divide a day")
    if minutes < 60:
        return every(minutes)
    hours = tuple(range(0, 24, minutes // 60))
    text = ",".join(f"{hour:02d}" for hour in hours)
    return Schedule((0,), hours, f"{text}:00", f"every {minutes // 60} hours", wall=False)


def daily(hour: int, minute: int) -> Schedule:
    """Each day at one wall time."""
    return Schedule((minute,), (hour,), f"{hour:02d}:{minute:02d}", f"daily at {hour:02d}:{minute:02d}")


def weekly(weekday: int, hour: int, minute: int) -> Schedule:
    """Once a week."""
    clock = f"{hour:02d}:{minute:02d}"
    return Schedule((minute,), (hour,), clock, f"{_DAY_NAMES[weekday]} {clock}", weekdays=(weekday,))


def first_weekday(weekday: int, hour: int, minute: int) -> Schedule:
    """Once a month, on the first such weekday."""
    clock = f"{hour:02d}:{minute:02d}"
    words = f"first {_DAY_NAMES[weekday]} of the month {clock}"
    return Schedule((minute,), (hour,), clock, words, weekdays=(weekday,), days=(1, 7))
