"""Assignments that the label page gives out: their names, when they were judged, and how many events there are."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns. Assignments from before have no name: nobody was shown them on a page."""
    op.add_column("feedback_assignments", sa.Column("task", sa.String(32)))
    op.add_column("feedback_assignments", sa.Column("finished_at", sa.DateTime(timezone=True)))
    op.add_column("feedback_assignments", sa.Column("stored", sa.Integer, nullable=False, server_default="0"))
    op.create_index("feedback_assignments_task", "feedback_assignments", ["task"], unique=True)
