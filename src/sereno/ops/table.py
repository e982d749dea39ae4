"""The live table, drawn with Rich from a snapshot."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sereno.core.signal import Signal
from sereno.core.timeframe import iso
from sereno.ops.facts import JobState, duration_s
from sereno.ops.snapshot import Snapshot, ended_words

COLOURS = {"success": "green", "running": "cyan", "error": "red", "timeout": "red", "abandoned": "yellow"}


def draw(snapshot: Snapshot) -> RenderableType:
    """Header, jobs, series, signals, positions."""
    parts: list[RenderableType] = [_header(snapshot), _jobs(snapshot)]
    if snapshot.newest:
        parts.append(_series(snapshot))
    parts.append(_signals(snapshot))
    if snapshot.positions:
        parts.append(_positions(snapshot))
    return Group(*parts)


def _header(s: Snapshot) -> Text:
    at = iso(s.now_ms) if s.now_ms is not None else "the world's clock does not run"
    text = Text.assemble(("Sereno ", "bold"), f"{s.mode}  {at}   equity ")
    if s.equity:
        text.append(f"{s.equity.equity_quote:,.2f}", style="bold")
        text.append(f" (open {s.equity.unrealised_quote:+,.2f})")
    else:
        text.append("-")
    text.append(f"   positions {len(s.positions)} open, {s.closed} closed")
    if s.world_ended_ms is not None:
        text.append(f"\n{ended_words(s.world_ended_ms)}", style="yellow")
    for one in s.entries:
        text.append(f"\n{one.message}", style="bold red" if one.severity.wakes else "yellow")
    if s.api:
        text.append(f"\nAPI {s.api}", style="cyan")
    if s.report:
        text.append(f"   report {s.report}", style="cyan")
    return text


def _jobs(s: Snapshot) -> Table:
    table = Table(title="jobs", title_justify="left", expand=False, box=None, pad_edge=False)
    for column in ("job", "state", "last run", "took", "rows", "next", "what went wrong"):
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for state in s.jobs:
        table.add_row(*_job_row(s, state))
    return table


def _job_row(s: Snapshot, state: JobState) -> tuple[str | Text, ...]:
    run = state.last
    if state.alive is not None:
        word = Text("alive", "green") if state.alive else Text("not running", "red")
    elif state.job.name in s.running:
        word = Text("running", "cyan")
    elif run is None:
        word = Text("-")
    else:
        word = Text(run.status, COLOURS.get(run.status, ""))
    took = duration_s(run)
    due = s.next_ms.get(state.job.name)
    return (
        state.job.name,
        word,
        iso(run.started_ms)[:16] if run else "-",
        "-" if took is None else f"{took:.1f} s",
        "-" if run is None or run.rows is None else str(run.rows),
        iso(due)[:16] if due else "",
        Text((run.error or "")[:60] if run else "", "red"),
    )


def _series(s: Snapshot) -> Table:
    table = Table(title="series", title_justify="left", box=None, pad_edge=False)
    for column in ("series", "newest candle"):
        table.add_column(column, no_wrap=True)
    for key, newest in sorted(s.newest.items()):
        table.add_row(key, newest[:16])
    return table


def _signals(s: Snapshot) -> Table:
    table = Table(title="signals", title_justify="left", box=None, pad_edge=False)
    for column in ("closed", "series", "decision", "confidence", "regime", "reason"):
        table.add_column(column, no_wrap=True)
    for signal in s.signals:
        table.add_row(*_signal_row(signal))
    return table


def _signal_row(signal: Signal) -> tuple[str | Text, ...]:
    colour = {"LONG": "green", "SHORT": "red"}.get(signal.decision, "")
    return (
        iso(signal.ts)[:16],
        f"{signal.series.instrument.symbol} {signal.series.timeframe}",
        Text(signal.decision, colour),
        "-" if signal.confidence is None else f"{signal.confidence:.3f}",
        signal.regime.value,
        signal.reason,
    )


def _positions(s: Snapshot) -> Table:
    table = Table(title="open positions", title_justify="left", box=None, pad_edge=False)
    for column in ("since", "instrument", "side", "quantity", "entry", "stop", "target", "bars"):
        table.add_column(column, no_wrap=True)
    for p in s.positions:
        table.add_row(
            iso(p.entry_ms)[:16],
            p.series.instrument.symbol,
            p.side.value,
            f"{p.quantity_base:f}",
            f"{p.entry_price:.4f}",
            f"{p.stop:.4f}",
            f"{p.target:.4f}",
            str(p.bars_held),
        )
    return table
