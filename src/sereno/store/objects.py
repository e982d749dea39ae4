"""Named blobs that are replaced whole: a local folder or an S3-compatible bucket.

The contract that the lake builds on, and that one battery checks for every implementation:

    put     after it returns the new bytes survive a power cut; a kill in the middle leaves the old ones
    get     bytes of one moment, never half of a replacement
    stamp   comes with the bytes: equal stamps, equal bytes; None when only reading can tell
    lock    one holder of a name among threads and, on a local folder, among processes
    found   nothing else makes the place itself: one that vanished is not made again by a put

S3 has no lock across hosts: there one process at a time collects, which the job's lease sees to.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn, Protocol

from sereno.core.errors import FixConfig, SerenoError, StopTrading, TryLater
from sereno.core.files import DRAFT, DRAFTS, replace_file, sync

LOCK_WAIT_S = 30.0
_LOCK_POLL_S = 0.005
_SETTLED_NS = 100_000_000  # a file younger than this may change again within one tick of its time stamp


@dataclass(frozen=True, slots=True)
class Stamp:
    """Identity of a file's present content."""

    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of one object and, where the store can tell, their stamp."""

    data: bytes
    stamp: Stamp | None


class Objects(Protocol):
    """What the lake needs of a disk. Keys are relative POSIX paths."""

    @property
    def where(self) -> str:
        """Address for people."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What the place is called wherever one stands: as it was named, and what that leads to now."""
        ...

    def found(self) -> None:
        """Make the place, if it is not there."""
        ...

    def get(self, key: str) -> Stored | None:
        """The object, or None if there is none."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Create or replace, atomically and durably."""
        ...

    def move(self, source: str, target: str) -> None:
        """Rename; a missing source is no error (somebody else has moved it)."""
        ...

    def keys(self, prefix: str) -> tuple[str, ...]:
        """Sorted keys below the folder `prefix` ("" for all), without drafts and locks."""
        ...

    def sweep(self, prefix: str) -> None:
        """Remove what a killed writer left unfinished directly in `prefix`. Call it under its lock."""
        ...

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Hold `name` alone. Raises TryLater when another keeps it for LOCK_WAIT_S."""
        ...


class LocalObjects:
    """A folder. Replaces by draft, fsync, rename, fsync of the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: set[Path] = set()

    @property
    def where(self) -> str:
        return str(self._root)

    @property
    def names(self) -> tuple[str, ...]:
        """A link that is gone leads nowhere, so that the names before following it count too."""
        here = self._root.absolute()
        real = os.path.realpath  # unlike Path.resolve it bears a link to itself
        names = (here, real(here.parent) / Path(here.name), real(here))
        return tuple(dict.fromkeys(map(str, names)))

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or PurePosixPath(key).is_absolute() or ".." in parts:
            raise ValueError(f"{key!r} is no relative path inside the store")
        return self._root.joinpath(*parts)

    def found(self) -> None:
        self._make(self._root)

    def get(self, key: str) -> Stored | None:
        try:
            with self._path(key).open("rb") as file:
                stamp = _settled(os.fstat(file.fileno()))
                return Stored(file.read(), stamp)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as cause:
            _translate(cause, key)

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        try:
            self._make_folder(path.parent)
            replace_file(path, data, durable=True)
        except OSError as cause:
            _translate(cause, key)

    def move(self, source: str, target: str) -> None:
        there = self._path(target)
        try:
            self._make_folder(there.parent)
            self._path(source).replace(there)
            sync(there.parent)
            sync(self._path(source).parent)
        except FileNotFoundError:
            return
        except OSError as cause:
            _translate(cause, source)

    def keys(self, prefix: str) -> tuple[str, ...]:
        folder = self._path(prefix) if prefix else self._root
        found = (path for path in folder.rglob("*") if path.is_file())
        names = (path.relative_to(self._root).as_posix() for path in found)
        return tuple(sorted(name for name in names if not name.endswith((DRAFT, ".lock"))))

    def sweep(self, prefix: str) -> None:
        for draft in self._path(prefix).glob(DRAFTS):
            draft.unlink(missing_ok=True)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        path = self._path(f"{name}.lock")
        self._make_folder(path.parent)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as cause:
            _translate(cause, name)
        try:
            _wait_for_lock(handle, name)
            yield
        finally:
            os.close(handle)

    def _make_folder(self, folder: Path) -> None:
        """Make `folder` so that its own name survives a power cut too."""
        if folder in self._known and folder.is_dir():
            return
        if not self._root.is_dir():
            raise FixConfig("lake.gone", remedy="mount its disk, or move its folder back", where=self.where)
        self._make(folder)
        self._known.add(folder)

    @staticmethod
    def _make(folder: Path) -> None:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in missing:
                sync(path.parent)
        except OSError as cause:
            _translate(cause, folder.name)


def _settled(stat: os.stat_result) -> Stamp | None:
    """The stamp, once the file is old enough that any later change must show in it."""
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) < _SETTLED_NS:
        return None
    return Stamp(stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _wait_for_lock(handle: int, name: str) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as cause:
            if time.monotonic() > deadline:
                raise TryLater("lake.locked", remedy="another process is writing", name=name) from cause
            time.sleep(_LOCK_POLL_S)


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def _translate(cause: OSError, key: str) -> NoReturn:
    """Raise our own error for an OSError of the disk."""
    raise _ours(cause, key) from cause


def _ours(cause: OSError, key: str) -> SerenoError:
    if cause.errno in _FULL:
        return StopTrading("lake.disk_full", remedy="free some space: nothing stored was harmed", key=key)
    if cause.errno in _FORBIDDEN:
        path = cause.filename or key
        return FixConfig("lake.forbidden", remedy="let this user read and write the lake's folder", path=path)
    return StopTrading("lake.disk", remedy="the disk under the lake fails", key=key, fault=str(cause))
