"""Which series a file holds: names of freqtrade and Binance Vision, options, folders, settings."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from sereno.core.errors import FixConfig, SkipThis
from sereno.core.instrument import Market
from sereno.core.timeframe import Timeframe
from sereno.market.imports import Otherwise, Told, series_of, told_by
from sereno.market.venues import exchange_ids


def settings(market: Market = Market.SPOT) -> Otherwise:
    return Otherwise("bybit", market, {("BTC", "USDT")}, lambda: {"kraken", "okx", "binance"})


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("BTC_USDT-4h.feather", "bybit:spot:BTC/USDT@4h"),
        ("data/okx/BTC_USDT-4h.feather", "okx:spot:BTC/USDT@4h"),
        ("data/kraken/1INCH_EUR-1d.json.gz", "kraken:spot:1INCH/EUR@1d"),
        ("BTC_USDT_USDT-1h-futures.feather", "bybit:linear:BTC/USDT@1h"),
        ("data/binance/futures/BTC_USDT_USDT-1h-futures.feather", "binance:linear:BTC/USDT@1h"),
        ("downloads/BTC_USDT-4h.json", "bybit:spot:BTC/USDT@4h"),
        ("BTCUSDT-1m-2024-11.csv", "binance:linear:BTC/USDT@1m"),
        ("BTCUSDT-1m-2024-11.zip", "binance:linear:BTC/USDT@1m"),
        ("BTCUSDT-1m-2024-11-03.zip", "binance:linear:BTC/USDT@1m"),
        ("BTCUSDT-1m-2024-11 (1).zip", "binance:linear:BTC/USDT@1m"),
        ("FILUSDT-1m-2024-11_head3000.csv", "binance:linear:FIL/USDT@1m"),
        ("kraken/1000SHIBUSDC-15m-2024-11.zip", "binance:linear:1000SHIB/USDC@15m"),
        ("data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-11.zip", "binance:spot:BTC/USDT@1h"),
        ("data/futures/um/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2024-11-03.zip", "binance:linear:BTC/USDT@1h"),
        ("BYBIT_PERP_ETHUSDT_15m.csv", "bybit:linear:ETH/USDT@15m"),
        ("KRAKEN_SPOT_BTCEUR_1d.parquet", "kraken:spot:BTC/EUR@1d"),
    ],
)
def test_the_names_that_tools_and_exchanges_give(path: str, key: str) -> None:
    assert series_of(Path(path), Told(), settings(Market.LINEAR)).key == key


@pytest.mark.parametrize(
    ("path", "event", "kind"),
    [
        ("bybit_BTCUSDT_1D.csv", "import.which_series", FixConfig),
        ("freqtrade_BTC_USDT-4h.feather", "import.which_series", FixConfig),
        ("BTCUSDT_240628-1h-2024-05.zip", "import.which_series", FixConfig),
        ("BINANCE_SPOT_BTCUSDT_7m.parquet", "import.which_series", FixConfig),
        ("BINANCE_OPTION_BTCUSDT_1h.parquet", "import.which_series", FixConfig),
        ("BINANCE_SPOT_USDT_1h.parquet", "import.which_series", FixConfig),
        ("BTC_USDT-3d.feather", "import.timeframe", FixConfig),
        ("BTCUSDT-1s-2024-11.zip", "import.timeframe", FixConfig),
        ("BTC_USD_BTC-1h-futures.feather", "import.settled_in_coin", FixConfig),
        ("futures/cm/daily/klines/BTCUSD/1h/BTCUSD-1h-2024-11-03.zip", "import.settled_in_coin", FixConfig),
        ("BTC_USDT_USDT-8h-funding_rate.feather", "import.no_candles", SkipThis),
        ("BTC_USDT_USDT-1h-mark.feather", "import.no_candles", SkipThis),
        ("BTC_USDT-trades.feather", "import.no_candles", SkipThis),
        ("BTCUSDT-aggTrades-2024-11.zip", "import.no_candles", SkipThis),
        (
            "futures/um/monthly/markPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2024-11.zip",
            "import.no_candles",
            SkipThis,
        ),
    ],
)
def test_what_is_unknown_or_no_candles_is_never_guessed(path: str, event: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        series_of(Path(path), Told(), settings())
    assert getattr(caught.value, "event") == event  # noqa: B009 - of either kind
    assert "remedy" not in str(caught.value)
    assert ": " in str(caught.value)


@pytest.mark.parametrize(
    ("path", "readings"),
    [
        ("KRAKEN_SPOT_DOTUSD_1h.csv", ("DO/TUSD", "DOT/USD")),
        ("BINANCEUS_SPOT_BNBUSD_1h.csv", ("BN/BUSD", "BNB/USD")),
        ("BTCFDUSD-1h-2024-11.zip", ("BTC/FDUSD", "BTCFD/USD")),
    ],
)
def test_a_symbol_that_can_be_parted_in_two_ways_is_the_desks_pair_or_refused(
    path: str, readings: tuple[str, str]
) -> None:
    with pytest.raises(FixConfig, match=r"import\.which_series") as caught:
        series_of(Path(path), Told(), settings())
    assert all(one in str(caught.value) for one in (*readings, "--instrument"))
    for one in readings:
        base, _, quote = one.partition("/")
        ours = Otherwise("bybit", Market.SPOT, {("BTC", "USDT"), (base, quote)}, set)
        assert series_of(Path(path), Told(), ours).instrument.symbol == one
        assert series_of(Path(path), told_by(one, "", ""), settings()).instrument.symbol == one
    with pytest.raises(FixConfig, match=r"import\.another_pair"):
        series_of(Path(path), told_by("ETH/USD", "", ""), settings())


def test_what_a_person_says_comes_first() -> None:
    told = told_by("eth/usdt", "4h", "okx")
    assert told == Told(("ETH", "USDT"), Timeframe.H4, "okx")
    assert series_of(Path("x.csv"), told, settings()).key == "okx:spot:ETH/USDT@4h"
    assert series_of(Path("kraken/ETH_USDT-1h.json"), told, settings()).key == "okx:spot:ETH/USDT@4h"
    assert series_of(Path("BINANCE_PERP_ETHUSDT_1h.csv"), told, settings()).key == "okx:linear:ETH/USDT@4h"
    assert series_of(Path("x.csv"), told_by("A/B", "1h", ""), settings()).key == "bybit:spot:A/B@1h"


def test_a_person_and_a_name_that_disagree_on_the_pair_are_refused() -> None:
    with pytest.raises(FixConfig, match=r"import\.another_pair.*ETH/USDT"):
        series_of(Path("ETH_USDT-1h.json"), told_by("BTC/USDT", "", ""), settings())
    parted_elsewhere = told_by("BTCU/SDT", "", "")
    assert series_of(Path("BTCUSDT-1h-2024-11.zip"), parted_elsewhere, settings()).instrument.base == "BTCU"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("BTCUSDT", "1h", ""), r"import\.instrument.*BTCUSDT.*BASE/QUOTE"),
        (("BTC/", "1h", ""), r"import\.instrument"),
        (("BTC/USDT", "7h", ""), r"import\.timeframe.*7h.*choose one of 1m, 3m"),
        (("BTC/USDT", "1D", ""), r"import\.timeframe.*1D.*did you mean 1d\?"),
        (("", "", "../../etc"), r"import\.venue"),
        (("", "", "Binance"), r"import\.venue"),
    ],
)
def test_mistyped_options_are_told_with_the_remedy(words: tuple[str, str, str], told: str) -> None:
    with pytest.raises(FixConfig, match=told):
        told_by(*words)


def test_missing_facts_are_named_and_only_those() -> None:
    with pytest.raises(FixConfig) as caught:
        series_of(Path("x.csv"), told_by("BTC/USDT", "", ""), settings())
    assert "--timeframe" in caught.value.remedy
    assert "--instrument" not in caught.value.remedy


def test_ccxt_is_not_asked_when_no_folder_matters() -> None:
    def never() -> Collection[str]:
        raise AssertionError("asked")

    quiet = Otherwise("bybit", Market.SPOT, (), never)
    assert (
        series_of(Path("okx/BTC_USDT-4h.feather"), Told(venue="kraken"), quiet).instrument.venue == "kraken"
    )
    assert series_of(Path("okx/BTCUSDT-1h-2024-11.zip"), Told(), quiet).instrument.venue == "binance"


def test_folders_of_freqtrade_are_ids_of_ccxt() -> None:
    assert {"binance", "bybit", "kraken", "okx"} <= exchange_ids()
