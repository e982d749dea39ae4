"""Values for tests of the ledger, and processes that act at the same moment."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

from sereno.core.forecast import Forecast
from sereno.core.instrument import Instrument, Market, Series
from sereno.core.mode import Mode
from sereno.core.order import Fill, Order, OrderPurpose, OrderStatus, Position, Side, Terms
from sereno.core.risk import RiskState
from sereno.core.signal import Decision, Regime, Signal
from sereno.core.timeframe import DAY_MS, Timeframe
from sereno.store.ledger import Tx, fills, orders, positions, signals
from sereno.store.ledger.alerts import Alert, AlertKind, AlertState

BTC = Instrument("binance", Market.SPOT, "BTC", "USDT")
ETH = Instrument("bybit", Market.LINEAR, "ETH", "USDT")
HOURLY = Series(BTC, Timeframe.H1)
DAY = 20_000 * DAY_MS
NO_FLOAT = Decimal("12345678901234567890.123456789012345678")  # 38 digits: no float carries it


def outlook(ts: int = DAY) -> Forecast:
    """A forecast whose numbers have no short decimal form."""
    return Forecast(
        ts, 20, 0.1 + 0.2, 1 / 3, 1e-17 / 3, -0.1, 2 / 3 / 100, 0.1 + 0.7, 1 / 7, "trend=a,risk=b"
    )


def signal(
    signal_id: str = "s1",
    *,
    ts: int = DAY,
    decision: Decision = Decision.LONG,
    series: Series = HOURLY,
    mode: Mode = Mode.PAPER,
) -> Signal:
    """A signal; a refused one keeps its side."""
    return Signal(
        signal_id=signal_id,
        mode=mode,
        series=series,
        ts=ts,
        forecast=outlook(ts),
        decision=decision,
        side=Decision.LONG if decision is Decision.NO_TRADE else decision,
        confidence=0.1 + 0.2,
        reason="taken",
        reason_detail="más útil",
        regime=Regime.TREND,
        regime_reason="adx 31",
        entry=Decimal("64000.10"),
        stop=Decimal("63000"),
        target=Decimal("66000.00000001"),
        atr=1000 / 3,
        position_size=Decimal("0.00100000"),
        risk_allowed=True,
        git_commit="c" * 40,
        data_digest="d",
        settings_digest="e",
        feature_first_ms=ts - DAY_MS,
        feature_primed_ms=ts,
        features=(("adx_14", 1 / 3), ("rsi_14", 0.1 + 0.2)),
    )


def order(order_id: str = "o1", *, status: OrderStatus = OrderStatus.PENDING) -> Order:
    """The entry that signal `s1` asks for."""
    return Order(
        order_id,
        Mode.PAPER,
        "paper",
        BTC,
        OrderPurpose.ENTRY,
        Side.LONG,
        NO_FLOAT,
        status,
        DAY,
        "s1",
        "p1",
        terms=Terms(20, Decimal("1.5")),
    )


def fill(fill_id: str = "f1", *, price: Decimal = NO_FLOAT) -> Fill:
    """The execution of order `o1`."""
    return Fill(
        fill_id,
        "o1",
        Mode.PAPER,
        "paper",
        BTC,
        Side.LONG,
        OrderPurpose.ENTRY,
        price,
        Decimal("0.1"),
        Decimal("0.3"),
        DAY,
    )


def position(position_id: str = "p1", *, signal_id: str = "s1") -> Position:
    """An open position of signal `s1`."""
    return Position(
        position_id=position_id,
        mode=Mode.PAPER,
        account="paper",
        series=HOURLY,
        side=Side.LONG,
        quantity_base=Decimal("0.1"),
        entry_ms=DAY,
        entry_price=NO_FLOAT,
        initial_stop=Decimal("1"),
        stop=Decimal("1"),
        target=Decimal("3"),
        bars_held=0,
        best_price=NO_FLOAT,
        checked_ms=DAY,
        signal_id=signal_id,
        fees_quote=Decimal("0.00000001"),
        terms=Terms(20, Decimal("1.5")),
    )


def alert(alert_id: str = "a1", *, ts: int = DAY, state: AlertState = AlertState.WAITING) -> Alert:
    """Something that people are to be told."""
    return Alert(
        alert_id, Mode.PAPER, "stale_data:BTC", AlertKind.RAISED, "high", "viejo", ts, ts, ts, state=state
    )


def risk(**changes: object) -> RiskState:
    """A state nobody has written yet."""
    values: dict[str, object] = {
        "mode": Mode.PAPER,
        "account": "paper",
        "day_start_ms": DAY,
        "day_start_equity_quote": NO_FLOAT,
        "week_start_ms": DAY - DAY_MS,
        "week_start_equity_quote": Decimal("10000.00000000"),
        "losing_streak": 0,
        "paused_until_ms": None,
        "pause_reason": None,
        "blocked_reason": None,
        "updated_ms": DAY,
        "version": 0,
    }
    return RiskState(**(values | changes))  # type: ignore[arg-type]


def populate(tx: Tx) -> None:
    """One round of the whole road: signal, order, fill, position."""
    signals.save(tx, signal())
    orders.add(tx, order())
    fills.add(tx, fill())
    positions.save(tx, position())


def at_once(code: str, *arguments: list[str]) -> list[str]:
    """Run `code` in one process for each list of arguments; what each printed.

    The code imports, then calls `go()`, which returns in all processes at about the same moment.
    """
    head = "import sys\ndef go():\n    print('ready', flush=True)\n    sys.stdin.readline()\n"
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", head + code, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in arguments
    ]
    for process in crowd:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", (line, process.communicate(timeout=60))
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = []
    for process in crowd:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        said.append(out.strip())
    return said
