"""The page at `/`: equity drawn as SVG, and tables. It loads nothing from elsewhere and runs no script."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from sereno.core.instrument import Series
from sereno.core.order import EquityPoint, Position
from sereno.core.page import (
    Drawn,
    Figure,
    Kind,
    Links,
    Part,
    Section,
    Table,
    Words,
    minute,
    number,
    page,
    price,
)
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import UtcMs
from sereno.models.contract import Role
from sereno.ops.app import Desk
from sereno.ops.curve import curve
from sereno.ops.facts import JobState, duration_s, job_states
from sereno.ops.jobs import ANOMALY
from sereno.ops.provenance import world_words
from sereno.ops.served import pointers
from sereno.store.ledger import equity, findings, positions
from sereno.store.ledger import signals as signal_rows
from sereno.store.ledger.findings import Finding
from sereno.store.pointer import Pointer
from sereno.surfaces.api.asked import TheDesk
from sereno.surfaces.api.health import Health, look
from sereno.surfaces.api.reports import pages_in
from sereno.watch.checks import Severity

router = APIRouter()
MOST_POINTS = 600
RENEW_S = 10
FINDINGS_SEEN = 200
MOST_FINDINGS = 12
WRONG = ("error", "timeout", "abandoned", "not running")
KINDS = {Decision.LONG: Kind.GOOD, Decision.SHORT: Kind.BAD, Decision.NO_TRADE: Kind.FAINT}
SEVERITIES = {
    Severity.INFO: Kind.FAINT,
    Severity.WARNING: Kind.WARN,
    Severity.HIGH: Kind.BAD,
    Severity.CRITICAL: Kind.BAD,
}
WAYS = Links((("health", "/health"), ("metrics", "/metrics"), ("API", "/openapi.json")))


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
        noticed = _newest_of_each(findings.recent(tx, FINDINGS_SEEN))
    drawn = Drawn(curve([(p.ts, float(p.equity_quote)) for p in points]), "curve")
    sections = (
        Section("", _header(desk, found)),
        Section("Findings", (_findings(noticed, states),)),
        Section("Equity of the paper account", (*_account(points, held), drawn)),
        Section("Signals", (_signals(newest),)),
        Section("Positions", (_positions([*held, *closed]),)),
        Section("Models that serve", (_models(desk),)),
        Section("Jobs", (_jobs(states, found.now_ms, desk.settings.jobs.timezone),)),
        Section("Reports, newest first", (_reports(desk),)),
    )
    badge = _badge(found, noticed, states)
    return HTMLResponse(
        page("Sereno", sections, badge=badge, renew_s=RENEW_S),
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


def _header(desk: Desk, found: Health) -> tuple[Part, ...]:
    at = minute(found.now_ms) if found.now_ms is not None else "no clock"
    told = f"{world_words(desk.settings)}; desk time {at} UTC. The page renews itself every {RENEW_S} s."
    wrong = (Words(text, Kind.BAD) for text in found.reasons)
    notes = (Words(text, Kind.WARN) for text in found.notes)
    return (Words(told, Kind.FAINT), WAYS, *wrong, *notes)


def _account(points: Sequence[EquityPoint], held: Sequence[Position]) -> tuple[Part, ...]:
    if not points:
        return ()
    now = points[-1]
    text = f"quote, of which {now.unrealised_quote:+,.2f} in {len(held)} open position(s); {minute(now.ts)}"
    return (Figure(f"{now.equity_quote:,.2f}", text),)


def _newest_of_each(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The newest of each check and subject, the loudest of a look first: the same again tells nothing new."""
    newest: dict[tuple[str, str], Finding] = {}
    for one in found:
        newest.setdefault((one.check, one.subject), one)
    shown = sorted(newest.values(), key=lambda one: (-one.ts, -Severity(one.severity).rank))
    return tuple(shown[:MOST_FINDINGS])


def _is_current(one: Finding, states: Sequence[JobState]) -> bool:
    """Whether the newest look found it too."""
    look = next((s.last_well for s in states if s.job.name == ANOMALY), None)
    return look is None or one.ts >= look.started_ms


def _badge(found: Health, noticed: Sequence[Finding], states: Sequence[JobState]) -> Words:
    if not found.well:
        return Words("not well", Kind.BAD)
    if any(Severity(one.severity).wakes and _is_current(one, states) for one in noticed):
        return Words("well, but see the findings", Kind.WARN)
    return Words("well", Kind.GOOD)


def _findings(noticed: Sequence[Finding], states: Sequence[JobState]) -> Table:
    """What an earlier look found and the newest did not is faint."""
    rows = tuple(
        (
            Words(
                one.severity, SEVERITIES[Severity(one.severity)] if _is_current(one, states) else Kind.FAINT
            ),
            one.message,
            one.subject,
            one.check,
            minute(one.ts),
        )
        for one in noticed
    )
    return Table(("severity", "what", "of", "check", "noticed"), rows, "Nothing was noticed yet.")


def _models(desk: Desk) -> Table:
    told = pointers(desk)
    rows = tuple(_served(desk, series, told.get(series.key)) for series in desk.series)
    return Table(("series", *(role.value for role in Role)), rows)


def _served(desk: Desk, series: Series, pointer: Pointer | None) -> tuple[str | Words, ...]:
    return (series.key, *(_model(desk, role, series, pointer) for role in Role))


def _model(desk: Desk, role: Role, series: Series, pointer: Pointer | None) -> Words:
    version = None if pointer is None else pointer.versions.get(role)
    if pointer is None or version is None:
        return Words("none", Kind.BAD)
    manifest = desk.registry.manifest(role, series, version)
    if manifest is None:
        return Words(f"{version} cannot be read", Kind.BAD)
    held = ", held" if role in pointer.pins else ""
    return Words(f"{manifest.extra.get('kind', 'model')} of {minute(manifest.created_ms)}{held}")


def _reports(desk: Desk) -> Part:
    pages = pages_in(desk.paths.reports)
    if not pages:
        return Words("No report has been written yet.", Kind.FAINT)
    return Links(tuple((name.removesuffix(".html"), f"/reports/{name}") for name in pages))


def _signals(found: Sequence[Signal]) -> Table:
    rows = tuple(
        (
            minute(s.ts),
            f"{s.series.instrument.symbol} {s.series.timeframe}",
            Words(s.decision, KINDS[s.decision]),
            number(s.confidence, 3),
            s.regime.value,
            s.reason,
        )
        for s in found
    )
    head = ("candle closed", "series", "decision", "confidence", "regime", "reason")
    return Table(head, rows, "No signal has been made yet.")


def _positions(found: Sequence[Position]) -> Table:
    head = ("instrument", "side", "quantity", "entry", "price", "exit", "result, quote")
    return Table(head, tuple(_position(p) for p in found), "No position has been opened yet.")


def _position(p: Position) -> tuple[str | Words, ...]:
    return (
        p.series.instrument.symbol,
        p.side.value,
        f"{p.quantity_base:f}",
        minute(p.entry_ms),
        price(p.entry_price),
        f"open; stop {price(p.stop)}, target {price(p.target)}"
        if p.exit_ms is None
        else f"{minute(p.exit_ms)} ({p.exit_reason})",
        ""
        if p.pnl_quote is None
        else Words(f"{p.pnl_quote:+.2f}", Kind.GOOD if p.pnl_quote >= 0 else Kind.BAD),
    )


def _jobs(states: Sequence[JobState], now: UtcMs | None, zone: str) -> Table:
    head = ("job", "state", "newest run", "took", "next", "what went wrong")
    return Table(head, tuple(_job(state, now, zone) for state in states), "There are no jobs.")


def _job(state: JobState, now: UtcMs | None, zone: str) -> tuple[str | Words, ...]:
    run = state.last
    took = duration_s(run)
    word = (
        ("alive" if state.alive else "not running") if state.alive is not None else run.status if run else "-"
    )
    due = None if state.job.is_daemon or now is None else state.job.schedule.next_after(now, zone)
    return (
        state.job.name,
        Words(word, Kind.FAINT if word == "-" else Kind.BAD if word in WRONG else Kind.GOOD),
        minute(run.started_ms) if run else "-",
        "-" if took is None else f"{took:.1f} s",
        "" if due is None else minute(due),
        (run.error or "")[:120] if run else "",
    )
