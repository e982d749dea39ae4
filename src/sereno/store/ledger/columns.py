"""How words become columns: exact on SQLite and PostgreSQL alike, and refused when they cannot be read back."""

# ruff: noqa: ARG002 - SQLAlchemy passes the dialect to every conversion

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import REAL, BigInteger, Boolean, CheckConstraint, Double, Integer, MetaData, Numeric, Text
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from sereno.core.errors import StopTrading
from sereno.core.instrument import Instrument
from sereno.store.canonical import json_text

Tx: TypeAlias = Connection
W = TypeVar("W", bound=StrEnum)

metadata = MetaData()
whole = BigInteger().with_variant(Integer(), "sqlite")
real: Double[float] = Double().with_variant(REAL(), "sqlite")


def unreadable(kind: str, value: object) -> StopTrading:
    """What a stored value that no writer of ours could have written raises."""
    return StopTrading(
        "ledger.unreadable_value",
        remedy="the ledger was changed from outside or is damaged: restore it from a backup",
        kind=kind,
        value=repr(value)[:80],
    )


class Exact(TypeDecorator[Decimal]):
    """Money and quantity: text on SQLite, NUMERIC on PostgreSQL. A float, NaN or infinity is refused."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind: TypeEngine[Any] = Numeric() if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"money is Decimal, not {type(value).__name__}: {value!r}")
        if not value.is_finite():
            raise ValueError(f"not an amount of money: {value!r}")
        return value if dialect.name == "postgresql" else format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        try:
            amount = Decimal(value)
        except (InvalidOperation, TypeError, ValueError) as cause:
            raise unreadable("money", value) from cause
        if not amount.is_finite() or isinstance(value, float):
            raise unreadable("money", value)
        return amount


class Word(TypeDecorator[W]):
    """A member of a closed set, as its text."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[W]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: W | None, dialect: Dialect) -> str | None:
        return None if value is None else self.words(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> W | None:
        try:
            return None if value is None else self.words(value)
        except ValueError as cause:
            raise unreadable(self.words.__name__, value) from cause


class Thing(TypeDecorator[Instrument]):
    """An instrument, as its key."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Instrument | None, dialect: Dialect) -> str | None:
        return None if value is None else value.key

    def process_result_value(self, value: Any, dialect: Dialect) -> Instrument | None:
        try:
            return None if value is None else Instrument.from_key(value)
        except ValueError as cause:
            raise unreadable("instrument", value) from cause


class Flag(TypeDecorator[bool]):
    """Yes or no: 0 and 1 on SQLite, BOOLEAN on PostgreSQL."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind: TypeEngine[Any] = Boolean() if dialect.name == "postgresql" else Integer()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return int(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


class Json(TypeDecorator[Any]):
    """A JSON value as canonical text; numbers that are not finite become null, their absence."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        try:
            return None if value is None else json.loads(value)
        except ValueError as cause:
            raise unreadable("json", value) from cause


def one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    """Only members of the closed set, or nothing where the column may be empty."""
    members = ", ".join(f"'{word.value}'" for word in words)
    return CheckConstraint(f"{column} IN ({members})", name=f"{column}_word")


def above_zero(column: str) -> CheckConstraint:
    """A decimal above zero. The comparison may be inexact; the stored value is not."""
    return CheckConstraint(f"CAST({column} AS DOUBLE PRECISION) > 0", name=f"{column}_above_zero")
