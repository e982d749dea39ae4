"""Facts about an instrument (funding, open interest …): a value, its moment, and when it was known."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from sereno.core.errors import SkipThis
from sereno.core.instrument import Instrument
from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COLUMNS = ("ts", "known_at", "value")


def folder(name: str, instrument: Instrument) -> str:
    """Where facts of this name about this instrument lie."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no snake_case name of a fact")
    return f"facts/{name}/{instrument.venue}/{instrument.market}/{instrument.slug}"


def rows(name: str, frame: pl.DataFrame, *, source: str, mode: Mode) -> pl.DataFrame:
    """Checked rows of the lake. Raises SkipThis naming the first bad row."""
    try:
        table = frame.select(
            pl.col("ts").cast(pl.Int64), pl.col("known_at").cast(pl.Int64), pl.col("value").cast(pl.Float64)
        ).sort("ts", "known_at")
    except pl.exceptions.PolarsError as cause:
        raise SkipThis("lake.bad_facts", name=name, fault=str(cause).partition("\n")[0]) from cause
    bad = table.select(
        pl.any_horizontal(
            *(pl.col(column).is_null() for column in _COLUMNS),
            ~pl.col("value").is_finite(),
        ).fill_null(value=True)
    ).to_series()
    if bad.any():
        row = int(np.argmax(bad.to_numpy()))
        raise SkipThis("lake.bad_row", name=name, row=row, fault=f"unusable fact {table.row(row)}")
    return table.with_columns(pl.lit(source).alias("source"), pl.lit(mode.value).alias("mode"))


def merge(old: pl.DataFrame, new: pl.DataFrame, now: UtcMs) -> pl.DataFrame | None:
    """The month with the facts that say something new; None if none does.

    A fact says something new unless the latest one about its moment had this value already. One that
    contradicts a stored fact with the same `known_at` counts as known from `now` on: the past keeps
    what it believed.
    """
    keys = ["ts", "known_at"]
    fresh = new.unique([*keys, "value"], maintain_order=True).join(old, on=[*keys, "value"], how="anti")
    clash = old.select(*keys, pl.lit(value=True).alias("clash")).unique()
    later = pl.when(pl.col("clash")).then(pl.max_horizontal("known_at", pl.lit(now))).otherwise("known_at")
    dated = fresh.join(clash, on=keys, how="left").with_columns(later.alias("known_at"))
    table = pl.concat(
        [old.with_columns(old=pl.lit(value=True)), dated.select(*old.columns, old=pl.lit(value=False))]
    ).sort(keys, maintain_order=True)
    repeats = ~pl.col("old") & (pl.col("value") == pl.col("value").shift().over("ts")).fill_null(value=False)
    kept = table.filter(~repeats).drop("old")
    return kept if kept.height > old.height else None


def visible(
    table: pl.DataFrame, since: UtcMs | None, until: UtcMs | None, known_at: UtcMs | None
) -> pl.DataFrame:
    """One row a moment: the latest fact that was known at `known_at`; None leaves a side open."""
    inside = table if since is None else table.filter(pl.col("ts") >= since)
    inside = inside if until is None else inside.filter(pl.col("ts") < until)
    if known_at is not None:
        inside = inside.filter(pl.col("known_at") <= known_at)
    latest = inside.unique("ts", keep="last", maintain_order=True)
    return latest.select(_COLUMNS)
