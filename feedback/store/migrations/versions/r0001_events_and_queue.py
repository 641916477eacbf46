"""Single events, and the labelling queue."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "feedback_events",
        sa.Column("arrival", _BIG, primary_key=True, autoincrement=True),
        sa.Column("feedback_id", sa.String(512), nullable=False, unique=True),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("round", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("feedback_events_round", "feedback_events", ["round", "arrival"])
    op.create_table(
        "feedback_items",
        sa.Column("position", _BIG, primary_key=True, autoincrement=True),
        sa.Column("queue", sa.String(512), nullable=False),
        sa.Column("item", sa.String(512), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("feedback_items_item", "feedback_items", ["queue", "item"], unique=True)
    op.create_table(
        "feedback_assignments",
        sa.Column("queue", sa.String(512), primary_key=True),
        sa.Column("item", sa.String(512), primary_key=True),
        sa.Column("annotator", sa.String(512), primary_key=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["queue", "item"], ["feedback_items.queue", "feedback_items.item"]),
    )
    op.create_index("feedback_assignments_annotator", "feedback_assignments", ["annotator", "queue"])
