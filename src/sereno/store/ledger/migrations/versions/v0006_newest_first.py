"""Runs found by mode and status, and model versions of one moment in the order in which they were saved."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the indexes, and the moment: 0 for versions that are there."""
    op.drop_index("job_runs_by_job", "job_runs")
    op.create_index("job_runs_by_job", "job_runs", ["job", "mode", "started_ms"])
    op.create_index("job_runs_by_status", "job_runs", ["mode", "status", "started_ms"])
    op.add_column("model_versions", sa.Column("saved_wall_ms", whole, nullable=False, server_default="0"))


def downgrade() -> None:
    """Take them away again."""
    op.drop_column("model_versions", "saved_wall_ms")
    op.drop_index("job_runs_by_status", "job_runs")
    op.drop_index("job_runs_by_job", "job_runs")
    op.create_index("job_runs_by_job", "job_runs", ["job", "started_ms"])
