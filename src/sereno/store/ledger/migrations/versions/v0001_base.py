"""The first schema: instruments, runs, leases, and the road from forecast to equity.

A revision is history: it shares no code with today's tables.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

text = sa.Text()
whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
real: sa.Double[float] = sa.Double().with_variant(sa.REAL(), "sqlite")
exact = sa.Numeric().with_variant(sa.Text(), "sqlite")
flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")

MODES = ("mode", "sim paper live")
TIMEFRAMES = ("timeframe", "1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w")
SIDES = ("side", "long short")
PURPOSES = ("purpose", "entry exit")
DECISIONS = "LONG SHORT NO_TRADE"


def upgrade() -> None:
    """Make every table; what others refer to comes first."""
    _desk()
    _outlook()
    _money()
    _standing()


def downgrade() -> None:
    """Drop every table, in the reverse order."""
    for name in [
        "audit",
        "model_versions",
        "risk_state",
        "equity",
        "positions",
        "fills",
        "orders",
        "signals",
        "forecasts",
        "leases",
        "job_runs",
        "instruments",
    ]:
        op.drop_table(name)


def _desk() -> None:
    _table(
        "instruments",
        _key("instrument"),
        *_all(exact, "price_tick quantity_step min_quantity min_notional_quote"),
        *_all(whole, "updated_ms"),
        *_above_zero("price_tick", "quantity_step"),
    )
    _table(
        "job_runs",
        _key("run_id"),
        *_all(text, "job mode host"),
        *_all(whole, "pid started_ms"),
        sa.Column("ended_ms", whole),
        *_all(text, "status"),
        sa.Column("rows", whole),
        sa.Column("error", text),
        _one_of(*MODES),
        _one_of("status", "running success error timeout abandoned skipped"),
    )
    op.create_index("job_runs_by_job", "job_runs", ["job", "started_ms"])
    op.create_index("job_runs_by_start", "job_runs", ["started_ms"])
    _table("leases", _key("name"), sa.Column("holder", text), *_all(whole, "acquired_ms expires_ms"))


def _outlook() -> None:
    _table(
        "forecasts",
        *_forecast_columns(),
        _key("forecast_id"),
        *_all(text, "mode instrument timeframe"),
        _one_of(*MODES),
        _one_of(*TIMEFRAMES),
        *_forecast_rules(),
    )
    op.create_index("forecasts_by_series", "forecasts", ["mode", "instrument", "timeframe", "ts"])
    _table(
        "signals",
        *_forecast_columns(),
        _key("signal_id"),
        *_all(text, "mode instrument timeframe decision"),
        sa.Column("side", text),
        sa.Column("confidence", real),
        *_all(text, "reason reason_detail regime regime_reason"),
        *_all(exact, "entry"),
        sa.Column("stop", exact),
        sa.Column("target", exact),
        *_all(real, "atr"),
        *_all(exact, "position_size"),
        *_all(flag, "risk_allowed"),
        *_all(text, "git_commit data_digest settings_digest"),
        *_all(whole, "feature_first_ms feature_primed_ms"),
        *_all(text, "features"),
        _one_of(*MODES),
        _one_of(*TIMEFRAMES),
        _one_of("decision", DECISIONS),
        _one_of("side", DECISIONS),
        _one_of("regime", "TREND RANGE HIGH_VOL"),
        *_above_zero("entry"),
        sa.CheckConstraint("decision = 'NO_TRADE' OR decision = side", name="decision_follows_side"),
        sa.CheckConstraint(
            "decision = 'NO_TRADE' OR (stop IS NOT NULL AND target IS NOT NULL)", name="taken_has_levels"
        ),
        *_forecast_rules(),
    )
    op.create_index("signals_by_series", "signals", ["mode", "instrument", "timeframe", "ts"])
    op.create_index("signals_by_ts", "signals", ["ts"])


def _money() -> None:
    _table(
        "orders",
        _key("order_id"),
        *_all(text, "mode account instrument purpose side"),
        *_all(exact, "quantity_base"),
        *_all(text, "status"),
        *_all(whole, "created_ms"),
        sa.Column("signal_id", text, sa.ForeignKey("signals.signal_id", name="orders_signal")),
        sa.Column("position_id", text),
        *_all(text, "reason"),
        _one_of(*MODES),
        _one_of(*PURPOSES),
        _one_of(*SIDES),
        _one_of("status", "pending filled cancelled refused"),
        *_above_zero("quantity_base"),
    )
    op.create_index("orders_by_account", "orders", ["mode", "account", "created_ms"])
    op.create_index("orders_by_signal", "orders", ["signal_id"])
    _table(
        "fills",
        _key("fill_id"),
        sa.Column("order_id", text, sa.ForeignKey("orders.order_id", name="fills_order"), nullable=False),
        *_all(text, "mode account instrument side purpose"),
        *_all(exact, "price quantity_base fee_quote"),
        *_all(whole, "ts"),
        _one_of(*MODES),
        _one_of(*SIDES),
        _one_of(*PURPOSES),
        *_above_zero("price", "quantity_base"),
        sa.CheckConstraint("CAST(fee_quote AS DOUBLE PRECISION) >= 0", name="fee_quote_not_negative"),
    )
    op.create_index("fills_by_order", "fills", ["order_id"])
    op.create_index("fills_by_account", "fills", ["mode", "account", "ts"])
    _positions()


def _positions() -> None:
    _table(
        "positions",
        _key("position_id"),
        *_all(text, "mode account instrument timeframe side"),
        *_all(exact, "quantity_base"),
        *_all(whole, "entry_ms"),
        *_all(exact, "entry_price initial_stop stop target"),
        *_all(whole, "bars_held"),
        *_all(exact, "best_price"),
        *_all(whole, "checked_ms"),
        sa.Column(
            "signal_id", text, sa.ForeignKey("signals.signal_id", name="positions_signal"), nullable=False
        ),
        *_all(exact, "fees_quote"),
        sa.Column("exit_ms", whole),
        sa.Column("exit_price", exact),
        sa.Column("exit_reason", text),
        sa.Column("pnl_quote", exact),
        _one_of(*MODES),
        _one_of(*TIMEFRAMES),
        _one_of(*SIDES),
        _one_of("exit_reason", "stop target trailing time operator"),
        *_above_zero("quantity_base", "entry_price"),
        sa.CheckConstraint("bars_held >= 0", name="bars_held_not_negative"),
        sa.CheckConstraint(
            "(exit_ms IS NULL) = (exit_price IS NULL) AND (exit_ms IS NULL) = (exit_reason IS NULL) "
            "AND (exit_ms IS NULL) = (pnl_quote IS NULL)",
            name="exit_is_whole",
        ),
        sa.UniqueConstraint("mode", "account", "signal_id", name="one_position_a_signal"),
    )
    op.create_index("positions_by_account", "positions", ["mode", "account", "entry_ms"])
    op.create_index("positions_by_exit", "positions", ["mode", "account", "exit_ms"])


def _standing() -> None:
    _table(
        "equity",
        _key("mode"),
        _key("account"),
        sa.Column("ts", whole, primary_key=True, autoincrement=False),
        *_all(exact, "balance_quote unrealised_quote"),
        _one_of(*MODES),
    )
    _table(
        "risk_state",
        _key("mode"),
        _key("account"),
        *_all(whole, "day_start_ms"),
        *_all(exact, "day_start_equity_quote"),
        *_all(whole, "week_start_ms"),
        *_all(exact, "week_start_equity_quote"),
        *_all(whole, "losing_streak"),
        sa.Column("paused_until_ms", whole),
        sa.Column("pause_reason", text),
        sa.Column("blocked_reason", text),
        *_all(whole, "updated_ms version"),
        _one_of(*MODES),
        sa.CheckConstraint("losing_streak >= 0", name="losing_streak_not_negative"),
        sa.CheckConstraint("version >= 1", name="version_counts"),
    )
    _table(
        "model_versions",
        _key("role"),
        _key("series_key"),
        _key("version"),
        *_all(whole, "created_ms"),
        *_all(flag, "serving"),
        sa.Column("refused_reason", text),
        *_all(text, "metrics manifest_sha256"),
    )
    op.create_index("model_versions_by_time", "model_versions", ["created_ms"])
    _table(
        "audit",
        sa.Column("audit_id", whole, primary_key=True, autoincrement=True),
        *_all(whole, "ts"),
        *_all(text, "actor action subject detail"),
    )
    op.create_index("audit_by_ts", "audit", ["ts"])


def _table(name: str, *parts: Any) -> None:
    op.create_table(name, *parts, sqlite_strict=True)


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, text, primary_key=True)


def _all(kind: Any, names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names.split()]


def _one_of(column: str, words: str) -> sa.CheckConstraint:
    members = ", ".join(f"'{word}'" for word in words.split())
    return sa.CheckConstraint(f"{column} IN ({members})", name=f"{column}_word")


def _above_zero(*columns: str) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(f"CAST({c} AS DOUBLE PRECISION) > 0", name=f"{c}_above_zero") for c in columns]


def _forecast_columns() -> list[sa.Column[Any]]:
    return [
        *_all(whole, "ts horizon_bars"),
        *_all(real, "prob_up prob_down expected_return p10 p50 p90 risk_score"),
        *_all(text, "model_version"),
    ]


def _forecast_rules() -> list[sa.CheckConstraint]:
    return [
        *(
            sa.CheckConstraint(f"{name} BETWEEN 0 AND 1", name=f"{name}_range")
            for name in ("prob_up", "prob_down", "risk_score")
        ),
        sa.CheckConstraint("p10 <= p50 AND p50 <= p90", name="quantiles_ordered"),
    ]
