"""Checks as sums: each finds its fault, and is silent without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sereno.core.settings import Settings, WatchSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe, from_iso
from sereno.watch import checks
from sereno.watch.checks import (
    ChangeFacts,
    JobFacts,
    ModelFacts,
    Noticed,
    PositionFacts,
    SeriesFacts,
    Severity,
    SignalFacts,
)

NOW_MS = from_iso("2024-06-01T12:00:10Z")
H1 = Timeframe.H1
LIMITS = WatchSettings()
KEY = "binance:spot:BTC/USDT@1h"


@pytest.mark.parametrize(
    ("bars_ago", "severity"),
    [(1, None), (2, None), (4, Severity.HIGH), (8, Severity.CRITICAL)],
)
def test_trap_c12_16_stale_data_is_measured_in_bars_since_the_close(
    bars_ago: int, severity: Severity | None
) -> None:
    newest = H1.floor(NOW_MS) - bars_ago * HOUR_MS
    found = checks.stale_data(
        [SeriesFacts(KEY, H1, newest)], now=NOW_MS, stale_after_bars=2.0, settle_ms=2000
    )
    assert [f.severity for f in found] == ([] if severity is None else [severity])


def test_trap_b12_2_a_daily_candle_is_not_stale_at_noon() -> None:
    yesterday = Timeframe.D1.floor(NOW_MS) - DAY_MS
    facts = [SeriesFacts("d", Timeframe.D1, yesterday)]
    assert checks.stale_data(facts, now=NOW_MS, stale_after_bars=2.0, settle_ms=2000) == ()


def test_r12_no_candle_at_all_is_critical() -> None:
    (found,) = checks.stale_data([SeriesFacts(KEY, H1, None)], now=NOW_MS, stale_after_bars=2.0, settle_ms=0)
    assert found.severity is Severity.CRITICAL


@pytest.mark.parametrize(("bars_ago", "count"), [(1, 0), (2, 0), (3, 1), (100, 1)])
def test_a_position_without_candles_is_high(bars_ago: int, count: int) -> None:
    facts = PositionFacts(KEY, H1, H1.floor(NOW_MS) - bars_ago * HOUR_MS, "venue.another: set it back")
    found = checks.unwatched_positions([facts], now=NOW_MS, stale_after_bars=2.0, settle_ms=10_000)
    assert [f.severity for f in found] == [Severity.HIGH] * count
    assert all("venue.another" in f.message for f in found)


def test_what_changed_under_a_position_is_told_with_what_became_of_it() -> None:
    late, corrected = ChangeFacts("p1", KEY, 2, "held", None), ChangeFacts("p2", KEY, 0, "stop", "98.9")
    found = checks.candles_changed([late, corrected])
    assert [f.severity for f in found] == [Severity.HIGH] * 2
    assert found[0].message.startswith("2 candles came late under")
    assert found[1].message.endswith("stop: it ended at 98.9 when that was seen")


def signals(signs: list[int], *, newest_bars_ago: int = 0) -> SignalFacts:
    last = H1.floor(NOW_MS) - newest_bars_ago * HOUR_MS
    stamped = tuple((last - i * HOUR_MS, sign) for i, sign in enumerate(signs))
    taken = next((at for at, sign in stamped if sign), None)
    return SignalFacts(KEY, H1, stamped, taken or (stamped[-1][0] if stamped else None))


def test_silence_of_the_signals_loop_is_high() -> None:
    (found,) = checks.signal_drought([signals([0, 1], newest_bars_ago=5)], now=NOW_MS, drought_bars=120)
    assert found.severity is Severity.HIGH
    assert checks.signal_drought([signals([0, 1])], now=NOW_MS, drought_bars=120) == ()
    (none,) = checks.signal_drought([SignalFacts(KEY, H1, (), None)], now=NOW_MS, drought_bars=120)
    assert "none was ever made" in none.message


def test_refusing_everything_for_days_is_a_warning() -> None:
    (found,) = checks.signal_drought([signals([0] * 150)], now=NOW_MS, drought_bars=120)
    assert found.severity is Severity.WARNING
    assert checks.signal_drought([signals([0] * 100 + [1] + [0] * 49)], now=NOW_MS, drought_bars=120) == ()


def test_one_sided_signals_need_enough_of_them() -> None:
    assert checks.one_sided([signals([1] * 5)], limits=LIMITS) == ()
    assert checks.one_sided([signals([1] * 8 + [-1] * 4)], limits=LIMITS) == ()
    (found,) = checks.one_sided([signals([-1] * 12 + [0] * 30)], limits=LIMITS)
    assert "short" in found.message


def test_longs_alone_are_no_finding_where_nothing_else_is_possible() -> None:
    assert checks.one_sided([replace(signals([1] * 12), both_sides=False)], limits=LIMITS) == ()


def missed(late: int, well: int, limits: WatchSettings = LIMITS) -> list[Severity]:
    facts = SignalFacts(KEY, H1, (), None, late=(True,) * late + (False,) * well)
    return [one.severity for one in checks.missed_decisions([facts], limits=limits, remedy="hurry less")]


@pytest.mark.parametrize(
    ("late", "severity"),
    [(0, None), (6, None), (7, Severity.WARNING), (12, Severity.WARNING), (13, Severity.HIGH)],
)
def test_decisions_that_came_too_late_are_told_by_their_share(late: int, severity: Severity | None) -> None:
    assert missed(late, 24 - late) == ([] if severity is None else [severity])
    assert missed(late, 100) == ([] if severity is None else [severity]), "only the newest are judged"


def test_a_desk_that_has_just_begun_is_not_judged_by_its_first_decisions() -> None:
    assert missed(23, 0) == []
    assert missed(24, 0) == [Severity.HIGH]


@pytest.mark.parametrize(
    ("age_days", "severity"), [(13, None), (15, Severity.WARNING), (29, Severity.HIGH), (None, Severity.HIGH)]
)
def test_old_models(age_days: int | None, severity: Severity | None) -> None:
    created = None if age_days is None else NOW_MS - age_days * DAY_MS
    found = checks.old_models([ModelFacts("trend", KEY, created)], now=NOW_MS, max_age_days=14.0)
    assert [f.severity for f in found] == ([] if severity is None else [severity])


def test_losing_streaks() -> None:
    assert checks.losing_streak([-1.0, -1.0, 5.0], account="paper", limit=3) == ()
    assert checks.losing_streak([-1.0] * 3 + [5.0], account="paper", limit=3)[0].severity is Severity.WARNING
    assert checks.losing_streak([-1.0] * 6, account="paper", limit=3)[0].severity is Severity.HIGH
    assert checks.losing_streak([], account="paper", limit=3) == ()
    past_a_draw = checks.losing_streak([-1.0, 0.0, -1.0, -1.0, 5.0], account="paper", limit=3)
    assert past_a_draw[0].detail["losses"] == 3


@pytest.mark.parametrize(
    ("last", "severity"), [(93.0, None), (91.0, Severity.HIGH), (87.0, Severity.CRITICAL)]
)
def test_drawdown_from_the_peak(last: float, severity: Severity | None) -> None:
    curve = [(0, 95.0), (1, 100.0), (2, last)]
    found = checks.drawdown(curve, account="paper", limits=LIMITS)
    assert [f.severity for f in found] == ([] if severity is None else [severity])
    assert checks.drawdown([], account="paper", limits=LIMITS) == ()


def test_failed_and_absent_jobs() -> None:
    well = JobFacts("collector", ((NOW_MS, True), (NOW_MS - 1, False)), NOW_MS - 10, None)
    assert checks.failing_jobs([well], failures_high=3) == ()
    failed = JobFacts("collector", ((NOW_MS, False), (NOW_MS - 1, True)), None, None)
    assert checks.failing_jobs([failed], failures_high=3)[0].severity is Severity.WARNING
    again = JobFacts("collector", ((3, False), (2, False), (1, False)), None, None)
    assert checks.failing_jobs([again], failures_high=3)[0].severity is Severity.HIGH
    absent = JobFacts("collector", ((NOW_MS - DAY_MS, True),), NOW_MS - HOUR_MS, None)
    assert checks.failing_jobs([absent], failures_high=3)[0].check == "job_absent"
    dead = JobFacts("signals", (), None, False)
    assert checks.failing_jobs([dead], failures_high=3)[0].severity is Severity.CRITICAL


def test_more_than_half_failing_is_high() -> None:
    assert checks.failed_cycle(3, 3, at=0) == ()
    assert checks.failed_cycle(0, 0, at=0) == ()
    assert checks.failed_cycle(2, 4, at=0)[0].severity is Severity.HIGH


def noticed(severity: Severity, subject: str = "x") -> Noticed:
    return Noticed("drawdown", severity, subject, "m")


def test_what_was_told_is_not_told_again_within_a_day_unless_it_got_worse() -> None:
    high = noticed(Severity.HIGH)
    assert checks.to_send([high, noticed(Severity.WARNING, "y")], {}, now=NOW_MS) == (high,)
    told = {high.key: (Severity.HIGH, NOW_MS - HOUR_MS)}
    assert checks.to_send([high], told, now=NOW_MS) == ()
    worse = noticed(Severity.CRITICAL)
    assert checks.to_send([worse], told, now=NOW_MS) == (worse,)
    assert checks.to_send([high], {high.key: (Severity.HIGH, NOW_MS - 25 * HOUR_MS)}, now=NOW_MS) == (high,)


def test_trap_a30_36_r12_recovery_is_told() -> None:
    told = {"drawdown:x": (Severity.HIGH, NOW_MS)}
    assert checks.recovered([], told) == ("drawdown:x",)
    assert checks.recovered([noticed(Severity.WARNING)], told) == ()


def test_every_limit_of_the_watch_has_its_effect() -> None:
    long = [signals([1] * 12)]
    fallen = [(0, 100.0), (1, 95.0)]
    failed = [JobFacts("train", ((NOW_MS, False),), None, None)]
    assert (
        checks.signal_drought([signals([0] * 20)], now=NOW_MS, drought_bars=10)[0].check == "signal_drought"
    )
    assert checks.one_sided(long, limits=WatchSettings(one_sided_least=13)) == ()
    assert checks.one_sided(long, limits=WatchSettings(one_sided_frac=1.0)) == ()
    assert checks.one_sided(long, limits=LIMITS)[0].check == "one_sided"
    assert missed(2, 2, WatchSettings(missed_last=4)) == [Severity.WARNING]
    assert missed(2, 2, WatchSettings(missed_last=4, missed_frac=0.5)) == []
    assert missed(2, 2, WatchSettings(missed_last=4, missed_high_frac=0.4)) == [Severity.HIGH]
    high = WatchSettings(drawdown_high_frac=0.04)
    assert checks.drawdown(fallen, account="paper", limits=high)[0].severity is Severity.HIGH
    critical = WatchSettings(drawdown_high_frac=0.01, drawdown_critical_frac=0.04)
    assert checks.drawdown(fallen, account="paper", limits=critical)[0].severity is Severity.CRITICAL
    assert checks.failing_jobs(failed, failures_high=1)[0].severity is Severity.HIGH


def test_the_limits_of_a_drawdown_are_in_order() -> None:
    with pytest.raises(ValueError, match=r"watch\.drawdown_high_frac"):
        Settings.model_validate({"watch": {"drawdown_high_frac": 0.2, "drawdown_critical_frac": 0.1}})


def test_the_limits_of_missed_decisions_are_in_order() -> None:
    with pytest.raises(ValueError, match=r"watch\.missed_frac"):
        Settings.model_validate({"watch": {"missed_frac": 0.6, "missed_high_frac": 0.5}})
