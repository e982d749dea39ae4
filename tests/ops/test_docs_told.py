"""Every page keeps its word: the commands, targets, settings, files and links that it names are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.exceptions import TyperException

from sereno.core.settings import keys_of
from sereno.core.settings.model import Settings
from sereno.ops.jobs import jobs_of, one_pass
from sereno.surfaces.cli import context
from sereno.surfaces.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")))
FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
MAKEFILE = (ROOT / "Makefile").read_text()
KEYS = {name for name, _ in keys_of(Settings)}
SECTIONS = {name.partition(".")[0] for name in KEYS if "." in name}
MADE_BY_A_HOWTO = {"src/sereno/ops/steps/vacuum.py": "add-a-job", "vacuum": "add-a-job"}

Told = list[tuple[str, str]]


def shown(text: str) -> Iterator[str]:
    """What a page shows as code: lines of blocks, fenced or indented, and what stands in backticks."""
    for block in FENCED.findall(text):
        yield from (line.strip() for line in block.splitlines())
    rest = FENCED.sub("", text)
    yield from (line.strip() for line in rest.splitlines() if line.startswith("    "))
    yield from (told.strip() for told in re.findall(r"`([^`\n]+)`", rest))


def everywhere(pick: Callable[[str], Iterator[str]]) -> Told:
    """(page, what it tells), each once."""
    return sorted({(page, told) for page in PAGES for told in pick((ROOT / page).read_text("utf-8"))})


def commands(text: str) -> Iterator[str]:
    """The words after `sereno`."""
    for line in shown(text):
        match = re.fullmatch(r"(?:[A-Z_]+=\S+ )*(?:\S*/)?sereno (.+?)(?:\s+#.*)?", line)
        if match and match[1] != "…":
            yield match[1]


def targets(text: str) -> Iterator[str]:
    for line in shown(text):
        if line.startswith("make "):
            yield re.sub(r"\s+#.*", "", line.removeprefix("make "))


def keys(text: str) -> Iterator[str]:
    """Dotted names of settings, with or without a value; those of events look the same."""
    for line in shown(text):
        match = re.match(r"([a-z]+)\.([a-z0-9_]+)(?: ?=.*)?$", line)
        if match and match[1] in SECTIONS and match[2] not in ("md", "py", "toml", "json"):
            yield f"{match[1]}.{match[2]}"


@cache
def events() -> frozenset[str]:
    """Names that the code gives to errors and to what it logs."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    return frozenset(re.findall(r'"([a-z]+\.[a-z_0-9]+)"', code))


def variables(text: str) -> Iterator[str]:
    yield from re.findall(r"\bSERENO_[A-Z][A-Z0-9_]+", text)


def files(text: str) -> Iterator[str]:
    """Paths below the checkout, in backticks or typed."""
    for line in shown(text):
        yield from re.findall(r"(?<![\w./-])(?:src|tests|docs|benchmarks)/[\w./-]*\w", line)


def links(text: str) -> Iterator[str]:
    yield from (to for to in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:|#", to))


def parse(line: str) -> None:
    """Read a command line as `sereno` would, up to the moment at which it would do something."""
    words = context.hoist(shlex.split(line.replace("[", "").replace("]", "")))
    while words and words[0] in ("--set", "--config"):
        option, value, *words = words
        assert option == "--config" or value.partition("=")[0] in KEYS, f"no setting {value}"
    command: object = typer.main.get_command(app)
    while words and isinstance(command, typer.core.TyperGroup):
        assert words[0] in command.commands, f"no command {words[0]}"
        command = command.commands[words.pop(0)]
    if isinstance(command, typer.core.TyperGroup) or "--help" in words:
        return
    assert isinstance(command, typer.core.TyperCommand)
    if words:  # else the text names the command, and need not say of what
        command.make_context(line, words).close()


@pytest.mark.parametrize(("page", "line"), everywhere(commands))
def test_trap_a30_37_r15_every_command_line_is_understood(page: str, line: str) -> None:
    parse(line)
    name = re.fullmatch(r"run ([a-z-]+)", line)
    if name and name[1] not in MADE_BY_A_HOWTO:
        assert name[1] in {job.name for job in (*jobs_of("12:00"), one_pass())}


@pytest.mark.parametrize(
    "line",
    [
        "colect",
        "models serve X",
        "backtest --fold 4",
        "backtest --folds many",
        "up --forever",
        "explain a b",
        "import-candles --venue okx",
        "status --set venue.nmae=x",
    ],
)
def test_a_command_line_that_nobody_understands_is_noticed(line: str) -> None:
    with pytest.raises((AssertionError, TyperException)):
        parse(line)


@pytest.mark.parametrize(("page", "line"), everywhere(targets))
def test_trap_a30_37_every_make_target_exists(page: str, line: str) -> None:
    name, _, given = line.partition(" ")
    assert re.search(rf"^{re.escape(name)}:", MAKEFILE, re.MULTILINE), name
    for variable in re.findall(r"\b([A-Z_]+)=", given):
        assert re.search(rf"^{variable}\s*\?=", MAKEFILE, re.MULTILINE), variable


@pytest.mark.parametrize(("page", "key"), everywhere(keys))
def test_trap_a12_11_every_setting_or_event_exists(page: str, key: str) -> None:
    assert key in KEYS or key in events()


@pytest.mark.parametrize(("page", "name"), everywhere(variables))
def test_every_variable_is_read(page: str, name: str) -> None:
    of_settings = {f"SERENO_{key.replace('.', '__')}".upper() for key in KEYS}
    code = (path for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py"))
    elsewhere = any(f'"{name}"' in path.read_text("utf-8") for path in code if path != Path(__file__))
    if name.endswith("__"):  # a whole section
        assert any(known.startswith(name) for known in of_settings)
    else:
        assert name in of_settings or elsewhere


@pytest.mark.parametrize(("page", "path"), everywhere(files))
def test_trap_a30_37_r15_every_file_is_there(page: str, path: str) -> None:
    is_a_place = re.search(r"[A-Z]{3,}", Path(path).stem) and Path(path).stem not in ("README", "RESULTS")
    assert is_a_place or path in MADE_BY_A_HOWTO or (ROOT / path).exists(), path


@pytest.mark.parametrize(("page", "to"), everywhere(links))
def test_every_link_leads_somewhere(page: str, to: str) -> None:
    assert ((ROOT / page).parent / to.partition("#")[0]).exists()


def test_there_is_something_to_check() -> None:
    """Of each kind, and from more pages than one."""
    for pick, least in (
        (commands, 20), (targets, 8), (keys, 15), (variables, 3), (files, 15), (links, 8),
    ):  # fmt: skip
        told = everywhere(pick)
        assert len(told) >= least, (pick.__name__, len(told))
        assert len({page for page, _ in told}) > (pick is not links), pick.__name__
