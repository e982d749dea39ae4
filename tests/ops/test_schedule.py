"""Schedules: our firings are systemd's, and APScheduler's trigger is ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.timeframe import HOUR_MS, MINUTE_MS, from_iso, iso
from sereno.ops.jobs import JOBS
from sereno.ops.schedule import (
    SUNDAY,
    Schedule,
    daily,
    each_close,
    every,
    first_weekday,
    hourly,
    weekly,
)

BASE_MS = from_iso("2024-03-20T11:03:00Z")
FIRINGS = 200
SCHEDULES = {job.name: job.schedule for job in JOBS if not job.is_daemon} | {
    "daily-noon": daily(12, 0),
    "daily-in-the-gap": daily(2, 30),
}
ZONES = ("UTC", "Europe/Madrid", "America/New_York", "Australia/Lord_Howe")


def systemd_firings(text: str, base_ms: int) -> list[int]:
    """What `systemd-analyze calendar` says."""
    done = subprocess.run(
        [
            "systemd-analyze",
            "calendar",
            f"--iterations={FIRINGS}",
            f"--base-time={iso(base_ms).replace('T', ' ').replace('Z', ' UTC')}",
            text,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
    )
    stamps = re.findall(r"(?:Next elapse|Iter\. #\d+): \w{3} (\S+ \S+) UTC", done.stdout)
    return [
        int(datetime.strptime(s, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()) * 1000 for s in stamps
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", SCHEDULES)
def test_next_200_firings_are_those_of_systemd(name: str, zone: str) -> None:
    schedule = SCHEDULES[name]
    ours = list(islice(schedule.firings(BASE_MS, zone), FIRINGS))
    assert ours == systemd_firings(schedule.on_calendar(zone), BASE_MS)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    schedule=st.one_of(
        st.sampled_from([every(n) for n in (1, 5, 10, 15, 20, 30)]),
        st.builds(hourly, st.sampled_from([1, 2, 3, 4, 6, 8, 12]), minute=st.integers(0, 59)),
        st.builds(daily, st.integers(0, 23), st.integers(0, 59)),
        st.builds(weekly, st.integers(0, 6), st.integers(0, 23), st.integers(0, 59)),
        st.builds(first_weekday, st.integers(0, 6), st.integers(0, 23), st.integers(0, 59)),
    ),
    zone=st.sampled_from(ZONES),
    base_s=st.integers(1_600_000_000, 1_760_000_000),
)
def test_any_schedule_agrees_with_systemd(schedule: Schedule, zone: str, base_s: int) -> None:
    base_ms = base_s * 1000
    ours = list(islice(schedule.firings(base_ms, zone), FIRINGS))
    assert ours == systemd_firings(schedule.on_calendar(zone), base_ms)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    name=st.sampled_from(sorted(SCHEDULES)),
    zone=st.sampled_from(ZONES),
    after_s=st.integers(1_600_000_000, 1_760_000_000),
)
def test_next_and_last_firing_surround_every_moment(name: str, zone: str, after_s: int) -> None:
    schedule, at = SCHEDULES[name], after_s * 1000
    following = schedule.next_after(at, zone)
    assert following > at
    assert schedule.last_at_or_before(following, zone) == following
    previous = schedule.last_at_or_before(at, zone)
    assert previous <= at
    assert schedule.next_after(previous, zone) == following


def test_apscheduler_fires_at_the_same_moments() -> None:
    from sereno.ops.triggers import ScheduleTrigger

    for zone in ZONES:
        trigger = ScheduleTrigger(SCHEDULES["train"], zone)
        previous: datetime | None = None
        now = datetime.fromtimestamp(BASE_MS / 1000, tz=UTC)
        for expected in islice(SCHEDULES["train"].firings(BASE_MS, zone), 60):
            previous = trigger.get_next_fire_time(previous, now)
            assert int(previous.timestamp() * 1000) == expected


def test_intervals_do_not_lose_an_hour_when_the_clock_changes() -> None:
    """A wall-time `*:00/15` would fire nothing for the hour that autumn repeats."""
    autumn = from_iso("2024-10-26T23:00:00Z")
    firings = list(islice(every(15).firings(autumn, "Europe/Madrid"), 20))
    assert {b - a for a, b in pairwise(firings)} == {15 * MINUTE_MS}


def test_the_issue_s_times() -> None:
    sunday = from_iso("2024-09-01T00:00:00Z")
    assert iso(weekly(SUNDAY, 2, 0).next_after(sunday)) == "2024-09-01T02:00:00Z"
    assert iso(first_weekday(SUNDAY, 4, 0).next_after(sunday)) == "2024-09-01T04:00:00Z"
    assert iso(first_weekday(SUNDAY, 4, 0).next_after(sunday + 5 * HOUR_MS)) == "2024-10-06T04:00:00Z"
    assert iso(hourly(3, minute=10).next_after(sunday)) == "2024-09-01T00:10:00Z"


def test_trap_b12_13_on_calendar_is_no_cron_line() -> None:
    for schedule in SCHEDULES.values():
        assert re.fullmatch(r"(\w{3} )?\*-\*-(\*|\d\d\.\.\d\d) \S+:00 UTC", schedule.on_calendar())


@pytest.mark.parametrize("minutes", [0, 7, 60, -5])
def test_intervals_that_do_not_divide_are_refused(minutes: int) -> None:
    with pytest.raises(ValueError, match="divide"):
        every(minutes)
    with pytest.raises(ValueError, match="divide"):
        hourly(minutes if minutes > 12 else 5, minute=0)
    with pytest.raises(ValueError, match="divide"):
        each_close(7 * MINUTE_MS)


def test_each_close_is_the_end_of_each_candle() -> None:
    start = from_iso("2024-01-01T00:00:00Z")
    for span in (5 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 24 * HOUR_MS):
        firings = list(islice(each_close(span).firings(start), 6))
        assert firings == [start + span * (i + 1) for i in range(6)]
