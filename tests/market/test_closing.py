"""Closing proof and gap arithmetic."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.candle import Candles
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.market.closing import closed_only
from sereno.market.gaps import opens, without
from sereno.store.lake_words import Gap
from tests.market.worlds import NOW, walk

H1 = Timeframe.H1
FIRST = H1.floor(NOW)
THREE = walk(H1, FIRST, 3)
END = FIRST + 3 * HOUR_MS


def closed(candles: Candles, asked: int, venue_asked: int | None = None, settle_ms: int = 2000) -> int:
    return len(
        closed_only(
            candles,
            asked_ms=asked,
            venue_asked_ms=asked if venue_asked is None else venue_asked,
            settle_ms=settle_ms,
        )
    )


def test_the_last_candle_needs_time_to_settle() -> None:
    assert closed(THREE, END + 1999) == 2
    assert closed(THREE, END + 2000) == 3


def test_a_successor_proves_the_others_but_not_against_the_clock() -> None:
    assert closed(THREE, END - HOUR_MS) == 2
    assert closed(THREE, END - HOUR_MS - 1) == 1


def test_both_clocks_must_agree() -> None:
    assert closed(THREE, END + 5000, venue_asked=END - 1) == 2
    assert closed(THREE, END - 1, venue_asked=END + 5000) == 2


def test_trap_e4_1_a_reply_on_its_way_while_the_candle_ends_is_not_trusted() -> None:
    """The request left one second before the end and came back after it; what counts is when it left."""
    assert closed(THREE, END - 1000, settle_ms=0) == 2


def test_nothing_is_nothing() -> None:
    assert closed(Candles.empty(H1), END) == 0


def gap(first: int, last: int) -> Gap:
    return Gap(first * HOUR_MS, last * HOUR_MS, "x")


spans = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda s: gap(min(s), max(s)))


@settings(max_examples=120, derandomize=True, deadline=None)
@given(spans, st.lists(spans, max_size=4))
def test_taking_out_known_holes_is_set_difference(whole: Gap, known: list[Gap]) -> None:
    def hours(gaps: list[Gap]) -> set[int]:
        return {h for g in gaps for h in range(g.first_open_ms, g.last_open_ms + 1, HOUR_MS)}

    left = without([whole], known, H1)
    assert hours(list(left)) == hours([whole]) - hours(known)
    assert sum(opens(piece, H1) for piece in left) == len(hours(list(left)))
