"""Unmodified clients of three makers get along with the simulator; each is only told another address."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.sim.generated import GeneratedWorld
from sereno.sim.server import Simulator
from tests.sim.conftest import BTC, pointed

CASES = [
    ("binance", "BTC/USDT"),
    ("binance", "BTC/USDT:USDT"),
    ("binanceusdm", "BTC/USDT:USDT"),
    ("bybit", "BTC/USDT"),
    ("bybit", "BTC/USDT:USDT"),
]


def with_ccxt(name: str, base_url: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    import ccxt.async_support as ccxt

    async def session() -> Any:
        exchange = getattr(ccxt, name)({"enableRateLimit": False})
        exchange.urls["api"] = pointed(exchange.urls["api"], base_url)
        try:
            await exchange.load_markets()
            return await work(exchange)
        finally:
            await exchange.close()

    return asyncio.run(session())


@pytest.mark.parametrize(("name", "symbol"), CASES)
def test_ccxt_pages_through_history(
    simulator: Simulator, world: GeneratedWorld, name: str, symbol: str
) -> None:
    since = world.clock_start_ms - 90 * DAY_MS

    async def collect(exchange: Any) -> list[list[float]]:
        rows: list[list[float]] = []
        at = since
        while page := await exchange.fetch_ohlcv(symbol, "1h", since=at, limit=1000):
            rows += page
            at = int(page[-1][0]) + HOUR_MS
        return rows

    rows = with_ccxt(name, simulator.base_url, collect)
    candles = world.candles(BTC, Timeframe.H1, since, world.clock_start_ms)
    assert [tuple(row) for row in rows] == [
        (one.open_ms, one.open, one.high, one.low, one.close, one.volume) for one in candles
    ]


@pytest.mark.parametrize(("name", "symbol"), CASES)
def test_ccxt_gets_time_grids_and_prices(
    simulator: Simulator, world: GeneratedWorld, name: str, symbol: str
) -> None:
    async def look(exchange: Any) -> tuple[Any, ...]:
        market = exchange.market(symbol)
        return await exchange.fetch_time(), market, await exchange.fetch_ticker(symbol)

    now, market, ticker = with_ccxt(name, simulator.base_url, look)
    assert now == world.clock_start_ms
    assert market["active"] is True
    assert market["precision"]["price"] == 0.01
    assert market["limits"]["cost"]["min"] == 5.0
    assert ticker["symbol"] == symbol
    assert ticker["last"] == 60_000.0
    assert ticker["baseVolume"] > 0


@pytest.mark.parametrize(("name", "symbol"), CASES)
def test_ccxt_tells_the_markets_of_all_tickers_apart(simulator: Simulator, name: str, symbol: str) -> None:
    quote = symbol.partition("/")[2]

    async def look(exchange: Any) -> Any:
        return await exchange.fetch_tickers(params={"type": "swap" if ":" in symbol else "spot"})

    assert set(with_ccxt(name, simulator.base_url, look)) == {f"BTC/{quote}", f"ETH/{quote}"}


@pytest.mark.parametrize(("name", "symbol"), [case for case in CASES if ":" in case[1]])
def test_ccxt_gets_funding_and_mark_prices(
    simulator: Simulator, world: GeneratedWorld, name: str, symbol: str
) -> None:
    since = world.clock_start_ms - 10 * DAY_MS

    async def look(exchange: Any) -> tuple[Any, ...]:
        history = await exchange.fetch_funding_rate_history(symbol, since=since, limit=100)
        return (
            history,
            await exchange.fetch_funding_rate(symbol),
            await exchange.fetch_mark_ohlcv(symbol, "1h"),
        )

    history, current, mark = with_ccxt(name, simulator.base_url, look)
    moments, rates = world.funding(BTC, since, world.clock_start_ms + 1)
    assert [one["timestamp"] for one in history] == moments.tolist()
    assert [one["fundingRate"] for one in history] == pytest.approx(rates.tolist())
    assert current["fundingRate"] == pytest.approx(rates[-1])
    assert mark[-1][4] == 60_000.0


@pytest.mark.parametrize(("name", "symbol"), CASES)
def test_ccxt_understands_refusals(simulator: Simulator, name: str, symbol: str) -> None:
    import ccxt

    async def ask(exchange: Any) -> None:
        with pytest.raises(ccxt.BadRequest):
            await exchange.fetch_ohlcv(symbol, "7h")
        exchange.market(symbol)["id"] = "NOPEUSDT"
        with pytest.raises((ccxt.BadSymbol, ccxt.BadRequest)):
            await exchange.fetch_ohlcv(symbol, "1h")

    with_ccxt(name, simulator.base_url, ask)


@pytest.fixture
def python_binance(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import uses a deprecated part of websockets
        from binance.client import Client

    monkeypatch.setattr(Client, "API_URL", simulator.base_url + "/api")
    monkeypatch.setattr(Client, "FUTURES_URL", simulator.base_url + "/fapi")
    client = Client(requests_params={"timeout": 10})
    yield client
    client.close_connection()
    client.loop.close()  # the library makes itself one and leaves it open
    asyncio.set_event_loop(None)


def test_python_binance(python_binance: Any, world: GeneratedWorld) -> None:
    client = python_binance
    since = world.clock_start_ms - 60 * DAY_MS
    assert client.get_server_time() == {"serverTime": world.clock_start_ms}
    assert client.get_symbol_info("BTCUSDT")["baseAsset"] == "BTC"
    rows = client.get_historical_klines("BTCUSDT", "1h", since, world.clock_start_ms - 1)
    futures = client.futures_klines(symbol="BTCUSDT", interval="1h", startTime=since, limit=1500)
    assert client.get_ticker(symbol="BTCUSDT")["lastPrice"] == "60000.00000000"
    assert len(client.futures_funding_rate(symbol="BTCUSDT", startTime=since)) == 100
    assert client.futures_mark_price(symbol="BTCUSDT")["markPrice"] == "60000.00000000"
    candles = world.candles(BTC, Timeframe.H1, since, world.clock_start_ms)
    assert [row[0] for row in rows] == [row[0] for row in futures[: len(rows)]] == candles.open_ms.tolist()
    assert [float(row[4]) for row in rows] == candles.close.tolist()


def test_python_binance_understands_refusals(python_binance: Any) -> None:
    from binance.exceptions import BinanceAPIException

    with pytest.raises(BinanceAPIException, match="Invalid symbol") as refused:
        python_binance.get_klines(symbol="NOPE", interval="1h")
    assert refused.value.code == -1121


def test_pybit(simulator: Simulator, world: GeneratedWorld) -> None:
    from pybit.exceptions import InvalidRequestError
    from pybit.unified_trading import HTTP

    session = HTTP(testnet=False)
    session.endpoint = simulator.base_url
    try:
        assert session.get_server_time()["time"] == world.clock_start_ms
        asked = {"category": "linear", "symbol": "BTCUSDT"}
        assert session.get_instruments_info(**asked)["result"]["list"][0]["baseCoin"] == "BTC"
        assert session.get_tickers(**asked)["result"]["list"][0]["lastPrice"] == "60000"
        since = world.clock_start_ms - 30 * DAY_MS
        rows = session.get_kline(**asked, interval=60, start=since, limit=1000)["result"]["list"]
        candles = world.candles(BTC, Timeframe.H1, since, world.clock_start_ms)
        assert [int(row[0]) for row in rows] == candles.open_ms.tolist()[::-1]
        history = session.get_funding_rate_history(**asked, startTime=since, endTime=world.clock_start_ms)
        assert len(history["result"]["list"]) == 91
        with pytest.raises(InvalidRequestError, match="10001"):
            session.get_kline(category="linear", symbol="NOPE", interval=60)
    finally:
        session.client.close()
