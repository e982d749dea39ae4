"""Evaluating nodes: whole columns at once, or one row after the other, each shared node once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from sereno.core.candle import F64, Candle, Candles
from sereno.features.node import (
    CLOSE,
    HIGH,
    KNOWN_MS,
    LOW,
    OPEN,
    VOLUME,
    Node,
    Past,
    RowWise,
    Source,
    Step,
    in_order,
)

Visit: TypeAlias = Callable[[Node, tuple[F64, ...], F64], None]

_SOURCES = (OPEN, HIGH, LOW, CLOSE, VOLUME, KNOWN_MS)


def columns_of(candles: Candles) -> dict[Node, F64]:
    """The columns that expressions begin with."""
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume, candles.close_ms)
    return {
        node: np.ascontiguousarray(column, dtype=np.float64)
        for node, column in zip(_SOURCES, columns, strict=True)
    }


class Column(NamedTuple):
    """Values of the rows from `start` on; on the rows before there are none."""

    start: int
    values: F64

    def rows(self, first: int, last: int) -> F64:
        """(last - first,) rows [first, last), NaN where there are none."""
        if first >= self.start:
            return self.values[first - self.start : last - self.start]
        out = np.full(last - first, np.nan)
        if last > self.start:
            out[self.start - first :] = self.values[: last - self.start]
        return out


@dataclass(frozen=True, slots=True)
class Plan:
    """Nodes in an order in which each comes after what it is made of.

    first_row   index of the row on which each node has its first value
    """

    outputs: tuple[Node, ...]
    order: tuple[Node, ...]
    first_row: Mapping[Node, int]

    @classmethod
    def of(cls, outputs: Sequence[Node]) -> Plan:
        """The plan that makes these columns."""
        order = in_order((*_SOURCES, *outputs))
        first_row: dict[Node, int] = {}
        for node in order:
            first_row[node] = node.lookback_bars + max((first_row[part] for part in node.inputs), default=0)
        return cls(tuple(outputs), order, first_row)

    def batch(self, candles: Candles, visit: Visit | None = None) -> list[Column]:
        """The outputs' columns.

        visit  called with every node that is no source, the input columns it was given and its own;
               a column is let go of as soon as nothing needs it any more
        """
        rows, keep = len(candles), set(self.outputs)
        made = {node: (0, column) for node, column in columns_of(candles).items()}
        readers = Counter(part for node in self.order for part in set(node.inputs))
        for node in self.order:
            if isinstance(node, Source):
                continue
            start = min(rows, max(self.first_row[part] for part in node.inputs))
            columns = tuple(made[part][1][start - made[part][0] :] for part in node.inputs)
            warm = rows > self.first_row[node]
            column = node.batch(*columns) if warm else np.full(rows - start, np.nan)
            made[node] = start, column
            if visit is not None:
                visit(node, columns, column)
            for part in set(node.inputs):
                readers[part] -= 1
                if not readers[part] and part not in keep:
                    del made[part]
        return [Column(*made[node]) for node in self.outputs]


class _Warming:
    """A node without enough history yet: it keeps its inputs until batch can begin, then steps."""

    __slots__ = ("_node", "_seen", "_step")

    def __init__(self, node: Node, seen: list[tuple[float, ...]]) -> None:
        self._node, self._seen = node, seen
        self._step: Step | None = None

    def __call__(self, *values: float) -> float:
        if self._step is not None:
            return self._step(*values)
        if any(math.isnan(value) for value in values):
            return math.nan
        self._seen.append(values)
        if len(self._seen) <= self._node.lookback_bars:
            return math.nan
        columns = tuple(np.array(column) for column in zip(*self._seen, strict=True))
        out = self._node.batch(*columns)
        self._step = self._node.resume(Past(columns, out))
        self._seen.clear()
        return float(out[-1])


class Stepper:
    """The same nodes, a candle at a time; what a step costs does not grow with history."""

    __slots__ = ("_outputs", "_program", "_values")

    def __init__(self, plan: Plan, candles: Candles) -> None:
        slot = {node: i for i, node in enumerate(plan.order)}
        self._outputs = [slot[node] for node in plan.outputs]
        self._values = [math.nan] * len(plan.order)
        self._program: list[tuple[int, Step, tuple[int, ...]]] = []

        def visit(node: Node, columns: tuple[F64, ...], column: F64) -> None:
            parts = tuple(slot[part] for part in node.inputs)
            self._program.append((slot[node], _stepping(node, columns, column), parts))
            if len(column):
                self._values[slot[node]] = float(column[-1])

        plan.batch(candles, visit)

    @property
    def row(self) -> list[float]:
        """The outputs on the newest row; NaN where not warm or undefined."""
        values = self._values
        return [values[i] for i in self._outputs]

    def step(self, candle: Candle, known_ms: int) -> None:
        """Take one closed candle in, known since `known_ms`."""
        values = self._values
        values[0], values[1], values[2] = candle.open, candle.high, candle.low
        values[3], values[4], values[5] = candle.close, candle.volume, float(known_ms)
        for slot, step, parts in self._program:
            if len(parts) == 1:
                values[slot] = step(values[parts[0]])
            elif len(parts) == 2:
                values[slot] = step(values[parts[0]], values[parts[1]])
            else:
                values[slot] = step(*[values[part] for part in parts])


def _stepping(node: Node, columns: tuple[F64, ...], out: F64) -> Step:
    if isinstance(node, RowWise):
        return node.function()
    if len(out) > node.lookback_bars:
        return node.resume(Past(columns, out))
    return _Warming(node, list(zip(*(column.tolist() for column in columns), strict=True)))
