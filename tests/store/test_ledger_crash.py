"""Killed in the middle of a transaction, the ledger holds all of it or nothing."""

from __future__ import annotations

import os
import random
import signal as signals_of_the_kernel
import subprocess
import sys

from sereno.core.mode import Mode
from sereno.store.ledger import fills, open_ledger, orders, positions, signals

WRITER = """
import itertools, sys
from dataclasses import replace
from sereno.store.ledger import fills, open_ledger, orders, positions, signals
from tests.store.ledger_examples import fill, order, position, signal
ledger = open_ledger(sys.argv[1], busy_timeout_s=30)
print("ready", flush=True)
for n in itertools.count(int(sys.argv[2])):
    with ledger.begin() as tx:
        signals.save(tx, signal(f"s{n}"))
        orders.add(tx, replace(order(f"o{n}"), signal_id=f"s{n}", position_id=f"p{n}"))
        fills.add(tx, replace(fill(f"f{n}"), order_id=f"o{n}"))
        positions.save(tx, position(f"p{n}", signal_id=f"s{n}"))
    print(n, flush=True)
"""


def test_a_writer_killed_at_random_moments_leaves_whole_transactions(fresh_url: str) -> None:
    ledger = open_ledger(fresh_url, busy_timeout_s=30)
    chance = random.Random(11)
    said = 0
    for round_number in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, fresh_url, str(round_number * 1000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        for _ in range(chance.randrange(1, 8)):
            assert writer.stdout.readline()
            said += 1
        for _ in range(chance.randrange(50_000)):
            pass
        os.kill(writer.pid, signals_of_the_kernel.SIGKILL)
        said += len(writer.stdout.read().splitlines())
        writer.wait(timeout=60)
        writer.stdout.close()
        with ledger.begin() as tx:  # the dead writer's lock is gone
            kept = {one.signal_id[1:] for one in signals.recent(tx, limit=9999)}
            assert len(kept) >= said
            assert {one.order_id[1:] for one in orders.recent(tx, limit=9999)} == kept
            assert {one.fill_id[1:] for one in fills.recent(tx, limit=9999)} == kept
            assert {one.position_id[1:] for one in positions.open(tx, Mode.PAPER, "paper")} == kept
    if ledger.dialect == "sqlite":
        with ledger.read() as tx:
            assert tx.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    ledger.close()
