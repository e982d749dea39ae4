"""Serving: the current version, the right features, the same bits, or a clear refusal."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sereno.core.errors import SkipThis
from sereno.core.order import Side
from sereno.core.signal import Decision
from sereno.models.contract import Forecasts, Role
from sereno.models.serve import Forecaster
from sereno.store.registry import Registry
from tests.models.conftest import Trained, origins_of, trained_on
from tests.models.worlds import BARRIERS, MODELS, NAMES, SERIES, world


@pytest.fixture(scope="module")
def forecaster(edged: Trained) -> Forecaster:
    return Forecaster.load(edged.registry, SERIES, names=NAMES, barriers=BARRIERS)


def _equal(a: Forecasts, b: Forecasts) -> bool:
    columns = ("ts", "prob_up", "prob_down", "expected_return", "p10", "p50", "p90", "risk_score")
    return all(np.array_equal(getattr(a, c), getattr(b, c), equal_nan=True) for c in columns)


@pytest.mark.parametrize("which", ["edged", "noise"])
def test_a_row_alone_has_the_bits_of_the_batch(which: str, request: pytest.FixtureRequest) -> None:
    trained: Trained = request.getfixturevalue(which)
    serving = Forecaster.load(trained.registry, SERIES, names=NAMES)
    batch = serving.forecasts(trained.world.frame)
    for i in range(40, 3000, 37):
        assert serving.forecast(trained.world.frame.row(i)) == batch.row(i)
    assert batch.present[40:].all()


def test_any_cut_of_the_batch_has_the_same_bits(edged: Trained, forecaster: Forecaster) -> None:
    whole = forecaster.forecasts(edged.world.frame)
    for rows in (41, 64, 65, 1023):
        part = forecaster.forecasts(edged.world.frame.head(rows))
        assert _equal(part, whole.between(0, int(edged.world.frame.ts[rows])))


def test_loading_again_gives_the_same_bits(edged: Trained, forecaster: Forecaster) -> None:
    again = Forecaster.load(Registry(edged.root), SERIES, names=NAMES)
    assert _equal(again.forecasts(edged.world.frame), forecaster.forecasts(edged.world.frame))


def test_every_forecast_is_valid(edged: Trained, forecaster: Forecaster) -> None:
    batch = forecaster.forecasts(edged.world.frame)
    for i in np.flatnonzero(batch.present):
        batch.row(int(i))
    assert batch.horizon_bars == BARRIERS.horizon_bars
    assert batch.model_version == ",".join(f"{r}={forecaster.versions[r]}" for r in Role)


def test_the_warm_up_has_no_forecast(edged: Trained, forecaster: Forecaster) -> None:
    batch = forecaster.forecasts(edged.world.frame)
    assert not batch.present[:40].any()
    with pytest.raises(SkipThis):
        forecaster.forecast(edged.world.frame.row(10))


def test_a_feature_that_training_always_had_must_be_there(edged: Trained, forecaster: Forecaster) -> None:
    row = edged.world.frame.row(500)
    row.values[NAMES.index("signal")] = np.nan
    with pytest.raises(SkipThis) as caught:
        forecaster.forecast(row)
    assert caught.value.event == "forecast.incomplete"
    assert caught.value.fields["lacking"] == "signal"
    with pytest.raises(SkipThis, match="atr"):
        forecaster.forecast(replace(edged.world.frame.row(500), atr=0.0))


def test_trap_a12_9_features_are_bound_by_name(edged: Trained, forecaster: Forecaster) -> None:
    """Another order of columns gives the same forecast; another set is refused."""
    frame = edged.world.frame
    turned = replace(frame, names=NAMES[::-1], values=np.ascontiguousarray(frame.values[:, ::-1]))
    assert _equal(forecaster.forecasts(turned), forecaster.forecasts(frame))
    assert forecaster.forecast(turned.row(700)) == forecaster.forecast(frame.row(700))
    other = (*NAMES[:-1], "renamed")
    for names, columns in ((other, slice(None)), (NAMES[:-1], slice(0, -1))):
        changed = replace(frame, names=names, values=frame.values[:, columns])
        with pytest.raises(SkipThis) as caught:
            forecaster.forecasts(changed)
        assert caught.value.event == "models.feature_mismatch"
        with pytest.raises(SkipThis, match="late"):
            Forecaster.load(edged.registry, SERIES, names=names)
    with pytest.raises(SkipThis, match="extra"):
        Forecaster.load(edged.registry, SERIES, names=(*NAMES, "extra"))


def test_trap_e4_7_the_forecast_uses_the_columns_it_was_taught(
    edged: Trained, forecaster: Forecaster
) -> None:
    """Moving the taught feature moves the forecast; moving noise hardly does."""
    row = edged.world.frame.row(900)
    spread = {}
    for name in ("signal", "noise_a"):
        found = []
        for value in (-2.0, 2.0):
            values = row.values.copy()
            values[NAMES.index(name)] = value
            found.append(forecaster.forecast(replace(row, values=values)).prob_up)
        spread[name] = found[1] - found[0]
    assert spread["signal"] > 0.15 > abs(spread["noise_a"])


def test_returns_scale_with_the_atr(edged: Trained, forecaster: Forecaster) -> None:
    row = edged.world.frame.row(900)
    one, two = forecaster.forecast(row), forecaster.forecast(replace(row, atr=2 * row.atr))
    assert two.p90 == pytest.approx(2 * one.p90)
    assert two.expected_return == pytest.approx(2 * one.expected_return)
    assert two.prob_up == one.prob_up


def test_risk_follows_the_favoured_side_and_volatility(edged: Trained) -> None:
    frame = edged.world.frame
    serving = Forecaster.load(edged.registry, SERIES, names=NAMES)
    batch = serving.forecasts(frame)
    stops = serving._outlooks[Role.RISK].outputs(np.ascontiguousarray(frame.values[40:]))
    favoured = np.where(batch.prob_up[40:] >= batch.prob_down[40:], stops[:, 0], stops[:, 1])
    factor = np.clip(np.sqrt(frame.values[40:, NAMES.index("atr_ratio_200")]), 0.5, 1.5)
    assert batch.risk_score[40:] == pytest.approx(np.clip(favoured * factor, 0, 1))


def test_trap_c12_3_serving_reads_the_pointer_not_the_newest(tmp_path: Path) -> None:
    trained = trained_on(world(rows=1500, edge=0.5, seed=4), tmp_path)
    trend = trained.report.roles[0]
    assert trend.served == trend.trees
    trained.registry.use(Role.TREND, SERIES, trend.baseline.version)
    serving = Forecaster.load(trained.registry, SERIES, names=NAMES)
    assert serving.versions[Role.TREND] == trend.baseline.version
    assert serving.kinds[Role.TREND] == "baseline"
    assert len(set(serving.forecasts(trained.world.frame).prob_up[40:].tolist())) == 1


def test_no_model_yet_is_a_clear_refusal(tmp_path: Path) -> None:
    with pytest.raises(SkipThis, match="sereno train") as caught:
        Forecaster.load(Registry(tmp_path), SERIES, names=NAMES)
    assert caught.value.event == "models.none"


def test_trap_e4_7_models_of_another_series_are_refused(edged: Trained) -> None:
    elsewhere = replace(SERIES, instrument=replace(SERIES.instrument, venue="bybit"))
    with pytest.raises(SkipThis):
        Forecaster.load(edged.registry, elsewhere, names=NAMES)


def test_trap_e4_8_models_of_other_barriers_are_refused(edged: Trained) -> None:
    """Trap E4.8: labels and decision must mean the same target, stop and horizon."""
    moved = BARRIERS.model_copy(update={"target_atr": 3.0})
    with pytest.raises(SkipThis, match="target_atr") as caught:
        Forecaster.load(edged.registry, SERIES, names=NAMES, barriers=moved)
    assert caught.value.event == "models.label_mismatch"


def test_corrupt_model_file_serves_the_previous_one_and_says_so(tmp_path: Path) -> None:
    made = world(rows=1500, edge=0.5, seed=4)
    trained = trained_on(made, tmp_path)
    first = trained.report.roles[0].served.version
    later = origins_of(made, created_ms=origins_of(made).created_ms + 60_000, git_commit="f00d")
    from sereno.models.train import train_rows

    second = train_rows(
        SERIES, made.frame, made.labels, models=MODELS, origins=later, registry=trained.registry
    )
    damaged = second.roles[0].served.version
    assert damaged != first
    (file,) = tmp_path.glob(f"trend/**/{damaged}/model.ubj")
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-7] + b"garbage")
    serving = Forecaster.load(Registry(tmp_path), SERIES, names=NAMES)
    assert serving.versions[Role.TREND] == first
    assert dict(serving.fell_back) == {Role.TREND: damaged}
    assert serving.forecast(made.frame.row(900)).prob_up > 0


def test_contributions_explain_the_favoured_side(
    edged: Trained, forecaster: Forecaster, noise: Trained
) -> None:
    at = int(np.argmax(edged.world.frame.values[100:, NAMES.index("signal")])) + 100
    row = edged.world.frame.row(at)
    drivers = forecaster.contributions(row, Side.LONG).of_features
    assert {name for name, _ in drivers} == set(NAMES)
    assert drivers[0][0] in {"signal", "echo"}
    assert drivers[0][1] > 0
    assert dict(forecaster.contributions(row, Decision.SHORT).of_features)[drivers[0][0]] < 0
    constant = Forecaster.load(noise.registry, SERIES, names=NAMES)
    assert constant.kinds[Role.TREND] == "baseline"
    assert constant.contributions(row, Side.LONG).of_features == ()


def test_it_knows_when_its_models_were_trained(edged: Trained, forecaster: Forecaster) -> None:
    assert forecaster.trained_ms == edged.report.created_ms


def test_contributions_are_to_the_probability_that_is_served(edged: Trained, forecaster: Forecaster) -> None:
    row = edged.world.frame.row(700)
    forecast = forecaster.forecast(row)
    assert forecaster.contributions(row, Side.LONG).value == forecast.prob_up
    assert forecaster.contributions(row, Side.SHORT).value == forecast.prob_down


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_importing_the_room_imports_nothing_heavy() -> None:
    code = (
        "import sys, sereno.models.serve, sereno.models.train, sereno.models.walkforward, sereno.models.report;"
        "heavy = {'sklearn', 'optuna', 'xgboost', 'matplotlib', 'scipy', 'talib', 'numba'} & set(sys.modules);"
        "print(sorted(heavy))"
    )
    assert _run(code) == "[]"


def test_serving_never_imports_scikit_learn(edged: Trained) -> None:
    code = f"""
import sys
from pathlib import Path
from sereno.models.serve import Forecaster
from sereno.store.registry import Registry
from tests.models.worlds import NAMES, SERIES
serving = Forecaster.load(Registry(Path({str(edged.root)!r})), SERIES, names=NAMES)
assert "xgboost" in sys.modules
print(sorted({{"sklearn", "optuna", "matplotlib", "pandas"}} & set(sys.modules)))
import sklearn.base
"""
    assert _run(code) == "[]"
