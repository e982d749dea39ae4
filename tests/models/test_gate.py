"""The gate lets skill through and keeps chance out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter

from sereno.core.candle import F64
from sereno.models.gate import (
    BLOCK_HORIZONS,
    LEAST_BLOCKS,
    MAX_P_VALUE,
    Choice,
    Duel,
    NoDuel,
    Verdict,
    block_p_value,
    blunted,
    chosen,
    compare,
)

HORIZON = 20
BLOCK = BLOCK_HORIZONS * HORIZON


def _overlapping(rows: int, bars: int, seed: int) -> F64:
    """Differences of losses that share their future with `bars` neighbours."""
    shocks = np.random.default_rng(seed).standard_normal(rows + bars)
    running = np.cumsum(shocks)
    return np.asarray((running[bars:] - running[:-bars]) / np.sqrt(bars))


def _by_chance(blocks: int, times: int = 1000) -> list[F64]:
    """Gains of a forecast that lingers for a day and knows nothing, over labels that overlap."""
    rows, chance = blocks * BLOCK, np.random.default_rng(blocks)
    forecast = lfilter([np.sqrt(1 - 0.95**2)], [1, -0.95], chance.standard_normal((times, rows)))
    return [f * _overlapping(rows, HORIZON, seed) for seed, f in enumerate(forecast)]


@pytest.mark.parametrize("blocks", [LEAST_BLOCKS, 10, 20])
def test_chance_passes_as_often_as_the_level_says_however_few_blocks(blocks: int) -> None:
    """With 1,000 tries the share is within 0.015 of the truth nearly always."""
    p_values = [block_p_value(gain, block_rows=BLOCK) for gain in _by_chance(blocks)]
    assert np.mean(np.array(p_values) <= MAX_P_VALUE) == pytest.approx(MAX_P_VALUE, abs=0.02)
    assert np.mean(np.array(p_values) <= 0.5) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("blocks", "often"), [(LEAST_BLOCKS, 0.5), (10, 0.6), (20, 0.85)])
def test_trap_a30_24_skill_passes(blocks: int, often: float) -> None:
    """Half a standard deviation of gain: on the least of rows it is found more often than not."""
    zeros = np.zeros(blocks * BLOCK)
    verdicts = [compare(-gain - 0.4, zeros, horizon_bars=HORIZON) for gain in _by_chance(blocks, 300)]
    assert np.mean([verdict.passed for verdict in verdicts]) > often
    assert {verdict.reason for verdict in verdicts if verdict.passed} == {None}


def test_each_refusal_has_its_reason() -> None:
    zeros = np.zeros(400)
    worse = compare(zeros + 0.1, zeros, horizon_bars=5)
    assert (worse.passed, worse.reason) == (False, "no better than the baseline out of sample")
    lucky = compare(-0.01 - _overlapping(400, 5, 9) + _overlapping(400, 5, 9).mean(), zeros, horizon_bars=5)
    assert not lucky.passed
    assert lucky.improvement > 0
    assert "chance" in str(lucky.reason)


@pytest.mark.parametrize("rows", [0, 1, 119, 639])
def test_too_few_rows_are_not_judged_whatever_they_show(rows: int) -> None:
    short = compare(np.zeros(rows), np.ones(rows), horizon_bars=HORIZON)
    assert (short.passed, short.p_value) == (False, 1.0)
    assert short.reason == f"too few test rows to judge: {rows} of 640"
    assert compare(np.zeros(640), np.ones(640), horizon_bars=HORIZON).passed


def test_equal_losses_are_no_improvement() -> None:
    same = np.ones(400)
    assert not compare(same, same, horizon_bars=5).passed


@pytest.mark.parametrize("at", [slice(None), slice(1)])
@pytest.mark.parametrize("whose", ["model", "baseline"])
def test_losses_that_are_no_numbers_do_not_pass(at: slice, whose: str) -> None:
    losses = {"model": np.zeros(400), "baseline": np.ones(400)}
    losses[whose][at] = np.nan
    found = compare(losses["model"], losses["baseline"], horizon_bars=5)
    assert (found.passed, found.reason) == (False, "no better than the baseline out of sample")


def test_a_score_of_a_side_that_is_no_number_does_not_pass() -> None:
    found = blunted(Verdict(True, 0.01, 0.001, None), {"up": float("nan")}, {"up": 0.21})
    assert not found.passed


def test_too_few_rows_for_two_blocks_prove_nothing() -> None:
    assert block_p_value(np.ones(79), block_rows=40) == 1.0


def test_a_model_that_only_knows_whether_something_happens_is_refused() -> None:
    passed = Verdict(True, 0.01, 0.001, None)
    plain = {"up": 0.21, "down": 0.21}
    assert blunted(passed, {"up": 0.20, "down": 0.20}, plain) == passed
    worse = blunted(passed, {"up": 0.21, "down": 0.22}, plain)
    assert (worse.passed, worse.improvement) == (False, 0.01)
    assert worse.reason == "its probability of up and of down is no better than the baseline's out of sample"
    lame = blunted(passed, {"up": 0.15, "down": 0.22}, plain)
    assert lame.reason == "its probability of down is no better than the baseline's out of sample"
    refused = Verdict(False, -0.01, 0.9, "worse than the baseline out of sample")
    assert blunted(refused, {"up": 0.3, "down": 0.3}, plain) == refused


PASSED = Verdict(True, 0.01, 0.001, None)
FAILED = Verdict(False, -0.01, 0.9, "worse than the baseline out of sample")


def duel_of(against_baseline: Verdict, *, lead: float, p_value: float) -> Duel:
    return Duel("20260101T000000Z-00000000", 3000, 1, 2, against_baseline, lead, p_value)


@pytest.mark.parametrize(
    ("verdict", "duel", "choice"),
    [
        (PASSED, NoDuel("nothing serves yet"), Choice.CHALLENGER),
        (FAILED, NoDuel("nothing serves yet"), Choice.BASELINE),
        (PASSED, duel_of(PASSED, lead=0.01, p_value=0.01), Choice.CHAMPION),
        (PASSED, duel_of(PASSED, lead=0.01, p_value=0.3), Choice.CHALLENGER),
        (PASSED, duel_of(PASSED, lead=-0.01, p_value=0.01), Choice.CHALLENGER),
        (PASSED, duel_of(FAILED, lead=0.01, p_value=0.01), Choice.CHALLENGER),
        (FAILED, duel_of(PASSED, lead=0.01, p_value=0.3), Choice.CHAMPION),
        (FAILED, duel_of(FAILED, lead=0.01, p_value=0.01), Choice.BASELINE),
    ],
)
def test_who_serves(verdict: Verdict, duel: Duel | NoDuel, choice: Choice) -> None:
    assert chosen(verdict, duel) is choice


@pytest.mark.parametrize(
    ("theirs", "ours", "choice"),
    [
        (PASSED, FAILED, Choice.CHAMPION),
        (PASSED, PASSED, Choice.CHALLENGER),
        (FAILED, FAILED, Choice.CHALLENGER),
        (FAILED, PASSED, Choice.CHALLENGER),
    ],
)
def test_a_mean_return_that_passes_is_not_given_up_for_the_baselines(
    theirs: Verdict, ours: Verdict, choice: Choice
) -> None:
    duel = replace(duel_of(PASSED, lead=-0.01, p_value=0.6), mean=theirs)
    assert chosen(PASSED, duel, ours) is choice


@pytest.mark.parametrize(
    ("theirs", "ours", "choice"),
    [
        (None, PASSED, Choice.CHALLENGER),
        (FAILED, PASSED, Choice.CHALLENGER),
        (PASSED, PASSED, Choice.CHAMPION),
        (None, FAILED, Choice.CHAMPION),
        (None, None, Choice.CHAMPION),
    ],
)
def test_better_quantiles_do_not_hold_back_the_only_mean_return_that_passes(
    theirs: Verdict | None, ours: Verdict | None, choice: Choice
) -> None:
    duel = replace(duel_of(PASSED, lead=0.01, p_value=0.01), mean=theirs)
    assert chosen(PASSED, duel, ours) is choice
    assert chosen(FAILED, duel, ours) is Choice.CHAMPION


@pytest.mark.parametrize("verdict", [PASSED, FAILED])
@pytest.mark.parametrize("lead", [-0.1, 0.0, 0.1])
@pytest.mark.parametrize("p_value", [0.0, 0.05, 0.051, 1.0])
def test_nothing_serves_that_does_not_beat_the_baseline(
    verdict: Verdict, lead: float, p_value: float
) -> None:
    assert chosen(verdict, duel_of(FAILED, lead=lead, p_value=p_value)) is not Choice.CHAMPION
    assert chosen(FAILED, duel_of(PASSED, lead=lead, p_value=p_value)) is not Choice.CHALLENGER
