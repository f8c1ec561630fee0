"""Orders learn what programmes and live sound need; the plan: programmes, areas' plans, days, versions of programme boards."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_NUMBERS = {"closing": 0, "start_by_ms": 0, "hard_at_ms": 0, "fade_ms": 0, "ceiling_percent": 100, "stream": 0}


def key(length: int) -> sa.types.TypeEngine[str]:
    """Text in the order of its bytes on every engine."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """What is there gets a value; what comes names its own."""
    _orders()
    _deliveries()
    op.create_table(
        "programme",
        sa.Column("id", key(26), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("stream", sa.BigInteger(), nullable=False),
        sa.Column("saved_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "revision", name="pk_programme"),
    )
    op.create_table(
        "area_plan",
        sa.Column("area", key(18), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("volume_by_hour", sa.Text(), nullable=False),
        sa.Column("budget_min", sa.BigInteger(), nullable=False),
        sa.Column("fallback", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("saved_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("area", "revision", name="pk_area_plan"),
    )
    op.create_table(
        "calendar_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_calendar_day"),
    )
    op.create_table(
        "programme_board",
        sa.Column("scope", key(40), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_programme_board"),
    )


def _orders() -> None:
    with op.batch_alter_table("broadcast") as table:
        for name, value in _NUMBERS.items():
            kind = sa.SmallInteger() if name == "closing" else sa.BigInteger()
            table.add_column(sa.Column(name, kind, nullable=False, server_default=str(value)))
        table.add_column(sa.Column("more", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("programme", key(26), nullable=False, server_default=""))
    with op.batch_alter_table("broadcast") as table:
        for name in (*_NUMBERS, "more", "programme"):
            table.alter_column(name, server_default=None)


def _deliveries() -> None:
    kinds: dict[str, sa.types.TypeEngine[int]] = {"started_ms": sa.BigInteger(), "start_reason": sa.SmallInteger()}
    with op.batch_alter_table("delivery") as table:
        for name, kind in kinds.items():
            table.add_column(sa.Column(name, kind, nullable=False, server_default="0"))
    with op.batch_alter_table("delivery", table_kwargs={"sqlite_with_rowid": False}) as table:
        for name in kinds:
            table.alter_column(name, server_default=None)
