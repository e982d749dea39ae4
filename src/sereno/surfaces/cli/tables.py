"""Commands that show what is: jobs, positions, status; and the ledger's schema."""

from __future__ import annotations

from sereno.core.errors import SerenoError
from sereno.core.timeframe import iso
from sereno.ops.app import clock_of, open_desk_ledger
from sereno.surfaces.cli import context
from sereno.surfaces.cli.out import print_table, say


def jobs() -> None:
    """The table of jobs."""
    settings = context.to_read()
    from sereno.ops.snapshot import take_snapshot

    ledger = open_desk_ledger(settings, reading=True)
    snapshot = take_snapshot(settings, ledger, clock_of(settings))
    rows = []
    for state in snapshot.jobs:
        run = state.last
        due = ""
        if not state.job.is_daemon and snapshot.now_ms is not None:
            due = iso(state.job.schedule.next_after(snapshot.now_ms, settings.jobs.timezone))
        word = (
            ("alive" if state.alive else "not running")
            if state.alive is not None
            else run.status
            if run
            else "-"
        )
        rows.append((state.job.name, state.job.when.words, word, iso(run.started_ms) if run else "-", due))
    ledger.close()
    print_table(("job", "when", "state", "newest run", "next"), rows)


def positions(limit: int) -> None:
    """Open ones, closed ones, equity."""
    settings = context.to_read()
    from sereno.core.order import PAPER_ACCOUNT
    from sereno.store.ledger import equity
    from sereno.store.ledger import positions as kept

    ledger = open_desk_ledger(settings, reading=True)
    with ledger.read() as tx:
        found = [
            *kept.open(tx, settings.mode, PAPER_ACCOUNT),
            *kept.recent(tx, settings.mode, PAPER_ACCOUNT, limit, closed_only=True),
        ]
        point = equity.latest(tx, settings.mode, PAPER_ACCOUNT)
    ledger.close()
    rows = (
        (
            p.series.instrument.symbol,
            p.side.value,
            f"{p.quantity_base:f}",
            iso(p.entry_ms),
            f"{p.entry_price:.4f}",
            f"{p.stop:.4f}",
            f"{p.target:.4f}",
            iso(p.exit_ms) if p.exit_ms is not None else "open",
            p.exit_reason.value if p.exit_reason else "",
            f"{p.pnl_quote:+.4f}" if p.pnl_quote is not None else "",
        )
        for p in found
    )
    print_table(
        ("instrument", "side", "quantity", "entry", "price", "stop", "target", "exit", "reason", "result"),
        rows,
    )
    if point is None:
        say("no account has been opened yet")
    else:
        say(
            f"equity {point.equity_quote:.2f} at {iso(point.ts)}, of which open {point.unrealised_quote:+.2f}"
        )


def status() -> int:
    """Health by its parts; 1 when something fails."""
    settings = context.to_read()
    from sereno.ops.app import Desk
    from sereno.ops.simulate import other_worlds
    from sereno.ops.snapshot import take_snapshot
    from sereno.surfaces.api.health import look

    with Desk(settings, reading=True) as desk:
        only_read, found = desk.only_reads, look(desk, own=None)
        try:
            say(take_snapshot(settings, desk.ledger, desk.clock).line())
        except SerenoError as cause:
            say(str(cause))
    print_table(("part", "state"), ((name, "ok" if well else "FAILS") for name, well in found.checks.items()))
    others = other_worlds(settings)
    beside = (f"{len(others)} other worlds lie beside {settings.paths.root}: {', '.join(others)}",)
    untried = (
        f"this user may only read {settings.paths.root}: whether ledger and lake take writes was not tried",
    )
    notes = (*found.notes, *(untried if only_read else ()), *(beside if others else ()))
    for line in (*found.reasons, *notes):
        say(f"- {line}")
    return 0 if found.well else 1
