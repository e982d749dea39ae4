"""The mean return, which is all that a decision reads of the return role: judged alone, and 0 without knowledge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sereno.core.candle import F64
from sereno.core.forecast import Forecast
from sereno.core.instrument import Market
from sereno.core.settings import BarrierSettings, CostSettings
from sereno.core.settings.sections import SignalSettings
from sereno.core.signal import Decision, Regime
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.models.baseline import drift, fit_baseline
from sereno.models.champion import Champion, judged, mean_against_baseline
from sereno.models.contract import Role
from sereno.models.dataset import DOWN, NEITHER, UP, Dataset
from sereno.models.evaluate import row_losses, row_mean_losses
from sereno.models.gate import Choice, Duel, chosen
from sereno.models.learn import Learned, learn, split_rows
from sereno.models.outlook import Return, Shrink, read_outlook
from sereno.signals.decide import decide
from sereno.signals.words import Reason, Situation, Verdict
from tests.models.worlds import MODELS

HORIZON, ROWS = 5, 4000
NAMES = ("signal", "spread", "noise")


def market(*, holds: float, seed: int = 1) -> Dataset:
    """Rows whose spread can be foreseen always, and whose direction to the weight `holds` on the test rows.

    On the rows before, the weight is 1: what was learned there holds (1) or is half and the wrong way round (-0.5).
    """
    chance = np.random.default_rng(seed)
    x = chance.standard_normal((ROWS, len(NAMES)))
    spread = np.exp(0.6 * x[:, 1])
    plain = _rows(x, spread * chance.standard_normal(ROWS))
    weight = np.ones(ROWS)
    weight[int(split_rows(plain, MODELS).test[0]) :] = holds
    return _rows(x, plain.return_atr + 0.3 * weight * x[:, 0])


def _rows(x: F64, returns: F64) -> Dataset:
    ts = np.arange(len(x), dtype=np.int64) * HOUR_MS
    trend = np.where(returns > 1, UP, np.where(returns < -1, DOWN, NEITHER)).astype(np.int64)
    stops = np.column_stack([returns < -1, returns > 1]).astype(np.int64)
    return Dataset(NAMES, ts, x, ts + HORIZON * HOUR_MS, trend, returns, stops, HORIZON)


def mirrored(data: Dataset) -> Dataset:
    """The same features before a market that did the opposite."""
    turned = np.array([DOWN, UP, NEITHER], dtype=np.int64)[data.trend]
    return replace(data, return_atr=-data.return_atr, trend=turned, stops=data.stops[:, ::-1].copy())


def test_data(data: Dataset) -> Dataset:
    return data.rows(split_rows(data, MODELS).test)


test_data.__test__ = False  # type: ignore[attr-defined]


def means(learned: Learned, data: Dataset) -> F64:
    return learned.served.outputs(test_data(data).x)[:, 0]


def test_a_mean_that_is_worse_than_the_baselines_is_never_served() -> None:
    data = market(holds=-0.5)
    learned = learn(Role.RETURN, data, MODELS)
    assert isinstance(learned.trees, Return)
    assert learned.trees.shrink.weight > 0.5, "the calibration rows believed it"
    assert learned.verdict.passed, "the quantiles know the spread"
    assert learned.mean_verdict is not None
    assert not learned.mean_verdict.passed
    assert learned.mean_verdict.improvement < 0
    assert learned.choice is Choice.CHALLENGER
    assert set(means(learned, data)) == {learned.baseline.values[0]}
    assert learned.metrics["rmse_mean"] == learned.baseline_metrics["rmse_mean"]
    assert learned.metrics["pinball"] < learned.baseline_metrics["pinball"]  # type: ignore[operator]
    assert learned.evaluation["mean_verdict"]["reason"] == "no better than the baseline out of sample"
    assert learned.evaluation["mean"] == {"kind": "baseline", "centre": 0.0, "weight": 0.0}


def test_what_is_kept_of_the_trees_is_what_was_let_through() -> None:
    data = market(holds=-0.5)
    learned = learn(Role.RETURN, data, MODELS)
    kept = read_outlook(Role.RETURN, learned.challenger.files(), features=NAMES)
    assert np.array_equal(kept.outputs(data.x)[:, 0], np.zeros(ROWS))
    assert np.array_equal(kept.outputs(data.x)[:, 1:], learned.trees.outputs(data.x)[:, 1:])


def test_a_mean_that_holds_is_served() -> None:
    data = market(holds=1.0)
    learned = learn(Role.RETURN, data, MODELS)
    assert learned.mean_verdict is not None
    assert learned.mean_verdict.passed
    assert learned.challenger is learned.trees
    assert learned.evaluation["mean"]["kind"] == "learned"
    assert np.corrcoef(means(learned, data), test_data(data).x[:, 0])[0, 1] > 0.8


def test_too_few_rows_to_judge_serve_the_baseline_and_say_so() -> None:
    data = market(holds=1.0)
    learned = learn(Role.RETURN, data.rows(np.arange(700, dtype=np.int64)), MODELS)
    assert learned.choice is Choice.BASELINE
    assert learned.refused_reason == "too few test rows to judge: 135 of 160"
    assert learned.mean_verdict is not None
    assert learned.mean_verdict.reason == learned.refused_reason


def duel_of(data: Dataset, served: Return) -> Duel:
    """Trees that serve, beside trees just learned, on the test rows of these."""
    test = test_data(data)
    learned = learn(Role.RETURN, data, MODELS)
    losses = row_losses(Role.RETURN, learned.trees.outputs(test.x), test)
    plain = learned.baseline.outputs(test.x)
    found = judged(losses, plain, Champion("v", served, NAMES, 0), Role.RETURN, test)
    assert isinstance(found, Duel)
    return found


def test_a_champion_whose_mean_holds_no_more_does_not_serve_on() -> None:
    once = learn(Role.RETURN, market(holds=1.0), MODELS).trees
    assert isinstance(once, Return)
    held, over = (duel_of(market(holds=holds), once) for holds in (1.0, -0.5))
    assert held.against_baseline.passed
    assert held.mean is not None
    assert held.mean.passed
    assert not over.against_baseline.passed
    assert over.against_baseline.reason == "the mean return is no better than the baseline out of sample"


def test_a_champion_without_a_mean_of_its_own_is_judged_by_its_quantiles() -> None:
    plain = learn(Role.RETURN, market(holds=-0.5), MODELS).challenger
    assert isinstance(plain, Return)
    assert duel_of(market(holds=-0.5), plain).against_baseline.passed


def drifting(drift_atr: float) -> Dataset:
    """A market whose quantiles can be foreseen, whose direction cannot, and that rises beyond chance or not."""
    data = market(holds=-0.5)
    return replace(data, return_atr=data.return_atr - data.return_atr.mean() + drift_atr)


@pytest.mark.parametrize("change", [1.0, 0.99, 1.3])
def test_a_drift_that_was_estimated_anew_does_not_end_a_champion(change: float) -> None:
    """Two estimates of one drift hardly ever differ by more than chance, so neither beats the other."""
    data = drifting(0.3)
    plain = learn(Role.RETURN, data, MODELS)
    assert plain.baseline.values[0] > 0.2
    assert isinstance(plain.challenger, Return)
    kept = replace(plain.challenger, shrink=Shrink(change * plain.baseline.values[0], 0.0))
    found = duel_of(data, kept)
    assert found.against_baseline.passed
    assert found.mean is None, "it is not knowledge of the champion's, however it did"


@pytest.mark.parametrize(("was", "now"), [(0.1, 0.0), (-0.1, 0.0), (0.0, 0.3), (-0.1, 0.3), (0.1, -0.3)])
def test_a_champion_does_not_keep_up_a_side_that_the_baseline_no_longer_favours(
    was: float, now: float
) -> None:
    data = drifting(now)
    plain = learn(Role.RETURN, data, MODELS)
    assert np.sign(plain.baseline.values[0]) == np.sign(now)
    assert isinstance(plain.challenger, Return)
    found = duel_of(data, replace(plain.challenger, shrink=Shrink(was, 0.0)))
    assert not found.against_baseline.passed
    assert found.against_baseline.reason == "its constant mean return has not the side of today's baseline"
    assert found.mean is None


def test_a_constant_that_rows_confirm_is_not_what_a_champion_knows() -> None:
    """The test rows alone rose: an older constant fits them better than 0 by more than chance."""
    data = drifting(0.0)
    first = split_rows(data, MODELS).test[0]
    data = replace(data, return_atr=data.return_atr + 0.2 * (np.arange(ROWS) >= first))
    plain = learn(Role.RETURN, data, MODELS)
    assert plain.baseline.values[0] == 0.0
    assert isinstance(plain.challenger, Return)
    stale = replace(plain.challenger, shrink=Shrink(0.2, 0.0))
    test = test_data(data)
    alone = mean_against_baseline(Role.RETURN, stale.outputs(test.x), plain.baseline.outputs(test.x), test)
    assert alone is not None
    assert alone.passed
    duel = duel_of(data, stale)
    assert duel.mean is None
    assert chosen(plain.verdict, duel, plain.mean_verdict) is Choice.CHALLENGER


def overlapping(drift_atr: float, seed: int, rows: int = 3000) -> F64:
    shocks = np.random.default_rng(seed).standard_normal(rows + 19)
    return np.asarray(np.convolve(shocks, np.ones(20), "valid") + drift_atr)


def test_a_drift_that_chance_explains_is_none() -> None:
    found = [drift(overlapping(0.0, seed), horizon_bars=20) for seed in range(200)]
    assert 0.01 < np.mean(np.array(found) != 0.0) < 0.1


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_drift_beyond_chance_is_the_mean(side: float) -> None:
    returns = overlapping(side * 3.0, 1)
    assert drift(returns, horizon_bars=20) == returns.mean()


def test_few_rows_know_no_drift() -> None:
    assert drift(np.ones(100), horizon_bars=20) == 0.0


def decided(prob_up: float, prob_down: float, mean_atr: float, *, least: float) -> Verdict:
    """One row with an average true range of one per cent, on a market that can be sold short."""
    forecast = Forecast(0, HORIZON, prob_up, prob_down, mean_atr * 0.01, -0.02, 0.0, 0.02, 0.3, "x")
    return decide(
        forecast,
        Regime.RANGE,
        1.0,
        100.0,
        signals=SignalSettings(min_expected_return=least),
        barriers=BarrierSettings(),
        costs=CostSettings(fee_bps=5),
        situation=Situation(Market.LINEAR, Timeframe.H1, candle_ms=0, now=0),
    )


def test_a_rise_that_was_chance_favours_neither_side() -> None:
    """The mean of the rows is above 0, and would have refused every short and let longs through."""
    risen = market(holds=1.0)
    risen = replace(risen, return_atr=risen.return_atr - risen.return_atr.mean() + 0.04)
    mean = fit_baseline(Role.RETURN, risen).values[0]
    assert mean == 0.0
    floor = SignalSettings().min_expected_return
    for up, down in ((0.7, 0.1), (0.1, 0.7)):
        assert decided(up, down, mean, least=floor).reason is Reason.RETURN_BELOW_MIN
    assert decided(0.7, 0.1, mean, least=0.0).decision is Decision.LONG
    assert decided(0.1, 0.7, mean, least=0.0).decision is Decision.SHORT


@pytest.mark.parametrize("holds", [1.0, -0.5])
def test_a_mirrored_market_gives_mirrored_decisions(holds: float) -> None:
    """Learned or not, the mean return has no side of its own, though prices rose all along."""
    data = market(holds=holds)
    data = replace(data, return_atr=data.return_atr + 0.03)
    there, back = (learn(Role.RETURN, one, MODELS) for one in (data, mirrored(data)))
    floor = SignalSettings().min_expected_return
    sides = []
    for mean, other in zip(means(there, data)[:300], means(back, data)[:300], strict=True):
        assert other == pytest.approx(-mean, abs=1e-4)
        left, right = decided(0.7, 0.1, mean, least=floor), decided(0.1, 0.7, other, least=floor)
        assert left.decision.sign == -right.decision.sign
        sides.append(left.decision.sign)
    assert set(sides) == ({0, 1} if holds > 0 else {0})


def test_what_is_learned_is_where_prices_go_not_that_they_rose() -> None:
    """The drift of the train rows is in the baseline if anywhere: the learned mean adds nothing of it."""
    data = market(holds=1.0)
    risen = replace(data, return_atr=data.return_atr + 0.03)
    learned = [learn(Role.RETURN, one, MODELS) for one in (data, risen)]
    assert np.allclose(means(learned[0], data), means(learned[1], risen), atol=0.01)


def test_the_mean_is_judged_by_squared_error() -> None:
    data = market(holds=1.0)
    outputs = np.tile([0.5, -1.0, 0.0, 1.0], (len(data), 1))
    assert np.array_equal(row_mean_losses(outputs, data), (0.5 - data.return_atr) ** 2)
