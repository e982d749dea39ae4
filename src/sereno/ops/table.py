"""The live table, drawn with Rich from a snapshot, as much of it as the terminal has room for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from sereno.core.order import Position
from sereno.core.page import minute, price
from sereno.core.signal import Signal
from sereno.core.timeframe import DAY_MS, UtcMs
from sereno.ops.facts import FAILED, JobState, duration_s
from sereno.ops.fitting import Block, Column, Row, shares
from sereno.ops.snapshot import Snapshot, ended_words

COLOURS = {"success": "green", "running": "cyan", "error": "red", "timeout": "red", "abandoned": "yellow"}
POSITIONS = tuple(
    Column(title, rank)
    for title, rank in (
        ("open position", 0),
        ("side", 0),
        ("since", 0),
        ("bars", 2),
        ("quantity", 3),
        ("entry", 0),
        ("stop", 1),
        ("target", 1),
    )
)
SIGNALS = tuple(
    Column(title, rank)
    for title, rank in (
        ("signal", 0),
        ("series", 0),
        ("decision", 0),
        ("confidence", 1),
        ("regime", 2),
        ("reason", 0),
    )
)
JOBS = (
    Column("job"),
    Column("state"),
    Column("began", 1),
    Column("took", 3),
    Column("rows", 4),
    Column("next", 2),
    Column("what went wrong", flows=True),
)


def draw(snapshot: Snapshot) -> RenderableType:
    """Header, positions, signals, jobs and newest candles within the console's width and height."""
    return _Laid(snapshot)


@dataclass(frozen=True, slots=True)
class _Laid:
    """Laid out when it is shown, so that a terminal may change its size."""

    snapshot: Snapshot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width, height = options.max_width, options.max_height
        header = _header(self.snapshot, width)
        lines = height - len(header.wrap(console, width))
        blocks = (
            _positions(self.snapshot),
            _signals(self.snapshot),
            _jobs(self.snapshot),
            _candles(self.snapshot),
        )
        given = shares(blocks, lines)
        spare = lines - sum(n + 1 for n in given if n)
        yield header
        for block, rows in zip(blocks, given, strict=True):
            if rows:
                if spare >= len(blocks):
                    yield Text()
                yield block.drawn(width, rows)


def _header(s: Snapshot, width: int) -> Text:
    at = f"{minute(s.now_ms)} UTC" if s.now_ms is not None else "the world's clock does not run"
    parts = [Text.assemble(("Sereno", "bold"), f" {s.mode}"), Text(at), _equity(s)]
    parts.append(Text(f"positions {len(s.positions)} open, {s.closed} closed"))
    parts += [Text(f"API {s.api}", "cyan")] if s.api else []
    parts += [_report(s.report, width)] if s.report else []
    text = Text()
    room = width
    for part in parts:
        apart = "" if not text else "   " if len(part) + 3 <= room else "\n"
        room = (width if apart == "\n" else room - len(apart)) - len(part)
        text.append(apart).append_text(part)
    if s.world_ended_ms is not None:
        text.append(f"\n{ended_words(s.world_ended_ms)}", style="yellow")
    for one in s.entries:
        text.append(f"\n{one.message}", style="bold red" if one.severity.wakes else "yellow")
    return text


def _equity(s: Snapshot) -> Text:
    if s.equity is None:
        return Text("equity -")
    value = (f"{s.equity.equity_quote:,.2f}", "bold")
    return Text.assemble("equity ", value, f" (open {s.equity.unrealised_quote:+,.2f})")


def _report(path: str, width: int) -> Text:
    """The whole path where a line has room for it, else the name."""
    whole = Text(f"newest report {path}", "cyan")
    return whole if len(whole) <= width else Text(f"newest report {Path(path).name}", "cyan")


def _when(at: UtcMs, now: UtcMs | None) -> str:
    """`21:14` within a day from now, else with the day: `01-10 21:14`; with the year where no clock runs."""
    if now is None:
        return minute(at)
    return minute(at)[11:] if abs(at - now) < DAY_MS else minute(at)[5:]


def _row(*cells: str | Text, loud: bool = False) -> Row:
    return Row(tuple(Text(cell) if isinstance(cell, str) else cell for cell in cells), loud)


def _positions(s: Snapshot) -> Block:
    return Block(POSITIONS, tuple(_position(s, p) for p in s.positions), 3, "open positions")


def _position(s: Snapshot, p: Position) -> Row:
    return _row(
        p.series.instrument.symbol,
        p.side.value,
        _when(p.entry_ms, s.now_ms),
        str(p.bars_held),
        f"{p.quantity_base:f}",
        price(p.entry_price),
        price(p.stop),
        price(p.target),
    )


def _signals(s: Snapshot) -> Block:
    return Block(SIGNALS, tuple(_signal(s, one) for one in s.signals), 5)


def _signal(s: Snapshot, signal: Signal) -> Row:
    colour = {"LONG": "green", "SHORT": "red"}.get(signal.decision, "")
    return _row(
        _when(signal.ts, s.now_ms),
        f"{signal.series.instrument.symbol} {signal.series.timeframe}",
        Text(signal.decision, colour),
        "-" if signal.confidence is None else f"{signal.confidence:.3f}",
        signal.regime.value,
        signal.reason,
    )


def _jobs(s: Snapshot) -> Block:
    return Block(JOBS, tuple(_job(s, state) for state in s.jobs), 5, "jobs")


def _job(s: Snapshot, state: JobState) -> Row:
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
    return _row(
        state.job.name,
        word,
        _when(run.started_ms, s.now_ms) if run else "-",
        "-" if took is None else f"{took:.1f} s",
        "-" if run is None or run.rows is None else str(run.rows),
        _when(due, s.now_ms) if due else "",
        Text(" ".join((run.error or "").split()) if run else "", "red"),
        loud=state.alive is False or (run is not None and run.status in FAILED),
    )


def _candles(s: Snapshot) -> Block:
    """One line an instrument; under each timeframe when its newest candle closed."""
    timeframes = sorted(
        {timeframe for closes in s.closes.values() for timeframe in closes}, key=lambda t: t.ms
    )
    rows = (
        _row(key, *(_when(closes[t], s.now_ms) if t in closes else "-" for t in timeframes))
        for key, closes in sorted(s.closes.items())
    )
    columns = (Column("newest candle closed"), *(Column(t, rank) for rank, t in enumerate(timeframes)))
    return Block(columns, tuple(rows), 3, "instruments")
