"""`docs/traps.md`: every trap of the source systems with the tests that bear its number.

A test guards against a trap when its name says so: `test_trap_a30_5_r1_…` stands in the rows A30.5 and
R1. The words of a row are written by hand, its tests by `python -m tests.test_traps_table`.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "traps.md"
HOW_MANY = {"A12": 16, "B12": 19, "C12": 16, "E4": 15, "A30": 39, "AMI B12": 17, "R": 17}
TAG = re.compile(r"(ami_b12|a12|b12|c12|e4|a30)_(\d+)_|(r)(\d+)_")
ROW = re.compile(r"^\| (?P<trap>[^|]+) \| (?P<was>[^|]+) \| (?P<tests>[^|]*) \|$")
NOT_YET = "not yet: "
ROOMS = {
    "arena": "src/sereno/arena",
    "backup": "src/sereno/ops/backup*",
    "commands by chat": "src/sereno/surfaces/telegram*",
    "context feeds": "src/sereno/market/feeds",
    "deploy": "deploy",
    "journal": "src/sereno/journal",
    "live broker": "src/sereno/trading/brokers/[!_p]*",
    "panel": "panel",
    "webhook": "src/sereno/surfaces/**/*webhook*",
}


def traps() -> list[str]:
    """The name of every trap, in order."""
    return [
        f"{kind}{'' if kind == 'R' else '.'}{n}"
        for kind, count in HOW_MANY.items()
        for n in range(1, count + 1)
    ]


def traps_of(test: str) -> list[str]:
    """Which traps the name of a test bears."""
    rest, found = test.removeprefix("test_").removeprefix("trap_"), []
    while match := TAG.match(rest):
        kind = (match[1] or match[3]).upper().replace("_", " ")
        found.append(f"{kind}{'' if kind == 'R' else '.'}{int(match[2] or match[4])}")
        rest = rest[match.end() :]
    return found


@cache
def guards() -> dict[str, list[str]]:
    """The tests of each trap, as `path::name`."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for trap in traps_of(node.name):
                    found.setdefault(trap, []).append(f"{path.relative_to(ROOT).as_posix()}::{node.name}")
    return found


def rows(page: str) -> list[re.Match[str]]:
    """The rows of the page's tables, without their headings."""
    found = (ROW.match(line) for line in page.splitlines())
    return [row for row in found if row and row["trap"] != "trap" and not row["trap"].startswith("-")]


def parts(cell: str) -> list[str]:
    return [part.strip().strip("`") for part in cell.split("<br>") if part.strip()]


def written(page: str) -> str:
    """The page with the tests of each row as they are now; what does not exist yet is left as it stands."""
    lines = []
    for line in page.splitlines():
        if (row := ROW.match(line)) and row["trap"] in traps():
            cell = [f"`{name}`" for name in guards().get(row["trap"], [])]
            cell += [part for part in parts(row["tests"]) if part.startswith(NOT_YET)]
            line = f"| {row['trap']} | {row['was']} | {'<br>'.join(cell)} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def test_no_trap_is_missing_from_the_table() -> None:
    assert [row["trap"] for row in rows(PAGE.read_text("utf-8"))] == traps()


@pytest.mark.parametrize("row", rows(PAGE.read_text("utf-8")), ids=lambda row: row["trap"])
def test_the_tests_of_a_row_are_those_that_bear_its_number(row: re.Match[str]) -> None:
    told = parts(row["tests"])
    assert told, "a test that names it, or the room that it waits for"
    named = [part for part in told if not part.startswith(NOT_YET)]
    assert named == guards().get(row["trap"], []), "write the page: python -m tests.test_traps_table"


@pytest.mark.parametrize("row", rows(PAGE.read_text("utf-8")), ids=lambda row: row["trap"])
def test_what_a_trap_waits_for_does_not_exist_yet(row: re.Match[str]) -> None:
    """A room that has been built owes the tests of its traps."""
    for part in parts(row["tests"]):
        if part.startswith(NOT_YET):
            place = ROOMS[part.removeprefix(NOT_YET)]
            assert not [*ROOT.glob(place)], (
                f"{part} exists: replace its words by tests that name {row['trap']}"
            )


def test_every_number_that_a_test_bears_is_one_of_a_trap() -> None:
    assert set(guards()) <= set(traps())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("test_trap_a30_5_r1_the_intent_is_committed", ["A30.5", "R1"]),
        ("test_trap_ami_b12_14_b12_16_figures", ["AMI B12.14", "B12.16"]),
        ("test_r3_without_a_state", ["R3"]),
        ("test_a_refused_key", []),
        ("test_trap_e4_1_a_candle_of_12_bars", ["E4.1"]),
    ],
)
def test_a_name_is_read(name: str, found: list[str]) -> None:
    assert traps_of(name) == found


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
