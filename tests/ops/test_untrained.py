"""A traded series without a model: it is named, recorded and no success."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.clock import FixedClock
from sereno.core.errors import SkipThis, TryLater
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import DAY_MS
from sereno.ops.app import Desk, open_desk_ledger
from sereno.ops.first_pass import _told_of_untrained, first_pass, is_trained, untrained
from sereno.ops.launch import Launch
from sereno.ops.steps.signals import decide_all
from sereno.store.ledger import findings, runs
from sereno.store.ledger.runs import JobRun, RunStatus
from tests.ops.running import settings_of
from tests.store.test_registry import keep
from tests.surfaces.seeded import NOW_MS, seeded_desk, settings_for, signal_of

NONE = "models.none (role=trend): run `sereno train` first"


def undecided(desk: Desk) -> list[findings.Finding]:
    with desk.ledger.read() as tx:
        return [one for one in findings.recent(tx, 50) if one.check == "undecided"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Two series of one pair; the daily one has no model."""
    made = Desk(
        settings_for(tmp_path, venue={"instruments": ("BTC/USDT",)}, candles={"timeframes": ("1h", "1d")}),
        clock=FixedClock(NOW_MS),
    )
    hourly = made.series[0]

    def decide(series: Series) -> Signal:
        if series != hourly:
            raise SkipThis("models.none", remedy="run `sereno train` first", role="trend")
        return signal_of(series, NOW_MS, Decision.NO_TRADE)

    monkeypatch.setattr(made.decider, "decide", decide)
    monkeypatch.setattr(made.decider, "catch_up", lambda _: 0)
    return made


def test_a_pass_that_leaves_a_series_without_a_signal_for_want_of_a_model_has_failed(desk: Desk) -> None:
    with desk:
        outcome = decide_all(desk, desk.series)
        assert outcome.rows == 1, "the other series has its signal all the same"
        assert outcome.failed == f"no signal for binance:spot:BTC/USDT@1d: {NONE}"
        (found,) = undecided(desk)
        assert (found.subject, found.severity) == ("binance:spot:BTC/USDT@1d", "high")
        assert NONE in found.message


def test_one_finding_a_day(desk: Desk) -> None:
    with desk:
        for _ in range(3):
            decide_all(desk, desk.series)
        assert len(undecided(desk)) == 1
        desk.clock.advance(DAY_MS)  # type: ignore[attr-defined]
        decide_all(desk, desk.series)
        assert len(undecided(desk)) == 2


@pytest.mark.parametrize(
    ("cause", "kept"), [(TryLater("ledger.locked"), 0), (SkipThis("features.short_history"), 1)]
)
def test_what_may_pass_by_itself_is_no_failure_of_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, cause: Exception, kept: int
) -> None:
    hourly = desk.series[0]

    def decide(series: Series) -> Signal:
        if series != hourly:
            raise cause
        return signal_of(series, NOW_MS, Decision.NO_TRADE)

    monkeypatch.setattr(desk.decider, "decide", decide)
    with desk:
        assert decide_all(desk, desk.series).failed is None
        assert len(undecided(desk)) == kept


class Told:
    """A console that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def first_report(self) -> None:
        """Nothing to report."""


def test_up_names_each_series_without_a_model_and_why(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, candles={"timeframes": "1h,1d"}, venue={"instruments": "BTC/USDT"})
    daily = "binance:spot:BTC/USDT@1d"
    ledger = open_desk_ledger(settings)
    with ledger.begin() as tx:
        runs.start(
            tx, JobRun("t1", "train", Mode.PAPER, "h", 1, NOW_MS, None, RunStatus.RUNNING, None, None, {})
        )
        details = {"skipped": {daily: "models.too_few_rows (rows=3)"}}
        runs.finish(tx, "t1", RunStatus.SUCCESS, NOW_MS + 1, rows=3, error=None, details=details)
    ledger.close()
    told = Told()
    assert _told_of_untrained(settings, told) == ("binance:spot:BTC/USDT@1h", daily)  # type: ignore[arg-type]
    assert told.lines == [
        "binance:spot:BTC/USDT@1h has no model, so it gets no signal: it was not trained",
        f"{daily} has no model, so it gets no signal: models.too_few_rows (rows=3)",
    ]


def test_a_pass_that_went_well_but_for_a_series_without_a_model_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, venue={"instruments": "BTC/USDT"})
    monkeypatch.setattr("sereno.ops.first_pass._step", lambda *_: 0)
    launch = Launch((), tmp_path)
    assert first_pass(settings, launch, Told(), lambda: False) == ("binance:spot:BTC/USDT@1h",)  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", [False, True])
def test_a_pass_without_any_candle_ends_with_the_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stored: bool
) -> None:
    """The venue was away: five more steps would only say that there are no candles."""
    settings = settings_of(tmp_path)
    if stored:
        with seeded_desk(tmp_path):
            pass
    ran: list[str] = []

    def fails(*given: object) -> int:
        ran.append(given[4].name)  # type: ignore[attr-defined]
        return 1

    monkeypatch.setattr("sereno.ops.first_pass._step", fails)
    monkeypatch.setattr(
        "sereno.ops.first_pass._why", lambda *_: "4 of 4 series failed: venue.unreachable (venue=x): check it"
    )
    told = Told()
    failed = first_pass(settings, Launch((), tmp_path), told, lambda: False)  # type: ignore[arg-type]
    if stored:
        assert ran == ["collector", "features", "train", "signals", "positions"]
        return
    assert (ran, failed) == (["collector"], ("collector",))
    assert told.lines[1:] == [
        "no candles, because collector: venue.unreachable; the steps that need some are left out"
    ]


def test_a_desk_with_all_its_models_is_told_of_nothing(tmp_path: Path) -> None:
    with seeded_desk(tmp_path) as desk:
        for series in untrained(desk.settings):
            for role in ("trend", "return", "risk"):
                desk.registry.use(role, series, keep(desk.registry, 1, role=role, series_key=series.key))
        assert is_trained(desk.settings)
        assert _told_of_untrained(desk.settings, Told()) == ()  # type: ignore[arg-type]
