"""The answers that the server gave."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "feedback_served_answers",
        sa.Column("position", _BIG, primary_key=True, autoincrement=True),
        sa.Column("response_id", sa.String(512), nullable=False, unique=True),
        sa.Column("completion", sa.String(512), nullable=False),
        sa.Column("choice", sa.Integer, nullable=False),
        sa.Column("annotator", sa.String(512), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("finish", sa.String(16), nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("answered_at", _TIME, nullable=False),
        sa.Column("consent", sa.String(512), nullable=False),
        sa.Column("compared", sa.String(64)),
        sa.Column("facts", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    for column in ("completion", "annotator", "answered_at"):
        op.create_index(f"feedback_served_answers_{column}", "feedback_served_answers", [column])
