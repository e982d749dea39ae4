"""Refusals as rows of their own: each with its name, where prose and the one name `risk_gate` were."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BATCH = 1000
GATE = "risk_gate"
COOLDOWN = "cooldown"
ELSEWHERE = "cooldown_other_timeframe"
RULES = frozenset(
    [
        "stale_candle",
        "atr_missing",
        "no_edge",
        "short_not_possible",
        "prob_below_min",
        "expected_return_below_min",
        "risk_above_max",
        "reward_risk_below_min",
        "cooldown",
    ]
)
GATES = frozenset(
    [
        "cooldown_other_timeframe",
        "data_gap",
        "no_account",
        "risk_state_missing",
        "risk_state_unreadable",
        "blocked",
        "daily_loss",
        "weekly_loss",
        "losing_streak",
        "position_open",
        "max_open_positions",
        "exposure_full",
        "price_below_money_grid",
        "quantity_too_small",
        "instrument_rules_unknown",
    ]
)
text = sa.Text()
signals = sa.table(
    "signals",
    *(sa.column(name, text) for name in ("signal_id", "decision", "reason", "reason_detail", "refusals")),
)


def upgrade() -> None:
    """Add the column and fill it from the prose of the refused; `risk_gate` becomes what the gate said."""
    op.add_column("signals", sa.Column("refusals", text, nullable=False, server_default="[]"))
    _rewrite(_structured)


def downgrade() -> None:
    """Take the column away again; what the gate said goes back behind `risk_gate`."""
    _rewrite(_as_prose)
    op.drop_column("signals", "refusals")


def _rewrite(change: Callable[[sa.Row[Any]], dict[str, str]]) -> None:
    for rows in _batches():
        changed = [{"key": row.signal_id, **change(row)} for row in rows]
        wanted = sa.update(signals).where(signals.c.signal_id == sa.bindparam("key"))
        names = ("reason", "reason_detail", "refusals")
        op.get_bind().execute(wanted.values({name: sa.bindparam(name) for name in names}), changed)


def _batches() -> Iterator[list[sa.Row[Any]]]:
    """Refused signals by key, so that a long history never lies in memory at once."""
    after = ""
    while True:
        wanted = sa.select(signals).where(signals.c.decision == "NO_TRADE", signals.c.signal_id > after)
        rows = list(op.get_bind().execute(wanted.order_by(signals.c.signal_id).limit(BATCH)))
        if not rows:
            return
        yield rows
        after = rows[-1].signal_id


def _structured(row: sa.Row[Any]) -> dict[str, str]:
    found = []
    parts = row.reason_detail.split("; ")
    for part in parts:
        name, _, detail = part.partition(": ")
        if name == GATE:
            name, _, detail = detail.partition(" ")
            name = ELSEWHERE if name == COOLDOWN else name
        if name in RULES | GATES:
            found.append({"reason": name, "detail": detail})
    if len(found) < len(parts):  # no prose of ours: as it was
        return {"reason": row.reason, "reason_detail": row.reason_detail, "refusals": "[]"}
    prose = "; ".join(f"{one['reason']}: {one['detail']}" for one in found)
    reason = found[0]["reason"] if row.reason == GATE else row.reason
    return {"reason": reason, "reason_detail": prose, "refusals": _json(found)}


def _as_prose(row: sa.Row[Any]) -> dict[str, str]:
    found = json.loads(row.refusals)
    prose = "; ".join(_said(one["reason"], one["detail"]) for one in found)
    return {
        "reason": GATE if row.reason in GATES else row.reason,
        "reason_detail": prose or row.reason_detail,
        "refusals": "[]",
    }


def _said(reason: str, detail: str) -> str:
    if reason not in GATES:
        return f"{reason}: {detail}"
    name = COOLDOWN if reason == ELSEWHERE else reason
    return f"{GATE}: {f'{name} {detail}'.strip().replace(';', ',')}"


def _json(value: object) -> str:
    """The one spelling of JSON: keys sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
