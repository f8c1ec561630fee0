"""Guessing at the door rings and goes on ringing while it lasts; the duty room signs in all the time."""

import pytest

from broadcast.service.officers import TooManyTries, WrongPassword
from tests.town import DUTY, PASSWORD, Town, town


async def guess(there: Town, times: int, *, name: str = "duty") -> None:
    for at in range(times):
        with pytest.raises((WrongPassword, TooManyTries)):
            await there.services.officers.sign_in(name, "wrong", address=f"10.0.{at % 3}.{at % 200}")


def facts(there: Town) -> dict[str, str]:
    return next((dict(one.facts) for one in there.services.health.conditions if one.name == "login-flood"), {})


async def test_who_has_forgotten_a_password_rings_nothing() -> None:
    async with town() as there:
        await guess(there, 19)
        assert facts(there) == {}
        there.clock.advance(61)
        await guess(there, 19)
        assert facts(there) == {}, "what is a minute old counts no more"


async def test_guessing_rings_until_it_has_been_quiet_and_never_locks_the_duty_room_out() -> None:
    async with town() as there:
        await guess(there, 40)
        assert (facts(there)["tries"], facts(there)["addresses"]) == ("40", "40")
        signed = await there.services.officers.sign_in("duty", PASSWORD, address="127.0.0.1")
        assert signed.officer.name == DUTY.name
        there.clock.advance(200)
        await there.services.officers.housekeep()
        assert facts(there), "a pause is not the end"
        await guess(there, 1)
        assert facts(there)["tries"] == "41"
        there.clock.advance(301)
        await there.services.officers.housekeep()
        assert facts(there) == {}


async def test_names_and_addresses_of_any_length_cost_no_memory() -> None:
    async with town() as there:
        for at in range(25):
            with pytest.raises((WrongPassword, TooManyTries)):
                await there.services.officers.sign_in("x" * 100_000, "wrong", address=f"2001:db8:{at:x}::" + "1" * 500)
        assert len(facts(there)["newest"]) <= 64
