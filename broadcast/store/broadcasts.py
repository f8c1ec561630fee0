"""The table of broadcasts: the outbox. An order stands here before any board carries it, and boards are derived from it.

An order is kept as columns, not as the CBOR of the wire: the wire's decoder takes exactly today's fields, and a record of years
must outlive a field added tomorrow, which a migration gives a default; and a technician can ask for it in SQL at three in the
morning.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from sqlalchemy import Index, LargeBinary, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.broadcasts import LINGER_MS, Broadcast, Life, UnknownBroadcast
from broadcast.store.base import Base, Codes, Number, Parts, Word, key
from endpoints.protocol import Band, Kind, Level, Order, Part, Resume, Severity, Tone


class BroadcastRecord(Base):
    """A broadcast; the columns of its order have the names of the order's fields."""

    __tablename__ = "broadcast"
    __table_args__ = (Index(None, "not_after_ms"),)

    id: Mapped[str] = mapped_column(key(40), primary_key=True)
    revision: Mapped[int]
    kind: Mapped[Kind] = mapped_column(Number(Kind))
    band: Mapped[Band] = mapped_column(Number(Band))
    severity: Mapped[Severity] = mapped_column(Number(Severity))
    level: Mapped[Level] = mapped_column(Number(Level))
    exercise: Mapped[bool]
    issued_at_ms: Mapped[int]
    not_before_ms: Mapped[int]
    not_after_ms: Mapped[int]
    areas: Mapped[tuple[str, ...]] = mapped_column(Codes)
    excluded: Mapped[tuple[str, ...]] = mapped_column(Codes)
    speakers: Mapped[tuple[str, ...]] = mapped_column(Codes)
    tone: Mapped[Tone] = mapped_column(Number(Tone))
    asset: Mapped[bytes] = mapped_column(LargeBinary)
    asset_bytes: Mapped[int]
    asset_ms: Mapped[int]
    repeats: Mapped[int]
    gap_ms: Mapped[int]
    resume: Mapped[Resume] = mapped_column(Number(Resume))
    volume_percent: Mapped[int]
    closing: Mapped[Tone] = mapped_column(Number(Tone))
    more: Mapped[tuple[Part, ...]] = mapped_column(Parts)
    start_by_ms: Mapped[int]
    hard_at_ms: Mapped[int]
    fade_ms: Mapped[int]
    ceiling_percent: Mapped[int]
    stream: Mapped[int]

    headline: Mapped[str]
    text: Mapped[str]
    officer: Mapped[str]
    life: Mapped[Life] = mapped_column(Word(Life))
    ended_at_ms: Mapped[int | None]
    ended_by: Mapped[str]
    replaces: Mapped[str]
    note: Mapped[str]
    programme: Mapped[str] = mapped_column(key(26))


ORDER = tuple(field.name for field in fields(Order))
BESIDE = tuple(field.name for field in fields(Broadcast) if field.name != "order")


def _columns(broadcast: Broadcast) -> dict[str, object]:
    order = {name: getattr(broadcast.order, name) for name in ORDER}
    return order | {name: getattr(broadcast, name) for name in BESIDE}


def _broadcast(row: BroadcastRecord) -> Broadcast:
    order = Order(**{name: getattr(row, name) for name in ORDER})
    return Broadcast(order=order, **{name: getattr(row, name) for name in BESIDE})


class Broadcasts:
    """Repository of broadcasts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, broadcast: Broadcast) -> None:
        """:raises StoreRefused: the id is taken."""
        self._session.add(BroadcastRecord(**_columns(broadcast)))
        self._session.flush()

    def save(self, broadcast: Broadcast) -> None:
        """:raises UnknownBroadcast: it was never added."""
        row = self._session.get(BroadcastRecord, broadcast.id)
        if row is None:
            raise UnknownBroadcast(broadcast.id)
        for name, value in _columns(broadcast).items():
            setattr(row, name, value)
        self._session.flush()

    def get(self, broadcast: str) -> Broadcast | None:
        row = self._session.get(BroadcastRecord, broadcast)
        return None if row is None else _broadcast(row)

    def add_all(self, broadcasts: Iterable[Broadcast]) -> None:
        """:raises StoreRefused: an id is taken; none of them was added."""
        rows = [_columns(one) for one in broadcasts]
        if rows:
            self._session.execute(insert(BroadcastRecord), rows)

    def get_all(self, broadcasts: Iterable[str]) -> Sequence[Broadcast]:
        """Those of these ids that there are, in order of id."""
        query = select(BroadcastRecord).where(BroadcastRecord.id.in_(list(broadcasts)))
        return [_broadcast(row) for row in self._session.scalars(query.order_by(BroadcastRecord.id))]

    def occurrences(self, from_ms: int, until_ms: int) -> Sequence[Broadcast]:
        """Those of programmes whose window reaches into from ≤ t < until, by start and then by id."""
        table = BroadcastRecord
        query = select(table).where(table.not_after_ms > from_ms, table.not_before_ms < until_ms, table.programme != "")
        return [_broadcast(row) for row in self._session.scalars(query.order_by(table.not_before_ms, table.id))]

    def on_boards(self, now_ms: int) -> Sequence[Broadcast]:
        """Every one that an officer started and whose `on_boards(now_ms)` is true, oldest first."""
        table = BroadcastRecord
        query = select(table).where(table.not_after_ms > now_ms - LINGER_MS, table.programme == "")
        rows = self._session.scalars(query.order_by(BroadcastRecord.id))
        return [one for one in map(_broadcast, rows) if one.on_boards(now_ms)]

    def page(self, *, before: str | None, limit: int) -> Sequence[Broadcast]:
        """What officers started: newest first, those with an id below `before`."""
        query = select(BroadcastRecord).where(BroadcastRecord.programme == "")
        query = query.order_by(BroadcastRecord.id.desc()).limit(limit)
        if before is not None:
            query = query.where(BroadcastRecord.id < before)
        return [_broadcast(row) for row in self._session.scalars(query)]
