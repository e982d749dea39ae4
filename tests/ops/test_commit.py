"""The name of the code: one for each content, and never that of somebody else's repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sereno.ops.commit import COMMIT_VARIABLE, code_version


@pytest.fixture(autouse=True)
def no_given_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COMMIT_VARIABLE, raising=False)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout" / "src" / "sereno"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("x = 1\n")
    return folder


def commit(folder: Path) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def test_a_clean_checkout_names_its_commit_and_a_changed_one_says_so(package: Path) -> None:
    root = package.parent.parent
    commit(root)
    clean = code_version(package)
    (root / "README.md").write_text("not code\n")
    assert code_version(package) == clean
    (package / "__init__.py").write_text("x = 2\n")
    changed = code_version(package)
    (package / "__init__.py").write_text("x = 3\n")
    assert len({clean, changed, code_version(package)}) == 3
    assert changed.startswith(f"{clean}+")


def test_an_installed_package_does_not_borrow_the_commit_around_its_environment(package: Path) -> None:
    commit(package.parent.parent.parent)
    before = code_version(package)
    assert before.startswith("source-")
    (package / "more.py").write_text("")
    assert code_version(package) != before


def test_what_is_given_holds(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMIT_VARIABLE, "abc123")
    assert code_version(package) == "abc123"
