"""The settings that decided are found again under the digest that signals carry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sereno.core.errors import SkipThis, StopTrading
from sereno.core.ids import digest_of
from sereno.core.settings import Settings
from sereno.store import kept_settings


def settings_with(prob_min: float) -> Settings:
    return Settings.model_validate({"signals": {"prob_min": prob_min}})


def kept_under_its_digest(folder: Path, told: dict[str, object]) -> str:
    digest = digest_of(told)
    (folder / f"{digest}.json").write_text(json.dumps(told))
    return digest


def test_each_version_is_found_by_its_digest(tmp_path: Path) -> None:
    versions = [settings_with(0.51), settings_with(0.6)]
    for settings in (*versions, *versions):
        kept_settings.keep(tmp_path / "settings", settings)
    assert len(list((tmp_path / "settings").iterdir())) == 2
    for settings in versions:
        assert kept_settings.find(tmp_path / "settings", settings.digest) == kept_settings.of(settings)


def test_what_was_not_kept_is_not_found(tmp_path: Path) -> None:
    assert kept_settings.find(tmp_path, "0" * 64) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"signals": {}}', b"\xff"])
def test_a_file_that_does_not_have_its_digest_is_not_believed(tmp_path: Path, content: bytes) -> None:
    digest = settings_with(0.51).digest
    (tmp_path / f"{digest}.json").write_bytes(content)
    assert kept_settings.find(tmp_path, digest) is None


def test_settings_of_before_a_new_one_was_added_have_its_default(tmp_path: Path) -> None:
    told = json.loads(json.dumps(settings_with(0.6).deciding))
    del told["signals"]["risk_max"]
    found = kept_settings.find(tmp_path, kept_under_its_digest(tmp_path, told))
    assert found is not None
    assert found.signals == settings_with(0.6).signals


def test_settings_that_this_program_does_not_know_are_named(tmp_path: Path) -> None:
    told = json.loads(json.dumps(settings_with(0.6).deciding))
    told["costs"]["abolished"] = 1
    digest = kept_under_its_digest(tmp_path, told)
    with pytest.raises(SkipThis, match=rf"settings\.of_another_version.*{digest}.*abolished"):
        kept_settings.find(tmp_path, digest)


def test_a_disk_that_refuses_stops_trading(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("no folder")
    with pytest.raises(StopTrading, match=r"settings\.not_kept"):
        kept_settings.keep(tmp_path / "settings", settings_with(0.6))
