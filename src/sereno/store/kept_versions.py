"""Reading the versions of one role and series from their folder, every hash checked."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from sereno.store.artefact import MANIFEST, Artefact, ModelManifest, is_version, read


def manifests_in(folder: Path) -> list[ModelManifest]:
    """Every manifest that is readable, oldest first; the other files are not looked at."""
    if not folder.is_dir():
        return []
    places = sorted(path for path in folder.iterdir() if is_version(path.name))
    found = [manifest for manifest in map(readable, places) if manifest is not None]
    return sorted(found, key=lambda manifest: manifest.age)


def readable(place: Path) -> ModelManifest | None:
    """The manifest of a version, the other files not looked at; None when it cannot be read."""
    try:
        return read((place / MANIFEST).read_bytes(), version=place.name)
    except (OSError, ValueError, TypeError):
        return None


def intact(place: Path) -> ModelManifest | None:
    """The manifest of a version of which every byte is as it was saved; None otherwise."""
    artefact, _ = loaded(place.parent, place.name)
    return None if artefact is None else artefact.manifest


def loaded(folder: Path, version: str) -> tuple[Artefact | None, str | None]:
    """The version with every hash checked, or what is wrong with it."""
    place = folder / version
    try:
        manifest = read((place / MANIFEST).read_bytes(), version=version)
        files = {name: (place / name).read_bytes() for name in manifest.files}
    except (OSError, ValueError, TypeError) as cause:
        return None, f"{type(cause).__name__}: {cause}"
    wrong = [name for name, raw in files.items() if sha256(raw).hexdigest() != manifest.files[name]]
    return (None, f"hash mismatch: {', '.join(wrong)}") if wrong else (Artefact(manifest, files), None)
