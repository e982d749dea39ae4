"""The page at `/`: equity drawn as SVG, and tables. It loads nothing from elsewhere and runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from sereno.core.order import EquityPoint, Position
from sereno.core.signal import Signal
from sereno.core.timeframe import iso
from sereno.ops.facts import JobState, duration_s, job_states
from sereno.store.ledger import equity, positions
from sereno.store.ledger import signals as signal_rows
from sereno.surfaces.api.asked import TheDesk
from sereno.surfaces.api.health import look_at_clock

router = APIRouter()
WIDTH, HEIGHT, PAD = 860, 220, 34
MOST_POINTS = 600
STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --faint: #667085; --line: #d8dce4; --paper: #fff; --curve: #2457c5; --good: #1b7f4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --faint: #a3a9b8; --line: #343a48; --paper: #14171e; --curve: #8fb1ff; --good: #5fd39a; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; } p { color: var(--faint); margin-top: .2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; } th { color: var(--faint); font-weight: 500; }
.good { color: var(--good); } .bad { color: var(--bad); } svg { width: 100%; height: auto; } svg text { fill: var(--faint); font-size: 11px; } a { color: var(--curve); }
"""


@router.get("/", response_class=HTMLResponse, responses={200: {"content": {"text/html": {}}}})
def front_page(desk: TheDesk) -> HTMLResponse:
    """The desk at a glance."""
    now = look_at_clock(desk)
    with desk.ledger.read() as tx:
        states = job_states(tx, desk.settings)
        points = equity.sampled(tx, desk.mode, desk.account, MOST_POINTS)
        held = positions.open(tx, desk.mode, desk.account)
        closed = positions.recent(tx, desk.mode, desk.account, 12, closed_only=True)
        newest = signal_rows.recent(tx, None, 12, mode=desk.mode)
    body = "".join(
        (
            f"<h1>Sereno</h1><p>mode {escape(desk.mode)}, {iso(now) if now is not None else 'no clock'}; "
            "<a href='/health'>health</a> · <a href='/metrics'>metrics</a> · "
            "<a href='/openapi.json'>API</a>. The page renews itself.</p>",
            "<h2>Equity</h2>",
            curve(points),
            "<h2>Signals</h2>",
            _signals(newest),
            "<h2>Positions</h2>",
            _positions([*held, *closed]),
            "<h2>Jobs</h2>",
            _jobs(states),
        )
    )
    return HTMLResponse(
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Sereno</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<meta http-equiv='refresh' content='10'><style>{STYLE}</style></head><body>{body}</body></html>",
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


def curve(points: Sequence[EquityPoint]) -> str:
    """The equity curve as one SVG; a line of text while there are fewer than two points."""
    if len(points) < 2:
        return "<p>No trade has changed the account yet.</p>"
    values = [float(point.equity_quote) for point in points]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    first, last = points[0].ts, points[-1].ts
    wide = (last - first) or 1

    def at(point: EquityPoint, value: float) -> str:
        x = PAD + (point.ts - first) / wide * (WIDTH - 2 * PAD)
        y = HEIGHT - PAD - (value - low) / span * (HEIGHT - 2 * PAD)
        return f"{x:.1f},{y:.1f}"

    line = " ".join(at(point, value) for point, value in zip(points, values, strict=True))
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='Equity from {values[0]:.2f} to {values[-1]:.2f}'>"
        f"<polyline points='{line}' fill='none' stroke='var(--curve)' stroke-width='1.8'/>"
        f"<text x='{PAD}' y='{PAD - 12}'>{high:,.2f}</text><text x='{PAD}' y='{HEIGHT - PAD + 16}'>{low:,.2f}</text>"
        f"<text x='{WIDTH - PAD}' y='{HEIGHT - 4}' text-anchor='end'>{iso(last)[:16]}</text>"
        f"<text x='{PAD}' y='{HEIGHT - 4}'>{iso(first)[:16]}</text></svg>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return f"<p>{escape(empty)}</p>"
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    return f"<div class='scroll'><table><tr>{titles}</tr>{body}</table></div>"


def _signals(found: Sequence[Signal]) -> str:
    rows = (
        (
            iso(s.ts)[:16],
            escape(f"{s.series.instrument.symbol} {s.series.timeframe}"),
            escape(s.decision),
            "-" if s.confidence is None else f"{s.confidence:.3f}",
            escape(s.regime),
            escape(s.reason),
        )
        for s in found
    )
    return _table(
        ("closed", "series", "decision", "confidence", "regime", "reason"),
        rows,
        "No signal has been made yet.",
    )


def _positions(found: Sequence[Position]) -> str:
    rows = (
        (
            escape(p.series.instrument.symbol),
            escape(p.side),
            f"{p.quantity_base:f}",
            iso(p.entry_ms)[:16],
            f"{p.entry_price:.2f}",
            "open" if p.exit_ms is None else f"{iso(p.exit_ms)[:16]} ({escape(str(p.exit_reason))})",
            ""
            if p.pnl_quote is None
            else f"<span class='{'good' if p.pnl_quote >= 0 else 'bad'}'>{p.pnl_quote:+.2f}</span>",
        )
        for p in found
    )
    head = ("instrument", "side", "quantity", "entry", "price", "exit", "result")
    return _table(head, rows, "No position has been opened yet.")


def _jobs(states: Sequence[JobState]) -> str:
    return _table(
        ("job", "state", "newest run", "took", "what went wrong"), map(_job, states), "There are no jobs."
    )


def _job(state: JobState) -> tuple[str, ...]:
    run = state.last
    took = duration_s(run)
    word = (
        ("alive" if state.alive else "not running") if state.alive is not None else run.status if run else "-"
    )
    bad = word in ("error", "timeout", "abandoned", "not running")
    return (
        escape(state.job.name),
        f"<span class='{'bad' if bad else 'good'}'>{escape(word)}</span>",
        iso(run.started_ms)[:16] if run else "-",
        "-" if took is None else f"{took:.1f} s",
        escape((run.error or "")[:120]) if run else "",
    )
