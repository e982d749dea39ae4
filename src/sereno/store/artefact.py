"""What a stored model is: a manifest that names its files by hash, and the files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import Any

from sereno.core.timeframe import UtcMs, iso
from sereno.store.canonical import json_text

MANIFEST = "manifest.json"
SUFFIXES = (".json", ".ubj", ".onnx")
_GIVEN = {"version", "saved_wall_ms"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """What a model was made from, how good it was, and the SHA-256 (hex) of each of its files.

    serving_ok      whether it beat its baseline; `refused_reason` says why not
    version, files  filled in by the registry when it is saved
    saved_wall_ms   likewise: the host's time of that, later than of any version before it; 0 where an
                    older release saved it. No part of what the model is: the same one twice is one version
    """

    role: str
    series_key: str
    version: str
    created_ms: UtcMs
    features: tuple[str, ...]
    label_params: Mapping[str, Any]
    data_digest: str
    settings_digest: str
    git_commit: str
    metrics: Mapping[str, Any]
    serving_ok: bool
    refused_reason: str | None
    extra: Mapping[str, Any]
    files: Mapping[str, str]
    saved_wall_ms: UtcMs = 0

    @property
    def age(self) -> tuple[UtcMs, UtcMs, str]:
        """What orders versions, the oldest first: several are made at one moment of a clock that stands."""
        return self.created_ms, self.saved_wall_ms, self.version

    @property
    def sha256(self) -> str:
        """Of what the model is; the version is derived from it."""
        return sha256(json_text(_body(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model as it was loaded, every byte checked.

    fell_back_from  the version that was asked for and refused, None when this is it
    fault           why that one was refused
    """

    manifest: ModelManifest
    files: Mapping[str, bytes]
    fell_back_from: str | None = None
    fault: str | None = None


def sealed(draft: ModelManifest, files: Mapping[str, bytes]) -> ModelManifest:
    """The manifest with its files' hashes and its version.

    Raises ValueError for a file that is no open model format or has an odd name: pickle is never kept.
    """
    odd = [name for name in files if name_fault(name)]
    if odd or not files:
        raise ValueError(f"a model needs files ending in {', '.join(SUFFIXES)}, not {odd or 'none'}")
    hashes = {name: sha256(files[name]).hexdigest() for name in sorted(files)}
    full = parsed(json_text(_body(replace(draft, files=hashes))), version="")
    stamp = iso(full.created_ms // 1000 * 1000).replace("-", "").replace(":", "")
    return replace(full, version=f"{stamp}-{full.sha256[:8]}")


def written(manifest: ModelManifest) -> bytes:
    """The manifest as it lies in its file."""
    whole = {
        **_body(manifest),
        **{name: getattr(manifest, name) for name in _GIVEN},
        "sha256": manifest.sha256,
    }
    return (json.dumps(json.loads(json_text(whole)), indent=1, sort_keys=True) + "\n").encode()


def read(raw: bytes, *, version: str) -> ModelManifest:
    """The reverse. Raises ValueError when a byte of it changed since, or it is another version's."""
    whole = json.loads(raw)
    if not isinstance(whole, dict):
        raise ValueError("the manifest is no object")
    stated, claimed = whole.pop("sha256", None), whole.pop("version", None)
    saved_wall_ms = int(whole.pop("saved_wall_ms", 0))
    manifest = replace(parsed(json_text(whole), version=version), saved_wall_ms=saved_wall_ms)
    if claimed != version or stated != manifest.sha256 or not version.endswith(manifest.sha256[:8]):
        raise ValueError("the manifest is not what was saved")
    odd = [name for name in manifest.files if name_fault(name)]
    if odd:
        raise ValueError(f"the manifest names files that no model has: {odd}")
    return manifest


def parsed(text: str, *, version: str) -> ModelManifest:
    """A manifest from the canonical text of its body. Raises ValueError on any other shape."""
    body = json.loads(text)
    names = {field.name for field in fields(ModelManifest)} - _GIVEN
    if set(body) != names:
        raise ValueError(f"the manifest's fields differ: {sorted(set(body) ^ names)}")
    features = body.pop("features")
    return ModelManifest(version=version, features=tuple(features), **body)


def is_version(name: str) -> bool:
    """Whether a name is one that the registry gives."""
    return _VERSION.fullmatch(name) is not None


def name_fault(name: str) -> bool:
    """Whether a file may not be part of a model."""
    return name == MANIFEST or not _NAME.fullmatch(name) or not name.endswith(SUFFIXES)


def _body(manifest: ModelManifest) -> dict[str, object]:
    return {
        field.name: getattr(manifest, field.name) for field in fields(manifest) if field.name not in _GIVEN
    }
