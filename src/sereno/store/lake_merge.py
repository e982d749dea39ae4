"""New candles meet stored ones: what is new, what is the same, what the source tells differently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sereno.core.candle import Candle, Candles
from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.timeframe import UtcMs, iso
from sereno.store.lake_table import CORRECTION_ROWS, PRICES
from sereno.store.lake_words import Correction


@dataclass(frozen=True, slots=True)
class Merged:
    """A month's table after an append; `table` is None if nothing changed."""

    table: pl.DataFrame | None
    added: int
    unchanged: int
    corrections: pl.DataFrame


def check(series: Series, candles: Candles, now: UtcMs) -> None:
    """Refuse a block with any row that cannot be a closed candle of `series`.

    Raises SkipThis naming the first bad row. Whether good candles look plausible together (high
    below low, absurd jumps) is the market's judgement, not the store's.
    """
    if candles.timeframe is not series.timeframe:
        raise SkipThis("lake.wrong_timeframe", series=series.key, timeframe=candles.timeframe)
    columns = {name: getattr(candles, name) for name in PRICES}
    if any(len(column) != len(candles) for column in columns.values()):
        raise SkipThis("lake.bad_row", series=series.key, row=0, fault="columns of different lengths")
    opens, step = candles.open_ms, series.timeframe.ms
    faults = [(f"{name} is not finite", ~np.isfinite(column)) for name, column in columns.items()]
    faults += [(f"{name} is not above zero", columns[name] <= 0) for name in PRICES[:4]]
    faults += [
        ("volume is negative", columns["volume"] < 0),
        ("open_ms does not rise", np.diff(opens, prepend=opens[:1] - 1) <= 0),
        ("open_ms is off the timeframe's grid", (opens - series.timeframe.floor(0)) % step != 0),
        ("the candle is not over yet", opens + step > now),
    ]
    for fault, bad in faults:
        if bad.any():
            row = int(np.argmax(bad))
            raise SkipThis("lake.bad_row", series=series.key, row=row, open=iso(int(opens[row])), fault=fault)


def merge(old: pl.DataFrame, new: pl.DataFrame, now: UtcMs) -> Merged:
    """Rows of one month, both sorted by open time.

    An unchanged candle keeps its provenance; a changed one takes the newcomer's, and when it came.
    """
    none = CORRECTION_ROWS.empty()
    if old.height == 0 or old["open_ms"][-1] < new["open_ms"][0]:
        return Merged(pl.concat([old, new]), new.height, 0, none)
    have, come = old["open_ms"].to_numpy(), new["open_ms"].to_numpy()
    at = np.searchsorted(have, come)
    known = have[np.minimum(at, len(have) - 1)] == come
    same = known.copy()
    for name in PRICES:
        same[known] &= old[name].to_numpy()[at[known]] == new[name].to_numpy()[known]
    changed = known & ~same
    unchanged = int(same.sum())
    if unchanged == len(come):
        return Merged(None, 0, unchanged, none)
    replaced = np.ones(len(have), dtype=bool)
    replaced[at[changed]] = False
    before, after = old[at[changed]], new.filter(pl.Series(changed))
    dated = after.with_columns(before["arrived_ms"], before["late"])
    parts = [old.filter(pl.Series(replaced)), new.filter(pl.Series(~known)), dated]
    table = pl.concat(parts).sort("open_ms")
    told = _told(before, after, now)
    return Merged(table.rechunk(), int((~known).sum()), unchanged, told)


def _told(old: pl.DataFrame, new: pl.DataFrame, now: UtcMs) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "open_ms": new["open_ms"],
            **{f"old_{name}": old[name] for name in PRICES},
            **{f"new_{name}": new[name] for name in PRICES},
            "noticed_ms": pl.Series([now] * new.height, dtype=pl.Int64),
            "source": new["source"],
            "mode": new["mode"],
        },
        schema=CORRECTION_ROWS.columns,
    )


def corrections_of(rows: pl.DataFrame) -> tuple[Correction, ...]:
    """Corrections as values, in the order in which they were noticed."""
    return tuple(
        Correction(
            open_ms=row["open_ms"],
            old=Candle(row["open_ms"], *(row[f"old_{name}"] for name in PRICES)),
            new=Candle(row["open_ms"], *(row[f"new_{name}"] for name in PRICES)),
            noticed_ms=row["noticed_ms"],
            source=row["source"],
        )
        for row in rows.to_dicts()
    )
