"""Structured logs: one JSON object a line, on standard error or in a file of bounded size. No secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, SecretStr

from sereno.core.settings import LogSettings, Settings
from sereno.ops.log_file import RotatingFile, own_output

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

MASK = "********"
QUIET = ("apscheduler", "alembic", "uvicorn.access", "asyncio", "matplotlib", "numba")


class Redactor:
    """Replaces the values of secret settings wherever they turn up in a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True))

    @classmethod
    def of(cls, settings: Settings) -> Redactor:
        """Knows every secret of the settings, and the password inside a database URL."""
        return cls(_secrets_of(settings))

    def text(self, text: str) -> str:
        """The text with each secret masked."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return {key: self.cleaned(value) for key, value in event.items()}

    def cleaned(self, value: object) -> object:
        """The value with each secret masked in every text within; what JSON has no word for as text."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {key: self.cleaned(item) for key, item in value.items()}
            case list() | tuple():
                return [self.cleaned(item) for item in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self.text(str(value))


def _secrets_of(section: BaseModel) -> Iterable[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            yield secret
            _, _, rest = secret.partition("://")
            userinfo, at, _ = rest.rpartition("@")
            if at and ":" in userinfo:
                yield userinfo.partition(":")[2]
        elif isinstance(value, BaseModel):
            yield from _secrets_of(value)


class Sink(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class CountingHandler(logging.StreamHandler[Sink]):
    """Counts lines that could not be written: a full disk must not flood a console with tracebacks."""

    lost = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - the library names it
        """One line less."""
        self.lost += 1


def lines_lost() -> int:
    """Lines of this process that its log could not take."""
    return sum(
        handler.lost for handler in logging.getLogger().handlers if isinstance(handler, CountingHandler)
    )


def configure_logs(settings: LogSettings, redactor: Redactor, *, stream: Sink | None = None) -> None:
    """Send structlog and the standard library's logging the same way.

    stream   none: standard error, which a child of the desk keeps small
    """
    import structlog

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        redactor,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(default=str)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    own = own_output(most_bytes=settings.file_bytes, kept=settings.files_kept)
    logging.raiseExceptions = False
    handler = CountingHandler(stream or own or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def log_file(settings: LogSettings, path: Path) -> RotatingFile:
    """A log of bounded size for a process whose standard error belongs to a person."""
    return RotatingFile(path, most_bytes=settings.file_bytes, kept=settings.files_kept)


def bound_output() -> None:
    """Look after the size of our log although nothing was logged: output may pass the logs by."""
    for handler in logging.getLogger().handlers:
        stream = getattr(handler, "stream", None)
        if isinstance(stream, RotatingFile):
            stream.turn()
