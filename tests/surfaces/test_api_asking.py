"""What may be asked of the API, and that every row can be reached by asking on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sereno.core.candle import Candle, Candles
from sereno.core.instrument import Series
from sereno.core.order import EquityPoint
from sereno.core.signal import Decision
from sereno.core.timeframe import HOUR_MS, Timeframe, from_iso
from sereno.ops.app import Desk
from sereno.store.ledger import equity, signals
from sereno.surfaces.api.app import create_app
from sereno.surfaces.api.asked import MOMENT
from tests.surfaces.client import TestClient
from tests.surfaces.seeded import NOW_MS, seeded_desk, signal_of

LOCAL = "http://127.0.0.1"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with seeded_desk(tmp_path) as made:
        yield made


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(create_app(desk), base_url=LOCAL, raise_server_exceptions=False) as made:
        yield made


def asked(client: TestClient, path: str, **params: object) -> Any:
    answer = client.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "path",
    ["/", "/health", "/metrics", "/api/v1/jobs", "/api/v1/signals", "/api/v1/equity", "/api/v1/positions"],
)
def test_a_parameter_that_nobody_reads_is_refused_with_those_that_are_known(
    client: TestClient, path: str
) -> None:
    answer = client.get(path, params={"untill": "2024-06-01"})
    assert answer.status_code == 422
    assert answer.json()["error"] == "request.invalid"
    assert "query.untill: not known here; known: " in answer.json()["remedy"]
    assert ("until" in answer.json()["remedy"].partition("known: ")[2].split(", ")) == (
        path in ("/api/v1/signals", "/api/v1/equity", "/api/v1/positions")
    )


@pytest.mark.parametrize("path", ["signals", "equity", "positions"])
@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("moment", ["2024-02-30", "2024-13-01", "2024-06-01T25:00:00Z"])
def test_a_day_that_the_calendar_does_not_have_is_refused(
    client: TestClient, path: str, name: str, moment: str
) -> None:
    answer = client.get(f"/api/v1/{path}", params={name: moment})
    assert answer.status_code == 422
    assert f"{moment} is not in the calendar" in answer.json()["remedy"]
    assert f"query.{name}: " in answer.json()["remedy"]


@given(st.dates(date(1968, 1, 1), date(2101, 12, 31)), st.integers(0, 40), st.integers(0, 14))
def test_the_promised_pattern_is_the_calendar(day: date, number: int, month: int) -> None:
    text = f"{day.year}-{month:02d}-{number:02d}"
    try:
        known = from_iso(text) >= 0 and day.year < 2100
    except ValueError:
        known = False
    assert bool(re.fullmatch(MOMENT, text)) == known


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nothing", 404, "route.unknown"),
        ("HEAD", "/nothing", 404, None),
        ("POST", "/health", 405, "method.refused"),
        ("DELETE", "/api/v1/signals", 405, "method.refused"),
    ],
)
def test_every_refusal_has_the_promised_shape(
    client: TestClient, method: str, path: str, status: int, error: str | None
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    if error is None:
        assert answer.content == b""
    else:
        assert set(answer.json()) == {"error", "remedy"}
        assert answer.json()["error"] == error
        assert answer.json()["remedy"]


def test_a_refused_method_is_told_which_are_allowed(client: TestClient) -> None:
    assert "GET" in client.post("/health").headers["allow"]


def test_a_fault_has_the_promised_shape_too(client: TestClient, desk: Desk) -> None:
    whole = desk.ledger
    desk.__dict__["ledger"] = None
    answer = client.get("/api/v1/equity")
    desk.__dict__["ledger"] = whole
    assert answer.status_code == 500
    assert set(answer.json()) == {"error", "remedy"}


@pytest.mark.parametrize("path", ["/health", "/metrics", "/", "/api/v1/jobs"])
def test_head_is_answered_as_get_is_without_the_body(client: TestClient, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    lines = client.get("/metrics").text
    assert f'ost_http_requests_total{{method="HEAD",path="{path}",status="200"}} 1.0' in lines


def test_every_signal_is_reached_though_several_have_one_moment(client: TestClient, desk: Desk) -> None:
    with desk.ledger.begin() as tx:
        for instrument in desk.instruments:
            for timeframe in (Timeframe.M15, Timeframe.H4, Timeframe.D1):
                signals.save(tx, signal_of(Series(instrument, timeframe), NOW_MS, Decision.LONG))
        known = [one.signal_id for one in signals.recent(tx, limit=100)]
    found: list[str] = []
    while page := asked(client, "signals", limit=4, offset=len(found), until="2024-06-01T12:00:31Z")[
        "signals"
    ]:
        found += [one["signal_id"] for one in page]
    assert found == known


def test_signals_until_leave_the_moment_itself_out(client: TestClient) -> None:
    newest, before = asked(client, "signals", limit=2)["signals"]
    assert asked(client, "signals", until=newest["ts"], limit=1)["signals"] == [before]


def test_every_point_of_the_curve_is_reached(client: TestClient, desk: Desk) -> None:
    found: list[str] = []
    until: dict[str, object] = {}
    while page := asked(client, "equity", limit=7, **until)["points"]:
        found = [one["time"] for one in page] + found
        until = {"until": page[0]["time"]}
    assert found == sorted(found)
    assert len(found) == 25


def test_every_position_is_reached_newest_entry_first(client: TestClient) -> None:
    both = [one["position_id"] for one in asked(client, "positions")["positions"]]
    assert both == ["p2", "p1"]
    paged = [asked(client, "positions", limit=1, offset=i)["positions"][0]["position_id"] for i in (0, 1)]
    assert paged == both
    entry = asked(client, "positions")["positions"][0]["entry_time"]
    assert asked(client, "positions", until=entry)["positions"] == []
    assert len(asked(client, "positions", since=entry)["positions"]) == 2
    assert [p["position_id"] for p in asked(client, "positions", status="open")["positions"]] == ["p2"]
    assert [p["position_id"] for p in asked(client, "positions", status="closed")["positions"]] == ["p1"]


def test_candles_before_a_gap_longer_than_a_page_are_reached(client: TestClient, desk: Desk) -> None:
    first = Timeframe.H1.floor(NOW_MS) - 1000 * HOUR_MS
    old = Candles.of(
        Timeframe.H1, [Candle(first + i * HOUR_MS, 100.0, 101.0, 99.0, 100.0, 1.0) for i in range(8)]
    )
    desk.lake.append(desk.series[0], old, source="test", mode=desk.mode, now=NOW_MS)
    found: list[str] = []
    until: dict[str, object] = {}
    while page := asked(client, "candles", symbol="BTC/USDT", limit=5, **until)["candles"]:
        found = [one["open_time"] for one in page] + found
        until = {"until": page[0]["open_time"]}
    assert len(found) == len(set(found)) == 68
    assert found == sorted(found)


def test_the_curve_until_keeps_every_digit(desk: Desk, client: TestClient) -> None:
    with desk.ledger.begin() as tx:
        equity.add(tx, EquityPoint(NOW_MS + 1, desk.mode, "paper", Decimal("1.23456789"), Decimal(0)))
    (point,) = asked(client, "equity", since="2024-06-01T12:00:30.001Z", until="2024-06-01T12:00:30.002Z")[
        "points"
    ]
    assert point["balance_quote"] == "1.23456789"
