"""The holder of each run, counts that never fall, alerts, and positions found by their signal."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RUNS_ENDED = "job_runs_ended"
text = sa.Text()
whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add them; the counts begin with the runs that are there."""
    op.add_column("job_runs", sa.Column("holder", text))
    unended = sa.text("ended_ms IS NULL")
    op.create_index(
        "job_runs_unended", "job_runs", ["started_ms"], sqlite_where=unended, postgresql_where=unended
    )
    op.create_index("positions_by_signal", "positions", ["signal_id"])
    op.create_table(
        "counters",
        sa.Column("name", text, primary_key=True),
        sa.Column("labels", text, primary_key=True),
        sa.Column("value", whole, nullable=False),
        sa.CheckConstraint("value >= 0", name="value_not_negative"),
        sqlite_strict=True,
    )
    _count_what_is_there()
    _alerts()


def downgrade() -> None:
    """Take them away again; holders, alerts, and counts of runs that are no longer kept, are lost."""
    op.drop_table("alerts")
    op.drop_table("counters")
    op.drop_index("positions_by_signal", "positions")
    op.drop_index("job_runs_unended", "job_runs")
    op.drop_column("job_runs", "holder")


def _count_what_is_there() -> None:
    ended = op.get_bind().execute(
        sa.text(
            "SELECT job, mode, status, count(*) FROM job_runs WHERE status <> 'running' "
            "GROUP BY job, mode, status"
        )
    )
    counters = sa.table("counters", sa.column("name"), sa.column("labels"), sa.column("value"))
    rows = [
        {"name": RUNS_ENDED, "labels": _labels(job, mode, status), "value": count}
        for job, mode, status, count in ended
    ]
    if rows:
        op.bulk_insert(counters, rows)


def _labels(job: str, mode: str, status: str) -> str:
    """The one spelling of JSON: keys sorted, no spaces."""
    labels = {"job": job, "mode": mode, "status": status}
    return json.dumps(labels, sort_keys=True, separators=(",", ":"))


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", text, primary_key=True),
        *(sa.Column(name, text, nullable=False) for name in ("mode", "key", "kind", "severity", "text")),
        *(sa.Column(name, whole, nullable=False) for name in ("ts", "raised_wall_ms", "next_try_wall_ms")),
        sa.Column("tries", whole, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("error", text),
        _one_of("mode", "sim paper live"),
        _one_of("kind", "raised recovered"),
        _one_of("state", "waiting delivered logged given_up"),
        sqlite_strict=True,
    )
    op.create_index("alerts_by_state", "alerts", ["state", "next_try_wall_ms"])
    op.create_index("alerts_by_ts", "alerts", ["ts"])


def _one_of(column: str, words: str) -> sa.CheckConstraint:
    members = ", ".join(f"'{word}'" for word in words.split())
    return sa.CheckConstraint(f"{column} IN ({members})", name=f"{column}_word")
