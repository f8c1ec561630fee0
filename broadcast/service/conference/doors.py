"""Who comes into a conference: by a ticket of 60 s, then by the key of its seat; officers take their seats by name."""

import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass

from broadcast.clock import Clock
from broadcast.domain.conference import roster
from broadcast.domain.conference.acting import Actor
from broadcast.domain.conference.errors import BadTicket, ConferenceOver, NotYours, UnknownConference
from broadcast.domain.conference.model import Conference, Site
from broadcast.domain.conference.states import CALLED, LeftBy, Status
from broadcast.domain.conference.tickets import LIVES_MS, SECRET_BYTES, SeatKey, Ticket, hashed, take
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, holds, may
from broadcast.service.conference.rooms import Conferences
from broadcast.service.ports import ActRow, Store, StoreUnavailable, Tx
from endpoints.area_codes import covers

log = logging.getLogger(__name__)

LINE_S = 15.0  # a line that breaks is back by then, or the site is gone (research/conference.md §4.1)
KEEP_MS = 600_000  # used and expired tickets, so that a replay is known as one
MOST_WRONG, WRONG_WITHIN_MS = 20, 60_000  # of one address; then it is not even looked up


class TooManyTickets(BroadcastError):
    """This address shows too many tickets that do not admit."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("too many tickets that do not admit")


@dataclass(frozen=True, slots=True)
class Seated:
    """:param key: shown by its browser when the line has broken; it is said this once."""

    conference: str
    site: str
    identity: str
    key: str


class Doors:
    """Of all conferences."""

    def __init__(self, *, clock: Clock, store: Store, conferences: Conferences) -> None:
        self._clock, self._store, self._conferences = clock, store, conferences
        self._wrong: dict[str, list[int]] = {}
        self._lines: dict[tuple[str, str], int] = {}
        self._lost: dict[tuple[str, str], float] = {}

    async def ticket(self, conference: str, site: str, *, by: Officer) -> tuple[str, Ticket]:
        """A secret that admits one browser to that seat within 60 s, for a link or a QR code.

        Who chairs gives it for any seat; an officer for the own seat, or one in the own area without a name on it.
        :raises UnknownConference, ConferenceOver, UnknownSite, NotYours, Banned, ConferenceLocked.
        """
        now_ms, now = self._clock.now_ms(), self._conferences.now(conference)
        if not self._conferences.sees(by, now):
            raise UnknownConference(conference)
        seat = now.site(site)
        identity = self._identity(now, seat, by)
        roster.must_admit(now, seat, identity)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        made = Ticket(hashed(secret), conference, site, identity, by.name, now_ms, now_ms + LIVES_MS)

        def work(tx: Tx) -> None:
            tx.conference_doors.forget_tickets(now_ms - KEEP_MS)
            tx.conference_doors.add_ticket(made)
            tx.acts.add(ActRow(now_ms, by.name, "conference ticket", conference, site))

        await self._store.write(work)
        return secret, made

    async def enter(self, conference: str, secret: str, *, address: str) -> Seated:
        """Take a ticket. Whatever is wrong with one is answered alike.

        :raises BadTicket, TooManyTickets, Banned, ConferenceLocked, ConferenceOver.
        """
        now_ms = self._clock.now_ms()
        self._must_not_guess(address, now_ms)
        try:
            secret_hash = hashed(secret)
            found = await self._store.read(lambda tx: tx.conference_doors.ticket(secret_hash))
            used = take(found, secret_hash, conference, now_ms)
            self._conferences.now(conference)
        except (BadTicket, UnknownConference):
            self._wrong.setdefault(address, []).append(now_ms)
            log.info("a ticket that does not admit, from %s", address)
            raise BadTicket from None
        key = secrets.token_urlsafe(SECRET_BYTES)
        seat_key = SeatKey(hashed(key), conference, used.site, used.identity, now_ms)

        def use(tx: Tx) -> None:
            if not tx.conference_doors.use_ticket(used):
                raise BadTicket
            tx.conference_doors.drop_keys(conference, used.site)
            tx.conference_doors.add_key(seat_key)

        await self._store.write(use)  # first: of two who show it at once, one comes in
        try:
            await self._conferences.change(conference, lambda now: roster.enter(now, used.site, used.identity, now_ms))
        except BroadcastError:
            await self._store.write(lambda tx: tx.conference_doors.drop_keys(conference, used.site))
            raise
        return Seated(conference, used.site, used.identity, key)

    async def seated(self, conference: str, key: str) -> Actor:
        """Who shows that key. :raises BadTicket."""
        key_hash = hashed(key)
        found = await self._store.read(lambda tx: tx.conference_doors.key(key_hash))
        if found is None or found.conference != conference:
            raise BadTicket
        return Actor(found.identity, found.site)

    async def back(self, conference: str, by: Actor) -> Conference:
        """Its browser is there (again). :raises Banned, ConferenceLocked, ConferenceOver."""
        now_ms = self._clock.now_ms()
        return await self._conferences.change(conference, lambda now: roster.enter(now, by.site, by.name, now_ms))

    async def gone(self, conference: str, site: str) -> Conference:
        """Its line is broken for good."""
        now_ms = self._clock.now_ms()
        return await self._conferences.change(conference, lambda now: roster.leave(now, site, now_ms, LeftBy.FAILED))

    async def ring(self, conference: str, site: str) -> Conference:
        """Its page is open and rings."""
        now_ms = self._clock.now_ms()

        def change(now: Conference) -> Conference:
            return roster.ring(now, site, now_ms) if now.site(site).status in CALLED else now

        return await self._conferences.change(conference, change)

    # ---- lines: whose browser is connected to us -------------------------------------------------------------------------------

    def line_open(self, conference: str, site: str) -> None:
        """One more connection of that site."""
        self._lines[conference, site] = self._lines.get((conference, site), 0) + 1
        self._lost.pop((conference, site), None)

    def line_closed(self, conference: str, site: str) -> None:
        left = self._lines.pop((conference, site), 1) - 1
        if left > 0:
            self._lines[conference, site] = left

    async def tick(self) -> None:
        """Whoever is in, or waits, and has had no line for 15 s is gone; call about once a second."""
        now = self._clock.monotonic()
        there = {
            (one.id, site.id)
            for one in self._conferences.live
            for site in one.sites
            if (site.is_in or site.status is Status.ON_HOLD) and not site.feed
        }
        self._lost = {key: self._lost.get(key, now) for key in there - self._lines.keys()}
        for (conference, site), since in list(self._lost.items()):
            if now - since >= LINE_S:
                with suppress(ConferenceOver, StoreUnavailable):
                    await self.gone(conference, site)

    def ringing(self, by: Officer) -> list[tuple[Conference, Site]]:
        """The seats that this officer is called to now."""
        calls = [(one, site) for one in self._conferences.live for site in one.sites if site.status in CALLED]
        return [(one, site) for one, site in calls if _may_sit(site, by) and self._joins(by, one)]

    def _identity(self, conference: Conference, seat: Site, by: Officer) -> str:
        """Who its bearer will be: an officer on its own seat by name, else the seat."""
        if _may_sit(seat, by) and self._joins(by, conference):
            return by.name if seat.officer else f"seat:{seat.id}"
        actor = self._conferences.actor(conference, by)
        if not self._conferences.viewer(conference, actor).all:
            raise NotYours(by.name, "ticket")
        may(by, Verb.JOIN_CONFERENCE, exercise=conference.exercise, now_ms=self._clock.now_ms())
        return seat.officer or f"seat:{seat.id}"

    def _joins(self, by: Officer, conference: Conference) -> bool:
        return holds(by, Verb.JOIN_CONFERENCE, now_ms=self._clock.now_ms()) and conference.is_live

    def _must_not_guess(self, address: str, now_ms: int) -> None:
        wrong = [at for at in self._wrong.get(address, ()) if now_ms - at < WRONG_WITHIN_MS]
        self._wrong[address] = wrong
        if not wrong:
            del self._wrong[address]
        if len(wrong) >= MOST_WRONG:
            raise TooManyTickets(-(-(WRONG_WITHIN_MS - (now_ms - wrong[0])) // 1_000))


def _may_sit(seat: Site, by: Officer) -> bool:
    return seat.officer == by.name if seat.officer else covers(seat.area, by.area)
