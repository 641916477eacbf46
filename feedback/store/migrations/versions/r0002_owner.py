"""The workspace whose events are in the database."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table, without a row: the workspace that opens the database next becomes its owner."""
    op.create_table(
        "feedback_owner",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("workspace", sa.String(64), nullable=False),
    )
