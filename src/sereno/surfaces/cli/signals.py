"""Commands about signals."""

from __future__ import annotations

from collections.abc import Collection

from sereno.core.errors import SkipThis
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import UtcMs, iso
from sereno.ops.app import Desk, open_desk_ledger
from sereno.surfaces.cli import context
from sereno.surfaces.cli.out import print_table, say

HEAD = ("closed", "series", "decision", "confidence", "regime", "reason", "id")


def table(limit: int, taken: bool) -> None:
    """The newest first."""
    settings = context.to_read()
    from sereno.store.ledger import signals

    ledger = open_desk_ledger(settings, reading=True)
    wanted = (Decision.LONG, Decision.SHORT) if taken else None
    with ledger.read() as tx:
        found = signals.recent(tx, None, limit, decisions=wanted, mode=settings.mode)
    ledger.close()
    print_table(HEAD, map(_row, found))


def print_newest(symbols: Collection[str], began_ms: UtcMs, *, quiet: bool) -> SkipThis | None:
    """The newest signal of the series of some instruments, of all when none is named.

    quiet   print nothing: where a log takes the output, the record of the run tells the same

    Returns why none of them can be one that was fresh at `began_ms`, or None.
    """
    settings = context.loaded().settings
    from sereno.ops.steps.freshness import why_nothing_new
    from sereno.store.ledger import signals

    with Desk(settings) as desk:
        series = [one for one in desk.series if not symbols or one.instrument.symbol in symbols]
        with desk.ledger.read() as tx:
            found = [signals.latest(tx, one, settings.mode) for one in series]
        old = why_nothing_new(desk, series, began_ms)
    if not quiet:
        print_table(HEAD, (_row(signal) for signal in found if signal))
    return old


def _row(signal: Signal) -> tuple[str, ...]:
    return (
        iso(signal.ts),
        f"{signal.series.instrument.symbol} {signal.series.timeframe}",
        signal.decision.value,
        "-" if signal.confidence is None else f"{signal.confidence:.4f}",
        signal.regime.value,
        signal.reason,
        signal.signal_id,
    )


def explain(signal_id: str) -> None:
    """The story of one signal."""
    with Desk(context.to_read(), reading=True) as desk:
        from sereno.ops.steps.retell import story_of

        say(story_of(desk, _found(desk, signal_id)))


def replay(signal_id: str) -> int:
    """0 when the bits are equal, 1 when they are not."""
    with Desk(context.to_read(), reading=True) as desk:
        from sereno.ops.steps.retell import replayed

        lines, equal = replayed(desk, _found(desk, signal_id))
    for line in lines:
        say(line)
    return 0 if equal else 1


def _found(desk: Desk, signal_id: str) -> Signal:
    from sereno.store.ledger import signals

    with desk.ledger.read() as tx:
        signal = signals.get(tx, signal_id)
    if signal is None:
        raise SkipThis("signal.unknown", remedy="`sereno signals` lists them", signal_id=signal_id)
    return signal
