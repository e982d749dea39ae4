"""Trained desks that several tests look at: one with an edge to find, one without."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from sereno.models.train import Origins, TrainReport, label_params, settings_digest, train_rows
from sereno.store.registry import Registry
from tests.models.worlds import BARRIERS, COSTS, MODELS, SERIES, START_MS, World, world

# The oracles import scikit-learn, whose OpenMP would be loaded before `lean_xgboost` can say this.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@dataclass(frozen=True)
class Trained:
    """A world, what training made of it, and where it was kept."""

    world: World
    root: Path
    registry: Registry
    report: TrainReport


def origins_of(made: World, **changed: object) -> Origins:
    """Where the models of a test world come from."""
    plain = {
        "created_ms": START_MS + 10**9,
        "git_commit": "c0ffee",
        "data_digest": made.candles.digest(),
        "settings_digest": settings_digest(MODELS, BARRIERS, COSTS),
        "label_params": label_params(BARRIERS, COSTS),
    }
    return Origins(**{**plain, **changed})  # type: ignore[arg-type]


def trained_on(made: World, root: Path) -> Trained:
    """Train all roles on a test world into a fresh registry."""
    registry = Registry(root)
    report = train_rows(
        SERIES, made.frame, made.labels, models=MODELS, origins=origins_of(made), registry=registry
    )
    return Trained(made, root, registry, report)


@pytest.fixture(scope="session")
def edged(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained where half of every move can be foreseen. Shared: tests must not change it."""
    return trained_on(world(rows=3000, edge=0.5, seed=1), tmp_path_factory.mktemp("edged"))


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained where there is nothing to learn."""
    return trained_on(world(rows=3000, edge=0.0, seed=1), tmp_path_factory.mktemp("noise"))
