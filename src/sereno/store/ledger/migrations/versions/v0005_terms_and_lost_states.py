"""The terms of orders and positions, fixed at the decision, and the mark of a risk state that was lost.

Rows that are there get none: no revision knows the settings. An open position takes those in force at
the next run of the job `positions`, and keeps them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
exact = sa.Numeric().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Add the columns, empty."""
    for table in ("orders", "positions"):
        op.add_column(table, sa.Column("horizon_bars", whole))
        op.add_column(table, sa.Column("trail_quote", exact))
    op.add_column("risk_state", sa.Column("lost_ms", whole))


def downgrade() -> None:
    """Take them away again: every open position then follows the settings of the day."""
    op.drop_column("risk_state", "lost_ms")
    for table in ("positions", "orders"):
        op.drop_column(table, "trail_quote")
        op.drop_column(table, "horizon_bars")
