"""Whether the lake holds the newest closed candles, and getting them when it does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import structlog

from sereno.core.clock import STALL_MS, ClockFile, WallClock
from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs
from sereno.ops.facts import lease_is_held
from sereno.ops.guard import EXIT_LATER
from sereno.ops.jobs import COLLECTOR
from sereno.ops.launch import end_children
from sereno.ops.lease import lease_name

if TYPE_CHECKING:
    from sereno.ops.app import Desk

GRACE_S = 3.0
LONGEST_WAIT_S = 120.0
TRIES = 3  # one may find that another collector has just begun
POLL_S = 0.1
_log = structlog.get_logger("sereno.signals")


def settle_ms(desk: Desk) -> int:
    """How long after its end a candle counts as closed."""
    return round(desk.settings.candles.settle_s * 1000)


def newest_due_close(desk: Desk, now: UtcMs) -> UtcMs:
    """Close of the newest candle, over all traded timeframes, that must be in the lake at `now`."""
    settled = now - settle_ms(desk)
    return max(timeframe.floor(settled) for timeframe in desk.settings.candles.timeframes)


def behind(desk: Desk, series: Collection[Series], at: UtcMs | None = None) -> tuple[Series, ...]:
    """Series whose newest candle that was closed at a moment, now if none is given, is not in the lake."""
    settled = (desk.clock.now_ms() if at is None else at) - settle_ms(desk)
    late = []
    for one in series:
        extent = desk.lake.extent(one)
        if extent is None or extent.last_open_ms < one.timeframe.last_closed_open(settled):
            late.append(one)
    return tuple(late)


def why_nothing_new(desk: Desk, series: Collection[Series], at: UtcMs) -> SkipThis | None:
    """What kept every one of these series from a decision that was fresh at `at`; None when one can have it."""
    if desk.mode is Mode.SIM and _world_stands_still(desk):
        return SkipThis(
            "infer.nothing_new",
            remedy="the simulator does not run, so its time stands still: start it with `sereno sim` or `sereno up`",
        )
    late = behind(desk, series, at)
    if len(late) < len(series):
        return None
    return SkipThis(
        "infer.nothing_new",
        remedy="the newest closed candles are not in the lake: see `sereno run collector`",
        series=", ".join(one.key for one in late),
    )


def _world_stands_still(desk: Desk) -> bool:
    anchor = ClockFile(desk.paths.clock_file).read()
    return anchor is None or WallClock().now_ms() - anchor.wall_ms > STALL_MS


def collect_if_behind(
    desk: Desk,
    series: Collection[Series],
    alive: Callable[[], None],
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Wait a moment for the collector; if the candles do not come, run one.

    Never fails: a signal from an old candle is refused by the decision, with its reason.
    """
    if not behind(desk, series):
        return
    grace = time.monotonic() + GRACE_S
    while time.monotonic() < grace and not stopping():
        alive()
        if not behind(desk, series):
            return
        if time.monotonic() > grace - GRACE_S / 2 and not _collector_runs(desk):
            break
        time.sleep(POLL_S)
    deadline, tries = time.monotonic() + LONGEST_WAIT_S, TRIES
    while behind(desk, series) and time.monotonic() < deadline and not stopping():
        alive()
        if _collector_runs(desk):
            time.sleep(POLL_S)
            continue
        tries -= 1
        if _run_collector(desk, alive, stopping, deadline) != EXIT_LATER or not tries:
            return


def _collector_runs(desk: Desk) -> bool:
    with desk.ledger.read() as tx:
        return lease_is_held(tx, lease_name(desk.mode, COLLECTOR))


def _run_collector(
    desk: Desk, alive: Callable[[], None], stopping: Callable[[], bool], deadline: float
) -> int | None:
    """Its exit status; EXIT_LATER when another collector runs just now."""
    child = desk.launch.start(COLLECTOR, "run", COLLECTOR)
    try:
        while child.poll() is None and time.monotonic() < deadline and not stopping():
            alive()
            time.sleep(POLL_S)
    finally:
        end_children((child,))
    if child.returncode not in {0, EXIT_LATER}:
        _log.warning("signals.collector_failed", status=child.returncode)
    return child.returncode
