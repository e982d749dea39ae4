"""A hook that ends a job by SIGKILL at a chosen moment, or counts the moments that there are.

A moment is when a process is about to do what another run will find: rename or remove a file of the desk,
or commit. A job has two processes (the runner `keeps` lease and record, its child `works`); a daemon has the first alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

HOOK = '''
"""sitecustomize of every process of the desk."""
import os, signal, sys

words = sys.orig_argv
job = words[words.index("run") + 1] if "run" in words else ""
started, counted, target = os.getpid(), [0], os.environ["DEADLY_AT"]
roles = [""]

def tick(*_):
    role = "keeps" if os.getpid() == started else "works"
    if roles[0] != role:
        roles[0], counted[0] = role, 0
    counted[0] += 1
    if target == "":
        handle = os.open(os.environ["DEADLY_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, f"{job} {role}\\n".encode())
        os.close(handle)
    elif target == f"{job} {role} {counted[0]}":
        os.kill(started, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

def seen(event, arguments):
    if event in ("os.rename", "os.remove") and str(arguments[0]).startswith(os.environ["DEADLY_STATE"]):
        tick()

if job:
    from sqlalchemy import Engine, event
    sys.addaudithook(seen)
    event.listen(Engine, "commit", tick)
'''


def environment(folder: Path, at: str = "") -> Mapping[str, str]:
    """Of a process that dies at `JOB ROLE NUMBER`, or only counts."""
    hook = folder / "hook"
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SERENO_")}
    return {
        **kept,
        "PYTHONPATH": str(hook),
        "DEADLY_AT": at,
        "DEADLY_LOG": str(folder / "moments"),
        "DEADLY_STATE": str(folder / "state"),
    }


def counted(folder: Path) -> Counter[tuple[str, str]]:
    """(job, role) → moments seen so far."""
    lines = (folder / "moments").read_text().splitlines()
    return Counter((job, role) for job, role in (line.split() for line in lines))
