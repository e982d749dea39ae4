"""The outbox over a real ledger: nothing is lost, nothing is told twice, nothing is tried without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sereno.core.errors import FixConfig, SerenoError, TryLater
from sereno.core.mode import Mode
from sereno.core.timeframe import DAY_MS, HOUR_MS, MINUTE_MS, from_iso
from sereno.store.ledger import Ledger, alerts
from sereno.store.ledger.alerts import AlertState
from sereno.watch.checks import Noticed, Severity
from sereno.watch.outbox import (
    FIRST_PAUSE_MS,
    GIVE_UP_MS,
    LONGEST_PAUSE_MS,
    MOST_A_ROUND,
    Moment,
    deliver,
    pause_ms,
    put,
)
from tests.surfaces.seeded import seeded_desk

START = from_iso("2024-06-01T12:00:00Z")
DOWN = TryLater("telegram.unreachable")
STALE = Noticed("stale_data", Severity.HIGH, "BTC", "the newest candle is old")


class Chat:
    """A channel in memory: hears, or raises what it was told to."""

    def __init__(self, *, configured: bool = True) -> None:
        self.configured = configured
        self.heard: list[str] = []
        self.fault: SerenoError | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def send(self, text: str) -> None:
        self.meanwhile()
        if self.fault is not None:
            raise self.fault
        self.heard.append(text)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with seeded_desk(tmp_path) as desk:
        yield desk.ledger


def raised(ledger: Ledger, *noticed: Noticed, at: int = START, wall: int | None = None) -> int:
    moment = Moment(at, at if wall is None else wall)
    with ledger.begin() as tx:
        return put(tx, Mode.PAPER, noticed, moment, redact=lambda text: text.replace("s3cret", "***"))


def tried(ledger: Ledger, chat: Chat, at: int = START) -> tuple[int, int]:
    done = deliver(ledger, Mode.PAPER, chat, at)
    return done.delivered, done.waiting


def about(number: int) -> Noticed:
    return Noticed("stale_data", Severity.HIGH, f"series {number:02}", "old")


def test_what_could_not_be_delivered_waits_and_is_told_later(ledger: Ledger) -> None:
    chat = Chat()
    chat.fault = DOWN
    assert raised(ledger, about(1), about(2)) == 2
    assert tried(ledger, chat) == (0, 2)
    chat.fault = None
    assert tried(ledger, chat, START + FIRST_PAUSE_MS) == (2, 0)
    assert sorted(chat.heard) == [
        f"[HIGH] stale_data series 0{n}: old (2024-06-01T12:00:00Z)" for n in (1, 2)
    ]
    assert tried(ledger, chat, START + DAY_MS) == (0, 0)


def test_a_channel_that_is_down_is_asked_once_a_round(ledger: Ledger) -> None:
    chat, asked = Chat(), []
    chat.fault, chat.meanwhile = DOWN, lambda: asked.append(1)
    raised(ledger, *(about(number) for number in range(5)))
    tried(ledger, chat)
    assert len(asked) == 1


def test_one_message_that_is_refused_for_ever_does_not_keep_the_others_back(ledger: Ledger) -> None:
    chat = Chat()
    raised(ledger, about(0))
    raised(ledger, about(0), about(1), about(2), at=START + 1)

    def refuse_the_first() -> None:
        chat.fault = FixConfig("telegram.refused") if not tries else None
        tries.append(1)

    tries: list[int] = []
    chat.meanwhile = refuse_the_first
    assert tried(ledger, chat, START + 1) == (0, 3)
    assert tried(ledger, chat, START + 2) == (2, 1)


def test_a_round_is_bounded(ledger: Ledger) -> None:
    chat = Chat()
    raised(ledger, *(about(number) for number in range(MOST_A_ROUND + 3)))
    assert tried(ledger, chat) == (MOST_A_ROUND, 3)
    assert tried(ledger, chat) == (3, 0)


def test_trap_a12_16_the_same_finding_is_told_once_a_day_and_when_it_gets_worse(ledger: Ledger) -> None:
    worse = Noticed("stale_data", Severity.CRITICAL, "BTC", "very old")
    assert raised(ledger, STALE) == 1
    assert raised(ledger, STALE, at=START + HOUR_MS) == 0
    assert raised(ledger, worse, at=START + 2 * HOUR_MS) == 1
    assert raised(ledger, worse, at=START + 3 * HOUR_MS) == 0
    assert raised(ledger, worse, at=START + 2 * HOUR_MS + DAY_MS) == 1


def test_what_does_not_wake_people_is_not_queued(ledger: Ledger) -> None:
    assert raised(ledger, Noticed("one_sided", Severity.WARNING, "BTC", "all long")) == 0


def test_recovery_is_told_after_the_alert_and_once(ledger: Ledger) -> None:
    chat = Chat()
    raised(ledger, STALE)
    assert raised(ledger, at=START + HOUR_MS) == 1
    assert raised(ledger, at=START + 2 * HOUR_MS) == 0
    assert tried(ledger, chat, START + 2 * HOUR_MS) == (2, 0)
    assert [text[:6] for text in chat.heard] == ["[HIGH]", "[RECOV"]
    assert raised(ledger, STALE, at=START + 3 * HOUR_MS) == 1


def test_what_comes_and_goes_while_the_clock_stands_is_told_each_time(ledger: Ledger) -> None:
    """A stepped world looks many times at one moment; the host's time orders what it saw."""
    chat, worse = Chat(), Noticed("stale_data", Severity.CRITICAL, "BTC", "very old")
    for wall, noticed in enumerate(((STALE,), (), (STALE,), (worse,), (), (STALE,), (), (STALE,))):
        assert raised(ledger, *noticed, wall=START + wall) == 1, wall
        assert raised(ledger, *noticed, wall=START + wall) == 0, wall
    assert tried(ledger, chat, START + 8) == (8, 0)
    assert [text.partition("]")[0] for text in chat.heard] == [
        "[HIGH", "[RECOVERED", "[HIGH", "[CRITICAL", "[RECOVERED", "[HIGH", "[RECOVERED", "[HIGH",
    ]  # fmt: skip


def test_after_two_days_it_is_given_up_recorded_and_raised_anew(ledger: Ledger) -> None:
    """In the host's time: the desk's may have stood still, so that its day between two tellings is not over."""
    chat = Chat()
    chat.fault = DOWN
    raised(ledger, STALE)
    at = START
    while at < START + GIVE_UP_MS:
        assert tried(ledger, chat, at) == (0, 1)
        at += LONGEST_PAUSE_MS
    assert tried(ledger, chat, at) == (0, 0)
    with ledger.read() as tx:
        (kept,) = alerts.newest(tx, Mode.PAPER, 5)
    assert kept.state is AlertState.GIVEN_UP
    assert kept.error == "telegram.unreachable"
    assert raised(ledger, STALE, at=START + HOUR_MS, wall=at) == 1, "nobody knows of it yet"


def test_what_was_given_up_is_not_told_as_recovered(ledger: Ledger) -> None:
    chat = Chat()
    chat.fault = DOWN
    raised(ledger, STALE)
    assert tried(ledger, chat, START + GIVE_UP_MS) == (0, 0)
    assert raised(ledger, at=START + HOUR_MS, wall=START + GIVE_UP_MS) == 0


def test_two_rounds_at_once_tell_it_once(ledger: Ledger) -> None:
    first, second = Chat(), Chat()
    first.meanwhile = lambda: tried(ledger, second)
    raised(ledger, STALE)
    assert tried(ledger, first) == (1, 0)
    assert (len(first.heard), len(second.heard)) == (1, 0)


def test_a_process_killed_before_the_record_tells_it_again_rather_than_never(ledger: Ledger) -> None:
    class Killed(BaseException):
        """Stands for SIGKILL after the message has left."""

    chat = Chat()

    def die() -> None:
        raise Killed

    chat.meanwhile = die
    raised(ledger, STALE)
    with pytest.raises(Killed):
        tried(ledger, chat)
    chat.meanwhile = lambda: None
    assert tried(ledger, chat, START + FIRST_PAUSE_MS - 1) == (0, 1), "the other may still be at it"
    assert tried(ledger, chat, START + FIRST_PAUSE_MS) == (1, 0)


def test_without_a_channel_log_and_ledger_are_the_channel(ledger: Ledger) -> None:
    raised(ledger, STALE)
    assert tried(ledger, Chat(configured=False)) == (0, 0)
    with ledger.read() as tx:
        (kept,) = alerts.newest(tx, Mode.PAPER, 5)
    assert (kept.state, kept.tries) == (AlertState.LOGGED, 0)


def test_secrets_do_not_leave_the_house(ledger: Ledger) -> None:
    chat = Chat()
    raised(ledger, Noticed("job_failed", Severity.HIGH, "collector", "no answer from //user:s3cret@host"))
    tried(ledger, chat)
    assert "s3cret" not in chat.heard[0]
    assert "***" in chat.heard[0]


def test_secrets_do_not_leave_the_house_when_all_is_well_again_either(ledger: Ledger) -> None:
    chat = Chat()
    raised(ledger, Noticed("job_failed", Severity.HIGH, "//user:s3cret@host", "no answer"))
    raised(ledger, at=START + HOUR_MS)
    assert tried(ledger, chat, START + HOUR_MS) == (2, 0)
    assert chat.heard[1] == "[RECOVERED] job_failed://user:***@host"


@given(st.integers(1, 10_000), st.one_of(st.none(), st.floats(0, 1e7)))
def test_pauses_grow_and_end(tries: int, asked_s: float | None) -> None:
    error = TryLater("telegram.not_delivered", after_s=asked_s)
    pause = pause_ms(tries, error)
    assert MINUTE_MS <= pause <= LONGEST_PAUSE_MS
    assert pause_ms(tries + 1, error) >= pause
    assert pause >= min(LONGEST_PAUSE_MS, round((asked_s or 0) * 1000))
