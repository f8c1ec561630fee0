"""Second factors, locked screens, saying again who one is, and sign-ins for exercises."""

from dataclasses import replace

import pyotp
import pytest

from broadcast.domain.accounts import AccountRules
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import Verb
from broadcast.domain.rights import ExerciseOnly, SessionLocked, StepUpNeeded, may
from broadcast.service.officers import (
    NoSecondFactor,
    Officers,
    SecondFactorNeeded,
    TooManyTries,
    WrongCode,
    WrongPassword,
    WrongPin,
)
from broadcast.web.models import NewBroadcast
from tests.town import CHIEF, CITY, DUTY, PASSWORD, Town, town

HOME, STRANGER = "127.0.0.1", "203.0.113.9"


async def with_factor(there: Town) -> tuple[pyotp.TOTP, list[str]]:
    """The duty officer has a telephone, and ten codes on paper."""
    factors = there.services.officers.factors
    secret, uri = await factors.begin("duty")
    assert uri.startswith("otpauth://totp/") and f"secret={secret}" in uri
    totp = pyotp.TOTP(secret)
    paper = await factors.confirm("duty", code_of(there, totp))
    there.clock.advance(30)
    return totp, paper


def code_of(there: Town, totp: pyotp.TOTP, steps: int = 0) -> str:
    return totp.generate_otp(there.clock.now_ms() // 30_000 + steps)


# ---- second factor ------------------------------------------------------------------------------------------------------------


async def test_with_a_second_factor_the_password_alone_opens_nothing() -> None:
    async with town() as there:
        door = there.services.officers
        totp, _ = await with_factor(there)
        with pytest.raises(SecondFactorNeeded):
            await door.sign_in("duty", PASSWORD, address=STRANGER)
        with pytest.raises(WrongPassword):  # and a wrong password does not tell that there is one
            await door.sign_in("duty", "wrong", address=STRANGER)
        signed = await door.sign_in("duty", PASSWORD, address=STRANGER, code=f" {code_of(there, totp)} ")
        assert signed.officer == DUTY


async def test_no_code_is_taken_twice_and_an_older_one_not_after_a_newer() -> None:
    async with town() as there:
        factors = there.services.officers.factors
        totp, _ = await with_factor(there)
        now, before = code_of(there, totp), code_of(there, totp, -1)
        await factors.take("duty", now)
        for code in (now, before):
            with pytest.raises(WrongCode):
                await factors.take("duty", code)
        await factors.take("duty", code_of(there, totp, 1))  # a telephone that is half a minute ahead
        with pytest.raises(WrongCode):
            await factors.take("duty", code_of(there, totp, 2))


@pytest.mark.parametrize("code", ["", "12345", "1234567", "１２３４５６", "abcdef", "-12345", "x" * 1_000])
async def test_what_is_no_code_opens_nothing(code: str) -> None:
    async with town() as there:
        await with_factor(there)
        with pytest.raises(WrongCode):
            await there.services.officers.factors.take("duty", code)


async def test_each_code_on_paper_works_once_in_any_spelling() -> None:
    async with town() as there:
        factors = there.services.officers.factors
        _, paper = await with_factor(there)
        assert len(set(paper)) == 10
        kept = await there.store.read(lambda tx: tx.factors.get("duty"))
        assert kept is not None and not any(code in repr(kept) for code in paper)
        await factors.take("duty", paper[3].upper().replace("-", " "))
        with pytest.raises(WrongCode):
            await factors.take("duty", paper[3])
        await factors.take("duty", paper[4])


async def test_wrong_codes_are_slowed_as_wrong_passwords_are() -> None:
    async with town() as there:
        totp, _ = await with_factor(there)
        door = there.services.officers
        for _ in range(5):
            with pytest.raises(WrongCode):
                await door.sign_in("duty", PASSWORD, address=STRANGER, code="000000")
        with pytest.raises(TooManyTries):
            await door.sign_in("duty", PASSWORD, address=STRANGER, code=code_of(there, totp))
        for _ in range(20):  # to be asked for a code is no wrong try
            with pytest.raises(SecondFactorNeeded):
                await door.sign_in("duty", PASSWORD, address=HOME)


async def test_a_second_factor_is_asked_for_only_once_its_first_code_was_right() -> None:
    async with town() as there:
        door = there.services.officers
        secret, _ = await door.factors.begin("duty")
        with pytest.raises(WrongCode):
            await door.factors.confirm("duty", "000000")
        await door.sign_in("duty", PASSWORD, address=HOME)
        await door.factors.confirm("duty", code_of(there, pyotp.TOTP(secret)))
        with pytest.raises(WrongCode):  # whoever sits at the desk does not put another telephone in its place
            await door.factors.begin("duty")
        with pytest.raises(NoSecondFactor):
            await door.factors.confirm("duty", code_of(there, pyotp.TOTP(secret), 1))
        await door.drop_factor("duty", by=DUTY)
        await door.sign_in("duty", PASSWORD, address=HOME)
        with pytest.raises(NoSecondFactor):
            await door.drop_factor("duty", by=CHIEF)


# ---- the locked screen --------------------------------------------------------------------------------------------------------


async def test_a_screen_that_nobody_touches_locks_itself_and_a_machine_s_does_not() -> None:
    async with town(accounts=AccountRules(lock_after_min=15)) as there:
        door, token = there.services.officers, await there.sign_in()
        there.clock.advance(14 * 60)
        assert not (await door.officer_of(token, touch=False, cookie=True)).locked
        there.clock.advance(60)
        assert not (await door.officer_of(token, touch=False)).locked
        locked = await door.officer_of(token, cookie=True)
        assert locked == replace(DUTY, locked=True)
        assert (await door.officer_of(token)).locked  # nor does the same token open it another way
        with pytest.raises(SessionLocked):
            may(locked, Verb.START_EMERGENCY)


async def test_from_a_locked_screen_one_can_stop_and_not_start() -> None:
    async with town() as there:
        door, token = there.services.officers, await there.sign_in()
        command = NewBroadcast(kind="emergency", severity="red", areas=[CITY], text="x", minutes=10).command()
        broadcasts = there.services.broadcasts
        live = (await broadcasts.start(command, by=await door.officer_of(token))).ids[0]
        await door.lock(token)
        officer = await door.officer_of(token)
        with pytest.raises(SessionLocked):
            await broadcasts.start(command, by=officer)
        with pytest.raises(SessionLocked):
            await broadcasts.all_clear(live, by=officer)
        assert (await broadcasts.stop(live, by=officer)).ids == (live,)


async def test_a_pin_opens_after_five_wrong_ones_the_password_does() -> None:
    async with town() as there:
        door, token = there.services.officers, await there.sign_in()
        with pytest.raises(WrongPassword):
            await door.set_pin("2580", password="wrong", token=token, by=DUTY)
        await door.set_pin("2580", password=PASSWORD, token=token, by=DUTY)
        await door.lock(token)
        assert not (await door.unlock(token, pin="2580")).locked
        await door.lock(token)
        left = []
        for _ in range(6):
            with pytest.raises(WrongPin) as wrong:
                await door.unlock(token, pin="0000")
            left.append(wrong.value.left)
        assert left == [4, 3, 2, 1, 0, 0]
        with pytest.raises(WrongPin):
            await door.unlock(token, pin="2580")
        with pytest.raises(WrongPassword):
            await door.unlock(token, password="wrong")
        assert (await door.unlock(token, password=PASSWORD)) == DUTY
        await door.lock(token)
        assert not (await door.unlock(token, pin="2580")).locked  # counted anew


async def test_a_lock_outlives_a_restart_and_without_a_pin_the_password_opens() -> None:
    async with town() as there:
        token = await there.sign_in()
        await there.services.officers.lock(token)
        again = Officers(clock=there.clock, store=there.store, hasher=there.hasher)
        assert (await again.officer_of(token)).locked
        with pytest.raises(WrongPin):
            await again.unlock(token, pin="")
        assert (await again.unlock(token, password=PASSWORD)) == DUTY


@pytest.mark.parametrize("pin", ["123", "1" * 13, "1111", "1234", "9876", "12a4", "１２３５"])
async def test_a_pin_that_everybody_tries_first_is_none(pin: str) -> None:
    async with town() as there:
        token = await there.sign_in()
        with pytest.raises(InvalidRequest):
            await there.services.officers.set_pin(pin, password=PASSWORD, token=token, by=DUTY)


async def test_while_an_alert_is_live_a_screen_locks_and_nobody_is_signed_out() -> None:
    async with town() as there:
        door, token = there.services.officers, await there.sign_in()
        command = NewBroadcast(kind="emergency", severity="red", areas=[CITY], text="x", minutes=120).command()
        await there.services.broadcasts.start(command, by=CHIEF)
        there.clock.advance(115 * 60)
        assert await door.officer_of(token, cookie=True) == replace(DUTY, locked=True)
        assert not (await door.unlock(token, password=PASSWORD)).locked


# ---- step-up, exercises ---------------------------------------------------------------------------------------------------------


async def test_by_policy_an_old_sign_in_says_again_who_it_is_before_an_emergency() -> None:
    async with town(accounts=AccountRules(step_up_min=10)) as there:
        door, token = there.services.officers, await there.sign_in()
        may(await door.officer_of(token), Verb.START_EMERGENCY, areas=[CITY])
        there.clock.advance(10 * 60 + 1)
        with pytest.raises(StepUpNeeded):
            may(await door.officer_of(token), Verb.START_EMERGENCY, areas=[CITY])
        may(await door.officer_of(token), Verb.STOP, areas=[CITY])
        with pytest.raises(WrongPassword):
            await door.step_up(token, password="wrong")
        await door.step_up(token, password=PASSWORD)
        may(await door.officer_of(token), Verb.START_EMERGENCY, areas=[CITY])


async def test_with_a_second_factor_the_step_up_wants_a_code_and_no_locked_screen_takes_it() -> None:
    async with town(accounts=AccountRules(step_up_min=10)) as there:
        door, token = there.services.officers, await there.sign_in()
        totp, _ = await with_factor(there)
        there.clock.advance(11 * 60)
        with pytest.raises(SecondFactorNeeded):
            await door.step_up(token, password=PASSWORD)
        with pytest.raises(WrongCode):
            await door.step_up(token, code="000000")
        await door.lock(token)
        with pytest.raises(SessionLocked):
            await door.step_up(token, code=code_of(there, totp))
        await door.unlock(token, password=PASSWORD)
        await door.step_up(token, code=code_of(there, totp))


async def test_a_sign_in_for_exercises_touches_nothing_live_and_stops_no_alert() -> None:
    async with town() as there:
        door, broadcasts = there.services.officers, there.services.broadcasts
        signed = await door.sign_in("duty", PASSWORD, address=HOME, exercise=True)
        assert signed.officer == replace(DUTY, exercise_only=True)
        command = NewBroadcast(kind="emergency", severity="red", areas=[CITY], text="x", minutes=10).command()
        live = (await broadcasts.start(command, by=CHIEF)).ids[0]
        for act in (broadcasts.start(command, by=signed.officer), broadcasts.stop(live, by=signed.officer)):
            with pytest.raises(ExerciseOnly):
                await act
        assert (await broadcasts.stop_all(by=signed.officer)).ids == ()
        assert [one.id for one in broadcasts.live()] == [live]
        again = Officers(clock=there.clock, store=there.store, hasher=there.hasher)
        assert (await again.officer_of(signed.token)).exercise_only


async def test_an_administrator_sees_the_accounts_of_the_own_area_only() -> None:
    async with town() as there:
        town_chief = replace(CHIEF, area="130281101000")
        assert await there.services.officers.all(by=town_chief) == []
        everybody = {one.officer.name for one in await there.services.officers.all(by=CHIEF)}
        assert {"chief", "duty", "town", "viewer"} <= everybody
