"""Any exchange that ccxt speaks with, behind the desk's `Venue`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from sereno.core.candle import Candle
from sereno.core.clock import Clock
from sereno.core.errors import FixConfig, SkipThis, TryLater
from sereno.core.instrument import Instrument, InstrumentRules, Market
from sereno.core.settings.sections import VenueSettings
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.market.venue import FundingRate
from sereno.market.venues import binance, bybit
from sereno.market.venues.faults import (
    RATE_LIMITED,
    refuse_bad_status,
    refuse_other_than_json,
    translated,
)
from sereno.market.venues.quiet import Quiet
from sereno.market.venues.quirks import Quirks, unified_symbol
from sereno.market.venues.retries import Retries, Sleep

T = TypeVar("T")
_KNOWN: dict[str, Callable[[Market], Quirks]] = {"binance": binance.quirks, "bybit": bybit.quirks}
_USUAL_PAGE_ROWS = 500


def quirks_of(name: str, market: Market) -> Quirks:
    """The habits of a known venue, or none for any other ccxt exchange."""
    known = _KNOWN.get(name)
    default_type = "swap" if market is Market.LINEAR else "spot"
    return known(market) if known else Quirks(exchange_id=name, options={"defaultType": default_type})


class CcxtVenue:
    """Public market data through `ccxt.async_support`; one instance serves one event loop."""

    def __init__(
        self,
        settings: VenueSettings,
        quirks: Quirks,
        *,
        base_url: str = "",
        clock: Clock,
        quiet: Quiet | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.name = settings.name
        self.market = settings.market
        self._settings = settings
        self._quirks = quirks
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._quiet = quiet or Quiet()
        self._sleep = sleep
        self._retries = Retries(settings.retries, settings.retry_base_s, sleep)
        self._exchange: Any = None
        self._loading = asyncio.Lock()

    async def open(self) -> None:
        if self._exchange is None:
            self._exchange = _exchange(self._settings, self._quirks, self._base_url)

    async def close(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.close()

    async def server_time_ms(self) -> UtcMs:
        await self.open()
        if not self._exchange.has.get("fetchTime"):
            raise SkipThis("venue.no_server_time", venue=self.name)
        return int(await self._ask("time", lambda: self._exchange.fetch_time()))

    async def rules(self, instruments: Sequence[Instrument]) -> dict[Instrument, InstrumentRules]:
        await self._load()
        markets = self._exchange.markets
        found = {i: markets[unified_symbol(i)] for i in instruments if unified_symbol(i) in markets}
        grids = {i: _grid(market, self._exchange.precisionMode) for i, market in found.items()}
        return {instrument: grid for instrument, grid in grids.items() if grid is not None}

    async def candles(
        self, instrument: Instrument, timeframe: Timeframe, since: UtcMs, limit: int
    ) -> list[Candle]:
        symbol = await self._symbol(instrument)
        if timeframe not in (self._exchange.timeframes or {}):
            raise SkipThis(
                "venue.no_timeframe",
                remedy="leave this timeframe out of candles.timeframes and candles.beside",
                venue=self.name,
                timeframe=timeframe,
            )
        rows_wanted = min(limit, self.page_rows)
        early = int(self._quirks.skewed_weeks and timeframe is Timeframe.W1)
        start = since - early * timeframe.ms
        params = dict(self._quirks.candle_params(timeframe, start, rows_wanted + early))
        rows = await self._ask(
            "candles",
            lambda: self._exchange.fetch_ohlcv(
                symbol, timeframe.value, start, min(rows_wanted + early, self.page_rows), params
            ),
        )
        with translated(self.name, "candles"):
            return [_candle(row) for row in rows if row[0] >= since][:rows_wanted]

    async def ticker(self, instrument: Instrument) -> float:
        symbol = await self._symbol(instrument)
        told = await self._ask("ticker", lambda: self._exchange.fetch_ticker(symbol))
        last = told.get("last")
        if last is None:
            raise SkipThis("venue.no_price", venue=self.name, instrument=instrument.key)
        return float(last)

    async def funding(self, instrument: Instrument, since: UtcMs, limit: int) -> list[FundingRate]:
        if self.market is Market.SPOT:
            raise SkipThis("venue.no_funding", remedy="spot has no funding", venue=self.name)
        symbol = await self._symbol(instrument)
        rows = await self._ask(
            "funding", lambda: self._exchange.fetch_funding_rate_history(symbol, since, limit)
        )
        with translated(self.name, "funding"):
            rates = [FundingRate(int(row["timestamp"]), float(row["fundingRate"])) for row in rows]
        return sorted((rate for rate in rates if rate.ts >= since), key=lambda rate: rate.ts)[:limit]

    @property
    def page_rows(self) -> int:
        """Most candles that one reply holds; of a rarely used exchange it is known once it is open."""
        if self._quirks.page_rows is not None:
            return self._quirks.page_rows
        if self._exchange is None:
            return _USUAL_PAGE_ROWS
        kind = self._exchange.features.get("swap" if self.market is Market.LINEAR else "spot") or {}
        kind = kind.get("linear", kind)
        return int(((kind or {}).get("fetchOHLCV") or {}).get("limit") or _USUAL_PAGE_ROWS)

    async def _symbol(self, instrument: Instrument) -> str:
        await self._load()
        symbol = unified_symbol(instrument)
        if symbol not in self._exchange.markets:
            raise SkipThis(
                "venue.unknown_instrument",
                remedy="check the spelling of the pair and the market (spot or linear)",
                venue=self.name,
                instrument=instrument.key,
            )
        return symbol

    async def _load(self) -> None:
        await self.open()
        async with self._loading:
            if not self._exchange.markets:
                await self._ask("markets", lambda: self._exchange.load_markets())

    async def _ask(self, call: str, request: Callable[[], Awaitable[T]]) -> T:
        async def once() -> T:
            await self._quiet.wait(self._sleep, venue=self.name)
            try:
                with translated(self.name, call):
                    return await request()
            except TryLater as error:
                if error.after_s is not None or error.event == RATE_LIMITED:
                    self._quiet.keep(error.after_s or self._settings.retry_base_s)
                raise

        return await self._retries.run(once)


def _exchange(settings: VenueSettings, quirks: Quirks, base_url: str) -> Any:
    """A ccxt exchange whose replies are checked before ccxt reads them."""
    import ccxt.async_support as library

    if quirks.exchange_id not in library.exchanges:
        raise FixConfig(
            "venue.unknown",
            remedy="venue.name must be one of ccxt's exchange ids: binance, bybit, okx…",
            name=settings.name,
        )
    known: type[Any] = getattr(library, quirks.exchange_id)

    class Watched(known):  # type: ignore[misc]
        """The same exchange; a reply that is no answer is refused here."""

        status = 0

        def on_rest_response(
            self, code: int, reason: str, url: str, method: str, headers: Any, body: str, *sent: Any
        ) -> Any:
            self.status = code
            refuse_bad_status(code, headers, body, venue=settings.name, pauses_s=quirks.pauses_s)
            return super().on_rest_response(code, reason, url, method, headers, body, *sent)

        def parse_json(self, http_response: str) -> Any:
            read = super().parse_json(http_response)
            if read is None:
                refuse_other_than_json(self.status, http_response, venue=settings.name)
            return read

    exchange = Watched(
        {
            "apiKey": settings.api_key.get_secret_value(),
            "secret": settings.api_secret.get_secret_value(),
            "timeout": int(settings.timeout_s * 1000),
            "enableRateLimit": not _is_loopback(base_url),
            "aiohttp_trust_env": not base_url,
            "options": dict(quirks.options),
        }
    )
    exchange.has["fetchCurrencies"] = False
    if _is_loopback(base_url):
        exchange.timeout_on_exit = 0  # the pause of `close()` is for connections with TLS
    if base_url:
        exchange.urls["api"] = _retargeted(exchange.urls["api"], base_url)
    return exchange


def _is_loopback(base_url: str) -> bool:
    """Whether requests stay on this host, where the limits of the real venue do not apply."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retargeted(urls: Any, base_url: str) -> Any:
    """The same tree of addresses with another scheme and host; paths stay."""
    if isinstance(urls, dict):
        return {name: _retargeted(part, base_url) for name, part in urls.items()}
    if not isinstance(urls, str):
        return urls
    there, path = urlsplit(base_url), urlsplit(urls).path
    return urlunsplit((there.scheme, there.netloc, there.path.rstrip("/") + path, "", ""))


def _candle(row: Sequence[Any]) -> Candle:
    """A row of ccxt; what is missing in it is NaN, which the quality check drops."""
    prices = [float("nan") if value is None else float(value) for value in row[1:6]]
    return Candle(int(row[0]), *prices)


def _grid(market: Any, precision_mode: int) -> InstrumentRules | None:
    """The trading grid, or None where the venue does not tell it."""
    tick = _step(market["precision"].get("price"), precision_mode)
    lot = _step(market["precision"].get("amount"), precision_mode)
    if tick is None or lot is None:
        return None
    limits = market["limits"]
    return InstrumentRules(
        price_tick=tick,
        quantity_step=lot,
        min_quantity=_amount(limits.get("amount", {}).get("min")) or lot,
        min_notional_quote=_amount(limits.get("cost", {}).get("min")) or Decimal(0),
    )


def _step(precision: Any, mode: int) -> Decimal | None:
    from ccxt.base.decimal_to_precision import DECIMAL_PLACES, TICK_SIZE

    if precision is None:
        return None
    if mode == TICK_SIZE:
        return _amount(precision)
    return Decimal(1).scaleb(-int(precision)) if mode == DECIMAL_PLACES else None


def _amount(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
