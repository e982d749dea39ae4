"""What Binance's spot and USDⓈ-M protocols have in common: parameters, error bodies, rows, tickers."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from sereno.core.candle import Candles
from sereno.core.instrument import Instrument, Market
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.sim.reply import Query, Reply, json_reply
from sereno.sim.view import DayStatistics, turnover_quote

VENUE = "binance"
INTERVALS: Mapping[str, Timeframe] = {tf.value: tf for tf in Timeframe}
_OTHER_INTERVALS: Mapping[Market, frozenset[str]] = {
    Market.SPOT: frozenset({"1s", "3d", "1M"}),
    Market.LINEAR: frozenset({"3d", "1M"}),
}
_FAR_FUTURE_MS = 2**60
_WHOLE = re.compile(r"[0-9]{1,20}")
_SYMBOL = re.compile(r"[A-Z0-9-_.]{1,20}")
_ROW = '[%d,"%.8f","%.8f","%.8f","%.8f","%.8f",%d,"%.8f",%d,"%.8f","%.8f","0"]'
_PRICE_ROW = '[%d,"%.8f","%.8f","%.8f","%.8f","0",%d,"0",%d,"0","0","0"]'


class BinanceError(Exception):
    """A refusal in the venue's own words; it becomes an error body."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def reply(self) -> Reply:
        """The error body."""
        return json_reply({"code": self.code, "msg": self.message}, status=self.status)


def invalid_symbol() -> BinanceError:
    """An instrument that does not exist."""
    return BinanceError(-1121, "Invalid symbol.")


def illegal_characters(name: str, legal: re.Pattern[str]) -> BinanceError:
    """A parameter that does not look like one."""
    return BinanceError(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '^{legal.pattern}$'."
    )


def required(query: Query, name: str) -> str:
    """A parameter that must be there. Raises BinanceError."""
    value = query.params.get(name, "")
    if not value:
        raise BinanceError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value


def whole(query: Query, name: str) -> int | None:
    """A parameter that is a whole number, if it is there. Raises BinanceError."""
    value = query.params.get(name)
    if value is None or value == "":
        return None
    if not _WHOLE.fullmatch(value):
        raise illegal_characters(name, _WHOLE)
    return min(int(value), _FAR_FUTURE_MS)


def listed(query: Query, market: Market, name: str = "symbol") -> Instrument:
    """The instrument that a query names. Raises BinanceError."""
    symbol = required(query, name)
    if market is Market.SPOT and not _SYMBOL.fullmatch(symbol):
        raise illegal_characters(name, _SYMBOL)
    found = query.view.find(VENUE, market, symbol)
    if found is None:
        raise invalid_symbol()
    return found


def page(query: Query, instrument: Instrument, *, limit: int) -> Candles:
    """The candles of a klines query: from `startTime` on, else the newest before `endTime` or now.

    An interval that the venue knows, but the world has no candles of, has an empty history.
    """
    interval = required(query, "interval")
    timeframe = INTERVALS.get(interval)
    if timeframe is None and interval not in _OTHER_INTERVALS[instrument.market]:
        raise BinanceError(-1120, "Invalid interval.")
    start, end = whole(query, "startTime"), whole(query, "endTime")
    if timeframe is None:
        return Candles.empty(Timeframe.D1)
    until: UtcMs | None = None if end is None else end + 1
    if start is None:
        return query.distort(query.view.last_page(instrument, timeframe, until, limit))
    return query.distort(query.view.first_page(instrument, timeframe, start, until, limit))


def rendered(candles: Candles, *, weight: int) -> Reply:
    """Candles as rows of 12: prices, volumes of base and quote, trades, taker volumes.

    Trades and taker shares follow from the turnover.
    """
    turnover = turnover_quote(candles)
    columns = (
        candles.open_ms,
        candles.open,
        candles.high,
        candles.low,
        candles.close,
        candles.volume,
        candles.open_ms + (candles.timeframe.ms - 1),
        turnover,
        1 + np.nan_to_num(turnover / 1000).round(),
        candles.volume * 0.5,
        turnover * 0.5,
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return Reply(("[" + ",".join([_ROW % row for row in rows]) + "]").encode(), weight=weight)


def rendered_prices(candles: Candles, *, weight: int) -> Reply:
    """Candles of a price that is not traded (mark, index): no volumes."""
    columns = (
        candles.open_ms,
        candles.open,
        candles.high,
        candles.low,
        candles.close,
        candles.open_ms + (candles.timeframe.ms - 1),
        candles.open_ms * 0 + candles.timeframe.seconds,
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return Reply(("[" + ",".join([_PRICE_ROW % row for row in rows]) + "]").encode(), weight=weight)


def amount(value: float) -> str:
    """A number as Binance writes it."""
    return f"{value:.8f}"


def day_ticker(query: Query, instrument: Instrument) -> dict[str, object]:
    """24-hour figures, as far as both markets agree on their names."""
    day = _day(query, instrument)
    change = day.last - day.open
    return {
        "symbol": instrument.base + instrument.quote,
        "priceChange": amount(change),
        "priceChangePercent": f"{100 * change / day.open:.3f}",
        "weightedAvgPrice": amount(day.turnover_quote / day.volume_base if day.volume_base else day.last),
        "lastPrice": amount(day.last),
        "lastQty": amount(day.volume_base / max(1, day.trades)),
        "openPrice": amount(day.open),
        "highPrice": amount(day.high),
        "lowPrice": amount(day.low),
        "volume": amount(day.volume_base),
        "quoteVolume": amount(day.turnover_quote),
        "openTime": day.open_ms,
        "closeTime": day.close_ms,
        "firstId": 1,
        "lastId": max(1, day.trades),
        "count": day.trades,
    }


def _day(query: Query, instrument: Instrument) -> DayStatistics:
    day = query.view.day(instrument)
    if day is None:
        raise BinanceError(-1000, "An unknown error occurred while processing the request.")
    return day


def book(query: Query, instrument: Instrument) -> dict[str, object]:
    """Best bid and ask: one tick around the last price."""
    last, tick = price(query, instrument), float(query.view.rules(instrument).price_tick)
    quantity = amount(max(1_000.0 / last, float(query.view.rules(instrument).quantity_step)))
    return {
        "symbol": instrument.base + instrument.quote,
        "bidPrice": amount(last - tick),
        "bidQty": quantity,
        "askPrice": amount(last),
        "askQty": quantity,
    }


def price(query: Query, instrument: Instrument) -> float:
    """The last price. Raises BinanceError before the first candle."""
    return _day(query, instrument).last


def one_or_all(query: Query, market: Market) -> tuple[Instrument, ...] | Instrument:
    """The instrument of `symbol`, those of `symbols`, or all."""
    if query.params.get("symbol"):
        return listed(query, market)
    everything = query.view.listed(VENUE, market)
    if not query.params.get("symbols"):
        return everything
    names = re.findall(r"[A-Z0-9]+", query.params["symbols"])
    chosen = tuple(query.view.find(VENUE, market, name) for name in names)
    found = tuple(one for one in chosen if one is not None)
    if len(found) != len(chosen):
        raise invalid_symbol()
    return found
