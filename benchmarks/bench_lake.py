"""Store and read 1,000,000 one-minute candles: pages as a venue serves them, durable after each."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sereno.core.candle import Candles
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.mode import Mode
from sereno.core.timeframe import Timeframe, from_iso
from sereno.store.lake import Lake, Origin
from sereno.store.objects import LocalObjects

ROWS = 1_000_000
PAGE = 1_000
TARGET_S = 20.0
SERIES = Series(Instrument.parse("BTC/USDT", venue="binance", market=Market.SPOT), Timeframe.M1)


def walk() -> Candles:
    """A seeded walk of prices in ticks of 0.01."""
    rng = np.random.default_rng(1)
    close = np.round(50_000 + np.cumsum(rng.normal(size=ROWS)), 2)
    opens = from_iso("2022-01-01") + np.arange(ROWS, dtype=np.int64) * Timeframe.M1.ms
    volume = np.round(rng.random(ROWS), 5)
    return Candles(Timeframe.M1, opens, close, close + 2.0, close - 2.0, close, volume)


def main() -> int:
    """Exit status: 1 when storing takes longer than the target or what is read is not what was stored."""
    block = walk()
    now = int(block.close_ms[-1])
    before_mb = peak_mb()
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(LocalObjects(Path(folder)), origin=Origin.SYNTHETIC)
        started, started_cpu = time.perf_counter(), time.process_time()
        for start in range(0, ROWS, PAGE):
            page = block.slice(start, start + PAGE)
            lake.append(SERIES, page, source="bench", mode=Mode.SIM, now=now)
        stored_s = time.perf_counter() - started
        stored_cpu_s = time.process_time() - started_cpu
        stored_mb = peak_mb()

        reader = Lake(LocalObjects(Path(folder)), origin=Origin.SYNTHETIC)
        started = time.perf_counter()
        read = reader.candles(SERIES)
        read_s = time.perf_counter() - started
        started = time.perf_counter()
        reader.candles(SERIES, now - 300 * Timeframe.M1.ms)
        newest_s = time.perf_counter() - started
        started = time.perf_counter()
        damage = reader.verify(SERIES)
        verified_s = time.perf_counter() - started
        size_mb = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet")) / 1e6

    pages = ROWS // PAGE
    print(f"append {ROWS:,} candles in {pages:,} pages   {stored_s:8.2f} s   (target < {TARGET_S:.0f} s)")
    print(f"of that on processors                 {stored_cpu_s:8.2f} s")
    print(f"one page of {PAGE:,}, durable             {stored_s / pages * 1e3:8.2f} ms")
    print(f"memory taken while appending          {stored_mb - before_mb:8.0f} MB")
    print(f"read all of them                      {read_s * 1e3:8.1f} ms")
    print(f"read the newest 300                   {newest_s * 1e3:8.1f} ms")
    print(f"verify every hash                     {verified_s * 1e3:8.1f} ms")
    print(f"on disk                               {size_mb:8.1f} MB")
    right = read.digest() == block.digest() and damage == ()
    return 0 if right and stored_s < TARGET_S else 1


def peak_mb() -> float:
    """Highest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
