"""`sereno risk`: show the account's standing, close it to entries, open it again, restore what was lost."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Annotated

import typer

from sereno.core.errors import FixConfig
from sereno.surfaces.cli import context
from sereno.surfaces.cli.out import print_table, say

if TYPE_CHECKING:
    from sereno.core.risk import RiskState
    from sereno.ops.app import Desk

risk_app = typer.Typer(
    help="The account's standing: show it, block entries, clear, restore.", no_args_is_help=True
)


@risk_app.command()
def show() -> None:
    """Where the account stands with its limits."""
    from sereno.core.timeframe import iso
    from sereno.ops.steps.freeze import standing

    with _desk(reading=True) as desk:
        state = _opened(standing(desk))
    rows = (
        ("account", state.account),
        ("blocked", state.blocked_reason or "-"),
        ("paused until", "-" if state.paused_until_ms is None else iso(state.paused_until_ms)),
        ("paused because of", state.pause_reason or "-"),
        ("equity at day start", f"{state.day_start_equity_quote:f}"),
        ("equity at week start", f"{state.week_start_equity_quote:f}"),
        ("losing streak", str(state.losing_streak)),
        ("lost, to be restored", "-" if state.lost_ms is None else f"since {iso(state.lost_ms)}"),
        ("updated", iso(state.updated_ms)),
    )
    print_table(("what", "value"), rows)


@risk_app.command()
def block(reason: Annotated[str, typer.Argument(help="why, as it will be shown and audited")]) -> None:
    """Let nothing enter from now on; open positions still end as they would."""
    from sereno.ops.steps.freeze import set_block

    cleaned = reason.strip()
    if not cleaned:
        raise FixConfig("risk.no_reason", remedy="say why, for example: sereno risk block holiday")
    with _desk() as desk:
        state = _opened(set_block(desk, cleaned, actor=_actor()))
    say(f"{state.account} enters nothing: {state.blocked_reason}")


@risk_app.command()
def clear() -> None:
    """Allow entries again, once whatever blocked them has been looked at."""
    from sereno.ops.steps.freeze import set_block, standing

    with _desk() as desk:
        before = _opened(standing(desk)).blocked_reason
        state = _opened(set_block(desk, None, actor=_actor()))
    said = "was not blocked" if before is None else f"may enter again; it was blocked by {before}"
    say(f"{state.account} {said}")


@risk_app.command()
def restore(
    yes: Annotated[bool, typer.Option("--yes", help="do not ask: the ledger has been looked at")] = False,
) -> None:
    """Start the risk state anew where the ledger lost it: entries are refused until then.

    Day and week count their losses from the newest equity, the losing streak from 0, and no pause is left; a
    block stays.
    """
    from sereno.core.timeframe import iso
    from sereno.ops.steps.freeze import restore as restored
    from sereno.ops.steps.freeze import standing

    with _desk() as desk:
        before = standing(desk)
        if before is not None and before.lost_ms is None:
            say(f"{desk.account} has its risk state: there is nothing to restore")
            return
        if not (yes or typer.confirm(f"Shall {desk.account} forget its losses, its streak and its pause?")):
            raise FixConfig("risk.not_restored", remedy="nothing was changed; --yes does not ask")
        state = restored(desk, actor=_actor())
    if state is not None:
        said = f"counts from {state.day_start_equity_quote:f} of {iso(state.updated_ms)}"
        blocked = f"stays blocked by {state.blocked_reason}: `sereno risk clear`"
        say(f"{state.account} {said} and {blocked if state.blocked_reason else 'may enter again'}")


def _desk(*, reading: bool = False) -> Desk:
    from sereno.ops.app import Desk

    return Desk(context.to_read() if reading else context.to_work(), reading=reading)


def _opened(state: RiskState | None) -> RiskState:
    if state is None:
        raise FixConfig(
            "risk.no_account",
            remedy="no account has been opened yet: run `sereno up` first; if the ledger lost it: `sereno risk restore`",
        )
    return state


def _actor() -> str:
    """Who is at the command line; by number where the system knows no names."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:{os.getuid()}"
