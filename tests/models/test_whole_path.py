"""Candles in, forecast out, through the real features, labels and registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.settings import ModelSettings, WalkForwardSettings
from sereno.core.timeframe import Timeframe
from sereno.features.engine import live_row
from sereno.features.frame import compute
from sereno.models.contract import Role
from sereno.models.dataset import Dataset
from sereno.models.serve import Forecaster
from sereno.models.train import TrainReport, train_series
from sereno.models.walkforward import walk_forward
from sereno.store.registry import Registry
from tests.models.worlds import BARRIERS, COSTS, MODELS, SERIES, START_MS

NOW = START_MS + 10**10


def _candles(rows: int, seed: int) -> Candles:
    """A walk that trends for half a day and then turns, so that momentum is worth something."""
    chance = np.random.default_rng(seed)
    drift = np.repeat(chance.choice([-1.0, 1.0], rows // 12 + 1), 12)[:rows]
    moves = 0.004 * (0.8 * drift + chance.standard_normal(rows))
    close = 100.0 * np.exp(np.cumsum(moves - moves.mean()))
    opens = np.r_[100.0, close[:-1]]
    reach = 1 + 0.002 * np.abs(chance.standard_normal((2, rows)))
    high, low = np.maximum(opens, close) * reach[0], np.minimum(opens, close) / reach[1]
    stamps = START_MS - START_MS % 86_400_000 + np.arange(rows, dtype=np.int64) * Timeframe.H1.ms
    return Candles(Timeframe.H1, stamps, opens, high, low, close, 5.0 + chance.random(rows))


@dataclass(frozen=True)
class Desk:
    """What a first training leaves behind."""

    candles: Candles
    registry: Registry
    report: TrainReport


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    candles, registry = _candles(3000, 1), Registry(tmp_path_factory.mktemp("registry"))
    report = train_series(
        SERIES,
        candles,
        models=MODELS,
        barriers=BARRIERS,
        costs=COSTS,
        registry=registry,
        now=NOW,
        git_commit="c0ffee",
    )
    return Desk(candles, registry, report)


def test_trap_c12_16_momentum_is_found_and_served(desk: Desk) -> None:
    trend = desk.report.roles[0]
    assert trend.served == trend.trees
    assert trend.evaluation["metrics"]["auc_up"] > 0.55


def test_the_live_row_gets_the_forecast_of_the_batch(desk: Desk) -> None:
    frame = compute(desk.candles, atr_bars=BARRIERS.atr_bars)
    serving = Forecaster.load(desk.registry, SERIES, names=frame.names, barriers=BARRIERS)
    live = live_row(desk.candles, atr_bars=BARRIERS.atr_bars)
    one, batch = serving.forecast(live.row), serving.forecasts(frame).row(len(frame) - 1)
    assert one.ts == batch.ts
    for name in ("prob_up", "prob_down", "p10", "p50", "p90", "expected_return", "risk_score"):
        assert getattr(one, name) == pytest.approx(getattr(batch, name), rel=1e-6)


def test_trap_c12_4_no_label_is_among_the_features(desk: Desk) -> None:
    named = set(desk.report.roles[0].trees.features)
    assert not {name for name in named if "label" in name or "forward" in name or "target" in name}
    assert named == set(compute(desk.candles.slice(0, 5)).names)


def test_training_is_resumed_on_equal_candles(desk: Desk) -> None:
    again = train_series(
        SERIES,
        desk.candles,
        models=MODELS,
        barriers=BARRIERS,
        costs=COSTS,
        registry=desk.registry,
        now=NOW + 60_000,
        git_commit="c0ffee",
    )
    assert all(role.reused for role in again.roles)
    assert [r.served.version for r in again.roles] == [r.served.version for r in desk.report.roles]


@pytest.mark.parametrize(("rows", "event"), [(0, "models.empty_history"), (300, "models.short_history")])
def test_too_little_history_leaves_the_registry_alone(rows: int, event: str, tmp_path: Path) -> None:
    candles, registry = _candles(600, 2).slice(0, rows), Registry(tmp_path)
    with pytest.raises(SkipThis) as caught:
        train_series(
            SERIES,
            candles,
            models=MODELS,
            barriers=BARRIERS,
            costs=COSTS,
            registry=registry,
            now=NOW,
            git_commit="c0ffee",
        )
    assert caught.value.event == event
    assert caught.value.remedy
    assert registry.all() == ()
    with pytest.raises(SkipThis) as walked:
        walk_forward(candles, SERIES, models=MODELS, barriers=BARRIERS, costs=COSTS)
    assert walked.value.event == event


def test_walk_forward_on_candles(desk: Desk) -> None:
    walked = walk_forward(
        desk.candles,
        SERIES,
        plan=WalkForwardSettings(folds=2),
        models=MODELS.model_copy(update={"rounds": 20}),
        barriers=BARRIERS,
        costs=COSTS,
    )
    assert len(walked.folds) == 2
    assert walked.forecasts.ts[-1] == desk.candles.close_ms[-1]
    assert set(walked.folds[0].metrics) == set(Role)


def test_every_setting_of_the_walk_has_its_effect(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped at the first training, which tells what it would have learned from."""
    seen: list[tuple[int, int]] = []

    class Enough(Exception):
        pass

    def stop(_role: Role, past: Dataset, models: ModelSettings, **_: object) -> None:
        seen.append((len(past), models.rounds))
        raise Enough

    monkeypatch.setattr("sereno.models.walkforward.learn", stop)
    plans = [{}, {"first_frac": 0.6}, {"rounds": 20}, {"rounds": 5000}]
    for plan in plans:
        with pytest.raises(Enough):
            walk_forward(
                desk.candles,
                SERIES,
                plan=WalkForwardSettings.model_validate(plan),
                models=MODELS.model_copy(update={"rounds": 200}),
                barriers=BARRIERS,
                costs=COSTS,
            )
    usual, longer, fewer, most = seen
    assert longer[0] > 1.4 * usual[0]
    assert [rounds for _, rounds in (usual, fewer, most)] == [150, 20, 200]
