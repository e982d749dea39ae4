from __future__ import annotations

import gc
import json
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sereno.core.clock import ClockFile, SimClock
from sereno.core.errors import FixConfig
from sereno.core.timeframe import DAY_MS, HOUR_MS
from sereno.sim.generated import GeneratedWorld
from sereno.sim.server import Simulator, serve_forever
from sereno.sim.time import SimulatedTime


def call(url: str, body: object = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def refusal(url: str, body: object = None) -> tuple[int, bytes]:
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(url, body)
    with refused.value as reply:
        return reply.code, reply.read()


def test_it_tells_what_it_is(simulator: Simulator) -> None:
    about = call(simulator.base_url + "/sim/about")
    assert about["world"]["synthetic"] is True
    assert about["now"] == "2025-01-06T00:00:00Z"
    assert about["ended"] is False


def test_time_is_stepped_by_request(simulator: Simulator) -> None:
    url, start = simulator.base_url, simulator.clock.now_ms()
    assert call(url + "/sim/step", {"by_ms": HOUR_MS})["now_ms"] == start + HOUR_MS
    assert call(url + "/sim/step", {"to_ms": start + DAY_MS})["now_ms"] == start + DAY_MS
    assert call(url + "/sim/clock")["now_ms"] == start + DAY_MS
    assert call(url + "/api/v3/time") == {"serverTime": start + DAY_MS}
    assert call(url + "/fapi/v1/time") == {"serverTime": start + DAY_MS}
    assert call(url + "/v5/market/time")["time"] == start + DAY_MS


def test_time_stops_with_the_data(simulator: Simulator, world: GeneratedWorld) -> None:
    assert world.end_ms is not None
    clock = call(simulator.base_url + "/sim/step", {"by_ms": 1000 * DAY_MS})
    assert clock["now_ms"] == world.end_ms
    assert clock["ended"] is True
    assert call(simulator.base_url + "/sim/about")["ended"] is True
    assert call(simulator.base_url + "/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=1")[0][6] < world.end_ms


def test_speed_by_request(simulator: Simulator) -> None:
    assert call(simulator.base_url + "/sim/speed", {"speed": 720})["speed"] == 720
    assert call(simulator.base_url + "/sim/speed", {"speed": 0})["speed"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sim/step", {}),
        ("/sim/step", {"by_ms": "soon"}),
        ("/sim/step", {"to_ms": 5}),
        ("/sim/step", []),
        ("/sim/speed", {"speed": -1}),
        ("/sim/speed", {"speed": "fast"}),
        ("/sim/faults", {"kind": "meteor"}),
        ("/sim/faults", {"path": "/"}),
        ("/sim/faults", {"kind": "html", "colour": "red"}),
        ("/sim/faults", 3),
    ],
)
def test_bad_control_requests_are_refused(simulator: Simulator, path: str, body: object) -> None:
    status, text = refusal(simulator.base_url + path, body)
    assert status == 400
    assert json.loads(text)["error"]


def test_unknown_paths_are_not_found(simulator: Simulator) -> None:
    for path in ("/api/v3/nothing", "/v5/market/nothing", "/"):
        assert refusal(simulator.base_url + path)[0] == 404


def test_rate_limits_are_told(simulator: Simulator) -> None:
    used = []
    for _ in range(2):
        with urllib.request.urlopen(simulator.base_url + "/api/v3/ping", timeout=10) as reply:
            used.append(int(reply.headers["X-MBX-USED-WEIGHT-1M"]))
    assert used[1] in (used[0] + 1, 1)
    with urllib.request.urlopen(simulator.base_url + "/v5/market/time", timeout=10) as reply:
        assert int(reply.headers["X-Bapi-Limit-Status"]) <= int(reply.headers["X-Bapi-Limit"])


def test_spot_and_futures_count_apart(simulator: Simulator) -> None:
    def used(path: str) -> int:
        with urllib.request.urlopen(simulator.base_url + path, timeout=10) as reply:
            return int(reply.headers["X-MBX-USED-WEIGHT-1M"])

    assert used("/api/v3/ticker/24hr") == 80
    assert used("/fapi/v1/ticker/24hr") == 40


def test_errors_have_the_venues_status(simulator: Simulator) -> None:
    status, body = refusal(simulator.base_url + "/api/v3/klines?symbol=NOPE&interval=1h")
    assert (status, json.loads(body)) == (400, {"code": -1121, "msg": "Invalid symbol."})
    bybit = call(simulator.base_url + "/v5/market/kline?category=spot&symbol=NOPE&interval=60")
    assert bybit["retCode"] == 10001


def test_a_taken_port_is_named_with_its_remedy(simulator: Simulator, world: GeneratedWorld) -> None:
    second = Simulator(world, port=simulator.port)
    with pytest.raises(FixConfig, match=r"sim\.port_in_use.*sim\.port"):
        second.start()
    second.stop()


def test_it_listens_on_loopback_only(world: GeneratedWorld) -> None:
    with pytest.raises(FixConfig, match=r"sim\.not_loopback"):
        Simulator(world, host="0.0.0.0")


def test_a_stop_leaves_nothing_behind(world: GeneratedWorld) -> None:
    before = threading.active_count()
    for _ in range(3):
        simulator = Simulator(world)
        call(simulator.start() + "/api/v3/ping")
        simulator.stop()
        simulator.stop()
    gc.collect()  # an unclosed socket or loop would warn here, and warnings are errors
    assert threading.active_count() == before


def test_it_starts_again_on_its_port(world: GeneratedWorld) -> None:
    simulator = Simulator(world)
    url = simulator.start()
    assert simulator.start() == url
    simulator.stop()
    assert simulator.start() == url
    assert call(url + "/api/v3/ping") == {}
    simulator.stop()


def test_a_restarted_world_goes_on_where_it_stopped(world: GeneratedWorld, tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    with Simulator(world, SimulatedTime(world.clock_start_ms, path=path)) as first:
        reader = SimClock(path)
        first.step_to(world.clock_start_ms + DAY_MS)
        assert reader.now_ms() == world.clock_start_ms + DAY_MS
    with Simulator(world, SimulatedTime(world.clock_start_ms, path=path)) as second:
        assert second.clock.now_ms() == world.clock_start_ms + DAY_MS
    stopped = ClockFile(path).read()
    assert stopped is not None
    assert stopped.speed == 0.0


def test_other_processes_see_a_change_of_speed(world: GeneratedWorld, tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    with Simulator(world, SimulatedTime(world.clock_start_ms, path=path)) as simulator:
        call(simulator.base_url + "/sim/speed", {"speed": 720})
        told = ClockFile(path).read()
    assert told is not None
    assert told.speed == 720


def test_the_clock_beats_until_the_simulator_leaves(
    world: GeneratedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sereno.sim.server.HEARTBEAT_S", 0.001)

    class Counted(SimulatedTime):
        beats = 0
        enough = threading.Event()

        def beat(self) -> None:
            super().beat()
            self.beats += 1
            if self.beats == 3:
                self.enough.set()

    clock = Counted(world.clock_start_ms)
    with Simulator(world, clock):
        assert clock.enough.wait(10)


def test_a_beat_that_finds_no_room_ends_nothing(
    world: GeneratedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sereno.sim.server.HEARTBEAT_S", 0.001)
    enough = threading.Event()

    class Cramped(SimulatedTime):
        beats = 0

        def beat(self) -> None:
            self.beats += 1
            if self.beats <= 3:
                raise OSError(28, "No space left on device")
            enough.set()

    with capture_logs() as told, Simulator(world, Cramped(world.clock_start_ms)) as simulator:
        assert enough.wait(10)
        assert call(simulator.base_url + "/sim/clock")["now_ms"] == world.clock_start_ms
    assert [line["event"] for line in told] == ["sim.time_stands"]


def test_serving_until_told_to_leave(world: GeneratedWorld) -> None:
    leave, seen = threading.Event(), []

    def ready(simulator: Simulator) -> None:
        seen.append(call(simulator.base_url + "/sim/clock")["now_ms"])
        leave.set()

    serve_forever(world, SimulatedTime(world.clock_start_ms), "127.0.0.1", 0, ready, leave)
    assert seen == [world.clock_start_ms]
