"""The audit chain and its checkpoints; alarms and shifts."""

import sqlalchemy as sa
from alembic import op

from broadcast.domain.audit import GENESIS, link_of  # format 1, which never changes

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

AT_ONCE = 1_000
NEVER = "the audit trail is append-only"


def key(length: int) -> sa.types.TypeEngine[str]:
    """Text in the order of its bytes on every engine."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """The acts that are there get their chain; from here on the database itself refuses to change one."""
    op.execute("CREATE TEMPORARY TABLE old_act AS SELECT id, at_ms, officer, verb, subject, detail FROM act")
    op.drop_table("act")
    act = op.create_table(
        "act",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("officer", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("link", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_act"),
        sa.UniqueConstraint("previous", name="uq_act_previous"),
    )
    op.create_index("ix_act_at_ms", "act", ["at_ms"])
    op.create_index("ix_act_officer", "act", ["officer"])
    _chain(act)
    op.execute("DROP TABLE old_act")
    op.create_table(
        "checkpoint",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("link", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("county", key(12), nullable=False),
        sa.Column("algorithm", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_checkpoint"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()
    _alarms_and_shifts()


def _chain(act: sa.Table) -> None:
    """Numbers become gapless: PostgreSQL's counter has left out those of what was rolled back."""
    connection = op.get_bind()
    last, seq, previous = -(2**63), 0, GENESIS
    query = sa.text(f"SELECT * FROM old_act WHERE id > :last ORDER BY id LIMIT {AT_ONCE}")  # noqa: S608  a number
    while rows := connection.execute(query, {"last": last}).all():
        chained = []
        for row in rows:
            seq += 1
            link = link_of(seq, tuple(row[1:6]), previous)
            chained.append(
                {
                    "id": seq,
                    "at_ms": row.at_ms,
                    "officer": row.officer,
                    "verb": row.verb,
                    "subject": row.subject,
                    "detail": row.detail,
                    "previous": previous,
                    "link": link,
                }
            )
            previous = link
        connection.execute(act.insert(), chained)
        last = rows[-1].id


def _guard_sqlite() -> None:
    """REPLACE deletes without a DELETE trigger, so an insert under a number that is there is refused too."""
    for table, number in (("act", "id"), ("checkpoint", "seq")):
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{NEVER}'); END"
            )
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}"  # noqa: S608  our own names
            f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {number} = NEW.{number})"
            f" BEGIN SELECT RAISE(ABORT, '{NEVER}'); END"
        )
    op.execute(
        "CREATE TRIGGER act_no_gap BEFORE INSERT ON act"  # noqa: S608  our own sentence
        " WHEN NEW.id <> (SELECT coalesce(max(id), 0) + 1 FROM act)"
        f" BEGIN SELECT RAISE(ABORT, '{NEVER}'); END"
    )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{NEVER}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table in ("act", "checkpoint"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )


def _alarms_and_shifts() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", key(26), nullable=False),
        sa.Column("kind", key(60), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("raised_ms", sa.BigInteger(), nullable=False),
        sa.Column("ranked_ms", sa.BigInteger(), nullable=False),
        sa.Column("cleared_ms", sa.BigInteger(), nullable=True),
        sa.Column("acked_ms", sa.BigInteger(), nullable=True),
        sa.Column("acked_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("taken_into", sa.Text(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alarm"),
    )
    op.create_index("ix_alarm_raised_ms", "alarm", ["raised_ms"])
    op.create_index("ix_alarm_closed_ms", "alarm", ["closed_ms"])
    op.create_table(
        "shift",
        sa.Column("id", key(26), nullable=False),
        sa.Column("officer", sa.Text(), nullable=False),
        sa.Column("relieved", sa.Text(), nullable=False),
        sa.Column("offered_ms", sa.BigInteger(), nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("checked", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shift"),
    )
