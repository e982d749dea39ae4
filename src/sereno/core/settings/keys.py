"""Dotted keys of the settings, and the names that they have in the environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr

from sereno.core.settings.model import Settings

PREFIX = "SERENO_"
MASK = "********"


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key of a settings model with its pydantic field."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys_of(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def is_secret(key: str) -> bool:
    """Whether a key's value must never be shown."""
    return any(name == key and field.annotation is SecretStr for name, field in keys_of(Settings))


def variable_of(key: str) -> str:
    """`venue.name` is `SERENO_VENUE__NAME` in the environment."""
    return f"{PREFIX}{key.replace('.', '__')}".upper()


def shown(key: str, value: object) -> str:
    """A value for people; one that is secret is masked."""
    return MASK if is_secret(key) else repr(value)
