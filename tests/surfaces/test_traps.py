"""Traps of the source systems that stand at the HTTP API: open routes, secrets and raw errors in answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, make_url

from sereno.surfaces.api.app import create_app
from tests.surfaces.client import TestClient
from tests.surfaces.seeded import seeded_desk

LOCAL = "http://127.0.0.1"
TOKEN = "a-secret-of-24-characters"
SECRETS = {
    "api": {"token": TOKEN},
    "venue": {
        "instruments": ["BTC/USDT"],
        "api_key": "key-of-the-venue",
        "api_secret": "secret-of-the-venue",
    },
    "notify": {"telegram_bot_token": "1:token-of-the-bot", "telegram_chat_id": "42"},
}


def addresses(app: FastAPI) -> list[str]:
    """Every route of the application, its parameters filled in."""
    paths = [*app.openapi()["paths"], "/openapi.json"]
    return [re.sub(r"\{\w+\}", "anything", path) for path in paths]


def test_trap_a30_2_a30_31_ami_b12_10_r10_every_route_asks_for_the_token(tmp_path: Path) -> None:
    """Guards were lost with the file that held them: here no route is reached without passing the one door."""
    with seeded_desk(tmp_path, api={"token": TOKEN}) as desk:
        app = create_app(desk)
        app.add_api_route("/added/later", lambda: {"open": True})
        assert {"/added/later", "/metrics", "/health", "/api/v1/positions"} <= set(addresses(app))
        with TestClient(app, base_url=LOCAL) as client:
            known = {"Authorization": f"Bearer {TOKEN}"}
            assert client.get("/added/later", headers=known).json() == {"open": True}
            assert {client.get(path).status_code for path in addresses(app)} == {401}
            assert {client.post(path).status_code for path in addresses(app)} == {401}


def test_trap_ami_b12_10_no_answer_holds_a_secret(tmp_path: Path) -> None:
    with seeded_desk(tmp_path, **SECRETS) as desk:
        app = create_app(desk)
        secrets = [desk.settings.venue.api_secret, desk.settings.notify.telegram_bot_token]
        hidden = {s.get_secret_value() for s in secrets} | {TOKEN, desk.settings.api.token_digest}
        hidden.add("key-of-the-venue")
        with TestClient(app, base_url=LOCAL, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            answers = [client.get(path) for path in addresses(app)]
    assert sum(answer.status_code == 200 for answer in answers) > 8
    for answer in answers:
        told = answer.text + str(answer.headers)
        assert not [secret for secret in hidden if secret in told], answer.url


class Broken:
    """A ledger whose fault nobody foresaw."""

    def read(self) -> None:
        raise RuntimeError("no such column in /srv/desk: password=hunter2")

    begin = read

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("path", ["/api/v1/signals", "/api/v1/equity", "/metrics", "/"])
def test_trap_ami_b12_11_a30_33_a_fault_is_an_error_that_tells_strangers_nothing(
    tmp_path: Path, path: str
) -> None:
    with seeded_desk(tmp_path) as desk:
        whole = desk.ledger
        desk.__dict__["ledger"] = Broken()
        with TestClient(create_app(desk), base_url=LOCAL, raise_server_exceptions=False) as client:
            answer = client.get(path)
        desk.__dict__["ledger"] = whole
    assert answer.status_code == 500
    for word in ("hunter2", "column", "/srv", "RuntimeError", "Traceback"):
        assert word not in answer.text


@pytest.mark.postgres
def test_trap_ami_b12_12_health_fails_on_a_server_that_only_lets_read(
    tmp_path: Path, postgres_url: str
) -> None:
    """A standby answers, even to the beginning of a transaction; only what writes learns that it may not."""
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    name = make_url(postgres_url).database
    ledger = {"database_url": postgres_url}
    with seeded_desk(tmp_path, ledger=ledger) as desk, TestClient(create_app(desk), base_url=LOCAL) as client:
        assert client.get("/health").status_code == 200
        with admin.connect() as server:
            server.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        desk.ledger.engine.dispose()
        answer = client.get("/health")
        with admin.connect() as server:
            server.exec_driver_sql("SET default_transaction_read_only = off")
            server.exec_driver_sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        desk.ledger.engine.dispose()
        assert client.get("/health").status_code == 200
    admin.dispose()
    assert answer.status_code == 503
    assert answer.json()["checks"]["ledger"] is False
