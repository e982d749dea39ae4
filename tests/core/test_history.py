"""History that training takes, against what the features, the splits and the generator really do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sereno.core.errors import FixConfig, SkipThis
from sereno.core.settings import BarrierSettings, CostSettings, ModelSettings, load
from sereno.core.settings.history import (
    FURTHEST_DAYS,
    GENERATED_DAYS,
    JUDGED_HORIZONS,
    LEAST_SLICE_ROWS,
    history_of,
    judged_rows,
    least_rows,
    warm_up_bars,
)
from sereno.core.timeframe import DAY_MS, Timeframe
from sereno.features import registry
from sereno.features.frame import compute
from sereno.labels.barrier import triple_barrier
from sereno.models import gate, learn
from sereno.models.dataset import Dataset, join
from sereno.models.splits import Split, time_split
from sereno.sim import generated
from tests.market.worlds import walk

TRADABLE = [tf for tf in Timeframe if Timeframe.M5.ms <= tf.ms <= Timeframe.D1.ms]


@pytest.mark.parametrize("timeframe", TRADABLE)
def test_the_declared_warm_up_is_that_of_the_features(timeframe: Timeframe) -> None:
    assert warm_up_bars(timeframe) == registry.warm_up_bars(timeframe)


def test_the_other_declared_figures_are_those_of_their_rooms() -> None:
    assert GENERATED_DAYS == generated.HISTORY_DAYS
    assert LEAST_SLICE_ROWS == learn.LEAST_SLICE_ROWS
    assert gate.least_rows(1) == JUDGED_HORIZONS
    assert FURTHEST_DAYS <= GENERATED_DAYS


@given(
    st.integers(100, 2000),
    st.integers(1, 200),
    st.integers(0, 300),
    st.floats(0.05, 0.4),
    st.floats(0.05, 0.3),
)
def test_with_the_least_rows_every_slice_is_long_enough(
    min_rows: int, horizon: int, beyond: int, test_frac: float, calibration_frac: float
) -> None:
    models = ModelSettings(
        min_rows=min_rows,
        embargo_bars=horizon + beyond,
        test_frac=test_frac,
        calibration_frac=calibration_frac,
    )
    barriers = BarrierSettings(horizon_bars=horizon)
    rows = least_rows(models, barriers)
    split = _split(rows, models, horizon)
    assert rows >= min_rows
    assert min(len(split.train), len(split.calibration), len(split.test)) >= LEAST_SLICE_ROWS
    judged = _split(judged_rows(models, barriers), models, horizon)
    assert len(judged.test) >= gate.least_rows(horizon)


def _split(rows: int, models: ModelSettings, horizon: int) -> Split:
    ts = np.arange(rows, dtype=np.int64)
    return time_split(
        ts,
        ts + horizon,
        calibration_frac=models.calibration_frac,
        test_frac=models.test_frac,
        embargo_bars=models.embargo_bars,
    )


@pytest.mark.parametrize("timeframe", TRADABLE)
def test_what_is_wanted_is_more_than_the_least(timeframe: Timeframe) -> None:
    history = history_of(timeframe, ModelSettings(), BarrierSettings())
    assert history.least_bars <= history.judged_bars < history.wanted_bars
    assert history.least_bars * timeframe.ms <= FURTHEST_DAYS * DAY_MS, "every timeframe can be traded"


def test_every_tradable_timeframe_starts_with_the_defaults(tmp_path: Path) -> None:
    names = ",".join(TRADABLE)
    assert load(env={"SERENO_CANDLES__TIMEFRAMES": names}, cwd=tmp_path).settings.candles.timeframes


@pytest.mark.parametrize(
    "env",
    [
        {"SERENO_MODELS__MIN_ROWS": "100000"},
        {"SERENO_MODELS__MIN_ROWS": "100000", "SERENO_MODE": "paper"},
        {"SERENO_MODELS__MIN_ROWS": "1200", "SERENO_CANDLES__TIMEFRAMES": "1h,1d"},
        {"SERENO_MODELS__MIN_ROWS": "1200", "SERENO_CANDLES__TIMEFRAMES": "1d", "SERENO_MODE": "paper"},
        {"SERENO_MODELS__MIN_ROWS": "1200", "SERENO_CANDLES__TIMEFRAMES": "1d", "SERENO_CANDLES__DEPTH_DAYS": "9000"},
        {"SERENO_MODELS__EMBARGO_BARS": "400", "SERENO_CANDLES__TIMEFRAMES": "12h"},
    ],
)  # fmt: skip
def test_what_no_depth_can_give_refuses_to_start(tmp_path: Path, env: dict[str, str]) -> None:
    with pytest.raises(FixConfig, match=r"candles\.timeframes = .* cannot be trained: models\.min_rows = "):
        load(env=env, cwd=tmp_path)


def test_the_remedy_names_what_would_do(tmp_path: Path) -> None:
    env = {"SERENO_MODELS__MIN_ROWS": "1200", "SERENO_CANDLES__TIMEFRAMES": "1d"}
    with pytest.raises(FixConfig, match="1099 days can be had of the generated market.* or set mode = paper"):
        load(env=env, cwd=tmp_path)
    with pytest.raises(
        FixConfig, match=r"with candles\.depth_days = 730: .*or raise candles\.depth_days to 1433"
    ):
        load(env={**env, "SERENO_MODE": "paper"}, cwd=tmp_path)


def test_a_depth_that_gives_it_is_accepted(tmp_path: Path) -> None:
    env = {
        "SERENO_MODELS__MIN_ROWS": "1200",
        "SERENO_CANDLES__TIMEFRAMES": "1d",
        "SERENO_CANDLES__DEPTH_DAYS": "1600",
        "SERENO_MODE": "paper",
    }
    assert load(env=env, cwd=tmp_path).settings.models.min_rows == 1200


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.D1])
def test_training_takes_the_least_and_refuses_below(timeframe: Timeframe) -> None:
    barriers, models = BarrierSettings(), ModelSettings()
    history = history_of(timeframe, models, barriers)
    start = Timeframe.W1.floor(1_600_000_000_000)

    def rows(bars: int) -> Dataset:
        candles = walk(timeframe, start, bars)
        frame = compute(candles, atr_bars=barriers.atr_bars)
        labels = triple_barrier(candles, frame.atr, barriers=barriers, costs=CostSettings())
        return join(frame, labels, timeframe=timeframe, horizon_bars=barriers.horizon_bars)

    learn.split_rows(rows(history.least_bars + 1), models)
    with pytest.raises(SkipThis, match=r"models\.too_few_rows"):
        learn.split_rows(rows(history.least_bars - 5), models)
