"""Checks: each looks at recorded facts and answers what it noticed. Pure; the time is an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sereno.core.settings import WatchSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe, UtcMs, iso
from sereno.trading.statistics import drawdowns_frac, losing_streaks


class Severity(StrEnum):
    """How loudly a finding is told; high and critical wake people."""

    INFO = "info"
    WARNING = "warning"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info, rising."""
        return tuple(Severity).index(self)

    @property
    def wakes(self) -> bool:
        """Whether it is sent to people."""
        return self.rank >= Severity.HIGH.rank


@dataclass(frozen=True, slots=True)
class Noticed:
    """One thing that is not as it should be. `check` and `subject` together name it."""

    check: str
    severity: Severity
    subject: str
    message: str
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What makes two findings the same."""
        return f"{self.check}:{self.subject}"


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """A traded series. `newest_open_ms` None: no candle at all; `now` is the desk's."""

    key: str
    timeframe: Timeframe
    newest_open_ms: UtcMs | None


def stale_data(
    series: Sequence[SeriesFacts], *, now: UtcMs, stale_after_bars: float, settle_ms: int
) -> tuple[Noticed, ...]:
    """Candles older than `stale_after_bars` bars, measured from when they closed. Three times that is critical."""
    return tuple(found for facts in series if (found := _stale(facts, now, stale_after_bars, settle_ms)))


def _stale(facts: SeriesFacts, now: UtcMs, stale_after_bars: float, settle_ms: int) -> Noticed | None:
    if facts.newest_open_ms is None:
        return Noticed("stale_data", Severity.CRITICAL, facts.key, "there is no candle at all")
    closed_ms = facts.newest_open_ms + facts.timeframe.ms
    age_bars = (now - closed_ms - settle_ms) / facts.timeframe.ms
    if age_bars <= stale_after_bars:
        return None
    severity = Severity.CRITICAL if age_bars > 3 * stale_after_bars else Severity.HIGH
    message = f"the newest candle closed {age_bars:.1f} bars ago, {stale_after_bars:g} are allowed"
    return Noticed("stale_data", severity, facts.key, message, {"age_bars": round(age_bars, 2)})


@dataclass(frozen=True, slots=True)
class PositionFacts:
    """An open position. `checked_ms` is the close of the last candle that its rules were applied to.

    collector  why the collector has no newer candle; empty: it does not say
    """

    key: str
    timeframe: Timeframe
    checked_ms: UtcMs
    collector: str = ""


def unwatched_positions(
    positions: Sequence[PositionFacts], *, now: UtcMs, stale_after_bars: float, settle_ms: int
) -> tuple[Noticed, ...]:
    """Open positions whose stop, target and time stop have not been looked at for `stale_after_bars` bars."""
    found = []
    for facts in positions:
        age_bars = (now - facts.checked_ms - settle_ms) / facts.timeframe.ms
        if age_bars > stale_after_bars:
            why = f": {facts.collector}" if facts.collector else ""
            message = f"no candle for {age_bars:.1f} bars, so nothing looks after the stop of its open position{why}"
            detail = {"age_bars": round(age_bars, 2), "checked_ms": facts.checked_ms}
            found.append(Noticed("unwatched_position", Severity.HIGH, facts.key, message, detail))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """Candles that changed under an open position, as the positions job noted it.

    bars_late    how many came late; 0: some were corrected
    outcome      the rule that ended the position; `held`: none did
    exit_price   what it ended at, as text; None while it is held
    """

    position_id: str
    key: str
    bars_late: int
    outcome: str
    exit_price: str | None


def candles_changed(changes: Sequence[ChangeFacts]) -> tuple[Noticed, ...]:
    """What was recorded of these positions until then was made of other candles: a person must know."""
    return tuple(_changed(one) for one in changes)


def _changed(facts: ChangeFacts) -> Noticed:
    what = f"{facts.bars_late} candles came late" if facts.bars_late else "candles were corrected"
    became = (
        "it is held on"
        if facts.exit_price is None
        else f"{facts.outcome}: it ended at {facts.exit_price} when that was seen"
    )
    detail = {"series": facts.key, "bars_late": facts.bars_late, "outcome": facts.outcome}
    message = f"{what} under this open position of {facts.key}; {became}"
    return Noticed("candle_changed", Severity.HIGH, facts.position_id, message, detail)


@dataclass(frozen=True, slots=True)
class SignalFacts:
    """Signals of a series over the newest bars: moment and sign (+1 long, -1 short, 0 refused).

    refused_since_ms   moment of the newest that was taken, of the oldest of all if none was
    both_sides         whether its market can be sold short at all
    late   of the same signals, newest first: whether it was refused for coming too late
    """

    key: str
    timeframe: Timeframe
    signs: tuple[tuple[UtcMs, int], ...]
    refused_since_ms: UtcMs | None
    both_sides: bool = True
    late: tuple[bool, ...] = ()


def signal_drought(series: Sequence[SignalFacts], *, now: UtcMs, drought_bars: int) -> tuple[Noticed, ...]:
    """No signal at all for three bars: the loop is dead. None taken for `drought_bars`: nothing passes."""
    return tuple(found for facts in series if (found := _drought(facts, now, drought_bars)))


def _drought(facts: SignalFacts, now: UtcMs, drought_bars: int) -> Noticed | None:
    newest = max((ts for ts, _ in facts.signs), default=None)
    bar = facts.timeframe.ms
    if newest is None or now - newest > 3 * bar:
        said = (
            "none was ever made" if newest is None else f"the newest is {(now - newest) / bar:.1f} bars old"
        )
        return Noticed("signal_drought", Severity.HIGH, facts.key, f"no signal is made: {said}")
    since = facts.refused_since_ms
    if since is not None and now - since > drought_bars * bar:
        bars = (now - since) / bar
        message = f"every signal of the last {bars:.0f} bars was refused"
        return Noticed("signal_drought", Severity.WARNING, facts.key, message, {"bars": round(bars, 1)})
    return None


def one_sided(series: Sequence[SignalFacts], *, limits: WatchSettings) -> tuple[Noticed, ...]:
    """Nearly all signals that were taken face the same way, though the other one was open to them."""
    found = []
    for facts in series:
        signs = [sign for _, sign in facts.signs if sign]
        if len(signs) < limits.one_sided_least or not facts.both_sides:
            continue
        longs = sum(sign > 0 for sign in signs)
        share = max(longs, len(signs) - longs) / len(signs)
        if share > limits.one_sided_frac:
            side = "long" if 2 * longs > len(signs) else "short"
            message = f"{share:.0%} of {len(signs)} signals are {side}"
            found.append(
                Noticed("one_sided", Severity.WARNING, facts.key, message, {"share_frac": round(share, 3)})
            )
    return tuple(found)


def missed_decisions(
    series: Sequence[SignalFacts], *, limits: WatchSettings, remedy: str
) -> tuple[Noticed, ...]:
    """Too many of the newest signals were refused for coming too late: the desk looks well and trades nothing.

    remedy   what a person can do about it
    """
    found = []
    for facts in series:
        seen = facts.late[: limits.missed_last]
        share = sum(seen) / limits.missed_last
        if len(seen) < limits.missed_last or share <= limits.missed_frac:
            continue
        severity = Severity.HIGH if share > limits.missed_high_frac else Severity.WARNING
        message = f"{sum(seen)} of the newest {len(seen)} decisions came too late (stale_candle): {remedy}"
        found.append(
            Noticed("missed_decisions", severity, facts.key, message, {"share_frac": round(share, 3)})
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The served model of one role and series; None: none is served."""

    role: str
    key: str
    created_ms: UtcMs | None


def old_models(models: Sequence[ModelFacts], *, now: UtcMs, max_age_days: float) -> tuple[Noticed, ...]:
    """Models older than allowed; twice that is high, and so is none at all."""
    found = []
    for facts in models:
        subject = f"{facts.role} {facts.key}"
        if facts.created_ms is None:
            found.append(Noticed("old_model", Severity.HIGH, subject, "no model is served"))
            continue
        age_days = (now - facts.created_ms) / DAY_MS
        if age_days > max_age_days:
            severity = Severity.HIGH if age_days > 2 * max_age_days else Severity.WARNING
            message = f"the model is {age_days:.1f} days old, {max_age_days:g} are allowed"
            found.append(Noticed("old_model", severity, subject, message, {"age_days": round(age_days, 2)}))
    return tuple(found)


def losing_streak(pnls_newest_first: Sequence[float], *, account: str, limit: int) -> tuple[Noticed, ...]:
    """`limit` losses in a row or more; twice that is high."""
    streak = losing_streaks(reversed(pnls_newest_first))[-1]
    if streak < limit:
        return ()
    severity = Severity.HIGH if streak >= 2 * limit else Severity.WARNING
    return (Noticed("losing_streak", severity, account, f"{streak} losses in a row", {"losses": streak}),)


def drawdown(
    equity: Sequence[tuple[UtcMs, float]], *, account: str, limits: WatchSettings
) -> tuple[Noticed, ...]:
    """Equity below its peak by more than the limits, measured on the points given, oldest first."""
    if not equity:
        return ()
    values = [value for _, value in equity]
    peak, now = max(values), values[-1]
    falls = drawdowns_frac(values)
    frac = 1.0 if falls is None else falls[-1]
    if frac <= limits.drawdown_high_frac:
        return ()
    severity = Severity.CRITICAL if frac > limits.drawdown_critical_frac else Severity.HIGH
    message = f"equity {now:.2f} is {frac:.1%} below its peak {peak:.2f}"
    return (Noticed("drawdown", severity, account, message, {"drawdown_frac": round(frac, 4)}),)


def account_ahead(
    equity_ms: UtcMs | None, *, account: str, now: UtcMs, tolerated_ms: int
) -> tuple[Noticed, ...]:
    """An account whose newest equity is of a moment that is still to come: it answers no signal until then."""
    if equity_ms is None or equity_ms - now <= tolerated_ms:
        return ()
    hours = (equity_ms - now) / HOUR_MS
    message = (
        f"the account has come to {iso(equity_ms)}, {hours:.1f} h ahead of now: until then it neither enters nor "
        "refuses. Is the host's clock right?"
    )
    return (Noticed("account_ahead", Severity.CRITICAL, account, message, {"ahead_ms": equity_ms - now}),)


@dataclass(frozen=True, slots=True)
class JobFacts:
    """Newest runs of a job, newest first, as (desk time of the start, ended well).

    due_ms     desk time of the newest firing that must have been served; None for a daemon
    alive      whether a daemon's lease is held; None for a timed job
    """

    name: str
    runs: tuple[tuple[UtcMs, bool], ...]
    due_ms: UtcMs | None
    alive: bool | None


def failing_jobs(jobs: Sequence[JobFacts], *, failures_high: int) -> tuple[Noticed, ...]:
    """Jobs whose newest runs failed, that did not run when due, and daemons that are not there."""
    return tuple(found for facts in jobs for found in _job(facts, failures_high))


def _job(facts: JobFacts, failures_high: int) -> tuple[Noticed, ...]:
    if facts.alive is False:
        return (Noticed("job_absent", Severity.CRITICAL, facts.name, "the daemon does not run"),)
    found = []
    failures = 0
    for _, well in facts.runs:
        if well:
            break
        failures += 1
    if failures:
        severity = Severity.HIGH if failures >= failures_high else Severity.WARNING
        found.append(
            Noticed(
                "job_failed",
                severity,
                facts.name,
                f"its last {failures} run(s) failed",
                {"failures": failures},
            )
        )
    newest = max((at for at, _ in facts.runs), default=None)
    if facts.due_ms is not None and (newest is None or newest < facts.due_ms):
        found.append(Noticed("job_absent", Severity.HIGH, facts.name, "it did not run when it was due"))
    return tuple(found)


def failed_cycle(ok: int, failed: int, *, at: UtcMs) -> tuple[Noticed, ...]:
    """More than half of the instruments failed in the newest collecting cycle."""
    if failed * 2 <= ok + failed or failed == 0:
        return ()
    message = f"{failed} of {ok + failed} series failed in the cycle"
    return (Noticed("failed_cycle", Severity.HIGH, "collector", message, {"cycle_ms": at, "failed": failed}),)


def level_changes(series: Mapping[str, int]) -> tuple[Noticed, ...]:
    """Series, by key, whose price level moved by more than 20 times of late, and how often: a person must look."""
    message = (
        "the price level changed by more than 20 times and stayed: was it redenominated? "
        "Positions, models and history know the old level"
    )
    return tuple(
        Noticed("level_change", Severity.HIGH, key, message, {"changes": count})
        for key, count in sorted(series.items())
        if count
    )


RESEND_MS = 24 * HOUR_MS


def to_send(
    noticed: Sequence[Noticed], sent: Mapping[str, tuple[Severity, UtcMs]], *, now: UtcMs
) -> tuple[Noticed, ...]:
    """Findings that wake people and were not told within a day at that severity or above."""
    chosen = []
    for finding in noticed:
        if not finding.severity.wakes:
            continue
        before = sent.get(finding.key)
        if before and now - before[1] < RESEND_MS and before[0].rank >= finding.severity.rank:
            continue
        chosen.append(finding)
    return tuple(chosen)


def recovered(noticed: Sequence[Noticed], sent: Mapping[str, tuple[Severity, UtcMs]]) -> tuple[str, ...]:
    """Keys that people were told of and that are well again."""
    still = {finding.key for finding in noticed}
    return tuple(key for key in sent if key not in still)
