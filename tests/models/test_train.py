"""Training end to end on small worlds: it finds what is there, and admits when nothing is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sereno.core.errors import SkipThis
from sereno.models.contract import Role
from sereno.models.dataset import Dataset, join
from sereno.models.learn import learn, split_rows
from sereno.models.train import EVALUATION_FILE, TrainReport, settings_digest, train_rows
from sereno.models.tune import StoppedBy
from sereno.store.registry import Registry
from tests.models.conftest import Trained, origins_of, trained_on
from tests.models.worlds import BARRIERS, COSTS, MODELS, NAMES, SERIES, START_MS, World, world


def _data(made: World) -> Dataset:
    return join(made.frame, made.labels, timeframe=SERIES.timeframe, horizon_bars=BARRIERS.horizon_bars)


def _train(made: World, registry: Registry, **origins: object) -> TrainReport:
    return train_rows(
        SERIES, made.frame, made.labels, models=MODELS, origins=origins_of(made, **origins), registry=registry
    )


def test_trap_a30_24_the_edge_is_found_out_of_sample_and_served(edged: Trained) -> None:
    for role in edged.report.roles:
        assert role.served == role.trees
        assert role.evaluation["verdict"]["passed"]
        assert edged.registry.current(role.role, SERIES) == role.trees.version
    trend = edged.report.roles[0].evaluation
    assert trend["metrics"]["log_loss"] < trend["baseline_metrics"]["log_loss"] - 0.03
    assert trend["metrics"]["auc_up"] > 0.65
    assert trend["importance"][0][0] in {"signal", "echo"}


def test_without_an_edge_the_baseline_is_served_and_the_trees_are_kept_with_the_reason(
    noise: Trained,
) -> None:
    trend = noise.report.roles[0]
    assert trend.served == trend.baseline
    assert not trend.trees.serving_ok
    assert trend.trees.refused_reason
    kept = {m.version for m in noise.registry.versions(Role.TREND, SERIES)}
    assert {trend.trees.version, trend.baseline.version} <= kept


def test_trap_e4_6_a_refused_model_never_goes_live(noise: Trained) -> None:
    for role in noise.report.roles:
        if not role.trees.serving_ok:
            assert noise.registry.current(role.role, SERIES) != role.trees.version


def test_noise_is_refused_nearly_always() -> None:
    passed = [
        learn(Role.TREND, _data(world(rows=1200, edge=0.0, seed=seed)), MODELS).verdict.passed
        for seed in range(20)
    ]
    assert sum(passed) <= 2


def test_the_default_search_does_not_let_noise_through_either() -> None:
    tuned = MODELS.model_copy(update={"trials": 4})
    passed = [
        learn(Role.TREND, _data(world(rows=900, edge=0.0, seed=seed)), tuned).verdict.passed
        for seed in range(100, 106)
    ]
    assert sum(passed) <= 1


def test_trap_a30_19_scores_are_of_the_model_not_the_base_rate(edged: Trained) -> None:
    """A win rate of the test fold says nothing of the model; each score stands beside the baseline's."""
    for role in edged.report.roles:
        assert set(role.evaluation["metrics"]) == set(role.evaluation["baseline_metrics"])
        assert role.trees.metrics != role.baseline.metrics


def test_trap_e4_9_the_test_rows_change_no_bit_of_the_model() -> None:
    """Training with the newest slice turned upside down gives the same trees and calibration."""
    made = world(rows=1500, edge=0.4, seed=5)
    data = _data(made)
    split = split_rows(data, MODELS)
    chance = np.random.default_rng(1)
    x, trend = data.x.copy(), data.trend.copy()
    returns, stops = data.return_atr.copy(), data.stops.copy()
    x[split.test] = chance.standard_normal(x[split.test].shape)
    trend[split.test] = chance.integers(0, 3, len(split.test))
    returns[split.test] *= -7
    stops[split.test] = 1 - stops[split.test]
    spoiled = replace(data, x=x, trend=trend, return_atr=returns, stops=stops)
    tuned = MODELS.model_copy(update={"trials": 2})
    for role in Role:
        honest, other = (learn(role, one, tuned) for one in (data, spoiled))
        assert honest.trees.files() == other.trees.files()
        assert honest.baseline.files() == other.baseline.files()
        assert honest.metrics != other.metrics


def test_equal_inputs_give_equal_bytes(edged: Trained, tmp_path: Path) -> None:
    again = trained_on(world(rows=3000, edge=0.5, seed=1), tmp_path)
    assert [r.served.version for r in again.report.roles] == [r.served.version for r in edged.report.roles]
    for role in Role:
        assert again.registry.load(role, SERIES).files == edged.registry.load(role, SERIES).files


def test_the_search_is_deterministic_too() -> None:
    tuned = MODELS.model_copy(update={"trials": 4, "threads": 2, "rounds": 30})
    data = _data(world(rows=900, edge=0.4, seed=6))
    first, second = (learn(Role.RISK, data, tuned) for _ in range(2))
    assert first.trees.files() == second.trees.files()
    assert first.evaluation == second.evaluation


def test_a_search_ends_by_count_and_says_so_when_the_clock_ended_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = MODELS.model_copy(update={"trials": 5, "rounds": 20})
    data = _data(world(rows=900, edge=0.4, seed=6))
    found = learn(Role.RISK, data, tuned).search
    assert (found.trials, found.stopped_by) == (5, StoppedBy.TRIALS)
    monkeypatch.setattr("sereno.models.tune.SAFETY_S", 0.0)
    hurried = learn(Role.RISK, data, tuned)
    assert hurried.search.stopped_by is StoppedBy.TIME
    assert hurried.search.trials < 5
    assert hurried.evaluation["tuning"]["stopped_by"] == "time"


def test_the_manifest_says_how_the_search_ended(edged: Trained) -> None:
    assert edged.report.roles[0].trees.extra["tuning"] == {"trials": 0, "pruned": 0, "stopped_by": "trials"}


def test_the_same_origins_are_not_trained_twice(tmp_path: Path) -> None:
    made = world(rows=800, edge=0.5, seed=7)
    registry = Registry(tmp_path)
    first, second = _train(made, registry), _train(made, registry)
    assert not any(role.reused for role in first.roles)
    assert all(role.reused for role in second.roles)
    assert [r.served for r in first.roles] == [r.served for r in second.roles]
    assert [r.evaluation for r in first.roles] == [r.evaluation for r in second.roles]
    assert not any(role.reused for role in _train(made, registry, git_commit="d00d").roles)


def test_an_interrupted_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the first role, and again before the pointer was set: the second run finishes the work."""
    made = world(rows=800, edge=0.5, seed=7)
    registry = Registry(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            train_rows(
                SERIES,
                made.frame,
                made.labels,
                models=MODELS,
                origins=origins_of(made),
                registry=registry,
                roles=(Role.TREND,),
            )
    assert registry.current(Role.TREND, SERIES) is None
    report = _train(made, registry)
    assert [role.reused for role in report.roles] == [True, False, False]
    assert all(registry.current(role, SERIES) for role in Role)


@pytest.mark.parametrize("file", ["baseline.json", "model.ubj", "manifest.json"])
def test_a_damaged_version_is_trained_again_and_mended(tmp_path: Path, file: str) -> None:
    made = world(rows=800, edge=0.5, seed=7)
    registry = Registry(tmp_path)
    first = _train(made, registry)
    for path in tmp_path.glob(f"trend/**/{file}"):
        path.chmod(0o644)
        path.write_bytes(b"{}")
    again = _train(made, registry)
    assert [role.reused for role in again.roles] == [False, True, True]
    assert again.roles[0].served.version == first.roles[0].served.version
    assert registry.load(Role.TREND, SERIES).fell_back_from is None


def test_what_an_older_release_judged_is_trained_again(tmp_path: Path) -> None:
    """Where no commit is known, its models look like today's; their evaluation lacks the choice."""
    made = world(rows=800, edge=0.5, seed=7)
    registry, older = Registry(tmp_path / "new"), Registry(tmp_path / "old")
    _train(made, registry)
    for manifest in registry.all():
        files = dict(registry.load(manifest.role, SERIES, manifest.version).files)
        evaluation = json.loads(files[EVALUATION_FILE])
        kept = {
            name: value
            for name, value in evaluation.items()
            if name not in ("choice", "champion", "mean_verdict", "tuning")
        }
        older.save(replace(manifest, version=""), {**files, EVALUATION_FILE: json.dumps(kept).encode()})
    later = START_MS + 2 * 10**9
    assert not any(role.reused for role in _train(made, older, created_ms=later).roles)
    assert all(role.reused for role in _train(made, older, created_ms=later).roles)


def test_one_role_alone_leaves_the_others_without_forecasts(tmp_path: Path) -> None:
    made = world(rows=800, edge=0.5, seed=7)
    report = train_rows(
        SERIES,
        made.frame,
        made.labels,
        models=MODELS,
        origins=origins_of(made),
        registry=Registry(tmp_path),
        roles=(Role.RISK,),
    )
    assert [role.role for role in report.roles] == [Role.RISK]
    assert report.fold is None
    assert report.fault == "not all roles were trained"


def test_one_role_of_new_features_does_not_fail_on_the_old_ones(tmp_path: Path) -> None:
    made = world(rows=800, edge=0.5, seed=7)
    registry = Registry(tmp_path)
    _train(made, registry)
    renamed = replace(made, frame=replace(made.frame, names=(*NAMES[:-1], "renamed")))
    report = train_rows(
        SERIES,
        renamed.frame,
        made.labels,
        models=MODELS,
        origins=origins_of(made, git_commit="beef"),
        registry=registry,
        roles=(Role.TREND,),
    )
    assert "models.feature_mismatch" in str(report.roles[0].no_duel)
    assert report.roles[0].served == report.roles[0].chosen


def test_trap_a30_28_r7_the_roles_of_a_training_become_current_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the third role is kept: what served before serves whole."""
    made = world(rows=800, edge=0.5, seed=7)
    registry = Registry(tmp_path)
    _train(made, registry)
    before = registry.served(SERIES)
    assert set(before) == set(Role)
    later = {"created_ms": START_MS + 2 * 10**9, "git_commit": "d00d"}
    save, left = Registry.save, 5

    def dies(self: Registry, *words: object) -> object:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return save(self, *words)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "save", dies)
        with pytest.raises(KeyboardInterrupt):
            _train(made, registry, **later)
    assert registry.served(SERIES) == before
    report = _train(made, registry, **later)
    assert [role.reused for role in report.roles] == [True, True, False]
    assert registry.served(SERIES) == {r.role: r.chosen.version for r in report.roles}
    assert registry.pointer(SERIES).history == (before,)


def test_the_equity_window_chose_nothing(edged: Trained) -> None:
    """The fold ends its learning, calibrating and choosing before the slice that judges what serves."""
    fold = edged.report.fold
    assert fold is not None
    for role in edged.report.roles:
        slices = role.evaluation["slices"]
        assert fold.train_to_ms < slices["test"]["first_ms"]
        assert abs(int(fold.forecasts.ts[0]) - slices["test"]["first_ms"]) <= SERIES.timeframe.ms
        assert slices["train"]["last_ms"] < slices["calibration"]["first_ms"]
        assert slices["calibration"]["last_ms"] < slices["test"]["first_ms"]


def test_trap_e4_9_no_row_of_the_equity_window_changes_its_forecasts(edged: Trained, tmp_path: Path) -> None:
    made, fold = edged.world, edged.report.fold
    assert fold is not None
    later = (made.labels.ts >= fold.test_from_ms) & (made.labels.long >= 0) & (made.labels.short >= 0)
    labels = replace(
        made.labels,
        long=np.where(later, 1, made.labels.long),
        short=np.where(later, 0, made.labels.short),
        forward_return=np.where(later, 0.5, made.labels.forward_return),
    )
    turned = train_rows(
        SERIES, made.frame, labels, models=MODELS, origins=origins_of(made), registry=Registry(tmp_path)
    )
    assert turned.fold is not None
    assert np.array_equal(turned.fold.forecasts.prob_up, fold.forecasts.prob_up)
    assert turned.roles[0].evaluation["metrics"] != edged.report.roles[0].evaluation["metrics"]


def test_the_manifest_names_where_a_model_comes_from(edged: Trained) -> None:
    manifest = edged.report.roles[0].trees
    assert tuple(manifest.features) == NAMES
    assert manifest.data_digest == edged.world.candles.digest()
    assert manifest.git_commit == "c0ffee"
    assert manifest.label_params["horizon_bars"] == BARRIERS.horizon_bars
    assert manifest.label_params["fee_bps"] == COSTS.fee_bps
    assert manifest.metrics["log_loss"] == edged.report.roles[0].evaluation["metrics"]["log_loss"]
    files = edged.registry.load(Role.TREND, SERIES).files
    assert json.loads(files[EVALUATION_FILE])["rounds"] >= 1
    assert not any(name.endswith((".pkl", ".pickle", ".joblib", ".pt")) for name in files)


def test_progress_reaches_its_end_for_every_role(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    made = world(rows=800, edge=0.5, seed=7)
    train_rows(
        SERIES,
        made.frame,
        made.labels,
        models=MODELS.model_copy(update={"trials": 2}),
        origins=origins_of(made),
        registry=Registry(tmp_path),
        progress=lambda *step: told.append(step),
    )
    stages = dict.fromkeys(stage for stage, _, _ in told)
    assert list(stages) == [f"BTC_USDT 1h {stage}" for stage in (*Role, "walk-forward")]
    for stage in stages:
        steps = [(done, total) for name, done, total in told if name == stage]
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert steps[-1][0] == steps[-1][1]


def test_too_few_rows_refuse_to_train() -> None:
    data = _data(world(rows=200, edge=0.3, seed=8))
    with pytest.raises(SkipThis) as caught:
        learn(Role.TREND, data, MODELS)
    assert caught.value.event == "models.too_few_rows"


class TestEverySettingHasItsEffect:
    """A setting that changes nothing is a lie to whoever sets it."""

    data = _data(world(rows=900, edge=0.4, seed=9))

    def test_slices(self) -> None:
        plain = split_rows(self.data, MODELS)
        for key, value in (("test_frac", 0.3), ("calibration_frac", 0.3), ("embargo_bars", 30)):
            other = split_rows(self.data, MODELS.model_copy(update={key: value}))
            assert [len(s) for s in (other.train, other.calibration, other.test)] != [
                len(s) for s in (plain.train, plain.calibration, plain.test)
            ]

    def test_min_rows(self) -> None:
        with pytest.raises(SkipThis, match="min_rows"):
            split_rows(self.data, MODELS.model_copy(update={"min_rows": 5000}))

    @pytest.mark.parametrize(("key", "value"), [("rounds", 10), ("seed", 99), ("trials", 3)])
    def test_fit(self, key: str, value: int) -> None:
        plain = learn(Role.TREND, self.data, MODELS)
        other = learn(Role.TREND, self.data, MODELS.model_copy(update={key: value}))
        assert plain.trees.files() != other.trees.files()

    def test_threads_reach_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import xgboost

        seen: list[int] = []
        train = xgboost.train

        def watched(params: dict[str, object], *rest: object, **kw: object) -> object:
            seen.append(int(str(params["nthread"])))
            return train(params, *rest, **kw)

        monkeypatch.setattr(xgboost, "train", watched)
        learn(Role.TREND, self.data, MODELS.model_copy(update={"threads": 2}))
        assert set(seen) == {2}

    def test_digest_follows_what_shapes_a_model_and_nothing_else(self) -> None:
        plain = settings_digest(MODELS, BARRIERS, COSTS)
        older = MODELS.model_copy(update={"max_age_days": 1.0})
        assert settings_digest(older, BARRIERS, COSTS) == plain
        for models, barriers, costs in (
            (MODELS.model_copy(update={"rounds": 61}), BARRIERS, COSTS),
            (MODELS, BARRIERS.model_copy(update={"target_atr": 3.0}), COSTS),
            (MODELS, BARRIERS, COSTS.model_copy(update={"fee_bps": 1.0})),
        ):
            assert settings_digest(models, barriers, costs) != plain
