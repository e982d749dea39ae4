"""A log file of bounded size that several processes may append to, with what they print besides."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

LOG_VARIABLE = "SERENO_LOG_FILE"
"""Names the file that a child's standard output and error were opened on."""


class RotatingFile:
    """Appends to `path`; once that holds `most_bytes`, whoever notices puts it aside as `<path>.1`.

    kept   how many are kept aside: `.1` is the newest
    fds    what is to lead to the file; none: one of its own is opened

    Others that append notice at their next line that the file was put aside, and follow. So the files
    hold `(kept + 1) * most_bytes` and one line of each writer at most.
    """

    def __init__(self, path: Path, *, most_bytes: int, kept: int, fds: tuple[int, ...] = ()) -> None:
        self.path = path
        self.most_bytes = most_bytes
        self.kept = kept
        self._inherited = bool(fds)
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fds = fds or (_open(path),)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, text: str) -> int:
        """Append."""
        left = memoryview(text.encode(errors="backslashreplace"))
        with self._lock:
            self._turn()
            while left:
                left = left[os.write(self._fds[0], left) :]
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def turn(self) -> None:
        """Put the file aside if it is full, and follow others who did: for output that passes us by."""
        with self._lock:
            self._turn()

    def close(self) -> None:
        """Let go of a descriptor of our own; a later line raises, since the number may be another file's."""
        with self._lock:
            if not self._inherited and self._fds:
                os.close(self._fds[0])
                self._fds = ()

    def _turn(self) -> None:
        if not self._fds:
            raise ValueError(f"{self.path} is closed")
        if not _leads_to(self._fds[0], self.path):
            self._reopen()
        if os.fstat(self._fds[0]).st_size >= self.most_bytes:
            self._put_aside()
            self._reopen()

    def _put_aside(self) -> None:
        """Unless another process does it now, or has just done it.

        The lock is taken through a descriptor of its own: inherited ones share one lock.
        """
        mine = _open(self.path)
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _leads_to(mine, self.path) and os.fstat(mine).st_size >= self.most_bytes:
                self._rename()
        except BlockingIOError:
            return
        finally:
            os.close(mine)

    def _rename(self) -> None:
        for number in range(self.kept - 1, 0, -1):
            older = aside(self.path, number)
            if older.exists():
                older.replace(aside(self.path, number + 1))
        self.path.replace(aside(self.path, 1))

    def _reopen(self) -> None:
        fresh = _open(self.path)
        for fd in self._fds:
            os.dup2(fresh, fd, inheritable=self._inherited)
        os.close(fresh)


def aside(path: Path, number: int) -> Path:
    """The name of a log that was put aside."""
    return path.with_name(f"{path.name}.{number}")


def own_output(*, most_bytes: int, kept: int) -> RotatingFile | None:
    """Standard output and error as a rotating file, where whoever started this process opened them on one."""
    path = _log_of_output()
    return None if path is None else RotatingFile(path, most_bytes=most_bytes, kept=kept, fds=(2, 1))


def output_is_log() -> bool:
    """Whether what this process prints goes to a log of the desk, which nobody but a program reads as it comes."""
    return _log_of_output() is not None


def _log_of_output() -> Path | None:
    """Where standard error leads: a log or one put aside since. The variable alone proves nothing."""
    told = os.environ.get(LOG_VARIABLE)
    if not told:
        return None
    path = Path(told)
    places = (path, *path.parent.glob(f"{path.name}.*"))
    return path if any(_leads_to(2, place) for place in places) else None


def _leads_to(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
