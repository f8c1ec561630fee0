"""Enrolment, groups and tests of speakers; alarms and shifts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def key(length: int) -> sa.types.TypeEngine[str]:
    """Text in the order of its bytes on every engine."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Both subjects of this revision."""
    _estate()


def _estate() -> None:
    """What is wanted of each speaker and which secrets it has; codes, groups, what speakers say, and who failed the tests."""
    _widen_speakers()
    op.create_table(
        "enrolment",
        sa.Column("id", key(26), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("exercise", sa.Boolean(), nullable=False),
        sa.Column("replaces", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("box", sa.Text(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("firmware", sa.Text(), nullable=False),
        sa.Column("foreign_tries", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_enrolment"),
        sa.UniqueConstraint("code_hash", name="uq_enrolment_code_hash"),
    )
    op.create_table(
        "speaker_group",
        sa.Column("id", key(26), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("areas", sa.Text(), nullable=False),
        sa.Column("speakers", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_speaker_group"),
    )
    op.create_table(
        "speaker_about",
        sa.Column("speaker", key(32), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("firmware", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("check_ms", sa.BigInteger(), nullable=False),
        sa.Column("volume_percent", sa.BigInteger(), nullable=False),
        sa.Column("ceiling_percent", sa.BigInteger(), nullable=False),
        sa.Column("floor_percent", sa.BigInteger(), nullable=False),
        sa.Column("quiet_from_min", sa.BigInteger(), nullable=False),
        sa.Column("quiet_until_min", sa.BigInteger(), nullable=False),
        sa.Column("muted_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("faults", sa.BigInteger(), nullable=False),
        sa.Column("ear", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("speaker", name="pk_speaker_about"),
    )
    op.create_table(
        "silent_test",
        sa.Column("id", key(26), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("townships", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_silent_test"),
    )
    op.create_table(
        "silent_test_finding",
        sa.Column("test", key(26), nullable=False),
        sa.Column("area", key(20), nullable=False),
        sa.Column("speaker", key(32), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("drift", sa.Text(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("test", "area", "speaker", name="pk_silent_test_finding"),
    )


def _widen_speakers() -> None:
    """With a value for the speakers that are there; what comes later says it itself, so the default goes again."""
    values = {
        "revision": 1,
        "ceiling_percent": 100,
        "floor_percent": 60,
        "quiet_from_min": -1,
        "quiet_until_min": -1,
        "muted_until_ms": 0,
        "generation": 1,
        "older_until_ms": 0,
    }
    columns: list[sa.Column[Any]] = [
        sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text(str(value)))
        for name, value in values.items()
    ]
    columns += [
        sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")) for name in ("note", "contacts")
    ]
    columns += [
        sa.Column("handed_out", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("revoked", sa.Boolean(), nullable=False, server_default=sa.false()),
    ]
    with op.batch_alter_table("speaker") as batch:
        for column in columns:
            batch.add_column(column)
    with op.batch_alter_table("speaker") as batch:
        for column in columns:
            batch.alter_column(column.name, server_default=None)
