"""Which desk the last `sereno up` of a state directory brought up, so that commands of people look at the same one.

Only what its command line said is kept, and only of settings that tell one desk from another: none is secret.
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

NAME = "last_up.json"
SOURCE = "last up"
CANDLES = "sim.candles_dir"
WORLD = ("mode", "venue.name", "venue.market", CANDLES, "sim.seed", "sim.edge")
"""Whoever names one of these names a desk."""
KEPT = (*WORLD, "venue.instruments", "candles.timeframes", "candles.beside")
OPTIONS = {"mode": "--mode", "venue.name": "--venue", CANDLES: "--candles"}


@dataclass(frozen=True, slots=True)
class LastUp:
    """What was given on the command line, by key; and `WORLD` as it was in force, whoever had set it."""

    given: Mapping[str, str]
    world: Mapping[str, str]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str]], command_line: str) -> Self:
        """From the rows of the settings in force; `command_line` is the source to look for."""
        told = [(key, text_of(key, value), source) for key, value, source in rows if key in KEPT]
        return cls(
            {key: value for key, value, source in told if source == command_line},
            {key: value for key, value, _ in told if key in WORLD},
        )

    @classmethod
    def read(cls, state_dir: Path) -> Self | None:
        """The one of a state directory; None where none was told, or nothing can be read.

        Raises FixConfig for a damaged one.
        """
        path = state_dir / NAME
        try:
            told = json.loads(path.read_text())
            given, world = dict(told["given"]), dict(told["world"])
        except OSError:  # whoever opens the state tells what is wrong with it
            return None
        except (ValueError, TypeError, KeyError) as cause:
            raise FixConfig(
                "settings.last_up", remedy=f"remove {path}; the next `sereno up` writes it", path=path
            ) from cause
        if set(world) != set(WORLD) or not set(given) <= set(KEPT):
            return None  # another release's
        return cls(given, world)

    def keep(self, state_dir: Path) -> None:
        """Let later commands find it. An `up` without options is what they look at anyway."""
        if self.given:
            replace_json(state_dir / NAME, asdict(self))
        else:
            (state_dir / NAME).unlink(missing_ok=True)

    @property
    def words(self) -> str:
        """The command, as a person would write it."""
        options = (
            f"{OPTIONS[key]} {shlex.quote(value)}"
            if key in OPTIONS
            else f"--set {shlex.quote(f'{key}={value}')}"
            for key, value in self.given.items()
        )
        return " ".join(("sereno up", *options))


def text_of(key: str, value: object) -> str:
    """A value in the form in which it is kept: a folder by its whole path, since people change theirs."""
    return str(Path(str(value)).resolve()) if key == CANDLES and value else str(value)
