"""What a soak showed: runs, failures, signals, trades, equity and the invariants, as text and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sereno.core.files import replace_file
from sereno.core.page import Drawn, Kind, Listing, Section, Words, page
from sereno.core.timeframe import DAY_MS, UtcMs, iso
from sereno.ops.curve import curve
from sereno.ops.invariants import INVARIANTS, MOST
from sereno.ops.retention import signals_whole_since
from sereno.ops.run import Finished
from sereno.store.ledger import equity, positions, signals
from sereno.trading.statistics import Statistics, statistics

if TYPE_CHECKING:
    from sereno.ops.app import Desk

MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class SoakReport:
    """Figures of a soak.

    broken     the violations by invariant, none when it held
    ended_by   the signal that ended it before its time; empty: it went to its end
    """

    start_ms: UtcMs
    end_ms: UtcMs
    wall_s: float
    runs: dict[str, tuple[int, int, float]]
    failures: tuple[str, ...]
    decisions: dict[str, int]
    reasons: dict[str, int]
    figures: Statistics
    first_equity: str
    last_equity: str
    curve: tuple[tuple[UtcMs, float], ...]
    broken: dict[str, tuple[str, ...]]
    ended_by: str = ""

    @property
    def well(self) -> bool:
        """Whether it went to its end, nothing failed and every invariant held."""
        return not self.ended_by and not self.failures and not any(self.broken.values())

    @classmethod
    def of(
        cls,
        desk: Desk,
        runs: Sequence[Finished],
        start_ms: UtcMs,
        end_ms: UtcMs,
        wall_s: float,
        *,
        ended_by: str = "",
    ) -> SoakReport:
        """Read from the ledger what came of the runs."""
        since = max(start_ms, signals_whole_since(desk.settings.retention, end_ms))
        with desk.ledger.read() as tx:
            made = signals.recent(tx, None, MOST, since - DAY_MS, mode=desk.mode)
            closed = positions.recent(tx, desk.mode, desk.account, MOST, closed_only=True)
            points = equity.series(tx, desk.mode, desk.account, since=start_ms)
        results = [float(p.pnl_quote) for p in reversed(closed) if p.pnl_quote is not None]
        initial = float(desk.settings.risk.initial_equity_quote)
        return cls(
            start_ms=start_ms,
            end_ms=end_ms,
            wall_s=wall_s,
            runs=_by_job(runs),
            failures=tuple(
                f"{r.job} at {iso(r.started_ms)}: {r.error}" for r in runs if r.status != "success"
            ),
            decisions=dict(Counter(s.decision.value for s in made)),
            reasons=dict(Counter(s.reason for s in made).most_common()),
            figures=statistics(results, initial_equity_quote=initial),
            first_equity=f"{points[0].equity_quote:.2f}" if points else "-",
            last_equity=f"{points[-1].equity_quote:.2f}" if points else "-",
            curve=tuple((p.ts, float(p.equity_quote)) for p in points),
            broken={name: tuple(check(desk, since)) for name, check in INVARIANTS},
            ended_by=ended_by,
        )

    def lines(self) -> Iterator[str]:
        """For the terminal."""
        days = (self.end_ms - self.start_ms) / DAY_MS
        yield f"{days:.1f} simulated days, {iso(self.start_ms)} to {iso(self.end_ms)}, in {self.wall_s:.0f} s"
        if self.ended_by:
            yield f"INTERRUPTED by {self.ended_by}: what follows is of the days until then"
        for job, (count, failed, seconds) in self.runs.items():
            yield f"  {job:<13} {count:>6} runs  {failed:>4} failed  {seconds:>8.1f} s"
        yield "signals: " + _counted(self.decisions) + "; reasons: " + _counted(self.reasons)
        f = self.figures
        yield f"trades {f.trades}, net {f.net_quote:.2f}, equity {self.first_equity} to {self.last_equity}"
        for name, faults in self.broken.items():
            yield f"  {'holds ' if not faults else 'BROKEN'}  {name}"
            yield from (f"          {fault}" for fault in faults[:MOST_FAULTS])
        yield from (f"  FAILED  {failure}" for failure in self.failures[:MOST_FAULTS])
        yield "all well" if self.well else "NOT well"


def _by_job(runs: Sequence[Finished]) -> dict[str, tuple[int, int, float]]:
    found: dict[str, tuple[int, int, float]] = {}
    for run in runs:
        count, failed, seconds = found.get(run.job, (0, 0, 0.0))
        found[run.job] = (count + 1, failed + (run.status != "success"), seconds + run.duration_s)
    return found


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items()) or "none"


def write_soak_report(path: Path, report: SoakReport) -> None:
    """The same as a page that needs nothing else, with the equity curve."""
    badge = Words("all well", Kind.GOOD) if report.well else Words("NOT well", Kind.BAD)
    parts = (Drawn(curve(report.curve), "curve"), Listing(tuple(report.lines())))
    replace_file(path, page("Simulated days", (Section("", parts),), badge=badge))
