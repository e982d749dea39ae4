"""The compiled rules are kept between runs, and only for the sources they were made from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

CODE = """
import json, sys
from sereno.trading import kernel
from tests.trading.worlds import GRID, HOURLY, Slices, coin_flips, walk
from sereno.trading.backtest import run
from sereno.trading.rules import rulebook
candles = walk(1, 50)
side, atr = coin_flips(1, candles)
run(candles, side, atr, rulebook(HOURLY.timeframe, GRID, **Slices().words()), initial_equity=10_000.0)
stats = kernel.walk.stats
print(json.dumps([sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""


def first_call(cache: Path) -> list[int]:
    """(cache hits, compilations) of a fresh process."""
    root = Path(__file__).resolve().parents[2]
    reply = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=root,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(reply.stdout)


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    assert first_call(tmp_path) == [0, 1]
    assert first_call(tmp_path) == [1, 0]


def test_the_cache_knows_the_rules_it_was_compiled_from() -> None:
    from sereno.trading import kernel, rules

    cells = [cell.cell_contents for cell in kernel.walk.py_func.__closure__]
    assert rules.in_loops() in cells
