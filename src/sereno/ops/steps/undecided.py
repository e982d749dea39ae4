"""Series that got no signal: a signal needs a forecast, so what is recorded of them is a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sereno.core.errors import SerenoError, SkipThis
from sereno.core.ids import stable_id
from sereno.core.instrument import Series
from sereno.core.timeframe import DAY_MS
from sereno.store.ledger import findings
from sereno.watch.checks import Severity

if TYPE_CHECKING:
    from sereno.ops.app import Desk

CHECK = "undecided"


def fault_of(undecided: Mapping[Series, SerenoError], *, made: int) -> str | None:
    """Why a pass has failed: nothing was decided, or a series without a model never will be; else None.

    made   signals of the pass
    """
    if not undecided:
        return None
    if not made:
        return "no series got a signal: " + "; ".join(map(str, undecided.values()))
    hopeless = {one: cause for one, cause in undecided.items() if cause.event.startswith("models.")}
    if not hopeless:
        return None
    return "no signal for " + "; ".join(f"{one.key}: {cause}" for one, cause in hopeless.items())


def keep_findings(desk: Desk, undecided: Mapping[Series, SerenoError]) -> None:
    """One finding a series and day; what may work in the next pass leaves none."""
    now = desk.clock.now_ms()
    lasting = {one: cause for one, cause in undecided.items() if isinstance(cause, SkipThis)}
    if not lasting:
        return
    with desk.ledger.begin() as tx:
        for one, cause in lasting.items():
            found = findings.Finding(
                finding_id=stable_id("find", CHECK, desk.mode, one.key, now // DAY_MS),
                ts=now,
                check=CHECK,
                severity=Severity.HIGH.value,
                subject=one.key,
                message=f"no signal can be made: {cause}",
            )
            findings.add(tx, found)
