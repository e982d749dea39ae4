"""`sereno … --help` answers at once, because it imports nothing heavy: what would cost time is named here."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
import typer

from sereno.surfaces.cli.main import app

HEAVY = frozenset(
    (
        "numpy", "polars", "pyarrow", "pandas", "scipy", "sklearn", "xgboost", "numba", "llvmlite", "talib",
        "optuna", "matplotlib", "joblib", "torch", "ccxt", "aiohttp", "asyncio", "tenacity", "sqlalchemy",
        "alembic", "fastapi", "starlette", "uvicorn", "jinja2", "prometheus_client", "pydantic_settings",
        "apscheduler", "structlog", "psutil",
    )
)  # fmt: skip
"""Packages that take from 20 ms to a second each; the whole of `--help` may take 300 ms.

Not pydantic: Typer loads it for the options of every command; `sereno --help` alone goes without it, which
test_cli.py holds it to.
"""

SCRIPT = """
import sys
from sereno.surfaces.cli.main import main
for words in {lines!r}:
    try:
        main(list(words))
    except SystemExit as ended:
        assert ended.code in (0, None), (words, ended.code)
    print("HEAVY", *words, *sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr)
"""


def every_help() -> list[tuple[str, ...]]:
    """The words of each command and of each group, with --help."""
    found: list[tuple[str, ...]] = []

    def walk(command: object, words: tuple[str, ...]) -> None:
        found.append((*words, "--help"))
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def loaded_after(lines: list[tuple[str, ...]], *, before: str = "") -> dict[str, set[str]]:
    """Heavy packages in a fresh process after each line, in order."""
    done = subprocess.run(
        [sys.executable, "-c", before + SCRIPT.format(lines=lines, heavy=HEAVY)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("HEAVY")]
    return {" ".join(row[: row.index("--help") + 1]): set(row[row.index("--help") + 1 :]) for row in rows}


def test_no_help_of_any_command_loads_anything_heavy() -> None:
    lines = every_help()
    assert len(lines) > 25
    assert ("status", "--help") in lines
    assert ("models", "rollback", "--help") in lines
    assert loaded_after(lines) == {" ".join(line): set() for line in lines}


@pytest.mark.parametrize("package", ["numpy", "sqlalchemy"])
def test_a_heavy_import_is_noticed(package: str) -> None:
    assert package in loaded_after([("--help",)], before=f"import {package}\n")["--help"]


def test_every_heavy_name_is_one_that_the_product_could_load() -> None:
    """A name that was misspelt would guard nothing."""
    from importlib.util import find_spec

    not_installed = {"torch", "pandas"}
    assert [name for name in sorted(HEAVY - not_installed) if find_spec(name) is None] == []


def test_a_mistake_is_told_without_loading_anything_heavy() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-c",
            "from sereno.surfaces.cli.main import main; main(['stauts'])",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == click.UsageError.exit_code
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert imported & HEAVY == set()
