"""What of some tables fits a terminal: rows are shared out by its height, columns are left out by its width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP = 2
FLOWS_LEAST = 24


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a block.

    rank   0 stays; of the others the highest is left out first
    flows  its cells are sentences: it takes the room that is left, and they may be cut
    """

    title: str
    rank: int = 0
    flows: bool = False

    def wants(self, cells: Sequence[Text]) -> int:
        """Characters that it cannot do without."""
        widest = max((cell_len(cell.plain) for cell in cells), default=0)
        return max(cell_len(self.title), min(widest, FLOWS_LEAST) if self.flows else widest)


@dataclass(frozen=True, slots=True)
class Row:
    """One line; a `loud` one is shown before the others when not all are."""

    cells: tuple[Text, ...]
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A table with one line of titles.

    least  rows that it gets before others get more
    more   what the rows are called that are not shown; empty: nobody misses them
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    least: int
    more: str = ""

    def drawn(self, width: int, lines: int) -> Table:
        """As a table of at most so many lines below its titles."""
        shown, hidden = self._chosen(lines)
        kept = _fitting(self.columns, shown, width)
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold dim")
        room = width - sum(_width(self.columns[i], i, shown) + GAP for i in kept if not self.columns[i].flows)
        for i in kept:
            column = self.columns[i]
            wide = max(room, 1) if column.flows else _width(column, i, shown)
            table.add_column(column.title, width=wide, no_wrap=True, overflow="ellipsis")
        for row in shown:
            table.add_row(*(row.cells[i] for i in kept))
        if hidden:
            table.caption = f"and {hidden} more {self.more}"
            table.caption_justify = "left"
        return table

    def _chosen(self, lines: int) -> tuple[tuple[Row, ...], int]:
        """Rows for so many lines, and how many are left out; a line that says so is one of them."""
        if len(self.rows) <= lines:
            return self.rows, 0
        most = lines - bool(self.more)
        by_loudness = sorted(range(len(self.rows)), key=lambda i: not self.rows[i].loud)
        chosen = sorted(by_loudness[:most])
        return tuple(self.rows[i] for i in chosen), len(self.rows) - most if self.more else 0


def shares(blocks: Sequence[Block], lines: int) -> tuple[int, ...]:
    """How many rows each block gets of `lines`, its line of titles apart; 0: it is left out.

    Each gets its least in turn, then what is left goes to the first that has more to show.
    """
    given = [0] * len(blocks)
    for i, block in enumerate(blocks):
        if block.rows and lines >= 2:
            given[i] = min(block.least, len(block.rows), lines - 1)
            lines -= given[i] + 1
    for i, block in enumerate(blocks):
        if given[i]:
            more = min(len(block.rows) - given[i], lines)
            given[i] += more
            lines -= more
    return tuple(given)


def _fitting(columns: Sequence[Column], rows: Sequence[Row], width: int) -> tuple[int, ...]:
    """Columns that fit, by index; one without a word in it is left out at once."""
    kept = [i for i in range(len(columns)) if i == 0 or any(row.cells[i].plain for row in rows)]
    while sum(_width(columns[i], i, rows) + GAP for i in kept) - GAP > width:
        worst = max(kept, key=lambda i: columns[i].rank)
        if columns[worst].rank == 0:
            break
        kept.remove(worst)
    return tuple(kept)


def _width(column: Column, index: int, rows: Sequence[Row]) -> int:
    return column.wants([row.cells[index] for row in rows])
