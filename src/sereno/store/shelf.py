"""Folders that appear whole or not at all: written beside their place, made durable, renamed into it."""

from __future__ import annotations

import fcntl
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sereno.core.errors import StopTrading
from sereno.core.files import DRAFT, DRAFTS, sync

_LOCK = ".lock"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """One writer at a time below `folder`; what killed writers left half done is swept away.

    The lock is the kernel's, so it dies with its process. Raises StopTrading when the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in folder.glob(DRAFTS):
                _discard(left)
            yield
    except OSError as cause:
        raise StopTrading(
            "registry.not_writable",
            remedy="check the room on the disk and the owner of the folder",
            path=folder,
            cause=str(cause),
        ) from cause


def place(target: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder `target` with these files, read-only, in one step. Call it while `writing`."""
    draft = _draft_beside(target)
    draft.mkdir()
    try:
        for name, raw in files.items():
            (draft / name).write_bytes(raw)
            sync(draft / name)
            (draft / name).chmod(0o444)
        sync(draft)
        draft.rename(target)
        sync(target.parent)
    except BaseException:
        _discard(draft)
        raise


def put_aside(target: Path) -> None:
    """Keep a damaged folder out of the way, for people to look at. Call it while `writing`."""
    target.rename(target.with_name(f"damaged-{target.name}-{secrets.token_hex(3)}"))


def remove(target: Path) -> None:
    """Take a folder away: it vanishes in one step, its files then go. Call it while `writing`."""
    draft = _draft_beside(target)
    target.rename(draft)
    _discard(draft)


def _draft_beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(6)}{DRAFT}")


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
