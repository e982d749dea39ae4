"""The files for people who read files."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from sereno.core.errors import StopTrading
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.timeframe import HOUR_MS, Timeframe, iso
from sereno.store.ledger import equity, positions, risk_state
from sereno.store.ledger import signals as kept_signals
from sereno.trading import export
from sereno.trading.export import export_account
from tests.trading.test_positions_job import advance
from tests.trading.worlds import (
    ETH,
    HOURLY,
    START,
    closed,
    coin_flips,
    keep_signals,
    new_ledger,
    opened,
    signal,
    walk,
)


def test_trap_c12_15_risk_state_and_performance_history(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    candles = walk(6, 60)
    side, atr = coin_flips(6, candles)
    opened(ledger, now=int(candles.open_ms[0]))
    keep_signals(ledger, candles, side, atr)
    advance(ledger, candles)
    folder = tmp_path / "exports"
    risk, history = export_account(ledger, folder, mode=Mode.SIM, now=int(candles.close_ms[-1]))
    assert (risk.name, history.name) == (
        "risk_state_sim_paper.json",
        "performance_history_BTC_USDT_1h.json",
    )
    told, kept = json.loads(history.read_text()), json.loads(risk.read_text())
    results = [Decimal(t["pnl_quote"]) for t in told["trades"] if t["pnl_quote"] is not None]
    assert told["figures"]["USDT"]["trades"] == len(results) > 0
    assert Decimal(kept["balance_quote"]) == 10_000 + sum(results) - sum(
        Decimal(t["fees_quote"]) for t in told["trades"] if t["pnl_quote"] is None
    )
    assert sorted(p.name for p in folder.iterdir()) == sorted([risk.name, history.name])
    with ledger.read() as tx:
        closed = positions.recent(tx, Mode.SIM, "paper", 1000, closed_only=True)
        assert positions.closed(tx, Mode.SIM, "paper") == len(closed) == len(results)
        assert kept["open_positions"] == len(positions.open(tx, Mode.SIM, "paper"))
        assert equity.first(tx, Mode.SIM, "paper") == equity.series(tx, Mode.SIM, "paper")[0]
    ledger.close()


def test_a_missing_state_is_null_and_an_unreadable_one_is_told_and_fails(tmp_path: Path) -> None:
    """The file of before went on saying that entries are allowed."""
    ledger = new_ledger(tmp_path)
    (risk,) = export_account(ledger, tmp_path / "a", mode=Mode.SIM, now=START)
    facts = json.loads(risk.read_text())
    assert (facts["state"], facts["equity_quote"], facts["entries_allowed"]) == (None, None, False)
    opened(ledger)
    export_account(ledger, tmp_path / "a", mode=Mode.SIM, now=START)
    facts = json.loads(risk.read_text())
    assert (facts["entries_allowed"], facts["fault"]) == (True, None)
    with ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE risk_state SET day_start_equity_quote = 'much'")
    with pytest.raises(StopTrading, match="unreadable"):
        export_account(ledger, tmp_path / "a", mode=Mode.SIM, now=START + HOUR_MS)
    facts = json.loads(risk.read_text())
    assert (facts["state"], facts["entries_allowed"]) == (None, False)
    assert (facts["fault"], facts["exported"]) == ("risk_state_unreadable", iso(START + HOUR_MS))
    assert facts["equity_quote"] == "10000"
    ledger.close()


def test_entries_are_allowed_as_the_gate_says(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    opened(ledger)
    with ledger.begin() as tx:
        state = risk_state.load(tx, Mode.SIM, "paper")
        assert state is not None
        risk_state.save(tx, replace(state, paused_until_ms=START + HOUR_MS, pause_reason="daily_loss"), 1)
    told = []
    for now in (START + HOUR_MS - 1, START + HOUR_MS):
        (risk,) = export_account(ledger, tmp_path / "a", mode=Mode.SIM, now=now)
        told.append(json.loads(risk.read_text())["entries_allowed"])
    assert told == [False, True]
    ledger.close()


def test_figures_are_of_all_trades_and_a_quiet_series_keeps_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "HISTORY_LIMIT", 2)
    quiet, ledger = Series(ETH, Timeframe.H1), new_ledger(tmp_path)
    opened(ledger)
    with ledger.begin() as tx:
        for hours, (series, pnl) in enumerate([(quiet, "7"), *((HOURLY, str(k)) for k in (-50, 10, 20, 30))]):
            made = signal(START + hours * HOUR_MS, 1, 100.0, 1.0, series=series)
            kept_signals.save(tx, made)
            trip = closed(pnl, hours=hours + 1, series=series, number=hours)
            positions.save(tx, replace(trip, signal_id=made.signal_id, entry_ms=START + hours * HOUR_MS))
    _, busy, rare = export_account(ledger, tmp_path / "a", mode=Mode.SIM, now=START)
    told = json.loads(busy.read_text())
    assert (told["mode"], told["account"], told["trades_left_out"]) == ("sim", "paper", 2)
    assert [t["pnl_quote"] for t in told["trades"]] == ["20", "30"]
    figures = told["figures"]["USDT"]
    assert (figures["trades"], figures["net_quote"], figures["losses"]) == (4, 10.0, 1)
    assert figures["max_drawdown_quote"] == 50.0
    assert json.loads(rare.read_text())["figures"]["USDT"]["net_quote"] == 7.0
    ledger.close()
