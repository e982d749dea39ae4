"""Counters only rise: with each run that ends, once, and in the same transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sereno.core.mode import Mode
from sereno.store.ledger import Ledger, counters, runs
from sereno.store.ledger.counters import Count
from sereno.store.ledger.runs import RunStatus
from tests.store.ledger_examples import DAY, at_once
from tests.store.test_ledger_records import RUN

ENDS = tuple(status for status in RunStatus if status is not RunStatus.RUNNING)


def test_counts_add_up_by_name_and_labels(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        counters.add(tx, "b", {"kind": "x", "mode": "sim"})
        counters.add(tx, "a", {})
        counters.add(tx, "b", {"mode": "sim", "kind": "x"}, 4)
        counters.add(tx, "b", {"kind": "y", "mode": "sim"}, 2**40)
        assert counters.all(tx) == [
            Count("a", {}, 1),
            Count("b", {"kind": "x", "mode": "sim"}, 5),
            Count("b", {"kind": "y", "mode": "sim"}, 2**40),
        ]
        assert counters.all(tx, "a") == [Count("a", {}, 1)]
        assert counters.total(tx, "b", mode="sim") == 2**40 + 5
        assert counters.total(tx, "b", kind="x") == 5
        assert counters.total(tx, "b", kind="z") == counters.total(tx, "c") == 0


def test_a_counter_never_falls(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        counters.add(tx, "a", {}, 0)
        with pytest.raises(ValueError, match="never falls"):
            counters.add(tx, "a", {}, -1)
        assert counters.all(tx) == [Count("a", {}, 0)]


def test_a_run_that_ends_is_counted_once_and_stays_counted(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        runs.start(tx, RUN)
        assert counters.all(tx) == []
        runs.finish(tx, "r1", RunStatus.ERROR, DAY + 5)
        runs.finish(tx, "r1", RunStatus.SUCCESS, DAY + 6)
        runs.finish(tx, "unknown", RunStatus.SUCCESS, DAY + 6)
        runs.start(tx, replace(RUN, run_id="r2", status=RunStatus.SKIPPED, ended_ms=DAY))
        tx.exec_driver_sql("DELETE FROM job_runs")
        assert counters.all(tx, runs.ENDED) == [
            Count(runs.ENDED, {"job": "train", "mode": "paper", "status": "error"}, 1),
            Count(runs.ENDED, {"job": "train", "mode": "paper", "status": "skipped"}, 1),
        ]


def test_an_end_that_is_rolled_back_is_not_counted(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        runs.start(tx, RUN)
    with pytest.raises(ZeroDivisionError), ledger.begin() as tx:
        runs.finish(tx, "r1", RunStatus.ERROR, DAY + 5)
        _ = 1 // 0
    with ledger.read() as tx:
        assert counters.all(tx) == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(("a", "b")), st.sampled_from(tuple(Mode)), st.sampled_from(ENDS)),
        max_size=12,
    )
)
def test_counts_are_the_ended_runs(ledger: Ledger, ended: list[tuple[str, Mode, RunStatus]]) -> None:
    with ledger.begin() as tx:
        for table in (runs.table, counters.table):
            tx.execute(table.delete())
        for number, (job, mode, status) in enumerate(ended):
            runs.start(tx, replace(RUN, run_id=f"r{number}", job=job, mode=mode))
            runs.finish(tx, f"r{number}", status, DAY + number)
        found = {
            (one.labels["job"], one.labels["mode"], one.labels["status"]): one.value
            for one in counters.all(tx)
        }
    assert found == Counter((job, mode.value, status.value) for job, mode, status in ended)


def test_trap_ami_b12_11_processes_that_count_at_once_lose_nothing(ledger: Ledger) -> None:
    url = ledger.engine.url.render_as_string(hide_password=False)
    code = """
from sereno.store.ledger import counters, open_ledger
ledger = open_ledger(sys.argv[1])
go()
for _ in range(20):
    with ledger.begin() as tx:
        counters.add(tx, "a", {"who": "all"})
"""
    at_once(code, *([[url]] * 3))
    with ledger.read() as tx:
        assert counters.all(tx) == [Count("a", {"who": "all"}, 60)]
