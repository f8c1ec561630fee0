"""Conferences as a service: stored first, rights by area, every act of a chair in the audit, hostile doors."""

import asyncio
import secrets

import pytest

from broadcast.domain.conference import acts
from broadcast.domain.conference.acting import Actor
from broadcast.domain.conference.errors import (
    AskedTooOften,
    BadTicket,
    Banned,
    ConferenceOver,
    NotYours,
    UnknownBlueprint,
    UnknownConference,
)
from broadcast.domain.conference.plans import Booked
from broadcast.domain.conference.states import Status
from broadcast.domain.conference.telling import Viewer
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted
from broadcast.service.conference.bookings import BlueprintChanged
from broadcast.service.conference.doors import TooManyTickets
from broadcast.service.ports import StoreUnavailable
from tests.conference.council import BOSS, LOOKER, OTHER, TOWN, council
from tests.conference.hall import TOWNS, A, B, plan


async def test_what_is_not_on_disk_has_not_happened() -> None:
    async with council() as there:
        conference = await there.start()
        there.store.goes_away("disk full")
        with pytest.raises(StoreUnavailable):
            await there.conferences.act(conference.id, acts.MuteAll(), by=BOSS)
        assert there.conferences.now(conference.id) == conference
        there.store.comes_back()
        there.make()  # a restart
        await there.conferences.load()
        assert there.conferences.now(conference.id) == conference


async def test_acts_of_many_at_once_happen_one_after_the_other_without_a_hole() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await there.sit(conference, A, B)
        version = there.conferences.now(conference).version
        wanted = [acts.Rename(site=A, name=f"{n}") for n in range(50)]
        await asyncio.gather(*(there.conferences.act(conference, one, by=BOSS) for one in wanted))
        told = there.conferences.since(conference, version, lambda _: Viewer(all=True))
        assert [one["version"] for one in told] == list(range(version + 1, version + 51))


async def test_who_has_missed_too_much_takes_the_full_state() -> None:
    async with council() as there:
        conference = (await there.start()).id
        for n in range(300):
            await there.conferences.act(conference, acts.Caption(text=f"{n}"), by=BOSS)
        assert [one["state"] for one in there.conferences.since(conference, 1, lambda _: Viewer(all=True))] == ["full"]


async def test_every_act_of_the_chair_is_in_the_audit_by_name() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await there.sit(conference, A)
        await there.conferences.act(conference, acts.Mute(site=A), by=BOSS)
        await there.conferences.act(conference, acts.Mute(site=A), by=BOSS)  # changes nothing
        rows = [(one.officer, one.verb, one.subject, one.detail) for one in there.store.tables.acts.page(limit=9)]
        assert rows == [
            ("boss", "conference mute", conference, '{"site":"a"}'),
            ("boss", "conference ticket", conference, "a"),
            ("boss", "start conference", conference, "防汛调度"),
        ]


async def test_who_may_hold_a_conference_is_a_question_of_role_and_area() -> None:
    async with council() as there:
        with pytest.raises(RoleNotGranted):
            await there.conferences.start(plan(), by=LOOKER, call=False)
        with pytest.raises(AreaNotGranted):
            await there.conferences.start(plan(), by=TOWN, call=False)
        own = plan(area=TOWNS[0], seats=(plan().seats[1],), chair=A, deputies=())
        assert (await there.conferences.start(own, by=TOWN, call=False)).area == TOWNS[0]


async def test_another_areas_officer_neither_sees_nor_touches_it() -> None:
    async with council() as there:
        conference = (await there.start()).id
        for call in (
            there.conferences.get(conference, by=OTHER),
            there.conferences.act(conference, acts.MuteAll(), by=OTHER),
            there.doors.ticket(conference, A, by=OTHER),
        ):
            with pytest.raises(UnknownConference):
                await call
        with pytest.raises(AreaNotGranted):
            await there.conferences.act(conference, acts.MuteAll(), by=TOWN)  # has a seat there, not the chair
        with pytest.raises(NotYours):
            await there.doors.ticket(conference, B, by=TOWN)  # another township's seat


async def test_an_ended_conference_takes_nothing_more_and_is_still_to_be_read() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await there.conferences.act(conference, acts.End(), by=BOSS)
        with pytest.raises(ConferenceOver):
            await there.conferences.act(conference, acts.MuteAll(), by=BOSS)
        there.clock.advance(61)
        await there.conferences.tick()
        assert not (await there.conferences.get(conference, by=BOSS)).is_live


async def test_pages_are_full_whatever_lies_between_that_one_may_not_see() -> None:
    async with council() as there:
        mine = [(await there.start()).id]
        for _ in range(7):
            await there.start(seats=(plan().seats[0], plan().seats[2]), deputies=())  # nobody of that township
        mine.append((await there.start()).id)
        first = await there.conferences.page(before=None, limit=1, by=TOWN)
        rest = await there.conferences.page(before=first[-1].id, limit=3, by=TOWN)
        assert [one.id for one in (*first, *rest)] == sorted(mine, reverse=True)


# ---- doors --------------------------------------------------------------------------------------------------------------------


async def test_a_ticket_admits_once_and_its_key_brings_the_same_site_back() -> None:
    async with council() as there:
        conference = (await there.start()).id
        secret, ticket = await there.doors.ticket(conference, A, by=TOWN)  # its own seat
        assert ticket.until_ms - ticket.made_ms <= 60_000
        seated = await there.doors.enter(conference, secret, address="x")
        assert there.conferences.now(conference).is_in(A)
        with pytest.raises(BadTicket):
            await there.doors.enter(conference, secret, address="y")
        await there.doors.gone(conference, A)
        actor = await there.doors.seated(conference, seated.key)
        assert actor == Actor("seat:a", A)
        assert (await there.doors.back(conference, actor)).is_in(A)


async def test_of_two_who_show_the_same_ticket_at_once_one_comes_in() -> None:
    async with council() as there:
        conference = (await there.start()).id
        secret, _ = await there.doors.ticket(conference, A, by=BOSS)
        tries = (there.doors.enter(conference, secret, address=f"{n}") for n in range(10))
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(one).__name__ for one in results) == ["BadTicket"] * 9 + ["Seated"]


async def test_a_thousand_bad_tickets_change_nothing_and_one_address_is_soon_not_asked_any_more() -> None:
    async with council() as there:
        conference, foreign = (await there.start()).id, (await there.start(title="另一个")).id
        used, _ = await there.doors.ticket(conference, A, by=BOSS)
        await there.doors.enter(conference, used, address="good")
        elsewhere, _ = await there.doors.ticket(foreign, B, by=BOSS)
        before = there.conferences.now(conference)
        late, _ = await there.doors.ticket(conference, B, by=BOSS)
        there.clock.advance(60)
        bad = [used, elsewhere, late, "", "ü", *(secrets.token_urlsafe(32) for _ in range(5))]
        for n in range(1_000):
            with pytest.raises(BadTicket):
                await there.doors.enter(conference, bad[n % len(bad)], address=f"a{n // 20}")
        assert there.conferences.now(conference) == before
        with pytest.raises(TooManyTickets):
            await there.doors.enter(conference, late, address="a0")
        good, _ = await there.doors.ticket(conference, B, by=BOSS)
        await there.doors.enter(conference, good, address="elsewhere")  # the others are not concerned


async def test_who_was_put_out_has_no_key_any_more_and_no_new_ticket_helps() -> None:
    async with council() as there:
        conference = (await there.start()).id
        secret, _ = await there.doors.ticket(conference, A, by=BOSS)
        waiting, _ = await there.doors.ticket(conference, A, by=BOSS)
        seated = await there.doors.enter(conference, secret, address="x")
        await there.conferences.act(conference, acts.Kick(site=A, ban=True), by=BOSS)
        with pytest.raises(BadTicket):
            await there.doors.seated(conference, seated.key)
        with pytest.raises(Banned):
            await there.doors.enter(conference, waiting, address="x")
        with pytest.raises(Banned):
            await there.doors.ticket(conference, A, by=BOSS)


async def test_a_site_that_floods_is_refused_and_the_others_ask_on() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await there.sit(conference, A, B)
        flood, other = Actor("seat:a", A), Actor("seat:b", B)
        refused = 0
        for _ in range(500):
            for act in (acts.Ask(), acts.Cancel()):
                try:
                    await there.conferences.act_as(conference, act, by=flood)
                except AskedTooOften:
                    refused += 1
                except Exception:
                    pass
        assert refused == 494
        after = await there.conferences.act_as(conference, acts.Ask(), by=other)
        assert [one.site for one in after.queue] == [B]


async def test_an_officer_is_rung_for_its_own_area_alone() -> None:
    async with council() as there:
        conference = await there.conferences.start(plan(), by=BOSS, call=True)
        assert [site.id for _, site in there.doors.ringing(TOWN)] == [A]
        assert there.doors.ringing(OTHER) == [] == there.doors.ringing(LOOKER)
        await there.doors.ring(conference.id, A)
        assert there.conferences.now(conference.id).site(A).status is Status.ALERTING
        there.clock.advance(30)
        await there.conferences.tick()
        assert there.conferences.now(conference.id).site(A).status is Status.DISCONNECTED


async def test_who_has_no_line_for_fifteen_seconds_is_gone_also_after_a_restart_of_the_server() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await there.sit(conference, A, B)
        there.doors.line_open(conference, A)
        there.doors.line_open(conference, A)  # a second page; closing it leaves the first
        there.doors.line_closed(conference, A)
        await there.doors.tick()
        there.clock.advance(14.9)
        await there.doors.tick()
        assert there.conferences.now(conference).is_in(B)
        there.clock.advance(0.1)
        await there.doors.tick()
        assert [one.id for one in there.conferences.now(conference).sites if one.is_in] == [A]
        there.make()
        await there.conferences.load()
        await there.doors.tick()
        there.clock.advance(15)
        await there.doors.tick()
        assert not there.conferences.now(conference).is_in(A)


# ---- blueprints and reservations ----------------------------------------------------------------------------------------------


async def test_one_key_begins_a_blueprint_and_calls_everybody() -> None:
    async with council() as there:
        kept = await there.bookings.keep(plan(), by=BOSS)
        conference = await there.bookings.start(kept.id, by=BOSS)
        assert {one.status for one in conference.sites} == {Status.DIALING_OUT}
        changed = await there.bookings.keep(plan(title="防火"), by=BOSS, blueprint=kept.id, revision=1)
        with pytest.raises(BlueprintChanged):
            await there.bookings.keep(plan(), by=BOSS, blueprint=kept.id, revision=1)
        assert await there.bookings.blueprints(by=BOSS) == [changed]
        with pytest.raises(UnknownBlueprint):
            await there.bookings.blueprint(kept.id, by=TOWN)  # the city's


async def test_a_booked_conference_opens_ten_minutes_before_its_time_once_and_ends_at_it() -> None:
    async with council() as there:
        starts_ms = there.clock.ms + 3_600_000
        booked = await there.bookings.book(plan(), starts_ms, calls=False, by=BOSS)
        gone = await there.bookings.book(plan(), starts_ms, calls=False, by=BOSS)
        await there.bookings.cancel(gone.id, by=BOSS)
        await there.bookings.tick()
        assert there.conferences.live == []
        there.clock.advance(50 * 60)
        await there.bookings.tick()
        await there.bookings.tick()
        (conference,) = there.conferences.live
        assert (conference.reservation, conference.ends_ms) == (booked.id, starts_ms + 3_600_000)
        assert (await there.bookings.reservation(booked.id, by=TOWN)).state is Booked.BEGUN  # a seat there
