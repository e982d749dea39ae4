"""The door to the database: engines, transactions, and foreign errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sereno.core.errors import FixConfig, SerenoError, StopTrading, TryLater

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_MS = 60_000
JOURNAL_BYTES = 64 * 1024 * 1024
_WRITES = "sereno_writes"
_RETRY_AFTER_S = 2.0
_DAMAGED = ("malformed", "not a database", "disk image", "file is encrypted")
_LOCKED = ("locked", "is busy")
_REFUSED = ("does not exist", "authentication failed", "no pg_hba.conf entry", "no password supplied")
_LOCK_STATE = "55P03"
_LOCK_REMEDY = "another process holds it; find it in pg_stat_activity if this stays"
_FULL_STATE = "53100"
_UNWRITABLE_STATES = ("42501", "25006")  # no privilege; a server or a session that only reads
_RETRYABLE_STATES = ("08", "40", "53", "57")
_DAMAGED_STATES = ("XX001", "XX002")


class Ledger:
    """An open ledger. Transactions are `with ledger.begin() as tx` (writes) and `ledger.read()`.

    Every error of the database leaves as one of ours: TryLater when it is locked or unreachable,
    StopTrading when it is damaged, its disk is full or a rule of the schema was broken, FixConfig when it
    may not be written.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @property
    def file(self) -> str:
        """Of SQLite; empty for another database."""
        return str(self.engine.url.database) if self.dialect == "sqlite" else ""

    @contextmanager
    def begin(self, *, wait_s: float | None = None) -> Iterator[Connection]:
        """A transaction that may write; it commits at the end and rolls back on any error.

        On SQLite it waits for the one other writer before it reads anything, so that what it read
        is still true when it writes.

        wait_s   how long it waits for locks; None: as long as the settings say
        """
        with translated(self.file), self.engine.connect() as connection, _waiting(connection, wait_s):
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                if wait_s is not None and self.dialect == "postgresql":
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(wait_s * 1000)}")
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; whatever it might write is undone."""
        with translated(self.file), self.engine.connect() as connection:
            transaction = connection.begin()
            try:
                yield connection
            finally:
                transaction.rollback()

    def ping(self) -> None:
        """Raise one of our errors unless the ledger answers."""
        with self.read() as tx:
            tx.exec_driver_sql("SELECT version_num FROM alembic_version")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def make_engine(url: URL, *, busy_timeout_s: float) -> Engine:
    """An engine whose connections are set up before anyone sees them."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, busy_timeout_s)
    arguments = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "sereno",
        "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS} "
        f"-c lock_timeout={max(1, int(busy_timeout_s * 1000))} -c idle_in_transaction_session_timeout=300000",
    }
    return create_engine(
        url, connect_args=arguments, pool_pre_ping=True, pool_timeout=30, hide_parameters=True
    )


def _sqlite_engine(url: URL, busy_timeout_s: float) -> Engine:
    arguments = {"timeout": busy_timeout_s, "check_same_thread": False}
    engine = create_engine(url, connect_args=arguments, pool_timeout=30, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    """We say BEGIN ourselves, foreign keys hold, and the journal shrinks again after a peak.

    In WAL mode NORMAL survives the death of a process; FULL is chosen since an order's intent must
    outlast a power cut too.
    """
    connection.isolation_level = None
    for pragma in (
        "foreign_keys = ON",
        "synchronous = FULL",
        "trusted_schema = OFF",
        f"journal_size_limit = {JOURNAL_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def _waiting(connection: Connection, wait_s: float | None) -> Iterator[None]:
    """SQLite's patience is of the connection, and the pool's next user must find it as it was."""
    own: Any = connection.connection.dbapi_connection
    if wait_s is None or not isinstance(own, sqlite3.Connection):
        yield
        return
    (before_ms,) = own.execute("PRAGMA busy_timeout").fetchone()
    own.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
    try:
        yield
    finally:
        own.execute(f"PRAGMA busy_timeout = {before_ms}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def translated(file: str = "") -> Iterator[None]:
    """Turn the database's errors into ours, which keep them as their cause.

    file   of SQLite, for who must mend its owner or mode
    """
    try:
        yield
    except DBAPIError as cause:
        raise our_error(cause, file) from cause
    except StatementError as cause:
        raise StopTrading("ledger.not_writable_value", cause=cause.orig) from cause
    except PoolTimeout as cause:
        raise TryLater("ledger.too_many_connections", after_s=_RETRY_AFTER_S) from cause


def our_error(error: DBAPIError, file: str = "") -> SerenoError:
    """What the caller can do about a database error."""
    story = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    if isinstance(error.orig, sqlite3.Error):
        return sqlite_error(error.orig, file)
    state = getattr(error.orig, "sqlstate", None) or ""
    if state.startswith(_DAMAGED_STATES):
        return _damaged(story)
    if isinstance(error, IntegrityError) or state.startswith(("23", "P0001")):
        return _broken_rule(story)
    if state.startswith(("28", "3D")) or (not state and any(sign in story for sign in _REFUSED)):
        return FixConfig("ledger.refused_login", remedy="check ledger.database_url", cause=story)
    if state == _LOCK_STATE:
        return TryLater("ledger.locked", remedy=_LOCK_REMEDY, after_s=_RETRY_AFTER_S, cause=story)
    if state == _FULL_STATE:
        return _disk_full("free some room on the disk of the database", story)
    if state in _UNWRITABLE_STATES:
        return _not_writable(
            "let the user of ledger.database_url write, on a server that takes writes", story
        )
    if error.connection_invalidated or not state or state.startswith(_RETRYABLE_STATES):
        return TryLater("ledger.unreachable", after_s=_RETRY_AFTER_S, cause=story)
    return StopTrading("ledger.fault", cause=story)


def sqlite_error(error: sqlite3.Error, file: str = "") -> SerenoError:
    """The same for an error of SQLite's own."""
    story = str(error)
    if any(sign in story for sign in _LOCKED):
        return TryLater(
            "ledger.locked",
            remedy="another process is writing; find it with `fuser` if this stays",
            after_s=_RETRY_AFTER_S,
            cause=story,
        )
    if any(sign in story for sign in _DAMAGED):
        return _damaged(story)
    if isinstance(error, sqlite3.IntegrityError):
        return _broken_rule(story)
    if "full" in story:
        return _disk_full("free some room below state_dir", story)
    if "unable to open" in story or "readonly" in story:
        return _not_writable("check the owner and mode of the file and its folder", story, path=file)
    return StopTrading("ledger.fault", cause=story)


def _disk_full(remedy: str, story: str) -> StopTrading:
    return StopTrading("ledger.disk_full", remedy=remedy, cause=story)


def _not_writable(remedy: str, story: str, **where: object) -> FixConfig:
    return FixConfig("ledger.not_writable", remedy=remedy, **where, cause=story)


def _damaged(story: str) -> StopTrading:
    return StopTrading(
        "ledger.damaged",
        remedy="the file is kept as it is: move it aside and restore the newest backup",
        cause=story,
    )


def _broken_rule(story: str) -> StopTrading:
    return StopTrading(
        "ledger.broken_rule", remedy="nothing of this transaction was written; report it", cause=story
    )
