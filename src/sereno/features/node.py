"""The grammar of features: an expression over candle columns with two evaluators, batch and step.

A feature is written once, as a tree of nodes. `Node.batch` computes a whole column; `Node.resume`
gives the function that continues that column one candle at a time. Training and serving differ in
nothing else.

A *total* node is finite on every row after its warm-up. A *partial* one may be NaN later too, where it
is undefined (a ratio to nothing). Only element-wise nodes may read partial ones: a recursion would
carry the NaN for ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from sereno.core.candle import F64

Step: TypeAlias = Callable[..., float]
NAN = math.nan


class Past(NamedTuple):
    """The rows a node has been through: (m,) input columns and its own."""

    columns: tuple[F64, ...]
    out: F64


@dataclass(frozen=True, slots=True)
class Node:
    """One column. `inputs` are the columns that it is made of; equal nodes are computed once."""

    inputs: tuple[Node, ...]

    @property
    def lookback_bars(self) -> int:
        """Rows of its inputs before its first value."""
        return 0

    @property
    def partial(self) -> bool:
        """May it be NaN after the warm-up?"""
        return any(node.partial for node in self.inputs)

    def batch(self, *columns: F64) -> F64:
        """(m,) the column, from NaN-free input columns of m rows; the first `lookback_bars` are NaN."""
        raise NotImplementedError

    def resume(self, past: Past) -> Step:
        """What continues `past.out` row by row: it takes the inputs' next values, gives its next value.

        Called only with m > `lookback_bars` rows.
        """
        raise NotImplementedError

    def __add__(self, other: Node | float) -> Node:
        return binary("add", self, other)

    def __sub__(self, other: Node | float) -> Node:
        return binary("subtract", self, other)

    def __mul__(self, other: Node | float) -> Node:
        return binary("multiply", self, other)

    def __truediv__(self, other: float) -> Node:
        return Scaled((self,), 1.0 / other, 0.0)


@dataclass(frozen=True, slots=True)
class Source(Node):
    """A column of the candles themselves; `close_ms` is the moment the row is known."""

    column: str


OPEN, HIGH, LOW, CLOSE, VOLUME, KNOWN_MS = (
    Source((), column) for column in ("open", "high", "low", "close", "volume", "close_ms")
)


@dataclass(frozen=True, slots=True)
class RowWise(Node):
    """A node whose value hangs on the current row alone. Its function lets NaN pass as NaN."""

    def function(self) -> Step:
        """`batch` of one row."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Scaled(RowWise):
    """x · scale + shift."""

    scale: float
    shift: float

    def batch(self, *columns: F64) -> F64:
        return columns[0] * self.scale + self.shift

    def function(self) -> Step:
        scale, shift = self.scale, self.shift
        return lambda x: x * scale + shift


_BINARY: dict[str, tuple[Callable[[F64, F64], F64], Step]] = {
    "add": (np.add, lambda a, b: a + b),
    "subtract": (np.subtract, lambda a, b: a - b),
    "multiply": (np.multiply, lambda a, b: a * b),
    "larger": (np.maximum, lambda a, b: NAN if a != a or b != b else max(a, b)),
    "smaller": (np.minimum, lambda a, b: NAN if a != a or b != b else min(a, b)),
}

_UNARY: dict[str, tuple[Callable[[F64], F64], Step]] = {
    "log": (np.log, math.log),
    "log1p": (np.log1p, math.log1p),
    "abs": (np.abs, abs),
    "sqrt": (np.sqrt, math.sqrt),
    "sign": (np.sign, lambda x: NAN if x != x else float((x > 0) - (x < 0))),
    "gain": (lambda x: np.maximum(x, 0.0), lambda x: NAN if x != x else max(x, 0.0)),
    "loss": (lambda x: np.maximum(-x, 0.0), lambda x: NAN if x != x else max(-x, 0.0)),
    "square": (np.square, lambda x: x * x),
}


@dataclass(frozen=True, slots=True)
class Binary(RowWise):
    """An operation on two columns, row by row."""

    op: str

    def batch(self, *columns: F64) -> F64:
        return _BINARY[self.op][0](columns[0], columns[1])

    def function(self) -> Step:
        return _BINARY[self.op][1]


@dataclass(frozen=True, slots=True)
class Unary(RowWise):
    """An operation on one column, row by row."""

    op: str

    def batch(self, *columns: F64) -> F64:
        return _UNARY[self.op][0](columns[0])

    def function(self) -> Step:
        return _UNARY[self.op][1]


@dataclass(frozen=True, slots=True)
class Ratio(RowWise):
    """a / b, undefined (NaN) where |b| <= floor_frac · |reference|: nothing can be measured in nothing."""

    floor_frac: float

    @property
    def partial(self) -> bool:
        return True

    def batch(self, *columns: F64) -> F64:
        a, b, reference = columns
        defined = np.abs(b) > self.floor_frac * np.abs(reference)
        return np.asarray(np.divide(a, b, out=np.full(len(a), NAN), where=defined))

    def function(self) -> Step:
        floor_frac = self.floor_frac

        def step(a: float, b: float, reference: float) -> float:
            return a / b if abs(b) > floor_frac * abs(reference) else NAN

        return step


@dataclass(frozen=True, slots=True)
class Share(RowWise):
    """a / b, and `empty` where b is exactly 0: for parts of a whole whose meaning there is plain."""

    empty: float

    def batch(self, *columns: F64) -> F64:
        a, b = columns
        known = b == b
        out = np.where(known, self.empty, NAN)
        return np.asarray(np.divide(a, b, out=out, where=known & (b != 0)))

    def function(self) -> Step:
        empty = self.empty
        return lambda a, b: a / b if b != 0 else empty


@dataclass(frozen=True, slots=True)
class Given(RowWise):
    """x where |spread| > floor_frac · |reference|, else NaN: x would be the noise of a flat market."""

    floor_frac: float

    @property
    def partial(self) -> bool:
        return True

    def batch(self, *columns: F64) -> F64:
        x, spread, reference = columns
        return np.where(np.abs(spread) > self.floor_frac * np.abs(reference), x, NAN)

    def function(self) -> Step:
        floor_frac = self.floor_frac
        return lambda x, spread, reference: x if abs(spread) > floor_frac * abs(reference) else NAN


def binary(op: str, a: Node, b: Node | float) -> Node:
    """a `op` b, where b may be a number."""
    if isinstance(b, Node):
        return Binary((a, b), op)
    match op:
        case "add":
            return Scaled((a,), 1.0, float(b))
        case "subtract":
            return Scaled((a,), 1.0, -float(b))
        case "multiply":
            return Scaled((a,), float(b), 0.0)
        case _:
            raise ValueError(f"{op} takes two columns")


def larger(a: Node, b: Node) -> Node:
    """The larger of two, row by row."""
    return Binary((a, b), "larger")


def smaller(a: Node, b: Node) -> Node:
    """The smaller of two, row by row."""
    return Binary((a, b), "smaller")


def unary(op: str, x: Node) -> Node:
    """`op` of x: log, log1p, abs, sqrt, sign, gain (max(x, 0)), loss (max(-x, 0)), square."""
    if op not in _UNARY:
        raise ValueError(f"no operation {op!r}")
    return Unary((x,), op)


def ratio(a: Node, b: Node, *, floor_frac: float = 0.0, of: Node | None = None) -> Node:
    """a / b; NaN where |b| <= floor_frac · |of| (by default where b is 0)."""
    return Ratio((a, b, b if of is None else of), floor_frac if of is not None else 0.0)


def share(a: Node, b: Node, *, empty: float) -> Node:
    """a / b; `empty` where b is 0."""
    return Share((a, b), empty)


def given(x: Node, spread: Node, *, floor_frac: float, of: Node) -> Node:
    """x; NaN where |spread| <= floor_frac · |of|."""
    return Given((x, spread, of), floor_frac)


def in_order(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """The nodes and all that they are made of, each once, inputs first."""
    found: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node not in found:
            for part in node.inputs:
                visit(part)
            found[node] = None

    for node in nodes:
        visit(node)
    return tuple(found)
