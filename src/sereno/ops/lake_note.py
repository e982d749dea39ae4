"""The note of where the lake lay when it was last open, by which one that is gone is not begun anew."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from sereno.core.errors import FixConfig
from sereno.core.files import replace_file

_log = structlog.get_logger("sereno.lake")


@dataclass(frozen=True, slots=True)
class LakeNote:
    """One name of the place a line."""

    path: Path

    def read(self) -> tuple[str, ...] | None:
        """The names; none of a desk that never had a lake, None when nobody can tell any more."""
        try:
            names = tuple(self.path.read_text().splitlines())
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as cause:
            _log.warning("lake.note_unreadable", path=str(self.path), fault=str(cause))
            return None
        if not names:
            _log.warning("lake.note_unreadable", path=str(self.path), fault="it is empty")
            return None
        return names

    def keep(self, names: tuple[str, ...]) -> None:
        """Write the names down."""
        with suppress(OSError):  # a full disk the lake itself will tell
            replace_file(self.path, "\n".join(names), durable=True)

    def unreadable(self, cause: FixConfig) -> FixConfig:
        """What to say when the lake does not open and the note cannot tell whether it is new."""
        return FixConfig(
            "lake.note_unreadable",
            remedy="it says where the lake lay, and no lake opens now: bring the lake back, or, to begin a new "
            "one, move this file away (docs/howto/lost-lake.md)",
            path=self.path,
            cause=str(cause),
        )
