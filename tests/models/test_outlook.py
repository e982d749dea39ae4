"""One battery for every model of every role, and the refusal of files that hold none."""

from __future__ import annotations

import numpy as np
import pytest

from sereno.core.candle import F64
from sereno.core.errors import SkipThis
from sereno.models.contract import Role
from sereno.models.dataset import join
from sereno.models.learn import Learned, learn
from sereno.models.outlook import BASELINE_FILE, CALIBRATION_FILE, TREES_FILE, WIDTH, Outlook, read_outlook
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

    def test_contributions_have_one_entry_a_feature(self, case: tuple[Role, Outlook]) -> None:
        role, outlook = case
        for output in range(WIDTH[role]):
            assert outlook.contributions(X[:1], output).shape == (len(NAMES),)


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
