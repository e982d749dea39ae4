"""Columns of forecasts: what is whole, what is not, and how blocks are joined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.candle import F64, I64
from sereno.core.errors import SkipThis
from sereno.models.compose import Inputs, compose
from sereno.models.contract import Forecasts, Role
from sereno.models.outlook import Baseline, Outlook

NAMES = ("atr_ratio_200", "other")
probability = st.floats(0.0, 1.0)


def _outlooks(up: float, down: float, stops: tuple[float, float]) -> dict[Role, Outlook]:
    return {
        Role.TREND: Baseline((up, down), 10),
        Role.RETURN: Baseline((0.1, -1.0, 0.0, 1.0), 10),
        Role.RISK: Baseline(stops, 10),
    }


def _composed(outlooks: dict[Role, Outlook], ratio: F64, atr: F64, ts: I64 | None = None) -> Forecasts:
    rows = len(ratio)
    x = np.column_stack([ratio, np.zeros(rows)])
    stamps = np.arange(rows, dtype=np.int64) if ts is None else ts
    return compose(
        outlooks,
        Inputs(stamps, x, atr, np.full(rows, 100.0)),
        names=NAMES,
        required=frozenset(),
        horizon_bars=20,
        model_version="v",
    )


@given(probability, probability, probability, probability, st.floats(0.0, 50.0), st.floats(1e-3, 10.0))
@settings(derandomize=True, max_examples=80, deadline=None)
def test_whatever_the_models_say_the_forecast_is_valid(
    up: float, share: float, stop_long: float, stop_short: float, ratio: float, atr: float
) -> None:
    outlooks = _outlooks(up, (1 - up) * share, (stop_long, stop_short))
    made = _composed(outlooks, np.array([ratio]), np.array([atr])).row(0)
    assert made.risk_score <= 1.5 * (stop_long if made.prob_up >= made.prob_down else stop_short) + 1e-12
    assert made.p90 == pytest.approx(atr / 100.0)


@pytest.mark.parametrize(("ratio", "factor"), [(1.0, 1.0), (4.0, 1.5), (0.01, 0.5), (1.44, 1.2)])
def test_risk_scales_with_the_root_of_volatility_within_bounds(ratio: float, factor: float) -> None:
    made = _composed(_outlooks(0.5, 0.2, (0.4, 0.9)), np.array([ratio]), np.ones(1)).row(0)
    assert made.risk_score == pytest.approx(0.4 * factor)


@pytest.mark.parametrize("atr", [np.nan, 0.0, -1.0])
def test_missing_is_missing(atr: float) -> None:
    made = _composed(_outlooks(0.3, 0.3, (0.6, 0.6)), np.array([1.0, 1.0]), np.array([atr, 1.0]))
    assert made.present.tolist() == [False, True]
    with pytest.raises(SkipThis):
        made.row(0)
    assert not _composed(_outlooks(0.3, 0.3, (0.6, 0.6)), np.array([np.nan]), np.ones(1)).present.any()


def test_blocks_join_and_cut_by_time() -> None:
    outlooks = _outlooks(0.3, 0.3, (0.6, 0.6))
    first, second = (
        _composed(outlooks, np.ones(3), np.ones(3), ts) for ts in (np.arange(3), np.arange(5, 8))
    )
    joined = Forecasts.joined([first, second], model_version="both")
    assert joined.ts.tolist() == [0, 1, 2, 5, 6, 7]
    assert joined.model_version == "both"
    assert joined.between(2, 6).ts.tolist() == [2, 5]
    assert joined.between(6).ts.tolist() == [6, 7]


def test_blocks_of_different_horizons_do_not_join() -> None:
    one = _composed(_outlooks(0.3, 0.3, (0.6, 0.6)), np.ones(2), np.ones(2))
    other = Forecasts(
        one.ts,
        one.prob_up,
        one.prob_down,
        one.expected_return,
        one.p10,
        one.p50,
        one.p90,
        one.risk_score,
        5,
        "v",
    )
    with pytest.raises(ValueError, match="horizons"):
        Forecasts.joined([one, other], model_version="x")
