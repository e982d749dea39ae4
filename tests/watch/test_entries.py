"""The check over whether an account may enter."""

from __future__ import annotations

import pytest

from sereno.core.errors import Refused
from sereno.trading.risk_limits import RiskReason
from sereno.watch.checks import Severity
from sereno.watch.entries import EntryFacts, entries_blocked

SINCE_MS = 1_717_243_200_000


@pytest.mark.parametrize(
    ("reason", "by", "severity"),
    [
        (RiskReason.BLOCKED, "job:positions", Severity.CRITICAL),
        (RiskReason.BLOCKED, "", Severity.CRITICAL),
        (RiskReason.BLOCKED, "cli:ana", Severity.WARNING),
        (RiskReason.STATE_MISSING, "", Severity.CRITICAL),
        (RiskReason.STATE_UNREADABLE, "", Severity.CRITICAL),
        (RiskReason.DAILY_LOSS, "", Severity.INFO),
        (RiskReason.WEEKLY_LOSS, "", Severity.INFO),
        (RiskReason.LOSING_STREAK, "", Severity.INFO),
    ],
)
def test_who_blocked_it_says_how_loudly_it_is_told(reason: RiskReason, by: str, severity: Severity) -> None:
    (found,) = entries_blocked(EntryFacts("paper", Refused(reason, "why"), by, SINCE_MS))
    assert (found.check, found.subject, found.severity) == ("entries_blocked", "paper", severity)
    assert found.severity.wakes == (severity is Severity.CRITICAL)


def test_the_words_tell_who_why_since_when_and_the_remedy() -> None:
    facts = EntryFacts("paper", Refused(RiskReason.BLOCKED, "clock.offset"), "job:positions", SINCE_MS)
    (found,) = entries_blocked(facts)
    for word in ("job:positions", "clock.offset", "2024-06-01T12:00:00Z", "`sereno risk clear`"):
        assert word in found.message
    (lost,) = entries_blocked(EntryFacts("paper", Refused(RiskReason.STATE_MISSING, "")))
    assert "`sereno risk restore`" in lost.message


@pytest.mark.parametrize("refused", [None, Refused(RiskReason.NO_ACCOUNT, "no account has been opened")])
def test_an_account_that_may_enter_or_is_none_yet_is_no_finding(refused: Refused | None) -> None:
    assert entries_blocked(EntryFacts("paper", refused)) == ()
