"""The page at `/` in a real browser: it shows the desk's facts and the browser has nothing to complain of."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sereno.ops.address import api_address
from sereno.ops.app import Desk
from sereno.ops.run import Run
from sereno.surfaces.api.server import serve
from tests.surfaces.seeded import seeded_desk

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
STARTS_S = 30.0
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@dataclass(frozen=True, slots=True)
class Seen:
    """A page as the browser has it: its tree as HTML, and what it wrote on its console."""

    dom: str
    console: tuple[str, ...]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A seeded desk with its API listening."""
    stop = threading.Event()
    with seeded_desk(tmp_path_factory.mktemp("desk"), api={"port": 0}) as made:
        run = Run("r", "dashboard", stopping=stop.is_set)
        server = threading.Thread(target=serve, args=(made, run), daemon=True)
        server.start()
        deadline = time.monotonic() + STARTS_S
        while not api_address(made.paths) and time.monotonic() < deadline:
            stop.wait(0.02)
        yield made
        stop.set()
        server.join(10)


def browse(url: str, folder: Path, *options: str) -> Seen:
    """Load a page and let it stand for two seconds of the browser's own time."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            f"--user-data-dir={folder}", "--virtual-time-budget=2000", "--enable-logging=stderr", *options,
            "--dump-dom", url,
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return Seen(done.stdout, tuple(line for line in done.stderr.splitlines() if "CONSOLE" in line))


@pytest.fixture(scope="module")
def seen(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return browse(api_address(desk.paths), tmp_path_factory.mktemp("chromium"))


def text_of(dom: str) -> str:
    """What stands on the page, without tags and style."""
    body = re.sub(r"<style>.*?</style>", " ", dom, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_page_shows_the_facts_of_the_desk(seen: Seen) -> None:
    text = text_of(seen.dom)
    for fact in (
        "Sereno well mode paper, real candles; desk time 2024-06-01 12:00 UTC",
        "9,998.75 quote, of which -1.25 in 1 open position(s)",
        "2024-06-01 12:00 BTC/USDT 1h NO_TRADE - RANGE no_edge",
        "2024-06-01 11:00 BTC/USDT 1h LONG 0.500 RANGE taken",
        "BTC/USDT long 0.5 2024-06-01 04:00 100.10 open; stop 99.00, target 102.00",
        "BTC/USDT long 0.5 2024-06-01 04:00 100.10 2024-06-01 10:00 (stop) -0.65",
        "collector success 2024-06-01 11:52 1.5 s 2024-06-01 12:15",
        "walkforward error",
        "it broke",
    ):
        assert fact in text, text


def test_the_browser_draws_the_curve(seen: Seen) -> None:
    points = re.search(r"<polyline points=\"([^\"]+)\"", seen.dom)
    assert points is not None, "the SVG is part of the tree"
    assert len(points[1].split()) == 25


def test_the_browser_has_nothing_to_complain_of(seen: Seen) -> None:
    assert seen.console == ()


def test_a_complaint_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<script>throw new Error('on purpose')</script>")
    told = browse(page.as_uri(), tmp_path / "chromium").console
    assert len(told) == 1
    assert "on purpose" in told[0]
