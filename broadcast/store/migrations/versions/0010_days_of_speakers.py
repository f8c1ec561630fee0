"""For how long each speaker was online on each day."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def key(length: int) -> sa.types.TypeEngine[str]:
    """Text in the order of its bytes on every engine."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """What statistics of a month are made from."""
    op.create_table(
        "speaker_day",
        sa.Column("day", key(10), nullable=False),
        sa.Column("speaker", key(32), nullable=False),
        sa.Column("known_s", sa.BigInteger(), nullable=False),
        sa.Column("online_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "speaker", name="pk_speaker_day"),
        sqlite_with_rowid=False,
    )
