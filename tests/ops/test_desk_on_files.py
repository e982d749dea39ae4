"""A desk on candles from files: real simulator, unmodified ccxt, every candle as it stands in its file."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sereno.core.candle import Candles
from sereno.core.errors import FixConfig
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.ops.app import Desk
from sereno.ops.steps.freshness import settle_ms
from sereno.ops.steps.retell import replayed
from sereno.sim.files import FilesWorld, candle_files, read_candles
from sereno.sim.generated import GeneratedWorld
from sereno.store.lake import Lake, open_lake
from sereno.store.lake_words import Origin
from sereno.store.ledger import runs, signals
from sereno.store.ledger.runs import RunStatus
from tests.ops.desk_process import EAGER, SMALL, sereno, settings_of
from tests.ops.traded import check_chains, check_money, check_signal_files, taken

PAIRS = tuple(Instrument("binance", Market.SPOT, base, "USDT") for base in ("BTC", "ETH"))
LEFT_DAYS = 3
WHOLE_PASS = ("collector", "features", "train", "signals-pass", "positions")
# Wide barriers lean towards the trend: in the hundred days before this clock both coins rose, so that even a
# baseline, which knows nothing but how often each barrier came first, sees more up than down.
RISE_DAYS = 100
RISING = {
    **SMALL,
    **EAGER,
    "candles.depth_days": str(RISE_DAYS),
    "sim.days_before_end": "197",
    "barriers.target_atr": "2",
    "barriers.stop_atr": "2",
    "barriers.horizon_bars": "60",
    "models.embargo_bars": "60",
    "signals.min_reward_risk": "0.9",
    "jobs.disabled": "walkforward,anomaly",
}


def columns(candles: Candles) -> dict[str, np.ndarray]:
    _, *names = Candles.COLUMNS
    return {"timestamp": candles.open_ms, **{name: getattr(candles, name) for name in names}}


def make_folder(folder: Path, kinds: tuple[str, str]) -> Path:
    """Hourly files of both pairs; no more than `SMALL` asks for, and some days to come."""
    world = GeneratedWorld(5, 1.0, PAIRS, finest=Timeframe.H1, history_days=85, future_days=LEFT_DAYS)
    folder.mkdir()
    for instrument, kind in zip(PAIRS, kinds, strict=True):
        table = columns(world.candles(instrument, Timeframe.H1, None, None))
        path = folder / f"BINANCE_SPOT_{instrument.base}{instrument.quote}_1h.{kind}"
        if kind == "parquet":
            pq.write_table(pa.table(table), path)
            continue
        with path.open("w", newline="") as text:
            rows = csv.writer(text)
            rows.writerow(table)
            rows.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    return folder


def rise_of(ohlcv: Path, folder: Path) -> Path:
    """Real candles from the rise on: a desk collects as far back as training takes, and what was before fell."""
    folder.mkdir()
    for name in ("BINANCE_SPOT_BTCUSDT_1h.parquet", "BINANCE_SPOT_ETHUSDT_1h.parquet"):
        table = pq.read_table(ohlcv / name)
        opens = table["timestamp"].to_numpy()
        days = float(RISING["sim.days_before_end"]) + RISE_DAYS
        pq.write_table(table.filter(pa.array(opens >= opens[-1] - days * DAY_MS)), folder / name)
    return folder


def check_lake(desk: Desk, folder: Path) -> None:
    """The lake is marked real and holds the files' candles: all that have closed and settled, and no more."""
    lake: Lake = desk.lake
    with pytest.raises(FixConfig, match=r"lake\.other_origin"):
        open_lake(desk.settings.lake, desk.paths.lake, origin=Origin.SYNTHETIC)
    now = desk.clock.now_ms()
    since = Timeframe.H1.floor(now) - desk.settings.candles.depth_ms(Timeframe.H1)
    until = Timeframe.H1.floor(now - settle_ms(desk))
    for instrument in desk.instruments:
        (file,) = [
            f for f in candle_files(folder) if f.belongs_to(instrument) and f.timeframe is Timeframe.H1
        ]
        wanted = read_candles(file).between(since, until)
        found = lake.candles(Series(instrument, Timeframe.H1)).between(since, None)
        assert len(wanted) > 1000
        for name, column in columns(wanted).items():
            assert np.array_equal(columns(found)[name], column), (instrument.symbol, name)


def test_one_pass_over_files_of_both_kinds(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "candles", ("parquet", "csv"))
    given = {**SMALL, "sim.days_before_end": str(LEFT_DAYS)}
    sereno(tmp_path, given, "up", "--once", "--candles", str(folder))
    assert "baseline" in sereno(tmp_path, {}, "models", "list"), "it looks at the desk that was brought up"
    with Desk(settings_of(tmp_path, {**given, "sim.candles_dir": str(folder)})) as desk:
        assert desk.instruments == PAIRS
        check_signal_files(desk.settings)
        check_lake(desk, folder)
        with desk.ledger.read() as tx:
            made = signals.recent(tx)
            ended = {name: runs.last(tx, name, desk.mode) for name in WHOLE_PASS}
        assert {job: run and run.status for job, run in ended.items()} == dict.fromkeys(
            WHOLE_PASS, RunStatus.SUCCESS
        )
        world = FilesWorld(
            folder, instruments=PAIRS, timeframe=Timeframe.H1, days_before_end=float(LEFT_DAYS)
        )
        newest = world.clock_start_ms  # the clock starts when the candle before it has settled
        assert {signal.ts for signal in made} == {newest}
        assert world.end_ms == world.clock_start_ms + LEFT_DAYS * DAY_MS


def test_real_candles_are_traded_there_and_back(tmp_path: Path, shared_data: Path) -> None:
    folder = rise_of(shared_data / "ohlcv", tmp_path / "candles")
    said = sereno(tmp_path, RISING, "up", "--for", "1d", "--speed", "max", "--candles", str(folder))
    assert "all well" in said
    with Desk(settings_of(tmp_path, {**RISING, "sim.candles_dir": str(folder)})) as desk:
        check_signal_files(desk.settings)
        check_lake(desk, folder)
        assert check_chains(desk) >= 1
        check_money(desk)
        made = taken(desk)
        assert {signal.series.instrument for signal in made} <= set(PAIRS)
        assert max(s.ts for s in made) - min(s.ts for s in made) >= HOUR_MS
        for signal in made:
            lines, equal = replayed(desk, signal)
            assert equal, "\n".join(lines)
