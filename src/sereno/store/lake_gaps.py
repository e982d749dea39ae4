"""Which candles are not there: sums over the grid of open times."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import polars as pl

from sereno.core.candle import I64
from sereno.core.instrument import Series
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.store.lake_words import Gap
from sereno.store.manifest import Manifest

Span = tuple[UtcMs, UtcMs]


def runs(opens: I64, timeframe: Timeframe) -> list[Span]:
    """Inclusive spans without holes that sorted `opens` consists of."""
    if not len(opens):
        return []
    cuts = np.flatnonzero(np.diff(opens) > timeframe.ms)
    firsts = np.concatenate((opens[:1], opens[cuts + 1])).tolist()
    lasts = np.concatenate((opens[cuts], opens[-1:])).tolist()
    return list(zip(firsts, lasts, strict=True))


def uncovered(whole: Span, taken: Iterable[Span], timeframe: Timeframe) -> list[Span]:
    """The parts of `whole` that no span of `taken` covers; all inclusive and on the grid."""
    left: list[Span] = []
    cursor, end = whole
    for first, last in sorted(taken):
        if first > end:
            break
        if first > cursor:
            left.append((cursor, first - timeframe.ms))
        cursor = max(cursor, last + timeframe.ms)
    return [*left, (cursor, end)] if cursor <= end else left


def on_grid(span: Span, timeframe: Timeframe) -> Span:
    """The open times inside a span of moments."""
    first = timeframe.floor(span[0])
    return (first if first == span[0] else first + timeframe.ms), timeframe.floor(span[1])


def clipped(spans: Iterable[Span], since: UtcMs, until: UtcMs, timeframe: Timeframe) -> list[Span]:
    """The parts of `spans` with since <= open_ms < until."""
    first, last = on_grid((since, until - 1), timeframe)
    cut = ((max(span[0], first), min(span[1], last)) for span in spans)
    return [span for span in cut if span[0] <= span[1]]


def merged(gaps: Iterable[Gap], timeframe: Timeframe) -> tuple[Gap, ...]:
    """Gaps in order; touching ones with the same reason become one, asked for when the later one was."""
    out: list[Gap] = []
    for gap in sorted(gaps):
        if out and out[-1].reason == gap.reason and gap.first_open_ms <= out[-1].last_open_ms + timeframe.ms:
            last, asked = max(out[-1].last_open_ms, gap.last_open_ms), max(out[-1].asked_ms, gap.asked_ms)
            out[-1] = Gap(out[-1].first_open_ms, last, gap.reason, asked)
        else:
            out.append(gap)
    return tuple(out)


def holes(series: Series, manifest: Manifest, table: Callable[[str], pl.DataFrame]) -> list[Span]:
    """Spans that are missing inside the stored and the lost range, less what nobody has."""
    timeframe = series.timeframe
    contents = manifest.contents()
    lost = [on_grid((d.first_ms, d.last_ms), timeframe) for d in manifest.lost if d.has_range]
    bounds = [(content.first_ms, content.last_ms) for content in contents.values()] + lost
    if not bounds:
        return []
    whole = (min(first for first, _ in bounds), max(last for _, last in bounds))
    taken = [(gap.first_open_ms, gap.last_open_ms) for gap in manifest.known_gaps]
    for name, content in contents.items():
        if (content.last_ms - content.first_ms) // timeframe.ms + 1 == content.rows:
            taken.append((content.first_ms, content.last_ms))
        else:
            taken += runs(table(name)["open_ms"].to_numpy(), timeframe)
    return uncovered(whole, taken, timeframe)
