"""Layers that settings are read from under their own names: the file, `.env`, the environment."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from sereno.core.errors import FixConfig
from sereno.core.settings.keys import PREFIX, keys_of, variable_of
from sereno.core.settings.model import Settings

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
NOT_SETTINGS = ("SERENO_COMMIT", "SERENO_LOG_FILE", "SERENO_SHARED", "SERENO_REQUIRE_POSTGRES")
KEPT_AS_HASH = "api.token"


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was written, and where: a file's absolute path, a variable, the command line."""

    value: object
    source: str


Layer: TypeAlias = dict[str, Given]


@dataclass(frozen=True, slots=True)
class Variables:
    """Variables of one place: `environment`, or the absolute path of a `.env`."""

    place: str
    values: Mapping[str, str]

    def source(self, name: str) -> str:
        """How a value of this variable is told to come about."""
        return f"{self.place}: {name}"


def file_layer(file: Path) -> Layer:
    """The settings file. A token that guards the desk does not lie in it in plain (invariant 9)."""
    values = dict(_flatten(_read_toml(file)))
    if values.get(KEPT_AS_HASH):
        raise FixConfig(
            "settings.token_in_plain",
            remedy=f"{KEPT_AS_HASH} does not belong in {file}: keep its hash there as {KEPT_AS_HASH}_sha256 "
            f"(`sereno api-token` makes both), or set {PREFIX}API__TOKEN in the environment",
        )
    source = str(file.resolve())
    return {key: Given(value, source) for key, value in values.items()}


def own_layer(variables: Variables) -> Layer:
    """`SERENO_VENUE__NAME` → `venue.name`; a name that fits no setting is refused."""
    known = {variable_of(key): key for key, _ in keys_of(Settings)}
    spelled: dict[str, str] = {}
    for name in variables.values:
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in (CONFIG_VARIABLE, *NOT_SETTINGS):
            continue
        if upper not in known:
            raise FixConfig(
                "settings.unknown_key",
                remedy=f"{name} ({variables.place}) is no setting; `sereno config show` lists them all"
                + nearest(upper, known),
                key=name,
            )
        spelled[known[upper]] = name
    found = dict(_flatten(_GivenVariables(variables.values)()))
    return {key: Given(value, variables.source(spelled[key])) for key, value in found.items()}


def nearest(name: str, known: Mapping[str, str]) -> str:
    """A question whether the closest known name was meant, or nothing."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


class _GivenVariables(EnvSettingsSource):
    """pydantic-settings' reading of nested variables, from a mapping instead of the process."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in variables.items()}
        super().__init__(Settings, case_sensitive=False)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return TomlConfigSettingsSource(Settings, toml_file=file)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise FixConfig("settings.unreadable", remedy=f"mend {file}: {cause}", path=file) from cause


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{dotted}.")
        else:
            yield dotted, value
