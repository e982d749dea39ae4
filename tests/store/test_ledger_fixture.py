"""Where no PostgreSQL is installed its tests say so, or fail when they must run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures import postgres


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgres, "PROGRAMS", tmp_path)
    monkeypatch.setattr("shutil.which", lambda _name: None)


@pytest.mark.usefixtures("nothing_installed")
def test_without_a_server_its_tests_are_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERENO_REQUIRE_POSTGRES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install postgresql"):
        postgres._binaries()


@pytest.mark.usefixtures("nothing_installed")
def test_without_a_server_its_tests_fail_where_they_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERENO_REQUIRE_POSTGRES", "1")
    with pytest.raises(pytest.fail.Exception, match="SERENO_REQUIRE_POSTGRES=1"):
        postgres._binaries()
