"""Reading the settings: defaults, `sereno.toml`, old names, `.env`, environment, then the caller's own.

Later layers win. Each value remembers where it came from, for `sereno config show`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from sereno.core.errors import FixConfig
from sereno.core.fees import taker_fee_bps
from sereno.core.mode import Mode
from sereno.core.settings.keys import MASK, keys_of, shown
from sereno.core.settings.last_up import SOURCE, WORLD, LastUp, text_of
from sereno.core.settings.layers import (
    CONFIG_VARIABLE,
    Given,
    Layer,
    Variables,
    file_layer,
    nearest,
    own_layer,
)
from sereno.core.settings.model import Settings
from sereno.core.settings.old_names import MARK, Unused, old_layer, old_names, unused_names
from sereno.core.settings.paths import expanded

CONFIG_NAME = "sereno.toml"
COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings; for each dotted key where its value came from; and known names that are set in vain.

    last_up   the desk that is looked at since nothing names another
    missed    one that was asked for and cannot be told by what was kept of it
    """

    settings: Settings
    sources: Mapping[str, str]
    config_file: Path | None
    unused: tuple[Unused, ...] = ()
    last_up: LastUp | None = None
    missed: LastUp | None = None


def load(
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    config_file: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    follow: bool = False,
) -> Loaded:
    """Merge all layers and check them.

    overrides   dotted keys from the command line, strongest of all
    follow      take the desk of the last `sereno up` where no layer names another: what its command line said
                goes before file and environment, as it did there, and after `overrides`

    Raises FixConfig naming the key, the value and what to do.
    """
    env = os.environ if env is None else env
    cwd = Path.cwd() if cwd is None else cwd
    file = _find_config(env, cwd, config_file)
    places = _places(env, cwd)
    variables: Layer = {}
    for place in places:
        variables |= own_layer(place)
    told = {key: Given(value, COMMAND_LINE) for key, value in (overrides or {}).items()}
    merged, unused = _merged(_layer_of(file), variables | told, places)
    state_dir = _state_dir(merged)
    last = _last_up(merged, cwd / state_dir, overrides or {}) if follow else None
    if last is None:
        return _loaded(merged, unused, file)
    kept = {key: Given(value, SOURCE) for key, value in last.given.items()}
    try:
        theirs = _find_config(env, cwd, Path(last.config)) if last.config and config_file is None else file
        layers = _merged(_layer_of(theirs), variables | kept | told, places)
        followed = replace(_loaded(*layers, theirs), last_up=last)
    except FixConfig as cause:
        whose = f"this is the desk of the last `{last.words}`; --set mode=… looks at another"
        raise FixConfig(cause.event, remedy=f"{cause.remedy} ({whose})", **cause.fields) from cause
    world = LastUp.of(rows_of(followed), COMMAND_LINE).world
    if world == last.world and followed.settings.state_dir == state_dir:
        return followed
    return replace(_loaded(merged, unused, file), missed=last)


def _loaded(merged: Layer, unused: tuple[Unused, ...], config: Path | None) -> Loaded:
    settings = _validated(merged)
    sources = {key: given.source for key, given in merged.items()}
    return Loaded(settings, _of_the_venue(settings) | sources, config, unused)


def _layer_of(file: Path | None) -> Layer:
    return file_layer(file) if file else {}


def _state_dir(merged: Layer) -> Path:
    return expanded(Path(_word(merged, "state_dir", str(Settings.model_fields["state_dir"].default))))


def _last_up(merged: Layer, state_dir: Path, overrides: Mapping[str, object]) -> LastUp | None:
    """The desk to look at; None where the command names one, or where file or environment name another."""
    if set(overrides) & set(WORLD):
        return None
    last = LastUp.read(state_dir)
    named = {key: text_of(key, merged[key].value) for key in WORLD if key in merged}
    return last if last is not None and named.items() <= last.world.items() else None


def _places(env: Mapping[str, str], cwd: Path) -> tuple[Variables, ...]:
    """Where variables are, weakest first."""
    dotenv = cwd / ".env"
    read = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    return (Variables(str(dotenv.resolve()), read), Variables("environment", dict(env)))


def _merged(file: Layer, own: Layer, places: tuple[Variables, ...]) -> tuple[Layer, tuple[Unused, ...]]:
    """All layers as one, and the names that are set in vain."""
    found = old_names(places)
    venue_known = file | old_layer(found, own=own, venue="") | own
    venue = _word(venue_known, "venue.name", Settings.model_fields["venue"].default.name)
    old = old_layer(found, own=own, venue=venue)
    unused = [*unused_names(found, places, own=own, venue=venue)]
    mode = _word(file | old | own, "mode", Mode.SIM.value)
    if mode == Mode.SIM and (base_url := old.pop("venue.base_url", None)):
        unused.append(
            Unused(base_url.source.removesuffix(MARK), "in mode sim the built-in simulator is the venue")
        )
    return file | old | own, tuple(unused)


def _word(layer: Layer, key: str, default: str) -> str:
    return str(layer[key].value) if key in layer else default


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


def _validated(merged: Layer) -> Settings:
    tree: dict[str, Any] = {}
    for key, given in merged.items():
        node = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = given.value
    try:
        return Settings.model_validate(tree)
    except ValidationError as cause:
        raise FixConfig("settings.invalid", remedy="; ".join(_say(cause, merged))) from cause


def _say(error: ValidationError, merged: Layer) -> Iterator[str]:
    faults = error.errors()
    for fault in faults:
        inside = [other["loc"] for other in faults if other["loc"][:-1] == fault["loc"] != ()]
        if inside and fault["type"] == "too_short":
            continue  # what is left of a list without the items that are refused
        key = ".".join(str(part) for part in fault["loc"] if isinstance(part, str))
        message = fault["msg"].removeprefix("Value error, ")
        if not key:
            yield message
        elif fault["type"] == "extra_forbidden":
            known = {name: name for name, _ in keys_of(Settings)}
            where = next(
                (given.source for name, given in merged.items() if f"{name}.".startswith(f"{key}.")),
                "settings",
            )
            yield f"{key} is no setting ({where}): remove it{nearest(key, known)}"
        else:
            source = merged[key].source if key in merged else "default"
            yield f"{key} = {shown(key, fault['input'])} ({source}): {message}"


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
