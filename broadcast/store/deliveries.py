"""Where each order stands at each speaker."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.service.ports import DeliveryRow
from broadcast.store.base import Base, Number, key
from broadcast.store.bulk import Insert
from endpoints.delivery import State
from endpoints.protocol import Reason


class DeliveryRecord(Base):
    """One order at one speaker. In SQLite the key is the table: half the pages of a table with an index beside it."""

    __tablename__ = "delivery"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  SQLAlchemy's own name and type

    order_id: Mapped[str] = mapped_column(key(40), primary_key=True)
    speaker_id: Mapped[str] = mapped_column(key(32), primary_key=True)
    state: Mapped[State] = mapped_column(Number(State))
    reason: Mapped[Reason] = mapped_column(Number(Reason))
    changed_ms: Mapped[int]
    started_ms: Mapped[int]
    start_reason: Mapped[Reason] = mapped_column(Number(Reason))


_EXPECT = Insert(DeliveryRecord.__table__, "ON CONFLICT (order_id, speaker_id) DO NOTHING")
_KEEP = Insert(
    DeliveryRecord.__table__,
    "ON CONFLICT (order_id, speaker_id) DO UPDATE"
    " SET state = excluded.state, reason = excluded.reason, changed_ms = excluded.changed_ms,"
    " started_ms = excluded.started_ms, start_reason = excluded.start_reason",
)


class Deliveries:
    """Repository of deliveries; its two writers are on the hot path."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def expect(self, order: str, speakers: Iterable[str], *, at_ms: int) -> None:
        """The order is due at these speakers. What is there stays."""
        rows = [
            (order, speaker, int(State.EXPECTED), int(Reason.NONE), at_ms, 0, int(Reason.NONE)) for speaker in speakers
        ]
        _EXPECT(self._session.connection(), rows)

    def keep(self, rows: Iterable[DeliveryRow]) -> None:
        """Where they stand now; of several for the same order and speaker the last one."""
        last = {(row.order, row.speaker): row for row in rows}
        plain = [
            (
                row.order,
                row.speaker,
                int(row.state),
                int(row.reason),
                row.changed_ms,
                row.started_ms,
                int(row.start_reason),
            )
            for row in last.values()
        ]
        _KEEP(self._session.connection(), plain)

    def of(self, order: str) -> Sequence[DeliveryRow]:
        """In order of speaker."""
        table = DeliveryRecord
        query = select(
            table.order_id,
            table.speaker_id,
            table.state,
            table.reason,
            table.changed_ms,
            table.started_ms,
            table.start_reason,
        )
        rows = self._session.execute(query.where(table.order_id == order).order_by(table.speaker_id))
        return [DeliveryRow(*row) for row in rows]

    def count_by_state(self, orders: Sequence[str]) -> Mapping[str, Mapping[State, int]]:
        """What the officer sees first. An order without deliveries has an empty count."""
        counts: dict[str, dict[State, int]] = {order: {} for order in orders}
        query = select(DeliveryRecord.order_id, DeliveryRecord.state, func.count())
        query = query.where(DeliveryRecord.order_id.in_(counts)).group_by(DeliveryRecord.order_id, DeliveryRecord.state)
        for order, state, count in self._session.execute(query):
            counts[order][state] = count
        return counts
