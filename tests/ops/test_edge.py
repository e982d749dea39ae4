"""What the generator's edge does to the whole chain: learned out of sample when there is one, refused when not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sereno.core.instrument import Series
from sereno.core.settings import Settings, load
from sereno.core.timeframe import DAY_MS, Timeframe
from sereno.features.frame import compute
from sereno.models.contract import Role
from sereno.models.serve import Forecaster
from sereno.models.train import TrainReport, train_series
from sereno.signals.batch import decide_all
from sereno.sim.generated import CLOCK_START_MS, GeneratedWorld
from sereno.store.registry import Registry


def settings_of(tmp_path: Path, edge: float | None, seed: int) -> Settings:
    overrides: dict[str, object] = {
        "sim.seed": seed,
        "models.trials": 0,
        "venue.instruments": "BTC/USDT",
        "venue.market": "linear",
    }
    if edge is not None:
        overrides["sim.edge"] = edge
    return load(env={}, cwd=tmp_path, overrides=overrides).settings


def trained_and_traded(tmp_path: Path, edge: float | None, seed: int) -> tuple[TrainReport, float]:
    """Train on two years before the clock's start; the share of the next 60 days' candles with a trade."""
    settings = settings_of(tmp_path, edge, seed)
    (instrument,) = settings.venue.listed()
    series = Series(instrument, Timeframe.H1)
    world = GeneratedWorld(settings.sim.seed, settings.sim.edge, (instrument,))
    since, until = CLOCK_START_MS - 730 * DAY_MS, CLOCK_START_MS + 60 * DAY_MS
    candles = world.candles(instrument, Timeframe.H1, since, until)
    registry = Registry(tmp_path / "registry")
    report = train_series(
        series,
        candles.between(None, CLOCK_START_MS),
        models=settings.models,
        barriers=settings.barriers,
        costs=settings.costs,
        registry=registry,
        now=CLOCK_START_MS,
        git_commit="test",
    )
    frame = compute(candles)
    forecasts = Forecaster.load(registry, series, names=frame.names, barriers=settings.barriers).forecasts(
        frame
    )
    decisions = decide_all(
        forecasts,
        frame,
        market=instrument.market,
        signals=settings.signals,
        barriers=settings.barriers,
        costs=settings.costs,
    )
    unseen = frame.ts > CLOCK_START_MS
    return report, float(np.mean(np.asarray(decisions.side)[unseen] != 0))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_default_edge_is_mild_found_out_of_sample_and_traded(tmp_path: Path, seed: int) -> None:
    report, traded_frac = trained_and_traded(tmp_path, None, seed)
    trend = next(role for role in report.roles if role.role is Role.TREND)
    assert trend.served == trend.trees
    auc = trend.trees.metrics["auc_up"]
    assert auc is not None
    assert 0.58 < auc < 0.68
    assert 0.02 < traded_frac < 0.5


@pytest.mark.parametrize("seed", [1, 2])
def test_without_edge_the_desk_refuses_nearly_always(tmp_path: Path, seed: int) -> None:
    _, traded_frac = trained_and_traded(tmp_path, 0.0, seed)
    assert traded_frac < 0.01
