"""The duty log (值班日志) as a chain, and its checkpoints. Triggers of the migration refuse every change and deletion.

The acts of a transaction join the chain in its last step, one after the other over all programs that write: SQLite has one writer
at a time, PostgreSQL a lock that is held from there to the commit. Taken last and held for a moment, it makes nobody wait for the
work of others, and two transactions can't wait for each other in a circle.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import LargeBinary, ScalarResult, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.audit import Checkpoint, Entry, Head, link_of
from broadcast.service.ports import ActFilter, ActRow, StoreRefused
from broadcast.store.base import Base, key

CHAIN_LOCK = (0x6C69616E, 0x63686E)  # "lian", "chn" among the advisory locks of the database
COLUMNS = "id, at_ms, officer, verb, subject, detail, previous, link"
AT_ONCE = 500


class ActRecord(Base):
    """One act; `id` is its number in the chain, from 1 without a gap. That no two follow the same one is the database's to see."""

    __tablename__ = "act"
    __table_args__ = (UniqueConstraint("previous"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(index=True)
    officer: Mapped[str] = mapped_column(index=True)
    verb: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    link: Mapped[bytes] = mapped_column(LargeBinary)


class CheckpointRecord(Base):
    """Who signed when that the chain was this."""

    __tablename__ = "checkpoint"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    link: Mapped[bytes] = mapped_column(LargeBinary)
    at_ms: Mapped[int]
    county: Mapped[str] = mapped_column(key(12))
    algorithm: Mapped[int]
    key_id: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class Acts:
    """Repository of the duty log."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: list[ActRow] = []

    def add(self, act: ActRow) -> None:
        """:raises StoreRefused: a text that can't be written down, or a number beyond 64 bits."""
        try:
            link_of(1, act, b"")
        except (UnicodeEncodeError, OverflowError) as err:
            raise StoreRefused(str(err)) from err
        if not -(2**63) <= act.at_ms < 2**63:
            raise StoreRefused(f"a time of {act.at_ms} ms")
        self._waiting.append(act)

    def settle(self) -> None:
        """Write what was added, behind what others have committed meanwhile."""
        if not self._waiting:
            return
        acts, self._waiting = self._waiting, []
        self._session.flush()  # before the lock: nobody waits for this work
        if self._session.connection().dialect.name == "postgresql":
            self._session.execute(select(func.pg_advisory_xact_lock(*CHAIN_LOCK)))
        seq, link = self._head()
        for act in acts:
            previous, seq = link, seq + 1
            link = link_of(seq, act, previous)
            self._session.add(ActRecord(id=seq, **act._asdict(), previous=previous, link=link))
        self._session.flush()

    def page(self, *, limit: int) -> Sequence[ActRow]:
        """Newest first."""
        return [ActRow(*entry[1:6]) for entry in self.find(ActFilter(), limit=limit)]

    def head(self) -> Head:
        self.settle()
        return self._head()

    def _head(self) -> Head:
        found = self._session.execute(
            select(ActRecord.id, ActRecord.link).order_by(ActRecord.id.desc()).limit(1)
        ).first()
        return Head() if found is None else Head(*found)

    def entries(self, *, after: int, limit: int) -> Sequence[Entry]:
        """As the driver gives them, plain tuples: verifying is one hash an act, and an ORM would cost five times that."""
        self.settle()
        connection = self._session.connection()
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        cursor: Any = connection.connection.cursor()
        try:
            query = f"SELECT {COLUMNS} FROM act WHERE id > {mark} ORDER BY id LIMIT {mark}"  # noqa: S608  no value in it
            cursor.execute(query, (after, limit))
            rows: list[Entry] = cursor.fetchall()
            return rows
        finally:
            cursor.close()

    def find(self, wanted: ActFilter, *, limit: int) -> Sequence[Entry]:
        """Newest first."""
        self.settle()
        one = ActRecord
        query = select(one.id, one.at_ms, one.officer, one.verb, one.subject, one.detail, one.previous, one.link)
        for column, value in ((one.officer, wanted.officer), (one.verb, wanted.verb), (one.subject, wanted.subject)):
            if value:
                query = query.where(column == value)
        if wanted.from_ms is not None:
            query = query.where(one.at_ms >= wanted.from_ms)
        if wanted.until_ms is not None:
            query = query.where(one.at_ms < wanted.until_ms)
        if wanted.before is not None:
            query = query.where(one.id < wanted.before)
        return [Entry(*row) for row in self._session.execute(query.order_by(one.id.desc()).limit(limit))]

    def links(self, numbers: Collection[int]) -> Mapping[int, bytes]:
        self.settle()
        wanted, found = sorted(numbers), dict[int, bytes]()
        for at in range(0, len(wanted), AT_ONCE):
            query = select(ActRecord.id, ActRecord.link).where(ActRecord.id.in_(wanted[at : at + AT_ONCE]))
            found |= {row.id: row.link for row in self._session.execute(query)}
        return found


class Checkpoints:
    """Repository of checkpoints."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, checkpoint: Checkpoint) -> None:
        """:raises StoreRefused: there is one at this act."""
        self._session.add(
            CheckpointRecord(
                seq=checkpoint.seq,
                link=checkpoint.link,
                at_ms=checkpoint.at_ms,
                county=checkpoint.county,
                algorithm=checkpoint.algorithm,
                key_id=checkpoint.key_id,
                signature=checkpoint.signature,
            )
        )
        self._session.flush()

    def last(self) -> Checkpoint | None:
        query = select(CheckpointRecord).order_by(CheckpointRecord.seq.desc()).limit(1)
        return next(iter(_read(self._session.scalars(query))), None)

    def after(self, seq: int, *, limit: int) -> Sequence[Checkpoint]:
        query = select(CheckpointRecord).where(CheckpointRecord.seq > seq).order_by(CheckpointRecord.seq).limit(limit)
        return _read(self._session.scalars(query))


def _read(rows: ScalarResult[CheckpointRecord]) -> list[Checkpoint]:
    return [
        Checkpoint(row.seq, row.link, row.at_ms, row.county, row.algorithm, row.key_id, row.signature) for row in rows
    ]
