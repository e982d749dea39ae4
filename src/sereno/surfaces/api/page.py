"""The page at `/`: equity drawn as SVG, and tables. It loads nothing from elsewhere and runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from sereno.core.order import EquityPoint, Position
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import UtcMs
from sereno.ops.app import Desk
from sereno.ops.curve import curve, minute
from sereno.ops.facts import JobState, duration_s, job_states
from sereno.ops.provenance import world_words
from sereno.store.ledger import equity, positions
from sereno.store.ledger import signals as signal_rows
from sereno.surfaces.api.asked import TheDesk
from sereno.surfaces.api.health import Health, look

router = APIRouter()
MOST_POINTS = 600
RENEW_S = 10
WRONG = ("error", "timeout", "abandoned", "not running")
COLOURS = {Decision.LONG: "good", Decision.SHORT: "bad", Decision.NO_TRADE: "faint"}
STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --faint: #667085; --line: #d8dce4; --paper: #fff; --curve: #2457c5; --good: #1b7f4b; --bad: #b3261e; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --faint: #a3a9b8; --line: #343a48; --paper: #14171e; --curve: #8fb1ff; --good: #5fd39a; --bad: #ff8a80; --warn: #f2c14e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; } p { color: var(--faint); margin-top: .2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; } th { color: var(--faint); font-weight: 500; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); } .faint { color: var(--faint); } small { font-size: .9rem; font-weight: 500; } b { color: var(--ink); font-size: 1.2rem; } svg { width: 100%; min-width: 36rem; height: auto; } a { color: var(--curve); }
"""


@router.get("/", response_class=HTMLResponse, responses={200: {"content": {"text/html": {}}}})
def front_page(request: Request, desk: TheDesk) -> HTMLResponse:
    """The desk at a glance."""
    found = look(desk, beats=request.app.state.beats)
    with desk.ledger.read() as tx:
        states = job_states(tx, desk.settings)
        points = equity.sampled(tx, desk.mode, desk.account, MOST_POINTS)
        held = positions.open(tx, desk.mode, desk.account)
        closed = positions.recent(tx, desk.mode, desk.account, 12, closed_only=True)
        newest = signal_rows.recent(tx, None, 12, mode=desk.mode)
    body = "".join(
        (
            _header(desk, found),
            "<h2>Equity of the paper account</h2>",
            _account(points, held),
            f"<div class='scroll'>{curve([(p.ts, float(p.equity_quote)) for p in points])}</div>",
            "<h2>Signals</h2>",
            _signals(newest),
            "<h2>Positions</h2>",
            _positions([*held, *closed]),
            "<h2>Jobs</h2>",
            _jobs(states, found.now_ms, desk.settings.jobs.timezone),
        )
    )
    return HTMLResponse(
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Sereno</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<meta http-equiv='refresh' content='{RENEW_S}'><style>{STYLE}</style></head><body>{body}</body></html>",
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


def _header(desk: Desk, found: Health) -> str:
    at = minute(found.now_ms) if found.now_ms is not None else "no clock"
    word = "<span class='good'>well</span>" if found.well else "<span class='bad'>not well</span>"
    lines = "".join(
        f"<p class='{kind}'>{escape(text)}</p>"
        for kind, texts in (("bad", found.reasons), ("warn", found.notes))
        for text in texts
    )
    return (
        f"<h1>Sereno <small>{word}</small></h1><p>{escape(world_words(desk.settings))}; desk time {at} UTC; "
        "<a href='/health'>health</a> · <a href='/metrics'>metrics</a> · <a href='/openapi.json'>API</a>. "
        f"The page renews itself every {RENEW_S} s.</p>{lines}"
    )


def _account(points: Sequence[EquityPoint], held: Sequence[Position]) -> str:
    if not points:
        return ""
    now = points[-1]
    return (
        f"<p><b>{now.equity_quote:,.2f}</b> quote, of which {now.unrealised_quote:+,.2f} in "
        f"{len(held)} open position(s); {minute(now.ts)}</p>"
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
            minute(s.ts),
            escape(f"{s.series.instrument.symbol} {s.series.timeframe}"),
            f"<span class='{COLOURS[s.decision]}'>{escape(s.decision)}</span>",
            "-" if s.confidence is None else f"{s.confidence:.3f}",
            escape(s.regime),
            escape(s.reason),
        )
        for s in found
    )
    return _table(
        ("candle closed", "series", "decision", "confidence", "regime", "reason"),
        rows,
        "No signal has been made yet.",
    )


def _positions(found: Sequence[Position]) -> str:
    rows = (
        (
            escape(p.series.instrument.symbol),
            escape(p.side),
            f"{p.quantity_base:f}",
            minute(p.entry_ms),
            price(p.entry_price),
            f"open; stop {price(p.stop)}, target {price(p.target)}"
            if p.exit_ms is None
            else f"{minute(p.exit_ms)} ({escape(str(p.exit_reason))})",
            ""
            if p.pnl_quote is None
            else f"<span class='{'good' if p.pnl_quote >= 0 else 'bad'}'>{p.pnl_quote:+.2f}</span>",
        )
        for p in found
    )
    head = ("instrument", "side", "quantity", "entry", "price", "exit", "result, quote")
    return _table(head, rows, "No position has been opened yet.")


def price(value: Decimal) -> str:
    """Two digits behind the point; below 10 as many as there are."""
    return f"{value:,.2f}" if value >= 10 else f"{value.normalize():f}"


def _jobs(states: Sequence[JobState], now: UtcMs | None, zone: str) -> str:
    head = ("job", "state", "newest run", "took", "next", "what went wrong")
    return _table(head, (_job(state, now, zone) for state in states), "There are no jobs.")


def _job(state: JobState, now: UtcMs | None, zone: str) -> tuple[str, ...]:
    run = state.last
    took = duration_s(run)
    word = (
        ("alive" if state.alive else "not running") if state.alive is not None else run.status if run else "-"
    )
    due = None if state.job.is_daemon or now is None else state.job.schedule.next_after(now, zone)
    kind = "faint" if word == "-" else "bad" if word in WRONG else "good"
    return (
        escape(state.job.name),
        f"<span class='{kind}'>{escape(word)}</span>",
        minute(run.started_ms) if run else "-",
        "-" if took is None else f"{took:.1f} s",
        "" if due is None else minute(due),
        escape((run.error or "")[:120]) if run else "",
    )
