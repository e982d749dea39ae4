"""Replies recorded at the exchanges are read as the exchanges mean them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from sereno.core.candle import Candle
from sereno.core.errors import SerenoError, SkipThis, TryLater
from sereno.core.instrument import Instrument, InstrumentRules, Market
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.market.venue import FundingRate
from tests.market.replay import Recorded, replayed

SPOT = Instrument("binance", Market.SPOT, "BTC", "USDT")
USDM = Instrument("binance", Market.LINEAR, "BLZ", "USDT")
BYBIT_SPOT = Instrument("bybit", Market.SPOT, "BTC", "USDT")
BYBIT_LINEAR = Instrument("bybit", Market.LINEAR, "BTC", "USDT")


@pytest.fixture(scope="module")
def recorded(request: pytest.FixtureRequest):
    folder = request.getfixturevalue("shared_data") / "api_fixtures"

    def of(path: str) -> Recorded:
        told = json.loads((folder / path).read_text())
        return 200, told.get("response", told)

    return of


@pytest.fixture(scope="module")
def shared_data() -> Path:
    import os

    beside = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("SERENO_SHARED", beside)) / "data"
    if not folder.is_dir():
        pytest.skip("no development data beside the checkout")
    return folder


@pytest.fixture(scope="module")
def replies(recorded) -> dict[str, dict[str, Recorded]]:
    """What each venue answers, by path."""
    usdm, bybit = "binance_usdm/rest/ExchangeData", "bybit_v5/rest/ExchangeData"
    spot = "binance_spot/rest/ExchangeData"
    status, everything = recorded("binance_spot/exchangeInfo_recorded_2020-10-09_full.json")
    few = [s for s in everything["symbols"] if s["symbol"] in ("BTCUSDT", "ETHUSDT", "BNBBTC")]
    return {
        "binance:spot": {
            "/api/v3/exchangeInfo": (status, {**everything, "symbols": few}),
            "/api/v3/time": recorded(f"{spot}/GetServerTime.json"),
            "/api/v3/klines": recorded(f"{spot}/GetKlines.json"),
            "/api/v3/ticker/24hr": recorded(f"{spot}/GetTicker.json"),
        },
        "binance:linear": {
            "/fapi/v1/exchangeInfo": recorded(f"{usdm}/GetExchangeInfo.json"),
            "/fapi/v1/time": recorded(f"{usdm}/GetServerTime.json"),
            "/fapi/v1/klines": recorded(f"{usdm}/GetKlines.json"),
            "/fapi/v1/ticker/24hr": recorded(f"{usdm}/GetTicker.json"),
            "/fapi/v1/fundingRate": recorded(f"{usdm}/GetFundingRates.json"),
        },
        "bybit:spot": {
            "/v5/market/instruments-info": recorded(f"{bybit}/GetSpotSymbols.json"),
            "/v5/market/kline": recorded(f"{bybit}/GetKlines.json"),
            "/v5/market/tickers": recorded(f"{bybit}/GetSpotTickers.json"),
        },
        "bybit:linear": {
            "/v5/market/instruments-info": recorded(f"{bybit}/GetLinearInverseSymbols.json"),
            "/v5/market/kline": recorded(f"{bybit}/GetKlines.json"),
            "/v5/market/funding/history": recorded(f"{bybit}/GetFundingRateHistory.json"),
        },
    }


@pytest.fixture
def ask(replies):
    def question(of: Instrument, what, **other: Recorded):
        known = {**replies[f"{of.venue}:{of.market}"], **other}
        return replayed(of.venue, of.market, known, what)

    return question


@pytest.mark.parametrize(
    ("of", "grid"),
    [
        (SPOT, ("0.01", "0.000001", "0.000001", "10")),
        (USDM, ("0.0001", "1", "1", "5")),
        (BYBIT_SPOT, ("0.01", "0.000001", "0.000048", "1")),
        (BYBIT_LINEAR, ("0.10", "0.001", "0.001", "5")),
    ],
    ids=lambda value: value.key if isinstance(value, Instrument) else "",
)
def test_rules(ask, of: Instrument, grid: tuple[str, ...]) -> None:
    told, asked = ask(of, lambda venue: venue.rules([of]))
    assert told == {of: InstrumentRules(*map(Decimal, grid))}
    assert all(path.endswith("/exchangeInfo") or f"category={of.market}" in path for path in asked)


@pytest.mark.parametrize("of", [SPOT, USDM], ids=lambda of: of.key)
def test_binance_candles(ask, of: Instrument) -> None:
    told, asked = ask(of, lambda venue: venue.candles(of, Timeframe.D1, 1499040000000, 7))
    assert told == [Candle(1499040000000, 0.0163479, 0.8, 0.015758, 0.015771, 148976.11427815)]
    path, _, query = asked[-1].partition("?")
    assert path == ("/api/v3/klines" if of is SPOT else "/fapi/v1/klines")
    assert set(query.split("&")) == {
        "interval=1d",
        "limit=7",
        f"symbol={of.base}USDT",
        "startTime=1499040000000",
    }


@pytest.mark.parametrize("of", [BYBIT_SPOT, BYBIT_LINEAR], ids=lambda of: of.key)
def test_bybit_candles_come_newest_first(ask, of: Instrument) -> None:
    since = 1670601600000
    told, asked = ask(of, lambda venue: venue.candles(of, Timeframe.H1, since, 3))
    assert told == [
        Candle(since, 17086.5, 17088.0, 16978.0, 17071.5, 6356.0),
        Candle(since + HOUR_MS, 17071.5, 17071.5, 17061.0, 17071.0, 4177.0),
        Candle(since + 2 * HOUR_MS, 17071.0, 17073.0, 17027.0, 17055.5, 268611.0),
    ]
    query = set(asked[-1].partition("?")[2].split("&"))
    assert {f"category={of.market}", f"start={since}", f"end={since + 3 * HOUR_MS - 1}", "limit=3"} <= query


def test_ticker_and_time(ask) -> None:
    assert ask(BYBIT_SPOT, lambda venue: venue.ticker(BYBIT_SPOT))[0] == 20533.13
    assert ask(SPOT, lambda venue: venue.server_time_ms())[0] > 1_400_000_000_000
    assert ask(USDM, lambda venue: venue.server_time_ms())[1] == ["/fapi/v1/time"]


def test_funding(ask, replies) -> None:
    path = "/fapi/v1/fundingRate"
    status, rates = replies["binance:linear"][path]
    ours = [{**rate, "symbol": "BLZUSDT"} for rate in rates]
    told, _ = ask(USDM, lambda venue: venue.funding(USDM, 1698768000000, 10), **{path: (status, ours)})
    assert told == [FundingRate(1698768000000, 0.0001), FundingRate(1698796800000, 0.0001)]

    path = "/v5/market/funding/history"
    status, body = replies["bybit:linear"][path]
    rates = [{**rate, "symbol": "BTCUSDT"} for rate in body["result"]["list"]]
    ours = {**body, "result": {**body["result"], "list": rates}}
    told, _ = ask(
        BYBIT_LINEAR, lambda venue: venue.funding(BYBIT_LINEAR, 1672041600000, 10), **{path: (status, ours)}
    )
    assert told == [FundingRate(1672041600000, 0.0001)]


def test_trap_a30_6_a30_18_a_missing_number_is_missing(ask) -> None:
    """No price, no rate: an error with a name, never a number from elsewhere."""
    empty = {"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": [{"symbol": "BTCUSDT"}]}}
    with pytest.raises(SkipThis, match=r"venue\.no_price"):
        ask(BYBIT_SPOT, lambda venue: venue.ticker(BYBIT_SPOT), **{"/v5/market/tickers": (200, empty)})
    rates = [{"symbol": "BLZUSDT", "fundingTime": 1698768000000}]
    with pytest.raises(TryLater, match=r"venue\.unreadable"):
        ask(
            USDM,
            lambda venue: venue.funding(USDM, 1698768000000, 10),
            **{"/fapi/v1/fundingRate": (200, rates)},
        )


def test_every_recorded_error_body_is_one_of_the_desks_errors(ask, shared_data: Path) -> None:
    bodies = json.loads((shared_data / "api_fixtures" / "error_bodies.json").read_text())
    paths = {"binance": (SPOT, "/api/v3/klines"), "bybit": (BYBIT_SPOT, "/v5/market/kline")}
    seen = set()
    for venue, (of, path) in paths.items():
        for one in bodies[venue]:
            with pytest.raises(SerenoError) as caught:
                ask(
                    of,
                    lambda door, of=of: door.candles(of, Timeframe.H1, 1670601600000, 3),
                    **{path: (one["http_status"], one["body"])},
                )
            seen.add(caught.value.event)
    assert "venue.rate_limited" in seen
    assert seen <= {"venue.rate_limited", "venue.unreachable", "venue.refused", "venue.refused_key"}
