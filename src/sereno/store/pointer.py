"""Which versions serve a series: one small file for all its roles, replaced in one step.

    <root>/current/<venue>-<market>-<BASE>_<QUOTE>/<timeframe>.json

The versions of one training come from the same features and labels, so they change together: whoever
reads sees the set of before or the set of after, never a mix. Role names are not known here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path

from sereno.core.errors import SkipThis
from sereno.core.files import replace_json
from sereno.core.timeframe import UtcMs
from sereno.store import pointer_roles
from sereno.store.artefact import is_version

CURRENT = "current"
REMEMBERED = 50

ModelSet = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pin:
    """A person's choice of a version, which training leaves alone until it is released.

    why   in the person's words; empty when none were given
    """

    by: str
    at_ms: UtcMs
    why: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """What serves, what served before, and what a person holds.

    versions   by role
    history    sets that served before, the latest last
    pins       by role; a pinned role is one of `versions`
    """

    versions: ModelSet = field(default_factory=dict)
    history: tuple[ModelSet, ...] = ()
    pins: Mapping[str, Pin] = field(default_factory=dict)

    def moved_to(self, versions: ModelSet) -> Pointer:
        """The pointer after these versions took over; roles that are not named go on, and so do pins."""
        after = {**self.versions, **versions}
        if after == self.versions:
            return self
        before = (*self.history, self.versions) if self.versions else self.history
        return replace(self, versions=after, history=before[-REMEMBERED:])

    def back_to(self, place: int, roles: Collection[str]) -> Pointer:
        """The pointer with these roles as they were in `history[place]`; what came after it is forgotten."""
        earlier = {role: self.history[place][role] for role in roles}
        return replace(self, versions={**self.versions, **earlier}, history=self.history[:place])

    def pinned(self, roles: Collection[str], pin: Pin) -> Pointer:
        """The pointer with these roles held."""
        return replace(self, pins={**self.pins, **dict.fromkeys(roles, pin)})

    def released(self, roles: Collection[str]) -> Pointer:
        """The pointer with these roles given back to training."""
        return replace(self, pins={role: pin for role, pin in self.pins.items() if role not in roles})

    def served_before(self, role: str) -> tuple[str, ...]:
        """Versions of a role that served before, the latest last."""
        served = [past[role] for past in (*self.history, self.versions) if role in past]
        return tuple(version for version, _ in groupby(served))[:-1]


def read_pointer(path: Path, *, mend: bool = False) -> Pointer:
    """The pointer of a series; an empty one when nothing ever served, or to `mend` a damaged one.

    Raises SkipThis when it is damaged: guessing a model is worse than having none.
    """
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError) as cause:
        if mend:
            return Pointer()
        raise SkipThis(
            "registry.damaged_pointer",
            remedy="choose a version of each role: `sereno models use VERSION`",
            path=path,
            fault=str(cause),
        ) from cause
    versions, history = pointer_roles.found(path, mend=mend)
    return Pointer(versions, history[-REMEMBERED:])


def write_pointer(path: Path, pointer: Pointer) -> None:
    """Replace the pointer in one step; whoever reads meanwhile sees the old one or the new one."""
    replace_json(path, asdict(pointer))


def _parsed(raw: bytes) -> Pointer:
    body = json.loads(raw)
    if not isinstance(body, dict) or set(body) != {"versions", "history", "pins"}:
        raise ValueError("not a pointer")
    versions, history, pins = body["versions"], body["history"], body["pins"]
    if not isinstance(history, list) or not all(_is_set(one) for one in (versions, *history)):
        raise ValueError("it names no versions")
    if not isinstance(pins, dict) or not set(pins) <= set(versions):
        raise ValueError("it pins what does not serve")
    return Pointer(versions, tuple(history), {role: _pin(pin) for role, pin in pins.items()})


def _is_set(raw: object) -> bool:
    return isinstance(raw, dict) and all(
        isinstance(version, str) and is_version(version) for version in raw.values()
    )


def _pin(raw: object) -> Pin:
    match raw:
        case {"by": str(by), "at_ms": int(at_ms), "why": str(why)}:
            return Pin(by, at_ms, why)
        case _:
            raise ValueError("a pin names who, when and why")
