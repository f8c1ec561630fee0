"""Conferences, what they begin from, and who may come in."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0010"
branch_labels = None
depends_on = None


def key(length: int) -> sa.types.TypeEngine[str]:
    """Text in the order of its bytes on every engine."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Five tables; nothing that was there changes."""
    op.create_table(
        "conference",
        sa.Column("id", key(26), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conference"),
    )
    op.create_index("ix_conference_live", "conference", ["live"])
    op.create_table(
        "conference_blueprint",
        sa.Column("id", key(26), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conference_blueprint"),
    )
    op.create_table(
        "conference_reservation",
        sa.Column("id", key(26), nullable=False),
        sa.Column("starts_ms", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conference_reservation"),
    )
    op.create_index("ix_conference_reservation_starts_ms", "conference_reservation", ["starts_ms"])
    op.create_table(
        "conference_ticket",
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("conference", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("secret_hash", name="pk_conference_ticket"),
    )
    op.create_index("ix_conference_ticket_until_ms", "conference_ticket", ["until_ms"])
    op.create_table(
        "conference_key",
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("conference", key(26), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("secret_hash", name="pk_conference_key"),
    )
    op.create_index("ix_conference_key_conference", "conference_key", ["conference"])
