"""One cycle of the collector over all instruments and timeframes.

A series that fails never stops the others; requests stay inside the venue's rate limit, so that only
a few series are at work at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from sereno.core.clock import Clock
from sereno.core.errors import SerenoError, SkipThis, StopTrading, TryLater
from sereno.core.instrument import Instrument, InstrumentRules, Series
from sereno.core.mode import Mode
from sereno.core.settings.history import History
from sereno.core.settings.sections import CandleSettings, VenueSettings
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.market.cycle import CycleReport, SeriesResult, SeriesStatus, more_than_half_failed
from sereno.market.series_collector import CycleContext, Progress, SeriesCollector
from sereno.market.venue import Venue
from sereno.store.lake import Lake

__all__ = ["CycleReport", "Progress", "SeriesResult", "SeriesStatus", "collect_cycle", "measure_offset"]

SERIES_AT_ONCE = 4
_OFFSET_READINGS = 3
_NOTHING_TO_COLLECT = frozenset({"venue.too_young"})
_NOTHING_BESIDE = _NOTHING_TO_COLLECT | {"venue.no_timeframe", "venue.empty_history"}

OnRules = Callable[[Mapping[Instrument, InstrumentRules]], None]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Reached:
    """The venue answered: its clock minus ours, or None where it does not tell the time."""

    offset_ms: int | None


async def collect_cycle(
    venue: Venue,
    lake: Lake,
    clock: Clock,
    *,
    instruments: Sequence[Instrument],
    candles: CandleSettings,
    venue_settings: VenueSettings,
    mode: Mode,
    source: str,
    histories: Mapping[Timeframe, History] | None = None,
    progress: Progress | None = None,
    on_rules: OnRules | None = None,
    held: Sequence[Series] = (),
) -> CycleReport:
    """Bring every series up to date.

    held      series to collect besides: those of open positions, whether or not they are listed
    histories what training takes of traded timeframes: they are collected so deep at least
    progress  called with a series key, rows done and rows expected
    on_rules  called once with the trading grids that the venue told

    Raises StopTrading(`clock.offset`) when the clocks differ by more than is allowed, and FixConfig
    when the venue refuses the key or the place. A venue that cannot be reached is a report in which
    every series failed.
    """
    started = clock.now_ms()
    listed = [Series(i, tf) for i in instruments for tf in candles.collected()]
    everything = tuple(dict.fromkeys((*listed, *held)))
    here = tuple(dict.fromkeys(one.instrument for one in everything if _is_at(venue, one.instrument)))
    try:
        reached = await _greet(venue, clock, here, venue_settings, on_rules)
    except TryLater as error:
        results = tuple(_failed(series, lake, str(error)) for series in everything)
        return _report(started, clock, None, results)
    offset_ms = reached.offset_ms or 0
    around = CycleContext(venue, lake, clock, candles, mode, source, offset_ms, progress, histories or {})
    gate = asyncio.Semaphore(SERIES_AT_ONCE)

    async def one(series: Series) -> SeriesResult:
        async with gate:
            return await _collected(around, series)

    outcomes = await asyncio.gather(*(one(series) for series in everything), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    results = tuple(outcome for outcome in outcomes if isinstance(outcome, SeriesResult))
    return _report(started, clock, reached.offset_ms, results)


async def measure_offset(venue: Venue, clock: Clock) -> int | None:
    """How far the venue's clock is from ours at least, in milliseconds; None if it tells no time.

    The venue read its clock between our sending and our receiving: inside that span the offset is 0,
    outside it is the distance. Of a few readings the smallest counts.
    """
    best: int | None = None
    for _ in range(_OFFSET_READINGS):
        sent = clock.now_ms()
        try:
            theirs = await venue.server_time_ms()
        except SkipThis:
            return None
        received = clock.now_ms()
        offset = theirs - min(max(theirs, sent), received)
        best = offset if best is None or abs(offset) < abs(best) else best
        if best == 0:
            break
    return best


async def _greet(
    venue: Venue,
    clock: Clock,
    instruments: Sequence[Instrument],
    settings: VenueSettings,
    on_rules: OnRules | None,
) -> _Reached:
    await venue.open()
    offset = await measure_offset(venue, clock)
    if offset is not None and abs(offset) > settings.max_clock_offset_ms:
        raise StopTrading(
            "clock.offset",
            remedy="set this host's clock (NTP), or look why the venue's is off",
            venue=venue.name,
            offset_ms=offset,
            allowed_ms=settings.max_clock_offset_ms,
        )
    rules = await venue.rules(instruments)
    if on_rules is not None:
        on_rules(rules)
    return _Reached(offset)


async def _collected(around: CycleContext, series: Series) -> SeriesResult:
    """One series, with its errors as values; errors that are no one series' own go on up."""
    started_s = asyncio.get_running_loop().time()
    collector = SeriesCollector(around, series)
    error: SerenoError | None = None
    try:
        if not _is_at(around.venue, series.instrument):
            raise SkipThis(
                "venue.another",
                remedy="a position is held there: set venue.name and venue.market back until it is closed",
                venue=around.venue.name,
                instrument=series.instrument.key,
            )
        await collector.run()
    except (TryLater, SkipThis) as caught:
        error = caught
    took_ms = round((asyncio.get_running_loop().time() - started_s) * 1000)
    result = _result(around, collector, took_ms, error)
    _log(result, error)
    return result


def _is_at(venue: Venue, instrument: Instrument) -> bool:
    """Whether this venue's candles are those of the instrument: another one has the same pairs."""
    return (instrument.venue, instrument.market) == (venue.name, venue.market)


def _result(
    around: CycleContext, collector: SeriesCollector, took_ms: int, error: SerenoError | None
) -> SeriesResult:
    tally = collector.tally
    return SeriesResult(
        series=collector.series,
        status=_status(error, traded=collector.series.timeframe in around.settings.timeframes),
        rows_added=tally.rows_added,
        corrections=tally.corrections,
        gaps_repaired=tally.gaps_repaired,
        gaps_unrepairable=tally.gaps_unrepairable,
        newest_open_ms=_newest(around.lake, collector.series),
        duration_ms=took_ms,
        error=None if error is None else str(error),
        findings=tally.report(),
    )


def _status(error: SerenoError | None, *, traded: bool) -> SeriesStatus:
    """A timeframe that is only collected beside the traded ones may be empty, or not made at all."""
    if error is None:
        return SeriesStatus.OK
    nothing = _NOTHING_TO_COLLECT if traded else _NOTHING_BESIDE
    return SeriesStatus.SKIPPED if error.event in nothing else SeriesStatus.FAILED


def _failed(series: Series, lake: Lake, error: str) -> SeriesResult:
    return SeriesResult(series, SeriesStatus.FAILED, 0, 0, 0, 0, _newest(lake, series), 0, error)


def _newest(lake: Lake, series: Series) -> UtcMs | None:
    stored = lake.extent(series)
    return None if stored is None else stored.last_open_ms


def _report(
    started: UtcMs, clock: Clock, offset_ms: int | None, results: tuple[SeriesResult, ...]
) -> CycleReport:
    report = CycleReport(started, clock.now_ms(), offset_ms, results, more_than_half_failed(results))
    if report.alert:
        log.error("candles.cycle_failed", failed=len(report.of(SeriesStatus.FAILED)), series=len(results))
    return report


def _log(result: SeriesResult, error: SerenoError | None) -> None:
    key = result.series.key
    if error is not None:
        log.warning("candles.series_" + result.status, series=key, error=str(error))
    for finding in result.findings:
        log.warning(
            "candles.quality",
            series=key,
            defect=finding.defect.value,
            rows=finding.rows,
            first_ms=finding.first_ms,
            dropped=finding.dropped,
        )
    log.info("candles.collected", series=key, rows=result.rows_added, corrections=result.corrections)
