"""Which ways of learning are worth having: each against the baseline over a purged walk forward, on real candles.

    python benchmarks/model_study.py [--rows 17520] [--folds 4] [--threads 1] [--only NAME ...]

Every fold learns on the past, calibrates on its newest part, and is scored on the block that follows.
A figure is the baseline's mean loss less the variant's, in thousandths, so larger is better and below
nothing is worse than a constant. No gate stands between: this is about what is learned, not what is served.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_features import loaded

from sereno.core.candle import F64, I64, Candles
from sereno.core.settings import BarrierSettings, CostSettings, ModelSettings
from sereno.core.timeframe import Timeframe
from sereno.features.frame import compute
from sereno.features.registry import FEATURES
from sereno.labels.barrier import triple_barrier
from sereno.labels.kernel import walk
from sereno.models.baseline import fit_baseline
from sereno.models.boost import MAX_BIN, OBJECTIVES, PATIENCE, TAIL_FRAC, TreeParams, answer
from sereno.models.calibration import fit_calibrator, renormalised
from sereno.models.contract import Role, silent
from sereno.models.dataset import Dataset, join
from sereno.models.evaluate import row_losses
from sereno.models.gate import BLOCK_HORIZONS, block_p_value
from sereno.models.lean import lean_xgboost
from sereno.models.pool import pooled
from sereno.models.splits import chain, expanding, tail_split
from sereno.models.tune import tune

PAIRS = ("BTCUSDT", "ETHUSDT")
FIRST_FRAC, CALIBRATION_FRAC = 0.4, 0.2
BARRIERS, COSTS, MODELS = BarrierSettings(), CostSettings(), ModelSettings()


@dataclass(frozen=True)
class Variant:
    """One way of learning.

    forest         trees averaged in each round
    recency_bars   a row this much older counts half; None counts all alike
    unique         rows count by how little their barriers' lives overlap with others'
    pooled         the other pair's rows are learned from as well
    votes          early-stopping tails whose median decides the rounds
    without        families of features that are left out
    vector         one tree for all outputs of a round, so that they share its splits
    trusting       share of the calibrated departure from the baseline that is believed
    trials         of a search for parameters in each fold; 0 takes `params`
    pool_search    the search, too, is on the rows of both pairs
    """

    name: str
    params: TreeParams = field(default_factory=TreeParams)
    rounds: int = 150
    forest: int = 1
    recency_bars: float | None = None
    unique: bool = False
    pooled: bool = False
    votes: int = 1
    without: tuple[str, ...] = ()
    vector: bool = False
    trusting: float = 1.0
    trials: int = 0
    pool_search: bool = False


SHY = TreeParams(depth=2, learning_rate=0.03, leaf_rows=400.0, row_frac=0.5, column_frac=0.3, ridge=60.0)
VARIANTS = (
    Variant("plain"),
    Variant("searched", trials=6),
    Variant("searched, pooled", trials=6, pooled=True),
    Variant("searched on the pool, pooled", trials=6, pooled=True, pool_search=True),
    Variant("shy trees", SHY, rounds=250),
    Variant("forest of 4", forest=4),
    Variant("recency, 1 year", recency_bars=8766.0),
    Variant("recency, 1/4 year", recency_bars=2191.0),
    Variant("unique", unique=True),
    Variant("pooled", pooled=True),
    Variant("three votes", votes=3),
    Variant("no calendar", without=("calendar",)),
    Variant("no candle shapes", without=("structure", "returns")),
    Variant("shy, pooled", SHY, rounds=250, pooled=True),
    Variant("half trusted", trusting=0.5),
    Variant("pooled, half trusted", pooled=True, trusting=0.5),
    Variant("shared splits", vector=True),
    Variant("shared splits, pooled", vector=True, pooled=True),
    Variant("shy, forest of 4, pooled", SHY, rounds=250, forest=4, pooled=True),
    Variant("shy, forest of 4, pooled, three votes", SHY, rounds=250, forest=4, pooled=True, votes=3),
)


@dataclass(frozen=True)
class Sample:
    """Rows of one pair, with how little each label's life overlaps with others' (mean 1)."""

    data: Dataset
    uniqueness: F64


def sample(candles: Candles) -> Sample:
    frame = compute(candles, atr_bars=BARRIERS.atr_bars)
    labels = triple_barrier(candles, frame.atr, barriers=BARRIERS, costs=COSTS)
    data = join(frame, labels, timeframe=Timeframe.H1, horizon_bars=BARRIERS.horizon_bars)
    rows = np.searchsorted(frame.ts, data.ts)
    return Sample(data, _uniqueness(candles, frame.atr)[rows])


def _uniqueness(candles: Candles, atr: F64) -> F64:
    """Mean over a label's life of one over the labels alive. Source: López de Prado (2018), ch. 4."""
    rules = (BARRIERS.horizon_bars, BARRIERS.target_atr, BARRIERS.stop_atr, BARRIERS.trailing_atr, 0.0, 0.0)
    prices = (candles.open, candles.high, candles.low, candles.close, atr)
    ends = np.maximum(walk(1, *prices, *rules)[2], walk(-1, *prices, *rules)[2])
    rows = len(candles)
    first, last = np.arange(rows) + 1, np.minimum(ends, rows - 1)
    edges = np.zeros(rows + 2)
    np.add.at(edges, np.minimum(first, rows), 1.0)
    np.add.at(edges, last + 1, -1.0)
    alive = np.maximum(np.cumsum(edges)[:rows], 1.0)
    running = np.r_[0.0, np.cumsum(1.0 / alive)]
    life = np.maximum(last + 1 - first, 1)
    found = (running[last + 1] - running[np.minimum(first, last + 1)]) / life
    return np.asarray(found / found.mean(), dtype=np.float64)


def weights(own: Sample, rows: I64, variant: Variant) -> F64:
    found = own.uniqueness[rows].copy() if variant.unique else np.ones(len(rows))
    if variant.recency_bars is not None:
        found *= 0.5 ** ((len(rows) - 1 - np.arange(len(rows))) / variant.recency_bars)
    return np.asarray(found / (found.mean() if len(found) else 1.0), dtype=np.float64)


def columns(data: Dataset, variant: Variant) -> I64:
    kept = [i for i, name in enumerate(data.names) if FEATURES[name].family not in variant.without]
    return np.array(kept, dtype=np.int64)


def grown(
    role: Role, variant: Variant, head: Any, *, rounds: int, threads: int, tail: Any = None
) -> tuple[Any, int]:
    objective, params = OBJECTIVES[role], variant.params
    booster = lean_xgboost().train(
        {
            **objective.params,
            "eval_metric": objective.metric,
            "tree_method": "hist",
            "max_bin": MAX_BIN,
            "max_depth": params.depth,
            "learning_rate": params.learning_rate,
            "min_child_weight": params.leaf_rows * objective.hessian * params.row_frac,
            "subsample": params.row_frac,
            "colsample_bynode" if variant.forest > 1 else "colsample_bytree": params.column_frac,
            "num_parallel_tree": variant.forest,
            "multi_strategy": "multi_output_tree" if variant.vector else "one_output_per_tree",
            "reg_lambda": params.ridge * objective.hessian,
            "nthread": threads,
            "seed": MODELS.seed,
            "verbosity": 0,
        },
        head,
        num_boost_round=rounds,
        evals=[] if tail is None else [(tail, "tail")],
        early_stopping_rounds=None if tail is None else PATIENCE,
        verbose_eval=False,
    )
    return booster, rounds if tail is None else int(booster.best_iteration) + 1


def fitted(
    role: Role, own: Sample, train: I64, variant: Variant, *, other: Sample | None, threads: int
) -> Any:
    """A booster on the train rows (and the other pair's up to the same moment)."""
    xgboost, kept, y = lean_xgboost(), columns(own.data, variant), answer(role, own.data)

    def matrix(rows: I64, *, like: Any = None) -> Any:
        x, labels, weight = own.data.x[rows][:, kept], y[rows], weights(own, rows, variant)
        if other is not None and like is None:
            more = np.flatnonzero(other.data.end_ms <= own.data.ts[rows[-1]])
            x = np.vstack([x, other.data.x[more][:, kept]])
            labels = np.concatenate([labels, answer(role, other.data)[more]])
            weight = np.r_[weight, weights(other, more, variant)]
        return xgboost.QuantileDMatrix(
            x, label=labels, weight=weight, max_bin=MAX_BIN, nthread=threads, ref=like
        )

    best = []
    for vote in range(variant.votes):
        until = train[: round(len(train) * (1.0 - TAIL_FRAC * vote))]
        ts, ends = own.data.ts[until], own.data.end_ms[until]
        share = TAIL_FRAC * len(train) / len(until)
        head, tail = tail_split(ts, ends, tail_frac=share, embargo_bars=BARRIERS.horizon_bars)
        older = matrix(until[head])
        newest = matrix(until[tail], like=older)
        best.append(grown(role, variant, older, rounds=variant.rounds, threads=threads, tail=newest)[1])
    return grown(role, variant, matrix(train), rounds=int(np.median(best)), threads=threads)[0]


def outputs(role: Role, booster: Any, x: F64, calibrators: tuple[Any, ...]) -> F64:
    raw = np.asarray(booster.inplace_predict(x), dtype=np.float64).reshape(len(x), -1)
    match role:
        case Role.RETURN:
            return np.column_stack([np.zeros(len(x)), np.sort(raw, axis=1)])
        case Role.TREND:
            return np.asarray(renormalised(_applied(calibrators, raw))[:, :2])
        case Role.RISK:
            return _applied(calibrators, raw)


def _applied(calibrators: tuple[Any, ...], raw: F64) -> F64:
    return np.column_stack([one.apply(np.ascontiguousarray(raw[:, c])) for c, one in enumerate(calibrators)])


def gain(
    role: Role, own: Sample, past: I64, ahead: I64, variant: Variant, *, other: Sample | None, threads: int
) -> F64:
    """(n,) baseline's loss less the variant's on the rows ahead."""
    data = own.data
    cuts = (0, round(len(past) * (1.0 - CALIBRATION_FRAC)), len(past))
    train, late = chain(data.ts[past], data.end_ms[past], cuts, embargo_bars=MODELS.embargo_bars)
    kept = columns(data, variant)
    if variant.trials:
        rows = data.rows(past[train])
        seen = pooled(rows, [other.data]) if other is not None and variant.pool_search else rows
        settings = MODELS.model_copy(update={"trials": variant.trials, "threads": threads})
        found = tune(role, seen, settings=settings, stage="", progress=silent)
        variant = replace(variant, params=found.params)
    booster = fitted(role, own, past[train], variant, other=other, threads=threads)
    calibration, test = data.rows(past[late]), data.rows(ahead)
    raw = np.asarray(booster.inplace_predict(calibration.x[:, kept]), dtype=np.float64)
    happened = _happened(role, calibration)
    calibrators = tuple(
        fit_calibrator(raw[:, c], happened[:, c], overlap_bars=BARRIERS.horizon_bars)
        for c in range(happened.shape[1])
    )
    mine = outputs(role, booster, test.x[:, kept], calibrators)
    plain = fit_baseline(role, data.rows(past)).outputs(test.x)
    mine = plain + variant.trusting * (mine - plain)
    return row_losses(role, plain, test) - row_losses(role, mine, test)


def _happened(role: Role, data: Dataset) -> I64:
    match role:
        case Role.TREND:
            return np.asarray(data.trend[:, None] == np.arange(3), dtype=np.int64)
        case Role.RISK:
            return data.stops
        case Role.RETURN:
            return np.empty((len(data), 0), dtype=np.int64)


def studied(samples: Mapping[str, Sample], role: Role, variant: Variant, *, folds: int, threads: int) -> str:
    """One line: the mean over folds and pairs, each pair's folds, and the chance of as much without skill."""
    told, means, p_values = [], [], []
    for pair, own in samples.items():
        steps = expanding(
            own.data.ts, own.data.end_ms, folds=folds, first_frac=FIRST_FRAC, embargo_bars=MODELS.embargo_bars
        )
        other = next(s for name, s in samples.items() if name != pair) if variant.pooled else None
        gains = [gain(role, own, past, ahead, variant, other=other, threads=threads) for past, ahead in steps]
        means += [float(one.mean()) for one in gains]
        p_values.append(
            block_p_value(np.concatenate(gains), block_rows=BLOCK_HORIZONS * BARRIERS.horizon_bars)
        )
        told.append(f"{pair[:3]} " + " ".join(f"{1000 * one.mean():+6.2f}" for one in gains))
    above = sum(mean > 0 for mean in means)
    return (
        f"{role.value:7}{variant.name:40}{1000 * np.mean(means):+7.2f}  {above}/{len(means)}  "
        f"p {', '.join(f'{p:.3f}' for p in p_values)}  | {' | '.join(told)}"
    )


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, default=Path("../shared/data/ohlcv"))
    words.add_argument("--rows", type=int, default=17_520, help="newest candles of each pair; 0 takes all")
    words.add_argument("--folds", type=int, default=4)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--role", action="append", choices=[role.value for role in Role])
    words.add_argument("--only", action="append", help="names of variants")
    given = words.parse_args()
    samples = {}
    for pair in PAIRS:
        candles = loaded(given.data / f"BINANCE_SPOT_{pair}_1h.parquet")
        since = int(candles.open_ms[-given.rows]) if 0 < given.rows < len(candles) else None
        samples[pair] = sample(candles.between(since, None))
    for role in Role:
        if given.role and role.value not in given.role:
            continue
        for variant in VARIANTS:
            if given.only and variant.name not in given.only:
                continue
            begun = time.perf_counter()
            line = studied(samples, role, variant, folds=given.folds, threads=given.threads)
            print(f"{line}  {time.perf_counter() - begun:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
