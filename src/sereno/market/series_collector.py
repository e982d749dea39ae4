"""Bringing one series up to date: back-fill, increment, correction, repair.

Pages are stored oldest first, so whatever was stored before an interruption has no hole behind it
and the next cycle goes on from its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from sereno.core.candle import Candle, Candles
from sereno.core.clock import Clock
from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.settings.history import History
from sereno.core.settings.sections import CandleSettings
from sereno.core.timeframe import DAY_MS, Timeframe, UtcMs, iso
from sereno.market import gaps
from sereno.market.closing import closed_only
from sereno.market.quality import Defect, QualityFinding, merged, sift, staleness, suspicious
from sereno.market.reach import is_listing, refuse_too_little, start_of
from sereno.market.venue import Venue
from sereno.store.lake import Lake
from sereno.store.lake_words import Extent, Gap

log = structlog.get_logger(__name__)

REREAD_BARS = 3
STORE_ROWS = 10_000
JUDGED_ROWS = 50_000
LEVEL_BARS = 10
LARGE_GAP_BARS = 100  # a hole of so many candles is worth a warning
MOST_GAPS_A_CYCLE = 50
ASK_AGAIN_MS = 7 * DAY_MS
MOST_ASKED_AGAIN = 5
FINAL_AFTER_MS = DAY_MS  # until a hole's last candle closed this long ago, the hole is asked for again

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Tally:
    """What has happened to one series so far in this cycle."""

    rows_told: int = 0
    rows_added: int = 0
    corrections: int = 0
    gaps_repaired: int = 0
    gaps_unrepairable: int = 0
    first_added_ms: UtcMs | None = None
    findings: list[QualityFinding] = field(default_factory=list)

    def report(self) -> tuple[QualityFinding, ...]:
        """The findings, one a kind."""
        return merged(self.findings)


@dataclass(frozen=True, slots=True)
class CycleContext:
    """What one series needs around it. `offset_ms` is the venue's clock minus ours; `histories` is what
    training takes of traded timeframes."""

    venue: Venue
    lake: Lake
    clock: Clock
    settings: CandleSettings
    mode: Mode
    source: str
    offset_ms: int
    progress: Progress | None = None
    histories: Mapping[Timeframe, History] = field(default_factory=dict)


class SeriesCollector:
    """One series in one cycle."""

    def __init__(self, around: CycleContext, series: Series) -> None:
        self.series = series
        self.tally = Tally()
        self._around = around
        self._tf = series.timeframe
        self._page_rows = min(around.settings.page_rows, around.venue.page_rows)
        self._buffer: list[Candles] = []
        self._asked_before: tuple[Gap, ...] = ()
        self._done_rows = 0
        self._total_rows = 0

    async def run(self) -> None:
        """Collect; what was read is stored even when a later page fails.

        Raises SkipThis when not a single candle is stored after it, or fewer than training takes.
        """
        lake, series = self._around.lake, self.series
        lake.verify(series, now=self._around.clock.now_ms())
        now = self._venue_now()
        newest_closed = self._tf.last_closed_open(now)
        history = self._around.histories.get(self._tf)
        start = start_of(self._tf, now, self._around.settings, history)
        earlier = lake.extent(series)
        self._let_gaps_be_asked_again()
        ranges = self._ranges(start, newest_closed)
        self._total_rows = sum(gaps.opens(r, self._tf) for r in ranges)
        for wanted in ranges:
            await self._fetch(wanted)
        await self._note_listing(start, earlier)
        await self._repair()
        self._judge()
        stored = lake.extent(series)
        if stored is None:
            raise self._nothing()
        refuse_too_little(stored, self._tf, history, venue=self._around.venue.name)

    def _let_gaps_be_asked_again(self) -> None:
        """Holes that were asked for once are holes again, and a few that were given up long ago: a venue may
        back-fill its history."""
        long_ago = self._around.clock.now_ms() - ASK_AGAIN_MS
        lake, series = self._around.lake, self.series
        known = lake.known_gaps(series)
        once = [gap for gap in known if gap.reason == gaps.ASKED_ONCE]
        due = sorted((g for g in known if g.asked_ms <= long_ago and g not in once), key=lambda g: g.asked_ms)
        self._asked_before = (*once, *due[:MOST_ASKED_AGAIN])
        for gap in self._asked_before:
            lake.forget_gap(series, gap)

    def _nothing(self) -> SkipThis:
        """Why there is no candle at all."""
        if not self.tally.rows_told:
            return SkipThis("venue.empty_history", remedy="the venue tells no candles: is it traded there?")
        if any(finding.dropped for finding in self.tally.findings):
            return SkipThis("venue.unusable_history", remedy="every candle that the venue tells is unusable")
        return SkipThis("venue.too_young", remedy="no candle has closed yet; it is asked again")

    def _ranges(self, start: UtcMs, newest_closed: UtcMs) -> list[Gap]:
        """What to ask for, oldest first: history before the first candle, then from the last ones on."""
        stored = self._around.lake.extent(self.series)
        if stored is None:
            return [Gap(start, newest_closed, "history")] if start <= newest_closed else []
        step = self._tf.ms
        again = max(stored.first_open_ms, stored.last_open_ms - (REREAD_BARS - 1) * step)
        older = [Gap(start, stored.first_open_ms - step, "history")] if start < stored.first_open_ms else []
        known = self._around.lake.known_gaps(self.series)
        newer = [Gap(again, newest_closed, "increment")] if again <= newest_closed else []
        return [*gaps.without(older, known, self._tf), *newer]

    async def _fetch(self, wanted: Gap) -> bool:
        """Read and store a range, also if a later page of it fails; whether rows had to be dropped."""
        try:
            return await self._read(wanted)
        finally:
            self._store()

    async def _read(self, wanted: Gap) -> bool:
        """Page by page, oldest first. An empty page says that its whole span is empty."""
        since, dropped = wanted.first_open_ms, False
        level = self._close_before(since)
        while since <= wanted.last_open_ms:
            rows_left = (wanted.last_open_ms - since) // self._tf.ms + 1
            page, bad = await self._page(since, min(self._page_rows, rows_left + 2), level)
            dropped |= bad
            inside = page.between(since, wanted.last_open_ms + 1)
            self._keep(inside)
            if len(inside):
                level = float(inside.close[-1])
                reached = int(inside.open_ms[-1])
            elif len(page):
                reached = wanted.last_open_ms
            else:
                reached = since + (self._page_rows - 1) * self._tf.ms
            self._tell(since, min(reached, wanted.last_open_ms))
            since = reached + self._tf.ms
        return dropped

    def _close_before(self, since: UtcMs) -> float | None:
        """Close of the candle that is stored not long before a moment; what follows is judged by it."""
        known = self._around.lake.candles(self.series, since - LEVEL_BARS * self._tf.ms, since)
        return float(known.close[-1]) if len(known) else None

    async def _page(self, since: UtcMs, limit: int, level: float | None) -> tuple[Candles, bool]:
        """Closed and sound candles of one page, and whether any were dropped; `level` is the close before."""
        asked, venue_asked = self._around.clock.now_ms(), self._venue_now()
        rows = await self._around.venue.candles(self.series.instrument, self._tf, since, limit)
        self.tally.rows_told += len(rows)
        received = max(self._around.clock.now_ms(), self._venue_now())
        expected = [row for row in rows if row.open_ms <= received]
        self._note_future(rows, expected)
        sifted = sift(expected, self._tf, before=level)
        self.tally.findings += sifted.findings
        closed = closed_only(
            sifted.candles,
            asked_ms=asked,
            venue_asked_ms=venue_asked,
            settle_ms=int(self._around.settings.settle_s * 1000),
        )
        return closed, len(expected) < len(rows) or any(f.dropped for f in sifted.findings)

    def _note_future(self, rows: list[Candle], expected: list[Candle]) -> None:
        if len(expected) < len(rows):
            first = min({row.open_ms for row in rows} - {row.open_ms for row in expected})
            missing = len(rows) - len(expected)
            self.tally.findings.append(QualityFinding(Defect.IN_THE_FUTURE, first, missing, dropped=True))

    def _keep(self, candles: Candles) -> None:
        if len(candles):
            self._buffer.append(candles)
        if sum(map(len, self._buffer)) >= STORE_ROWS:
            self._store()

    def _store(self) -> None:
        """Hand what was read to the lake in one piece."""
        if not self._buffer:
            return
        block, self._buffer = _joined(self._buffer), []
        around = self._around
        stored = around.lake.extent(self.series)
        done = around.lake.append(
            self.series, block, source=around.source, mode=around.mode, now=around.clock.now_ms()
        )
        self.tally.rows_added += done.added
        self.tally.corrections += len(done.corrections)
        if done.added:
            later = block if stored is None else block.between(stored.last_open_ms + 1, None)
            first = int((later if len(later) else block).open_ms[0])
            self.tally.first_added_ms = min(first, self.tally.first_added_ms or first)

    async def _note_listing(self, start: UtcMs, earlier: Extent | None) -> None:
        """Remember that the venue has nothing before its first candle, after asking once more.

        Its first candle in the answer proves it; that there is no candle must be said in two cycles.
        """
        stored = self._around.lake.extent(self.series)
        if stored is None or stored.first_open_ms <= start:
            return
        before = stored.first_open_ms - self._tf.ms
        older = Gap(start, before, gaps.BEFORE_LISTING)
        known = self._around.lake.known_gaps(self.series)
        if not gaps.without((older,), known, self._tf):
            return
        since = max(start, stored.first_open_ms - self._page_rows * self._tf.ms)
        page = await self._around.venue.candles(self.series.instrument, self._tf, since, self._page_rows)
        newest_closed = self._tf.last_closed_open(self._venue_now())
        if is_listing(page, stored, earlier, newest_closed):
            self._note(older, said_twice=bool(page) or self._was_asked(older))

    async def _repair(self) -> None:
        """Ask for the holes; note those that the venue cannot fill.

        Young holes, which a venue may still fill, are asked for again in each cycle; any hole in two cycles at
        least before it is given up, for a venue that has a bad minute answers with nothing, too.
        """
        lake, series, until = self._around.lake, self.series, self._venue_now()
        for hole in lake.missing(series, 0, until)[:MOST_GAPS_A_CYCLE]:
            dropped = await self._fetch(hole)
            left = lake.missing(series, hole.first_open_ms, hole.last_open_ms + 1)
            self.tally.gaps_repaired += not left
            reason = gaps.UNUSABLE if dropped else gaps.NOTHING_THERE
            for piece in left:
                if piece.last_open_ms + self._tf.ms > until - FINAL_AFTER_MS:
                    continue
                given_up, bars = self._was_asked(piece), gaps.opens(piece, self._tf)
                self._note(replace(piece, reason=reason), said_twice=given_up)
                self.tally.gaps_unrepairable += given_up
                if given_up and bars >= LARGE_GAP_BARS:
                    first = iso(piece.first_open_ms)
                    log.warning(
                        "candles.gap", series=series.key, first=first, missing_bars=bars, reason=reason
                    )

    def _was_asked(self, hole: Gap) -> bool:
        """Whether an earlier cycle asked for all of it in vain."""
        return not gaps.without((hole,), self._asked_before, self._tf)

    def _note(self, hole: Gap, *, said_twice: bool) -> None:
        """Record a hole: for a week, or, if the venue has denied it once only, until the next cycle."""
        reason = hole.reason if said_twice else gaps.ASKED_ONCE
        noted = replace(hole, reason=reason, asked_ms=self._around.clock.now_ms())
        self._around.lake.record_gap(self.series, noted)

    def _judge(self) -> None:
        """Look at what is stored now: what is new in it, and how old it is."""
        stored = self._around.lake.extent(self.series)
        if stored is None:
            return
        settings = self._around.settings
        self.tally.findings += staleness(
            stored.last_open_ms, self._tf, now=self._venue_now(), settings=settings
        )
        if self.tally.first_added_ms is None:
            return
        context_ms = (settings.zero_volume_run_bars + 1) * self._tf.ms
        window_ms = JUDGED_ROWS * self._tf.ms
        for since in range(self.tally.first_added_ms, stored.last_open_ms + 1, window_ms):
            self.tally.findings += suspicious(
                self._around.lake.candles(self.series, since - context_ms, since + window_ms),
                jump_frac=settings.jump_frac,
                zero_volume_run_bars=settings.zero_volume_run_bars,
                since=since,
            )

    def _venue_now(self) -> UtcMs:
        return self._around.clock.now_ms() + self._around.offset_ms

    def _tell(self, since: UtcMs, reached: UtcMs) -> None:
        self._done_rows += (reached - since) // self._tf.ms + 1
        if self._around.progress is not None:
            self._total_rows = max(self._total_rows, self._done_rows)
            self._around.progress(self.series.key, self._done_rows, self._total_rows)


def _joined(blocks: list[Candles]) -> Candles:
    """Blocks of one range after the other as one; overlaps at the seams are cut."""
    names = ("open_ms", "open", "high", "low", "close", "volume")
    columns = [np.concatenate([getattr(block, name) for block in blocks]) for name in names]
    rising = np.concatenate(([True], columns[0][1:] > np.maximum.accumulate(columns[0])[:-1]))
    return Candles(blocks[0].timeframe, *(column[rising] for column in columns))
