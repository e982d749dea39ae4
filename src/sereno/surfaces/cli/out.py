"""Printing: aligned columns on a terminal, tabs on a pipe, so that both people and programs can read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence


def say(text: str) -> None:
    """One line on standard output."""
    sys.stdout.write(f"{text}\n")


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; its head is left out when there are no rows."""
    listed = [tuple(row) for row in rows]
    if not sys.stdout.isatty():
        for row in (tuple(head), *listed):
            say("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in head:
        table.add_column(title, overflow="fold")
    for row in listed:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)
