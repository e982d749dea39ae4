"""Reports over the API: finished pages of the folder, under the same rules as everything, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sereno.ops.app import Desk
from sereno.surfaces.api.app import create_app
from tests.surfaces.client import TestClient
from tests.surfaces.seeded import seeded_desk

LOCAL = "http://127.0.0.1"
PAGE = "<!doctype html><title>r</title><style>p{}</style><p style='color:red'>what training found</p>"


def write_reports(desk: Desk) -> None:
    folder = desk.paths.reports
    (folder / "below").mkdir(parents=True)
    for age, name in enumerate(
        ("walkforward.html", "train-report.html", "below/inner.html", "data.json", ".x.html")
    ):
        (folder / name).write_text(PAGE)
        os.utime(folder / name, (1000 - age, 1000 - age))
    (desk.paths.root / "secret.html").write_text("secret")
    (folder / "link.html").symlink_to(desk.paths.root / "secret.html")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with seeded_desk(tmp_path_factory.mktemp("desk")) as desk:
        write_reports(desk)
        with TestClient(create_app(desk), base_url=LOCAL) as made:
            yield made


def test_a_report_is_served_as_it_lies_and_nothing_in_it_may_run(client: TestClient) -> None:
    answer = client.get("/reports/train-report.html")
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'none'"} <= set(policy)
    assert not [part for part in policy if part.startswith(("script-src", "connect-src"))]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        "data.json", "nothing.html", "link.html", ".x.html", "below/inner.html", "below%2Finner.html",
        "../secret.html", "..%2Fsecret.html", "%2e%2e%2fsecret.html", "..%5Csecret.html",
        "../ledger.sqlite3", "train-report.html%00", "train-report.html%0a", "",
    ],
)  # fmt: skip
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    answer = client.get(f"/reports/{name}")
    assert answer.status_code in (404, 422), answer.text
    assert "secret" not in answer.text.replace(name, "")


def test_the_front_page_links_to_the_reports_newest_first(client: TestClient) -> None:
    text = client.get("/").text
    links = "<a href='/reports/walkforward.html'>walkforward</a> · <a href='/reports/train-report.html'>train-report</a></p>"
    assert links in text
    assert "link.html" not in text


def test_trap_a30_32_reports_too_need_the_token(tmp_path: Path) -> None:
    with (
        seeded_desk(tmp_path, api={"host": "0.0.0.0", "token": "a-secret-of-24-characters"}) as desk,
        TestClient(create_app(desk), base_url="http://desk") as client,
    ):
        write_reports(desk)
        assert client.get("/reports/train-report.html").status_code == 401
        known = {"Authorization": "Bearer a-secret-of-24-characters"}
        assert client.get("/reports/train-report.html", headers=known).status_code == 200
