"""Small tables beside the subjects: answers to Idempotency-Keys, facts of the installation."""

from sqlalchemy import LargeBinary, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.service.ports import KeptAnswer
from broadcast.store.base import Base, key


class AnswerRecord(Base):
    """What was answered to an Idempotency-Key of a principal."""

    __tablename__ = "answer"

    principal: Mapped[str] = mapped_column(key(100), primary_key=True)
    key: Mapped[str] = mapped_column(key(200), primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[str]
    kept_ms: Mapped[int] = mapped_column(index=True)


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
