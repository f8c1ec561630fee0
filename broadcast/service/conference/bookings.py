"""Blueprints (预案会议) for one key, and booked conferences (预约会议) that begin at their time."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.conference.errors import NotNow, UnknownBlueprint, UnknownReservation
from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.plans import Blueprint, Booked, Plan, Reservation, begun, cancelled, check
from broadcast.domain.errors import BroadcastError, Overtaken
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, may
from broadcast.service.conference.rooms import Also, Conferences
from broadcast.service.estate import Estate
from broadcast.service.officers import UnknownOfficer
from broadcast.service.ports import ActRow, Store, Tx
from endpoints.area_codes import covers

log = logging.getLogger(__name__)

EARLY_MS = 600_000  # its room is open so long before: those that come early find each other
MOST_BLUEPRINTS = 200
FARTHEST_MS = 400 * 86_400_000


class BlueprintChanged(Overtaken):
    """Somebody else has changed it meanwhile."""

    def __init__(self, blueprint: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.blueprint = blueprint
        super().__init__(f"blueprint {blueprint} has been changed", revision, by, at_ms)


class Bookings:
    """Of all conferences that are not on yet."""

    def __init__(self, *, clock: Clock, store: Store, estate: Estate, conferences: Conferences) -> None:
        self._clock, self._store, self._estate, self._conferences = clock, store, estate, conferences

    # ---- blueprints -------------------------------------------------------------------------------------------------------

    async def blueprints(self, *, by: Officer) -> Sequence[Blueprint]:
        """Those of the own area."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        found = await self._store.read(lambda tx: tx.conference_plans.blueprints())
        return [one for one in found if covers(by.area, one.plan.area)]

    async def blueprint(self, blueprint: str, *, by: Officer) -> Blueprint:
        """:raises UnknownBlueprint."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        found = await self._store.read(lambda tx: tx.conference_plans.blueprint(blueprint))
        if found is None or not covers(by.area, found.plan.area):
            raise UnknownBlueprint(blueprint)
        return found

    async def keep(self, plan: Plan, *, by: Officer, blueprint: str = "", revision: int = 0) -> Blueprint:
        """A new one, or a change of the one at that revision.

        :raises InvalidRequest, RoleNotGranted, AreaNotGranted, UnknownBlueprint, BlueprintChanged.
        """
        self._conferences.must_hold(plan, by=by)
        check(plan, self._estate.tree)
        now_ms = self._clock.now_ms()
        if blueprint:
            await self.blueprint(blueprint, by=by)

        def work(tx: Tx) -> Blueprint:
            if not blueprint:
                if len(tx.conference_plans.blueprints()) >= MOST_BLUEPRINTS:
                    raise InvalidRequest([Fault("blueprint", "too-many", (("most", str(MOST_BLUEPRINTS)),))])
                kept = Blueprint(str(ULID()), 1, plan, by.name, now_ms)
            else:
                was = tx.conference_plans.blueprint(blueprint)
                if was is None:
                    raise UnknownBlueprint(blueprint)
                if was.revision != revision:
                    raise BlueprintChanged(blueprint, was.revision, was.by, was.at_ms)
                kept = replace(was, revision=revision + 1, plan=plan, by=by.name, at_ms=now_ms)
            tx.conference_plans.save_blueprint(kept)
            tx.acts.add(ActRow(now_ms, by.name, "keep conference blueprint", kept.id, plan.title))
            return kept

        return await self._store.write(work)

    async def drop(self, blueprint: str, *, by: Officer) -> None:
        """:raises UnknownBlueprint, RoleNotGranted, AreaNotGranted."""
        found = await self.blueprint(blueprint, by=by)
        self._conferences.must_hold(found.plan, by=by)
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> None:
            tx.conference_plans.drop_blueprint(blueprint)
            tx.acts.add(ActRow(now_ms, by.name, "drop conference blueprint", blueprint, found.plan.title))

        await self._store.write(work)

    async def start(self, blueprint: str, *, by: Officer) -> Conference:
        """一键调度: begin it and call everybody."""
        found = await self.blueprint(blueprint, by=by)
        return await self._conferences.start(found.plan, by=by, call=True)

    # ---- booked ------------------------------------------------------------------------------------------------------------

    async def book(self, plan: Plan, starts_ms: int, *, calls: bool, by: Officer) -> Reservation:
        """:raises InvalidRequest, RoleNotGranted, AreaNotGranted."""
        self._conferences.must_hold(plan, by=by)
        check(plan, self._estate.tree)
        now_ms = self._clock.now_ms()
        if not now_ms <= starts_ms <= now_ms + FARTHEST_MS:
            raise InvalidRequest([Fault("starts", "out-of-range", (("low", "now"), ("high", "400 d")))])
        made = Reservation(str(ULID()), plan, starts_ms, by.name, now_ms, calls=calls)

        def work(tx: Tx) -> None:
            tx.conference_plans.save_reservation(made)
            tx.acts.add(ActRow(now_ms, by.name, "book conference", made.id, plan.title))

        await self._store.write(work)
        return made

    async def booked(self, from_ms: int, until_ms: int, *, by: Officer) -> Sequence[Reservation]:
        """Those that concern the own area, by start."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        found = await self._store.read(lambda tx: tx.conference_plans.reservations(from_ms, until_ms))
        return [one for one in found if _concerns(one, by)]

    async def reservation(self, reservation: str, *, by: Officer) -> Reservation:
        """:raises UnknownReservation."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        found = await self._store.read(lambda tx: tx.conference_plans.reservation(reservation))
        if found is None or not _concerns(found, by):
            raise UnknownReservation(reservation)
        return found

    async def cancel(self, reservation: str, *, by: Officer) -> Reservation:
        """:raises UnknownReservation, NotNow, RoleNotGranted, AreaNotGranted."""
        found = await self.reservation(reservation, by=by)
        self._conferences.must_hold(found.plan, by=by)
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> Reservation:
            now = cancelled(tx.conference_plans.reservation(reservation) or found)
            tx.conference_plans.save_reservation(now)
            tx.acts.add(ActRow(now_ms, by.name, "cancel conference", reservation, found.plan.title))
            return now

        return await self._store.write(work)

    async def tick(self) -> None:
        """Open those whose time comes; call every few seconds. Whoever booked and has no right any more opens nothing."""
        now_ms = self._clock.now_ms()
        due = await self._store.read(
            lambda tx: tx.conference_plans.reservations(now_ms - 86_400_000, now_ms + EARLY_MS + 1)
        )
        for one in due:
            if one.state is not Booked.WAITING or one.ends_ms <= now_ms or (one.calls and now_ms < one.starts_ms):
                continue
            try:
                by = await self._booker(one.by)
                await self._conferences.start(
                    one.plan, by=by, call=one.calls, ends_ms=one.ends_ms, reservation=one.id, also=_marked(one)
                )
            except NotNow:
                continue
            except BroadcastError as err:
                log.warning("booked conference %s does not begin: %s", one.id, err)

    async def _booker(self, name: str) -> Officer:
        """As it stands now. :raises UnknownOfficer: it is gone, or was disabled."""
        account = await self._store.read(lambda tx: tx.accounts.get(name))
        if account is None or account.disabled:
            raise UnknownOfficer(name)
        return account.officer


def _marked(reservation: Reservation) -> Also:
    def also(tx: Tx, made: Conference) -> None:
        now = tx.conference_plans.reservation(reservation.id) or reservation
        tx.conference_plans.save_reservation(begun(now, made.id))

    return also


def _concerns(one: Reservation, by: Officer) -> bool:
    return (
        covers(by.area, one.plan.area)
        or by.name == one.by
        or any(seat.officer == by.name or covers(by.area, seat.area) for seat in one.plan.seats)
    )
