"""The table of live evidence (现场录音): what went out of each run of a stream."""

from collections.abc import Sequence

from sqlalchemy import LargeBinary, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.live_records import LiveRecord
from broadcast.store.base import Base, key


class LiveRecordRow(Base):
    """A run of a stream; the columns have the names of the record's fields."""

    __tablename__ = "live_record"

    order: Mapped[str] = mapped_column("order_id", key(40), primary_key=True)
    from_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stream: Mapped[int]
    to_ms: Mapped[int] = mapped_column(index=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    size_bytes: Mapped[int]
    sound_ms: Mapped[int]
    packets: Mapped[int]
    lost: Mapped[int]
    why: Mapped[str]


class LiveRecords:
    """Repository of live evidence."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, record: LiveRecord) -> None:
        """A new one, or what has become of it."""
        self._session.merge(LiveRecordRow(**record._asdict()))
        self._session.flush()

    def of(self, order: str) -> Sequence[LiveRecord]:
        query = select(LiveRecordRow).where(LiveRecordRow.order == order).order_by(LiveRecordRow.from_ms)
        return [_record(row) for row in self._session.scalars(query)]

    def unfinished(self) -> Sequence[LiveRecord]:
        """Those that were being recorded when the server died."""
        query = select(LiveRecordRow).where(LiveRecordRow.to_ms == 0).order_by(LiveRecordRow.from_ms)
        return [_record(row) for row in self._session.scalars(query)]


def _record(row: LiveRecordRow) -> LiveRecord:
    return LiveRecord(*(getattr(row, name) for name in LiveRecord._fields))
