"""The how-tos taken at their word: their code, put where they say, in a copy of the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"^( *)```python\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Copy:
    """A checkout of its own, in which a person follows a how-to."""

    root: Path
    before: dict[Path, bytes]

    def add_to_table(self, path: str, table: str, row: str) -> None:
        """Put a row last into a tuple `TABLE = (` that ends with a bracket alone on its line."""
        file = self.root / path
        head, start, rest = file.read_text().partition(f"\n{table}")
        assert start, f"{path} has no {table}"
        rows, end, after = rest.partition("\n)\n")
        row = textwrap.indent(row.rstrip("\n"), "    ")
        file.write_text(f"{head}{start}{rows}\n{row}{end}{after}")

    def run(self, *words: str) -> str:
        """A Python module as a command, here; it must go well."""
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.root,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("SERENO_")},
                "PYTHONPATH": str(self.root / "src"),
                "SERENO_SHARED": str(self.root / "none"),
                "SERENO_STATE_DIR": str(self.root / "state"),
                "SERENO_MODE": "paper",
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
        return done.stdout

    def lint(self) -> None:
        """What `make lint` looks at first, in the files that the how-to touched."""
        touched = [str(file) for file in self.root.glob("src/**/*.py") if self._is_new(file)]
        assert touched
        self.run("ruff", "check", "--no-cache", *touched)
        self.run("ruff", "format", "--no-cache", "--check", *touched)
        self.run("sereno", "docs", "check")

    def _is_new(self, file: Path) -> bool:
        before = self.before.get(file.relative_to(self.root))
        return before is None or before != file.read_bytes()

    def test(self, *words: str) -> str:
        """Some of the tests that `make check` runs."""
        return self.run("pytest", "-q", "-p", "no:cacheprovider", *words)


@pytest.fixture
def copied(tmp_path: Path) -> Copy:
    left_out = shutil.ignore_patterns("__pycache__", "*.pyc", "old_lake")
    for name in ("src", "tests", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    for name in ("pyproject.toml", "README.md", "Makefile"):
        shutil.copy(ROOT / name, tmp_path / name)
    sources = tmp_path.glob("src/**/*.py")
    return Copy(tmp_path, {file.relative_to(tmp_path): file.read_bytes() for file in sources})


def told(page: str) -> tuple[str, list[str]]:
    """A how-to and its blocks of Python."""
    text = (ROOT / "docs" / "howto" / page).read_text()
    return text, [textwrap.dedent(code) for _, code in CODE.findall(text)]


def mended_by_ruff(copied: Copy) -> None:
    """As the pre-commit hook does: only the layout, never the code."""
    copied.run("ruff", "format", "--no-cache", "src")


def follow_add_a_job(copied: Copy) -> str:
    """Steps 1 to 3; the name of the job."""
    text, (function, row) = told("add-a-job.md")
    found = re.search(r"`(src/sereno/ops/steps/\w+\.py)`", text)
    assert found
    (copied.root / found[1]).write_text(function)
    copied.add_to_table("src/sereno/ops/jobs.py", "JOBS: tuple", row)
    copied.run("sereno", "docs", "write")
    name = re.search(r'"(\w+)"', row)
    assert name
    assert f"`sereno run {name[1]}`" in text
    return name[1]


def follow_add_a_feature(copied: Copy) -> str:
    """Steps 1 and 3; the name of the feature."""
    text, (line, *_) = told("add-a-feature.md")
    found = re.search(r"`(src/sereno/features/families/\w+\.py)`", text)
    assert found
    copied.add_to_table(found[1], "FEATURES = (", line)
    mended_by_ruff(copied)
    assert ".venv/bin/sereno docs write" in text
    copied.run("sereno", "docs", "write")
    name = re.search(r'"(\w+)"', line)
    assert name
    return name[1]


def test_invariant_3_a_new_job_is_one_function_and_one_row(copied: Copy) -> None:
    name = follow_add_a_job(copied)
    copied.lint()
    copied.run("sereno", "run", name)
    assert name in copied.run("sereno", "jobs", "list")
    copied.test("tests/ops/test_jobs.py", "tests/ops/test_schedule.py", "-k", f"jobs or {name}")


def test_a_new_feature_is_one_line(copied: Copy) -> None:
    name = follow_add_a_feature(copied)
    copied.lint()
    assert f"`{name}`" in (copied.root / "docs" / "features.md").read_text()
    chosen = f"lively or {name} or same or moderate or steps"
    copied.test("tests/features/test_contract.py", "tests/ops/test_jobs.py", "-k", f"{chosen} or pages")


@pytest.mark.slow
def test_both_pass_the_type_checker_and_every_test_of_their_rooms(copied: Copy) -> None:
    follow_add_a_job(copied)
    follow_add_a_feature(copied)
    copied.lint()
    copied.run("mypy")
    jobs = ("jobs", "schedule", "scheduler", "up", "facts", "records")
    copied.test("tests/features", *(f"tests/ops/test_{name}.py" for name in jobs))


def test_a_code_block_that_is_not_found_is_noticed() -> None:
    assert len(told("add-a-job.md")[1]) == 2
    assert len(told("add-a-feature.md")[1]) >= 1
