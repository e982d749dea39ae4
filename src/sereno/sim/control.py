"""`/sim/…`: what the simulator is, its clock, and its faults. Only for people and programs on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from sereno.core.timeframe import iso
from sereno.sim.faults import Fault

if TYPE_CHECKING:
    from sereno.sim.server import Simulator


def add_control(app: web.Application, simulator: Simulator) -> None:
    """Routes below `/sim`."""
    control = _Control(simulator)
    app.router.add_get("/sim/about", control.about)
    app.router.add_get("/sim/clock", control.clock)
    app.router.add_post("/sim/step", control.step)
    app.router.add_post("/sim/speed", control.speed)
    app.router.add_get("/sim/faults", control.faults)
    app.router.add_post("/sim/faults", control.inject)
    app.router.add_delete("/sim/faults", control.clear)


class _Control:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def about(self, _request: web.Request) -> web.Response:
        """The world, the clock, the protocols."""
        return web.json_response(self._simulator.about())

    async def clock(self, _request: web.Request) -> web.Response:
        """Where time stands."""
        clock = self._simulator.clock
        now = clock.now_ms()
        return web.json_response(
            {
                "now_ms": now,
                "now": iso(now),
                "speed": clock.speed,
                "start_ms": clock.start_ms,
                "end_ms": clock.end_ms,
                "ended": clock.ended,
            }
        )

    async def step(self, request: web.Request) -> web.Response:
        """Move time to `to_ms` or on by `by_ms`."""
        try:
            asked = await _body(request)
            clock = self._simulator.clock
            target = asked["to_ms"] if "to_ms" in asked else clock.now_ms() + _whole(asked["by_ms"])
            clock.step_to(_whole(target))
        except (KeyError, ValueError) as cause:
            return _refusal(f"step needs to_ms or by_ms, in whole milliseconds: {cause}")
        return await self.clock(request)

    async def speed(self, request: web.Request) -> web.Response:
        """Go on at `speed` simulated per wall milliseconds; 0 stands."""
        try:
            asked = (await _body(request))["speed"]
            if isinstance(asked, bool) or not isinstance(asked, int | float):
                raise ValueError(f"not a number: {asked!r}")
            self._simulator.clock.set_speed(float(asked))
        except (KeyError, ValueError) as cause:
            return _refusal(f"speed needs a number from 0 upwards: {cause}")
        return await self.clock(request)

    async def faults(self, _request: web.Request) -> web.Response:
        """What is armed."""
        return web.json_response({"faults": [asdict(one) for one in self._simulator.faults.armed()]})

    async def inject(self, request: web.Request) -> web.Response:
        """Arm one fault or several."""
        try:
            asked = json.loads(await request.text())
            listed = asked.get("faults", asked) if isinstance(asked, dict) else asked
            found = [Fault.of(one) for one in (listed if isinstance(listed, list) else [listed])]
        except (ValueError, TypeError) as cause:
            return _refusal(str(cause))
        self._simulator.faults.inject(*found)
        return await self.faults(request)

    async def clear(self, request: web.Request) -> web.Response:
        """Disarm everything."""
        self._simulator.faults.clear()
        return await self.faults(request)


async def _body(request: web.Request) -> Mapping[str, object]:
    value = json.loads(await request.text())
    if not isinstance(value, dict):
        raise ValueError("a JSON object is expected")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"not a whole number: {value!r}")
    return value


def _refusal(message: str) -> web.Response:
    return web.json_response({"error": message}, status=400)
