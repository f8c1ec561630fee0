"""Accounts with their rights, second factors, tokens and invitations."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def key(length: int) -> sa.types.TypeEngine[str]:
    """Text in the order of its bytes on every engine."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """What accounts and sign-ins know more than before, and the tables of how people and machines get in."""
    no, nothing, none = sa.false(), sa.text("''"), sa.text("0")
    _widen(
        "account",
        sa.Column("exercise_only", sa.Boolean(), nullable=False, server_default=no),
        sa.Column("must_drill", sa.Boolean(), nullable=False, server_default=no),
        sa.Column("pin_hash", sa.Text(), nullable=False, server_default=nothing),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default=sa.text("1")),
    )
    _widen(
        "session",
        sa.Column("confirmed_ms", sa.BigInteger(), nullable=False, server_default=none),
        sa.Column("exercise", sa.Boolean(), nullable=False, server_default=no),
        sa.Column("locked", sa.Boolean(), nullable=False, server_default=no),
        sa.Column("pin_fails", sa.BigInteger(), nullable=False, server_default=none),
    )
    op.create_table(
        "delegation",
        sa.Column("officer", key(100), nullable=False),
        sa.Column("id", key(26), nullable=False),
        sa.Column("verbs", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("daily_from", sa.BigInteger(), nullable=True),
        sa.Column("daily_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("officer", "id", name="pk_delegation"),
    )
    op.create_table(
        "factor",
        sa.Column("officer", key(100), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("recovery", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("officer", name="pk_factor"),
    )
    op.create_table(
        "invitation",
        sa.Column("id", key(26), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("exercise_only", sa.Boolean(), nullable=False),
        sa.Column("must_drill", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invitation"),
        sa.UniqueConstraint("code_hash", name="uq_invitation_code_hash"),
    )
    op.create_table(
        "machine_token",
        sa.Column("id", key(26), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("verbs", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("exercise_only", sa.Boolean(), nullable=False),
        sa.Column("screen", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_from", sa.Text(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_machine_token"),
        sa.UniqueConstraint("token_hash", name="uq_machine_token_token_hash"),
    )
    op.create_table(
        "account_change",
        sa.Column("id", key(26), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("areas", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("hashed", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account_change"),
    )
    op.create_index("ix_account_change_state", "account_change", ["state"])


def _widen(table: str, *columns: "sa.Column[object]") -> None:
    """With a value for the rows that are there; what comes later says it itself, so the default goes again."""
    with op.batch_alter_table(table) as batch:
        for column in columns:
            batch.add_column(column)
    with op.batch_alter_table(table) as batch:
        for column in columns:
            batch.alter_column(column.name, server_default=None)
