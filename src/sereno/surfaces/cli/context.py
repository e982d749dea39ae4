"""What all commands share: options that override settings, and how errors are told."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sereno.core.errors import FixConfig, SerenoError

if TYPE_CHECKING:
    from sereno.core.settings import LastUp, Loaded, Settings

CRASH_LOG = "sereno-crash-"
_config: Path | None = None
_overrides: dict[str, str] = {}
_follow = False
_followed: dict[str, str] = {}
_followed_config = ""
_told = False


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


def remember(config: Path | None, pairs: list[str], *, follow: bool = False) -> None:
    """Keep the shared options. Raises FixConfig if a pair is not KEY=VALUE, or if its key is secret.

    follow   look at the desk of the last `sereno up` unless something names another
    """
    global _config, _follow, _followed_config, _told  # one command line a process
    _config, _follow, _followed_config, _told = config, follow, "", False
    _overrides.clear()
    _followed.clear()
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise FixConfig("cli.not_a_pair", remedy="write --set KEY=VALUE", given=pair)
        _refuse_secret(key.strip())
        _overrides[key.strip()] = value


def _refuse_secret(key: str) -> None:
    """Whoever may list processes reads a command line."""
    from sereno.core.settings import is_secret

    if is_secret(key):
        variable = f"SERENO_{key.replace('.', '__').upper()}"
        kept = f"{key}_sha256" if key == "api.token" else key
        raise FixConfig(
            "cli.secret",
            remedy=f"a command line is seen by others: set {variable}, or {kept} in sereno.toml",
            key=key,
        )


def override(values: Mapping[str, object]) -> None:
    """Add overrides of a command's own options; empty ones are left out."""
    _overrides.update({key: str(value) for key, value in values.items() if value not in (None, "")})


def loaded() -> Loaded:
    """The settings in force; whose desk they are is told once, where the command line does not say it.

    A child of a desk never follows another one: what it prints goes to that desk's log.
    """
    from sereno.core.settings import load
    from sereno.ops.log_file import output_is_log

    found = load(config_file=_config, overrides=_overrides, follow=_follow and not output_is_log())
    _tell_last_up(found)
    return found


def _tell_last_up(found: Loaded) -> None:
    global _told, _followed_config
    from sereno.core.settings.last_up import SOURCE

    last = found.last_up
    if last is not None:
        _followed.update(
            {key: value for key, value in last.given.items() if found.sources.get(key) == SOURCE}
        )
        _followed_config = last.config
    if _told or (last is None and found.missed is None):
        return
    _told = True
    if last is not None:
        sys.stderr.write(
            f"sereno: looking at the desk of `{last.words}` (mode {found.settings.mode}); --set mode=… for another\n"
        )
    elif found.missed is not None:
        sys.stderr.write(
            f"sereno: not looking at the desk of `{found.missed.words}`, whose environment or file is not in force here\n"
        )


def last_up(found: Loaded) -> LastUp:
    """What `sereno up` keeps of this command line."""
    from sereno.core.settings import COMMAND_LINE, LastUp, rows_of

    return LastUp.of(rows_of(found), COMMAND_LINE, _config)


def to_work() -> Settings:
    """The settings in force, once this user is known to be able to write where they keep the state."""
    return _ready(reading=False)


def to_read() -> Settings:
    """The same for who only looks: a state that may only be read will do."""
    return _ready(reading=True)


def _ready(*, reading: bool) -> Settings:
    from sereno.ops.state_dir import ready_state

    settings = loaded().settings
    ready_state(settings.paths, reading=reading)
    return settings


def options() -> tuple[str, ...]:
    """Words that give a child process the same settings."""
    file = _config or _followed_config
    config = ("--config", str(file)) if file else ()
    given = _followed | _overrides
    return (*config, *(word for key, value in given.items() for word in ("--set", f"{key}={value}")))


def say_error(error: SerenoError) -> NoReturn:
    """One line with the remedy, and the exit code that names what to do."""
    from sereno.ops.guard import exit_code_of

    fields = {name: str(value) for name, value in error.fields.items()}
    complain(str(error), error.event, error=str(error), remedy=error.remedy, fields=fields)
    sys.exit(exit_code_of(error))


def complain(line: str, event: str, **fields: object) -> None:
    """A line on standard error; an event where that is a log of the desk, so that all its lines are JSON."""
    from sereno.ops.log_file import output_is_log

    if not output_is_log():
        sys.stderr.write(f"sereno: {line}\n")
        return
    import structlog

    if not structlog.is_configured():
        from sereno.core.settings import LogSettings
        from sereno.ops.logs import Redactor, configure_logs

        configure_logs(LogSettings(), Redactor(()))
    structlog.get_logger("sereno.cli").error(event, **fields)


def say_crash(error: Exception) -> NoReturn:
    """One line for people; the traceback goes to a file of the desk's logs."""
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" at {Path(one.filename).name}:{one.lineno}" for one in frame)
    try:
        story, kept = _keep_story(error)
        where = f"; details in {kept}"
    except Exception as cause:  # noqa: BLE001 - settings or disk may be what broke: then the line must do
        story = type(error).__name__
        where += f" (no log was kept: {type(cause).__name__})"
    complain(f"unexpected {story}{where}", "crash", error=f"{story}{where}")
    sys.exit(1)


def _keep_story(error: Exception) -> tuple[str, Path]:
    """The error in one line and the file with its traceback, which only its owner may read.

    Secrets are masked in both; that is why there is neither without settings.
    """
    import tempfile

    from sereno.ops.logs import Redactor

    settings = loaded().settings
    redactor = Redactor.of(settings)
    logs = settings.paths.logs
    logs.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=CRASH_LOG, suffix=".log", dir=logs)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(redactor.text("".join(traceback.format_exception(error))))
    return redactor.text(f"{type(error).__name__}: {error}"), Path(name)
