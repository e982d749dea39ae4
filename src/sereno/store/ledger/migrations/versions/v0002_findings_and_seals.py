"""Findings of the watch, details of runs, and seals: the database itself refuses to rewrite history."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# table, what is refused, and which rows are meant (all where nothing is said)
SEALS = (
    ("fills", "UPDATE", ""),
    ("fills", "DELETE", ""),
    ("audit", "UPDATE", ""),
    ("audit", "DELETE", ""),
    ("orders", "UPDATE", "OLD.status <> 'pending'"),
    ("orders", "DELETE", ""),
    ("positions", "UPDATE", "OLD.exit_ms IS NOT NULL"),
    ("positions", "DELETE", ""),
)
PG_FUNCTION = """
CREATE FUNCTION sereno_sealed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a row of % is sealed', TG_TABLE_NAME; END $$
"""


def upgrade() -> None:
    """Add the table, the column, an index and the seals."""
    text = sa.Text()
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "findings",
        sa.Column("finding_id", text, primary_key=True),
        sa.Column("ts", whole, nullable=False),
        *(
            sa.Column(name, text, nullable=False)
            for name in ("check_name", "severity", "subject", "message", "detail")
        ),
        sqlite_strict=True,
    )
    op.create_index("findings_by_ts", "findings", ["ts"])
    op.add_column("job_runs", sa.Column("details", text, nullable=False, server_default="{}"))
    op.create_index("orders_by_position", "orders", ["position_id"])
    if not _is_sqlite():
        op.execute(PG_FUNCTION)
    for table, verb, where in SEALS:
        op.execute(_seal(table, verb, where))


def downgrade() -> None:
    """Take them away again; findings and details of runs are lost."""
    for table, verb, _ in SEALS:
        name = _name(table, verb)
        op.execute(f"DROP TRIGGER {name}" if _is_sqlite() else f"DROP TRIGGER {name} ON {table}")
    if not _is_sqlite():
        op.execute("DROP FUNCTION sereno_sealed()")
    op.drop_index("orders_by_position", "orders")
    op.drop_column("job_runs", "details")
    op.drop_table("findings")


def _seal(table: str, verb: str, where: str) -> str:
    head = f"CREATE TRIGGER {_name(table, verb)} BEFORE {verb} ON {table} FOR EACH ROW"
    when = f" WHEN ({where})" if where else ""
    if _is_sqlite():
        return f"{head}{when} BEGIN SELECT RAISE(ABORT, 'a row of {table} is sealed'); END"
    return f"{head}{when} EXECUTE FUNCTION sereno_sealed()"


def _name(table: str, verb: str) -> str:
    return f"{table}_sealed_{verb.lower()}"


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
