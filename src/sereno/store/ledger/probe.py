"""Proof that the ledger can be written: reading, or only beginning, would not notice that nothing can be recorded."""

from __future__ import annotations

from sereno.store.ledger import counters
from sereno.store.ledger.door import Ledger

BEATS = "health.beats"


def prove_writable(ledger: Ledger, *, wait_s: float, beat: bool) -> None:
    """Write, waiting no longer than `wait_s` for a lock; raises what the ledger says if it does not let.

    beat   whether a row is changed, so that the disk is asked too; otherwise a write of no row must do
    """
    with ledger.begin(wait_s=wait_s) as tx:
        if beat:
            counters.add(tx, BEATS, {})
        else:
            tx.exec_driver_sql("UPDATE alembic_version SET version_num = version_num WHERE 1 = 0")
