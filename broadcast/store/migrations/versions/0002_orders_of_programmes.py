"""Orders learn what programmes and live sound need; the programmes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_NUMBERS = {"closing": 0, "start_by_ms": 0, "hard_at_ms": 0, "fade_ms": 0, "ceiling_percent": 100, "stream": 0}


def upgrade() -> None:
    """What is there gets a value; what comes names its own."""
    with op.batch_alter_table("broadcast") as table:
        for name, value in _NUMBERS.items():
            kind = sa.SmallInteger() if name == "closing" else sa.BigInteger()
            table.add_column(sa.Column(name, kind, nullable=False, server_default=str(value)))
        table.add_column(sa.Column("more", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("broadcast") as table:
        for name in (*_NUMBERS, "more"):
            table.alter_column(name, server_default=None)
