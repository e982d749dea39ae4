"""Leases: one holder at a time, whatever dies, expires or races."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sereno.store.ledger import Ledger, leases
from tests.store.ledger_examples import at_once

TTL = 1000


def test_a_lease_has_one_holder_and_is_given_back(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        assert leases.holder(tx, "job") is None
        assert leases.acquire(tx, "job", "a", 0, TTL)
        assert leases.acquire(tx, "job", "a", 10, TTL)
        assert not leases.acquire(tx, "job", "b", 20, TTL)
        assert leases.acquire(tx, "another", "b", 20, TTL)
        assert leases.holder(tx, "job") == "a"
        leases.release(tx, "job", "b")
        assert leases.holder(tx, "job") == "a"
        leases.release(tx, "job", "a")
        assert leases.holder(tx, "job") is None
        assert leases.acquire(tx, "job", "b", 30, TTL)


def test_an_expired_lease_may_be_taken_and_its_old_holder_learns_of_it(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        assert leases.acquire(tx, "job", "a", 0, TTL)
        assert leases.renew(tx, "job", "a", 900, TTL)
        assert not leases.acquire(tx, "job", "b", 1899, TTL)
        assert leases.acquire(tx, "job", "b", 1900, TTL)
        assert not leases.renew(tx, "job", "a", 1901, TTL)
        leases.release(tx, "job", "a")
        assert leases.holder(tx, "job") == "b"
        assert not leases.renew(tx, "nothing", "a", 0, TTL)


def test_the_lease_of_a_dead_holder_is_taken_at_once(ledger: Ledger) -> None:
    asked: list[str] = []

    def dead(holder: str) -> bool:
        asked.append(holder)
        return holder == "a"

    with ledger.begin() as tx:
        assert leases.acquire(tx, "job", "a", 0, TTL, is_dead=dead)
        assert leases.acquire(tx, "job", "b", 1, TTL, is_dead=dead)
        assert not leases.acquire(tx, "job", "c", 2, TTL, is_dead=dead)
    assert asked == ["a", "b"]


def test_a_lease_taken_in_a_transaction_that_failed_is_free(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="stop"), ledger.begin() as tx:
        leases.acquire(tx, "job", "a", 0, TTL)
        raise RuntimeError("stop")
    with ledger.begin() as tx:
        assert leases.acquire(tx, "job", "b", 0, TTL)


STEPS = st.lists(
    st.tuples(st.sampled_from(["acquire", "renew", "release"]), st.sampled_from("abc"), st.integers(0, 700)),
    max_size=25,
)


@settings(
    derandomize=True,
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_two_never_hold_it_at_the_same_time(ledger: Ledger, steps: list[tuple[str, str, int]]) -> None:
    now, owner, until = 0, None, 0  # what must be true, kept beside
    with ledger.begin() as tx:
        leases.release(tx, "job", leases.holder(tx, "job") or "")
        for verb, who, pause in steps:
            now += pause
            if verb == "acquire":
                expected = owner in (None, who) or until <= now
                assert leases.acquire(tx, "job", who, now, TTL) is expected
            elif verb == "renew":
                expected = owner == who
                assert leases.renew(tx, "job", who, now, TTL) is expected
            else:
                leases.release(tx, "job", who)
                owner, until = (None, 0) if owner == who else (owner, until)
                continue
            owner, until = (who, now + TTL) if expected else (owner, until)
        assert leases.holder(tx, "job") == owner


RACE = """
from sereno.store.ledger import open_ledger, leases
ledger = open_ledger(sys.argv[1], busy_timeout_s=30)
won = []
go()
for number in range(40):
    with ledger.begin() as tx:
        if leases.acquire(tx, f"job{number}", sys.argv[2], 0, 1000, is_dead=lambda holder: holder == "dead"):
            won.append(number)
ledger.close()
print(*won)
"""


@pytest.mark.parametrize("before", ["free", "dead"])
def test_of_two_processes_one_wins(fresh_url: str, before: str) -> None:
    from sereno.store.ledger import open_ledger

    ledger = open_ledger(fresh_url)
    if before != "free":
        with ledger.begin() as tx:
            for number in range(40):
                leases.acquire(tx, f"job{number}", before, 0, 99_999)
    said = at_once(RACE, [fresh_url, "a"], [fresh_url, "b"])
    won = [int(number) for line in said for number in line.split()]
    assert sorted(won) == list(range(40))
    with ledger.read() as tx:
        for line, holder in zip(said, "ab", strict=True):
            assert all(leases.holder(tx, f"job{number}") == holder for number in line.split())
    ledger.close()
