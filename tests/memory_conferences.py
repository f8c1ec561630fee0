"""Conferences in memory."""

from collections.abc import Sequence

from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.plans import Blueprint, Reservation
from broadcast.domain.conference.tickets import SeatKey, Ticket


class Conferences:
    def __init__(self) -> None:
        self.rows: dict[str, Conference] = {}

    def save(self, conference: Conference) -> None:
        self.rows[conference.id] = conference

    def get(self, conference: str) -> Conference | None:
        return self.rows.get(conference)

    def live(self) -> Sequence[Conference]:
        return [one for _, one in sorted(self.rows.items()) if one.is_live]

    def page(self, *, before: str | None, limit: int) -> Sequence[Conference]:
        newest_first = sorted(self.rows.items(), reverse=True)
        return [one for name, one in newest_first if before is None or name < before][:limit]


class ConferencePlans:
    def __init__(self) -> None:
        self.rows: dict[str, Blueprint | Reservation] = {}

    def save_blueprint(self, blueprint: Blueprint) -> None:
        self.rows[blueprint.id] = blueprint

    def blueprint(self, blueprint: str) -> Blueprint | None:
        found = self.rows.get(blueprint)
        return found if isinstance(found, Blueprint) else None

    def blueprints(self) -> Sequence[Blueprint]:
        return [one for _, one in sorted(self.rows.items()) if isinstance(one, Blueprint)]

    def drop_blueprint(self, blueprint: str) -> None:
        self.rows.pop(blueprint, None)

    def save_reservation(self, reservation: Reservation) -> None:
        self.rows[reservation.id] = reservation

    def reservation(self, reservation: str) -> Reservation | None:
        found = self.rows.get(reservation)
        return found if isinstance(found, Reservation) else None

    def reservations(self, from_ms: int, until_ms: int) -> Sequence[Reservation]:
        booked = [one for one in self.rows.values() if isinstance(one, Reservation)]
        found = [one for one in booked if from_ms <= one.starts_ms < until_ms]
        return sorted(found, key=lambda one: (one.starts_ms, one.id))


class ConferenceDoors:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, bytes], Ticket | SeatKey] = {}

    def add_ticket(self, ticket: Ticket) -> None:
        self.rows["ticket", ticket.secret_hash] = ticket

    def ticket(self, secret_hash: bytes) -> Ticket | None:
        found = self.rows.get(("ticket", secret_hash))
        return found if isinstance(found, Ticket) else None

    def use_ticket(self, ticket: Ticket) -> bool:
        kept = self.ticket(ticket.secret_hash)
        free = kept is not None and not kept.used_ms
        if free:
            self.rows["ticket", ticket.secret_hash] = ticket
        return free

    def forget_tickets(self, before_ms: int) -> int:
        gone = [at for at, one in self.rows.items() if isinstance(one, Ticket) and one.until_ms < before_ms]
        for at in gone:
            del self.rows[at]
        return len(gone)

    def add_key(self, key: SeatKey) -> None:
        self.rows["key", key.secret_hash] = key

    def key(self, secret_hash: bytes) -> SeatKey | None:
        found = self.rows.get(("key", secret_hash))
        return found if isinstance(found, SeatKey) else None

    def drop_keys(self, conference: str, site: str = "") -> None:
        keys = {at: one for at, one in self.rows.items() if isinstance(one, SeatKey)}
        for at, one in keys.items():
            if one.conference == conference and site in ("", one.site):
                del self.rows[at]
