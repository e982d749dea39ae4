"""The settings that decided, each version in a small file named by the digest that its signals carry."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from sereno.core.errors import SkipThis, StopTrading
from sereno.core.files import replace_json
from sereno.core.ids import digest_of
from sereno.core.settings import Settings
from sereno.core.settings.sections import BarrierSettings, CostSettings, SignalSettings


@dataclass(frozen=True, slots=True)
class KeptSettings:
    """The slices that a decision rests on, as they were."""

    digest: str
    signals: SignalSettings
    barriers: BarrierSettings
    costs: CostSettings


def of(settings: Settings) -> KeptSettings:
    """The slices of settings in force."""
    return KeptSettings(settings.digest, settings.signals, settings.barriers, settings.costs)


def keep(folder: Path, settings: Settings) -> None:
    """Keep what decides, unless it is kept already. Raises StopTrading when the disk refuses."""
    path = _path(folder, settings.digest)
    try:
        if not path.exists():
            replace_json(path, settings.deciding)
    except OSError as cause:
        raise StopTrading(
            "settings.not_kept",
            remedy="check the room on the disk and the owner",
            path=path,
            cause=str(cause),
        ) from cause


def find(folder: Path, digest: str) -> KeptSettings | None:
    """What decided under this digest; None if it was not kept, or is not what was kept.

    Raises SkipThis when this version of the program has no such settings any more.
    """
    try:
        told = json.loads(_path(folder, digest).read_text())
    except (FileNotFoundError, ValueError):
        return None
    if digest_of(told) != digest:
        return None
    try:
        return KeptSettings(
            digest,
            SignalSettings.model_validate(told["signals"]),
            BarrierSettings.model_validate(told["barriers"]),
            CostSettings.model_validate(told["costs"]),
        )
    except ValidationError as cause:
        raise SkipThis(
            "settings.of_another_version",
            remedy="replay with the version of the program that made the signal",
            digest=digest,
            fault="; ".join(f"{error['loc'][0]}: {error['msg']}" for error in cause.errors()),
        ) from cause


def _path(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.json"
