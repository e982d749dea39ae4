from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sereno.core.errors import FixConfig
from sereno.core.instrument import Instrument, Market
from sereno.core.settings.sections import SimSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe, from_iso
from sereno.sim.files import FilesWorld, candle_files
from sereno.sim.resample import resample
from sereno.sim.view import View
from sereno.sim.world import make_world
from tests.sim.conftest import BTC, ETH

START = from_iso("2024-01-01T00:00:00Z")  # a Monday
PERP = Instrument("bybit", Market.LINEAR, "BTC", "USDT")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, *, days: float, first: int = START, skip: tuple[int, ...] = ()) -> Path:
        timeframe = Timeframe(name.split("_")[3].split(".")[0])
        stamps = np.arange(first, first + int(days * DAY_MS), timeframe.ms)
        stamps = np.delete(stamps, list(skip))
        # A price that follows from time alone, so that files of different timeframes agree.
        price = 100 + 10 * np.sin(stamps / DAY_MS)
        after = 100 + 10 * np.sin((stamps + timeframe.ms) / DAY_MS)
        frame = pl.DataFrame(
            {
                "timestamp": stamps,
                "open": price.round(2),
                "high": (np.maximum(price, after) + 0.5).round(2),
                "low": (np.minimum(price, after) - 0.5).round(2),
                "close": after.round(2),
                "volume": np.full(len(stamps), timeframe.ms / HOUR_MS),
            }
        )
        path = tmp_path / name
        frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
        return path

    return written


def made(folder: Path, *instruments: Instrument, timeframe: Timeframe = Timeframe.H1) -> FilesWorld:
    return FilesWorld(folder, instruments=instruments or (BTC,), timeframe=timeframe, days_before_end=10)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_the_clock_starts_some_days_before_the_end(tmp_path: Path, write: Write, suffix: str) -> None:
    write(f"BINANCE_SPOT_BTCUSDT_1h.{suffix}", days=60)
    world = made(tmp_path)
    assert world.start_ms == START
    assert world.end_ms == START + 60 * DAY_MS
    assert world.clock_start_ms == world.end_ms - 10 * DAY_MS
    assert len(world.candles(BTC, Timeframe.H1, None, None)) == 60 * 24
    assert world.describe()["synthetic"] is False


def test_each_timeframe_from_its_own_file_else_from_a_finer_one(tmp_path: Path, write: Write) -> None:
    write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=60)
    write("BINANCE_SPOT_BTCUSDT_30m.parquet", days=40, first=START + 20 * DAY_MS)
    write("BINANCE_SPOT_BTCUSDT_5m.parquet", days=55)  # ends before the others: not used
    world = made(tmp_path)
    assert world.timeframes(BTC)[:3] == (Timeframe.M30, Timeframe.H1, Timeframe.H2)
    hours = world.candles(BTC, Timeframe.H1, None, None)
    days = world.candles(BTC, Timeframe.D1, None, None)
    assert days.digest() == resample(hours, Timeframe.D1).digest()  # neither is deep: the longest
    weeks = world.candles(BTC, Timeframe.W1, None, None)
    assert weeks.open_ms[0] == START
    sources = world.describe()["instruments"]
    assert sources[BTC.key]["30m"] == "BINANCE_SPOT_BTCUSDT_30m.parquet"  # type: ignore[index]


def test_a_deep_finer_file_is_preferred(tmp_path: Path, write: Write) -> None:
    write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=900)
    write("BINANCE_SPOT_BTCUSDT_30m.parquet", days=880, first=START + 20 * DAY_MS)
    sources = made(tmp_path).describe()["instruments"]
    assert sources[BTC.key]["4h"] == "BINANCE_SPOT_BTCUSDT_30m.parquet"  # type: ignore[index]


def test_the_forming_candle_comes_from_the_finest_file(tmp_path: Path, write: Write) -> None:
    write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=60)
    write("BINANCE_SPOT_BTCUSDT_15m.parquet", days=60)
    world = made(tmp_path)
    forming = View(world, world.clock_start_ms + 1_800_000).last_page(BTC, Timeframe.H1, None, 1)
    assert forming.volume.tolist() == [0.5]


def test_trading_on_a_finer_file_alone(tmp_path: Path, write: Write) -> None:
    write("BINANCE_SPOT_BTCUSDT_15m.parquet", days=60)
    world = made(tmp_path)
    assert len(world.candles(BTC, Timeframe.H1, None, None)) == 60 * 24


def test_venue_and_market_are_kept_apart(tmp_path: Path, write: Write) -> None:
    write("BYBIT_PERP_BTCUSDT_1h.parquet", days=60)
    write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=30)
    world = made(tmp_path, PERP)
    assert world.end_ms == START + 60 * DAY_MS
    assert world.listed("bybit", Market.LINEAR) == (PERP,)
    assert world.listed("bybit", Market.SPOT) == ()
    assert world.listed("binance", Market.SPOT) == ()


def test_an_instrument_that_ends_early_falls_silent(tmp_path: Path, write: Write) -> None:
    write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=60)
    write("BINANCE_SPOT_ETHUSDT_1h.parquet", days=55)
    world = made(tmp_path, BTC, ETH)
    late = View(world, START + 59 * DAY_MS)
    assert world.end_ms == START + 60 * DAY_MS
    assert late.last_page(ETH, Timeframe.H1, None, 1).close_ms.tolist() == [START + 55 * DAY_MS]
    assert late.last_price(ETH) is not None
    day = late.day(ETH)
    assert day is not None
    assert day.volume_base == 0.0


def test_one_that_ended_before_the_clock_is_refused(tmp_path: Path, write: Write) -> None:
    write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=60)
    write("BINANCE_SPOT_ETHUSDT_1h.parquet", days=40)
    with pytest.raises(FixConfig, match=r"candles_end_early.*ETH"):
        made(tmp_path, BTC, ETH)


def test_gaps_are_served_as_gaps(tmp_path: Path, write: Write) -> None:
    write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=60, skip=(100, 101, 102))
    world = made(tmp_path)
    page = View(world, world.clock_start_ms).first_page(BTC, Timeframe.H1, START + 98 * HOUR_MS, None, 4)
    assert ((page.open_ms - START) // HOUR_MS).tolist() == [98, 99, 103, 104]


def test_what_is_missing_is_named_with_what_is_there(tmp_path: Path, write: Write) -> None:
    write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=60)
    with pytest.raises(FixConfig) as missing:
        made(tmp_path, BTC, ETH)
    assert "BINANCE_SPOT_ETHUSDT_1h.parquet" in str(missing.value)
    assert "BTCUSDT 1h" in str(missing.value)
    with pytest.raises(FixConfig, match="it has files of BINANCE_SPOT"):
        made(tmp_path, PERP)
    with pytest.raises(FixConfig, match=r"sim\.no_candles"):
        made(tmp_path, BTC, timeframe=Timeframe.M15)


def test_bad_folders_and_files_are_refused(tmp_path: Path, write: Write) -> None:
    with pytest.raises(FixConfig, match=r"sim\.no_folder"):
        candle_files(tmp_path / "nowhere")
    with pytest.raises(FixConfig, match="nothing, nor for any other"):
        made(tmp_path)
    path = tmp_path / "BINANCE_SPOT_BTCUSDT_1h.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(FixConfig, match=r"sim\.unreadable_file"):
        made(tmp_path)
    good = pl.read_parquet(write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=60))
    at = pl.int_range(pl.len())
    faults = (
        (good.reverse(), "rising order"),
        (pl.concat([good, good]).sort("timestamp"), "rising order"),
        (good.head(0), "no candles"),
        (good.with_columns(pl.col("timestamp") + 60_000), "row 1: the open time does not lie on"),
        (good.with_columns(low=pl.lit(float("nan"))), "row 1: a price or the volume is missing"),
        (good.with_columns(volume=pl.lit(float("inf"))), "row 1: a price or the volume is missing"),
        (good.with_columns(close=pl.when(at == 6).then(0.0).otherwise("close")), "row 7: .* not above zero"),
        (
            good.with_columns(pl.when(at == 6).then(None).otherwise("timestamp").alias("timestamp")),
            "row 7: the time",
        ),
    )
    for frame, story in faults:
        frame.write_parquet(path)
        with pytest.raises(FixConfig, match=story):
            made(tmp_path)
    good.drop("close").write_parquet(path)
    with pytest.raises(FixConfig, match=r"sim\.unreadable_file"):
        made(tmp_path)
    good.head(100).write_parquet(path)
    with pytest.raises(FixConfig, match=r"sim\.no_history"):
        made(tmp_path)
    path.unlink()
    path.with_suffix(".csv").write_text("timestamp,open,high,low,close,volume\n1,2,3\n")
    with pytest.raises(FixConfig, match=r"sim\.bad_file.*row 2: the open time"):
        made(tmp_path)
    path.with_suffix(".csv").write_text(f"timestamp,open,high,low,close,volume\n{'1' * 200_000}\n")
    with pytest.raises(FixConfig, match=r"sim\.bad_file.*row 2"):
        made(tmp_path)


def test_times_and_numbers_may_be_spelled_as_the_import_takes_them(tmp_path: Path, write: Write) -> None:
    """Such as pandas writes them, or Binance Vision since 2025, or a spreadsheet."""
    path = write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=60)
    good = pl.read_parquet(path)
    wanted = made(tmp_path).candles(BTC, Timeframe.H1, None, None).digest()
    moment = pl.from_epoch("timestamp", time_unit="ms")
    for time in (
        moment.cast(pl.Datetime("ns")),
        moment.cast(pl.Datetime("us", "UTC")),
        pl.col("timestamp") * 1_000,
        pl.col("timestamp") // 1_000,
    ):
        good.with_columns(time.alias("timestamp")).write_parquet(path)
        assert made(tmp_path).candles(BTC, Timeframe.H1, None, None).digest() == wanted
    path.unlink()
    path = path.with_suffix(".csv")
    for text in (good.with_columns(moment).write_csv(), "\ufeff" + good.write_csv()):
        path.write_text(text)
        assert made(tmp_path).candles(BTC, Timeframe.H1, None, None).digest() == wanted


def test_the_grid_is_that_of_the_prices(tmp_path: Path, write: Write) -> None:
    write("BINANCE_SPOT_BTCUSDT_1h.parquet", days=60)
    assert str(made(tmp_path).rules(BTC).price_tick) == "0.01"


def test_trap_a30_18_funding_is_not_invented_beside_real_candles(tmp_path: Path, write: Write) -> None:
    write("BYBIT_PERP_BTCUSDT_1h.parquet", days=60)
    moments, rates = made(tmp_path, PERP).funding(PERP, 0, 2**60)
    assert len(moments) == len(rates) == 0


def test_real_candles_come_out_as_they_are(shared_data: Path) -> None:
    folder = shared_data / "ohlcv"
    world = make_world(SimSettings(candles_dir=folder), instruments=(BTC, ETH))
    assert world.end_ms is not None
    assert world.end_ms - world.clock_start_ms == 30 * DAY_MS
    stored = pl.read_parquet(folder / "BINANCE_SPOT_BTCUSDT_1h.parquet")
    served = world.candles(BTC, Timeframe.H1, None, None)
    assert served.open_ms.tolist() == stored["timestamp"].to_list()
    assert served.close.tolist() == stored["close"].to_list()
    assert Timeframe.M5 not in world.timeframes(BTC)  # its file ends a year earlier
