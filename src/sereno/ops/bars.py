"""Progress bars on standard error; silent where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sereno.ops.progress import Tell, silent


@contextmanager
def bars() -> Iterator[Tell]:
    """A function `(label, done, total)` that moves bars."""
    if not sys.stderr.isatty():
        yield silent
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
