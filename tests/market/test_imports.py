"""Files of other tools: every good row becomes a candle, every bad one says why not."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest

from sereno.core.candle import Candles
from sereno.core.errors import FixConfig
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.timeframe import HOUR_MS, Timeframe, iso
from sereno.market.imports import (
    Imported,
    Otherwise,
    RowError,
    Told,
    import_candles,
    name_of_series,
    series_of,
)
from tests.market.worlds import NOW, same, walk

BTC = Instrument("binance", Market.SPOT, "BTC", "USDT")
H1 = Series(BTC, Timeframe.H1)
CANDLES = walk(Timeframe.H1, Timeframe.H1.floor(NOW) - 40 * HOUR_MS, 30)
HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,x,ignore"


def lines(candles: Candles, *, scale: int = 1, extra: str = ",0,0,0,0,0,0") -> list[str]:
    return [
        f"{c.open_ms * scale},{c.open!r},{c.high!r},{c.low!r},{c.close!r},{c.volume!r}{extra}"
        for c in candles
    ]


def written(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def frame(candles: Candles) -> pl.DataFrame:
    names = ("open", "high", "low", "close", "volume")
    return pl.DataFrame({"timestamp": candles.open_ms, **{n: getattr(candles, n) for n in names}})


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("scale", [1, 1000])
def test_binance_vision_with_and_without_header_in_ms_and_us(
    tmp_path: Path, header: bool, scale: int
) -> None:
    path = written(tmp_path / "BTCUSDT-1h-2024-03.csv", [HEADER] * header + lines(CANDLES, scale=scale))
    for name in ("binance-vision", "csv", "auto"):
        told = import_candles(path, H1, name)
        assert same(told.candles, CANDLES)
        assert told.errors == ()


def test_binance_vision_as_it_is_downloaded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "BTCUSDT-1h-2024-03.zip", "w") as archive:
        archive.writestr("BTCUSDT-1h-2024-03.csv", "\n".join(lines(CANDLES)))
    assert same(import_candles(tmp_path / "BTCUSDT-1h-2024-03.zip", H1).candles, CANDLES)


def test_freqtrade_feather_and_json(tmp_path: Path) -> None:
    dated = frame(CANDLES).with_columns(
        pl.from_epoch("timestamp", time_unit="ms").dt.replace_time_zone("UTC")
    )
    dated.rename({"timestamp": "date"}).write_ipc(tmp_path / "BTC_USDT-1h.feather", compression="lz4")
    rows = [[c.open_ms, c.open, c.high, c.low, c.close, c.volume] for c in CANDLES]
    (tmp_path / "BTC_USDT-1h.json").write_text(json.dumps(rows))
    (tmp_path / "BTC_USDT-1h.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    for suffix in ("feather", "json", "json.gz"):
        told = import_candles(tmp_path / f"BTC_USDT-1h.{suffix}", H1)
        assert same(told.candles, CANDLES)
        assert told.errors == ()


def test_parquet_named_and_shaped_like_the_development_data(tmp_path: Path) -> None:
    path = tmp_path / f"{name_of_series(H1)}.parquet"
    frame(CANDLES).write_parquet(path)
    assert path.name == "BINANCE_SPOT_BTCUSDT_1h.parquet"
    assert series_of(path, Told(), Otherwise("x", Market.LINEAR, (), set)) == H1
    assert same(import_candles(path, H1).candles, CANDLES)


@pytest.mark.parametrize(
    "spell",
    [
        iso,
        lambda at: iso(at).replace("Z", "+00:00"),
        lambda at: iso(at)[:-1].replace("T", " "),
        lambda at: iso(at + 2 * HOUR_MS).replace("Z", "+02:00"),
        lambda at: iso(at - 5 * HOUR_MS // 2)[:-4].replace("T", " ") + "-0230",
        lambda at: iso(at)[:-1].replace("T", " ") + " UTC",
        lambda at: at // 1000,
        lambda at: f"{at / 1000:.3f}",
        lambda at: f"{at:.7E}",
        lambda at: f"{at}.0",
    ],
)
def test_moments_may_be_text_or_seconds(tmp_path: Path, spell) -> None:
    rows = [f"{spell(c.open_ms)};{c.open};{c.high};{c.low};{c.close};{c.volume}" for c in CANDLES]
    told = import_candles(written(tmp_path / "x.csv", ["Date;Open;High;Low;Close;Volume", *rows]), H1)
    assert same(told.candles, CANDLES)


@pytest.mark.parametrize("header", ["timestamp;open;high;low;close;volume", None])
def test_decimal_commas_beside_semicolons(tmp_path: Path, header: str | None) -> None:
    rows = [line.replace(",", ";").replace(".", ",") for line in lines(CANDLES, extra="")]
    told = import_candles(written(tmp_path / "x.csv", [*([header] if header else []), *rows]), H1)
    assert same(told.candles, CANDLES)


@pytest.mark.parametrize("row", ["1,200;1,300;1,100;1,250;1,000", "1.5;1,7;1.2;1.6;3"])
def test_commas_that_may_part_thousands_are_not_guessed(tmp_path: Path, row: str) -> None:
    path = written(
        tmp_path / "x.csv", ["timestamp;open;high;low;close;volume", f"{CANDLES.open_ms[0]};{row}"]
    )
    with pytest.raises(FixConfig, match="no number"):
        import_candles(path, H1)


def test_a_download_of_cryptodatadownload(tmp_path: Path) -> None:
    """Its address above the header, both volumes, the newest row first."""
    rows = [
        f"{c.open_ms // 1000},{iso(c.open_ms)},BTC/USDT,{c.open},{c.high},{c.low},{c.close},{c.volume},9,7"
        for c in CANDLES
    ]
    head = [
        "https://www.CryptoDataDownload.com",
        "Unix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount",
    ]
    told = import_candles(written(tmp_path / "x.csv", [*head, *rows[::-1], "x,,,,,,,,,"]), H1)
    assert same(told.candles, CANDLES)
    assert [error.row for error in told.errors] == [33]
    with pytest.raises(FixConfig, match=r"import\.columns"):
        import_candles(tmp_path / "x.csv", replace(H1, instrument=replace(BTC, base="ETH", quote="BTX")))


def test_each_bad_row_is_named_with_its_line_and_reason(tmp_path: Path) -> None:
    rows = lines(CANDLES, extra="")
    stamp = CANDLES.open_ms
    rows[3] = f"{stamp[3]},1,2,nonsense,1.5,9"
    rows[7] = f"{stamp[7]},-1,2,1,1.5,9"
    rows[11] = f"{stamp[11]},10,9,8,8.5,1"
    rows[13] = "yesterday,1,2,0.5,1.5,9"
    rows[17] = f"{stamp[17] + 1},1,2,0.5,1.5,9"
    rows[19] = f"{stamp[19]},1,2"
    rows.append(rows[20])
    told = import_candles(written(tmp_path / "x.csv", ["timestamp,open,high,low,close,volume", *rows]), H1)
    assert {error.row: error.reason.split(" (")[0] for error in told.errors} == {
        5: "a price or the volume is missing or no number",
        9: "a price is not above zero, or the volume is negative",
        13: "high and low do not enclose open and close",
        15: "the time cannot be read",
        19: "the open time does not lie on the timeframe's grid",
        21: "a price or the volume is missing or no number",
        22: "another copy of the candle of row 32",
    }
    keep = np.delete(np.arange(30), [3, 7, 11, 13, 17, 19])
    assert told.candles.open_ms.tolist() == stamp[keep].tolist()


def test_an_unfinished_last_row_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", [HEADER, *lines(CANDLES)])
    now = int(CANDLES.open_ms[-1]) + HOUR_MS - 1
    told = import_candles(path, H1, now=now)
    assert told.errors == (RowError(31, "the candle is not over yet"),)
    assert len(told.candles) == 29


def test_order_does_not_matter(tmp_path: Path) -> None:
    assert same(import_candles(written(tmp_path / "x.csv", lines(CANDLES)[::-1]), H1).candles, CANDLES)


@pytest.mark.parametrize(
    ("name", "content", "event"),
    [
        ("x.parquet", b"not parquet at all", "import.unreadable"),
        ("x.feather", b"", "import.unreadable"),
        ("x.json", b'{"a": 1}', "import.unreadable"),
        ("x.json", b"[[1, 2", "import.unreadable"),
        ("x.csv", b"", "import.unreadable"),
        ("x.zip", b"PK", "import.unreadable"),
        ("x.csv", b"a,b,c\n1,2,3\n", "import.columns"),
        ("x.xlsx", b"", "import.unknown_format"),
    ],
)
def test_a_file_that_is_none_names_the_remedy(tmp_path: Path, name: str, content: bytes, event: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FixConfig) as caught:
        import_candles(tmp_path / name, H1)
    assert caught.value.event == event
    assert caught.value.remedy


ODD: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": pl.Time,
    "duration": pl.Duration,
    "binary": pl.Binary,
    "categorical": pl.Categorical,
    "list": pl.List(pl.Int64),
    "boolean": pl.Boolean,
    "struct": pl.Struct({"a": pl.Int64}),
}


@pytest.mark.parametrize("column", ["timestamp", "close"])
@pytest.mark.parametrize("dtype", ODD)
def test_columns_of_another_kind_are_refused_by_name(tmp_path: Path, dtype: str, column: str) -> None:
    odd = pl.Series(column, [None] * len(CANDLES), dtype=ODD[dtype])
    frame(CANDLES).with_columns(odd).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(FixConfig, match=r"import\.columns.*column=(time|close), holds="):
        import_candles(tmp_path / "x.parquet", H1)


def test_dates_are_no_prices(tmp_path: Path) -> None:
    dated = frame(CANDLES).with_columns(close=pl.from_epoch("timestamp", time_unit="ms"))
    dated.write_parquet(tmp_path / "x.parquet")
    with pytest.raises(FixConfig, match=r"import\.columns.*column=close"):
        import_candles(tmp_path / "x.parquet", H1)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_moments_of_every_unit_are_the_same_candles(tmp_path: Path, unit: Literal["ms", "us", "ns"]) -> None:
    moment = pl.from_epoch("timestamp", time_unit="ms").dt.cast_time_unit(unit)
    for column in (moment, moment.dt.epoch(unit), moment.dt.epoch(unit).cast(pl.Float64)):
        frame(CANDLES).with_columns(timestamp=column).write_parquet(tmp_path / "x.parquet")
        assert same(import_candles(tmp_path / "x.parquet", H1).candles, CANDLES)


def test_moments_that_no_calendar_has_are_bad_rows(tmp_path: Path) -> None:
    far = frame(CANDLES).with_columns(
        timestamp=pl.when(pl.int_range(pl.len()) < 2)
        .then(2**62)
        .otherwise("timestamp")
        .cast(pl.Datetime("ms"))
    )
    far.write_parquet(tmp_path / "x.parquet")
    told = import_candles(tmp_path / "x.parquet", H1)
    assert told.errors == (RowError(1, "the time cannot be read"), RowError(2, "the time cannot be read"))
    far.head(2).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(FixConfig, match=r"import\.every_row.*the time cannot be read"):
        import_candles(tmp_path / "x.parquet", H1)


def test_a_file_without_rows_is_no_success(tmp_path: Path) -> None:
    frame(CANDLES).head(0).write_parquet(tmp_path / "x.parquet")
    frame(CANDLES).head(0).write_csv(tmp_path / "x.csv")
    for name in ("x.parquet", "x.csv"):
        with pytest.raises(FixConfig, match=r"import\.no_rows"):
            import_candles(tmp_path / name, H1)


def test_one_reason_for_all_rows_is_said_once_with_a_sample(tmp_path: Path) -> None:
    rows = [f"2025-01-01 {hour:02d}-PM,1,2,0.5,1,1" for hour in range(9)]
    path = written(tmp_path / "x.csv", ["Date,Open,High,Low,Close,Volume", *rows])
    with pytest.raises(FixConfig) as caught:
        import_candles(path, H1)
    assert caught.value.event == "import.every_row"
    assert caught.value.fields["rows"] == 9
    assert "2025-01-01 00-PM" in str(caught.value)
    assert "the time cannot be read" in str(caught.value)


def levels(path: Path, change: Callable[[np.ndarray], None]) -> Imported:
    """The candles, all at about 100, with the prices of some rows changed."""
    prices = np.full(len(CANDLES), 100.0)
    change(prices)
    columns = dict.fromkeys(("open", "high", "low", "close"), prices)
    frame(CANDLES).with_columns(**{n: pl.Series(c) for n, c in columns.items()}).write_parquet(path)
    return import_candles(path, H1)


def test_a_price_that_its_neighbours_contradict_is_a_bad_row(tmp_path: Path) -> None:
    def absurd(prices: np.ndarray) -> None:
        prices[[7, 20]] = 100_000.0, 0.001

    told = levels(tmp_path / "x.parquet", absurd)
    assert [error.row for error in told.errors] == [8, 21]
    assert {error.reason for error in told.errors} == {
        "a price is absurdly far from those of the candles on both sides"
    }
    assert told.candles.close.max() == 100.0
    assert told.missing_bars == 2


def test_a_level_that_changes_for_good_is_believed_and_one_that_ends_the_file_is_not(tmp_path: Path) -> None:
    def redenominated(prices: np.ndarray) -> None:
        prices[10:] = 100_000.0

    assert levels(tmp_path / "x.parquet", redenominated).errors == ()

    def at_the_end(prices: np.ndarray) -> None:
        prices[-1] = 100_000.0

    (error,) = levels(tmp_path / "x.parquet", at_the_end).errors
    assert "no candle follows that confirms it" in error.reason


def test_a_format_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(FixConfig, match=r"import\.unknown_format"):
        import_candles(tmp_path / "x.csv", H1, "excel")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FixConfig, match=r"import\.no_file"):
        import_candles(tmp_path / "nowhere.csv", H1)


def test_candles_of_another_timeframe_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", [HEADER, *lines(CANDLES)])
    with pytest.raises(FixConfig, match="1h apart"):
        import_candles(path, Series(BTC, Timeframe.M15))


@pytest.mark.parametrize(
    ("name", "pair", "timeframe", "count"),
    [
        ("FILUSDT-1m-2024-11_head3000.csv", "FIL/USDT", Timeframe.M1, 3000),
        ("bybit_BTCUSDT_1D.csv", "BTC/USDT", Timeframe.D1, 1461),
        ("freqtrade_BTC_USDT-4h.feather", "BTC/USDT", Timeframe.H4, 1495),
    ],
)
def test_files_exactly_as_exchanges_and_tools_write_them(
    shared_data: Path, name: str, pair: str, timeframe: Timeframe, count: int
) -> None:
    series = Series(Instrument.parse(pair, venue="binance", market=Market.SPOT), timeframe)
    told = import_candles(shared_data / "raw_samples" / name, series)
    assert len(told.candles) == count
    assert told.errors == ()


def test_development_candles_import_without_an_error(shared_data: Path) -> None:
    path = shared_data / "ohlcv" / "BINANCE_SPOT_LINKUSDT_1h.parquet"
    told = import_candles(path, replace(H1, instrument=replace(BTC, base="LINK")))
    assert told.errors == ()
    assert told.candles.low.min() == 0.0001


@pytest.mark.parametrize(
    ("keep", "refused"), [([0, 2], False), ([0, 2, 4, 7, 8], False), ([0, 4, 8, 12, 20, 24], True)]
)
def test_wide_steps_prove_another_timeframe_only_when_there_are_some(
    tmp_path: Path, keep: list[int], refused: bool
) -> None:
    path = written(tmp_path / "x.csv", [lines(CANDLES)[row] for row in keep])
    if refused:
        with pytest.raises(FixConfig, match="4h apart"):
            import_candles(path, H1)
    else:
        assert len(import_candles(path, H1).candles) == len(keep)


def test_bad_rows_in_a_short_file_do_not_make_it_one_of_another_timeframe(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-1h.csv"
    rows = ["2024-01-01T00:00Z", "2024-01-01T01:00Z", "no date", "2024-01-01T03:00Z"]
    path.write_text("date,open,high,low,close,volume\n" + "".join(f"{at},1,2,0.5,1,3\n" for at in rows))
    imported = import_candles(path, H1)
    assert len(imported.candles) == 3
    assert [fault.row for fault in imported.errors] == [4]
