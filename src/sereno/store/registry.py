"""The registry of models: immutable versions below a folder for each role and series.

    <root>/<role>/<venue>-<market>-<BASE>_<QUOTE>/<timeframe>/<version>/manifest.json, files
    <root>/current/<venue>-<market>-<BASE>_<QUOTE>/<timeframe>.json

A version is written beside its place and renamed into it; the pointer of a series names the versions of
all its roles and is replaced in one step. A kill at any moment leaves either the old or the new state.
Nothing that is loaded here is ever executed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from sereno.core.clock import WallClock
from sereno.core.errors import FixConfig, SkipThis
from sereno.core.instrument import Series
from sereno.store import shelf
from sereno.store.artefact import (
    MANIFEST,
    Artefact,
    ModelManifest,
    is_version,
    sealed,
    written,
)
from sereno.store.kept_versions import intact, loaded, manifests_in, readable
from sereno.store.pointer import CURRENT, ModelSet, Pin, Pointer, read_pointer, write_pointer

__all__ = ["Artefact", "ModelManifest", "ModelSet", "Pin", "Pointer", "Registry"]


class Registry:
    """Models by role and series. Any number of processes may read and write at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, draft: ModelManifest, files: Mapping[str, bytes]) -> ModelManifest:
        """Keep a model; what the draft leaves to the registry is filled in. The same one twice is kept once.

        Raises ValueError for files that are no open model format, StopTrading when the disk refuses.
        """
        manifest = sealed(draft, files)
        folder = self._folder(manifest.role, manifest.series_key)
        with shelf.writing(folder):
            place = folder / manifest.version
            if place.exists():
                kept = intact(place)
                if kept is not None:
                    return kept
                shelf.put_aside(place)
            newest_ms = max((earlier.saved_wall_ms for earlier in manifests_in(folder)), default=0)
            manifest = replace(manifest, saved_wall_ms=max(WallClock().now_ms(), newest_ms + 1))
            shelf.place(place, {**files, MANIFEST: written(manifest)})
        return manifest

    def load(self, role: str, series: Series, version: str | None = None) -> Artefact:
        """A version, or the current one; every hash is checked first.

        A damaged one is refused, and the newest intact one that was served before it is loaded:
        `fell_back_from` says so. Raises SkipThis when nothing intact is left.
        """
        pointer = self.pointer(series)
        if version is None:
            return self._served(role, series, pointer)
        if not is_version(version) or not (self._folder(role, series.key) / version).is_dir():
            raise SkipThis(
                "registry.unknown_version", remedy="see `sereno models list`", role=str(role), version=version
            )
        return self._intact(role, series, version, pointer)

    def load_served(self, series: Series, roles: Collection[str]) -> Mapping[str, Artefact]:
        """The current version of each role, all by one reading of the pointer. Raises as `load` does."""
        pointer = self.pointer(series)
        return {str(role): self._served(role, series, pointer) for role in roles}

    def _served(self, role: str, series: Series, pointer: Pointer) -> Artefact:
        version = pointer.versions.get(str(role))
        if version is None:
            raise SkipThis(
                "registry.none_served", remedy="run `sereno train` first", role=str(role), series=series.key
            )
        return self._intact(role, series, version, pointer)

    def _intact(self, role: str, series: Series, wanted: str, pointer: Pointer) -> Artefact:
        folder = self._folder(role, series.key)
        artefact, fault = loaded(folder, wanted)
        if artefact is not None:
            return artefact
        for earlier in _earlier(pointer, str(role), wanted):
            artefact, _ = loaded(folder, earlier)
            if artefact is not None:
                return replace(artefact, fell_back_from=wanted, fault=fault)
        raise SkipThis(
            "registry.damaged",
            remedy="run `sereno train` again: no version that was served is intact",
            role=str(role),
            series=series.key,
            version=wanted,
            fault=fault,
        )

    def pointer(self, series: Series) -> Pointer:
        """What serves a series, what served before and what is pinned. Raises SkipThis when it is damaged."""
        return read_pointer(self._pointer_path(series))

    def served(self, series: Series) -> ModelSet:
        """The versions that serve together, by role, as one reading of the pointer; empty when none do."""
        return self.pointer(series).versions

    def current(self, role: str, series: Series) -> str | None:
        """The version that serves; None when none ever did."""
        return self.served(series).get(str(role))

    def history(self, role: str, series: Series) -> tuple[str, ...]:
        """Versions that served before, the latest last."""
        return self.pointer(series).served_before(str(role))

    def publish(self, series: Series, versions: ModelSet) -> Pointer:
        """Let versions serve together from now on, in one step; what a person pinned goes on serving.

        Raises SkipThis when one is unknown or damaged, FixConfig when one was refused.
        """
        path = self._pointer_path(series)
        with shelf.writing(path.parent):
            pointer = read_pointer(path)
            free = {str(role): version for role, version in versions.items() if role not in pointer.pins}
            for role, version in free.items():
                if pointer.versions.get(role) != version:
                    self._check_usable(role, series, version, force=False)
            return self._written(path, pointer, pointer.moved_to(free))

    def use(
        self, role: str, series: Series, version: str, *, force: bool = False, pin: Pin | None = None
    ) -> None:
        """Let a version serve its role from now on; the other roles go on.

        pin   holds it there against later trainings

        Raises SkipThis when it is unknown or damaged, FixConfig when it was refused and `force` is not given.
        """
        path = self._pointer_path(series)
        with shelf.writing(path.parent):
            self._check_usable(role, series, version, force=force)
            pointer = read_pointer(path, mend=True)
            moved = pointer.moved_to({str(role): version})
            self._written(path, pointer, moved if pin is None else moved.pinned({str(role)}, pin))

    def rollback(self, series: Series, role: str | None = None, *, pin: Pin | None = None) -> ModelSet:
        """Let the set serve that served before, the newest one that is intact; what serves now.

        role   only this one goes back, to the newest intact version that differs
        pin    holds what went back

        Raises SkipThis when there is none.
        """
        path = self._pointer_path(series)
        with shelf.writing(path.parent):
            pointer = read_pointer(path)
            roles = set(pointer.versions) if role is None else {str(role)}
            for place in range(len(pointer.history) - 1, -1, -1):
                if self._is_earlier(pointer, place, roles, series):
                    back = pointer.back_to(place, roles)
                    back = back if pin is None else back.pinned(roles, pin)
                    return self._written(path, pointer, back).versions
        raise SkipThis(
            "registry.no_previous", remedy="see `sereno models list`", role=role or "all", series=series.key
        )

    def release(self, series: Series, role: str | None = None) -> Mapping[str, Pin]:
        """Give pinned roles back to training; the pins that were taken away. What serves goes on serving."""
        path = self._pointer_path(series)
        with shelf.writing(path.parent):
            pointer = read_pointer(path)
            free = {name: pin for name, pin in pointer.pins.items() if role in (None, name)}
            self._written(path, pointer, pointer.released(free))
        return free

    def versions(self, role: str, series: Series) -> tuple[ModelManifest, ...]:
        """Every version whose manifest is readable, oldest first."""
        return tuple(manifests_in(self._folder(role, series.key)))

    def manifest(self, role: str, series: Series, version: str) -> ModelManifest | None:
        """What is told of one version; None when it cannot be read."""
        return readable(self._folder(role, series.key) / version)

    def all(self) -> tuple[ModelManifest, ...]:
        """Every version of every role and series."""
        return tuple(manifest for folder in self._folders() for manifest in manifests_in(folder))

    def prune(self, keep: int = 10, *, named: Collection[str] = ()) -> tuple[ModelManifest, ...]:
        """Drop old versions beyond the newest `keep` of each role and series; what was dropped.

        named   versions that something kept elsewhere still rests on, such as stored signals

        Those, the set that serves and the set that it would roll back to always stay.
        """
        dropped: list[ModelManifest] = []
        for path in sorted({self._pointer_of(folder) for folder in self._folders()}):
            with shelf.writing(path.parent):
                dropped += self._pruned(path, keep, named)
        return tuple(dropped)

    def _pruned(self, path: Path, keep: int, named: Collection[str]) -> list[ModelManifest]:
        """The pointer forgets first, so that a kill leaves no memory of what is gone."""
        pointer = read_pointer(path)
        folders = [folder for folder in self._folders() if self._pointer_of(folder) == path]
        old = {folder: doomed(manifests_in(folder), pointer, keep=keep, named=named) for folder in folders}
        gone = {manifest.version for manifests in old.values() for manifest in manifests}
        rest = tuple(past for past in pointer.history if not gone & set(past.values()))
        self._written(path, pointer, replace(pointer, history=rest))
        for folder, manifests in old.items():
            with shelf.writing(folder):
                for manifest in manifests:
                    shelf.remove(folder / manifest.version)
        return [manifest for manifests in old.values() for manifest in manifests]

    def _written(self, path: Path, before: Pointer, after: Pointer) -> Pointer:
        if after != before or (after.versions and not path.exists()):
            write_pointer(path, after)
        return after

    def _is_earlier(self, pointer: Pointer, place: int, roles: Collection[str], series: Series) -> bool:
        """Whether a remembered set has these roles, other than they serve now, and all intact."""
        past = pointer.history[place]
        if not set(roles) <= set(past) or all(past[role] == pointer.versions.get(role) for role in roles):
            return False
        return all(intact(self._folder(role, series.key) / past[role]) is not None for role in roles)

    def _check_usable(self, role: str, series: Series, version: str, *, force: bool) -> None:
        folder = self._folder(role, series.key)
        manifest = intact(folder / version) if is_version(version) else None
        if manifest is None:
            raise SkipThis(
                "registry.not_usable",
                remedy="unknown or damaged; see `sereno models list`",
                role=str(role),
                version=version,
            )
        if not manifest.serving_ok and not force:
            raise FixConfig(
                "registry.refused_version",
                remedy="it was refused; `--force` serves it nevertheless",
                version=version,
                reason=manifest.refused_reason,
            )

    def _pointer_path(self, series: Series) -> Path:
        return self._pointer_of(self._folder(CURRENT, series.key))

    def _pointer_of(self, folder: Path) -> Path:
        return self.root / CURRENT / folder.parent.name / f"{folder.name}.json"

    def _folder(self, role: str, series_key: str) -> Path:
        instrument, _, timeframe = series_key.partition("@")
        venue, market, symbol = instrument.split(":", 2)
        return self.root / str(role) / f"{venue}-{market}-{symbol.replace('/', '_')}" / timeframe

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.root.glob("*/*/*") if path.is_dir())


def doomed(
    manifests: list[ModelManifest], pointer: Pointer, *, keep: int, named: Collection[str]
) -> list[ModelManifest]:
    """Which versions of one role and series, oldest first, pruning takes: see `Registry.prune`."""
    sets = (pointer.versions, *pointer.history[-1:])
    safe = {version for one in sets for version in one.values()}.union(named)
    return [m for m in manifests[: max(0, len(manifests) - keep)] if m.version not in safe]


def _earlier(pointer: Pointer, role: str, wanted: str) -> tuple[str, ...]:
    """Versions that served, the latest first, without the one that is wanted."""
    served = (*pointer.served_before(role), pointer.versions.get(role))
    return tuple(v for v in dict.fromkeys(reversed(served)) if v is not None and v != wanted)
