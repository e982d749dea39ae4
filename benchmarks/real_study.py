"""What the default desk learns from real hourly candles: the tables of `docs/models.md`, as Markdown. Not timed.

    python benchmarks/real_study.py [FOLDER] [--rows 17520,0]

FOLDER holds BINANCE_SPOT_BTCUSDT_1h.parquet and BINANCE_SPOT_ETHUSDT_1h.parquet. Each pair is trained with the
other as its peer, on its newest rows; scores are of the newest fifth of them, which nothing was learned from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench_features import loaded

from sereno.core.candle import Candles
from sereno.core.settings import BarrierSettings, CostSettings, ModelSettings
from sereno.core.timeframe import Timeframe, iso
from sereno.models import metrics
from sereno.models.contract import Role
from sereno.models.dataset import join
from sereno.models.gate import MAX_P_VALUE, Verdict
from sereno.models.learn import Learned, learn, split_rows
from sereno.models.taught import peer_rows, rows_of
from sereno.ops.commit import code_version

PAIRS = {"BTC/USDT": "BINANCE_SPOT_BTCUSDT_1h", "ETH/USDT": "BINANCE_SPOT_ETHUSDT_1h"}
BARRIERS, COSTS, MODELS = BarrierSettings(), CostSettings(), ModelSettings()
LOSSES = (
    "series",
    "candles",
    "trend, log loss",
    "quantiles, pinball (ATR)",
    "mean return, RMSE (ATR)",
    "risk, log loss",
)
SHARPNESS = (
    "series",
    "AUC up / down",
    "ECE up / down, baseline's",
    "coverage of p10 to p90 (0.80 meant)",
    "mean served",
)


@dataclass(frozen=True)
class Study:
    """One pair over one span. mean_rmse: of the learned mean and of the baseline's, in ATR."""

    series: str
    rows: int
    roles: Mapping[Role, Learned]
    mean_rmse: tuple[float | None, float | None]


def studied(pair: str, history: Mapping[str, Candles], rows: int) -> Study:
    """Train every role on the newest `rows` candles of a pair (0: all), the other pair's beside it."""
    cut = {name: candles.slice(-rows) if rows else candles for name, candles in history.items()}
    frame, labels = rows_of(cut[pair], barriers=BARRIERS, costs=COSTS)
    data = join(frame, labels, timeframe=Timeframe.H1, horizon_bars=BARRIERS.horizon_bars)
    peers = peer_rows([c for name, c in cut.items() if name != pair], barriers=BARRIERS, costs=COSTS)
    roles = {role: learn(role, data, MODELS, peers=peers) for role in Role}
    test = data.rows(split_rows(data, MODELS).test)
    outcome = roles[Role.RETURN]
    rmse = (
        metrics.rmse(outcome.trees.outputs(test.x)[:, 0], test.return_atr),
        metrics.rmse(outcome.baseline.outputs(test.x)[:, 0], test.return_atr),
    )
    span = f"{rows / 8760:g} years" if rows else "all"
    return Study(f"{pair}, {span}", len(cut[pair]), roles, rmse)


def losses(study: Study) -> tuple[str, ...]:
    """Learned against baseline, and what the gate said."""
    trend, outcome, risk = (study.roles[role] for role in Role)
    return (
        study.series,
        f"{study.rows:,}",
        _judged(*_both(trend, "log_loss"), trend.verdict),
        _judged(*_both(outcome, "pinball"), outcome.verdict),
        _judged(*study.mean_rmse, outcome.mean_verdict),
        _judged(*_both(risk, "log_loss"), risk.verdict),
    )


def sharpness(study: Study) -> tuple[str, ...]:
    """How well the sides are told apart, how honest their probabilities are, and whose mean return serves."""
    trend, outcome = study.roles[Role.TREND], study.roles[Role.RETURN]
    eces = [_both(trend, f"ece_{side}") for side in ("up", "down")]
    mean = outcome.evaluation["mean"]
    learned = outcome.verdict.passed and mean["kind"] == "learned"
    return (
        study.series,
        " / ".join(_told(trend.metrics[f"auc_{side}"], 3) for side in ("up", "down")),
        ", ".join(" / ".join(_told(ece[which], 3) for ece in eces) for which in (0, 1)),
        _told(outcome.metrics["coverage_p10_p90"], 3),
        f"learned, weight {mean['weight']:.2f}"
        if learned
        else f"baseline, {outcome.baseline.values[0]:.4f} ATR",
    )


def refusals(study: Study) -> Iterator[str]:
    """Why what was learned does not serve, beyond what the tables show: lower loss, and yet refused."""
    for role, learned in study.roles.items():
        verdict = learned.verdict
        if not verdict.passed and verdict.improvement > 0 and verdict.p_value <= MAX_P_VALUE:
            yield f"{study.series}, {role}: {verdict.reason}."


def _both(learned: Learned, name: str) -> tuple[float | None, float | None]:
    return learned.metrics[name], learned.baseline_metrics[name]


def _judged(mine: float | None, plain: float | None, verdict: Verdict | None) -> str:
    assert verdict is not None
    word = "passed" if verdict.passed else "refused"
    p_value = f"p {verdict.p_value:.2g}" if verdict.p_value >= 1e-4 else "p < 0.0001"
    chance = f"{p_value}, " if verdict.improvement > 0 else ""
    return f"{_told(mine, 4)} / {_told(plain, 4)}, {chance}{word}"


def _told(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """A Markdown table."""
    for line in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(line)} |"


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("folder", type=Path, nargs="?", default=Path("../shared/data/ohlcv"))
    words.add_argument("--rows", default="17520,0", help="newest candles of each pair; 0 takes all")
    given = words.parse_args()
    files = {pair: given.folder / f"{name}.parquet" for pair, name in PAIRS.items()}
    lacking = [path.name for path in files.values() if not path.is_file()]
    if lacking:
        print(f"skipped: {', '.join(lacking)} not in {given.folder}; give the folder that holds real candles")
        return 0
    history = {pair: loaded(path) for pair, path in files.items()}
    studies = []
    for pair in PAIRS:
        for rows in map(int, given.rows.split(",")):
            studies.append(studied(pair, history, rows))
            print(f"{studies[-1].series}: done", file=sys.stderr, flush=True)
    until = iso(max(int(candles.close_ms[-1]) for candles in history.values()))
    print(f"Measured {datetime.now(UTC):%Y-%m-%d} at commit {code_version()}, candles until {until}.\n")
    print("\n".join(table(LOSSES, [losses(study) for study in studies])), end="\n\n")
    print("\n".join(table(SHARPNESS, [sharpness(study) for study in studies])), end="\n\n")
    print("\n".join(line for study in studies for line in refusals(study)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
