"""What all commands share: options that override settings, and how errors are told."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sereno.core.errors import FixConfig, SerenoError

if TYPE_CHECKING:
    from sereno.core.settings import Loaded

CRASH_LOG = "sereno-crash.log"
_config: Path | None = None
_overrides: dict[str, str] = {}


def hoist(words: list[str]) -> list[str]:
    """Move `--set` and `--config` to the front, so that they may stand anywhere."""
    front: list[str] = []
    rest: list[str] = []
    queue = iter(words)
    for word in queue:
        if word == "--":
            rest += [word, *queue]
        elif word in ("--set", "--config"):
            front += [word, *(next(queue, ""),)]
        elif word.startswith(("--set=", "--config=")):
            front.append(word)
        else:
            rest.append(word)
    return [*front, *rest]


def remember(config: Path | None, pairs: list[str]) -> None:
    """Keep the shared options. Raises FixConfig if a pair is not KEY=VALUE."""
    global _config  # one command line a process
    _config = config
    _overrides.clear()
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise FixConfig("cli.not_a_pair", remedy="write --set KEY=VALUE", given=pair)
        _overrides[key.strip()] = value


def override(values: Mapping[str, object]) -> None:
    """Add overrides of a command's own options; empty ones are left out."""
    _overrides.update({key: str(value) for key, value in values.items() if value not in (None, "")})


def loaded() -> Loaded:
    """The settings in force."""
    from sereno.core.settings import load

    return load(config_file=_config, overrides=_overrides)


def options() -> tuple[str, ...]:
    """Words that give a child process the same settings."""
    config = ("--config", str(_config)) if _config else ()
    return (*config, *(word for key, value in _overrides.items() for word in ("--set", f"{key}={value}")))


def say_error(error: SerenoError) -> NoReturn:
    """One line with the remedy, and the exit code that names what to do."""
    from sereno.ops.guard import exit_code_of

    sys.stderr.write(f"sereno: {error}\n")
    sys.exit(exit_code_of(error))


def say_crash(error: Exception) -> NoReturn:
    """One line for people; the traceback goes to a file."""
    import tempfile

    folder = Path("state") if Path("state").is_dir() else Path(tempfile.gettempdir())
    log = folder / CRASH_LOG
    story = "".join(traceback.format_exception(error))
    where = f"; details in {log}"
    try:
        log.write_text(story)
    except OSError:
        where = ""
    sys.stderr.write(f"sereno: unexpected {type(error).__name__}: {error}{where}\n")
    sys.exit(1)
