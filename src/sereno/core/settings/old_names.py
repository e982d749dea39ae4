"""Values that come under names of the source systems; two such names never settle a difference silently."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sereno.core.errors import FixConfig
from sereno.core.settings.aliases import ALIASES, VENUE_ALIASES, Alias
from sereno.core.settings.keys import shown, variable_of
from sereno.core.settings.layers import Given, Layer, Variables
from sereno.core.settings.retired import retired

MARK = " (old name)"


@dataclass(frozen=True, slots=True)
class Unused:
    """A known name that is set and changes nothing, and why."""

    source: str
    why: str


@dataclass(frozen=True, slots=True)
class OldName:
    """An alias that is set: what was written under it, what that means, and where it was found."""

    alias: Alias
    written: str
    value: str
    source: str

    @property
    def venue(self) -> str | None:
        """The only venue that it is meant for; None: for any."""
        return next((v for start, v in VENUE_ALIASES.items() if self.alias.name.startswith(start)), None)


def old_names(places: Sequence[Variables]) -> tuple[OldName, ...]:
    """Every alias that is set to something; a later place is stronger."""
    return tuple(found for alias in ALIASES if (found := _found(alias, places)) is not None)


def old_layer(found: Collection[OldName], *, own: Collection[str], venue: str) -> Layer:
    """What the old names set, where no name of ours in `own` does.

    venue   the one that is in force; what is meant for another one is left out

    Raises FixConfig(`settings.names_disagree`) where two names give one key different values.
    """
    layer: Layer = {}
    by_key: dict[str, OldName] = {}
    for one in found:
        key = one.alias.key
        if key in own or one.venue not in (None, venue):
            continue
        first = by_key.setdefault(key, one)
        if not _same(first.value, one.value):
            raise _disagreement(key, first, one)
        layer[key] = Given(one.value, f"{one.source}{MARK}")
    return layer


def unused_names(
    found: Collection[OldName], places: Sequence[Variables], *, own: Layer, venue: str
) -> Iterator[Unused]:
    """Names that are set in vain."""
    for one in found:
        if one.alias.key in own:
            yield Unused(one.source, f"{one.alias.key} is set by {own[one.alias.key].source}")
        elif one.venue not in (None, venue):
            yield Unused(one.source, f"it is for venue {one.venue}, and venue.name is {venue}")
    for place in places:
        for name in place.values:
            rule = retired(name)
            if rule is not None and not rule.generic:
                yield Unused(place.source(name), rule.instead)


def _found(alias: Alias, places: Sequence[Variables]) -> OldName | None:
    for place in reversed(places):
        written = place.values.get(alias.name, "")
        if written.strip():
            value = alias.convert(written)
            return None if value is None else OldName(alias, written, value, place.source(alias.name))
    return None


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one.strip().casefold() == other.strip().casefold()


def _disagreement(key: str, one: OldName, other: OldName) -> FixConfig:
    told = " and ".join(
        f"{name.alias.name} = {shown(key, name.written)} ({name.source.removesuffix(f': {name.alias.name}')})"
        for name in (one, other)
    )
    return FixConfig(
        "settings.names_disagree",
        remedy=f"{told} both set {key} and differ: unset one of them, or set {variable_of(key)}, which wins",
        key=key,
    )
