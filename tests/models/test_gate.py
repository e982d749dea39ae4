"""The gate lets skill through and keeps chance out."""

from __future__ import annotations

import numpy as np
import pytest

from sereno.core.candle import F64
from sereno.models.gate import (
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


def _overlapping(rows: int, bars: int, seed: int) -> F64:
    """Differences of losses that share their future with `bars` neighbours."""
    shocks = np.random.default_rng(seed).standard_normal(rows + bars)
    running = np.cumsum(shocks)
    return np.asarray((running[bars:] - running[:-bars]) / np.sqrt(bars))


def test_chance_passes_about_as_often_as_the_level_says_despite_the_overlap() -> None:
    passed = [
        compare(-_overlapping(1000, 20, seed), np.zeros(1000), horizon_bars=20, seed=1).passed
        for seed in range(300)
    ]
    assert np.mean(passed) < 2 * MAX_P_VALUE


def test_trap_a30_24_skill_passes() -> None:
    gain = 0.8 + _overlapping(1000, 20, 1)
    verdict = compare(-gain, np.zeros(1000), horizon_bars=20, seed=1)
    assert verdict.passed
    assert verdict.reason is None


def test_each_refusal_has_its_reason() -> None:
    zeros = np.zeros(400)
    worse = compare(zeros + 0.1, zeros, horizon_bars=5, seed=1)
    assert (worse.passed, worse.reason) == (False, "worse than the baseline out of sample")
    lucky = compare(
        -0.01 - _overlapping(400, 5, 9) + _overlapping(400, 5, 9).mean(), zeros, horizon_bars=5, seed=1
    )
    assert not lucky.passed
    assert lucky.improvement > 0
    assert "chance" in str(lucky.reason)
    assert compare(np.array([]), np.array([]), horizon_bars=5, seed=1).reason == "no test rows"


def test_equal_losses_are_no_improvement() -> None:
    same = np.ones(400)
    assert not compare(same, same, horizon_bars=5, seed=1).passed


def test_too_few_rows_for_two_blocks_prove_nothing() -> None:
    assert block_p_value(np.ones(79), block_rows=40, seed=1) == 1.0


def test_a_model_that_only_knows_whether_something_happens_is_refused() -> None:
    passed = Verdict(True, 0.01, 0.001, None)
    assert blunted(passed, brier=0.20, baseline_brier=0.21) == passed
    worse = blunted(passed, brier=0.21, baseline_brier=0.21)
    assert (worse.passed, worse.improvement) == (False, 0.01)
    assert "sides" in str(worse.reason)
    refused = Verdict(False, -0.01, 0.9, "worse than the baseline out of sample")
    assert blunted(refused, brier=0.3, baseline_brier=0.2) == refused


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


@pytest.mark.parametrize("verdict", [PASSED, FAILED])
@pytest.mark.parametrize("lead", [-0.1, 0.0, 0.1])
@pytest.mark.parametrize("p_value", [0.0, 0.05, 0.051, 1.0])
def test_nothing_serves_that_does_not_beat_the_baseline(
    verdict: Verdict, lead: float, p_value: float
) -> None:
    assert chosen(verdict, duel_of(FAILED, lead=lead, p_value=p_value)) is not Choice.CHAMPION
    assert chosen(FAILED, duel_of(PASSED, lead=lead, p_value=p_value)) is not Choice.CHALLENGER
