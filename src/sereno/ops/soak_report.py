"""What a soak showed: runs, failures, signals, trades, equity and the invariants, as text and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sereno.core.files import replace_file
from sereno.core.order import Position
from sereno.core.page import Drawn, Figure, Kind, Section, Table, Words, minute, page, price
from sereno.core.timeframe import DAY_MS, HOUR_MS, UtcMs, iso
from sereno.ops.curve import curve
from sereno.ops.invariants import INVARIANTS, MOST
from sereno.ops.retention import signals_whole_since
from sereno.ops.run import Finished
from sereno.store.ledger import equity, positions, signals
from sereno.trading.statistics import Statistics, statistics

if TYPE_CHECKING:
    from sereno.ops.app import Desk

MOST_FAULTS = 20
MOST_TRADES = 100


@dataclass(frozen=True, slots=True)
class SoakReport:
    """Figures of a soak.

    runs       by job: how many, how many failed, wall seconds of all
    signals    how many by decision and reason, the most frequent first
    trades     round trips that ended in it, the newest first
    broken     the violations by invariant, none when it held
    ended_by   the signal that ended it before its time; empty: it went to its end
    """

    start_ms: UtcMs
    end_ms: UtcMs
    wall_s: float
    runs: dict[str, tuple[int, int, float]]
    failures: tuple[str, ...]
    signals: dict[tuple[str, str], int]
    trades: tuple[Position, ...]
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
        trades = tuple(p for p in closed if p.exit_ms is not None and p.exit_ms >= start_ms)
        results = [float(p.pnl_quote) for p in reversed(trades) if p.pnl_quote is not None]
        initial = float(desk.settings.risk.initial_equity_quote)
        return cls(
            start_ms=start_ms,
            end_ms=end_ms,
            wall_s=wall_s,
            runs=_by_job(runs),
            failures=tuple(
                f"{r.job} at {iso(r.started_ms)}: {r.error}" for r in runs if r.status != "success"
            ),
            signals=dict(Counter((s.decision.value, s.reason) for s in made).most_common()),
            trades=trades,
            figures=statistics(results, initial_equity_quote=initial),
            first_equity=f"{points[0].equity_quote:.2f}" if points else "-",
            last_equity=f"{points[-1].equity_quote:.2f}" if points else "-",
            curve=tuple((p.ts, float(p.equity_quote)) for p in points),
            broken={name: tuple(check(desk, since)) for name, check in INVARIANTS},
            ended_by=ended_by,
        )

    @property
    def span(self) -> str:
        """How long it was, from when to when, and what that took."""
        span_ms = self.end_ms - self.start_ms
        long = f"{span_ms / DAY_MS:.1f} simulated days"
        if span_ms < 2 * DAY_MS:
            long = f"{span_ms / HOUR_MS:.1f} simulated hours"
        return f"{long}, {iso(self.start_ms)} to {iso(self.end_ms)}, in {self.wall_s:.0f} s"

    @property
    def cut(self) -> str:
        """That it did not go to its end."""
        return f"INTERRUPTED by {self.ended_by}: what follows is of the time until then"

    def lines(self) -> Iterator[str]:
        """For the terminal."""
        yield self.span
        if self.ended_by:
            yield self.cut
        for job, (count, failed, seconds) in self.runs.items():
            yield f"  {job:<13} {count:>6} runs  {failed:>4} failed  {seconds:>8.1f} s"
        told = ", ".join(f"{decision} {reason} {n}" for (decision, reason), n in self.signals.items())
        yield f"signals: {told or 'none'}"
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


def write_soak_report(path: Path, report: SoakReport) -> None:
    """The same as a page that needs nothing else, with the equity curve."""
    badge = Words("all well", Kind.GOOD) if report.well else Words("NOT well", Kind.BAD)
    cut = (Words(report.cut, Kind.WARN),) if report.ended_by else ()
    f = report.figures
    told = f"quote, from {report.first_equity}; {f.trades} trades closed, net {f.net_quote:+.2f}"
    sections = (
        Section("", (Words(report.span), *cut)),
        *((Section("What failed", (_failures(report),)),) if report.failures else ()),
        Section(
            "Equity of the paper account",
            (Figure(report.last_equity, told), Drawn(curve(report.curve), "curve")),
        ),
        Section("Trades", (_trades(report),)),
        Section("Signals", (_signals(report),)),
        Section("Jobs", (_jobs(report),)),
        Section("What must hold", (_invariants(report),)),
    )
    replace_file(path, page("Simulated run", sections, badge=badge))


def _failures(report: SoakReport) -> Table:
    more = len(report.failures) - MOST_FAULTS
    rows = [*report.failures[:MOST_FAULTS], *((f"and {more} more",) if more > 0 else ())]
    return Table(("run",), tuple((Words(row, Kind.BAD),) for row in rows))


def _trades(report: SoakReport) -> Table:
    head = ("instrument", "side", "quantity", "entry", "price", "exit", "price", "why", "result, quote")
    rows = tuple(_trade(p) for p in report.trades[:MOST_TRADES])
    return Table(head, rows, "No position was closed.")


def _trade(p: Position) -> tuple[str | Words, ...]:
    pnl = p.pnl_quote
    return (
        p.series.instrument.symbol,
        p.side.value,
        f"{p.quantity_base:f}",
        minute(p.entry_ms),
        price(p.entry_price),
        "-" if p.exit_ms is None else minute(p.exit_ms),
        "-" if p.exit_price is None else price(p.exit_price),
        p.exit_reason or "-",
        "-" if pnl is None else Words(f"{pnl:+.2f}", Kind.GOOD if pnl >= 0 else Kind.BAD),
    )


def _signals(report: SoakReport) -> Table:
    rows = tuple((decision, reason, f"{n:,}") for (decision, reason), n in report.signals.items())
    return Table(("decision", "reason", "signals"), rows, "No signal was made.")


def _jobs(report: SoakReport) -> Table:
    rows = tuple(
        (job, f"{count:,}", Words(str(failed), Kind.BAD if failed else Kind.FAINT), f"{seconds:.1f}")
        for job, (count, failed, seconds) in report.runs.items()
    )
    return Table(("job", "runs", "failed", "seconds"), rows, "No job ran.", figures=True)


def _invariants(report: SoakReport) -> Table:
    rows: list[tuple[str | Words, ...]] = []
    for name, faults in report.broken.items():
        rows.append((name, Words("BROKEN", Kind.BAD) if faults else Words("holds", Kind.GOOD)))
        rows += [("", Words(fault, Kind.BAD)) for fault in faults[:MOST_FAULTS]]
    return Table(("rule", "state"), tuple(rows))
