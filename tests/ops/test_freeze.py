"""StopTrading stops trading: entries are refused until a person has looked."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
import structlog

from sereno.core.clock import FixedClock
from sereno.core.errors import StopTrading
from sereno.core.timeframe import HOUR_MS, UtcMs
from sereno.ops.app import Desk
from sereno.ops.guard import Verdict, guarded
from sereno.ops.jobs import Job
from sereno.ops.run import Run
from sereno.ops.schedule import every
from sereno.ops.steps.freeze import standing
from sereno.signals.words import RiskVerdict
from sereno.store.ledger import audit, risk_state
from sereno.surfaces.cli.main import main
from sereno.trading.account import account_view, open_account
from sereno.trading.risk import propose
from sereno.trading.rules import rulebook
from tests.ops.running import settings_of
from tests.trading.worlds import GRID, START

RUN = Run("r", "probe")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk with an open account, which the command line finds too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERENO_MODE", "paper")
    with Desk(settings_of(Path("state")), clock=FixedClock(START)) as made:
        open_it(made, START)
        yield made


def open_it(desk: Desk, now: UtcMs) -> None:
    initial = desk.settings.risk.initial_equity_quote
    open_account(desk.ledger, mode=desk.mode, account=desk.account, initial_equity_quote=initial, now=now)


def proposal(desk: Desk) -> RiskVerdict:
    settings = desk.settings
    series = desk.series[0]
    book = rulebook(
        series.timeframe,
        GRID,
        barriers=settings.barriers,
        costs=settings.costs,
        risk=settings.risk,
        signals=settings.signals,
    )
    view = account_view(desk.ledger, mode=desk.mode, account=desk.account)
    return propose(
        view, series.instrument, close=30_000.0, atr=300.0, at=START, grid=GRID, book=book, max_open_positions=3
    )  # fmt: skip


def stop(desk: Desk, kind: str = "clock") -> Verdict:
    job = Job("probe", "", every(15), 60, "tests.ops.job_functions:ours", (kind,))
    return guarded(job, desk, RUN)


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def changes(desk: Desk) -> list[tuple[str, str, object]]:
    with desk.ledger.read() as tx:
        return [(e.actor.partition(":")[0], e.action, e.detail["reason"]) for e in audit.recent(tx)]


def test_a_job_that_stops_trading_blocks_entries_until_a_person_clears(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert proposal(desk).allowed
    assert stop(desk).exit_code == 3
    refused = proposal(desk)
    assert (refused.allowed, refused.reason, refused.detail) == (False, "blocked", "clock.offset")
    assert call("risk", "show") == 0
    assert "blocked\tclock.offset" in capsys.readouterr().out
    assert call("risk", "clear") == 0
    assert "clock.offset" in capsys.readouterr().out
    assert proposal(desk).allowed
    assert changes(desk) == [("cli", "risk.cleared", None), ("job", "risk.blocked", "clock.offset")]


@pytest.mark.parametrize("kind", ["later", "skip", "fix"])
def test_other_errors_block_nothing(desk: Desk, kind: str) -> None:
    stop(desk, kind)
    assert proposal(desk).allowed


def test_the_first_fault_is_the_one_that_is_told(desk: Desk) -> None:
    stop(desk)
    stop(desk, "stop")
    assert proposal(desk).detail == "clock.offset"
    assert len(changes(desk)) == 1


def test_a_person_may_block_and_clear(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("risk", "block", "holiday") == 0
    assert proposal(desk).detail == "holiday"
    assert call("risk", "block", " ") == 2
    assert call("risk", "clear") == 0
    assert call("risk", "clear") == 0
    assert "was not blocked" in capsys.readouterr().out
    assert [action for _, action, _ in changes(desk)] == ["risk.cleared", "risk.blocked"]


def test_a_fault_before_the_account_is_opened_blocks_it_all_the_same(tmp_path: Path) -> None:
    with Desk(settings_of(tmp_path), clock=FixedClock(START)) as desk:
        assert stop(desk).exit_code == 3
        assert changes(desk) == [("job", "risk.blocked", "clock.offset")]
        assert proposal(desk).reason == "no_account"
        open_it(desk, START + HOUR_MS)
        opened = standing(desk)
        assert opened is not None
        assert opened.day_start_equity_quote == desk.settings.risk.initial_equity_quote
        refused = proposal(desk)
        assert (refused.reason, refused.detail) == ("blocked", "clock.offset")


def test_a_fault_is_recorded_where_the_state_was_lost(desk: Desk) -> None:
    lose(desk)
    stop(desk)
    state = standing(desk)
    assert state is not None
    assert (state.blocked_reason, state.day_start_equity_quote) == ("clock.offset", Decimal(10_000))
    assert proposal(desk).reason == "blocked"


def lose(desk: Desk) -> None:
    with desk.ledger.begin() as tx:
        tx.exec_driver_sql("DELETE FROM risk_state")


def test_a_person_restores_a_lost_state_once_asked(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("risk", "restore") == 0
    assert "nothing to restore" in capsys.readouterr().out
    lose(desk)
    assert proposal(desk).reason == "risk_state_missing"
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))
    assert call("risk", "restore") == 2
    assert standing(desk) is None
    assert changes(desk) == []
    assert call("risk", "restore", "--yes") == 0
    assert "counts from 10000" in capsys.readouterr().out
    assert proposal(desk).allowed
    assert changes(desk) == [("cli", "risk.restored", None)]


@pytest.mark.parametrize("blocked_by", ["person", "job"])
def test_a_block_is_no_way_around_the_restoring_of_a_lost_state(
    desk: Desk, capsys: pytest.CaptureFixture[str], blocked_by: str
) -> None:
    """`block` then `clear` forgot a pause, and nobody was asked."""
    lose(desk)
    if blocked_by == "person":
        assert call("risk", "block", "clock.offset") == 0
    else:
        stop(desk)
    assert call("risk", "clear") == 2
    assert "sereno risk restore" in capsys.readouterr().err
    assert proposal(desk).reason == "blocked"
    assert call("risk", "show") == 0
    assert "to be restored\tsince 20" in capsys.readouterr().out
    assert call("risk", "block", "another") == 0
    assert call("risk", "clear") == 2
    assert call("risk", "restore", "--yes") == 0
    assert "stays blocked by another" in capsys.readouterr().out
    assert call("risk", "restore", "--yes") == 0
    assert "nothing to restore" in capsys.readouterr().out
    assert proposal(desk).reason == "blocked"
    assert call("risk", "clear") == 0
    assert proposal(desk).allowed


def test_a_block_of_before_the_opening_is_cleared_as_ever(desk: Desk) -> None:
    """Nothing is lost where nothing was."""
    with desk.ledger.begin() as tx:
        tx.exec_driver_sql("DELETE FROM risk_state")
        tx.exec_driver_sql("DELETE FROM equity")
    assert call("risk", "block", "not yet") == 0
    assert call("risk", "clear") == 0
    open_it(desk, START + HOUR_MS)
    assert proposal(desk).allowed


def test_commands_ask_for_an_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERENO_MODE", "paper")
    for words in (("show",), ("clear",)):
        assert call("risk", *words) == 2
        assert "risk.no_account" in capsys.readouterr().err
    assert call("risk", "restore", "--yes") == 2
    assert "account.missing" in capsys.readouterr().err
    assert call("risk", "block", "not yet") == 0
    assert "enters nothing: not yet" in capsys.readouterr().out


def test_a_ledger_that_cannot_be_read_is_told_loudly(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> None:
        raise StopTrading("risk_state.unreadable")

    monkeypatch.setattr(risk_state, "load", unreadable)
    with structlog.testing.capture_logs() as logs:
        assert stop(desk).error == "clock.offset (offset_ms=9000)"
    (told,) = [one for one in logs if one["event"] == "risk.not_frozen"]
    assert told["log_level"] == "error"
    assert "risk_state.unreadable" in told["error"]


def test_a_writer_that_came_first_does_not_undo_the_block(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sereno.core.errors import TryLater

    save, refusals = risk_state.save, [TryLater("risk_state.stale"), TryLater("risk_state.stale")]

    def sometimes(*words: object) -> object:
        if refusals:
            raise refusals.pop()
        return save(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(risk_state, "save", sometimes)
    stop(desk)
    assert proposal(desk).detail == "clock.offset"
    assert len(changes(desk)) == 1
