"""The world of files: real candles from a folder, served as their venue would have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sereno.core.candle import F64, I64, Candles
from sereno.core.errors import FixConfig, SkipThis
from sereno.core.instrument import Instrument, InstrumentRules, Market
from sereno.core.timeframe import DAY_MS, Timeframe, UtcMs, iso
from sereno.market.imports.columns import NO_TIME, Rows, read_rows
from sereno.market.imports.words import FileFormat
from sereno.market.quality import ROW_DEFECTS, Defect, row_defects
from sereno.sim.coins import grid, places_of, price_places
from sereno.sim.resample import divides, resample

MARKET_WORDS: Mapping[Market, str] = {Market.SPOT: "SPOT", Market.LINEAR: "PERP"}
WANTED_HISTORY_DAYS = 800
GRID_SAMPLE = 500
_NAME = re.compile(
    r"(?P<venue>[A-Za-z0-9]+)_(?P<market>SPOT|PERP)_(?P<symbol>[A-Za-z0-9]+)_(?P<timeframe>[0-9]+[mhdw])"
    r"\.(?P<kind>parquet|csv)"
)


@dataclass(frozen=True, slots=True)
class CandleFile:
    """A file named EXCHANGE_MARKET_SYMBOL_TIMEFRAME.parquet or .csv, for example BINANCE_SPOT_BTCUSDT_1h."""

    path: Path
    venue: str
    market: Market
    symbol_id: str
    timeframe: Timeframe

    def belongs_to(self, instrument: Instrument) -> bool:
        """Whether it holds candles of the instrument."""
        mine = (self.venue, self.market, self.symbol_id)
        return mine == (instrument.venue, instrument.market, instrument.base + instrument.quote)


def candle_files(folder: Path) -> tuple[CandleFile, ...]:
    """The files of a folder that are named like candles; Parquet goes before CSV. Raises FixConfig."""
    if not folder.is_dir():
        raise FixConfig("sim.no_folder", remedy="sim.candles_dir must name a folder", folder=folder)
    found: dict[str, CandleFile] = {}
    for path in sorted(folder.iterdir(), key=lambda one: (one.suffix != ".parquet", one.name)):
        match = _NAME.fullmatch(path.name)
        if match is None or match["timeframe"] not in {tf.value for tf in Timeframe}:
            continue
        market = Market.SPOT if match["market"] == "SPOT" else Market.LINEAR
        timeframe = Timeframe(match["timeframe"])
        file = CandleFile(path, match["venue"].lower(), market, match["symbol"].upper(), timeframe)
        found.setdefault(path.stem, file)
    return tuple(found.values())


def read_candles(file: CandleFile) -> Candles:
    """Candles of a file. Raises FixConfig if it is not one of candles in order."""
    try:
        rows = read_rows(file.path, FileFormat.AUTO, symbol=file.symbol_id)
    except FixConfig as cause:
        raise FixConfig("sim.unreadable_file", remedy=cause.remedy, **cause.fields) from cause
    _check(file, rows)
    columns = (np.ascontiguousarray(rows.ohlcv[:, i]) for i in range(5))
    return Candles(file.timeframe, rows.open_ms, *columns)


def _check(file: CandleFile, rows: Rows) -> None:
    """Refuse what a venue could not have served: the first row that is at fault is named."""
    faults = [(NO_TIME, ~rows.has_time)]
    for defect, bad in row_defects(rows.open_ms, rows.ohlcv, file.timeframe):
        if defect is not Defect.OHLC_RELATION:  # a venue may tell it, and the collector looks
            faults.append((ROW_DEFECTS[defect], bad))
    faults.append(("the candles are not in rising order", np.diff(rows.open_ms, prepend=-1) <= 0))
    fault = next(
        (f"row {rows.first_row + int(np.argmax(bad))}: {why}" for why, bad in faults if bad.any()), ""
    )
    if not len(rows.open_ms):
        fault = "it holds no candles"
    if fault:
        remedy = "mend it: candles of the timeframe of its name, in order, without repeats"
        raise FixConfig("sim.bad_file", remedy=remedy, file=file.path, fault=fault)


class FilesWorld:
    """Candles of one folder; the clock starts `days_before_end` before they end.

    The world ends with the last trading candle of whichever instrument goes on longest. One that ends
    earlier falls silent, as a halted instrument does; one that starts later has no candles before that.

    A timeframe comes from its own file if that lasts as long as the one to trade by; else from the finest
    finer file that does so and reaches back far enough for training, or failing that the longest one.
    A timeframe without any such file is not offered: the venue answers with an empty history.
    Raises FixConfig, naming what is there, when an instrument has no file to trade by.
    """

    def __init__(
        self,
        folder: Path,
        *,
        instruments: Sequence[Instrument],
        timeframe: Timeframe,
        days_before_end: float = 30.0,
    ) -> None:
        self._folder = folder
        self._instruments = tuple(instruments)
        files = candle_files(folder)
        self._files = {
            one: {file.timeframe: file for file in files if file.belongs_to(one)} for one in instruments
        }
        self._read: dict[Path, Candles] = {}
        self._made: dict[tuple[Instrument, Timeframe], Candles] = {}
        trading = {one: self._trading(one, timeframe, files) for one in self._instruments}
        self._ends = {one: timeframe.floor(int(c.close_ms[-1])) for one, c in trading.items()}
        self._end_ms = max(self._ends.values())
        self._start_ms = min(int(c.open_ms[0]) for c in trading.values())
        self._clock_start_ms = timeframe.floor(self._end_ms - int(days_before_end * DAY_MS))
        if self._clock_start_ms <= self._start_ms:
            raise FixConfig(
                "sim.no_history",
                remedy="sim.days_before_end must leave some candles before the clock's start",
                first=iso(self._start_ms),
                end=iso(self._end_ms),
                days_before_end=days_before_end,
            )
        self._require_alive()
        self._offered = {one: self._sources(one) for one in self._instruments}
        used = {file.path for sources in self._offered.values() for file in sources.values()}
        self._read = {path: candles for path, candles in self._read.items() if path in used}

    def _trading(self, instrument: Instrument, timeframe: Timeframe, files: Sequence[CandleFile]) -> Candles:
        """Candles of the file to trade by which lasts longest: of the timeframe, or a finer one."""
        fitting = [file for tf, file in self._files[instrument].items() if divides(tf, timeframe)]
        if not fitting:
            raise FixConfig(
                "sim.no_candles",
                remedy=f"the folder needs a file such as {_file_name(instrument, timeframe)}; "
                f"for this venue and market it has: {_there(files, instrument)}",
                instrument=instrument.key,
                folder=self._folder,
            )
        return max((self._load(file) for file in fitting), key=lambda c: int(c.close_ms[-1]))

    def _require_alive(self) -> None:
        for one, end_ms in self._ends.items():
            if end_ms <= self._clock_start_ms:
                raise FixConfig(
                    "sim.candles_end_early",
                    remedy="leave the instrument out, or raise sim.days_before_end: its candles end "
                    "before the clock would start",
                    instrument=one.key,
                    end=iso(end_ms),
                    clock_start=iso(self._clock_start_ms),
                )

    def _load(self, file: CandleFile) -> Candles:
        if file.path not in self._read:
            self._read[file.path] = read_candles(file)
        return self._read[file.path]

    def _sources(self, instrument: Instrument) -> dict[Timeframe, CandleFile]:
        """The file that each offered timeframe is made from, finest timeframe first."""
        alive = {
            tf: file
            for tf, file in self._files[instrument].items()
            if int(self._load(file).close_ms[-1]) > self._ends[instrument] - tf.ms
        }
        wanted = self._clock_start_ms - WANTED_HISTORY_DAYS * DAY_MS
        chosen: dict[Timeframe, CandleFile] = {}
        for timeframe in Timeframe:
            if timeframe in alive:
                chosen[timeframe] = alive[timeframe]
                continue
            finer = [file for tf, file in alive.items() if divides(tf, timeframe)]
            if finer:
                deep = [file for file in finer if int(self._load(file).open_ms[0]) <= wanted]
                chosen[timeframe] = (
                    min(deep, key=lambda file: file.timeframe.ms)
                    if deep
                    else min(finer, key=lambda file: int(self._load(file).open_ms[0]))
                )
        return chosen

    @property
    def start_ms(self) -> UtcMs:
        """Open of the first trading candle."""
        return self._start_ms

    @property
    def clock_start_ms(self) -> UtcMs:
        """Where the clock starts."""
        return self._clock_start_ms

    @property
    def end_ms(self) -> UtcMs | None:
        """Close of the last trading candle."""
        return self._end_ms

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """As they were asked for."""
        return self._instruments

    def listed(self, venue: str, market: Market) -> tuple[Instrument, ...]:
        """Those of the venue and market that the files are from."""
        return tuple(one for one in self._instruments if (one.venue, one.market) == (venue, market))

    def rules(self, instrument: Instrument) -> InstrumentRules:
        """A grid that the newest prices before the clock's start are on."""
        source = self._load(next(iter(self._offered[instrument].values())))
        known = source.between(None, self._clock_start_ms)
        closes = (known if len(known) else source).close[-GRID_SAMPLE:]
        price = float(np.median(closes))
        places = max(places_of(closes), min(price_places(price), 2))
        return grid(price, places=places, market=instrument.market)

    def timeframes(self, instrument: Instrument) -> tuple[Timeframe, ...]:
        """What its files can offer, finest first."""
        return tuple(self._offered[instrument])

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, since: UtcMs | None, until: UtcMs | None
    ) -> Candles:
        """Whole candles with since <= open_ms < until. Raises SkipThis for a timeframe not offered."""
        file = self._offered.get(instrument, {}).get(timeframe)
        if file is None:
            raise SkipThis("sim.no_timeframe", instrument=instrument.key, timeframe=timeframe)
        key = (instrument, timeframe)
        if key not in self._made:
            self._made[key] = resample(self._load(file), timeframe)
        return self._made[key].between(since, until)

    def funding(
        self,
        instrument: Instrument,  # noqa: ARG002
        since: UtcMs,  # noqa: ARG002
        until: UtcMs,  # noqa: ARG002
    ) -> tuple[I64, F64]:
        """None: the candles do not tell it, and nothing is invented beside real ones."""
        return np.empty(0, dtype=np.int64), np.empty(0)

    def describe(self) -> dict[str, object]:
        """Facts for people."""
        return {
            "kind": "files",
            "synthetic": False,
            "folder": str(self._folder),
            "start": iso(self._start_ms),
            "clock_start": iso(self._clock_start_ms),
            "end": iso(self._end_ms),
            "instruments": {
                one.key: {tf.value: file.path.name for tf, file in self._offered[one].items()}
                for one in self._instruments
            },
        }


def _file_name(instrument: Instrument, timeframe: Timeframe) -> str:
    market = MARKET_WORDS[instrument.market]
    return f"{instrument.venue.upper()}_{market}_{instrument.base}{instrument.quote}_{timeframe}.parquet"


def _there(files: Sequence[CandleFile], instrument: Instrument) -> str:
    same = [f for f in files if (f.venue, f.market) == (instrument.venue, instrument.market)]
    if same:
        return ", ".join(f"{f.symbol_id} {f.timeframe}" for f in same)
    others = sorted({f"{f.venue.upper()}_{MARKET_WORDS[f.market]}" for f in files})
    return f"nothing (it has files of {', '.join(others)})" if others else "nothing, nor for any other"
