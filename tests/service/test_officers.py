"""Accounts and sessions."""

import pytest

from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import AreaNotGranted, Officer, Role, RoleNotGranted
from broadcast.service.officers import (
    NotSignedIn,
    OfficerExists,
    Officers,
    TooManyTries,
    UnknownOfficer,
    WrongPassword,
)
from broadcast.service.passwords import Argon2Hasher, faults_of, generated
from broadcast.service.rate_limits import SLOTS, Buckets
from tests.memory_store import MemoryStore
from tests.town import CHIEF, CITY, DUTY, OTHER_TOWNSHIP, PASSWORD, TOWN_DUTY, TOWNSHIP, QuickHasher, ShiftedClock, town

STRANGER = "203.0.113.9"


def officers(store: MemoryStore | None = None) -> tuple[Officers, ShiftedClock]:
    clock = ShiftedClock()
    return Officers(clock=clock, store=store or MemoryStore(), hasher=QuickHasher()), clock


async def test_the_first_account_has_a_password_that_nobody_else_has_and_is_made_once() -> None:
    door, _ = officers()
    password = await door.create_first(CHIEF)
    assert password is not None and len(password) == 23
    assert await door.create_first(CHIEF) is None
    signed = await door.sign_in("chief", password, address=STRANGER)
    assert signed.officer == CHIEF
    assert generated() != generated()


async def test_only_an_administrator_adds_officers_and_only_inside_the_own_area() -> None:
    async with town() as there:
        door = there.services.officers
        fresh = Officer("zhao", "赵敏", Role.DUTY, TOWNSHIP)
        with pytest.raises(RoleNotGranted):
            await door.add(fresh, PASSWORD, by=DUTY)
        await door.add(fresh, PASSWORD, by=CHIEF)
        with pytest.raises(OfficerExists):
            await door.add(fresh, PASSWORD, by=CHIEF)
        town_chief = Officer("tc", "", Role.ADMINISTRATOR, TOWNSHIP)
        with pytest.raises(AreaNotGranted):
            await door.add(Officer("x", "", Role.DUTY, OTHER_TOWNSHIP), PASSWORD, by=town_chief)
        with pytest.raises(AreaNotGranted):
            await door.add(Officer("x", "", Role.ADMINISTRATOR, CITY), PASSWORD, by=town_chief)
        with pytest.raises(AreaNotGranted):
            await door.disable("duty", by=town_chief)
        with pytest.raises(AreaNotGranted):
            await door.set_password("duty", PASSWORD, by=town_chief)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "too-short"),
        ("x" * 257, "too-long"),
        ("wangfang-wangfang", "is-the-name"),
        ("------------", "is-the-name"),
    ],
)
def test_a_password_is_long_and_is_not_the_name(password: str, code: str) -> None:
    assert [fault.code for fault in faults_of(password, "wangfang")] == [code]
    assert faults_of("correct horse", "wangfang") == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", " a", "a\x00"])
async def test_a_name_can_be_read_and_typed(name: str) -> None:
    async with town() as there:
        with pytest.raises(InvalidRequest):
            await there.services.officers.add(Officer(name, "", Role.DUTY, CITY), PASSWORD, by=CHIEF)


async def test_a_new_password_ends_every_session_of_that_officer_and_of_nobody_else() -> None:
    async with town() as there:
        door = there.services.officers
        mine, theirs = await there.sign_in(DUTY), await there.sign_in(TOWN_DUTY)
        with pytest.raises(RoleNotGranted):
            await door.set_password("town", "another long one", by=DUTY)
        await door.set_password("duty", "another long one", by=DUTY)
        with pytest.raises(NotSignedIn):
            await door.officer_of(mine)
        assert await door.officer_of(theirs) == TOWN_DUTY
        with pytest.raises(WrongPassword):
            await door.sign_in("duty", PASSWORD, address="127.0.0.1")
        assert (await door.sign_in("duty", "another long one", address="127.0.0.1")).officer == DUTY
        with pytest.raises(UnknownOfficer):
            await door.set_password("nobody", "another long one", by=CHIEF)


async def test_a_session_survives_a_restart_and_the_store_s_absence() -> None:
    async with town() as there:
        signed = await there.services.officers.sign_in("duty", PASSWORD, address=STRANGER)
        again = Officers(clock=there.clock, store=there.store, hasher=there.hasher)
        assert await again.officer_of(signed.token) == DUTY
        there.store.goes_away("gone")
        assert await again.officer_of(signed.token) == DUTY
        await again.housekeep()  # what can't be written now is written later
        there.store.comes_back()


async def test_when_somebody_was_last_seen_is_written_now_and_then_and_counts_after_a_restart() -> None:
    async with town() as there:
        door = there.services.officers
        token = await there.sign_in()
        there.clock.advance(20 * 60)
        await door.officer_of(token)
        await door.housekeep()
        there.clock.advance(20 * 60)
        again = Officers(clock=there.clock, store=there.store, hasher=there.hasher)
        assert await again.officer_of(token, touch=False) == DUTY
        there.clock.advance(11 * 60)
        with pytest.raises(NotSignedIn):
            await again.officer_of(token)


async def test_an_alert_brings_back_nobody_who_was_out_when_it_began() -> None:
    async with town() as there:
        token = await there.sign_in()
        there.clock.advance(31 * 60)
        from broadcast.web.models import NewBroadcast

        command = NewBroadcast(kind="emergency", severity="red", areas=[CITY], text="x").command()
        await there.services.broadcasts.start(command, by=CHIEF)
        with pytest.raises(NotSignedIn):
            await there.services.officers.officer_of(token)


async def test_five_tries_then_one_every_twelve_seconds_by_name_and_by_address() -> None:
    async with town() as there:
        door = there.services.officers
        for _ in range(5):
            with pytest.raises(WrongPassword):
                await door.sign_in("duty", "wrong", address=STRANGER)
        with pytest.raises(TooManyTries) as refused:
            await door.sign_in("duty", PASSWORD, address="198.51.100.7")  # by name
        assert refused.value.retry_after_s <= 12
        with pytest.raises(TooManyTries):
            await door.sign_in("town", PASSWORD, address=STRANGER)  # by address
        there.clock.advance(12.5)
        assert (await door.sign_in("duty", PASSWORD, address=STRANGER)).officer == DUTY


async def test_a_right_password_costs_no_try() -> None:
    async with town() as there:
        for _ in range(20):
            await there.services.officers.sign_in("duty", PASSWORD, address=STRANGER)


async def test_one_ipv6_network_is_one_address() -> None:
    async with town() as there:
        refused = 0
        for host in range(20):
            try:
                await there.services.officers.sign_in(f"n{host}", "wrong", address=f"2001:db8:1:2::{host:x}")
            except WrongPassword:
                pass
            except TooManyTries:
                refused += 1
        assert refused == 15


def test_inventing_keys_costs_no_memory_and_moves_nobody_out() -> None:
    now = [0.0]
    buckets = Buckets(lambda: now[0])
    for _ in range(5):
        buckets.take("duty")
    for number in range(100_000):
        buckets.take(f"invented {number}")
    assert len(buckets._slots) <= SLOTS
    assert buckets.wait_s("duty") > 0


async def test_the_real_hasher_takes_and_refuses_and_sees_what_is_outdated() -> None:
    hasher = Argon2Hasher()
    kept = await hasher.hash("correct horse")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify(kept, "correct horse")
    assert not await hasher.verify(kept, "wrong horse")
    assert not await hasher.verify("no hash at all", "correct horse")
    assert hasher.is_outdated(kept.replace("t=2", "t=1"))
    assert not hasher.is_outdated(kept)
    hasher.close()
