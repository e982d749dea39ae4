"""Reading the settings: defaults, `sereno.toml`, `.env`, aliases, environment, then the caller's own.

Later layers win. Each value remembers the layer it came from, for `sereno config show`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from sereno.core.errors import FixConfig
from sereno.core.fees import taker_fee_bps
from sereno.core.settings.aliases import ALIASES, VENUE_ALIASES
from sereno.core.settings.model import Settings

PREFIX = "SERENO_"
CONFIG_NAME = "sereno.toml"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
NOT_SETTINGS = ("SERENO_COMMIT", "SERENO_LOG_FILE", "SERENO_SHARED", "SERENO_REQUIRE_POSTGRES")
MASK = "********"
KEPT_AS_HASH = "api.token"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and, for each dotted key, the name of the layer that set it."""

    settings: Settings
    sources: Mapping[str, str]
    config_file: Path | None


def load(
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    config_file: Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """Merge all layers and check them.

    overrides   dotted keys from the command line, strongest of all

    Raises FixConfig naming the key, the value and what to do.
    """
    env = os.environ if env is None else env
    cwd = Path.cwd() if cwd is None else cwd
    file = _find_config(env, cwd, config_file)
    dotenv = {k: v for k, v in dotenv_values(cwd / ".env").items() if v is not None}
    layers: list[tuple[str, dict[str, object]]] = []
    if file is not None:
        layers.append((file.name, _file_layer(file)))
    for name, variables in ((".env", dotenv), ("environment", dict(env))):
        layers.append((f"{name} (alias)", _alias_layer(variables)))
        layers.append((name, _env_layer(variables, name)))
    layers.append(("command line", dict(overrides or {})))
    merged: dict[str, object] = {}
    sources: dict[str, str] = {}
    for name, values in layers:
        for key, value in values.items():
            merged[key] = value
            sources[key] = name
    _drop_foreign_keys(merged, sources)
    settings = _validated(merged, sources)
    return Loaded(settings, _of_the_venue(settings) | sources, file)


def _of_the_venue(settings: Settings) -> dict[str, str]:
    """Where values come from that follow the venue unless a layer sets them."""
    venue = settings.venue
    if taker_fee_bps(venue.name, venue.market) is None:
        return {}
    return {"costs.fee_bps": f"taker fee of {venue.name} {venue.market}"}


def _find_config(env: Mapping[str, str], cwd: Path, given: Path | None) -> Path | None:
    wanted = given or (Path(env[CONFIG_VARIABLE]) if CONFIG_VARIABLE in env else None)
    if wanted is not None:
        if not wanted.is_file():
            raise FixConfig("settings.no_file", remedy="check the path, or unset SERENO_CONFIG", path=wanted)
        return wanted
    for candidate in (cwd / CONFIG_NAME, Path("/etc/sereno") / CONFIG_NAME):
        if candidate.is_file():
            return candidate
    return None


def _file_layer(file: Path) -> dict[str, object]:
    """The settings file. A token that guards the desk does not lie in it in plain (invariant 9)."""
    values = dict(_flatten(_read_toml(file)))
    if values.get(KEPT_AS_HASH):
        raise FixConfig(
            "settings.token_in_plain",
            remedy=f"{KEPT_AS_HASH} does not belong in {file}: keep its hash there as {KEPT_AS_HASH}_sha256 "
            f"(`sereno api-token` makes both), or set {PREFIX}API__TOKEN in the environment",
        )
    return values


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


class _GivenVariables(EnvSettingsSource):
    """pydantic-settings' reading of nested variables, from a mapping instead of the process."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in variables.items()}
        super().__init__(Settings, case_sensitive=False)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given


def _env_layer(variables: Mapping[str, str], layer: str) -> dict[str, object]:
    """`SERENO_VENUE__NAME` → `venue.name`; a name that fits no setting is refused."""
    known = {f"{PREFIX}{key.replace('.', '__')}".upper(): key for key, _ in keys_of(Settings)}
    for name in variables:
        upper = name.upper()
        if (
            upper.startswith(PREFIX)
            and upper != CONFIG_VARIABLE
            and upper not in known | dict.fromkeys(NOT_SETTINGS)
        ):
            raise FixConfig(
                "settings.unknown_key",
                remedy=f"{name} ({layer}) is no setting; `sereno config show` lists them all"
                + _nearest(upper, known),
                key=name,
            )
    return dict(_flatten(_GivenVariables(variables)()))


def _alias_layer(variables: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for alias in ALIASES:
        value = variables.get(alias.name)
        if value is None or not value.strip():
            continue
        converted = alias.convert(value)
        if converted is not None:
            found[_alias_key(alias.name, alias.key)] = converted
    return found


def _alias_key(name: str, key: str) -> str:
    """Keys of one venue wait under `?venue:` until the venue is known."""
    for prefix, venue in VENUE_ALIASES.items():
        if name.startswith(prefix):
            return f"?{venue}:{key}"
    return key


def _drop_foreign_keys(merged: dict[str, object], sources: dict[str, str]) -> None:
    """Settle `?venue:` keys: those of the chosen venue apply unless set by its own name."""
    venue = str(merged.get("venue.name", Settings.model_fields["venue"].default.name))
    for waiting in [key for key in merged if key.startswith("?")]:
        owner, _, key = waiting[1:].partition(":")
        value, source = merged.pop(waiting), sources.pop(waiting)
        if owner == venue and key not in merged:
            merged[key], sources[key] = value, source


def _nearest(name: str, known: Mapping[str, str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _validated(merged: Mapping[str, object], sources: Mapping[str, str]) -> Settings:
    tree: dict[str, Any] = {}
    for key, value in merged.items():
        node = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    try:
        return Settings.model_validate(tree)
    except ValidationError as cause:
        raise FixConfig("settings.invalid", remedy="; ".join(_say(cause, sources))) from cause


def _say(error: ValidationError, sources: Mapping[str, str]) -> Iterator[str]:
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        if not key:
            yield message
        elif fault["type"] == "extra_forbidden":
            known = {name: name for name, _ in keys_of(Settings)}
            layer = next(
                (where for name, where in sources.items() if f"{name}.".startswith(f"{key}.")), "settings"
            )
            yield f"{key} is no setting ({layer}): remove it{_nearest(key, known)}"
        else:
            shown = MASK if is_secret(key) else repr(fault["input"])
            yield f"{key} = {shown} ({sources.get(key, 'default')}): {message}"


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key of a settings model with its pydantic field."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys_of(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def is_secret(key: str) -> bool:
    """Whether a key's value must never be shown."""
    return any(name == key and field.annotation is SecretStr for name, field in keys_of(Settings))


def rows_of(loaded: Loaded) -> Iterator[tuple[str, str, str]]:
    """(key, value with secrets masked, where it came from) of all that is in force."""
    for key, _ in keys_of(Settings):
        value: Any = loaded.settings
        for part in key.split("."):
            value = getattr(value, part)
        if isinstance(value, SecretStr):
            text = MASK if value.get_secret_value() else ""
        elif isinstance(value, tuple):
            text = ",".join(str(item) for item in value)
        else:
            text = "" if value is None else str(value)
        yield key, text, loaded.sources.get(key, "default")
