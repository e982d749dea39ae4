"""The folder of all state: made, or found to take writes, before anything is opened below it."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from sereno.core.errors import FixConfig
from sereno.core.settings import Paths


def ready_state(paths: Paths, *, reading: bool = False) -> None:
    """Make the folder where there is none. Nothing below it is written for proof: a full disk is another's matter.

    reading   one that may only be read will do

    Raises FixConfig, with whom it belongs to and what to do, when this user cannot work there.
    """
    if reading and may_only_read(paths):
        return
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise _unusable(paths.root, cause.strerror or str(cause), made=False) from cause
    for place in (paths.root, *paths.parts):
        if not _takes_writes(place):
            raise _unusable(place, "it cannot be written", made=True)


def may_only_read(paths: Paths) -> bool:
    """Whether this user can look at the state but not work in it."""
    if not os.access(paths.root, os.R_OK | os.X_OK):
        return False
    return not all(map(_takes_writes, (paths.root, *paths.parts)))


def _takes_writes(place: Path) -> bool:
    """Whether this user may write there; what is not there yet is judged by the folder that it comes into."""
    if not os.access(place, os.F_OK):
        return True
    return os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0))


def _unusable(place: Path, cause: str, *, made: bool) -> FixConfig:
    whole = place.absolute()
    link = next((one for one in (*reversed(whole.parents), whole) if _dangles(one)), None)
    nearest = next(one for one in (whole, *whole.parents) if _is_seen(one))
    owner = _owner(nearest)
    elsewhere = "name another folder in state_dir (SERENO_STATE_DIR)"
    if link is not None:
        cause = "it is not there"
        remedy = (
            f"{link} points to {link.readlink()}, which is not there: mount it or make it, or {elsewhere}"
        )
    elif made or nearest.is_dir():
        remedy = f"let {_user()} write in {nearest}, which belongs to {owner}, or {elsewhere}"
    else:
        remedy = f"{nearest} is no folder: {elsewhere}"
    return FixConfig("state.unusable", remedy=remedy, path=place, owner=owner, cause=cause)


def _is_seen(place: Path) -> bool:
    try:
        place.stat()
    except OSError:
        return False
    return True


def _dangles(place: Path) -> bool:
    """Whether this is a link to what is not there; one to what we may not see is not told so."""
    try:
        place.stat()
    except FileNotFoundError:
        return place.is_symlink()
    except OSError:
        return False
    return False


def _owner(place: Path) -> str:
    try:
        return place.owner()
    except KeyError:
        return str(place.stat().st_uid)


def _user() -> str:
    """Who we are; by number where the system knows no names."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())
