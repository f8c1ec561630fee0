"""What conferences need of the store."""

from collections.abc import Sequence
from typing import Protocol

from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.plans import Blueprint, Reservation
from broadcast.domain.conference.tickets import SeatKey, Ticket


class Conferences(Protocol):
    """A conference is one row: what is desired is written whole before anything is done."""

    def save(self, conference: Conference) -> None: ...  # by id; a new one is added
    def get(self, conference: str) -> Conference | None: ...
    def live(self) -> Sequence[Conference]: ...  # by id
    def page(self, *, before: str | None, limit: int) -> Sequence[Conference]: ...  # newest first, ids by time


class ConferencePlans(Protocol):
    def save_blueprint(self, blueprint: Blueprint) -> None: ...  # by id; a new one is added
    def blueprint(self, blueprint: str) -> Blueprint | None: ...
    def blueprints(self) -> Sequence[Blueprint]: ...  # by id
    def drop_blueprint(self, blueprint: str) -> None: ...
    def save_reservation(self, reservation: Reservation) -> None: ...
    def reservation(self, reservation: str) -> Reservation | None: ...
    def reservations(self, from_ms: int, until_ms: int) -> Sequence[Reservation]: ...  # by start, then id


class ConferenceDoors(Protocol):
    """Only hashes of secrets are kept."""

    def add_ticket(self, ticket: Ticket) -> None: ...
    def ticket(self, secret_hash: bytes) -> Ticket | None: ...
    def use_ticket(self, ticket: Ticket) -> bool: ...  # False: somebody was faster
    def forget_tickets(self, before_ms: int) -> int: ...
    def add_key(self, key: SeatKey) -> None: ...
    def key(self, secret_hash: bytes) -> SeatKey | None: ...
    def drop_keys(self, conference: str, site: str = "") -> None: ...  # of a seat, or of all
