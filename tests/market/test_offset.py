"""How far the venue's clock is from ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sereno.core.clock import FixedClock
from sereno.core.errors import SkipThis
from sereno.market.collect import measure_offset
from sereno.market.cycle import SeriesStatus
from tests.market.conftest import Exchange
from tests.market.worlds import NOW


class Ticking:
    """A venue whose replies travel `there` and `back` milliseconds, and whose clock is `off`."""

    def __init__(self, off: int, legs: list[tuple[int, int]]) -> None:
        self.clock = FixedClock(NOW)
        self.off = off
        self.legs = iter(legs)

    async def server_time_ms(self) -> int:
        there, back = next(self.legs)
        self.clock.advance(there)
        read = self.clock.now_ms() + self.off
        self.clock.advance(back)
        return read


@pytest.mark.parametrize(
    ("off", "legs", "told"),
    [
        (0, [(50, 50)], 0),
        (0, [(14_000, 1)], 0),  # a slow road is no wrong clock
        (40, [(50, 50)], 0),
        (30_000, [(50, 50)] * 3, 29_950),
        (-30_000, [(50, 50)] * 3, -29_950),
        (30_000, [(50, 50), (0, 25_000), (50, 50)], 5_000),
    ],
)
def test_only_what_the_road_cannot_explain_is_an_offset(
    off: int, legs: list[tuple[int, int]], told: int
) -> None:
    venue = Ticking(off, legs)
    assert asyncio.run(measure_offset(venue, venue.clock)) == told  # type: ignore[arg-type]


def test_a_venue_without_a_clock_leaves_the_offset_unknown(exchange: Callable[..., Exchange]) -> None:
    place = exchange()
    venue = place.venue()

    async def tells_no_time() -> int:
        raise SkipThis("venue.no_server_time")

    venue.server_time_ms = tells_no_time  # type: ignore[method-assign]
    report = place.collect(venue)
    assert report.offset_ms is None
    assert len(report.of(SeriesStatus.OK)) == 1
