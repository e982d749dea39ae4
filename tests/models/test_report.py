"""The page stands alone, shows the scores as they are, and escapes what it is given."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sereno.core.timeframe import iso
from sereno.models.contract import Role
from sereno.models.gate import Duel, Verdict
from sereno.models.report import EquityCurve, train_report, wilson, window_of, write_train_report
from sereno.store.pointer import Pin
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
    assert edged.report.fold is not None
    equity = 10_000 + np.linspace(0, 5, len(ts)) ** 2
    return EquityCurve(ts, equity, "12 trades <after costs>", window_of(edged.report.fold))


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


def test_windows_and_sample_sizes_are_stated(page: str, edged: Trained) -> None:
    fold = edged.report.fold
    assert fold is not None
    for moment in (fold.train_to_ms, fold.test_from_ms, fold.test_to_ms):
        assert iso(moment) in page
    assert f"{len(fold.forecasts)} candles" in page
    assert "no candle of this window took part in choosing them" in page
    test = edged.report.roles[0].evaluation["slices"]["test"]
    assert f"test slice, {test['rows']} rows, {iso(test['first_ms'])} to {iso(test['last_ms'])}" in page


def test_a_held_version_and_a_hurried_search_are_shown(edged: Trained) -> None:
    first, *rest = edged.report.roles
    held = replace(
        first,
        served=first.baseline,
        pin=Pin("ada", 0, ""),
        evaluation={**first.evaluation, "tuning": {"trials": 2, "pruned": 1, "stopped_by": "time"}},
    )
    page = train_report([replace(edged.report, roles=(held, *rest))], equity={})
    assert f"{first.baseline.version} is pinned since 1970-01-01T00:00:00Z by ada" in page
    assert "STOPPED BY TIME" in page
    assert "STOPPED BY TIME" not in train_report([edged.report], equity={})


def test_the_comparison_with_what_served_is_shown(edged: Trained, page: str) -> None:
    assert "Not compared with what served: nothing serves yet" in page
    first, *rest = edged.report.roles
    duel = {**asdict(Duel("v1", 480, 0, 3_600_000, Verdict(True, 0.1, 0.01, None), 0.0123, 0.004))}
    after = replace(first, evaluation={**first.evaluation, "champion": duel})
    told = train_report([replace(edged.report, roles=(after, *rest))], equity={})
    assert (
        "Against what served, v1: lead over the new trees 0.0123, p 0.0040, 480 rows, 1970-01-01T00:00:00Z"
        in told
    )


def short(version: str) -> str:
    return f"…{version.rpartition('-')[2][:4]}"


def test_a_title_tells_the_trees_from_what_serves(edged: Trained, noise: Trained, page: str) -> None:
    """The scores under it are those of the trees, whatever serves."""
    served, refused = edged.report.roles[0], noise.report.roles[0]
    trees, baseline = refused.trees.version, refused.baseline.version
    assert f"<h3>trend: trees {short(served.trees.version)} serve</h3>" in page
    assert (
        f"<h3>trend: trees {short(trees)} refused; baseline {short(baseline)} serves</h3>"
        f"<p class='bad'>Not served: {refused.trees.refused_reason}.</p>"
    ) in page
    assert f"Version {baseline} serves. All below is of the trees {trees}, which do not serve." in page
    pinned = replace(served, served=served.baseline, pin=Pin("ada", 0, ""))
    held = train_report([replace(edged.report, roles=(pinned,))], equity={})
    assert f"trees {short(served.trees.version)} held back; baseline {short(served.baseline.version)}" in held


def test_the_mean_is_told_of_where_its_judgement_was_kept(edged: Trained, page: str) -> None:
    assert "Mean: learned, " in page
    role = next(role for role in edged.report.roles if role.role is Role.RETURN)
    older = {name: value for name, value in role.evaluation.items() if name not in ("mean", "mean_verdict")}
    before = replace(edged.report, roles=(replace(role, evaluation=older),))
    assert "Mean: " not in train_report([before], equity={})
    verdict = asdict(Verdict(False, -0.01, 0.7, "worse than the baseline out of sample"))

    def told(kind: str, verdict: dict[str, object]) -> str:
        mean = {"kind": kind, "weight": 0.4, "centre": 0.12}
        kept = replace(role, evaluation={**role.evaluation, "mean": mean, "mean_verdict": verdict})
        return train_report([replace(edged.report, roles=(kept,))], equity={})

    constant = told("baseline", verdict)
    assert "Mean: baseline&#x27;s constant, since: worse than the baseline out of sample" in constant
    learned = told("learned", {**verdict, "passed": True, "improvement": 0.02, "reason": None})
    assert "Mean: learned, weight 0.40 about 0.1200 ATR (improvement 0.0200, p 0.7000)." in learned


def test_an_account_that_never_moved_is_told_not_drawn(edged: Trained, curve: EquityCurve) -> None:
    flat = replace(
        curve, equity_quote=np.full(len(curve.ts), 10_000.0), caption="No trade. Refused: no_edge 7"
    )
    page = train_report([edged.report], equity={SERIES.key: flat})
    assert "No trade. Refused: no_edge 7" in page
    assert page.count("<svg") == train_report([edged.report], equity={}).count("<svg")


@pytest.mark.parametrize(("happened", "rows"), [(0, 5), (3, 10), (68, 68), (421, 1361)])
def test_intervals_of_the_calibration_are_wilsons(happened: int, rows: int) -> None:
    from scipy.stats import binomtest

    low, high = wilson(np.array([happened / rows]), np.array([float(rows)]))
    oracle = binomtest(happened, rows).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((oracle.low, oracle.high), abs=1e-6)


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
