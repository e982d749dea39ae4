"""The check `entries_blocked`: an account that enters nothing must not look like a quiet one."""

from __future__ import annotations

from dataclasses import dataclass

from sereno.core.errors import Refused
from sereno.core.timeframe import UtcMs, iso
from sereno.trading.risk_limits import RiskReason
from sereno.watch.checks import Noticed, Severity

CHECK = "entries_blocked"
JOB_ACTOR = "job:"
_LOST = {
    RiskReason.STATE_MISSING: "the risk state is missing; look into the ledger, then `sereno risk restore`",
    RiskReason.STATE_UNREADABLE: "the risk state cannot be read: restore the ledger from a backup",
}


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """Whether an account may enter.

    refused    what the risk gate answers to every entry at this moment; None: it judges each by itself
    by         who blocked it, as the audit has it; empty: nobody did, or nobody knows
    since_ms   when that was
    """

    account: str
    refused: Refused | None
    by: str = ""
    since_ms: UtcMs | None = None

    @property
    def is_opened(self) -> bool:
        """Whether there is an account to speak of."""
        return self.refused is None or self.refused.reason != RiskReason.NO_ACCOUNT


def entries_blocked(facts: EntryFacts) -> tuple[Noticed, ...]:
    """Critical when a job froze it or the risk state is lost, warning when a person blocked it, info in a pause."""
    refused = facts.refused
    if refused is None or not facts.is_opened:
        return ()
    severity, message = _judged(refused, facts)
    detail = {"reason": refused.reason, "by": facts.by or None, "since_ms": facts.since_ms}
    return (Noticed(CHECK, severity, facts.account, message, detail),)


def _judged(refused: Refused, facts: EntryFacts) -> tuple[Severity, str]:
    lost = next((words for reason, words in _LOST.items() if reason == refused.reason), None)
    if lost:
        return Severity.CRITICAL, f"nothing is entered: {lost}"
    if refused.reason != RiskReason.BLOCKED:
        return Severity.INFO, f"nothing is entered: {refused.reason}, {refused.detail}"
    by = facts.by or "nobody knows whom"
    since = "" if facts.since_ms is None else f" since {iso(facts.since_ms)}"
    told = f"nothing is entered: blocked by {by}{since}: {refused.detail}"
    if facts.by and not facts.by.startswith(JOB_ACTOR):
        return Severity.WARNING, f"{told}; `sereno risk clear` ends it"
    return Severity.CRITICAL, f"{told}; look into it, then `sereno risk clear`"
