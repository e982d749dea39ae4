"""The page stands alone, shows the scores as they are, and escapes what it is given."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sereno.models.report import EquityCurve, train_report, write_train_report
from tests.models.conftest import Trained
from tests.models.worlds import SERIES


class _Links(HTMLParser):
    """Collects whatever a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "iframe", "img", "object", "embed"}:
            self.fetched.append(tag)
        self.fetched += [
            str(v) for k, v in attrs if k in {"src", "href", "xlink:href"} and not str(v).startswith("#")
        ]


@pytest.fixture(scope="module")
def curve(edged: Trained) -> EquityCurve:
    ts = edged.world.frame.ts[-200:]
    return EquityCurve(ts, 10_000 + np.linspace(0, 5, len(ts)) ** 2, "12 trades <after costs>")


@pytest.fixture(scope="module")
def page(edged: Trained, noise: Trained, curve: EquityCurve) -> str:
    return train_report([edged.report, noise.report], equity={SERIES.key: curve})


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    links = _Links()
    links.feed(page)
    assert links.fetched == []
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_plots_are_inline(page: str) -> None:
    per_series = 1 + 2 + 1 + 2  # equity; calibration and importance of trend and risk; importance of return
    assert page.count("<svg") == 2 * per_series


def test_the_numbers_are_those_of_the_report(page: str, edged: Trained, noise: Trained) -> None:
    for trained in (edged, noise):
        for role in trained.report.roles:
            for value in role.evaluation["metrics"].values():
                assert f"{value:.4f}" in page
            assert role.served.version in page


def test_a_refusal_is_shown_with_its_reason(page: str, noise: Trained) -> None:
    reason = noise.report.roles[0].trees.refused_reason
    assert reason
    assert reason in page


def test_what_is_given_is_escaped(page: str) -> None:
    assert "12 trades &lt;after costs&gt;" in page


def test_without_a_curve_the_page_says_so(edged: Trained) -> None:
    assert "no trades were simulated" in train_report([edged.report], equity={})


def test_the_same_report_is_the_same_page(edged: Trained, curve: EquityCurve) -> None:
    pages = {train_report([edged.report], equity={SERIES.key: curve}) for _ in range(2)}
    assert len(pages) == 1


def test_it_is_written_whole(edged: Trained, tmp_path: Path) -> None:
    path = write_train_report(tmp_path / "reports" / "train-report.html", [edged.report])
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in path.parent.iterdir()] == ["train-report.html"]
