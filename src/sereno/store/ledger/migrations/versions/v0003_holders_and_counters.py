"""The holder of each run, counts that never fall, and positions found by their signal."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RUNS_ENDED = "job_runs_ended"


def upgrade() -> None:
    """Add them; the counts begin with the runs that are there."""
    text = sa.Text()
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
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


def downgrade() -> None:
    """Take them away again; holders, and counts of runs that are no longer kept, are lost."""
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
