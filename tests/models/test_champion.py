"""A new model must keep up with the one that serves, on rows that neither was fitted on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sereno.models.champion import Champion, champion_of, judged
from sereno.models.contract import Role
from sereno.models.dataset import Dataset, join
from sereno.models.evaluate import row_losses
from sereno.models.gate import Choice, Duel, NoDuel, least_rows
from sereno.models.learn import Learned, learn, split_rows
from sereno.models.outlook import read_outlook
from sereno.models.train import TrainReport, label_params, train_rows
from sereno.store.pointer import Pin
from sereno.store.registry import Registry
from tests.models.conftest import Trained, origins_of
from tests.models.worlds import BARRIERS, COSTS, MODELS, NAMES, SERIES, START_MS, World, world

WEEK_ROWS = 168
LABELS = label_params(BARRIERS, COSTS)
TREND_ONLY = (Role.TREND,)


def rows_until(made: World, rows: int) -> World:
    """The world as it was known `rows` candles in."""
    labels = replace(
        made.labels,
        ts=made.labels.ts[:rows],
        long=made.labels.long[:rows],
        short=made.labels.short[:rows],
        forward_return=made.labels.forward_return[:rows],
        end_ms=made.labels.end_ms[:rows],
    )
    return World(made.candles, made.frame.head(rows), labels)


def data_of(made: World) -> Dataset:
    return join(made.frame, made.labels, timeframe=SERIES.timeframe, horizon_bars=BARRIERS.horizon_bars)


def train(made: World, registry: Registry, number: int) -> TrainReport:
    origins = origins_of(made, created_ms=START_MS + 10**9 + number * 10**6, data_digest=f"data {number}")
    return train_rows(
        SERIES, made.frame, made.labels, models=MODELS, origins=origins, registry=registry, roles=TREND_ONLY
    )


def spoiled_fit(made: World, rows: int) -> World:
    """The same world, whose rows before the test slice teach nothing: their features are noise."""
    chance = np.random.default_rng(2)
    taught = np.arange(len(made.frame.ts)) < rows
    values = np.where(taught[:, None], chance.standard_normal(made.frame.values.shape), made.frame.values)
    values[:, :2] = made.frame.values[:, :2]
    return replace(made, frame=replace(made.frame, values=values))


@pytest.fixture(scope="module")
def lasting() -> World:
    return world(rows=3000, edge=0.5, seed=21)


@pytest.fixture
def champion(lasting: World, tmp_path: Path) -> tuple[Registry, str]:
    """Good trees that serve, a week older than the world."""
    registry = Registry(tmp_path)
    report = train(rows_until(lasting, 3000 - WEEK_ROWS), registry, 0)
    assert report.roles[0].chosen == report.roles[0].trees
    return registry, report.roles[0].trees.version


def test_an_equal_that_knows_more_takes_over(lasting: World, champion: tuple[Registry, str]) -> None:
    registry, before = champion
    role = train(lasting, registry, 1).roles[0]
    assert role.evaluation["champion"]["version"] == before
    assert role.evaluation["champion"]["rows"] == role.evaluation["slices"]["test"]["rows"]
    assert role.chosen == role.served == role.trees
    assert role.trees.extra["champion"] == before


def test_a_clearly_worse_one_is_kept_and_not_served(lasting: World, champion: tuple[Registry, str]) -> None:
    """It still beats the baseline: half of what it learned from was noise."""
    registry, before = champion
    worse = spoiled_fit(lasting, 1500)
    role = train(worse, registry, 1).roles[0]
    assert role.evaluation["verdict"]["passed"], "without the champion it would have served"
    assert role.evaluation["choice"] == "champion"
    assert role.chosen.version == role.served.version == registry.current(Role.TREND, SERIES) == before
    assert role.trees.refused_reason == f"clearly worse than {before}, which serves"
    assert not role.trees.serving_ok
    again = train(worse, registry, 1).roles[0]
    assert again.reused
    assert again.served.version == before


def test_a_champion_outlives_a_failed_training_only_while_it_beats_the_baseline(
    lasting: World, champion: tuple[Registry, str]
) -> None:
    registry, before = champion
    failed = train(spoiled_fit(lasting, 2390), registry, 1).roles[0]
    assert not failed.evaluation["verdict"]["passed"]
    assert failed.served.version == before
    over = world(rows=3000, edge=0.0, seed=22)
    ended = train(over, registry, 2).roles[0]
    assert ended.served == ended.baseline, "what the champion knew holds no more"
    assert not ended.evaluation["champion"]["against_baseline"]["passed"]


def test_trap_a30_19_r7_only_rows_that_neither_was_fitted_on_count(edged: Trained) -> None:
    """A champion that was fitted on half of the window is judged on the other half alone."""
    data = data_of(edged.world)
    test = data.rows(split_rows(data, MODELS).test)
    kept = champion_of(edged.registry, Role.TREND, SERIES, names=NAMES, label_params=LABELS)
    assert isinstance(kept, Champion)
    half = int(test.ts[len(test) // 2])
    losses = row_losses(Role.TREND, kept.outlook.outputs(test.x), test)
    plain = np.full((len(test), 2), 1 / 3)
    found = judged(losses, plain, replace(kept, unseen_from_ms=half), Role.TREND, test)
    assert isinstance(found, Duel)
    assert (found.rows, found.since_ms) == (len(test) - len(test) // 2, half)
    assert found.lead == 0.0
    assert not found.is_clearly_won, "nothing beats itself"
    late = int(test.ts[len(test) - least_rows(test.horizon_bars) + 1])
    refused = judged(losses, plain, replace(kept, unseen_from_ms=late), Role.TREND, test)
    assert isinstance(refused, NoDuel)
    assert "all but" in refused.reason


def test_the_rows_that_the_champion_was_fitted_on_change_nothing(edged: Trained) -> None:
    data = data_of(edged.world)
    test = data.rows(split_rows(data, MODELS).test)
    kept = champion_of(edged.registry, Role.TREND, SERIES, names=NAMES, label_params=LABELS)
    assert isinstance(kept, Champion)
    cut = len(test) // 3
    turned = replace(test, trend=np.r_[(test.trend[:cut] + 1) % 3, test.trend[cut:]])
    plain = np.full((len(test), 2), 1 / 3)
    later = replace(kept, unseen_from_ms=int(test.ts[cut]))
    honest, other = (
        judged(row_losses(Role.TREND, plain, one), plain, later, Role.TREND, one) for one in (test, turned)
    )
    assert honest == other


@pytest.mark.parametrize(
    ("names", "labels", "word"),
    [
        ((*NAMES[:-1], "renamed"), LABELS, "feature_mismatch"),
        (NAMES, {**LABELS, "target_atr": 9.0}, "other barriers or costs"),
    ],
)
def test_what_answers_another_question_is_not_compared(
    edged: Trained, names: tuple[str, ...], labels: dict[str, object], word: str
) -> None:
    found = champion_of(edged.registry, Role.TREND, SERIES, names=names, label_params=labels)
    assert isinstance(found, NoDuel)
    assert word in found.reason


def test_nothing_and_a_baseline_are_no_champions(noise: Trained, tmp_path: Path) -> None:
    empty = champion_of(Registry(tmp_path), Role.TREND, SERIES, names=NAMES, label_params=LABELS)
    assert empty == NoDuel("nothing serves yet")
    plain = champion_of(noise.registry, Role.TREND, SERIES, names=NAMES, label_params=LABELS)
    assert plain == NoDuel("a baseline serves")


def test_another_order_of_features_is_the_same_champion(edged: Trained) -> None:
    made = edged.world
    turned = replace(
        made,
        frame=replace(made.frame, names=NAMES[::-1], values=np.ascontiguousarray(made.frame.values[:, ::-1])),
    )
    found = []
    for one in (made, turned):
        names = tuple(one.frame.names)
        kept = champion_of(edged.registry, Role.TREND, SERIES, names=names, label_params=LABELS)
        learned = learn(Role.TREND, data_of(one), MODELS, champion=kept)
        assert isinstance(learned.duel, Duel)
        found.append(learned.duel.against_baseline)
    assert found[0] == found[1]


def test_what_a_person_pinned_outlives_a_better_training(lasting: World, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    first = train(rows_until(lasting, 3000 - WEEK_ROWS), registry, 0).roles[0]
    registry.use(Role.TREND, SERIES, first.baseline.version, pin=Pin("ada", START_MS, "wait"))
    held = train(lasting, registry, 1).roles[0]
    assert held.chosen == held.trees
    assert held.served == first.baseline
    assert held.held == (
        f"{held.trees.version} would serve, but {first.baseline.version} is pinned "
        "since 2023-11-15T00:00:00Z by ada"
    )
    registry.release(SERIES)
    freed = train(lasting, registry, 1).roles[0]
    assert freed.served == freed.trees
    assert freed.held is None


def test_a_lost_champion_is_not_waited_for(lasting: World, champion: tuple[Registry, str]) -> None:
    registry, before = champion
    worse = spoiled_fit(lasting, 1500)
    train(worse, registry, 1)
    (place,) = registry.root.rglob(before)
    (place / "manifest.json").unlink()
    again = train(worse, registry, 1).roles[0]
    assert again.served == again.baseline


def test_the_reason_of_a_refusal_is_the_first_that_applies(edged: Trained) -> None:
    data = data_of(edged.world)
    plain = learn(Role.TREND, data, MODELS)
    assert (plain.choice, plain.refused_reason) == (Choice.CHALLENGER, None)
    won = Duel("v", 999, 1, 2, plain.verdict, 0.1, 0.001)
    assert (
        replace(plain, duel=won, choice=Choice.CHAMPION).refused_reason
        == "clearly worse than v, which serves"
    )
    knowing = replace(won, lead=-0.1, p_value=0.7)
    told = "the mean return did not pass, and that of v, which serves, did"
    assert replace(plain, duel=knowing, choice=Choice.CHAMPION).refused_reason == told
    failed = replace(plain.verdict, passed=False, reason="worse")
    assert _with(plain, failed, won).refused_reason == "worse"


def _with(learned: Learned, verdict: object, duel: Duel) -> Learned:
    return replace(learned, verdict=verdict, duel=duel, choice=Choice.CHAMPION)  # type: ignore[arg-type]


def test_a_champion_is_read_as_it_is_served(edged: Trained) -> None:
    kept = champion_of(edged.registry, Role.TREND, SERIES, names=NAMES, label_params=LABELS)
    assert isinstance(kept, Champion)
    files = edged.registry.load(Role.TREND, SERIES).files
    x = edged.world.frame.values[100:200]
    served = read_outlook(Role.TREND, files, features=NAMES)
    assert np.array_equal(kept.outlook.outputs(x), served.outputs(x))
