"""The digest of the candles that a position was checked on, so that a later change of one is noticed.

Positions that are there get none: nobody kept what they were checked on, and so they are not watched for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty."""
    op.add_column("positions", sa.Column("candles_digest", sa.Text()))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("positions", "candles_digest")
