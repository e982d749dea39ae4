"""Opening: made and migrated once by whoever comes first; what is damaged or locked says so."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sereno.core.errors import FixConfig, StopTrading, TryLater
from sereno.core.settings.sections import LedgerSettings
from sereno.store.ledger import Ledger, ledger_url, open_ledger, signals
from sereno.store.ledger.opening import HEAD, connect, revision
from sereno.store.ledger.schema import metadata
from tests.store.ledger_examples import at_once, populate, signal


def test_a_new_ledger_is_at_the_newest_schema(ledger: Ledger) -> None:
    assert revision(ledger) == HEAD
    ledger.ping()


def test_what_was_written_is_there_after_opening_again(fresh_url: str) -> None:
    first = open_ledger(fresh_url)
    with first.begin() as tx:
        signals.save(tx, signal())
    first.close()
    second = open_ledger(fresh_url, migrate=False)
    with second.read() as tx:
        assert signals.get(tx, "s1") == signal()
    second.close()


def test_a_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="mid-way"), ledger.begin() as tx:
        populate(tx)
        raise RuntimeError("mid-way")
    with ledger.read() as tx:
        assert signals.recent(tx) == []


def test_a_read_keeps_nothing(ledger: Ledger) -> None:
    with ledger.read() as tx:
        signals.save(tx, signal())
    with ledger.read() as tx:
        assert signals.recent(tx) == []


def test_sqlite_is_set_up(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/a/b/ledger.sqlite3", busy_timeout_s=7)
    with ledger.read() as tx:
        read = {
            name: tx.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
        tables = tx.exec_driver_sql("SELECT name, strict FROM pragma_table_list").all()
        strict = {row[0]: row[1] for row in tables}
    ledger.close()
    assert read == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 7000, "synchronous": 2}
    assert all(strict[name] == 1 for name in metadata.tables)


def test_an_up_to_date_ledger_opens_without_alembic(fresh_url: str) -> None:
    open_ledger(fresh_url).close()
    code = (
        "import sys; from sereno.store.ledger import open_ledger; open_ledger(sys.argv[1]).close();"
        "print([m for m in ('alembic', 'sqlalchemy.orm', 'mako') if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, fresh_url], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.strip() == "[]"


def test_the_ledger_never_imports_a_driver_it_does_not_need(tmp_path: Path) -> None:
    code = (
        "import sys; from sereno.store.ledger import open_ledger; open_ledger(sys.argv[1]).close();"
        "print([m for m in ('psycopg', 'pydantic', 'polars', 'numpy.linalg') if m in sys.modules])"
    )
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    said = subprocess.run(
        [sys.executable, "-c", code, url], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.strip() == "[]"


def test_several_processes_may_make_the_same_ledger_at_once(fresh_url: str) -> None:
    code = (
        "from sereno.store.ledger import open_ledger\nfrom sereno.store.ledger.opening import revision\n"
        "go()\nledger = open_ledger(sys.argv[1], busy_timeout_s=30)\nprint(revision(ledger))\nledger.close()"
    )
    assert at_once(code, *[[fresh_url]] * 2) == [HEAD] * 2


@pytest.mark.parametrize("keep_bytes", [0, 100])
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path, keep_bytes: int) -> None:
    path = tmp_path / "ledger.sqlite3"
    open_ledger(f"sqlite:///{path}").close()
    broken = path.read_bytes()[:keep_bytes] + b"not a database at all" * 1000
    path.write_bytes(broken)
    with pytest.raises(StopTrading, match="ledger.damaged") as caught:
        open_ledger(f"sqlite:///{path}")
    assert "restore the newest backup" in str(caught.value)
    assert path.read_bytes() == broken


def test_damage_inside_a_file_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledger = open_ledger(f"sqlite:///{path}")
    with ledger.begin() as tx:
        populate(tx)
        root = tx.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'signals'").scalar()
    ledger.close()
    raw = bytearray(path.read_bytes())
    page = 4096 * (int(str(root)) - 1)
    raw[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(raw)
    ledger = open_ledger(f"sqlite:///{path}")
    with pytest.raises(StopTrading, match="ledger.damaged"), ledger.read() as tx:
        signals.get(tx, "s1")
    ledger.close()


def test_locked_sqlite_is_for_later(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledger = open_ledger(f"sqlite:///{path}", busy_timeout_s=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TryLater, match="ledger.locked") as caught, ledger.begin() as tx:
        signals.save(tx, signal())
    assert caught.value.after_s
    with ledger.read() as tx:  # readers go on
        assert signals.recent(tx) == []
    other.execute("ROLLBACK")
    other.close()
    with ledger.begin() as tx:
        assert signals.save(tx, signal())
    ledger.close()


def test_a_new_sqlite_file_locked_by_another_process_is_for_later(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TryLater, match="ledger.locked"):
        open_ledger(f"sqlite:///{path}", busy_timeout_s=0.05)
    other.execute("ROLLBACK")
    other.close()
    open_ledger(f"sqlite:///{path}").close()


def test_a_full_disk_stops_and_leaves_what_was_there(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    with ledger.begin() as tx:
        signals.save(tx, signal())
    with pytest.raises(StopTrading, match="disk is full"), ledger.begin() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        for number in range(2000):
            signals.save(tx, signal(f"more{number}"))
    ledger.close()
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    with ledger.read() as tx:
        assert signals.recent(tx) == [signal()]
    ledger.close()


PRETENDED = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"


@pytest.mark.parametrize(
    ("event", "kind", "sqlite", "postgres"),
    [
        ("ledger.disk_full", StopTrading, "PRAGMA max_page_count = 1", PRETENDED),
        ("ledger.not_writable", FixConfig, "PRAGMA query_only = ON", "SET TRANSACTION READ ONLY"),
        ("ledger.not_writable", FixConfig, "PRAGMA query_only = ON", "SET LOCAL ROLE pg_read_all_data"),
    ],
)
def test_both_databases_say_alike_why_nothing_can_be_written(
    ledger: Ledger, event: str, kind: type[Exception], sqlite: str, postgres: str
) -> None:
    with pytest.raises(kind) as caught, ledger.begin() as tx:
        tx.exec_driver_sql(sqlite if ledger.dialect == "sqlite" else postgres)
        for number in range(2000):
            signals.save(tx, signal(f"more{number}"))
    assert getattr(caught.value, "event") == event  # noqa: B009 - of either kind
    assert ": " in str(caught.value)
    with ledger.read() as tx:
        assert signals.recent(tx) == []


def test_a_folder_that_cannot_be_made_is_a_matter_of_settings(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FixConfig, match="ledger.no_folder"):
        open_ledger(f"sqlite:///{tmp_path}/file/ledger.sqlite3")
    (tmp_path / "ledger.sqlite3").mkdir()
    with pytest.raises(FixConfig, match="ledger.not_writable"):
        open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")


@pytest.mark.parametrize(
    ("url", "event"),
    [
        ("nonsense", "ledger.bad_url"),
        ("mysql://me:secret-word@host/db", "ledger.unknown_database"),
        ("sqlite://", "ledger.no_file"),
        ("sqlite:///:memory:", "ledger.no_file"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str, event: str) -> None:
    with pytest.raises(FixConfig, match=event) as caught:
        open_ledger(url)
    assert "secret-word" not in str(caught.value)


def test_nobody_answers_at_the_address(free_port: int) -> None:
    with pytest.raises(TryLater, match="ledger.unreachable") as caught:
        open_ledger(f"postgresql://me:secret-word@127.0.0.1:{free_port}/desk")
    assert "secret-word" not in str(caught.value)


@pytest.mark.postgres
def test_a_database_that_does_not_exist_is_a_matter_of_settings(postgres_url: str) -> None:
    with pytest.raises(FixConfig, match="ledger.refused_login"):
        open_ledger(postgres_url + "_not_there")


@pytest.mark.postgres
def test_the_common_spelling_of_a_postgres_address_works(postgres_url: str) -> None:
    open_ledger(postgres_url.replace("postgresql+psycopg", "postgres")).close()


@pytest.mark.postgres
def test_a_server_that_went_away_is_for_later_and_then_found_again(postgres_url: str) -> None:
    ledger = open_ledger(postgres_url)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with pytest.raises(TryLater, match="ledger.unreachable"), ledger.begin() as tx:
        tx.exec_driver_sql(kill)
    ledger.ping()
    ledger.close()


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(FixConfig, match=r"sereno\[postgres\]"):
        open_ledger("postgresql://me@127.0.0.1/desk")


def test_a_newer_schema_is_refused(fresh_url: str) -> None:
    ledger = open_ledger(fresh_url)
    with ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    ledger.close()
    with pytest.raises(FixConfig, match="ledger.newer_schema"):
        open_ledger(fresh_url)


def test_an_empty_database_is_refused_when_it_may_not_be_migrated(fresh_url: str) -> None:
    with pytest.raises(FixConfig, match="sereno db upgrade"):
        open_ledger(fresh_url, migrate=False)
    ledger = connect(fresh_url)
    assert revision(ledger) is None
    ledger.close()


def test_the_settings_name_the_database(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    assert ledger_url(LedgerSettings(), file) == f"sqlite:///{file}"
    given = LedgerSettings.model_validate({"database_url": "postgresql+psycopg://a@b/c"})
    assert ledger_url(given, file) == "postgresql+psycopg://a@b/c"


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
