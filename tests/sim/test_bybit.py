"""Bybit's protocol as pure functions: newest first, HTTP 200 whatever happens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.sim.bybit_v5 import ROUTES
from sereno.sim.generated import GeneratedWorld
from tests.sim.conftest import BTC, query


def ask(world: GeneratedWorld, path: str, /, **params: object) -> dict[str, Any]:
    reply = ROUTES[path](query(world, world.clock_start_ms, params))
    assert reply.status == 200
    body: dict[str, Any] = json.loads(reply.body)
    assert set(body) == {"retCode", "retMsg", "result", "retExtInfo", "time"}
    return body


def opens(world: GeneratedWorld, origin: int, **params: object) -> list[int]:
    body = ask(world, "/v5/market/kline", category="spot", symbol="BTCUSDT", interval="60", **params)
    return [(int(row[0]) - origin) // HOUR_MS for row in body["result"]["list"]]


def test_candles_descend(world: GeneratedWorld) -> None:
    start = world.clock_start_ms - 100 * HOUR_MS
    assert opens(world, world.clock_start_ms) == list(range(-1, -201, -1))
    assert len(opens(world, start, limit=5000)) == 1000
    assert opens(world, start, start=start, end=start + 5 * HOUR_MS, limit=3) == [5, 4, 3]
    assert opens(world, start, start=start, limit=3) == [2, 1, 0]
    assert opens(world, start, end=start, limit=2) == [0, -1]
    assert opens(world, start, start=start + 1, end=start + HOUR_MS, limit=9) == [1, 0]
    assert opens(world, start, start=world.clock_start_ms + DAY_MS) == []


def test_rows_are_texts_of_the_candle(world: GeneratedWorld) -> None:
    body = ask(world, "/v5/market/kline", category="linear", symbol="BTCUSDT", interval="D", limit=1)
    (row,) = body["result"]["list"]
    candle = world.candles(BTC, Timeframe.D1, int(row[0]), None).slice(0, 1)
    assert len(row) == 7
    assert all(isinstance(text, str) for text in row)
    assert [float(text) for text in row[1:6]] == [
        candle.open[0],
        candle.high[0],
        candle.low[0],
        candle.close[0],
        candle.volume[0],
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbol": "NOPE"},
        {"interval": "7"},
        {"category": "moon"},
        {"limit": "ten"},
        {"start": 10, "end": 5},
        {"start": "-5"},
    ],
)
def test_error_bodies_come_with_status_200(world: GeneratedWorld, wrong: dict[str, object]) -> None:
    asked = {"category": "spot", "symbol": "BTCUSDT", "interval": "60", **wrong}
    body = ask(world, "/v5/market/kline", **asked)
    assert body["retCode"] == 10001
    assert body["result"] == {}


def test_an_interval_without_candles_has_an_empty_history(world: GeneratedWorld) -> None:
    asked = {"category": "spot", "symbol": "BTCUSDT", "interval": "1"}
    for interval in ("1", "M"):
        assert ask(world, "/v5/market/kline", **{**asked, "interval": interval})["result"]["list"] == []


def test_instruments(world: GeneratedWorld) -> None:
    for category in ("spot", "linear"):
        listed = ask(world, "/v5/market/instruments-info", category=category)["result"]["list"]
        assert [one["symbol"] for one in listed] == ["BTCUSDT", "ETHUSDT"]
        (one,) = ask(world, "/v5/market/instruments-info", category=category, symbol="ETHUSDT")["result"][
            "list"
        ]
        assert one == listed[1]
    assert ask(world, "/v5/market/instruments-info", category="option")["result"]["list"] == []
    assert ask(world, "/v5/market/instruments-info")["retCode"] == 10001


def test_contracts_come_in_pages(world: GeneratedWorld) -> None:
    def page(**params: object) -> tuple[list[str], str]:
        result = ask(world, "/v5/market/instruments-info", **params)["result"]
        return [one["symbol"] for one in result["list"]], result["nextPageCursor"]

    names, cursor = page(category="linear", limit=1)
    assert names == ["BTCUSDT"]
    assert cursor != ""
    assert page(category="linear", limit=1, cursor=cursor) == (["ETHUSDT"], "")
    assert page(category="linear", cursor="99") == ([], "")
    assert page(category="spot", limit=1) == (["BTCUSDT", "ETHUSDT"], ""), "spot has no pages"


def test_tickers(world: GeneratedWorld) -> None:
    everything = ask(world, "/v5/market/tickers", category="linear")["result"]["list"]
    (one,) = ask(world, "/v5/market/tickers", category="linear", symbol="BTCUSDT")["result"]["list"]
    assert everything[0] == one
    assert ask(world, "/v5/market/tickers", category="inverse")["result"]["list"] == []
    assert ask(world, "/v5/market/tickers", category="spot", symbol="NOPE")["retCode"] == 10001


def test_funding_descends_and_a_start_needs_an_end(world: GeneratedWorld) -> None:
    now = world.clock_start_ms
    asked = {"category": "linear", "symbol": "BTCUSDT"}
    rows = ask(world, "/v5/market/funding/history", **asked)["result"]["list"]
    moments = [int(row["fundingRateTimestamp"]) for row in rows]
    assert len(moments) == 200
    assert moments[0] == now
    assert moments == sorted(moments, reverse=True)
    bounded = ask(world, "/v5/market/funding/history", **asked, startTime=now - DAY_MS, endTime=now - 1)
    assert len(bounded["result"]["list"]) == 3
    assert ask(world, "/v5/market/funding/history", **asked, startTime=now)["retCode"] == 10001
    assert ask(world, "/v5/market/funding/history", **asked, startTime=now, endTime=5)["retCode"] == 10001
    assert ask(world, "/v5/market/funding/history", category="spot", symbol="BTCUSDT")["retCode"] == 10001


def test_the_turnover_of_a_day_is_that_of_its_candles(world: GeneratedWorld) -> None:
    asked = {"category": "linear", "symbol": "BTCUSDT"}
    bars = DAY_MS // world.timeframes(BTC)[0].ms
    rows = ask(world, "/v5/market/kline", **asked, interval="5", limit=bars)["result"]["list"]
    (day,) = ask(world, "/v5/market/tickers", **asked)["result"]["list"]
    assert float(day["turnover24h"]) == pytest.approx(sum(float(row[6]) for row in rows), rel=1e-9)


def test_mark_price_rows_have_no_volume(world: GeneratedWorld) -> None:
    rows = ask(world, "/v5/market/mark-price-kline", symbol="BTCUSDT", interval="60", limit=2)["result"][
        "list"
    ]
    assert [len(row) for row in rows] == [5, 5]


def test_the_clock(world: GeneratedWorld) -> None:
    body = ask(world, "/v5/market/time")
    assert body["time"] == world.clock_start_ms
    assert body["result"]["timeSecond"] == str(world.clock_start_ms // 1000)
