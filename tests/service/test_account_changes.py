"""Two persons for whatever gives somebody more: inviting, raising, delegating, making tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from broadcast.domain.accounts import (
    CHANGE_MS,
    DAY_MS,
    AccountChanged,
    AccountRules,
    ChangeDecided,
    ChangeStale,
    ChangeState,
    LastAdministrator,
    OwnChange,
    UnknownChange,
    UnknownInvitation,
)
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import AreaNotGranted, Grant, Officer, Role, RoleNotGranted, Verb
from broadcast.domain.rights import NotDelegated, holds
from broadcast.service.account_changes import AccountChanges
from broadcast.service.officers import NotSignedIn, OfficerExists, TooManyTries, WrongPassword
from broadcast.service.ports import Account
from tests.town import CHIEF, CITY, DUTY, OTHER_TOWNSHIP, PASSWORD, TOWNSHIP, Town, town

WAITING, CONFIRMED = ChangeState.WAITING, ChangeState.CONFIRMED
SECOND = Officer("second", "监督", Role.SUPERVISOR, CITY)
TOWN_CHIEF = Officer("tc", "乡镇管理员", Role.ADMINISTRATOR, TOWNSHIP)
ZHAO = Officer("zhao", "赵敏", Role.DUTY, TOWNSHIP)
NEW = "a password of my own"


@asynccontextmanager
async def office(rules: AccountRules | None = None, *more: Officer) -> AsyncIterator[tuple[Town, AccountChanges]]:
    """Zunhua with a supervisor beside the administrator."""
    async with town(accounts=rules) as there:
        hashed = await there.hasher.hash(PASSWORD)
        for officer in (SECOND, *more):
            await there.store.write(lambda tx, officer=officer: tx.accounts.add(Account(officer, hashed)))  # type: ignore[misc]
        yield there, there.services.admission.changes


def delegated(there: Town, *verbs: Verb, area: str = TOWNSHIP, days: int = 30) -> Grant:
    now_ms = there.clock.now_ms()
    return Grant("", frozenset(verbs), area, now_ms, now_ms + days * DAY_MS, "")


async def account(there: Town, name: str) -> Account:
    found = await there.store.read(lambda tx: tx.accounts.get(name))
    assert found is not None
    return found


async def test_an_invitation_works_once_a_second_person_has_confirmed_it_and_then_once() -> None:
    async with office() as (there, changes):
        invitations, door = there.services.admission.invitations, there.services.officers
        asked = await changes.invite(ZHAO, by=CHIEF)
        assert asked.change.state is WAITING
        with pytest.raises(UnknownInvitation):
            await invitations.look(asked.secret, address="203.0.113.1")
        confirmed = await changes.confirm(asked.change.id, by=SECOND)
        assert (confirmed.state, confirmed.decided_by) == (CONFIRMED, "second")
        assert (await invitations.look(asked.secret, address="203.0.113.1")).officer.name == "zhao"
        with pytest.raises(InvalidRequest):
            await invitations.accept(asked.secret, "short", address="203.0.113.1")
        made = await invitations.accept(asked.secret, NEW, address="203.0.113.1")
        assert made == replace(ZHAO, must_drill=True)
        with pytest.raises(UnknownInvitation):
            await invitations.accept(asked.secret, NEW, address="203.0.113.1")
        assert (await door.sign_in("zhao", NEW, address="203.0.113.1")).officer == made
        with pytest.raises(OfficerExists):
            await changes.invite(ZHAO, by=CHIEF)


async def test_an_invitation_ends_with_its_time_with_its_inviter_and_when_it_is_withdrawn() -> None:
    async with office(AccountRules(two_person=False, invitation_hours=2)) as (there, changes):
        invitations = there.services.admission.invitations
        codes = [(await changes.invite(replace(ZHAO, name=f"z{n}"), by=CHIEF)).secret for n in range(3)]
        first = (await invitations.all(by=CHIEF))[0]
        await invitations.withdraw(first.id, by=CHIEF)
        with pytest.raises(UnknownInvitation):
            await invitations.look(codes[0], address="203.0.113.1")
        there.clock.advance(2 * 3_600)
        with pytest.raises(UnknownInvitation):
            await invitations.look(codes[1], address="203.0.113.2")
        assert await invitations.all(by=CHIEF) == []
    async with office(AccountRules(two_person=False), replace(CHIEF, name="other")) as (there, changes):
        code = (await changes.invite(ZHAO, by=replace(CHIEF, name="other"))).secret
        await there.services.officers.disable("other", by=CHIEF)
        with pytest.raises(UnknownInvitation):
            await there.services.admission.invitations.accept(code, NEW, address="203.0.113.3")


async def test_guessing_codes_is_slowed_before_anything_is_looked_up() -> None:
    async with office() as (there, _):
        invitations, refused = there.services.admission.invitations, 0
        for n in range(20):
            try:
                await invitations.accept(f"guess-{n}", NEW, address="203.0.113.9")
            except TooManyTries:
                refused += 1
            except UnknownInvitation:
                pass
        assert refused == 15
        await invitations.look((await _open_invitation(there)), address="203.0.113.10")  # others are not slowed


async def _open_invitation(there: Town) -> str:
    asked = await there.services.admission.changes.invite(ZHAO, by=CHIEF)
    await there.services.admission.changes.confirm(asked.change.id, by=SECOND)
    return asked.secret


async def test_the_first_administrator_alone_can_bring_in_a_second_and_nobody_else() -> None:
    async with town() as there:
        changes = there.services.admission.changes
        assert (await changes.invite(ZHAO, by=CHIEF)).change.state is WAITING
        second = await changes.invite(SECOND, by=CHIEF)
        assert second.change.state is CONFIRMED
        await there.services.admission.invitations.accept(second.secret, NEW, address="127.0.0.1")
        assert (await changes.invite(replace(SECOND, name="third"), by=CHIEF)).change.state is WAITING
        await there.services.officers.disable("second", by=CHIEF)  # and that is no way round the second person
        assert (await changes.invite(replace(SECOND, name="fourth"), by=CHIEF)).change.state is WAITING
        assert (await changes.enable("second", by=CHIEF)).change.state is WAITING


async def test_who_asks_and_who_gains_by_it_do_not_confirm() -> None:
    other = replace(CHIEF, name="other")
    async with office(None, other) as (there, changes):
        asked = await changes.invite(ZHAO, by=CHIEF)
        with pytest.raises(OwnChange):
            await changes.confirm(asked.change.id, by=CHIEF)
        revision = (await account(there, "second")).revision
        raised = await changes.alter(replace(SECOND, role=Role.ADMINISTRATOR), revision=revision, by=CHIEF)
        with pytest.raises(OwnChange):
            await changes.confirm(raised.change.id, by=SECOND)
        with pytest.raises(RoleNotGranted):
            await changes.confirm(raised.change.id, by=DUTY)
        await changes.confirm(raised.change.id, by=other)
        assert (await account(there, "second")).officer.role is Role.ADMINISTRATOR
        with pytest.raises(ChangeDecided):
            await changes.confirm(raised.change.id, by=other)


async def test_a_change_outside_the_own_area_is_neither_seen_nor_decided() -> None:
    async with office(None, TOWN_CHIEF) as (_, changes):
        inside = await changes.invite(ZHAO, by=CHIEF)
        outside = await changes.invite(replace(ZHAO, name="qian", area=OTHER_TOWNSHIP), by=CHIEF)
        assert [one.id for one in await changes.page(by=TOWN_CHIEF)] == [inside.change.id]
        for act in (changes.confirm(outside.change.id, by=TOWN_CHIEF), changes.get(outside.change.id, by=TOWN_CHIEF)):
            with pytest.raises(UnknownChange):
                await act
        await changes.confirm(inside.change.id, by=TOWN_CHIEF)
        with pytest.raises(AreaNotGranted):
            await changes.invite(replace(ZHAO, area=CITY), by=TOWN_CHIEF)
        with pytest.raises(RoleNotGranted):
            await changes.invite(ZHAO, by=DUTY)


async def test_fewer_rights_are_taken_at_once_and_more_are_not() -> None:
    async with office() as (there, changes):
        lower = await changes.alter(replace(DUTY, role=Role.VIEWER), revision=1, by=CHIEF)
        assert lower.change.state is CONFIRMED
        assert (await account(there, "duty")).officer == replace(DUTY, role=Role.VIEWER)
        with pytest.raises(AccountChanged):
            await changes.alter(DUTY, revision=1, by=CHIEF)
        assert (await changes.alter(DUTY, revision=2, by=CHIEF)).change.state is WAITING
        assert (await account(there, "duty")).officer.role is Role.VIEWER
        wider = await changes.alter(Officer("town", "李强", Role.DUTY, CITY), revision=1, by=CHIEF)
        assert wider.change.state is WAITING
        with pytest.raises(LastAdministrator):
            await changes.alter(replace(CHIEF, role=Role.DUTY), revision=1, by=CHIEF)


async def test_who_gets_a_role_that_sends_passes_a_drill_first() -> None:
    async with office() as (there, changes):
        asked = await changes.alter(Officer("viewer", "访客", Role.DUTY, CITY), revision=1, by=CHIEF)
        await changes.confirm(asked.change.id, by=SECOND)
        assert (await account(there, "viewer")).officer.must_drill
        token = await there.sign_in(Officer("viewer", "", Role.DUTY, CITY))
        await there.services.officers.drill_passed("viewer", "D1")
        assert not (await there.services.officers.officer_of(token)).must_drill
        await there.services.officers.drill_passed("root@console")  # nobody with an account: no error


async def test_a_change_whose_ground_has_gone_is_not_carried_out() -> None:
    other = replace(CHIEF, name="other")
    async with office(None, other) as (there, changes):
        raised = await changes.alter(replace(DUTY, role=Role.ADMINISTRATOR), revision=1, by=CHIEF)
        await changes.alter(replace(DUTY, title="王班长"), revision=1, by=CHIEF)
        with pytest.raises(ChangeStale):
            await changes.confirm(raised.change.id, by=SECOND)
        by_other = await changes.invite(ZHAO, by=other)
        await there.services.officers.disable("other", by=CHIEF)
        with pytest.raises(ChangeStale):
            await changes.confirm(by_other.change.id, by=SECOND)
        old = await changes.invite(replace(ZHAO, name="qian"), by=CHIEF)
        there.clock.advance(CHANGE_MS / 1_000)
        with pytest.raises(ChangeDecided):
            await changes.confirm(old.change.id, by=SECOND)
        assert (await changes.page(by=CHIEF))[0].state is ChangeState.EXPIRED


async def test_a_refusal_has_a_reason_and_a_wish_can_be_withdrawn() -> None:
    async with office() as (_, changes):
        asked = await changes.invite(ZHAO, by=CHIEF)
        for reason in ("", "  ", "x" * 501):
            with pytest.raises(InvalidRequest):
                await changes.reject(asked.change.id, reason=reason, by=SECOND)
        rejected = await changes.reject(asked.change.id, reason="不认识", by=SECOND)
        assert (rejected.state, rejected.reason, rejected.hashed) == (ChangeState.REJECTED, "不认识", "")
        again = await changes.invite(ZHAO, by=CHIEF)
        with pytest.raises(UnknownChange):
            await changes.reject(again.change.id, reason="x", by=DUTY)
        assert (await changes.reject(again.change.id, reason="写错了", by=CHIEF)).decided_by == "chief"


async def test_a_township_broadcasts_from_the_moment_of_its_grant_and_a_sign_in_need_not_be_renewed() -> None:
    async with office(None, ZHAO) as (there, changes):
        token = await there.sign_in(ZHAO)
        door = there.services.officers

        async def may_notify() -> bool:
            officer = await door.officer_of(token)
            return holds(officer, Verb.START_NOTICE, areas=[TOWNSHIP], now_ms=there.clock.now_ms())

        asked = await changes.grant("zhao", delegated(there, Verb.START_NOTICE), by=CHIEF)
        assert not await may_notify()
        await changes.confirm(asked.change.id, by=SECOND)
        assert await may_notify()
        (given,) = (await account(there, "zhao")).officer.grants
        assert (given.by, given.verbs) == ("chief", frozenset({Verb.START_NOTICE}))
        await door.ungrant("zhao", given.id, by=CHIEF)
        assert not await may_notify()


async def test_nobody_delegates_what_is_not_their_own_nor_passes_a_grant_on() -> None:
    trusted = replace(TOWN_CHIEF, grants=(Grant("g", frozenset({Verb.START_NOTICE}), TOWNSHIP, 0, 2**53, "chief"),))
    async with office(None, trusted, ZHAO) as (there, changes):
        with pytest.raises(NotDelegated):
            await changes.grant("zhao", delegated(there, Verb.START_NOTICE), by=trusted)
        with pytest.raises(AreaNotGranted):
            await changes.grant("zhao", delegated(there, Verb.STOP, area=CITY), by=trusted)
        for wrong in (
            delegated(there),
            delegated(there, Verb.MANAGE_OFFICERS),
            delegated(there, Verb.STOP, days=367),
            delegated(there, Verb.STOP, days=0),
            delegated(there, Verb.STOP, area="130281999000"),
        ):
            with pytest.raises(InvalidRequest):
                await changes.grant("zhao", wrong, by=CHIEF)


async def test_another_s_password_and_second_factor_want_two_persons() -> None:
    async with office() as (there, changes):
        asked = await changes.reset_password("duty", NEW, by=CHIEF)
        token = await there.sign_in(DUTY)  # with the old one still
        await changes.confirm(asked.change.id, by=SECOND)
        with pytest.raises(NotSignedIn):
            await there.services.officers.officer_of(token)
        with pytest.raises(WrongPassword):
            await there.sign_in(DUTY)
        assert (await account(there, "duty")).must_change
        await there.services.officers.sign_in("duty", NEW, address="127.0.0.1")
        shown = await changes.page(by=CHIEF)
        assert NEW not in repr(shown) and all(not one.hashed for one in shown)


async def test_a_machine_does_what_its_token_says_until_it_is_revoked() -> None:
    async with office() as (there, changes):
        door, verbs = there.services.officers, frozenset({Verb.START_NOTICE, Verb.STOP})
        asked = await changes.make_token("气象局", verbs, TOWNSHIP, days=30, screen=False, exercise=False, by=CHIEF)
        with pytest.raises(NotSignedIn):
            await door.officer_of(asked.secret)
        await changes.confirm(asked.change.id, by=SECOND)
        officer = await door.officer_of(asked.secret, address="10.1.1.1")
        assert (officer.name, officer.verbs, officer.area) == (f"token:{asked.change.id}", verbs, TOWNSHIP)
        with pytest.raises(NotSignedIn):
            await door.officer_of(asked.secret, cookie=True)  # no browser's
        (row,) = await door.tokens.all(by=CHIEF)
        assert (row.used_from, row.used_ms > 0, asked.secret in repr(row)) == ("10.1.1.1", True, False)
        there.store.goes_away("gone")
        assert await door.officer_of(asked.secret) == officer
        there.store.comes_back()
        await door.tokens.revoke(row.id, by=CHIEF)
        with pytest.raises(NotSignedIn):
            await door.officer_of(asked.secret)


async def test_a_token_expires_and_a_screen_s_reads_and_nothing_else() -> None:
    async with office(AccountRules(two_person=False)) as (there, changes):
        door = there.services.officers
        machine = await changes.make_token(
            "x", frozenset({Verb.READ}), CITY, days=1, screen=False, exercise=False, by=CHIEF
        )
        screen = await changes.make_token(
            "大屏", frozenset({Verb.STOP}), CITY, days=3_660, screen=True, exercise=False, by=CHIEF
        )
        assert (await door.officer_of(screen.secret, cookie=True)).verbs == frozenset({Verb.READ})
        there.clock.advance(DAY_MS / 1_000)
        with pytest.raises(NotSignedIn):
            await door.officer_of(machine.secret)
        assert (await door.officer_of(screen.secret, cookie=True)).verbs == frozenset({Verb.READ})


@pytest.mark.parametrize(
    ("verbs", "days", "title"),
    [
        (frozenset(), 1, "x"),
        (frozenset({Verb.APPROVE}), 1, "x"),
        (frozenset({Verb.MANAGE_OFFICERS}), 1, "x"),
        (frozenset({Verb.CONFIRM_OFFICERS}), 1, "x"),
        (frozenset({Verb.BREAK_GLASS}), 1, "x"),
        (frozenset({Verb.READ}), 0, "x"),
        (frozenset({Verb.READ}), 367, "x"),
        (frozenset({Verb.READ}), 1, " "),
        (frozenset({Verb.READ}), 1, "x\n"),
    ],
)
async def test_a_token_for_what_no_machine_does_is_refused(verbs: frozenset[Verb], days: int, title: str) -> None:
    async with office() as (there, changes):
        with pytest.raises(InvalidRequest):
            await changes.make_token(title, verbs, CITY, days=days, screen=False, exercise=False, by=CHIEF)
        assert await there.store.read(lambda tx: tx.changes.page(limit=9)) == []


async def test_by_policy_one_person_is_enough_and_the_duty_log_says_so() -> None:
    async with office(AccountRules(two_person=False, drill_first=False)) as (there, changes):
        asked = await changes.invite(ZHAO, by=CHIEF)
        assert asked.change.state is CONFIRMED
        made = await there.services.admission.invitations.accept(asked.secret, NEW, address="127.0.0.1")
        assert made == ZHAO
        verbs = [act.verb for act in await there.store.read(lambda tx: tx.acts.page(limit=3))]
        assert verbs == ["accept invitation", "change alone: invite", "ask for invite"]


@pytest.mark.parametrize("name", ["root@console", "token:x", "a/b"])
async def test_nobody_is_called_like_those_who_have_no_account(name: str) -> None:
    async with office() as (_, changes):
        with pytest.raises(InvalidRequest):
            await changes.invite(replace(ZHAO, name=name), by=CHIEF)
