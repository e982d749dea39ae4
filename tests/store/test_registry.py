"""The registry: immutable versions, one pointer, every byte checked, nothing executed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from sereno.core.errors import FixConfig, SkipThis, StopTrading
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.store.registry import ModelManifest, Registry

BTC = Series(Instrument("binance", Market.SPOT, "BTC", "USDT"), Timeframe.H1)
PERPETUAL = Series(Instrument("bybit", Market.LINEAR, "BTC", "USDT"), Timeframe.H1)
START = 1_767_225_600_000
DRAFT = ModelManifest(
    role="trend",
    series_key=BTC.key,
    version="",
    created_ms=START,
    features=("adx_14", "rsi_14"),
    label_params={"horizon_bars": 20, "target_atr": 2.0},
    data_digest="d" * 64,
    settings_digest="e" * 64,
    git_commit="c" * 40,
    metrics={"log_loss": 0.1 + 0.2, "folds": [1, 2]},
    serving_ok=True,
    refused_reason=None,
    extra={"kind": "boosted"},
    files={},
)
FILES = {"model.ubj": b"\x00trees", "calibration.json": b"{}"}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def keep(registry: Registry, number: int, **changes: object) -> str:
    """Save the `number`-th model, an hour after the one before."""
    draft = replace(DRAFT, created_ms=START + number * HOUR_MS, **changes)  # type: ignore[arg-type]
    return registry.save(draft, {**FILES, "model.ubj": b"trees %d" % number}).version


def place(registry: Registry, version: str) -> Path:
    (found,) = registry.root.rglob(version)
    return found


def spoil(registry: Registry, version: str, name: str = "model.ubj") -> None:
    path = place(registry, version) / name
    path.chmod(0o644)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_a_model_comes_back_as_it_was_saved(registry: Registry) -> None:
    saved = registry.save(DRAFT, FILES)
    assert saved.version.startswith("20260101T000000Z-")
    artefact = registry.load("trend", BTC, saved.version)
    assert artefact.manifest == saved
    assert artefact.files == FILES
    assert artefact.fell_back_from is None
    assert saved.metrics["log_loss"].hex() == (0.1 + 0.2).hex()
    assert registry.versions("trend", BTC) == registry.all() == (saved,)
    assert {path.name for path in place(registry, saved.version).iterdir()} == {*FILES, "manifest.json"}


def test_the_version_follows_from_the_content(registry: Registry) -> None:
    first = registry.save(DRAFT, FILES)
    assert registry.save(DRAFT, FILES) == first
    assert len(registry.all()) == 1
    others = [
        registry.save(DRAFT, {**FILES, "model.ubj": b"other"}),
        registry.save(replace(DRAFT, settings_digest="f" * 64), FILES),
        registry.save(replace(DRAFT, metrics={"log_loss": 0.1}), FILES),
    ]
    assert len({first.version, *(one.version for one in others)}) == 4


def test_a_version_does_not_change(registry: Registry) -> None:
    folder = place(registry, registry.save(DRAFT, FILES).version)
    assert all(path.stat().st_mode & 0o222 == 0 for path in folder.iterdir())


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.pickle", "model.joblib", "model.pt", "model", "../model.json", "a/b.json"]
)
def test_trap_b12_18_c12_12_only_open_formats_are_kept(registry: Registry, name: str) -> None:
    with pytest.raises(ValueError, match="a model needs files"):
        registry.save(DRAFT, {name: b"x"})
    assert registry.all() == ()


def test_a_model_without_files_or_over_the_manifest_is_refused(registry: Registry) -> None:
    for files in ({}, {"manifest.json": b"{}"}):
        with pytest.raises(ValueError, match="a model needs files"):
            registry.save(DRAFT, files)


def test_a_figure_that_is_missing_is_null(registry: Registry) -> None:
    saved = registry.save(replace(DRAFT, metrics={"auc": math.nan}), FILES)
    assert saved.metrics == {"auc": None}
    assert registry.load("trend", BTC, saved.version).manifest == saved


def test_trap_e4_6_nothing_serves_before_it_is_told_to(registry: Registry) -> None:
    version = keep(registry, 0)
    assert registry.current("trend", BTC) is None
    with pytest.raises(SkipThis, match="registry.none_served"):
        registry.load("trend", BTC)
    registry.use("trend", BTC, version)
    assert registry.current("trend", BTC) == version
    assert registry.load("trend", BTC).manifest.version == version


def test_r7_use_and_rollback(registry: Registry) -> None:
    a, b, c = (keep(registry, number) for number in range(3))
    for version in (a, b, b, c):
        registry.use("trend", BTC, version)
    assert registry.history("trend", BTC) == (a, b)
    assert registry.rollback(BTC) == {"trend": b}
    assert registry.rollback(BTC) == {"trend": a}
    with pytest.raises(SkipThis, match="registry.no_previous"):
        registry.rollback(BTC)
    assert registry.current("trend", BTC) == a


def test_a_rollback_passes_over_a_damaged_version(registry: Registry) -> None:
    a, b, c = (keep(registry, number) for number in range(3))
    for version in (a, b, c):
        registry.use("trend", BTC, version)
    spoil(registry, b)
    assert registry.rollback(BTC) == {"trend": a}


def test_a_model_that_lost_to_its_baseline_serves_only_by_force(registry: Registry) -> None:
    version = keep(registry, 0, serving_ok=False, refused_reason="worse log loss")
    with pytest.raises(FixConfig, match="worse log loss"):
        registry.use("trend", BTC, version)
    assert registry.current("trend", BTC) is None
    registry.use("trend", BTC, version, force=True)
    assert registry.current("trend", BTC) == version


@pytest.mark.parametrize("name", ["model.ubj", "manifest.json"])
def test_a_damaged_model_is_refused_and_the_one_before_serves(registry: Registry, name: str) -> None:
    a, b, c = (keep(registry, number) for number in range(3))
    for version in (a, b, c):
        registry.use("trend", BTC, version)
    spoil(registry, c, name)
    artefact = registry.load("trend", BTC)
    assert (artefact.manifest.version, artefact.fell_back_from) == (b, c)
    assert artefact.fault
    (place(registry, b) / "calibration.json").unlink()
    assert registry.load("trend", BTC).manifest.version == a
    spoil(registry, a)
    with pytest.raises(SkipThis, match="registry.damaged"):
        registry.load("trend", BTC)


def test_a_damaged_model_cannot_be_chosen_and_can_be_saved_again(registry: Registry) -> None:
    version = keep(registry, 0)
    spoil(registry, version)
    with pytest.raises(SkipThis, match="registry.not_usable"):
        registry.use("trend", BTC, version)
    assert keep(registry, 0) == version
    registry.use("trend", BTC, version)
    assert registry.load("trend", BTC).fell_back_from is None


def test_a_manifest_that_was_edited_is_refused_even_when_it_is_well_formed(registry: Registry) -> None:
    version = keep(registry, 0, serving_ok=False, refused_reason="worse")
    path = place(registry, version) / "manifest.json"
    path.chmod(0o644)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"serving_ok": True, "refused_reason": None}))
    assert registry.versions("trend", BTC) == ()
    with pytest.raises(SkipThis, match="registry.not_usable"):
        registry.use("trend", BTC, version)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 1}',
        b'{"versions": {"trend": "../../x"}, "history": [], "pins": {}}',
        b'{"versions": {}, "history": [{"trend": 1}], "pins": {}}',
        b'{"versions": {}, "history": [], "pins": {"trend": {"by": "a", "at_ms": 1, "why": ""}}}',
        b'{"versions": [], "history": [], "pins": {}}',
    ],
)
def test_a_damaged_pointer_serves_nothing_until_a_version_is_chosen(registry: Registry, raw: bytes) -> None:
    version = keep(registry, 0)
    registry.use("trend", BTC, version)
    (registry.root / "current" / "binance-spot-BTC_USDT" / "1h.json").write_bytes(raw)
    for ask in (registry.load, registry.current):
        with pytest.raises(SkipThis, match="registry.damaged_pointer"):
            ask("trend", BTC)
    for act in (registry.rollback, registry.release):
        with pytest.raises(SkipThis, match="registry.damaged_pointer"):
            act(BTC)
    with pytest.raises(SkipThis, match="registry.damaged_pointer"):
        registry.publish(BTC, {"trend": version})
    registry.use("trend", BTC, version)
    assert registry.load("trend", BTC).manifest.version == version


@pytest.mark.parametrize("version", ["20260101T000000Z-00000000", "../../../etc", "current", ""])
def test_an_unknown_version_is_refused(registry: Registry, version: str) -> None:
    keep(registry, 0)
    with pytest.raises(SkipThis, match="registry.unknown_version"):
        registry.load("trend", BTC, version)
    with pytest.raises(SkipThis, match="registry.not_usable"):
        registry.use("trend", BTC, version)


def test_roles_and_series_do_not_meet(registry: Registry) -> None:
    ours = keep(registry, 0)
    risk = keep(registry, 0, role="risk")
    theirs = keep(registry, 0, series_key=PERPETUAL.key)
    registry.use("trend", BTC, ours)
    assert registry.current("trend", PERPETUAL) is None
    assert registry.current("risk", BTC) is None
    assert [one.version for one in registry.versions("trend", PERPETUAL)] == [theirs]
    assert {one.version for one in registry.all()} == {ours, risk, theirs}


def test_pruning_keeps_the_newest_and_whatever_serves(registry: Registry) -> None:
    versions = [keep(registry, number) for number in range(8)]
    for number in (0, 1, 2):
        registry.use("trend", BTC, versions[number])
    other = keep(registry, 0, role="risk")
    dropped = registry.prune(keep=3)
    assert [one.version for one in dropped] == [versions[0], versions[3], versions[4]]
    left = [one.version for one in registry.versions("trend", BTC)]
    assert left == [versions[1], versions[2], *versions[5:]]
    assert registry.history("trend", BTC) == (versions[1],)
    assert registry.prune(keep=3) == ()
    assert registry.rollback(BTC) == {"trend": versions[1]}
    assert [one.version for one in registry.versions("risk", BTC)] == [other]


def test_of_several_models_of_one_moment_the_last_that_was_saved_is_the_newest(registry: Registry) -> None:
    """A clock that stands dates them alike, and hashes know no order."""
    saved = [
        registry.save(replace(DRAFT, settings_digest=f"{number:064}"), FILES).version for number in range(8)
    ]
    assert [one.version for one in registry.versions("trend", BTC)] == saved
    registry.save(replace(DRAFT, settings_digest=f"{0:064}"), FILES)
    assert [one.version for one in registry.versions("trend", BTC)] == saved, (
        "the same one twice is kept once"
    )
    registry.prune(keep=2)
    assert [one.version for one in registry.versions("trend", BTC)] == saved[-2:]


def test_a_manifest_of_the_former_release_is_read_and_older_than_any_other_of_its_moment(
    registry: Registry,
) -> None:
    former = registry.save(DRAFT, FILES)
    path = place(registry, former.version) / "manifest.json"
    whole = json.loads(path.read_text())
    del whole["saved_wall_ms"]
    path.chmod(0o644)
    path.write_text(json.dumps(whole))
    others = [registry.save(replace(DRAFT, git_commit=f"{number:040}"), FILES) for number in range(4)]
    assert registry.load("trend", BTC, former.version).manifest == replace(former, saved_wall_ms=0)
    assert [one.version for one in registry.versions("trend", BTC)] == [
        former.version,
        *(one.version for one in others),
    ]


def test_a_disk_that_refuses_stops_and_leaves_nothing(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, spare = keep(registry, 0), keep(registry, 2)
    registry.use("trend", BTC, version)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StopTrading, match="No space left"):
        keep(registry, 1)
    with pytest.raises(StopTrading, match="No space left"):
        registry.use("trend", BTC, spare)
    monkeypatch.undo()
    assert [one.version for one in registry.all()] == [version, spare]
    assert not list(registry.root.rglob("*.draft"))
    assert registry.load("trend", BTC).manifest.version == version


def test_an_empty_registry_has_nothing(registry: Registry) -> None:
    assert registry.all() == registry.versions("trend", BTC) == registry.prune() == ()
    assert registry.current("trend", BTC) is None
    assert not registry.root.exists()
