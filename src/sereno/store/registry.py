"""The registry of models: immutable versions below a folder for each role and series.

    <root>/<role>/<venue>-<market>-<BASE>_<QUOTE>/<timeframe>/<version>/manifest.json, files
    <root>/<role>/<venue>-<market>-<BASE>_<QUOTE>/<timeframe>/current

A version is written beside its place and renamed into it; `current` is replaced in one step. A kill
at any moment leaves either the old or the new state. Nothing that is loaded here is ever executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from sereno.core.errors import FixConfig, SkipThis
from sereno.core.instrument import Series
from sereno.store import shelf
from sereno.store.artefact import (
    MANIFEST,
    Artefact,
    ModelManifest,
    is_version,
    read,
    sealed,
    written,
)
from sereno.store.pointer import Pointer, read_pointer, write_pointer

__all__ = ["Artefact", "ModelManifest", "Registry"]


class Registry:
    """Models by role and series. Any number of processes may read and write at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, draft: ModelManifest, files: Mapping[str, bytes]) -> ModelManifest:
        """Keep a model; `version` and `files` of the draft are filled in. The same one twice is kept once.

        Raises ValueError for files that are no open model format, StopTrading when the disk refuses.
        """
        manifest = sealed(draft, files)
        folder = self._folder(manifest.role, manifest.series_key)
        with shelf.writing(folder):
            place = folder / manifest.version
            if place.exists():
                if _intact(place) is not None:
                    return manifest
                shelf.put_aside(place)
            shelf.place(place, {**files, MANIFEST: written(manifest)})
        return manifest

    def load(self, role: str, series: Series, version: str | None = None) -> Artefact:
        """A version, or the current one; every hash is checked first.

        A damaged one is refused, and the newest intact one that was served before it is loaded:
        `fell_back_from` says so. Raises SkipThis when nothing intact is left.
        """
        folder = self._folder(role, series.key)
        pointer = self._pointer(role, series)
        wanted = version if version is not None else pointer.version
        if wanted is None:
            raise SkipThis(
                "registry.none_served", remedy="run `sereno train` first", role=str(role), series=series.key
            )
        if not is_version(wanted) or (version is not None and not (folder / wanted).is_dir()):
            raise SkipThis(
                "registry.unknown_version", remedy="see `sereno models list`", role=str(role), version=wanted
            )
        artefact, fault = _loaded(folder, wanted)
        if artefact is not None:
            return artefact
        for earlier in _earlier(pointer, wanted):
            artefact, _ = _loaded(folder, earlier)
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

    def current(self, role: str, series: Series) -> str | None:
        """The version that serves; None when none ever did."""
        return self._pointer(role, series).version

    def history(self, role: str, series: Series) -> tuple[str, ...]:
        """Versions that served before, the latest last."""
        return self._pointer(role, series).history

    def use(self, role: str, series: Series, version: str, *, force: bool = False) -> None:
        """Let a version serve from now on.

        Raises SkipThis when it is unknown or damaged, FixConfig when it lost to its baseline and
        `force` is not given.
        """
        folder = self._folder(role, series.key)
        if not is_version(version) or not (folder / version).is_dir():
            raise _not_usable(role, version)
        with shelf.writing(folder):
            manifest = _intact(folder / version)
            if manifest is None:
                raise _not_usable(role, version)
            if not manifest.serving_ok and not force:
                raise FixConfig(
                    "registry.refused_version",
                    remedy="it lost to its baseline; `--force` serves it nevertheless",
                    version=version,
                    reason=manifest.refused_reason,
                )
            write_pointer(folder, read_pointer(folder, mend=True).moved_to(version))

    def rollback(self, role: str, series: Series) -> str:
        """Let the version serve that served before, the newest intact one; returns it.

        Raises SkipThis when there is none.
        """
        folder = self._folder(role, series.key)
        with shelf.writing(folder):
            pointer = read_pointer(folder)
            for place in range(len(pointer.history) - 1, -1, -1):
                version = pointer.history[place]
                if _intact(folder / version) is not None:
                    write_pointer(folder, Pointer(version, pointer.history[:place]))
                    return version
        raise SkipThis(
            "registry.no_previous", remedy="see `sereno models list`", role=str(role), series=series.key
        )

    def versions(self, role: str, series: Series) -> tuple[ModelManifest, ...]:
        """Every version whose manifest is readable, oldest first."""
        return tuple(_manifests(self._folder(role, series.key)))

    def all(self) -> tuple[ModelManifest, ...]:
        """Every version of every role and series."""
        return tuple(manifest for folder in self._folders() for manifest in _manifests(folder))

    def prune(self, keep: int = 10) -> tuple[ModelManifest, ...]:
        """Drop old versions beyond the newest `keep` of each role and series; what was dropped.

        The one that serves and the one it would roll back to always stay.
        """
        dropped: list[ModelManifest] = []
        for folder in self._folders():
            with shelf.writing(folder):
                pointer = read_pointer(folder)
                safe = {pointer.version, *pointer.history[-1:]}
                known = list(_manifests(folder))
                old = [m for m in known[: max(0, len(known) - keep)] if m.version not in safe]
                gone = {manifest.version for manifest in old}
                if gone & set(pointer.history):
                    rest = tuple(version for version in pointer.history if version not in gone)
                    write_pointer(folder, replace(pointer, history=rest))
                for manifest in old:
                    shelf.remove(folder / manifest.version)
                dropped.extend(old)
        return tuple(dropped)

    def _pointer(self, role: str, series: Series) -> Pointer:
        return read_pointer(self._folder(role, series.key))

    def _folder(self, role: str, series_key: str) -> Path:
        instrument, _, timeframe = series_key.partition("@")
        venue, market, symbol = instrument.split(":", 2)
        return self.root / str(role) / f"{venue}-{market}-{symbol.replace('/', '_')}" / timeframe

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.root.glob("*/*/*") if path.is_dir())


def _not_usable(role: str, version: str) -> SkipThis:
    return SkipThis(
        "registry.not_usable",
        remedy="unknown or damaged; see `sereno models list`",
        role=str(role),
        version=version,
    )


def _earlier(pointer: Pointer, wanted: str) -> Iterator[str]:
    served = [*pointer.history, *([pointer.version] if pointer.version else [])]
    return (version for version in reversed(served) if version != wanted)


def _manifests(folder: Path) -> list[ModelManifest]:
    if not folder.is_dir():
        return []
    places = sorted(path for path in folder.iterdir() if is_version(path.name))
    found = [manifest for manifest in map(_readable, places) if manifest is not None]
    return sorted(found, key=lambda manifest: (manifest.created_ms, manifest.version))


def _readable(place: Path) -> ModelManifest | None:
    try:
        return read((place / MANIFEST).read_bytes(), version=place.name)
    except (OSError, ValueError, TypeError):
        return None


def _intact(place: Path) -> ModelManifest | None:
    artefact, _ = _loaded(place.parent, place.name)
    return None if artefact is None else artefact.manifest


def _loaded(folder: Path, version: str) -> tuple[Artefact | None, str | None]:
    """The version with every hash checked, or what is wrong with it."""
    place = folder / version
    try:
        manifest = read((place / MANIFEST).read_bytes(), version=version)
        files = {name: (place / name).read_bytes() for name in manifest.files}
    except (OSError, ValueError, TypeError) as cause:
        return None, f"{type(cause).__name__}: {cause}"
    wrong = [name for name, raw in files.items() if sha256(raw).hexdigest() != manifest.files[name]]
    return (None, f"hash mismatch: {', '.join(wrong)}") if wrong else (Artefact(manifest, files), None)
