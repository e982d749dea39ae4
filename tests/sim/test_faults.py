from __future__ import annotations

import http.client
import json
import math
import urllib.error
import urllib.request
from typing import Any

import pytest

from sereno.core.timeframe import HOUR_MS
from sereno.sim.faults import Fault, FaultKind, Faults
from sereno.sim.server import Simulator
from tests.sim.test_server import call

KLINES = "/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=10"


def candles(simulator: Simulator) -> Any:
    return call(simulator.base_url + KLINES)


def fail_once(simulator: Simulator, path: str = KLINES) -> urllib.error.HTTPError:
    with pytest.raises(urllib.error.HTTPError) as failed:
        call(simulator.base_url + path)
    failed.value.close()
    return failed.value


def test_too_many_requests_with_a_time_to_wait(simulator: Simulator) -> None:
    armed = {"kind": "status", "path": "/api/v3/klines", "status": 429, "retry_after_s": 3, "times": 2}
    shown = call(simulator.base_url + "/sim/faults", armed)
    assert shown["faults"][0]["status"] == 429
    for _ in range(2):
        failed = fail_once(simulator)
        assert (failed.code, failed.headers["Retry-After"]) == (429, "3")
    assert len(candles(simulator)) == 10
    assert call(simulator.base_url + "/sim/faults") == {"faults": []}


def test_server_errors_and_bodies_of_choice(simulator: Simulator) -> None:
    simulator.faults.inject(Fault(FaultKind.STATUS))
    assert fail_once(simulator).code == 503
    simulator.faults.inject(Fault(FaultKind.STATUS, status=418, body="teapot"))
    assert fail_once(simulator).code == 418
    simulator.faults.inject(Fault(FaultKind.STATUS, status=429))
    with pytest.raises(urllib.error.HTTPError) as failed:
        call(simulator.base_url + "/v5/market/time")
    with failed.value as reply:
        body = json.load(reply)
    assert (body["retCode"], body["time"]) == (10006, simulator.clock.now_ms())


def test_a_web_page_instead_of_json(simulator: Simulator) -> None:
    simulator.faults.inject(Fault(FaultKind.HTML))
    with urllib.request.urlopen(simulator.base_url + KLINES, timeout=10) as reply:
        assert reply.headers["Content-Type"] == "text/html"
        assert reply.read().startswith(b"<html>")


def test_half_a_reply(simulator: Simulator) -> None:
    simulator.faults.inject(Fault(FaultKind.HALF_JSON), Fault(FaultKind.TRUNCATED), Fault(FaultKind.DROP))
    with pytest.raises(json.JSONDecodeError):
        candles(simulator)
    with pytest.raises(http.client.IncompleteRead):
        candles(simulator)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        candles(simulator)
    assert len(candles(simulator)) == 10


def test_a_late_reply(simulator: Simulator) -> None:
    simulator.faults.inject(Fault(FaultKind.DELAY, delay_s=5.0))
    connection = http.client.HTTPConnection(simulator.host, simulator.port, timeout=0.05)
    connection.request("GET", "/api/v3/ping")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()


def test_a_clock_that_is_off(simulator: Simulator) -> None:
    url, now = simulator.base_url, simulator.clock.now_ms()
    simulator.faults.inject(Fault(FaultKind.CLOCK_OFFSET, times=0, offset_ms=30_000))
    assert call(url + "/api/v3/time")["serverTime"] == now + 30_000
    assert call(url + "/v5/market/time")["time"] == now + 30_000
    assert candles(simulator)[-1][0] == now - HOUR_MS
    call(url + "/sim/faults", method="DELETE")
    assert call(url + "/api/v3/time")["serverTime"] == now


def test_spoiled_candles(simulator: Simulator) -> None:
    simulator.step_to(simulator.clock.now_ms() + HOUR_MS // 2)  # a candle is forming
    sound = candles(simulator)

    def spoiled(kind: str) -> Any:
        call(simulator.base_url + "/sim/faults", [{"kind": kind}])
        call(simulator.base_url + "/api/v3/ping")  # does not use up a fault of candles
        rows = candles(simulator)
        assert candles(simulator) == sound
        return rows

    assert spoiled("empty") == []
    assert spoiled("duplicates") == [row for row in sound for _ in range(2)]
    shuffled = spoiled("out_of_order")
    assert shuffled != sound
    assert sorted(shuffled) == sound
    assert len(spoiled("missing")) == 8
    assert any(math.isnan(float(row[4])) for row in spoiled("nan"))
    assert any(float(row[3]) < 0 for row in spoiled("negative"))
    assert max(float(row[4]) for row in spoiled("absurd")) > 1e7
    assert any(float(row[2]) < float(row[3]) for row in spoiled("inconsistent"))
    unclosed = spoiled("unclosed")
    assert unclosed[:-2] == sound[:-2]
    assert unclosed[-2] != sound[-2]
    assert unclosed[-1] == sound[-1]
    assert spoiled("future")[-1][0] > simulator.clock.now_ms()


def test_faults_hit_whom_they_are_meant_for(simulator: Simulator) -> None:
    simulator.faults.inject(Fault(FaultKind.STATUS, symbol="ETHUSDT", path="/api/v3"))
    assert len(candles(simulator)) == 10
    fail_once(simulator, KLINES.replace("BTC", "ETH"))


def test_faults_are_used_up_in_order() -> None:
    faults = Faults()
    faults.inject(Fault(FaultKind.DELAY, times=2), Fault(FaultKind.HTML))
    taken = [faults.take("/api/v3/ping", "", candles=False) for _ in range(4)]
    assert [one.kind if one else None for one in taken] == ["delay", "delay", "html", None]
    faults.inject(Fault(FaultKind.HTML, times=0))
    assert all(faults.take("/", "", candles=False) for _ in range(5))
    faults.clear()
    assert faults.armed() == ()
    with pytest.raises(ValueError, match="0 or more"):
        Fault.of({"kind": "html", "times": -1})
