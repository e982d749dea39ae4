"""Which version serves: one small file, replaced in one step."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sereno.core.errors import SkipThis
from sereno.store import shelf
from sereno.store.artefact import is_version

CURRENT = "current"
_REMEMBERED = 50


@dataclass(frozen=True, slots=True)
class Pointer:
    """The version that serves, and those that served before it, the latest last."""

    version: str | None = None
    history: tuple[str, ...] = ()

    def moved_to(self, version: str) -> Pointer:
        """The pointer after `version` took over."""
        if version == self.version:
            return self
        before = self.history if self.version is None else (*self.history, self.version)
        return Pointer(version, before[-_REMEMBERED:])


def read_pointer(folder: Path, *, mend: bool = False) -> Pointer:
    """The pointer of a series; an empty one when nothing ever served, or to `mend` a damaged one.

    Raises SkipThis when it is damaged: guessing a model is worse than having none.
    """
    try:
        return _parsed((folder / CURRENT).read_bytes())
    except FileNotFoundError:
        return Pointer()
    except (OSError, ValueError) as cause:
        if mend:
            return Pointer()
        raise SkipThis(
            "registry.damaged_pointer",
            remedy="choose a version: `sereno models use VERSION`",
            path=folder / CURRENT,
            fault=str(cause),
        ) from cause


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """Replace the pointer in one step; whoever reads meanwhile sees the old one or the new one."""
    shelf.replace_file(folder / CURRENT, (json.dumps(asdict(pointer), indent=1) + "\n").encode())


def _parsed(raw: bytes) -> Pointer:
    body = json.loads(raw)
    if not isinstance(body, dict) or set(body) != {"version", "history"}:
        raise ValueError("not a pointer")
    version, history = body["version"], body["history"]
    if not isinstance(history, list) or not all(
        isinstance(name, str) and is_version(name) for name in [version, *history]
    ):
        raise ValueError("it names no versions")
    return Pointer(version, tuple(history))
