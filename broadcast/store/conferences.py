"""Conferences (视频会议): each one row with its state as JSON, blueprints, reservations, tickets and keys of seats."""

from collections.abc import Sequence

from pydantic import TypeAdapter
from sqlalchemy import LargeBinary, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.plans import Blueprint, Reservation
from broadcast.domain.conference.tickets import SeatKey, Ticket
from broadcast.store.base import Base, key

CONFERENCE, BLUEPRINT, RESERVATION = TypeAdapter(Conference), TypeAdapter(Blueprint), TypeAdapter(Reservation)


class ConferenceRecord(Base):
    """One conference; its state is only ever read whole."""

    __tablename__ = "conference"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    live: Mapped[bool] = mapped_column(index=True)
    state: Mapped[str]


class BlueprintRecord(Base):
    __tablename__ = "conference_blueprint"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    body: Mapped[str]


class ReservationRecord(Base):
    __tablename__ = "conference_reservation"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    starts_ms: Mapped[int] = mapped_column(index=True)
    body: Mapped[str]


class TicketRecord(Base):
    """The columns are the fields of `Ticket`."""

    __tablename__ = "conference_ticket"

    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    conference: Mapped[str]
    site: Mapped[str]
    identity: Mapped[str]
    by: Mapped[str]
    made_ms: Mapped[int]
    until_ms: Mapped[int] = mapped_column(index=True)
    used_ms: Mapped[int]


class SeatKeyRecord(Base):
    """The columns are the fields of `SeatKey`."""

    __tablename__ = "conference_key"

    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    conference: Mapped[str] = mapped_column(key(26), index=True)
    site: Mapped[str]
    identity: Mapped[str]
    made_ms: Mapped[int]


class Conferences:
    """Repository of conferences."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, conference: Conference) -> None:
        state = CONFERENCE.dump_json(conference).decode()
        self._session.merge(ConferenceRecord(id=conference.id, live=conference.is_live, state=state))
        self._session.flush()

    def get(self, conference: str) -> Conference | None:
        row = self._session.get(ConferenceRecord, conference)
        return None if row is None else CONFERENCE.validate_json(row.state)

    def live(self) -> Sequence[Conference]:
        query = select(ConferenceRecord).where(ConferenceRecord.live).order_by(ConferenceRecord.id)
        return [CONFERENCE.validate_json(row.state) for row in self._session.scalars(query)]

    def page(self, *, before: str | None, limit: int) -> Sequence[Conference]:
        query = select(ConferenceRecord).order_by(ConferenceRecord.id.desc()).limit(limit)
        if before is not None:
            query = query.where(ConferenceRecord.id < before)
        return [CONFERENCE.validate_json(row.state) for row in self._session.scalars(query)]


class ConferencePlans:
    """Repository of blueprints and reservations."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save_blueprint(self, blueprint: Blueprint) -> None:
        self._session.merge(BlueprintRecord(id=blueprint.id, body=BLUEPRINT.dump_json(blueprint).decode()))
        self._session.flush()

    def blueprint(self, blueprint: str) -> Blueprint | None:
        row = self._session.get(BlueprintRecord, blueprint)
        return None if row is None else BLUEPRINT.validate_json(row.body)

    def blueprints(self) -> Sequence[Blueprint]:
        query = select(BlueprintRecord).order_by(BlueprintRecord.id)
        return [BLUEPRINT.validate_json(row.body) for row in self._session.scalars(query)]

    def drop_blueprint(self, blueprint: str) -> None:
        self._session.execute(delete(BlueprintRecord).where(BlueprintRecord.id == blueprint))

    def save_reservation(self, reservation: Reservation) -> None:
        body = RESERVATION.dump_json(reservation).decode()
        self._session.merge(ReservationRecord(id=reservation.id, starts_ms=reservation.starts_ms, body=body))
        self._session.flush()

    def reservation(self, reservation: str) -> Reservation | None:
        row = self._session.get(ReservationRecord, reservation)
        return None if row is None else RESERVATION.validate_json(row.body)

    def reservations(self, from_ms: int, until_ms: int) -> Sequence[Reservation]:
        query = select(ReservationRecord).where(
            ReservationRecord.starts_ms >= from_ms, ReservationRecord.starts_ms < until_ms
        )
        rows = self._session.scalars(query.order_by(ReservationRecord.starts_ms, ReservationRecord.id))
        return [RESERVATION.validate_json(row.body) for row in rows]


class ConferenceDoors:
    """Repository of tickets and keys."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_ticket(self, ticket: Ticket) -> None:
        self._session.add(
            TicketRecord(
                secret_hash=ticket.secret_hash,
                conference=ticket.conference,
                site=ticket.site,
                identity=ticket.identity,
                by=ticket.by,
                made_ms=ticket.made_ms,
                until_ms=ticket.until_ms,
                used_ms=ticket.used_ms,
            )
        )
        self._session.flush()

    def ticket(self, secret_hash: bytes) -> Ticket | None:
        row = self._session.get(TicketRecord, secret_hash)
        if row is None:
            return None
        return Ticket(
            row.secret_hash,
            row.conference,
            row.site,
            row.identity,
            row.by,
            row.made_ms,
            row.until_ms,
            row.used_ms,
        )

    def use_ticket(self, ticket: Ticket) -> bool:
        """Once, whoever else tries at the same time."""
        query = update(TicketRecord).where(TicketRecord.secret_hash == ticket.secret_hash, TicketRecord.used_ms == 0)
        done = self._session.execute(query.values(used_ms=ticket.used_ms).returning(TicketRecord.secret_hash)).all()
        return len(done) == 1

    def forget_tickets(self, before_ms: int) -> int:
        query = delete(TicketRecord).where(TicketRecord.until_ms < before_ms).returning(TicketRecord.secret_hash)
        return len(self._session.execute(query).all())

    def add_key(self, key: SeatKey) -> None:
        row = SeatKeyRecord(
            secret_hash=key.secret_hash,
            conference=key.conference,
            site=key.site,
            identity=key.identity,
            made_ms=key.made_ms,
        )
        self._session.add(row)
        self._session.flush()

    def key(self, secret_hash: bytes) -> SeatKey | None:
        row = self._session.get(SeatKeyRecord, secret_hash)
        if row is None:
            return None
        return SeatKey(row.secret_hash, row.conference, row.site, row.identity, row.made_ms)

    def drop_keys(self, conference: str, site: str = "") -> None:
        query = delete(SeatKeyRecord).where(SeatKeyRecord.conference == conference)
        self._session.execute(query.where(SeatKeyRecord.site == site) if site else query)
