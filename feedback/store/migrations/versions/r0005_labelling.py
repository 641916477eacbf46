"""Assignments that the label page gives out: their names, when they were judged, and how many events there are."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns, and name the assignments from before."""
    op.add_column("feedback_assignments", sa.Column("task", sa.String(32)))
    op.add_column("feedback_assignments", sa.Column("finished_at", sa.DateTime(timezone=True)))
    op.add_column("feedback_assignments", sa.Column("stored", sa.Integer, nullable=False, server_default="0"))
    rows = op.get_bind().execute(sa.text("SELECT queue, item, annotator FROM feedback_assignments")).all()
    naming = sa.text(
        "UPDATE feedback_assignments SET task = :task WHERE queue = :queue AND item = :item AND annotator = :annotator"
    )
    for row in rows:
        op.get_bind().execute(naming, {**row._mapping, "task": secrets.token_hex(16)})
    op.create_index("feedback_assignments_task", "feedback_assignments", ["task"], unique=True)
