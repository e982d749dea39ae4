"""The API over a real ledger and lake."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from sereno.core.candle import Candles
from sereno.core.clock import ClockAnchor, ClockFile, FixedClock, WallClock
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.page import minute
from sereno.core.settings import ApiSettings, Settings
from sereno.core.signal import Decision
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.ops.app import Desk
from sereno.ops.guard import Verdict
from sereno.ops.logs import MASK, Redactor
from sereno.ops.records import Recorder
from sereno.ops.snapshot import take_snapshot
from sereno.store.lake import Lake
from sereno.store.ledger import findings, runs, signals
from sereno.store.ledger.findings import Finding
from sereno.store.ledger.runs import RunStatus
from sereno.surfaces.api.app import create_app
from sereno.surfaces.api.guards import Doorkeeper, host_of
from tests.store.test_registry import keep
from tests.surfaces.client import TestClient
from tests.surfaces.seeded import NOW_MS, seeded_desk, settings_for, signal_of
from tests.surfaces.seeded import _run as run_of

LOCAL = "http://127.0.0.1"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with seeded_desk(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(create_app(desk), base_url=LOCAL) as made:
        yield made


def test_health_is_ok_when_all_is_well(client: TestClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "ok"
    assert answer.json()["checks"] == {
        "ledger": True, "lake": True, "disk": True, "clock": True, "daemons": True, "entries": True, "positions": True,
    }  # fmt: skip


def test_health_fails_when_a_daemon_is_gone(tmp_path: Path) -> None:
    with seeded_desk(tmp_path, daemons=False) as desk, TestClient(create_app(desk), base_url=LOCAL) as client:
        answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["daemons: signals does not run"]


def test_health_fails_when_the_lake_has_lost_its_candles(tmp_path: Path) -> None:
    with (
        Desk(settings_for(tmp_path), clock=FixedClock(NOW_MS)) as desk,
        TestClient(create_app(desk), base_url=LOCAL) as client,
    ):
        answer = client.get("/health")
    assert answer.status_code == 503
    assert any(reason.startswith("lake: no candles of") for reason in answer.json()["reasons"])


def test_trap_ami_b12_12_health_fails_when_the_ledger_cannot_be_written(tmp_path: Path) -> None:
    import sqlite3

    with (
        seeded_desk(tmp_path, ledger={"busy_timeout_s": 0.1}) as desk,
        TestClient(create_app(desk), base_url=LOCAL) as client,
    ):
        other = sqlite3.connect(desk.paths.ledger_file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = client.get("/health")
        other.execute("ROLLBACK")
        other.close()
        assert answer.status_code == 503
        assert "ledger" in answer.json()["reasons"][0]
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(("ends_in_ms", "ended"), [(0, "2024-06-01T12:00:30Z"), (1, None)])
def test_the_end_of_a_world_of_files_is_told_and_is_no_failure(
    tmp_path: Path, ends_in_ms: int, ended: str | None
) -> None:
    with (
        seeded_desk(tmp_path, mode="sim") as desk,
        TestClient(create_app(desk), base_url=LOCAL) as client,
    ):
        anchor = ClockAnchor(NOW_MS, WallClock().now_ms(), 0.0, end_ms=NOW_MS + ends_in_ms)
        ClockFile(desk.paths.clock_file).write(anchor)
        health, page = client.get("/health"), client.get("/").text
        last = client.get("/api/v1/diagnostics/last-run").json()
        line = take_snapshot(desk.settings, desk.ledger, desk.clock).line()
    assert health.status_code == 200, health.text
    assert health.json()["world_ended"] == last["world_ended"] == ended
    words = "the simulated candles end at 2024-06-01T12:00:30Z: time stands still"
    told = [text for text in (page, line, " ".join(health.json()["notes"])) if words in text]
    assert len(told) == (3 if ended else 0)


def test_metrics_carry_the_promised_names(client: TestClient) -> None:
    client.get("/api/v1/jobs")
    text = client.get("/metrics").text
    for name in (
        'ost_http_requests_total{method="GET",path="/api/v1/jobs",status="200"}',
        "ost_http_request_latency_seconds_bucket",
        "ost_ingestion_duration_seconds{",
        "ost_ingestion_failures_total{",
        "ost_signal_generation_duration_seconds{",
        "ost_last_ingestion_timestamp_seconds{",
        "ost_last_signal_timestamp_seconds{",
        'ost_job_last_run_success{job="walkforward",mode="paper"} 0.0',
        'ost_daemon_up{job="signals",mode="paper"} 1.0',
    ):
        assert name in text, name


def test_the_prefix_of_the_metrics_can_be_set(tmp_path: Path) -> None:
    with (
        seeded_desk(tmp_path, api={"metrics_prefix": "desk_"}) as desk,
        TestClient(create_app(desk), base_url=LOCAL) as client,
    ):
        text = client.get("/metrics").text
    assert "desk_last_signal_timestamp_seconds" in text
    assert "ost_" not in text


def test_trap_e4_14_b12_17_labels_do_not_grow_with_what_strangers_ask(client: TestClient) -> None:
    for i in range(40):
        client.get(f"/nothing/{i}")
        client.request(f"ODD{i}", "/health")
        client.get(f"/api/v1/signals/sig_{i}")
    lines = [line for line in client.get("/metrics").text.splitlines() if "http_requests_total{" in line]
    assert len(lines) < 25
    assert any('path="unmatched"' in line for line in lines)
    assert any('path="/api/v1/signals/{signal_id}"' in line for line in lines)
    assert any('method="OTHER"' in line for line in lines)


def test_last_runs_and_failures(client: TestClient) -> None:
    told = client.get("/api/v1/diagnostics/last-run").json()
    assert told["ingestion"]["job"] == "collector"
    assert told["signals"]["status"] == "success"
    assert [run["job"] for run in told["failed"]] == ["walkforward"]
    assert told["failed"][0]["error"] == "it broke"


def test_a_failure_is_told_however_many_runs_went_well_since(tmp_path: Path) -> None:
    with seeded_desk(tmp_path) as desk, TestClient(create_app(desk), base_url=LOCAL) as client:
        with desk.ledger.begin() as tx:
            for second in range(250):
                run_of(tx, "collector", NOW_MS + second * 1000, RunStatus.SUCCESS)
        told = client.get("/api/v1/diagnostics/last-run").json()
    assert [run["job"] for run in told["failed"]] == ["walkforward"]


def test_a_secret_that_a_job_raised_reaches_neither_record_nor_textfile_nor_answer(tmp_path: Path) -> None:
    secret = "s3cret-of-the-bot"
    story = f"https://host/bot{secret}/send does not answer"
    changes = {"notify": {"telegram_bot_token": secret}, "metrics": {"textfile": True}}
    with seeded_desk(tmp_path, **changes) as desk, TestClient(create_app(desk), base_url=LOCAL) as client:
        recorder = Recorder(desk.ledger, desk.settings, desk.clock, Redactor.of(desk.settings))
        verdict = Verdict(False, 1, story, 1, {"places": [{"url": story}]})
        done = recorder.end(recorder.start("train", "r1"), verdict, "error")
        with desk.ledger.read() as tx:
            kept = runs.latest(tx, "train", 1)[0]
        told = client.get("/api/v1/diagnostics/last-run").text
        metrics = (desk.paths.metrics / "sereno_train.prom").read_text()
    masked = story.replace(secret, MASK)
    assert (kept.run_id, kept.error, done.error) == ("r1", masked, masked)
    assert kept.details["places"] == [{"url": masked}]
    assert masked in told
    assert not [text for text in (str(kept), str(done), told, metrics) if secret in text]


def test_jobs_show_newest_and_next_run(client: TestClient) -> None:
    told = {job["name"]: job for job in client.get("/api/v1/jobs").json()}
    assert told["collector"]["next_firing"] == "2024-06-01T12:15:00Z"
    assert told["collector"]["last"]["status"] == "success"
    assert told["signals"]["alive"] is True
    assert told["signals"]["next_firing"] is None


def test_candles_by_range_and_limit(client: TestClient) -> None:
    told = client.get("/api/v1/candles", params={"symbol": "BTC/USDT", "limit": 5}).json()["candles"]
    assert len(told) == 5
    assert told[-1]["open_time"] == "2024-06-01T11:00:00Z"
    ranged = client.get(
        "/api/v1/candles",
        params={"symbol": "btc/usdt", "since": "2024-06-01T02:00:00Z", "until": "2024-06-01T05:00:00Z"},
    ).json()["candles"]
    assert [c["open_time"][11:13] for c in ranged] == ["02", "03", "04"]


def test_a_few_candles_since_long_ago_read_no_more_than_they_need(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def noted(lake: Lake, series: Series, since: int, until: int) -> Candles:
        asked.append((until - since) // series.timeframe.ms)
        return read(lake, series, since, until)

    read = Lake.candles
    monkeypatch.setattr(Lake, "candles", noted)
    wanted = {"symbol": "BTC/USDT", "limit": 5}
    told = client.get("/api/v1/candles", params={**wanted, "since": "1970-01-01"}).json()["candles"]
    assert told == client.get("/api/v1/candles", params=wanted).json()["candles"]
    assert max(asked) <= 5
    later = client.get("/api/v1/candles", params={**wanted, "since": "2024-06-01T09:30:00Z"}).json()[
        "candles"
    ]
    assert [c["open_time"][11:13] for c in later] == ["10", "11"]
    none = {"since": "2024-06-02", "until": "2024-06-01"}
    assert client.get("/api/v1/candles", params={**wanted, **none}).json()["candles"] == []


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"symbol": "DOGE/USDT"}, 404),
        ({"symbol": "BTC/USDT", "timeframe": "2h"}, 404),
        ({"symbol": "BTC/USDT", "timeframe": "7m"}, 422),
        ({"symbol": "BTC/USDT", "since": "yesterday"}, 422),
        ({"symbol": "BTC/USDT", "since": "2024-13-45"}, 422),
        ({"symbol": "BTC/USDT", "sinse": "2024-06-01"}, 422),
        ({"symbol": "BTC/USDT", "limit": 0}, 422),
        ({}, 422),
    ],
)
def test_trap_a30_33_what_is_not_understood_is_said(
    client: TestClient, params: dict[str, str], status: int
) -> None:
    answer = client.get("/api/v1/candles", params=params)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert answer.json()["remedy"]


def test_signals_carry_the_fields_of_signal_json(client: TestClient) -> None:
    told = client.get("/api/v1/signals", params={"limit": 3}).json()["signals"]
    assert len(told) == 3
    assert told[0]["ts"] > told[1]["ts"]
    assert {"prob_up", "regime_reason", "version", "data_digest"} <= set(told[0])
    longs = client.get("/api/v1/signals", params={"decision": "LONG"}).json()["signals"]
    assert {s["decision"] for s in longs} == {"LONG"}
    one = client.get(f"/api/v1/signals/{longs[0]['signal_id']}").json()
    assert one == longs[0]


def test_signals_are_of_the_asked_instrument_timeframe_and_mode(tmp_path: Path) -> None:
    with seeded_desk(tmp_path) as desk, TestClient(create_app(desk), base_url=LOCAL) as client:
        btc, eth = desk.instruments
        other = [
            signal_of(Series(btc, Timeframe.H4), NOW_MS, Decision.LONG),
            signal_of(Series(eth, Timeframe.H1), NOW_MS, Decision.LONG),
            signal_of(Series(btc, Timeframe.H1), NOW_MS, Decision.LONG, mode=Mode.SIM),
        ]
        with desk.ledger.begin() as tx:
            for signal in other:
                signals.save(tx, signal)

        def asked(**params: str) -> list[tuple[str, str]]:
            told = client.get("/api/v1/signals", params=params).json()["signals"]
            return [(one["symbol"], one["timeframe"]) for one in told]

        assert set(asked(timeframe="4h")) == {("BTC/USDT", "4h")}
        assert len(asked(timeframe="1h")) == 13
        assert set(asked(symbol="eth/usdt")) == {("ETH/USDT", "1h")}
        assert len(asked(symbol="BTC/USDT", timeframe="1h")) == 12
        assert len(asked()) == 14


def test_positions_and_equity_keep_every_digit(client: TestClient) -> None:
    told = client.get("/api/v1/positions").json()["positions"]
    assert [p["position_id"] for p in told] == ["p2", "p1"]
    assert told[1]["pnl_quote"] == "-0.65"
    assert (
        client.get("/api/v1/positions", params={"status": "open"}).json()["positions"][0]["exit_time"] is None
    )
    points = client.get("/api/v1/equity", params={"limit": 2}).json()["points"]
    assert [p["balance_quote"] for p in points] == ["10001", "10000"]
    assert points[-1]["equity_quote"] == "9998.75"


def test_models(client: TestClient) -> None:
    (model,) = client.get("/api/v1/models").json()["models"]
    assert model["serving"] is True
    assert client.get("/api/v1/models", params={"serving": "false"}).json()["models"] == []


def test_the_front_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "<svg" in answer.text
    assert "http://" not in answer.text.replace("http-equiv", "")
    assert "https://" not in answer.text
    assert "<script" not in answer.text


def test_the_front_page_tells_each_finding_once_the_loudest_of_the_newest_look_first(tmp_path: Path) -> None:
    with seeded_desk(tmp_path) as desk, TestClient(create_app(desk), base_url=LOCAL) as client:
        bare = client.get("/").text
        assert "Nothing was noticed yet." in bare
        assert "<span class='good'>well</span>" in bare
        with desk.ledger.begin() as tx:
            for i, (at, check, severity) in enumerate(
                [
                    (NOW_MS - HOUR_MS, "drawdown", "critical"),
                    (NOW_MS, "old_model", "warning"),
                    (NOW_MS, "missed_decisions", "high"),
                    (NOW_MS - HOUR_MS, "missed_decisions", "warning"),
                ]
            ):
                findings.add(tx, Finding(str(i), at, check, severity, "BTC/USDT", f"<{check}> was seen"))
        text = client.get("/").text
    told = [text.index(f"&lt;{check}&gt;") for check in ("missed_decisions", "old_model", "drawdown")]
    assert told == sorted(told)
    assert text.count("&lt;missed_decisions&gt;") == 1
    assert "<span class='bad'>high</span>" in text
    assert "<span class='faint'>critical</span>" in text, "the newest look did not find it again"
    assert "<span class='warn'>well, but see the findings</span>" in text


def test_the_front_page_tells_what_serves_each_series(tmp_path: Path) -> None:
    with seeded_desk(tmp_path) as desk, TestClient(create_app(desk), base_url=LOCAL) as client:
        series = desk.series[0]
        assert f"<td>{series.key}</td><td><span class='bad'>none</span>" in client.get("/").text
        version = keep(desk.registry, 1, series_key=series.key)
        desk.registry.use("trend", series, version)
        manifest = desk.registry.manifest("trend", series, version)
        assert manifest is not None
        assert f"of {minute(manifest.created_ms)}" in client.get("/").text
        (manifest_file,) = desk.registry.root.rglob(f"{version}/manifest.json")
        manifest_file.write_text("{}")
        assert desk.registry.manifest("trend", series, version) is None
        assert f"{version} cannot be read" in client.get("/").text


def test_the_front_page_reads_no_more_of_the_curve_than_it_draws(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sereno.surfaces.api.page.MOST_POINTS", 5)
    drawn = client.get("/").text.partition("<polyline points='")[2].partition("'")[0]
    assert len(drawn.split()) == 5


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_trap_a30_31_it_is_read_only(client: TestClient, method: str) -> None:
    for path in ("/api/v1/signals", "/api/v1/positions", "/api/v1/models"):
        refused = client.request(method, path)
        assert refused.status_code == 405
        assert refused.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/api/v1/jobs", "/openapi.json", "/nothing"])
def test_no_answer_is_kept_or_taken_for_another_type(client: TestClient, path: str) -> None:
    for headers in ({}, {"Host": "evil.example"}):
        answer = client.get(path, headers=headers)
        assert answer.headers.get_list("Cache-Control") == ["no-store"]
        assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]


def test_trap_b12_18_a30_32_r10_off_loopback_nothing_is_open_without_the_token(tmp_path: Path) -> None:
    api = {"host": "0.0.0.0", "token": "a-secret-of-24-characters"}
    with (
        seeded_desk(tmp_path, api=api) as desk,
        TestClient(create_app(desk), base_url="http://desk") as client,
    ):
        for path in ("/", "/health", "/metrics", "/openapi.json", "/api/v1/jobs", "/nothing"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert (
                client.get(path, headers={"Authorization": "Basic a-secret-of-24-characters"}).status_code
                == 401
            )
            assert client.get(path, headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401
        right = {"Authorization": "Bearer a-secret-of-24-characters"}
        assert client.get("/api/v1/jobs", headers=right).status_code == 200
        assert client.get("/health", headers=right).status_code == 200


@pytest.mark.parametrize("token", [{}, {"token": "too-short"}])
def test_a_public_address_without_a_good_token_is_refused_at_start(
    tmp_path: Path, token: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"api\.token"):
        Settings.model_validate({"state_dir": tmp_path, "api": {"host": "0.0.0.0", **token}})


def test_the_hash_of_a_token_guards_as_the_token_does(tmp_path: Path) -> None:
    token = "a-secret-of-24-characters"
    digest = sha256(token.encode()).hexdigest()
    api = {"host": "0.0.0.0", "token_sha256": digest}
    with (
        seeded_desk(tmp_path, api=api) as desk,
        TestClient(create_app(desk), base_url="http://desk") as client,
    ):
        for wrong in ("", "wrong", digest, token[:-1]):
            assert client.get("/", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
        assert client.get("/", headers={"Authorization": f"bearer {token}"}).status_code == 200


@pytest.mark.parametrize(("host", "status"), [("0.0.0.0", 401), ("127.0.0.1", 200)])
def test_r10_a_doorkeeper_without_a_token_lets_nobody_in_off_loopback(host: str, status: int) -> None:
    """Settings refuse such an address; should they ever not, the door is shut nevertheless."""
    settings = ApiSettings.model_construct(host=host, token=SecretStr(""), token_sha256="")
    guarded = Doorkeeper(FastAPI(), settings=settings)
    with TestClient(guarded, base_url=LOCAL) as client:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}):
            assert client.get("/openapi.json", headers=headers).status_code == status


def test_the_doorkeeper_holds_no_token_in_plain(tmp_path: Path) -> None:
    token = "a-secret-of-24-characters"
    settings = settings_for(tmp_path, api={"token": token}).api
    keeper = Doorkeeper(create_app, settings=settings)  # type: ignore[arg-type]
    assert token not in repr(vars(keeper))
    assert sha256(token.encode()).hexdigest() in repr(vars(keeper))


def test_token_and_hash_must_belong_together(tmp_path: Path) -> None:
    token = "a-secret-of-24-characters"
    digest = sha256(token.encode()).hexdigest()
    settings_for(tmp_path, api={"token": token, "token_sha256": digest})
    with pytest.raises(ValueError, match=r"api\.token_sha256 is not the hash"):
        settings_for(tmp_path, api={"token": f"{token}!", "token_sha256": digest})


def test_a_token_on_loopback_is_asked_for_too(tmp_path: Path) -> None:
    with (
        seeded_desk(tmp_path, api={"token": "a-secret-of-24-characters"}) as desk,
        TestClient(create_app(desk), base_url=LOCAL) as client,
    ):
        assert client.get("/api/v1/jobs").status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80"])
def test_a_page_elsewhere_cannot_reach_the_desk_by_rebinding_its_name(client: TestClient, host: str) -> None:
    answer = client.get("/api/v1/jobs", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json()["error"] == "host.refused"


@pytest.mark.parametrize(
    ("header", "host"),
    [(b"127.0.0.1:8000", "127.0.0.1"), (b"[::1]:8000", "::1"), (b"LocalHost", "localhost"), (b"[::1", "::1")],
)
def test_host_of(header: bytes, host: str) -> None:
    assert host_of(header) == host


def test_equity_since(client: TestClient) -> None:
    since = "2024-06-01T10:00:00Z"
    points = client.get("/api/v1/equity", params={"since": since}).json()["points"]
    assert points[0]["time"] >= since
    assert len(points) == (NOW_MS % HOUR_MS >= 0) + 2
