"""How much there is to learn in generated worlds, and how often a desk trades there. Not timed.

    python benchmarks/world_study.py --edges 0,0.36,0.45 --seeds 1,2,3

Each row trains the default desk's models without search on the two years before the world's clock and
decides on the thirty days after it, without cool-down and risk.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from sereno.core.candle import Candles
from sereno.core.instrument import Instrument, Series
from sereno.core.settings import Settings, load
from sereno.core.timeframe import DAY_MS, Timeframe
from sereno.features.frame import compute
from sereno.models.contract import Role
from sereno.models.serve import Forecaster
from sereno.models.train import train_series
from sereno.signals.batch import decide_all
from sereno.sim.generated import CLOCK_START_MS, GeneratedWorld
from sereno.store.registry import Registry

SEEN_DAYS, UNSEEN_DAYS = 730, 30


def row(settings: Settings, instrument: Instrument, market: dict[Instrument, Candles], folder: Path) -> str:
    """Train on one instrument, its peers beside it, and tell what came of it."""
    series, registry = Series(instrument, Timeframe.H1), Registry(folder)
    report = train_series(
        series,
        market[instrument].between(None, CLOCK_START_MS),
        models=settings.models,
        barriers=settings.barriers,
        costs=settings.costs,
        registry=registry,
        peers=[c.between(None, CLOCK_START_MS) for i, c in market.items() if i != instrument],
        now=CLOCK_START_MS,
        git_commit="study",
    )
    trend = next(one for one in report.roles if one.role is Role.TREND)
    frame = compute(market[instrument])
    forecaster = Forecaster.load(registry, series, names=frame.names, barriers=settings.barriers)
    decisions = decide_all(
        forecaster.forecasts(frame),
        frame,
        market=instrument.market,
        signals=settings.signals,
        barriers=settings.barriers,
        costs=settings.costs,
    )
    hours = np.flatnonzero(np.asarray(decisions.side)[frame.ts > CLOCK_START_MS])
    first = f"first after {hours[0]} h" if len(hours) else "none"
    return (
        f"{instrument.symbol}: AUC up {trend.trees.metrics['auc_up']:.3f}, "
        f"{'trees' if trend.served == trend.trees else 'baseline'} serve; "
        f"{len(hours) / (24 * UNSEEN_DAYS):.1%} of candles traded, {first}"
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--edges", default="0,0.36")
    asked.add_argument("--seeds", default="1,2,3")
    given = asked.parse_args()
    for edge in map(float, given.edges.split(",")):
        for seed in map(int, given.seeds.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                wanted: dict[str, object] = {"sim.edge": edge, "models.trials": 0}
                settings = load(env={}, cwd=place, overrides=wanted).settings
                world = GeneratedWorld(seed, edge, settings.venue.listed())
                since, until = CLOCK_START_MS - SEEN_DAYS * DAY_MS, CLOCK_START_MS + UNSEEN_DAYS * DAY_MS
                market = {i: world.candles(i, Timeframe.H1, since, until) for i in settings.venue.listed()}
                for instrument in market:
                    told = row(settings, instrument, market, place / instrument.slug)
                    print(f"edge {edge:g}, seed {seed}, {told}", flush=True)


if __name__ == "__main__":
    main()
