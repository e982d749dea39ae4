"""The scheduler against a clock that stands and children that do what they are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from sereno.core.clock import FixedClock
from sereno.core.timeframe import DAY_MS, HOUR_MS, MINUTE_MS, from_iso
from sereno.ops.jobs import JOBS, Job, find_job
from sereno.ops.scheduler import Scheduler, quantum_ms

START_MS = from_iso("2024-09-01T00:00:00Z")  # a Sunday, the first of its month


@dataclass
class FakeChild:
    """A process that ends when its script says so."""

    status: int | None = None

    def poll(self) -> int | None:
        return self.status


@dataclass
class Bench:
    """A scheduler with its clock, and every start that it made."""

    clock: FixedClock = field(default_factory=lambda: FixedClock(START_MS))
    started: list[tuple[int, str]] = field(default_factory=list)
    children: dict[str, FakeChild] = field(default_factory=dict)
    monotonic_s: float = 0.0
    ends_at_once: bool = True
    quantum: int = 0
    refuses: bool = False

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(
            jobs=JOBS,
            clock=self.clock,
            zone="UTC",
            start=self.start,
            quantum=self.quantum,
            monotonic=lambda: self.monotonic_s,
        )

    def start(self, job: Job) -> FakeChild:
        if self.refuses:
            raise OSError("no more processes")
        self.started.append((self.clock.now_ms(), job.name))
        child = FakeChild(0 if self.ends_at_once and not job.is_daemon else None)
        self.children[job.name] = child
        return child

    def run_until(self, end_ms: int, *, step_ms: int = MINUTE_MS) -> None:
        while self.clock.now_ms() < end_ms:
            self.scheduler.tick()
            self.clock.advance(step_ms)
            self.monotonic_s += step_ms / 1000

    def starts_of(self, name: str) -> list[int]:
        return [at for at, started in self.started if started == name]


def test_a_day_of_the_table_fires_at_its_times() -> None:
    bench = Bench()
    bench.scheduler.prime({})
    bench.run_until(START_MS + DAY_MS)
    for name in ("collector", "positions", "features", "train", "walkforward", "anomaly"):
        schedule = find_job(name, JOBS).schedule
        expected = list(_firings(schedule, START_MS, START_MS + DAY_MS))
        assert bench.starts_of(name) == expected, name
    assert len(bench.starts_of("train")) == len(bench.starts_of("walkforward")) == 1


def _firings(schedule: object, after: int, until: int) -> list[int]:
    found = []
    at = schedule.next_after(after)  # type: ignore[attr-defined]
    while at < until:
        found.append(at)
        at = schedule.next_after(at)  # type: ignore[attr-defined]
    return found


def test_trap_e4_11_a_job_never_overlaps_itself() -> None:
    bench = Bench(ends_at_once=False)
    bench.scheduler.prime({})
    bench.run_until(START_MS + 2 * HOUR_MS)
    assert len(bench.starts_of("collector")) == 1
    bench.children["collector"].status = 0
    bench.run_until(START_MS + 3 * HOUR_MS)
    assert len(bench.starts_of("collector")) == 2


def test_firings_under_an_accelerated_clock_become_one_a_candle() -> None:
    quantum = quantum_ms(HOUR_MS, 5.0)
    assert quantum == HOUR_MS
    bench = Bench(quantum=quantum)
    bench.scheduler.prime({})
    bench.run_until(START_MS + 12 * HOUR_MS, step_ms=2 * MINUTE_MS)
    for name in ("collector", "positions"):
        hours = [at // HOUR_MS for at in bench.starts_of(name)]
        assert len(hours) == len(set(hours))
        assert len(hours) == 12


def test_quantum_is_nothing_at_wall_speed_and_never_more_than_a_candle() -> None:
    assert quantum_ms(HOUR_MS, 3600.0) == 0
    assert quantum_ms(HOUR_MS, 0.0) == 0
    assert quantum_ms(HOUR_MS, 1.0) == HOUR_MS
    assert quantum_ms(HOUR_MS, 50.0) == HOUR_MS // 10


def test_downtime_is_made_up_for_once() -> None:
    bench = Bench()
    late = {
        "collector": START_MS - 5 * HOUR_MS,
        "train": START_MS - 3 * DAY_MS,
        "anomaly": START_MS - HOUR_MS,
    }
    missed = bench.scheduler.prime(late)
    assert [job.name for job in missed] == ["collector"]
    assert bench.scheduler.prime({"train": START_MS - 8 * DAY_MS})[0].name == "train"


def test_a_job_without_any_record_is_not_made_up_for() -> None:
    assert Bench().scheduler.prime({}) == ()


def test_a_failing_job_does_not_stop_the_others() -> None:
    bench = Bench(ends_at_once=False)
    bench.scheduler.prime({})
    bench.run_until(START_MS + 16 * MINUTE_MS)
    bench.children["collector"].status = 1
    bench.run_until(START_MS + 46 * MINUTE_MS)
    assert bench.scheduler.exits["collector"] == 1
    assert len(bench.starts_of("collector")) == 2


def test_a_process_that_cannot_be_started_is_tried_again_at_the_next_firing() -> None:
    bench = Bench(refuses=True)
    bench.scheduler.prime({})
    bench.run_until(START_MS + 20 * MINUTE_MS)
    assert bench.started == []
    bench.refuses = False
    bench.run_until(START_MS + 40 * MINUTE_MS)
    assert bench.starts_of("collector")
    assert bench.starts_of("dashboard")


@pytest.mark.parametrize("status", [0, 1])
def test_trap_a30_34_daemons_that_die_come_back_with_growing_pauses(status: int) -> None:
    """Also one that ended well at once, as a module without an entry point does."""
    bench = Bench()
    for second in range(200):
        bench.monotonic_s = float(second)
        bench.scheduler.keep_daemons()
        bench.children["signals"].status = status
    starts = len(bench.starts_of("signals"))
    assert 6 <= starts <= 9


def test_a_daemon_that_a_person_must_mend_is_not_started_in_a_loop() -> None:
    bench = Bench()
    for second in range(1500):
        bench.monotonic_s = float(second)
        bench.scheduler.keep_daemons()
        bench.children["dashboard"].status = 2
    assert len(bench.starts_of("dashboard")) == 3


def test_disabled_jobs_are_left_alone() -> None:
    bench = Bench()
    bench.scheduler.disabled = ("collector", "dashboard")
    bench.scheduler.prime({})
    bench.run_until(START_MS + HOUR_MS)
    assert not bench.starts_of("collector")
    assert not bench.starts_of("dashboard")
    assert bench.starts_of("positions")


def test_triggers_fire_instead_of_ticks() -> None:
    bench = Bench()
    bench.scheduler.triggered = True
    bench.scheduler.prime({})
    bench.run_until(START_MS + HOUR_MS)
    assert not bench.starts_of("collector")
    assert bench.scheduler.fire(find_job("collector", JOBS))
    assert len(bench.starts_of("collector")) == 1


@pytest.mark.parametrize("by_ms", [-3 * HOUR_MS, 3 * HOUR_MS, -MINUTE_MS // 2])
def test_a_clock_that_is_set_is_noticed_once(by_ms: int) -> None:
    bench = Bench()
    moved: list[int] = []
    bench.scheduler.triggered, bench.scheduler.on_jump = True, moved.append
    bench.scheduler.prime({})
    bench.run_until(START_MS + HOUR_MS)
    bench.scheduler.clock = FixedClock(bench.clock.now_ms() + by_ms)
    bench.scheduler.tick()
    bench.scheduler.tick()
    assert moved == ([by_ms] if abs(by_ms) > MINUTE_MS else [])
    if by_ms <= -HOUR_MS:
        collector = find_job("collector", JOBS)
        now = bench.scheduler.clock.now_ms()
        assert bench.scheduler.next_firing(collector) == collector.schedule.next_after(now)


def test_apscheduler_plans_anew_when_the_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import apscheduler.schedulers.base

    from sereno.ops.triggers import background, follow_clock

    shift = timedelta(0)

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Shifted:
            return super().now(tz) + shift

    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Shifted)
    triggers = background(Bench().scheduler)
    triggers.start(paused=True)
    try:
        shift = timedelta(hours=-3)
        follow_clock(triggers, -3 * HOUR_MS)
        plans = {job.id: job.next_run_time for job in triggers.get_jobs()}
    finally:
        triggers.shutdown()
    soon = datetime.now(UTC) + shift + timedelta(minutes=15)
    assert plans["collector"] <= soon
    assert len(plans) == len([job for job in JOBS if not job.is_daemon])


def test_apscheduler_is_given_every_timed_job_once() -> None:
    from sereno.ops.triggers import background

    bench = Bench()
    triggers = background(bench.scheduler)
    jobs = triggers.get_jobs()
    assert {job.id for job in jobs} == {job.name for job in JOBS if not job.is_daemon}
    assert all(job.coalesce and job.max_instances == 1 and job.misfire_grace_time is None for job in jobs)
