"""The evidence: what every speaker said about every order, line by line. Lines are added and never changed."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.service.ports import ReportRow
from broadcast.store.base import Base, Number, key
from broadcast.store.bulk import Insert
from endpoints.protocol import Reason, Stage


class ReportRecord(Base):
    """One line. MQTT repeats: the same event told again has the same key, and the first telling stays."""

    __tablename__ = "report"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  SQLAlchemy's own name and type

    order_id: Mapped[str] = mapped_column(key(40), primary_key=True)
    speaker_id: Mapped[str] = mapped_column(key(32), primary_key=True)
    stage: Mapped[Stage] = mapped_column(Number(Stage), primary_key=True)
    at_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int]
    reason: Mapped[Reason] = mapped_column(Number(Reason))
    boot: Mapped[int]
    n: Mapped[int]
    received_ms: Mapped[int]


_KEEP = Insert(ReportRecord.__table__, "ON CONFLICT (order_id, speaker_id, stage, at_ms) DO NOTHING")


class Reports:
    """Repository of reports; `keep` is the hottest path of the server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def keep(self, rows: Sequence[ReportRow]) -> None:
        """What is there stays, so a repeat is harmless."""
        plain = [
            (order, speaker, stage.value, at_ms, revision, reason.value, boot, n, received_ms)
            for order, speaker, stage, at_ms, revision, reason, boot, n, received_ms in rows
        ]
        _KEEP(self._session.connection(), plain)

    def of(self, order: str, speaker: str | None = None) -> Sequence[ReportRow]:
        """In the order in which they came."""
        table = ReportRecord
        query = select(*table.__table__.columns).where(table.order_id == order)
        if speaker is not None:
            query = query.where(table.speaker_id == speaker)
        rows = self._session.execute(query.order_by(table.received_ms, table.n, table.speaker_id, table.stage))
        return [ReportRow(*row) for row in rows]
