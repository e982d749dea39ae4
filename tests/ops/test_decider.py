"""What the decider says of the models that it loads."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from sereno.models.contract import Role
from sereno.models.serve import Forecaster
from tests.store.test_registry import keep
from tests.surfaces.seeded import seeded_desk


def test_a_damaged_current_model_is_told_once_a_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = SimpleNamespace(
        fell_back={Role.TREND: "new"}, versions={Role.TREND: "old", Role.RETURN: "r", Role.RISK: "k"}
    )
    monkeypatch.setattr(Forecaster, "load", lambda *_, **__: damaged)
    with seeded_desk(tmp_path) as desk, structlog.testing.capture_logs() as logs:
        series = desk.series[0]
        for _ in range(3):
            desk.decider._forecaster(series)
        assert len(logs) == 1
        desk.registry.use("trend", series, keep(desk.registry, 1, series_key=series.key))
        desk.decider._forecaster(series)
    assert len(logs) == 2
    told = logs[0]
    assert (told["event"], told["log_level"], told["role"]) == ("models.fell_back", "warning", "trend")
    assert (told["damaged"], told["served"]) == ("new", "old")
