"""Bybit v5, REST market data: `/v5/…`. Pure: a query in, a body out. Lists are newest first."""

from __future__ import annotations

from collections.abc import Mapping

from sereno.core.candle import F64, Candles
from sereno.core.instrument import Instrument, Market
from sereno.core.timeframe import HOUR_MS, Timeframe, UtcMs
from sereno.sim import bybit
from sereno.sim.reply import Query, Routes
from sereno.sim.view import turnover_quote

INTERVALS: Mapping[str, Timeframe] = {
    "1": Timeframe.M1,
    "3": Timeframe.M3,
    "5": Timeframe.M5,
    "15": Timeframe.M15,
    "30": Timeframe.M30,
    "60": Timeframe.H1,
    "120": Timeframe.H2,
    "240": Timeframe.H4,
    "360": Timeframe.H6,
    "720": Timeframe.H12,
    "D": Timeframe.D1,
    "W": Timeframe.W1,
}
MONTHS = "M"  # the venue has them, no world does
DEFAULT_ROWS, MAX_ROWS, MAX_FUNDING_ROWS = 200, 1000, 200
DEFAULT_INSTRUMENTS, MAX_INSTRUMENTS = 500, 1000
FUNDING_EVERY_MS = 8 * HOUR_MS


def server_time(query: Query) -> object:
    """The venue's clock."""
    now = query.server_ms
    return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}


def instruments_info(query: Query) -> object:
    """Instruments with their grids, contracts in pages; none for inverse contracts and options."""
    category = bybit.category(query)
    if category in bybit.OTHER_CATEGORIES:
        return {"category": category, "list": [], "nextPageCursor": ""}
    name = query.params.get("symbol", "")
    if name:
        chosen: tuple[Instrument, ...] = (bybit.instrument(query),)
    else:
        chosen = query.view.listed(bybit.VENUE, bybit.MARKETS[category])
    make = _spot_row if category == "spot" else _linear_row
    first, page_rows = 0, len(chosen)
    if category == "linear":
        first = bybit.whole(query, "cursor") or 0
        page_rows = min(bybit.whole(query, "limit") or DEFAULT_INSTRUMENTS, MAX_INSTRUMENTS)
    rows = [make(query, one) for one in chosen[first : first + page_rows]]
    following = str(first + page_rows) if first + page_rows < len(chosen) else ""
    return {"category": category, "list": rows, "nextPageCursor": following}


def _spot_row(query: Query, instrument: Instrument) -> dict[str, object]:
    rules = query.view.rules(instrument)
    return {
        "symbol": instrument.base + instrument.quote,
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": f"{rules.quantity_step:f}",
            "quotePrecision": "0.00000001",
            "minOrderQty": f"{rules.min_quantity:f}",
            "maxOrderQty": "9000000",
            "minOrderAmt": f"{rules.min_notional_quote:f}",
            "maxOrderAmt": "2000000",
        },
        "priceFilter": {"tickSize": f"{rules.price_tick:f}"},
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
    }


def _linear_row(query: Query, instrument: Instrument) -> dict[str, object]:
    rules = query.view.rules(instrument)
    return {
        "symbol": instrument.base + instrument.quote,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "launchTime": str(query.view.world.start_ms),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(-int(rules.price_tick.as_tuple().exponent)),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": f"{rules.price_tick:f}",
            "maxPrice": "10000000",
            "tickSize": f"{rules.price_tick:f}",
        },
        "lotSizeFilter": {
            "maxOrderQty": "9000000",
            "minOrderQty": f"{rules.min_quantity:f}",
            "qtyStep": f"{rules.quantity_step:f}",
            "postOnlyMaxOrderQty": "9000000",
            "maxMktOrderQty": "9000000",
            "minNotionalValue": f"{rules.min_notional_quote:f}",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": instrument.quote,
        "copyTrading": "none",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
    }


def _refuse_backwards(start: UtcMs | None, end: UtcMs | None) -> None:
    if start is not None and end is not None and end < start:
        raise bybit.BybitError(10001, "params error: start time is greater than end time")


def _page(query: Query, instrument: Instrument) -> Candles:
    """The newest candles with start <= open <= end; with a start alone, the oldest from there on."""
    interval = query.params.get("interval", "")
    timeframe = INTERVALS.get(interval)
    if timeframe is None and interval != MONTHS:
        raise bybit.BybitError(10001, "Invalid period!")
    limit = min(bybit.whole(query, "limit") or DEFAULT_ROWS, MAX_ROWS)
    start, end = bybit.whole(query, "start"), bybit.whole(query, "end")
    _refuse_backwards(start, end)
    if timeframe is None:
        return Candles.empty(Timeframe.W1)
    view = query.view
    if start is None:
        return view.last_page(instrument, timeframe, None if end is None else end + 1, limit)
    first = timeframe.floor(start)
    if end is None:
        return view.first_page(instrument, timeframe, first, None, limit)
    whole = view.candles(
        instrument, timeframe, max(first, timeframe.floor(end) - limit * timeframe.ms), end + 1
    )
    return whole.slice(max(0, len(whole) - limit))


def kline(query: Query) -> object:
    """Candles, newest first; 200 unless told, 1000 at most."""
    instrument = bybit.instrument(query, "linear")
    candles = query.distort(_page(query, instrument))
    return _listed(query, instrument, candles, (candles.volume, turnover_quote(candles)))


def price_kline(query: Query) -> object:
    """Candles of the mark or index price: those of the traded price, without volume."""
    instrument = bybit.instrument(query, "linear")
    return _listed(query, instrument, _page(query, instrument), ())


def _listed(
    query: Query, instrument: Instrument, candles: Candles, amounts: tuple[F64, ...]
) -> dict[str, object]:
    columns = (candles.open, candles.high, candles.low, candles.close, *amounts)
    texts = [map(bybit.number, column.tolist()) for column in columns]
    rows = [list(row) for row in zip(map(str, candles.open_ms.tolist()), *texts, strict=True)]
    return {
        "symbol": instrument.base + instrument.quote,
        "category": query.params.get("category") or "linear",
        "list": rows[::-1],
    }


def tickers(query: Query) -> object:
    """24-hour figures of one or all."""
    category = bybit.category(query)
    if category in bybit.OTHER_CATEGORIES:
        return {"category": category, "list": []}
    if query.params.get("symbol"):
        chosen: tuple[Instrument, ...] = (bybit.instrument(query),)
    else:
        chosen = query.view.listed(bybit.VENUE, bybit.MARKETS[category])
    rows = [row for one in chosen if (row := _ticker(query, one)) is not None]
    return {"category": category, "list": rows}


def _ticker(query: Query, instrument: Instrument) -> dict[str, object] | None:
    day, rules = query.view.day(instrument), query.view.rules(instrument)
    if day is None:
        return None
    size = bybit.number(max(1_000.0 / day.last, float(rules.quantity_step)))
    figures: dict[str, object] = {
        "symbol": instrument.base + instrument.quote,
        "bid1Price": bybit.number(day.last - float(rules.price_tick)),
        "bid1Size": size,
        "ask1Price": bybit.number(day.last),
        "ask1Size": size,
        "lastPrice": bybit.number(day.last),
        "prevPrice24h": bybit.number(day.open),
        "price24hPcnt": f"{day.last / day.open - 1:.6f}",
        "highPrice24h": bybit.number(day.high),
        "lowPrice24h": bybit.number(day.low),
        "turnover24h": bybit.number(day.turnover_quote),
        "volume24h": bybit.number(day.volume_base),
    }
    if instrument.market is Market.SPOT:
        return {**figures, "usdIndexPrice": bybit.number(day.last)}
    now = query.view.now
    _, rates = query.view.funding(instrument, now - FUNDING_EVERY_MS, now + 1)
    return {
        **figures,
        "indexPrice": bybit.number(day.last),
        "markPrice": bybit.number(day.last),
        "prevPrice1h": bybit.number(day.last),
        # the world knows no open interest; a day's volume stands in, for clients take a row without it for spot
        "openInterest": bybit.number(day.volume_base),
        "openInterestValue": bybit.number(day.volume_base * day.last),
        "fundingRate": bybit.number(float(rates[-1])) if len(rates) else "",
        "nextFundingTime": str((now // FUNDING_EVERY_MS + 1) * FUNDING_EVERY_MS),
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "deliveryFeeRate": "",
        "deliveryTime": "0",
        "basis": "",
    }


def funding_history(query: Query) -> object:
    """Funding that was paid, newest first; a start needs an end."""
    instrument = bybit.instrument(query, "linear")
    if instrument.market is not Market.LINEAR:
        raise bybit.BybitError(10001, "params error: Category is invalid")
    start, end = bybit.whole(query, "startTime"), bybit.whole(query, "endTime")
    if start is not None and end is None:
        raise bybit.BybitError(10001, "params error: endTime is required when startTime is given")
    _refuse_backwards(start, end)
    limit = min(bybit.whole(query, "limit") or MAX_FUNDING_ROWS, MAX_FUNDING_ROWS)
    until = query.view.now + 1 if end is None else end + 1
    moments, rates = query.view.funding(instrument, start or 0, until)
    pairs = list(zip(moments.tolist(), rates.tolist(), strict=True))[-limit:]
    name = instrument.base + instrument.quote
    rows = [
        {"symbol": name, "fundingRate": bybit.number(rate), "fundingRateTimestamp": str(moment)}
        for moment, rate in reversed(pairs)
    ]
    return {"category": "linear", "list": rows}


def system_status(_query: Query) -> object:
    """No maintenance, past or to come."""
    return {"list": []}


ROUTES: Routes = {
    "/v5/market/time": bybit.answer(server_time),
    "/v5/market/instruments-info": bybit.answer(instruments_info),
    "/v5/market/kline": bybit.answer(kline),
    "/v5/market/mark-price-kline": bybit.answer(price_kline),
    "/v5/market/index-price-kline": bybit.answer(price_kline),
    "/v5/market/tickers": bybit.answer(tickers),
    "/v5/market/funding/history": bybit.answer(funding_history),
    "/v5/system/status": bybit.answer(system_status),
}
CANDLE_PATHS = frozenset({"/v5/market/kline"})
