"""Binance USDⓈ-M futures, REST market data: `/fapi/v1/…`. Pure: a query in, a body out."""

from __future__ import annotations

from collections.abc import Callable

from sereno.core.instrument import Instrument, Market
from sereno.core.timeframe import HOUR_MS
from sereno.sim import binance
from sereno.sim.binance_spot import ping, server_time
from sereno.sim.reply import Query, Reply, Routes, json_reply

DEFAULT_ROWS, MAX_ROWS = 500, 1500
DEFAULT_FUNDING_ROWS, MAX_FUNDING_ROWS = 100, 1000
WEIGHT_A_MINUTE = 2400
PERPETUAL_DELIVERY_MS = 4_133_404_800_000
FUNDING_EVERY_MS = 8 * HOUR_MS


def exchange_info(query: Query) -> Reply:
    """Contracts with their grids."""
    return json_reply(
        {
            "timezone": "UTC",
            "serverTime": query.server_ms,
            "futuresType": "U_MARGINED",
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": WEIGHT_A_MINUTE,
                }
            ],
            "exchangeFilters": [],
            "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": 0}],
            "symbols": [_symbol(query, one) for one in query.view.listed(binance.VENUE, Market.LINEAR)],
        }
    )


def _symbol(query: Query, instrument: Instrument) -> dict[str, object]:
    rules, name = query.view.rules(instrument), instrument.base + instrument.quote
    places = -int(rules.price_tick.as_tuple().exponent)
    lot = {"minQty": str(rules.min_quantity), "maxQty": "10000000", "stepSize": str(rules.quantity_step)}
    return {
        "symbol": name,
        "pair": name,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": query.view.world.start_ms,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote,
        "pricePrecision": places,
        "quantityPrecision": max(0, -int(rules.quantity_step.as_tuple().exponent)),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": f"{rules.price_tick:f}",
                "maxPrice": "10000000",
                "tickSize": f"{rules.price_tick:f}",
            },
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": str(rules.min_notional_quote)},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _rows(query: Query) -> int:
    limit = binance.whole(query, "limit")
    if limit is None:
        return DEFAULT_ROWS
    if not 1 <= limit <= MAX_ROWS:
        raise binance.BinanceError(-1130, "Data sent for parameter 'limit' is not valid.")
    return limit


def _weight(rows: int) -> int:
    return 1 if rows < 100 else 2 if rows < 500 else 5 if rows <= 1000 else 10


def klines(query: Query) -> Reply:
    """Candles, oldest first; 500 unless told, 1500 at most."""
    rows = _rows(query)
    candles = binance.page(query, binance.listed(query, Market.LINEAR), limit=rows)
    return binance.rendered(candles, weight=_weight(rows))


def continuous_klines(query: Query) -> Reply:
    """The same by pair."""
    if binance.required(query, "contractType") != "PERPETUAL":
        raise binance.BinanceError(-4144, "Invalid pair.")
    rows = _rows(query)
    candles = binance.page(query, binance.listed(query, Market.LINEAR, "pair"), limit=rows)
    return binance.rendered(candles, weight=_weight(rows))


def mark_klines(query: Query) -> Reply:
    """Candles of the mark price: those of the traded price, without volume."""
    rows = _rows(query)
    candles = binance.page(query, binance.listed(query, Market.LINEAR), limit=rows)
    return binance.rendered_prices(candles, weight=_weight(rows))


def index_klines(query: Query) -> Reply:
    """Candles of the index price: those of the traded price, without volume."""
    rows = _rows(query)
    candles = binance.page(query, binance.listed(query, Market.LINEAR, "pair"), limit=rows)
    return binance.rendered_prices(candles, weight=_weight(rows))


def day_ticker(query: Query) -> Reply:
    """24-hour figures of one or all."""
    return _each(query, binance.day_ticker, weight_of_all=40)


def price_ticker(query: Query) -> Reply:
    """Last prices."""
    return _each(
        query,
        lambda q, one: {
            "symbol": one.base + one.quote,
            "price": binance.amount(binance.price(q, one)),
            "time": q.view.now,
        },
    )


def book_ticker(query: Query) -> Reply:
    """Best bids and asks."""
    return _each(
        query, lambda q, one: {**binance.book(q, one), "time": q.view.now, "lastUpdateId": q.view.now}
    )


def premium_index(query: Query) -> Reply:
    """Mark price, index price and the funding to come: mark and index are the last price."""
    return _each(query, _premium)


def _premium(query: Query, instrument: Instrument) -> dict[str, object]:
    now, last = query.view.now, binance.amount(binance.price(query, instrument))
    _, rates = query.view.funding(instrument, now - FUNDING_EVERY_MS, now + 1)
    return {
        "symbol": instrument.base + instrument.quote,
        "markPrice": last,
        "indexPrice": last,
        "estimatedSettlePrice": last,
        "lastFundingRate": binance.amount(float(rates[-1])) if len(rates) else "",
        "interestRate": "0.00010000",
        "nextFundingTime": (now // FUNDING_EVERY_MS + 1) * FUNDING_EVERY_MS,
        "time": now,
    }


def funding_rate(query: Query) -> Reply:
    """Funding that was paid, oldest first: from `startTime` on, else the newest."""
    limit = binance.whole(query, "limit") or DEFAULT_FUNDING_ROWS
    if limit > MAX_FUNDING_ROWS:
        raise binance.BinanceError(-1130, "Data sent for parameter 'limit' is not valid.")
    chosen = binance.one_or_all(query, Market.LINEAR)
    rows = [row for one in _several(chosen) for row in _funding_rows(query, one)]
    rows.sort(key=lambda row: (row["fundingTime"], row["symbol"]))
    since = binance.whole(query, "startTime")
    return json_reply(rows[-limit:] if since is None else rows[:limit])


def _funding_rows(query: Query, instrument: Instrument) -> list[dict[str, int | str]]:
    since, end = binance.whole(query, "startTime") or 0, binance.whole(query, "endTime")
    until = query.view.now + 1 if end is None else end + 1
    moments, rates = query.view.funding(instrument, since, until)
    name = instrument.base + instrument.quote
    return [
        {"symbol": name, "fundingTime": moment, "fundingRate": binance.amount(rate), "markPrice": ""}
        for moment, rate in zip(moments.tolist(), rates.tolist(), strict=True)
    ]


def funding_info(_query: Query) -> Reply:
    """Only contracts that depart from 8 hours: none."""
    return json_reply([])


def no_contracts(query: Query) -> Reply:
    """Coin-margined contracts, which clients ask for in passing: none."""
    return json_reply(
        {
            "timezone": "UTC",
            "serverTime": query.server_ms,
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [],
        }
    )


def _several(chosen: tuple[Instrument, ...] | Instrument) -> tuple[Instrument, ...]:
    return (chosen,) if isinstance(chosen, Instrument) else chosen


def _each(
    query: Query, make: Callable[[Query, Instrument], dict[str, object]], *, weight_of_all: int = 2
) -> Reply:
    chosen = binance.one_or_all(query, Market.LINEAR)
    if isinstance(chosen, Instrument):
        return json_reply(make(query, chosen))
    return json_reply([make(query, one) for one in chosen], weight=weight_of_all)


def refusal(status: int) -> Reply:
    """Binance's words for an HTTP status that has nothing to do with the query."""
    if status in (418, 429):
        text = "Too many requests; current limit is 2400 request weight per 1 MINUTE."
        return json_reply({"code": -1003, "msg": text}, status=status)
    if status in (401, 403):
        text = "Invalid API-key, IP, or permissions for action."
        return json_reply({"code": -2015, "msg": text}, status=status)
    text = "Internal error; unable to process your request. Please try again."
    return json_reply({"code": -1001, "msg": text}, status=status)


ROUTES: Routes = {
    "/fapi/v1/ping": ping,
    "/fapi/v1/time": server_time,
    "/fapi/v1/exchangeInfo": exchange_info,
    "/fapi/v1/klines": klines,
    "/fapi/v1/continuousKlines": continuous_klines,
    "/fapi/v1/markPriceKlines": mark_klines,
    "/fapi/v1/indexPriceKlines": index_klines,
    "/fapi/v1/ticker/24hr": day_ticker,
    "/fapi/v1/ticker/price": price_ticker,
    "/fapi/v2/ticker/price": price_ticker,
    "/fapi/v1/ticker/bookTicker": book_ticker,
    "/fapi/v1/premiumIndex": premium_index,
    "/fapi/v1/fundingRate": funding_rate,
    "/fapi/v1/fundingInfo": funding_info,
    "/dapi/v1/exchangeInfo": no_contracts,
}
CANDLE_PATHS = frozenset({"/fapi/v1/klines", "/fapi/v1/continuousKlines"})
