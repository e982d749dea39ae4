"""Binance spot, REST market data: `/api/v3/…`. Pure: a query in, a body out."""

from __future__ import annotations

from collections.abc import Callable

from sereno.core.instrument import Instrument, Market
from sereno.sim import binance
from sereno.sim.reply import Query, Reply, Routes, json_reply

DEFAULT_ROWS, MAX_ROWS = 500, 1000
WEIGHT_A_MINUTE = 6000


def ping(_query: Query) -> Reply:
    """Nothing, to show that someone is there."""
    return json_reply({})


def server_time(query: Query) -> Reply:
    """The venue's clock."""
    return json_reply({"serverTime": query.server_ms})


def exchange_info(query: Query) -> Reply:
    """Instruments with their grids."""
    chosen = binance.one_or_all(query, Market.SPOT)
    symbols = chosen if isinstance(chosen, tuple) else (chosen,)
    return json_reply(
        {
            "timezone": "UTC",
            "serverTime": query.server_ms,
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": WEIGHT_A_MINUTE,
                }
            ],
            "exchangeFilters": [],
            "symbols": [_symbol(query, one) for one in symbols],
        },
        weight=20,
    )


def _symbol(query: Query, instrument: Instrument) -> dict[str, object]:
    rules = query.view.rules(instrument)
    return {
        "symbol": instrument.base + instrument.quote,
        "status": "TRADING",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": f"{rules.price_tick:.8f}",
                "maxPrice": "10000000.00000000",
                "tickSize": f"{rules.price_tick:.8f}",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": f"{rules.min_quantity:.8f}",
                "maxQty": "9000000.00000000",
                "stepSize": f"{rules.quantity_step:.8f}",
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": f"{rules.min_notional_quote:.8f}",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def klines(query: Query) -> Reply:
    """Candles, oldest first; 500 unless told, 1000 at most."""
    instrument = binance.listed(query, Market.SPOT)
    limit = binance.whole(query, "limit")
    if limit == 0:
        raise binance.BinanceError(-1130, "Data sent for parameter 'limit' is not valid.")
    rows = min(limit or DEFAULT_ROWS, MAX_ROWS)
    return binance.rendered(binance.page(query, instrument, limit=rows), weight=2)


def day_ticker(query: Query) -> Reply:
    """24-hour figures of one or all."""
    return _each(query, _spot_day, weight_of_all=2 if query.params.get("symbols") else 80)


def _spot_day(query: Query, instrument: Instrument) -> dict[str, object]:
    figures = binance.day_ticker(query, instrument)
    book = {name: value for name, value in binance.book(query, instrument).items() if name != "symbol"}
    return {**figures, "prevClosePrice": figures["openPrice"], **book}


def price_ticker(query: Query) -> Reply:
    """Last prices."""
    return _each(
        query,
        lambda q, one: {
            "symbol": one.base + one.quote,
            "price": binance.amount(binance.price(q, one)),
        },
    )


def book_ticker(query: Query) -> Reply:
    """Best bids and asks."""
    return _each(query, binance.book)


def average_price(query: Query) -> Reply:
    """Price of the last five minutes: the last one."""
    last = binance.price(query, binance.listed(query, Market.SPOT))
    return json_reply({"mins": 5, "price": binance.amount(last), "closeTime": query.view.now}, weight=2)


def _each(
    query: Query, make: Callable[[Query, Instrument], dict[str, object]], *, weight_of_all: int = 4
) -> Reply:
    chosen = binance.one_or_all(query, Market.SPOT)
    if isinstance(chosen, Instrument):
        return json_reply(make(query, chosen), weight=2)
    return json_reply([make(query, one) for one in chosen], weight=weight_of_all)


def system_status(_query: Query) -> Reply:
    """Never under maintenance."""
    return json_reply({"status": 0, "msg": "normal"})


ROUTES: Routes = {
    "/api/v3/ping": ping,
    "/api/v3/time": server_time,
    "/api/v3/exchangeInfo": exchange_info,
    "/api/v3/klines": klines,
    "/api/v3/uiKlines": klines,
    "/api/v3/ticker/24hr": day_ticker,
    "/api/v3/ticker/price": price_ticker,
    "/api/v3/ticker/bookTicker": book_ticker,
    "/api/v3/avgPrice": average_price,
    "/sapi/v1/system/status": system_status,
}
CANDLE_PATHS = frozenset({"/api/v3/klines", "/api/v3/uiKlines"})
