"""The job `anomaly`: reads the facts, lets the checks look, keeps and tells what they noticed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from sereno.core.clock import WallClock
from sereno.core.errors import SkipThis
from sereno.core.files import replace_json
from sereno.core.ids import stable_id
from sereno.core.instrument import Market, Series
from sereno.core.mode import Mode
from sereno.core.timeframe import DAY_MS, UtcMs, iso
from sereno.ops import retention
from sereno.ops.entries import entry_facts
from sereno.ops.facts import job_states, last_ended
from sereno.ops.jobs import COLLECTOR, Job
from sereno.ops.logs import Redactor
from sereno.ops.run import Outcome, Run
from sereno.ops.served import correct_ledger
from sereno.ops.steps.tell import tell_waiting
from sereno.ops.watched import changed_under, slack_ms, unwatched
from sereno.signals.words import Reason
from sereno.store.ledger import equity, findings, positions, runs
from sereno.store.ledger import signals as kept_signals
from sereno.store.ledger.runs import JobRun, RunStatus
from sereno.watch import checks
from sereno.watch.checks import Noticed, Severity
from sereno.watch.entries import entries_blocked
from sereno.watch.outbox import Moment, put

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sereno.ops.app import Desk

SIGNALS_SEEN = 200
TRIPS_SEEN = 50
RUNS_SEEN = 10
CYCLES_SEEN = 100
_REAL = "the desk was down, or the host is too slow: a faster one or fewer series help"
REMEDIES = {
    Mode.SIM: "this world is too fast for the host: raise sim.seconds_per_candle",
    Mode.PAPER: _REAL,
    Mode.LIVE: _REAL,
}
_log = structlog.get_logger("sereno.anomaly")


def look_for_anomalies(desk: Desk, _run: Run) -> Outcome:
    """Look, keep, tell, and let old records go. A channel that fails fails the run: silence must not look like health."""
    now = desk.clock.now_ms()
    noticed = look(desk, now)
    moment = Moment(now, WallClock().now_ms())
    with desk.ledger.begin() as tx:
        for one in noticed:
            findings.add(tx, _finding(one, now))
        put(tx, desk.mode, noticed, moment, redact=Redactor.of(desk.settings).text)
    for one in noticed:
        _log.warning(
            "anomaly.found", check=one.check, severity=one.severity, subject=one.subject, message=one.message
        )
    replace_json(desk.paths.reports / "anomalies.json", _page(noticed, now))
    told = tell_waiting(desk)
    fault = f"an alert was not delivered: {told.fault}" if told.fault else None
    correct_ledger(desk)  # first: what serves is not let go
    let_go = retention.apply(desk.ledger, desk.settings.retention, desk.mode, now)
    counts = {s.value: sum(one.severity is s for one in noticed) for s in Severity}
    details = {"severities": counts, "findings": [_plain(n) for n in noticed], "let_go": let_go}
    return Outcome(len(noticed), details, failed=fault)


def look(desk: Desk, now: UtcMs) -> tuple[Noticed, ...]:
    """All checks over the desk as it is recorded."""
    settings, limits = desk.settings, desk.settings.watch
    series = [_series_facts(desk, one) for one in desk.series]
    with desk.ledger.read() as tx:
        signal_facts = [_signal_facts(desk, tx, one) for one in desk.series]
        trips = positions.recent(tx, desk.mode, desk.account, TRIPS_SEEN, closed_only=True)
        curve = equity.series(tx, desk.mode, desk.account)
        jobs = [_job_facts(desk, tx, state.job, state.alive, now) for state in job_states(tx, settings)]
        cycle = last_ended(tx, COLLECTOR, desk.mode)
        cycles = runs.latest(tx, COLLECTOR, CYCLES_SEEN, mode=desk.mode)
        entries = entry_facts(tx, desk.mode, desk.account, now)
        alone = unwatched(desk, tx, now)
        retold = changed_under(desk, tx, now - DAY_MS)
    settle_ms = round(settings.candles.settle_s * 1000)
    ok, failed = _counts(cycle, of=len(series))
    return (
        *checks.stale_data(
            series, now=now, stale_after_bars=settings.candles.stale_after_bars, settle_ms=settle_ms
        ),
        *alone,
        *retold,
        *checks.signal_drought(signal_facts, now=now, drought_bars=limits.drought_bars),
        *checks.one_sided(signal_facts, limits=limits),
        *checks.missed_decisions(signal_facts, limits=limits, remedy=REMEDIES[desk.mode]),
        *checks.old_models(_model_facts(desk), now=now, max_age_days=settings.models.max_age_days),
        *_damaged_models(desk),
        *checks.losing_streak(
            [float(t.pnl_quote) for t in trips if t.pnl_quote is not None],
            account=desk.account,
            limit=settings.risk.losing_streak,
        ),
        *checks.drawdown([(p.ts, float(p.equity_quote)) for p in curve], account=desk.account, limits=limits),
        *checks.account_ahead(
            curve[-1].ts if curve else None,
            account=desk.account,
            now=now,
            tolerated_ms=_fastest_ms(desk) + slack_ms(desk),
        ),
        *entries_blocked(entries),
        *checks.failing_jobs(jobs, failures_high=limits.failures_high),
        *checks.level_changes(_level_changes(cycles, since=now - DAY_MS)),
        *checks.failed_cycle(ok, failed, at=cycle.started_ms if cycle else now),
    )


def _level_changes(cycles: Sequence[JobRun], *, since: UtcMs) -> Counter[str]:
    """Changes of level by series, as the collector's cycles found them."""
    found: Counter[str] = Counter()
    for cycle in cycles:
        series = cycle.details.get("series")
        if cycle.started_ms >= since and isinstance(series, Mapping):
            found.update(
                {key: told.get("findings", {}).get("level_change", 0) for key, told in series.items()}
            )
    return found


def _counts(cycle: JobRun | None, *, of: int) -> tuple[int, int]:
    """Series that went well and that failed in a cycle; all failed where it ended badly without a count."""
    counted = (cycle.details.get("ok"), cycle.details.get("failed")) if cycle else (0, 0)
    ok, failed = counted
    if isinstance(ok, int) and isinstance(failed, int):
        return ok, failed
    return (0, of) if cycle and cycle.status in (RunStatus.ERROR, RunStatus.TIMEOUT) else (0, 0)


def _series_facts(desk: Desk, series: Series) -> checks.SeriesFacts:
    extent = desk.lake.extent(series)
    return checks.SeriesFacts(series.key, series.timeframe, extent.last_open_ms if extent else None)


def _signal_facts(desk: Desk, tx: Connection, series: Series) -> checks.SignalFacts:
    found = kept_signals.recent(tx, series, SIGNALS_SEEN, mode=desk.mode)
    taken = kept_signals.last_taken(tx, series, desk.mode)
    return checks.SignalFacts(
        series.key,
        series.timeframe,
        tuple((s.ts, s.decision.sign) for s in found),
        taken.ts if taken else kept_signals.first_moment(tx, series, desk.mode),
        both_sides=series.instrument.market is not Market.SPOT,
        late=tuple(s.reason == Reason.STALE_CANDLE for s in found),
    )


def _model_facts(desk: Desk) -> list[checks.ModelFacts]:
    from sereno.models.contract import Role

    facts = []
    for series in desk.series:
        for role in Role:
            current = desk.registry.current(role, series)
            versions = {m.version: m.created_ms for m in desk.registry.versions(role, series)}
            facts.append(checks.ModelFacts(role.value, series.key, versions.get(current or "")))
    return facts


def _damaged_models(desk: Desk) -> tuple[Noticed, ...]:
    """Current models that are not what was stored: an older version serves in their place, or none."""
    from sereno.models.contract import Role

    pairs = [(role, series) for series in desk.series for role in Role]
    return tuple(found for role, series in pairs if (found := _damaged_model(desk, role, series)))


def _damaged_model(desk: Desk, role: str, series: Series) -> Noticed | None:
    current = desk.registry.current(role, series)
    if current is None:
        return None
    try:
        served = desk.registry.load(role, series)
    except SkipThis as cause:
        message, instead = f"the current model cannot be served: {cause}", None
    else:
        if served.fell_back_from is None:
            return None
        instead = served.manifest.version
        message = f"the current model {current} is damaged; {instead} is served instead"
    detail = {"damaged": current, "served": instead}
    return Noticed("damaged_model", Severity.HIGH, f"{role} {series.key}", message, detail)


def _job_facts(desk: Desk, tx: Connection, job: Job, alive: bool | None, now: UtcMs) -> checks.JobFacts:
    ended = runs.latest(tx, job.recorded_as, RUNS_SEEN, mode=desk.mode, statuses=runs.OVER)
    going = [run for run in runs.running(tx, job.name) if run.mode is desk.mode and not job.is_daemon]
    well = tuple((run.started_ms, run.status is RunStatus.SUCCESS) for run in ended)
    due = None if job.is_daemon or going or not ended else _due(desk, job, now)
    return checks.JobFacts(job.name, well, due, alive)


def _due(desk: Desk, job: Job, now: UtcMs) -> UtcMs:
    """The firing before the newest one: that one must have been served by now."""
    zone = desk.settings.jobs.timezone
    newest = job.schedule.last_at_or_before(now - slack_ms(desk), zone)
    return job.schedule.last_at_or_before(newest - 1, zone)


def _fastest_ms(desk: Desk) -> int:
    return min(timeframe.ms for timeframe in desk.settings.candles.timeframes)


def _finding(one: Noticed, now: UtcMs) -> findings.Finding:
    return findings.Finding(
        finding_id=stable_id("find", one.key, now),
        ts=now,
        check=one.check,
        severity=one.severity.value,
        subject=one.subject,
        message=one.message,
        detail=one.detail,
    )


def _page(noticed: tuple[Noticed, ...], now: UtcMs) -> dict[str, object]:
    return {"ts": iso(now), "findings": [_plain(one) for one in noticed]}


def _plain(one: Noticed) -> dict[str, object]:
    detail = json.loads(json.dumps(dict(one.detail), default=str))
    return {
        "check": one.check,
        "severity": one.severity.value,
        "subject": one.subject,
        "message": one.message,
        "detail": detail,
    }
