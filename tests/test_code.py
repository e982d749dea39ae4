"""What no line of the code may do: read from its syntax trees, and from what an import sets going."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sereno.core.settings import keys_of
from sereno.core.settings.model import Settings

ROOT = Path(__file__).resolve().parents[1]
CODE = ("src", "tests", "benchmarks")
BROAD = {"Exception", "BaseException"}
CHANCE_ALLOWED = {
    "core/files.py": "names of drafts",
    "market/venues/retries.py": "jitter of pauses",
    "models/gate.py": "a seeded bootstrap",
    "models/tune.py": "a seeded search",
    "ops/records.py": "names of runs",
    "store/shelf.py": "names of drafts",
    "surfaces/cli/token.py": "a token",
}

WRITERS = {
    "core/files.py": "the one place that replaces files",
    "ops/docs.py": "pages of the repository",
    "ops/launch.py": "appends to logs",
    "ops/log_file.py": "appends to logs",
    "ops/steps/features.py": "a draft of core/files.py",
    "store/lake_table.py": "into memory",
    "store/objects.py": "a lock",
    "store/shelf.py": "a draft that is renamed, and a lock",
}


@cache
def trees(*folders: str) -> dict[str, ast.Module]:
    """Syntax trees by path from the repository's root."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}


def swallowed(tree: ast.Module) -> Iterator[int]:
    """Lines that catch everything and neither raise nor do anything with what they caught."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            names = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else BROAD
            used = {n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name)}
            raises = any(isinstance(n, ast.Raise) for part in node.body for n in ast.walk(part))
            if names & BROAD and not raises and node.name not in used:
                yield node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            yield from [node.lineno] if {ast.unparse(one) for one in node.args} & BROAD else []


@pytest.mark.parametrize(
    ("text", "is_a_fault"),
    [
        ("try: f()\nexcept: pass", True),
        ("try: f()\nexcept Exception: rows = []", True),
        ("try: f()\nexcept (ValueError, Exception) as e: log('failed')", True),
        ("with contextlib.suppress(Exception): f()", True),
        ("try: f()\nexcept Exception as e: log(error=e)", False),
        ("try: f()\nexcept BaseException:\n  close()\n  raise", False),
        ("try: f()\nexcept KeyError: pass", False),
    ],
)
def test_what_is_swallowed_is_seen(text: str, is_a_fault: bool) -> None:
    assert bool(list(swallowed(ast.parse(text)))) is is_a_fault


def test_trap_a30_39_b12_7_e4_15_nothing_is_swallowed() -> None:
    found = {path: lines for path, tree in trees(*CODE).items() if (lines := [*swallowed(tree)])}
    assert found == {}


IMPORT_ALL = """
import importlib, multiprocessing, pkgutil, threading
import sereno
run_on_import = {"sereno.__main__", "sereno.store.ledger.migrations.env"}  # which is their trade
names = {found.name for found in pkgutil.walk_packages(sereno.__path__, "sereno.")}
for name in sorted(names - run_on_import):
    importlib.import_module(name)
ours = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
print(len(names) > 200, ours, multiprocessing.active_children())
"""


def test_trap_a30_39_b12_14_c12_2_every_module_can_be_imported_and_starts_nothing(tmp_path: Path) -> None:
    """A module that cannot be read is a job that never ran; a thread that starts on import is nobody's."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("True [] []", "")
    assert not list(tmp_path.iterdir())


def test_trap_a30_28_nothing_runs_through_a_shell() -> None:
    found = set()
    for path, tree in trees("src").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                through = any(k.arg == "shell" for k in node.keywords)
                if through or ast.unparse(node.func) in {"os.system", "os.popen", "subprocess.getoutput"}:
                    found.add((path, node.lineno))
    assert found == set()


def test_trap_a30_18_a30_26_a30_29_r5_chance_stays_in_its_rooms() -> None:
    """Sides, sizes, readings: nothing that is traded or stored comes from chance outside the simulator."""
    users = set()
    for path, tree in trees("src/sereno").items():
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            drawn = isinstance(node, ast.Attribute) and ast.unparse(node) in {"np.random", "numpy.random"}
            if drawn or {"random", "secrets", "numpy.random"} & set(names):
                users.add(path.removeprefix("src/sereno/"))
    assert {path for path in users if not path.startswith("sim/")} <= set(CHANCE_ALLOWED)
    assert "sim/generator.py" in users


def writes(node: ast.AST) -> bool:
    """Whether a call writes into a file, or opens one for it."""
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func).rpartition(".")[2]
    if name in {"write_text", "write_bytes", "write_parquet", "write_csv", "save_model", "savez", "touch"}:
        return True
    words = [*node.args, *(k.value for k in node.keywords)]
    modes = [w.value for w in words if isinstance(w, ast.Constant) and isinstance(w.value, str)]
    by_mode = name == "open" and any(re.fullmatch(r"[rwaxbt+]*[wax+][rwaxbt+]*", mode) for mode in modes)
    return by_mode or (ast.unparse(node.func) == "os.open" and "O_CREAT" in ast.unparse(node))


def test_trap_c12_11_e4_12_nothing_is_written_in_place() -> None:
    """Readers of a file that is written in place see half of it, and a fault leaves half of it."""
    found = {
        path.removeprefix("src/sereno/")
        for path, tree in trees("src/sereno").items()
        if any(writes(node) for node in ast.walk(tree))
    }
    assert found == set(WRITERS)


def names_used(*folders: str, without: str = "") -> set[str]:
    """Attributes, keywords and the words inside strings."""
    found: set[str] = set()
    for path, tree in trees(*folders).items():
        if without and path.startswith(without):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.keyword) and node.arg:
                found.add(node.arg)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", node.value.lower()))
    return found


def names_built(*folders: str) -> list[re.Pattern[str]]:
    """Names that are put together from parts, such as f"{regime}_{floor}_factor"."""
    found = []
    for tree in trees(*folders).values():
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else r"\w+" for p in node.values]
                fixed = "".join(str(p) for p in parts if p != r"\w+")
                if re.fullmatch(r"[a-z_]{6,}", fixed):
                    found.append(re.compile("".join(map(str, parts))))
    return found


def test_trap_a12_10_e4_3_every_setting_is_read_and_named_by_a_test() -> None:
    """A setting without a reader has no effect, and one without a test has none that anybody proved."""
    keys = {name for name, _ in keys_of(Settings)}
    assert len(keys) > 80
    readers = names_used("src/sereno", without="src/sereno/core/settings/")
    of_their_own = names_used("src/sereno/core/settings")
    proofs, built = names_used("tests"), names_built("tests")
    assert {key for key in keys if key.rpartition(".")[2] not in readers | of_their_own} == set()
    last = {key: key.rpartition(".")[2] for key in keys}
    unproved = {key for key, name in last.items() if name not in proofs}
    assert {key for key in unproved if not any(one.fullmatch(last[key]) for one in built)} == set()


def test_trap_a12_12_b12_8_e4_4_every_check_is_tested_by_injecting_its_fault() -> None:
    """What the code can notice, against what the tests of the job over a real ledger look for."""
    made = set()
    for tree in trees("src/sereno").values():
        named = {
            part.targets[0].id: part.value.value
            for part in tree.body
            if isinstance(part, ast.Assign)
            and isinstance(part.targets[0], ast.Name)
            and isinstance(part.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Noticed"):
                check = node.args[0]
                made.add(check.value if isinstance(check, ast.Constant) else named[ast.unparse(check)])
    assert len(made) >= 8
    assert made - names_used("tests/ops") == set()
