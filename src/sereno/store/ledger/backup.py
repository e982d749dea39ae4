"""A copy of an SQLite ledger while others use it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sereno.core.errors import TryLater
from sereno.core.files import replacing
from sereno.store.ledger.door import Ledger, sqlite_error


def copy_to(ledger: Ledger, path: Path) -> None:
    """Write a whole copy, as one moment saw it. Raises TryLater when the disk does not take it."""
    try:
        with (
            replacing(path, durable=True) as draft,
            closing(sqlite3.connect(str(ledger.engine.url.database))) as source,
            closing(sqlite3.connect(draft)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as cause:
        raise sqlite_error(cause) from cause
    except OSError as cause:
        raise TryLater("ledger.not_copied", remedy="free some room below state_dir", cause=cause) from cause
