"""Binance's protocols as pure functions: bodies, limits, error bodies."""

from __future__ import annotations

import json

import pytest

from sereno.core.instrument import Market
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.sim import binance_spot, binance_usdm
from sereno.sim.binance import BinanceError
from sereno.sim.generated import GeneratedWorld
from tests.sim.conftest import BTC, query

SPOT, USDM = binance_spot.ROUTES, binance_usdm.ROUTES


def ask(world: GeneratedWorld, path: str, /, now: int | None = None, **params: object) -> object:
    routes = SPOT if path in SPOT else USDM
    return json.loads(routes[path](query(world, now or world.clock_start_ms, params)).body)


def refused(world: GeneratedWorld, path: str, /, **params: object) -> tuple[int, int, str]:
    with pytest.raises(BinanceError) as refusal:
        ask(world, path, **params)
    reply = refusal.value.reply()
    body = json.loads(reply.body)
    return reply.status, body["code"], body["msg"]


KLINES = ["/api/v3/klines", "/fapi/v1/klines"]


@pytest.mark.parametrize("path", KLINES)
def test_klines_ascend_and_default_to_the_newest_500(world: GeneratedWorld, path: str) -> None:
    rows = ask(world, path, symbol="BTCUSDT", interval="1h")
    assert isinstance(rows, list)
    assert [row[0] for row in rows] == list(
        range(world.clock_start_ms - 500 * HOUR_MS, world.clock_start_ms, HOUR_MS)
    )
    candle = world.candles(BTC, Timeframe.H1, rows[-1][0], None).slice(0, 1)
    assert [float(text) for text in rows[-1][1:6]] == [
        candle.open[0],
        candle.high[0],
        candle.low[0],
        candle.close[0],
        candle.volume[0],
    ]
    assert rows[-1][6] == rows[-1][0] + HOUR_MS - 1
    assert len(rows[-1]) == 12


@pytest.mark.parametrize("path", KLINES)
def test_start_end_and_limit(world: GeneratedWorld, path: str) -> None:
    def opens(**params: object) -> list[int]:
        rows = ask(world, path, symbol="BTCUSDT", interval="1h", **params)
        assert isinstance(rows, list)
        return [(row[0] - start) // HOUR_MS for row in rows]

    start = world.clock_start_ms - 100 * HOUR_MS
    assert opens(startTime=start, limit=3) == [0, 1, 2]
    assert opens(startTime=start + 1, limit=2) == [1, 2]
    assert opens(endTime=start, limit=2) == [-1, 0]
    assert opens(startTime=start, endTime=start + 2 * HOUR_MS) == [0, 1, 2]
    assert opens(startTime=start, endTime=start - 1) == []
    assert opens(startTime=world.clock_start_ms + DAY_MS) == []
    assert opens(startTime=0, limit=1) == [(world.start_ms - start) // HOUR_MS]


def test_spot_clips_a_limit_that_futures_refuse(world: GeneratedWorld) -> None:
    wanted = {"symbol": "BTCUSDT", "interval": "1h"}
    assert len(ask(world, "/api/v3/klines", **wanted, limit=5000)) == 1000  # type: ignore[arg-type]
    assert len(ask(world, "/fapi/v1/klines", **wanted, limit=1500)) == 1500  # type: ignore[arg-type]
    assert refused(world, "/fapi/v1/klines", **wanted, limit=1501)[:2] == (400, -1130)


@pytest.mark.parametrize("path", KLINES)
def test_error_bodies(world: GeneratedWorld, path: str) -> None:
    assert refused(world, path, symbol="NOPE", interval="1h") == (400, -1121, "Invalid symbol.")
    assert refused(world, path, symbol="BTCUSDT", interval="7h") == (400, -1120, "Invalid interval.")
    assert refused(world, path, interval="1h")[:2] == (400, -1102)
    assert refused(world, path, symbol="BTCUSDT")[:2] == (400, -1102)
    assert refused(world, path, symbol="BTCUSDT", interval="1h", limit="ten")[:2] == (400, -1100)
    assert refused(world, path, symbol="BTCUSDT", interval="1h", limit=0)[:2] == (400, -1130)
    assert refused(world, path, symbol="BTCUSDT", interval="1h", startTime=-5)[:2] == (400, -1100)


@pytest.mark.parametrize("path", KLINES)
def test_an_interval_without_candles_has_an_empty_history(world: GeneratedWorld, path: str) -> None:
    assert ask(world, path, symbol="BTCUSDT", interval="1m") == []
    assert ask(world, path, symbol="BTCUSDT", interval="3m", startTime=world.start_ms) == []
    for interval in ("3d", "1M"):
        assert ask(world, path, symbol="BTCUSDT", interval=interval) == []


def test_seconds_are_an_interval_of_spot_alone(world: GeneratedWorld) -> None:
    assert ask(world, "/api/v3/klines", symbol="BTCUSDT", interval="1s") == []
    assert refused(world, "/fapi/v1/klines", symbol="BTCUSDT", interval="1s")[1] == -1120


@pytest.mark.parametrize("symbol", ["BTC/USDT", "btcusdt", "BTC USDT", "B" * 21])
def test_spot_refuses_letters_that_no_symbol_has(world: GeneratedWorld, symbol: str) -> None:
    legal = "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."
    for path in ("/api/v3/klines", "/api/v3/ticker/price"):
        assert refused(world, path, symbol=symbol, interval="1h") == (400, -1100, legal)
    assert refused(world, "/fapi/v1/klines", symbol=symbol, interval="1h")[1] == -1121


def test_exchange_info_lists_grids(world: GeneratedWorld) -> None:
    everything = ask(world, "/api/v3/exchangeInfo")
    assert isinstance(everything, dict)
    assert [one["symbol"] for one in everything["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    one = ask(world, "/api/v3/exchangeInfo", symbol="ETHUSDT")
    some = ask(world, "/api/v3/exchangeInfo", symbols='["ETHUSDT"]')
    assert one == some
    assert refused(world, "/api/v3/exchangeInfo", symbols='["NOPE"]')[1] == -1121


def test_tickers_of_one_and_of_all(world: GeneratedWorld) -> None:
    for path in (
        "/api/v3/ticker/24hr",
        "/api/v3/ticker/price",
        "/api/v3/ticker/bookTicker",
        "/fapi/v1/ticker/24hr",
        "/fapi/v1/ticker/price",
        "/fapi/v1/ticker/bookTicker",
        "/fapi/v1/premiumIndex",
    ):
        one, everything = ask(world, path, symbol="BTCUSDT"), ask(world, path)
        assert isinstance(everything, list)
        assert everything[0] == one
        assert len(everything) == 2
        assert refused(world, path, symbol="NOPE")[1] == -1121


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("/api/v3/ticker/24hr", {"symbol": "BTCUSDT"}, 2),
        ("/api/v3/ticker/24hr", {"symbols": '["BTCUSDT"]'}, 2),
        ("/api/v3/ticker/24hr", {}, 80),
        ("/api/v3/ticker/price", {}, 4),
        ("/fapi/v1/ticker/24hr", {"symbol": "BTCUSDT"}, 1),
        ("/fapi/v1/ticker/24hr", {}, 40),
        ("/fapi/v1/ticker/price", {}, 2),
    ],
)
def test_the_day_of_all_weighs_much(
    world: GeneratedWorld, path: str, params: dict[str, str], weight: int
) -> None:
    assert {**SPOT, **USDM}[path](query(world, world.clock_start_ms, params)).weight == weight


@pytest.mark.parametrize("path", ["/api/v3", "/fapi/v1"])
def test_the_turnover_of_a_day_is_that_of_its_candles(world: GeneratedWorld, path: str) -> None:
    finest = world.timeframes(BTC)[0]
    rows = ask(world, f"{path}/klines", symbol="BTCUSDT", interval=finest, limit=DAY_MS // finest.ms)
    day = ask(world, f"{path}/ticker/24hr", symbol="BTCUSDT")
    assert isinstance(rows, list)
    assert isinstance(day, dict)
    assert float(day["quoteVolume"]) == pytest.approx(sum(float(row[7]) for row in rows), rel=1e-9)


def test_funding_history(world: GeneratedWorld) -> None:
    now = world.clock_start_ms
    newest = ask(world, "/fapi/v1/fundingRate", symbol="BTCUSDT")
    assert isinstance(newest, list)
    assert len(newest) == 100
    assert newest[-1]["fundingTime"] == now
    first = ask(world, "/fapi/v1/fundingRate", symbol="BTCUSDT", startTime=now - 3 * DAY_MS, limit=2)
    assert isinstance(first, list)
    assert [row["fundingTime"] for row in first] == [now - 3 * DAY_MS, now - 3 * DAY_MS + 8 * HOUR_MS]
    assert refused(world, "/fapi/v1/fundingRate", symbol="BTCUSDT", limit=1001)[1] == -1130


def test_mark_and_index_candles(world: GeneratedWorld) -> None:
    mark = ask(world, "/fapi/v1/markPriceKlines", symbol="BTCUSDT", interval="1h", limit=3)
    index = ask(world, "/fapi/v1/indexPriceKlines", pair="BTCUSDT", interval="1h", limit=3)
    pair = ask(
        world, "/fapi/v1/continuousKlines", pair="BTCUSDT", contractType="PERPETUAL", interval="1h", limit=3
    )
    assert isinstance(mark, list)
    assert isinstance(pair, list)
    assert mark == index
    assert [row[:5] for row in mark] == [row[:5] for row in pair]


def test_only_listed_markets_are_served(world: GeneratedWorld) -> None:
    assert {one.market for one in world.listed("binance", Market.LINEAR)} == {Market.LINEAR}
    coin_margined = ask(world, "/dapi/v1/exchangeInfo")
    assert isinstance(coin_margined, dict)
    assert coin_margined["symbols"] == []


def test_refusals_have_the_venues_words() -> None:
    assert json.loads(binance_usdm.refusal(429).body)["code"] == -1003
    assert json.loads(binance_usdm.refusal(403).body)["code"] == -2015
    assert json.loads(binance_usdm.refusal(503).body)["code"] == -1001
