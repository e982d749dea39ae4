"""What must hold in the ledger of a desk that traded: every chain of records, the money, the files."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from sereno.core.ids import stable_id
from sereno.core.order import OrderPurpose, OrderStatus
from sereno.core.settings import Settings
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import from_iso
from sereno.ops.app import Desk
from sereno.store.ledger import equity, fills, forecasts, orders, positions, signals
from sereno.trading.risk import entry_order_id

MOST = 10_000
FORECAST = ["prob_up", "expected_return", "p10", "p50", "p90", "risk_score"]
DECIDED = ["decision", "confidence", "reason", "regime", "regime_reason", "position_size", "risk_allowed"]
OURS = ["signal_id", "mode", "entry", "stop", "target", "data_digest", "settings_digest"]
FIELDS = ["ts", "symbol", "timeframe", "horizon_steps", *FORECAST, *DECIDED, "version", *OURS]


def taken(desk: Desk) -> list[Signal]:
    """Every LONG and SHORT, newest first."""
    with desk.ledger.read() as tx:
        return signals.recent(tx, None, MOST, decisions=(Decision.LONG, Decision.SHORT))


def check_chains(desk: Desk) -> int:
    """Walk back from every fill to the forecast behind it; how many positions were closed."""
    with desk.ledger.read() as tx:
        settled = fills.recent(tx, desk.mode, desk.account, MOST)
        for fill in settled:
            order = orders.get(tx, fill.order_id)
            assert order is not None
            assert fill.fill_id == stable_id("fil", order.order_id)
            assert order.status is OrderStatus.FILLED
            assert (fill.side, fill.purpose, fill.quantity_base) == (
                order.side, order.purpose, order.quantity_base,
            )  # fmt: skip
            assert fill.ts >= order.created_ms
            position = positions.get(tx, order.position_id or "")
            assert position is not None
            assert position.quantity_base == fill.quantity_base
            if fill.purpose is OrderPurpose.EXIT:
                assert order.order_id == stable_id("ord", position.position_id, OrderPurpose.EXIT)
                assert position.exit_price == fill.price
                assert position.entry_ms <= (position.exit_ms or 0) <= desk.clock.now_ms()
            else:
                assert (position.entry_ms, position.entry_price) == (fill.ts, fill.price)
            cause = signals.get(tx, position.signal_id)
            assert cause is not None
            entry = orders.get(tx, entry_order_id(cause, desk.account))
            assert entry is not None
            assert (entry.signal_id, entry.position_id) == (cause.signal_id, position.position_id)
            assert cause.decision.value == position.side.value.upper()
            assert position.entry_ms >= cause.ts
            stored = forecasts.get(tx, cause.signal_id.replace("sig_", "fc_"))
            assert stored is not None
            assert stored.forecast == cause.forecast
            assert stored.series == cause.series == position.series
        closed = positions.recent(tx, desk.mode, desk.account, MOST, closed_only=True)
        held = positions.open(tx, desk.mode, desk.account)
    assert len(settled) == 2 * len(closed) + len(held)
    return len(closed)


def check_money(desk: Desk) -> None:
    """Equity is what the account began with, plus every result, plus what open positions stand at."""
    with desk.ledger.read() as tx:
        last = equity.latest(tx, desk.mode, desk.account)
        first = equity.series(tx, desk.mode, desk.account)[0]
        closed = positions.recent(tx, desk.mode, desk.account, MOST, closed_only=True)
        held = positions.open(tx, desk.mode, desk.account)
    assert last is not None
    assert first.equity_quote == desk.settings.risk.initial_equity_quote
    results = sum((p.pnl_quote for p in closed if p.pnl_quote is not None), Decimal(0))
    paid = sum((p.fees_quote for p in held), Decimal(0))
    floating = Decimal(0)
    for position in held:
        mark = desk.lake.candles(position.series, None, last.ts).close[-1]
        gain = (Decimal(repr(float(mark))) - position.entry_price) * position.quantity_base
        floating += gain * position.side.sign
    exact = Decimal("0.000001") * (1 + len(closed) + len(held))
    assert abs(last.balance_quote - (first.equity_quote + results - paid)) <= exact
    assert abs(last.equity_quote - (first.equity_quote + results - paid + floating)) <= exact


def check_signal_files(settings: Settings) -> None:
    """One file per instrument and timeframe with exactly the promised fields, and an index of them."""
    folder: Path = settings.paths.signals
    index = json.loads((folder / "signal.json").read_text())
    wanted = {(s, tf.value) for s in settings.venue.instruments for tf in settings.candles.timeframes}
    assert {(row["symbol"], row["timeframe"]) for row in index["signals"]} == wanted
    assert len(index["signals"]) == len(wanted)
    for row in index["signals"]:
        told = json.loads((folder / row["file"]).read_text())
        assert list(told) == FIELDS
        assert list(told["version"]) == ["git_commit", "model_version"]
        assert {name: told[name] for name in row if name != "file"} == {
            name: row[name] for name in row if name != "file"
        }
        check_signal(told, settings)


def check_signal(told: dict[str, object], settings: Settings) -> None:
    """Each field is of its kind and within its range."""
    assert from_iso(str(told["ts"])) % settings.candles.timeframes[0].ms == 0
    assert datetime.fromisoformat(str(told["ts"])).tzinfo is not None
    assert told["mode"] == settings.mode.value
    assert told["horizon_steps"] == settings.barriers.horizon_bars
    assert told["settings_digest"] == settings.digest
    for name in ("prob_up", "risk_score"):
        assert 0.0 <= float(str(told[name])) <= 1.0
    assert float(str(told["p10"])) <= float(str(told["p50"])) <= float(str(told["p90"]))
    assert told["regime"] in {"TREND", "RANGE", "HIGH_VOL"}
    assert told["reason"]
    assert told["regime_reason"]
    assert isinstance(told["risk_allowed"], bool)
    assert str(told["data_digest"]).startswith("rows:")
    assert len(str(told["data_digest"])) == len("rows:") + 64
    entry, stop, target = told["entry"], told["stop"], told["target"]
    if told["decision"] == "NO_TRADE":
        assert told["position_size"] == 0.0
        assert (stop, target) == (None, None)
        return
    assert float(str(told["position_size"])) > 0.0
    sign = {"LONG": 1, "SHORT": -1}[str(told["decision"])]
    assert sign * float(str(stop)) < sign * float(str(entry)) < sign * float(str(target))
