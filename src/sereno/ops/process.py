"""Who a process is, so that another one can tell whether it still lives."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1


def _started_s(pid: int) -> int | None:
    """Start of a process in whole seconds since 1970; None if it is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return int(process.create_time())
    except psutil.NoSuchProcess:
        return None


def holder_name(pid: int | None = None) -> str:
    """`host:pid:start`: unique even when the number is used again."""
    number = os.getpid() if pid is None else pid
    return f"{socket.gethostname()}:{number}:{_started_s(number) or 0}"


def is_dead(holder: str) -> bool:
    """Whether a holder is certainly gone. One on another host cannot be judged from here."""
    host, _, rest = holder.partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not (pid.isdigit() and started.isdigit()):
        return False
    seen = _started_s(int(pid))
    return seen is None or abs(seen - int(started)) > 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
