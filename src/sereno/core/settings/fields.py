"""Kinds of values that several settings share, and the spellings that they may be written in."""

from __future__ import annotations

import json
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from sereno.core.timeframe import Timeframe

_ADDRESS = re.compile(r"postgres(ql(\+psycopg)?)?://\S*\w\S*|sqlite(\+pysqlite)?:///\S.*")


def _listed(value: object) -> object:
    """Let people write `BTC/USDT,ETH/USDT`, or the same as a JSON list, where a list is meant."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        return tuple(json.loads(value))
    except ValueError as cause:
        raise ValueError('no JSON list; write it with commas, or as ["one", "two"]') from cause


def _database(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if text and not _ADDRESS.fullmatch(text):
        raise ValueError(
            "no address of a database; write postgresql+psycopg://USER@HOST/NAME or sqlite:////PATH/FILE"
        )
    return url


Frac = Annotated[float, Field(ge=0.0, le=1.0)]
Bps = Annotated[float, Field(ge=0.0, le=1_000.0)]
Symbols = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Timeframes = Annotated[tuple[Timeframe, ...], BeforeValidator(_listed)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
