"""How a door replaces a file: readers see the old one or the new one whole, and a failed writer leaves no rest.

Every room writes its small files through here, so that the order of the steps (write, make durable, rename)
stands in one place.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRAFT = ".draft"  # how a draft's name ends
DRAFTS = f"*{DRAFT}"
JsonObject = dict[str, object]


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A draft beside `path` to write into; it takes the place of `path` when the block ends well.

    durable   the new content and its name survive a power cut once the block is left

    The folder is made if it is missing. Raises OSError as the disk does; `path` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{DRAFT}")
    try:
        yield draft
        if durable:
            sync(draft)
        draft.replace(path)
        if durable:
            sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def replace_file(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Make `content` (text as UTF-8) what `path` holds; see `replacing`."""
    with replacing(path, durable=durable) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


def replace_json(path: Path, value: JsonObject) -> None:
    """Make `value`, indented for people, what `path` holds, durably.

    Raises ValueError for NaN and infinity, which JSON has no word for.
    """
    replace_file(path, json.dumps(value, indent=2, allow_nan=False) + "\n", durable=True)


def sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
