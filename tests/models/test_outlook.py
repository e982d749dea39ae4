"""One battery for every model of every role, and the refusal of files that hold none."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from sereno.core.candle import F64
from sereno.core.errors import SkipThis
from sereno.models.calibration import Isotonic, Platt
from sereno.models.contract import Role
from sereno.models.dataset import join
from sereno.models.learn import Learned, learn
from sereno.models.outlook import (
    BASELINE_FILE,
    CALIBRATION_FILE,
    TREES_FILE,
    WIDTH,
    Outlook,
    Risk,
    Trend,
    _shap,
    read_outlook,
)
from tests.models.worlds import BARRIERS, MODELS, NAMES, SERIES, world

MADE = world(rows=1200, edge=0.4, seed=21)
X = np.ascontiguousarray(MADE.frame.values[40:])
CASES = [(role, kind) for role in Role for kind in ("baseline", "boosted")]


@pytest.fixture(scope="module")
def learned() -> dict[Role, Learned]:
    data = join(MADE.frame, MADE.labels, timeframe=SERIES.timeframe, horizon_bars=BARRIERS.horizon_bars)
    return {role: learn(role, data, MODELS) for role in Role}


class TestOutlook:
    """What compose and the registry rely on."""

    @pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
    def case(self, request: pytest.FixtureRequest, learned: dict[Role, Learned]) -> tuple[Role, Outlook]:
        role, kind = request.param
        return role, (learned[role].baseline if kind == "baseline" else learned[role].trees)

    def test_shape_and_kind(self, case: tuple[Role, Outlook]) -> None:
        role, outlook = case
        assert outlook.outputs(X).shape == (len(X), WIDTH[role])
        assert outlook.outputs(X[:0]).shape == (0, WIDTH[role])
        assert outlook.kind in {"baseline", "boosted"}

    def test_a_row_alone_has_the_same_bits(self, case: tuple[Role, Outlook]) -> None:
        _, outlook = case
        batch = outlook.outputs(X)
        for i in range(0, len(X), 97):
            assert (outlook.outputs(X[i : i + 1])[0] == batch[i]).all()

    def test_outputs_mean_what_they_say(self, case: tuple[Role, Outlook]) -> None:
        role, outlook = case
        out = outlook.outputs(X)
        assert np.isfinite(out).all()
        if role is Role.RETURN:
            assert (np.diff(out[:, 1:], axis=1) >= 0).all(), "quantiles are in order"
        else:
            assert ((out >= 0) & (out <= 1)).all()
        if role is Role.TREND:
            assert (out.sum(axis=1) <= 1 + 1e-12).all()

    def test_trap_c12_9_files_bring_it_back_to_the_bit(self, case: tuple[Role, Outlook]) -> None:
        role, outlook = case
        again = read_outlook(role, outlook.files(), features=NAMES)
        assert (again.outputs(X) == outlook.outputs(X)).all()
        assert again.files() == outlook.files()

    def test_contributions_lead_from_the_base_to_the_output(self, case: tuple[Role, Outlook]) -> None:
        role, outlook = case
        for output in range(WIDTH[role]):
            found = outlook.contributions(X[:1], output)
            names = {name for name, _ in found.of_features}
            assert names == (set(NAMES) if outlook.kind == "boosted" else set())
            strengths = [abs(step) for _, step in found.of_features]
            assert strengths == sorted(strengths, reverse=True)
            assert found.value == pytest.approx(outlook.outputs(X[:1])[0, output], abs=1e-5)
            way = found.value - found.base if role is Role.RETURN else odds(found.value) - odds(found.base)
            assert sum(step for _, step in found.of_features) + found.remainder == pytest.approx(
                way, abs=1e-9
            )


def odds(prob: float) -> float:
    return math.log(prob / (1.0 - prob))


BENT = (Platt(1.6, 0.2), Platt(0.7, -0.3), Platt(1.1, 0.1))


def _slopes(trend: Trend, x: F64, output: int) -> dict[str, float]:
    """How far the served log-odds go with each feature's part of the margins, measured by a small part of it."""
    import xgboost

    parts = trend.trees.predict(xgboost.DMatrix(x, feature_names=list(NAMES)), pred_contribs=True)[0].astype(
        float
    )

    def served(margins: F64) -> float:
        scores = np.exp(margins) / np.exp(margins).sum()
        calibrated = [c.apply(scores[i : i + 1])[0] for i, c in enumerate(trend.calibrators)]
        return odds(calibrated[output] / sum(calibrated))

    here = parts.sum(axis=1)
    return {
        name: (served(here + 1e-4 * parts[:, i]) - served(here - 1e-4 * parts[:, i])) / 2e-4
        for i, name in enumerate(NAMES)
    }


def test_a_driver_points_where_the_served_probability_goes(learned: dict[Role, Learned]) -> None:
    """Contributions to one class's margin do not: what lifts the others more, lowers this one."""
    trees = learned[Role.TREND].trees
    assert isinstance(trees, Trend)
    trend, margin_was_wrong = Trend(trees.trees, BENT), 0
    for i in range(0, len(X), 53):
        for output in (0, 1):
            slopes = _slopes(trend, X[i : i + 1], output)
            found = dict(trend.contributions(X[i : i + 1], output).of_features)
            assert found == pytest.approx(slopes, abs=1e-5)
            _, shap = _shap(trend.trees, X[i : i + 1])
            margin = dict(zip(NAMES, shap[output].tolist(), strict=True))
            margin_was_wrong += sum(margin[name] * slopes[name] < 0 for name in NAMES)
    assert margin_was_wrong > 0


def test_a_calibration_in_steps_leaves_drivers_their_sign(learned: dict[Role, Learned]) -> None:
    """At most points such a curve is flat; the reach of the features tells its slope."""
    trees = learned[Role.RISK].trees
    assert isinstance(trees, Risk)
    low, *_, high = np.sort(trees.scores(X)[:, 0])
    edges, levels = np.linspace(low, high, 9)[1:-1], np.linspace(0.5, 0.8, 8)
    stairs = Isotonic(
        tuple(float(s) for edge in edges for s in (edge, edge + 1e-6)),
        tuple(float(p) for pair in pairwise(levels) for p in pair),
    )
    stepped, rows = Risk(trees.trees, (stairs, stairs)), range(0, len(X), 53)
    kept = 0
    for i in rows:
        _, shap = _shap(trees.trees, X[i : i + 1])
        margin = dict(zip(NAMES, shap[0].tolist(), strict=True))
        name, step = stepped.contributions(X[i : i + 1], 0).of_features[0]
        assert step * margin[name] >= 0
        kept += step != 0
    assert kept > len(rows) / 2


def test_a_margin_of_risk_is_scaled_by_its_calibration(learned: dict[Role, Learned]) -> None:
    trees = learned[Role.RISK].trees
    assert isinstance(trees, Risk)
    bent = Risk(trees.trees, BENT[:2])
    for output in (0, 1):
        _, shap = _shap(trees.trees, X[:1])
        found = bent.contributions(X[:1], output)
        assert dict(found.of_features) == pytest.approx(
            dict(zip(NAMES, (BENT[output].slope * shap[output]).tolist(), strict=True))
        )
        assert found.remainder == pytest.approx(0.0, abs=1e-4)


def _swapped(files: dict[str, bytes], name: str, content: bytes) -> dict[str, bytes]:
    return {**files, name: content}


@pytest.mark.parametrize("role", list(Role))
def test_unreadable_files_are_refused_with_a_name(role: Role, learned: dict[Role, Learned]) -> None:
    trees, baseline = dict(learned[role].trees.files()), dict(learned[role].baseline.files())
    broken = [
        _swapped(trees, TREES_FILE, b"not a model"),
        _swapped(trees, CALIBRATION_FILE, b"{}"),
        _swapped(trees, CALIBRATION_FILE, b"half a {"),
        {TREES_FILE: trees[TREES_FILE]},
        _swapped(baseline, BASELINE_FILE, b'{"values": [0.1], "rows": 3}'),
        {},
    ]
    for files in broken:
        with pytest.raises(SkipThis) as caught:
            read_outlook(role, files, features=NAMES)
        assert caught.value.event == "models.unreadable"


def test_trap_a12_9_the_model_file_itself_names_its_features(learned: dict[Role, Learned]) -> None:
    """A manifest with reordered names does not get to reorder the model's columns."""
    with pytest.raises(SkipThis, match="feature names"):
        read_outlook(Role.TREND, learned[Role.TREND].trees.files(), features=NAMES[::-1])


def test_baselines_are_the_plain_frequencies(learned: dict[Role, Learned]) -> None:
    values: F64 = learned[Role.TREND].baseline.outputs(X[:1])[0]
    assert 0.1 < values[0] < 0.5
    quantiles = learned[Role.RETURN].baseline.outputs(X[:1])[0]
    assert quantiles[1] < 0 < quantiles[3]
    stops = learned[Role.RISK].baseline.outputs(X[:1])[0]
    assert (stops > 0.4).all()
