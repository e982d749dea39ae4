"""After a kill between registry and ledger, everyone tells what the registry's pointer says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock
from sereno.core.timeframe import HOUR_MS
from sereno.ops.app import Desk
from sereno.ops.served import correct_ledger, ledger_line
from sereno.store.ledger import model_versions
from sereno.store.pointer import Pin
from sereno.surfaces.api.app import create_app
from tests.store.test_registry import DRAFT, FILES, START
from tests.surfaces.client import TestClient
from tests.surfaces.seeded import NOW_MS, settings_for


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[Desk, str, str]]:
    """A desk whose registry serves a newer version than the ledger says; (desk, older, newer)."""
    with Desk(settings_for(tmp_path), clock=FixedClock(NOW_MS)) as made:
        series = made.series[0]
        draft = replace(DRAFT, series_key=series.key)
        older, newer = (
            made.registry.save(replace(draft, created_ms=START + hour * HOUR_MS), FILES) for hour in (0, 1)
        )
        with made.ledger.begin() as tx:
            model_versions.save(tx, ledger_line(older))
            model_versions.mark_serving(tx, older.role, series.key, older.version)
        made.registry.use(newer.role, series, newer.version, pin=Pin("ada", NOW_MS, "proved"))
        yield made, older.version, newer.version


def marked(desk: Desk) -> list[str]:
    with desk.ledger.read() as tx:
        return [model.version for model in model_versions.recent(tx, serving=True)]


def test_the_ledger_is_corrected_once(desk: tuple[Desk, str, str]) -> None:
    made, older, newer = desk
    assert marked(made) == [older]
    assert correct_ledger(made) == (newer,)
    assert marked(made) == [newer]
    assert correct_ledger(made) == ()


def test_the_api_tells_what_serves_and_who_holds_it(desk: tuple[Desk, str, str]) -> None:
    made, older, newer = desk
    with TestClient(create_app(made), base_url="http://127.0.0.1") as client:
        assert [model["serving"] for model in client.get("/api/v1/models").json()["models"]] == [False]
        assert client.get("/api/v1/models", params={"serving": "true"}).json()["models"] == []
        correct_ledger(made)
        told = {m["version"]: m for m in client.get("/api/v1/models").json()["models"]}
    assert (told[older]["serving"], told[older]["pinned"]) == (False, None)
    assert told[newer]["serving"] is True
    assert told[newer]["pinned"] == {"by": "ada", "since": "2024-06-01T12:00:30Z", "why": "proved"}


def test_a_damaged_pointer_leaves_the_ledger_alone(desk: tuple[Desk, str, str]) -> None:
    made, older, _ = desk
    for path in made.registry.root.glob("current/*/*.json"):
        path.write_bytes(b"{")
    assert correct_ledger(made) == ()
    assert marked(made) == [older]
