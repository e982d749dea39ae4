"""The README keeps its word beyond what every page is held to (test_docs_told.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from sereno.core.settings import keys_of
from sereno.core.settings.aliases import ALIASES
from sereno.core.settings.model import Settings
from sereno.surfaces.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
INLINE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))


def links() -> list[str]:
    """Targets of links and images that are no web address."""
    found = re.findall(r"\]\(([^)\s]+)\)", README)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def variables_told() -> list[str]:
    return sorted({word for told in INLINE for word in re.findall(r"^[A-Z][A-Z_]{6,}", told)})


def settings_told() -> list[str]:
    """Dotted names, as `venue.market = "linear"`."""
    told = [re.match(r"([a-z]+\.[a-z_]+)( = .+)?$", text) for text in INLINE]
    return sorted({match[1] for match in told if match and not match[1].endswith(".toml")})


def test_there_is_something_to_check() -> None:
    assert len(links()) > 8
    assert settings_told()
    assert variables_told()


@pytest.mark.parametrize("target", links())
def test_trap_a30_37_r15_every_link_leads_somewhere(target: str) -> None:
    path, _, heading = target.partition("#")
    place = ROOT / path if path else ROOT / "README.md"
    assert place.exists(), target
    if place.is_file():
        assert place.stat().st_size > 0
    if heading:
        headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
        assert heading in {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


def test_models_subcommands_that_are_listed_exist() -> None:
    (row,) = re.findall(r"\| `sereno models list`(.*) \|", README)
    group = typer.main.get_command(app).commands["models"]  # type: ignore[attr-defined]
    assert set(re.findall(r"`(\w+)`", row)) <= set(group.commands)


@pytest.mark.parametrize("name", variables_told())
def test_every_variable_that_is_named_is_read(name: str) -> None:
    known = {alias.name for alias in ALIASES}
    known |= {f"SERENO_{key.replace('.', '__')}".upper() for key, _ in keys_of(Settings)}
    assert name in known or re.search(rf"^{name}\s*\?=", MAKEFILE, re.MULTILINE), name


@pytest.mark.parametrize("told", settings_told())
def test_every_setting_that_is_named_exists(told: str) -> None:
    assert told in {name for name, _ in keys_of(Settings)}
