"""Opening a ledger: the file, the journal mode, and the schema's revision."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from sereno.core.errors import FixConfig, TryLater
from sereno.store.ledger.door import Ledger, make_engine, sqlite_error, translated

if TYPE_CHECKING:
    from sereno.core.settings.sections import LedgerSettings

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
HEAD = REVISIONS[-1]
_PAUSE_S = 0.02
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
}


def ledger_url(settings: LedgerSettings, file: Path) -> str:
    """The database of the settings; SQLite in `file` when they name none."""
    return settings.database_url.get_secret_value() or f"sqlite:///{file}"


def open_ledger(
    url: str, *, busy_timeout_s: float = 10.0, migrate: bool = True, reading: bool = False
) -> Ledger:
    """Open a ledger, made and brought to the newest schema if `migrate`.

    busy_timeout_s  how long to wait for another writer
    reading         a file that this user may only read is opened as it is

    Raises TryLater when another process keeps it locked or it cannot be reached, StopTrading when it
    is damaged, FixConfig when its address is wrong or its schema is not this release's.
    """
    only_read = _only_read(parse_url(url)) if reading else None
    if only_read is None:
        ledger = connect(url, busy_timeout_s=busy_timeout_s)
    else:
        ledger = Ledger(_engine(only_read, busy_timeout_s))
    try:
        _bring_up(ledger, migrate=migrate and only_read is None)
    except BaseException:
        ledger.close()
        raise
    return ledger


def connect(url: str, *, busy_timeout_s: float = 10.0) -> Ledger:
    """A ledger whatever its schema: for moving the schema up and down, and for backups."""
    place = parse_url(url)
    _make_folder(place)
    ledger = Ledger(_engine(place, busy_timeout_s))
    try:
        if ledger.dialect == "sqlite":
            _use_wal(ledger, busy_timeout_s)
    except BaseException:
        ledger.close()
        raise
    return ledger


def _only_read(place: URL) -> URL | None:
    """The address for reading a file that this user may not write; None where it may be written.

    A journal that nobody has left beside the file can be neither made nor locked here, so it is left out.

    Raises FixConfig when there is no file, and none can be made.
    """
    if place.drivername != "sqlite":
        return None
    file = Path(str(place.database)).absolute()
    there, folder = os.access(file, os.F_OK), file.parent
    if not os.access(folder, os.F_OK) or (
        os.access(folder, os.W_OK) and (not there or os.access(file, os.W_OK))
    ):
        return None
    if not there:
        raise FixConfig("ledger.none", remedy="no desk has worked here yet: `sereno up` makes it", path=file)
    query = {"mode": "ro", "uri": "true"}
    if not file.with_name(f"{file.name}-wal").exists():
        query["immutable"] = "1"
    return place.set(database=file.as_uri(), query=query)


def parse_url(url: str) -> URL:
    """A database address that we can use. Its password never appears in an error."""
    try:
        place = make_url(url)
    except ArgumentError as cause:
        raise FixConfig(
            "ledger.bad_url", remedy="ledger.database_url is postgresql+psycopg://… or sqlite:///FILE"
        ) from cause
    driver = _DRIVERS.get(place.drivername)
    if driver is None:
        raise FixConfig(
            "ledger.unknown_database",
            remedy="ledger.database_url is postgresql+psycopg://… or sqlite:///FILE",
            driver=place.drivername,
        )
    if driver == "sqlite" and place.database in (None, "", ":memory:"):
        raise FixConfig("ledger.no_file", remedy="a ledger needs a file: sqlite:////path/ledger.sqlite3")
    return place.set(drivername=driver)


def revision(ledger: Ledger) -> str | None:
    """The schema's revision, None for an empty database."""
    with ledger.read() as tx:
        return revision_of(tx)


def revision_of(tx: Connection) -> str | None:
    """The schema's revision as a transaction sees it."""
    present = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        if tx.dialect.name == "sqlite"
        else "SELECT to_regclass('alembic_version')"
    )
    if tx.execute(text(present)).scalar() is None:
        return None
    found = tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if found is None else str(found)


def _engine(place: URL, busy_timeout_s: float) -> Engine:
    try:
        return make_engine(place, busy_timeout_s=busy_timeout_s)
    except (NoSuchModuleError, ModuleNotFoundError) as cause:
        raise FixConfig(
            "ledger.no_driver",
            remedy="install the extra: pip install 'sereno[postgres]'",
            driver=place.drivername,
        ) from cause


def _make_folder(place: URL) -> None:
    if place.drivername != "sqlite":
        return
    folder = Path(str(place.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise FixConfig(
            "ledger.no_folder", remedy="set state_dir to a folder that can be written", path=folder
        ) from cause


def _use_wal(ledger: Ledger, busy_timeout_s: float) -> None:
    """Readers then never wait for the writer. Changing the mode does not wait for others, so we do."""
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            return _set_wal(ledger)
        except TryLater:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_S)


def _set_wal(ledger: Ledger) -> None:
    with translated(ledger.file), ledger.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        mode = _journal_mode(raw, ledger.file)
    if mode != "wal":
        raise FixConfig("ledger.no_wal", remedy="keep the ledger on a local disk, not on a network share")


def _journal_mode(raw: sqlite3.Connection, file: str) -> str:
    """WAL outside any transaction, where alone it can be set. Raises TryLater while that is locked."""
    try:
        (mode,) = raw.execute("PRAGMA journal_mode").fetchone()
        if mode != "wal":
            (mode,) = raw.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.Error as cause:
        raise sqlite_error(cause, file) from cause
    return str(mode)


def _bring_up(ledger: Ledger, *, migrate: bool) -> None:
    found = revision(ledger)
    if found == HEAD:
        return
    if found is not None and found not in REVISIONS:
        raise FixConfig(
            "ledger.newer_schema",
            remedy="a newer release wrote this ledger: install that one, or restore a backup",
            found=found,
            known=HEAD,
        )
    if not migrate:
        raise FixConfig(
            "ledger.old_schema", remedy="run `sereno db upgrade`", found=found or "none", known=HEAD
        )
    from sereno.store.ledger.upgrading import upgrade

    upgrade(ledger, HEAD)
