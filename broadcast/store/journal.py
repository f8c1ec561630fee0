"""Small tables beside the subjects: answers to Idempotency-Keys, the duty log, facts of the installation."""

from collections.abc import Sequence

from sqlalchemy import LargeBinary, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.service.ports import ActRow, KeptAnswer
from broadcast.store.base import COUNTER, Base, key


class AnswerRecord(Base):
    """What was answered to an Idempotency-Key of a principal."""

    __tablename__ = "answer"

    principal: Mapped[str] = mapped_column(key(100), primary_key=True)
    key: Mapped[str] = mapped_column(key(200), primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[str]
    kept_ms: Mapped[int] = mapped_column(index=True)


class ActRecord(Base):
    """One line of the duty log (值班日志)."""

    __tablename__ = "act"

    id: Mapped[int] = mapped_column(COUNTER, primary_key=True)
    at_ms: Mapped[int]
    officer: Mapped[str]
    verb: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]


class FactRecord(Base):
    """A small fact of this installation."""

    __tablename__ = "fact"

    name: Mapped[str] = mapped_column(key(100), primary_key=True)
    value: Mapped[str]


class Answers:
    """Repository of answers to Idempotency-Keys."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, principal: str, key: str) -> KeptAnswer | None:
        row = self._session.get(AnswerRecord, (principal, key))
        return None if row is None else KeptAnswer(row.body_hash, row.answer, row.kept_ms)

    def add(self, principal: str, key: str, kept: KeptAnswer) -> None:
        """:raises StoreRefused: there is an answer already; the caller looks first, in the same transaction."""
        body_hash, answer, kept_ms = kept
        self._session.add(
            AnswerRecord(principal=principal, key=key, body_hash=body_hash, answer=answer, kept_ms=kept_ms)
        )
        self._session.flush()

    def forget_before(self, at_ms: int) -> None:
        self._session.execute(delete(AnswerRecord).where(AnswerRecord.kept_ms < at_ms))


class Acts:
    """Repository of the duty log."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, act: ActRow) -> None:
        at_ms, officer, verb, subject, detail = act
        self._session.add(ActRecord(at_ms=at_ms, officer=officer, verb=verb, subject=subject, detail=detail))
        self._session.flush()

    def page(self, *, limit: int) -> Sequence[ActRow]:
        """Newest first."""
        table = ActRecord
        query = select(table.at_ms, table.officer, table.verb, table.subject, table.detail)
        return [ActRow(*row) for row in self._session.execute(query.order_by(table.id.desc()).limit(limit))]


class Facts:
    """Repository of facts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: str) -> str | None:
        row = self._session.get(FactRecord, name)
        return None if row is None else row.value

    def set(self, name: str, value: str) -> None:
        self._session.merge(FactRecord(name=name, value=value))
        self._session.flush()
