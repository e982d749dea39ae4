"""The job `train` over two series: peers, pins, pruning, and what it tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock
from sereno.core.forecast import Forecast
from sereno.core.instrument import Series
from sereno.core.settings import Settings
from sereno.core.signal import Decision
from sereno.core.timeframe import HOUR_MS
from sereno.models.contract import Role
from sereno.models.train import data_digest
from sereno.ops.app import Desk
from sereno.ops.run import Run
from sereno.ops.steps import train as step
from sereno.ops.steps.peers import peers_of
from sereno.ops.steps.train_page import CURVES, REPORT, read_curves
from sereno.store.ledger import audit, model_versions, signals
from sereno.store.ledger.named_models import named_by_signals
from sereno.store.pointer import Pin
from sereno.store.registry import ModelManifest
from tests.models.test_whole_path import _candles
from tests.surfaces.seeded import settings_for, signal_of

RUN = Run("r", "train")
SMALL = {"trials": 0, "rounds": 12, "min_rows": 150, "threads": 1}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Two pairs, of which the first was trained once."""
    folder = tmp_path_factory.mktemp("desk")
    blocks = [_candles(1500, seed) for seed in (1, 2)]
    now = int(blocks[0].close_ms[-1]) + 30_000
    with Desk(settings_for(folder, models=SMALL), clock=FixedClock(now)) as made:
        for series, block in zip(made.series, blocks, strict=True):
            made.lake.append(series, block, source="test", mode=made.mode, now=now)
        assert step.train(made, RUN).failed is None
        yield made


def test_every_series_learns_from_the_other(desk: Desk) -> None:
    for series in desk.series:
        (peer,) = peers_of(desk, series, desk.lake.candles)
        (other,) = [one for one in desk.series if one != series]
        assert peer.digest() == desk.lake.candles(other).digest()
        digest = data_digest(desk.lake.candles(series), (peer,))
        assert {m.data_digest for m in desk.registry.versions(Role.TREND, series)} == {digest}


def test_without_pooling_every_series_learns_from_itself_alone(desk: Desk, tmp_path: Path) -> None:
    alone = desk.settings.model_dump() | {"state_dir": tmp_path}
    alone["models"]["pooling"] = False
    with Desk(Settings.model_validate(alone), clock=desk.clock) as made:
        for series in made.series:
            block = desk.lake.candles(series)
            made.lake.append(series, block, source="test", mode=made.mode, now=made.clock.now_ms())
        assert step.train(made, RUN, "trend", "BTC/USDT").failed is None
        series = made.series[0]
        assert peers_of(made, series, made.lake.candles) == ()
        trees = {one: made_of(one, series) for one in (made, desk)}
        assert trees[made].data_digest == desk.lake.candles(series).digest()
        assert trees[made].files["model.ubj"] != trees[desk].files["model.ubj"]


def made_of(desk: Desk, series: Series) -> ModelManifest:
    """The trees of the trend."""
    return next(m for m in desk.registry.versions(Role.TREND, series) if m.extra["kind"] == "boosted")


def test_the_page_says_what_the_curve_is(desk: Desk) -> None:
    page = (desk.paths.reports / REPORT).read_text(encoding="utf-8")
    assert page.count("Out-of-sample equity, walk-forward") + page.count("no trades were simulated") == 2
    assert page.count("a side. Refused, by the first reason: ") == page.count(
        "Out-of-sample equity, walk-forward"
    )
    assert "Not compared with what served: nothing serves yet" in page


def test_a_training_of_one_role_and_series_leaves_the_others_on_the_page(desk: Desk) -> None:
    path, kept = desk.paths.reports / REPORT, desk.paths.reports / CURVES
    before, curves = path.read_text(encoding="utf-8"), kept.read_bytes()
    assert before.count(", now</span>") == 6
    assert step.train(desk, RUN, "trend", desk.series[0].instrument.symbol).failed is None
    page = path.read_text(encoding="utf-8")
    assert (page.count(", now</span>"), page.count(", before<")) == (1, 5)
    assert page.count("<svg") == before.count("<svg")
    assert kept.read_bytes() == curves
    for series in desk.series:
        assert f"<h2>{series.key}</h2>" in page
        for version in desk.registry.served(series).values():
            assert f"Version {version} serves." in page
    assert page.count("not trained this time") == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": {}}', b'{"a": {"ts": ["x"]}}'])
def test_damaged_curves_cost_the_curves_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CURVES).write_bytes(content)
    assert read_curves(tmp_path / CURVES) == {}


def test_a_pinned_version_is_held_and_told_of(desk: Desk) -> None:
    series = desk.series[0]
    first = desk.registry.served(series)
    other = next(
        m for m in desk.registry.versions(Role.TREND, series) if m.version != first["trend"]
    )  # the one of trees and baseline that the gate did not choose
    now = desk.clock.now_ms()
    desk.registry.use(Role.TREND, series, other.version, force=True, pin=Pin("ada", now, "to see"))
    told = step.train(desk, RUN).details["series"][series.key]["trend"]  # type: ignore[index]
    assert told["held"].startswith(f"{first['trend']} would serve, but {other.version} is pinned since")
    assert desk.registry.served(series) == {**first, "trend": other.version}
    with desk.ledger.read() as tx:
        marked = {m.role: m.version for m in model_versions.recent(tx, series_key=series.key, serving=True)}
        entries = audit.recent(tx, action="models.trained")
    assert marked == desk.registry.served(series)
    assert "is pinned since" in str(next(e for e in entries if e.subject == series.key).detail["trend"])
    desk.registry.release(series)
    assert "held" not in step.train(desk, RUN).details["series"][series.key]["trend"]  # type: ignore[index]
    assert desk.registry.served(series) == first


def test_what_stored_signals_name_is_not_pruned(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    series = desk.series[0]
    (kept, *_) = old = [
        desk.registry.save(
            replace(desk.registry.versions(Role.RISK, series)[0], created_ms=hour * HOUR_MS, version=""),
            {"baseline.json": b"{}"},
        ).version
        for hour in range(2)
    ]
    signal = signal_of(series, desk.clock.now_ms(), Decision.LONG)
    forecast: Forecast = replace(signal.forecast, model_version=f"trend=a,return=b,risk={kept}")
    with desk.ledger.begin() as tx:
        signals.save(tx, replace(signal, forecast=forecast))
    with desk.ledger.read() as tx:
        assert named_by_signals(tx) == {"a", "b", kept}
    monkeypatch.setattr(step, "KEEP_VERSIONS", 1)
    step.train(desk, RUN)
    left = {manifest.version for manifest in desk.registry.versions(Role.RISK, series)}
    assert left & set(old) == {kept}


def test_a_series_without_candles_is_no_peer(tmp_path: Path) -> None:
    block = _candles(200, 1)
    with Desk(settings_for(tmp_path, models=SMALL), clock=FixedClock(int(block.close_ms[-1]))) as made:
        first, second = made.series
        made.lake.append(first, block, source="test", mode=made.mode, now=int(block.close_ms[-1]))
        assert [len(peer) for peer in peers_of(made, first, made.lake.candles)] == [0]
        assert [len(peer) for peer in peers_of(made, second, made.lake.candles)] == [200]
