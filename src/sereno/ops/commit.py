"""Which code made a signal or a model: the commit, and what was changed on top of it."""

from __future__ import annotations

import os
import subprocess
from hashlib import sha256
from pathlib import Path

import sereno

COMMIT_VARIABLE = "SERENO_COMMIT"
GIT_TIMEOUT_S = 10.0


def code_version(package: Path | None = None) -> str:
    """`SERENO_COMMIT` if set; else the commit of the package's own checkout; else a digest of its sources.

    package  folder of the package; None: the one that runs

    A checkout with changed sources answers `<commit>+<digest>`, an installed package `source-<digest>`:
    two different codes never share a name. A repository that merely encloses the environment is not asked.
    """
    given = os.environ.get(COMMIT_VARIABLE, "")
    if given:
        return given
    folder = Path(sereno.__file__).resolve().parent if package is None else package
    root = folder.parent.parent
    commit = _git(root, "rev-parse", "--short=12", "HEAD") if (root / ".git").exists() else None
    if not commit:
        return f"source-{_digest(folder)}"
    changed = _git(root, "status", "--porcelain", "--", str(folder))
    return commit if changed == "" else f"{commit}+{_digest(folder)[:8]}"


def _digest(folder: Path) -> str:
    """12 hex digits over every source file's name and bytes."""
    found = sha256()
    for path in sorted(folder.rglob("*.py")):
        body = path.read_bytes()
        found.update(f"{path.relative_to(folder).as_posix()} {len(body)}\n".encode())
        found.update(body)
    return found.hexdigest()[:12]


def _git(root: Path, *words: str) -> str | None:
    """What git says, or None when it cannot be asked."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", str(root), *words],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
