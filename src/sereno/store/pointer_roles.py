"""Pointers of registries from before one pointer named all roles: `<root>/<role>/<instrument>/<timeframe>/current`.

They are read as long as their series has no pointer of its own, and never written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from sereno.core.errors import SkipThis
from sereno.store.artefact import is_version

CURRENT = "current"


def found(pointer: Path, *, mend: bool) -> tuple[Mapping[str, str], tuple[Mapping[str, str], ...]]:
    """(versions by role, sets that served before) as the roles' own pointers tell it.

    pointer   where the series' pointer would be

    One training stamps all its versions alike, so stamps tell which versions served together.
    Raises SkipThis when one is damaged and not to be mended.
    """
    versions: dict[str, str] = {}
    moves: list[tuple[str, str, str]] = []
    root, instrument, timeframe = pointer.parents[2], pointer.parent.name, pointer.stem
    for path in sorted(root.glob(f"*/{instrument}/{timeframe}/{CURRENT}")):
        role = path.parents[2].name
        served = _served(path, mend=mend)
        moves += [(_stamp(version), role, version) for version in served]
        if served:
            versions[role] = served[-1]
    sets: list[Mapping[str, str]] = []
    for _, together in groupby(sorted(moves), key=lambda move: move[0]):
        before = sets[-1] if sets else {}
        sets.append({**before, **{role: version for _, role, version in together}})
    return versions, tuple(past for past in sets if past != versions)


def _served(path: Path, *, mend: bool) -> tuple[str, ...]:
    """Every version that a role's pointer remembers, the one that serves last."""
    try:
        body = json.loads(path.read_bytes())
        if not isinstance(body, dict) or set(body) != {"version", "history"}:
            raise ValueError("not a pointer")
        served = (*body["history"], body["version"])
        if not all(isinstance(name, str) and is_version(name) for name in served):
            raise ValueError("it names no versions")
    except (OSError, ValueError, TypeError) as cause:
        if mend:
            return ()
        raise SkipThis(
            "registry.damaged_pointer",
            remedy="choose a version of each role: `sereno models use VERSION`",
            path=path,
            fault=str(cause),
        ) from cause
    return served


def _stamp(version: str) -> str:
    return version.partition("-")[0]
