"""Replies have the shape of recorded ones: the same keys, the same kinds of values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sereno.sim import binance_spot, binance_usdm, bybit_v5
from sereno.sim.generated import GeneratedWorld
from tests.sim.conftest import query

ROUTES = {**binance_spot.ROUTES, **binance_usdm.ROUTES, **bybit_v5.ROUTES}
KLINE = {"symbol": "BTCUSDT", "pair": "BTCUSDT", "interval": "1h", "limit": "3"}
BYBIT_KLINE = {"category": "linear", "symbol": "BTCUSDT", "interval": "60", "limit": "3"}
ONE = {"symbol": "BTCUSDT"}
LINEAR = {"category": "linear", "symbol": "BTCUSDT"}
# What a real reply has and this one leaves out on purpose: orders and accounts come with a later issue.
LEFT_OUT = {"permissions", "rateLimits", "filters"}
RECORDED: list[tuple[str, str, str, dict[str, str]]] = [
    ("binance_spot", "GetExchangeInfo", "/api/v3/exchangeInfo", {}),
    ("binance_spot", "GetKlines", "/api/v3/klines", KLINE),
    ("binance_spot", "GetUiKlines", "/api/v3/uiKlines", KLINE),
    ("binance_spot", "GetTicker", "/api/v3/ticker/24hr", ONE),
    ("binance_spot", "GetPrice", "/api/v3/ticker/price", ONE),
    ("binance_spot", "GetBookPrice", "/api/v3/ticker/bookTicker", ONE),
    ("binance_spot", "GetAvgPrice", "/api/v3/avgPrice", ONE),
    ("binance_spot", "GetServerTime", "/api/v3/time", {}),
    ("binance_usdm", "GetExchangeInfo", "/fapi/v1/exchangeInfo", {}),
    ("binance_usdm", "GetKlines", "/fapi/v1/klines", KLINE),
    ("binance_usdm", "GetMarkPriceKlines", "/fapi/v1/markPriceKlines", KLINE),
    ("binance_usdm", "GetIndexPriceKlines", "/fapi/v1/indexPriceKlines", KLINE),
    ("binance_usdm", "GetTicker", "/fapi/v1/ticker/24hr", ONE),
    ("binance_usdm", "GetPrice", "/fapi/v2/ticker/price", ONE),
    ("binance_usdm", "GetBookPrice", "/fapi/v1/ticker/bookTicker", ONE),
    ("binance_usdm", "GetMarkPrice", "/fapi/v1/premiumIndex", ONE),
    ("binance_usdm", "GetFundingRates", "/fapi/v1/fundingRate", ONE),
    ("binance_usdm", "GetServerTime", "/fapi/v1/time", {}),
    ("bybit_v5", "GetKlines", "/v5/market/kline", BYBIT_KLINE),
    ("bybit_v5", "GetMarkPriceKlines", "/v5/market/mark-price-kline", BYBIT_KLINE),
    ("bybit_v5", "GetIndexPriceKlines", "/v5/market/index-price-kline", BYBIT_KLINE),
    ("bybit_v5", "GetFundingRateHistory", "/v5/market/funding/history", LINEAR),
    ("bybit_v5", "GetSpotSymbols", "/v5/market/instruments-info", {**LINEAR, "category": "spot"}),
    ("bybit_v5", "GetLinearInverseSymbols", "/v5/market/instruments-info", LINEAR),
    ("bybit_v5", "GetSpotTickers", "/v5/market/tickers", {**LINEAR, "category": "spot"}),
    ("bybit_v5", "GetLinearInverseTickers", "/v5/market/tickers", LINEAR),
    ("bybit_v5", "GetSystemStatus", "/v5/system/status", {}),
]


def misfits(recorded: object, ours: object, where: str = "") -> list[str]:
    """Where ours lacks a key of the recorded reply, or has another kind of value."""
    if isinstance(recorded, dict):
        if not isinstance(ours, dict):
            return [f"{where}: not an object"]
        lacking = [f"{where}.{key}: missing" for key in recorded if key not in ours]
        inner = [
            one
            for key in recorded
            if key in ours and key not in LEFT_OUT
            for one in misfits(recorded[key], ours[key], f"{where}.{key}")
        ]
        return lacking + inner
    if isinstance(recorded, list):
        if not isinstance(ours, list):
            return [f"{where}: not a list"]
        if recorded and isinstance(recorded[0], list) and ours and len(recorded[0]) != len(ours[0]):
            return [f"{where}: rows of {len(ours[0])}, not {len(recorded[0])}"]
        return misfits(recorded[0], ours[0], f"{where}[0]") if recorded and ours else []
    return [] if recorded is None or type(ours) is type(recorded) else [f"{where}: {ours!r} for {recorded!r}"]


@pytest.mark.parametrize(("venue", "name", "path", "params"), RECORDED)
def test_replies_have_the_recorded_shape(
    shared_data: Path, world: GeneratedWorld, venue: str, name: str, path: str, params: dict[str, str]
) -> None:
    file = shared_data / "api_fixtures" / venue / "rest" / "ExchangeData" / f"{name}.json"
    if not file.is_file():
        pytest.skip("this reply was not recorded")
    recorded = json.loads(file.read_text())
    ours = json.loads(ROUTES[path](query(world, world.clock_start_ms, params)).body)
    assert misfits(recorded["response"], ours) == []


def test_error_codes_are_those_of_the_venues(shared_data: Path, world: GeneratedWorld) -> None:
    tables = shared_data / "api_fixtures"
    spot = {
        row["code"]: row for row in json.loads((tables / "binance_spot" / "errors.json").read_text())["codes"]
    }
    for code in (-1003, -1001, -1100, -1102, -1120, -1121, -1130):
        assert code in spot
    assert "Invalid symbol." in spot[-1121]["messages"]
    assert "Invalid interval." in spot[-1120]["messages"]
    bybit = {row["code"] for row in json.loads((tables / "bybit_v5" / "errors.json").read_text())["codes"]}
    assert {10001, 10006, 10016} <= bybit
