"""Progress on standard error: bars on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sereno.ops.progress import Tell

LINE_EVERY_S = 10.0


@contextmanager
def bars() -> Iterator[Tell]:
    """A function `(label, done, total)` that moves bars."""
    if not sys.stderr.isatty():
        yield lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        known: dict[str, TaskID] = {}

        def tell(label: str, done: int, total: int) -> None:
            if label not in known:
                known[label] = progress.add_task(label, total=max(total, 1))
            progress.update(known[label], completed=done, total=max(total, 1))

        yield tell


def lines(*, monotonic_s: Callable[[], float] = time.monotonic) -> Tell:
    """For logs and pipes: one line a label every LINE_EVERY_S, so that what is short stays silent."""
    said: dict[str, float] = {}

    def tell(label: str, done: int, total: int) -> None:
        now = monotonic_s()
        if now - said.setdefault(label, now) < LINE_EVERY_S:
            return
        said[label] = now
        sys.stderr.write(f"{label}: {done} of {total}\n")
        sys.stderr.flush()

    return tell
