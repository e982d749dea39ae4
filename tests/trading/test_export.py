"""The files for people who read files."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from sereno.core.errors import StopTrading
from sereno.core.mode import Mode
from sereno.store.ledger import equity, positions
from sereno.trading.export import export_account
from tests.trading.test_positions_job import advance
from tests.trading.worlds import START, coin_flips, keep_signals, new_ledger, opened, walk


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


def test_a_missing_state_is_null_and_an_unreadable_one_writes_nothing(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    (risk,) = export_account(ledger, tmp_path / "a", mode=Mode.SIM, now=START)
    facts = json.loads(risk.read_text())
    assert (facts["state"], facts["equity_quote"], facts["entries_allowed"]) == (None, None, False)
    opened(ledger)
    with ledger.begin() as tx:
        tx.exec_driver_sql("UPDATE risk_state SET day_start_equity_quote = 'much'")
    with pytest.raises(StopTrading, match="unreadable"):
        export_account(ledger, tmp_path / "b", mode=Mode.SIM, now=START)
    assert not (tmp_path / "b").exists()
    ledger.close()
