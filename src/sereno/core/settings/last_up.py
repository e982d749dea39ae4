"""Which desk the last `sereno up` of a state directory brought up, so that commands of people look at the same one.

Everything that its command line said is kept, but where the note lies itself and what is secret.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from sereno.core.errors import FixConfig
from sereno.core.files import replace_json
from sereno.core.settings.keys import is_secret, keys_of
from sereno.core.settings.model import Settings
from sereno.core.settings.paths import expanded

NAME = "last_up.json"
SOURCE = "last up"
CANDLES = "sim.candles_dir"
LAKE = "lake.url"
WORLD = ("mode", "venue.name", "venue.market", CANDLES, "sim.seed", "sim.edge")
"""Whoever names one of these names a desk."""
OPTIONS = {"mode": "--mode", "venue.name": "--venue", CANDLES: "--candles"}


@dataclass(frozen=True, slots=True)
class LastUp:
    """What was given on the command line, by key; and `WORLD` as it was in force, whoever had set it.

    config   absolute path of the file of `--config`; empty: none was given
    """

    given: Mapping[str, str]
    world: Mapping[str, str]
    config: str = ""

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str]], command_line: str, config: Path | None = None) -> Self:
        """From the rows of the settings in force; `command_line` is the source to look for."""
        told = [(key, text_of(key, value), source) for key, value, source in rows]
        return cls(
            {key: value for key, value, source in told if source == command_line and _is_kept(key)},
            {key: value for key, value, _ in told if key in WORLD},
            "" if config is None else str(config.absolute()),
        )

    @classmethod
    def read(cls, state_dir: Path) -> Self | None:
        """The one of a state directory; None where none was told, or nothing can be read.

        Raises FixConfig for a damaged one.
        """
        path = state_dir / NAME
        try:
            told = json.loads(path.read_text())
            given, world, config = dict(told["given"]), dict(told["world"]), str(told.get("config", ""))
        except OSError:  # whoever opens the state tells what is wrong with it
            return None
        except (ValueError, TypeError, KeyError) as cause:
            raise FixConfig(
                "settings.last_up", remedy=f"remove {path}; the next `sereno up` writes it", path=path
            ) from cause
        known = {key for key, _ in keys_of(Settings)}
        if set(world) != set(WORLD) or not all(key in known and _is_kept(key) for key in given):
            return None  # another release's
        return cls(given, world, config)

    def keep(self, state_dir: Path) -> None:
        """Let later commands find it. An `up` without options is what they look at anyway."""
        if self.given or self.config:
            replace_json(state_dir / NAME, asdict(self))
        else:
            (state_dir / NAME).unlink(missing_ok=True)

    @property
    def words(self) -> str:
        """The command, as a person would write it."""
        config = (f"--config {shlex.quote(self.config)}",) if self.config else ()
        options = (
            f"{OPTIONS[key]} {shlex.quote(value)}"
            if key in OPTIONS
            else f"--set {shlex.quote(f'{key}={value}')}"
            for key, value in self.given.items()
        )
        return " ".join(("sereno up", *config, *options))


def text_of(key: str, value: object) -> str:
    """A value in the form in which it is kept: a folder by its whole path, since people change theirs."""
    text = str(value)
    if key == CANDLES and value:
        return str(Path(text).resolve())
    if key == LAKE and text and "://" not in text:
        return str(expanded(Path(text)).absolute())
    return text


def _is_kept(key: str) -> bool:
    return key != "state_dir" and not is_secret(key)
