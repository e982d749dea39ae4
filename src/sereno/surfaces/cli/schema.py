"""`sereno db`: the ledger's schema up and down; down takes rows away, so it asks and keeps a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from sereno.core.errors import FixConfig, TryLater
from sereno.surfaces.cli import context
from sereno.surfaces.cli.out import say

if TYPE_CHECKING:
    from sereno.core.settings import Settings
    from sereno.store.ledger import Ledger


def upgrade(revision: str) -> None:
    """Bring the schema up."""
    from sereno.store.ledger import upgrading

    with _ledger(context.to_work()) as ledger:
        upgrading.upgrade(ledger, revision)
        _tell_revision(ledger)


def downgrade(revision: str, *, yes: bool) -> None:
    """Take the schema down.

    Raises TryLater while anybody works on the ledger, FixConfig when the person says no.
    """
    from sereno.store.ledger import upgrading

    settings = context.to_work()
    with _ledger(settings) as ledger:
        _refuse_in_use(ledger)
        lost = upgrading.rows_lost(ledger, revision)
        _tell_lost(lost)
        if not (yes or typer.confirm(f"Shall the ledger go down to {revision}?")):
            raise FixConfig("ledger.not_downgraded", remedy="nothing was changed; --yes does not ask")
        _keep_copy(ledger, settings)
        _refuse_in_use(ledger)
        upgrading.downgrade(ledger, revision)
        _tell_revision(ledger)


@contextmanager
def _ledger(settings: Settings) -> Iterator[Ledger]:
    from sereno.store.ledger import ledger_url
    from sereno.store.ledger.opening import connect

    ledger = connect(ledger_url(settings.ledger, settings.paths.ledger_file))
    try:
        yield ledger
    finally:
        ledger.close()


def _refuse_in_use(ledger: Ledger) -> None:
    from sereno.core.clock import WallClock
    from sereno.ops.process import is_dead
    from sereno.store.ledger import leases
    from sereno.store.ledger.opening import revision_of

    with ledger.read() as tx:
        held = leases.held(tx, WallClock().now_ms()) if revision_of(tx) else {}
    for name, holder in held.items():
        if not is_dead(holder):
            raise TryLater(
                "ledger.in_use", remedy="stop the desk and its jobs first", lease=name, holder=holder
            )


def _tell_lost(lost: dict[str, int]) -> None:
    if not lost:
        say("no row is lost; what only the newer columns held is")
    for table, rows in sorted(lost.items()):
        say(f"lost from {table}: {rows} rows")


def _keep_copy(ledger: Ledger, settings: Settings) -> None:
    if ledger.dialect != "sqlite":
        say("no copy is made of PostgreSQL: pg_dump is yours")
        return
    from sereno.core.clock import WallClock
    from sereno.core.timeframe import iso
    from sereno.store.ledger.backup import copy_to

    moment = iso(WallClock().now_ms()).replace("-", "").replace(":", "").replace(".", "")
    path = settings.paths.root / "backups" / f"ledger-{moment}.sqlite3"
    copy_to(ledger, path)
    say(f"copy: {path}")


def _tell_revision(ledger: Ledger) -> None:
    from sereno.store.ledger.opening import revision

    say(f"the ledger's schema is at {revision(ledger) or 'no revision: it is empty'}")
