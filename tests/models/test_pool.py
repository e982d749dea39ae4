"""Peers add to what the trees learn from, as far as it was known, and to nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sereno.models.contract import Role
from sereno.models.dataset import Dataset, join
from sereno.models.learn import learn, split_rows
from sereno.models.pool import pooled
from sereno.models.taught import peer_rows
from sereno.models.train import data_digest
from sereno.models.walkforward import walk_rows
from tests.models.worlds import BARRIERS, COSTS, MODELS, SERIES, World, world


def data_of(made: World) -> Dataset:
    return join(made.frame, made.labels, timeframe=SERIES.timeframe, horizon_bars=BARRIERS.horizon_bars)


OWN, OTHER = (data_of(world(rows=900, edge=0.5, seed=seed)) for seed in (31, 32))


@given(st.integers(1, 400), st.lists(st.integers(1, 400), max_size=4))
def test_a_pool_is_in_order_bounded_and_knows_no_more_than_its_own_rows(
    own_rows: int, sizes: list[int]
) -> None:
    own = OWN.rows(np.arange(own_rows, dtype=np.int64))
    peers = [OTHER.rows(np.arange(size, dtype=np.int64)) for size in sizes]
    found = pooled(own, peers)
    assert len(own) <= len(found) <= 2 * len(own)
    assert (np.diff(found.ts) >= 0).all()
    assert found.end_ms.max() == own.end_ms.max()
    assert set(own.ts.tolist()) <= set(found.ts.tolist())


def test_no_peer_is_no_change() -> None:
    assert pooled(OWN, ()) is OWN
    plain, alone = (learn(Role.TREND, OWN, MODELS, peers=peers) for peers in ((), (OTHER.known_by(0),)))
    assert plain.trees.files() == alone.trees.files()


def test_peers_change_the_trees_and_not_the_baseline_or_the_rows_that_judge() -> None:
    plain, taught = (learn(Role.TREND, OWN, MODELS, peers=peers) for peers in ((), (OTHER,)))
    assert plain.trees.files() != taught.trees.files()
    assert plain.baseline.files() == taught.baseline.files()
    assert plain.evaluation["slices"] == taught.evaluation["slices"]


@pytest.mark.parametrize("role", list(Role))
def test_trap_e4_9_what_peers_did_later_changes_no_bit_of_the_model(role: Role) -> None:
    """Peers' rows that were not known when the newest own row of the train slice was are turned upside down."""
    train = OWN.rows(split_rows(OWN, MODELS).train)
    later = OTHER.end_ms > int(train.end_ms.max())
    assert later.any()
    turned = replace(
        OTHER,
        x=np.where(later[:, None], 9.0, OTHER.x),
        trend=np.where(later, (OTHER.trend + 1) % 3, OTHER.trend),
        return_atr=np.where(later, -7.0, OTHER.return_atr),
        stops=np.where(later[:, None], 1 - OTHER.stops, OTHER.stops),
    )
    honest, other = (learn(role, OWN, MODELS, peers=(one,)) for one in (OTHER, turned))
    assert honest.trees.files() == other.trees.files()


def test_rows_of_other_features_are_refused() -> None:
    renamed = replace(OTHER, names=(*OTHER.names[:-1], "renamed"))
    with pytest.raises(ValueError, match="other features"):
        pooled(OWN, (renamed,))


def test_a_walk_learns_from_peers_too() -> None:
    made = world(rows=3000, edge=0.5, seed=33)
    walks = [
        walk_rows(
            SERIES,
            made.frame,
            made.labels,
            folds=1,
            models=MODELS,
            horizon_bars=BARRIERS.horizon_bars,
            peers=peers,
        )
        for peers in ((), (OTHER,))
    ]
    assert not np.array_equal(walks[0].forecasts.prob_up, walks[1].forecasts.prob_up)
    assert walks[0].folds[0].metrics[Role.TREND].baseline == walks[1].folds[0].metrics[Role.TREND].baseline


def test_peers_are_origins() -> None:
    own, peer, third = (world(rows=60, edge=0.0, seed=seed).candles for seed in (1, 2, 3))
    digests = [data_digest(own, peers) for peers in ((), (peer,), (third,), (peer, third), (third, peer))]
    assert digests[0] == own.digest()
    assert len(set(digests[:4])) == 4
    assert digests[3] == digests[4], "their order says nothing"


def test_a_peer_with_too_little_history_is_left_out() -> None:
    empty = world(rows=60, edge=0.0, seed=1).candles
    assert peer_rows((empty.between(None, 0), empty), barriers=BARRIERS, costs=COSTS) == ()
