"""Who a process is, so that another one can tell whether it still lives.

A holder is named `host:boot:pid:start`. None of its parts follows the wall clock, which may be set back.
The host is `name~machine~namespace`: a number of a process says something only where it was given.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MACHINE_ID = Path("/etc/machine-id")
PID_NAMESPACE = Path("/proc/self/ns/pid")
FIRST_PROCESS = Path("/proc/1/stat")
UNKNOWN = "-"
KILL_S = 5.0
_ENDED = ("Z", "X", "x")


def load_signal_takers() -> None:
    """Load what puts a handler of its own over ours for SIGINT; called before handlers are installed.

    Polars does so when it is first imported: Ctrl-C would raise KeyboardInterrupt in the midst of a job.
    """
    import polars  # noqa: F401


def holder_name(pid: int | None = None) -> str:
    """`host:boot:pid:start`: unique even when the number is used again, or the machine restarts."""
    number = os.getpid() if pid is None else pid
    return f"{_host()}~{_namespace()}:{_boot()}:{number}:{_start_of(number) or 0}"


class Life(StrEnum):
    """What can be said of a holder from here."""

    LIVES = "lives"
    GONE = "gone"
    UNKNOWN = "unknown"


def life_of(holder: str) -> Life:
    """Whether a holder lives. One on another host, in another namespace or told in other words cannot be judged.

    That the machine has been restarted counts only when its id says that it is the same machine. A
    release that did not name the namespace may have named a process of another one, which is not seen here.
    """
    host, *rest = holder.split(":")
    here = _host()
    if len(rest) != 3 or not (rest[1].isdigit() and rest[2].isdigit()):
        return Life.UNKNOWN
    if host not in (here, f"{here}~{_namespace()}"):
        return Life.UNKNOWN
    boot, pid, start = rest
    if boot != _boot():
        same_machine = UNKNOWN not in (boot, _boot()) and not here.endswith(f"~{UNKNOWN}")
        return Life.GONE if same_machine else Life.UNKNOWN
    if _start_of(int(pid)) == start:
        return Life.LIVES
    return Life.GONE if host != here and _sees_others() else Life.UNKNOWN


def is_dead(holder: str) -> bool:
    """Whether a holder is certainly gone."""
    return life_of(holder) is Life.GONE


def _host() -> str:
    """`name~machine`: two machines may bear one name, copies of a container above all."""
    machine = _read(MACHINE_ID)
    return f"{socket.gethostname()}~{sha256(machine.encode()).hexdigest()[:8] if machine else UNKNOWN}"


def _namespace() -> str:
    """In which numbers of processes are given: containers on one machine share all but this."""
    try:
        return PID_NAMESPACE.readlink().name.strip("pid:[]")
    except OSError:
        return UNKNOWN


def _sees_others() -> bool:
    """Whether a process that is not seen has ended; other users' may be hidden (`hidepid`, `ProtectProc`)."""
    return _boot() == UNKNOWN or bool(_read(FIRST_PROCESS))


def _boot() -> str:
    return _read(BOOT_ID)[:8] or UNKNOWN


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _start_of(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None if it is gone, hidden or a zombie."""
    if _boot() == UNKNOWN:
        return _start_elsewhere(pid)
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    state, *fields = told.rpartition(")")[2].split()
    return None if state in _ENDED else fields[18]


def _start_elsewhere(pid: int) -> str | None:
    """The same where there is no /proc, in whole seconds since 1970."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return str(int(process.create_time()))
    except psutil.NoSuchProcess:
        return None


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Ask the kernel to make this process the parent of what its children leave behind, and so to be found."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)


def processes_below() -> frozenset[int]:
    """Every process that this one started, or that they did."""
    import psutil

    return frozenset(process.pid for process in psutil.Process().children(recursive=True))


def kill_below(kept: frozenset[int]) -> None:
    """Kill every process below this one, whatever group or session it has put itself into, but those in `kept`."""
    import psutil

    while left := [one for one in psutil.Process().children(recursive=True) if one.pid not in kept]:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _, living = psutil.wait_procs(left, timeout=KILL_S)
        if living:
            return
