"""Moving the schema between revisions. Alembic is imported only here, since it costs a third of a second."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from sereno.core.errors import FixConfig
from sereno.store.ledger.door import Ledger

_ONE_AT_A_TIME = 0x5E4E_0001


def upgrade(ledger: Ledger, revision: str = "head") -> None:
    """Bring the schema up, all or nothing; other processes wait and then find it done."""
    _move(ledger, revision, down=False)


def downgrade(ledger: Ledger, revision: str) -> None:
    """Take the schema down to a revision (`-1`, `0001`, `base`), all or nothing.

    What only the newer schema could hold is lost: back the ledger up first.
    """
    _move(ledger, revision, down=True)


def rows_lost(ledger: Ledger, revision: str) -> dict[str, int]:
    """Table → rows that a downgrade would take away. It is tried, counted and undone.

    What single columns held is not counted.
    """
    lost: dict[str, int] = {}
    with suppress(_Undone), ledger.begin() as tx:
        before = _counts(tx)
        _step(ledger, tx, revision, down=True)
        after = _counts(tx)
        lost = {name: n - after.get(name, 0) for name, n in before.items() if n > after.get(name, 0)}
        raise _Undone
    return lost


class _Undone(Exception):
    """Makes a transaction roll back."""


def _counts(tx: Connection) -> dict[str, int]:
    quote = tx.dialect.identifier_preparer.quote
    names = [name for name in inspect(tx).get_table_names() if name != "alembic_version"]
    return {
        name: int(tx.execute(text(f"SELECT count(*) FROM {quote(name)}")).scalar_one())  # noqa: S608 - our tables
        for name in names
    }


def script() -> ScriptDirectory:
    """The revisions."""
    return ScriptDirectory.from_config(_config(None))


def _move(ledger: Ledger, revision: str, *, down: bool) -> None:
    with ledger.begin() as tx:
        _step(ledger, tx, revision, down=down)


def _step(ledger: Ledger, tx: Connection, revision: str, *, down: bool) -> None:
    if ledger.dialect == "postgresql":
        tx.execute(text("SET LOCAL statement_timeout = 0"))
        tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
    try:
        (command.downgrade if down else command.upgrade)(_config(tx), revision)
    except CommandError as cause:
        raise FixConfig("ledger.no_such_revision", remedy=str(cause), revision=revision) from cause


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
