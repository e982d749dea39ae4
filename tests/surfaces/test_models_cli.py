"""`sereno models`: a person's choice is kept with who, when and why, holds, and can be given back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sereno.core.instrument import Series
from sereno.core.timeframe import HOUR_MS
from sereno.ops.app import Desk
from sereno.store.ledger import audit, model_versions
from sereno.surfaces.cli import context
from tests.store.test_registry import DRAFT, FILES, START
from tests.surfaces.test_cli import call, own_folder

__all__ = ["own_folder"]
ROLES = ("trend", "return", "risk")


@pytest.fixture
def sets(own_folder: Path) -> list[dict[str, str]]:
    """Three trainings of the first series; the third serves."""
    with Desk(context.loaded().settings) as desk:
        series = desk.series[0]
        made = [{role: kept(desk, series, role, hour) for role in ROLES} for hour in range(3)]
        for one in made:
            desk.registry.publish(series, one)
    return made


def kept(desk: Desk, series: Series, role: str, hour: int) -> str:
    draft = replace(DRAFT, role=role, series_key=series.key, created_ms=START + hour * HOUR_MS)
    return desk.registry.save(draft, FILES).version


def served() -> tuple[dict[str, str], set[str], list[audit.AuditEntry]]:
    """(versions, pinned roles, audit, newest first) of the first series."""
    with Desk(context.loaded().settings) as desk:
        pointer = desk.registry.pointer(desk.series[0])
        with desk.ledger.read() as tx:
            marked = {m.role: m.version for m in model_versions.recent(tx, serving=True)}
            told = audit.recent(tx)
    assert marked.items() <= dict(pointer.versions).items(), "ledger and registry agree"
    return dict(pointer.versions), set(pointer.pins), told


def test_rollback_goes_back_one_set_and_holds_it(
    sets: list[dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("models", "rollback", "BTC/USDT", "--why", "too bold") == 0
    versions, pins, told = served()
    assert (versions, pins) == (sets[1], set(ROLES))
    assert told[0].action == "models.rollback"
    assert told[0].detail == {"versions": sets[1], "before": sets[2], "why": "too bold"}
    capsys.readouterr()
    assert call("models", "list") == 0
    assert "pinned by" in capsys.readouterr().out.replace("\n", " ")


def test_versions_are_listed_by_role_and_the_newest_first(
    sets: list[dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("models", "list") == 0
    rows = [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [[made[role], role] for role in sorted(ROLES) for made in reversed(sets)]


def test_one_role_can_go_back_alone(sets: list[dict[str, str]]) -> None:
    assert call("models", "rollback", "--role", "risk") == 0
    versions, pins, _ = served()
    assert (versions, pins) == ({**sets[2], "risk": sets[1]["risk"]}, {"risk"})


def test_use_holds_its_role_until_it_is_released(
    sets: list[dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("models", "use", sets[0]["trend"], "--why", "proved") == 0
    versions, pins, told = served()
    assert (versions, pins) == ({**sets[2], "trend": sets[0]["trend"]}, {"trend"})
    assert (told[0].action, told[0].detail["why"]) == ("models.use", "proved")
    capsys.readouterr()
    assert call("models", "release") == 0
    out = capsys.readouterr().out.replace("\n", " ")
    assert "proved" in out
    assert "nothing of binance:spot:ETH/USDT@1h is pinned" in out
    versions, pins, told = served()
    assert (versions["trend"], pins) == (sets[0]["trend"], set())
    assert told[0].action == "models.release"
    assert told[0].detail == {"released": {"trend": sets[0]["trend"]}}


def test_what_cannot_be_done_is_said(sets: list[dict[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("models", "rollback", "--role", "luck") == 2
    assert call("models", "rollback", "ETH/USDT") != 0
    assert call("models", "release", "--timeframe", "4h") == 2
    assert call("models", "use", "20200101T000000Z-00000000") == 2
    told = capsys.readouterr().err
    for word in ("models.role", "registry.no_previous", "models.timeframe", "models.unknown_version"):
        assert word in told
    assert served()[:2] == (sets[2], set())


def test_every_version_that_does_not_serve_says_why(
    sets: list[dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert call("models", "list") == 0
    head, *rows = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    told = {row[0]: row[head.index("served, or why not")] for row in rows}
    assert set(told) >= {version for one in sets for version in one.values()}
    assert all(told.values())
    for role in ROLES:
        assert told[sets[0][role]] == f"{sets[2][role]} serves"
