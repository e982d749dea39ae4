"""The job `signals`: decide on the newest closed candle of every traded series."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

import structlog

from sereno.core.errors import SerenoError, SkipThis, StopTrading, TryLater
from sereno.core.instrument import Series
from sereno.core.timeframe import UtcMs, iso
from sereno.ops.jobs import SIGNAL_ROUND
from sereno.ops.run import Outcome, Run
from sereno.ops.steps.freshness import collect_if_behind, newest_due_close
from sereno.ops.steps.positions import advance
from sereno.ops.steps.undecided import fault_of, keep_findings

if TYPE_CHECKING:
    from sereno.core.signal import Signal
    from sereno.ops.app import Desk

POLL_S = 0.5
_log = structlog.get_logger("sereno.signals")


def make_signals(desk: Desk, run: Run, *symbols: str) -> Outcome:
    """One pass over the series of some instruments, all when none is named.

    Collects first where the lake is behind.
    """
    series = tuple(s for s in desk.series if not symbols or s.instrument.symbol in symbols)
    collect_if_behind(desk, series, run.alive)
    return decide_all(desk, series)


def decide_now(desk: Desk, _run: Run) -> Outcome:
    """One pass over all series with the candles that are there."""
    return decide_all(desk, desk.series)


def decide_all(desk: Desk, series: Collection[Series]) -> Outcome:
    """Decide on each series; one that cannot be decided is recorded and does not stop the others.

    The account is brought up to the same candles first, or a position that has just ended would still
    stand in the way of the next. Failed when the account cannot be brought up, no series got a signal, or
    one has no model.
    """
    try:
        advance(desk)
    except TryLater as cause:
        _log.info("signal.account_is_being_advanced", error=str(cause))
    except SkipThis as cause:
        _log.warning("signal.account_not_advanced", error=str(cause))
        return Outcome(rows=0, details={"account": str(cause)}, failed=f"the account stands still: {cause}")
    decider = desk.decider
    told: dict[str, object] = {}
    made: list[Signal] = []
    undecided: dict[Series, SerenoError] = {}
    caught_up = 0
    for one in series:
        try:
            signal = decider.decide(one)
            caught_up += decider.catch_up(one)
        except StopTrading:
            raise  # trust is gone for all of them: the guard freezes entries
        except SerenoError as cause:
            _log.warning("signal.failed", series=one.key, error=str(cause))
            told[one.key] = {"failed": str(cause)}
            undecided[one] = cause
            continue
        made.append(signal)
        told[one.key] = {
            "signal_id": signal.signal_id,
            "ts": iso(signal.ts),
            "decision": signal.decision.value,
            "reason": signal.reason,
        }
    keep_findings(desk, undecided)
    failed = fault_of(undecided, made=len(made))
    return Outcome(rows=len(made) + caught_up, details={"series": told, "missed": caught_up}, failed=failed)


def signals_daemon(desk: Desk, run: Run) -> Outcome:
    """Decide at each candle close, and at the latest every `jobs.signal_loop_s`, until asked to stop.

    Each pass has a record of its own, so that its duration and its failures are seen.
    """
    passes = 0
    done_for: UtcMs | None = None
    while not run.stopping():
        run.alive()
        due = newest_due_close(desk, desk.clock.now_ms())
        began = time.monotonic()
        collect_if_behind(desk, desk.series, run.alive, stopping=run.stopping)
        if run.stopping():
            break
        _recorded_pass(desk)
        passes += 1
        done_for = due
        _rest(desk, run, done_for, began)
    return Outcome(rows=passes)


def _recorded_pass(desk: Desk) -> None:
    from sereno.ops.guard import Verdict
    from sereno.ops.logs import Redactor
    from sereno.ops.records import Recorder, new_run_id

    recorder = Recorder(desk.ledger, desk.settings, desk.clock, Redactor.of(desk.settings))
    started = recorder.start(SIGNAL_ROUND, new_run_id(SIGNAL_ROUND))
    try:
        outcome = decide_all(desk, desk.series)
    except SerenoError as cause:
        recorder.end(started, Verdict(False, None, str(cause), 0, {}), "error")
        raise
    verdict = Verdict(outcome.failed is None, outcome.rows, outcome.failed, 0, outcome.details)
    recorder.end(started, verdict, "success" if verdict.ok else "error")


def _rest(desk: Desk, run: Run, done_for: UtcMs, began: float) -> None:
    """Wait until another candle is over, `signal_loop_s` have passed, or the end is asked for."""
    longest = began + desk.settings.jobs.signal_loop_s
    while not run.stopping():
        run.alive()
        if newest_due_close(desk, desk.clock.now_ms()) > done_for or time.monotonic() >= longest:
            return
        time.sleep(_pause_s(desk, done_for))


def _pause_s(desk: Desk, done_for: UtcMs) -> float:
    """Up to the next close, never longer than a short poll, so that stopping is quick."""
    fastest = min(timeframe.ms for timeframe in desk.settings.candles.timeframes)
    return min(POLL_S, max(0.05, desk.clock.wall_seconds_until(done_for + fastest)))
