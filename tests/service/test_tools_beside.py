"""A tool works on the same database beside a running server; the server notices."""

import pytest

from broadcast.clock import SystemClock
from broadcast.domain.officers import AreaNotGranted, Officer, Role, RoleNotGranted
from broadcast.domain.speakers import Speaker, UnknownSpeaker
from broadcast.service.estate import Estate
from broadcast.service.officers import NotSignedIn, Officers
from broadcast.service.presence import Presence, Speakers
from tests.fakes import MemoryStore

CITY, TOWNSHIP, OTHER = "130281000000", "130281001000", "130281002000"
ADMIN = Officer("admin", "admin", Role.ADMINISTRATOR, CITY)
ONE, TWO = Speaker("s-1", TOWNSHIP, "one"), Speaker("s-2", OTHER, "two")
PASSWORD = "a-long-password"


class PlainHasher:
    """Quick, and no hash at all."""

    async def hash(self, password: str) -> str:
        return password

    async def verify(self, kept: str, password: str) -> bool:
        return kept == password

    def is_outdated(self, kept: str) -> bool:
        return False


async def test_speakers_that_a_tool_took_in_or_down_are_there_or_gone_at_the_next_look() -> None:
    store = MemoryStore()
    server, tool = Estate(store=store, master=b"m" * 32), Estate(store=store, master=b"")
    await server.load()
    await tool.enrol([ONE, TWO], by=ADMIN)
    assert (len(server), await server.refresh(), sorted(server.speakers)) == (0, True, ["s-1", "s-2"])
    assert await server.refresh() is False, "nothing new, nothing read"
    await tool.retire("s-1", by=ADMIN, at_ms=1)
    assert (await server.refresh(), sorted(server.speakers)) == (True, ["s-2"])
    assert server.key_of("s-1") is None


async def test_only_an_administrator_of_the_place_retires_a_speaker_and_only_once() -> None:
    estate = Estate(store=MemoryStore(), master=b"")
    await estate.enrol([ONE], by=ADMIN)
    with pytest.raises(RoleNotGranted):
        await estate.retire("s-1", by=Officer("duty", "duty", Role.DUTY, CITY), at_ms=1)
    with pytest.raises(AreaNotGranted):
        await estate.retire("s-1", by=Officer("other", "other", Role.ADMINISTRATOR, OTHER), at_ms=1)
    await estate.retire("s-1", by=ADMIN, at_ms=1)
    with pytest.raises(UnknownSpeaker):
        await estate.retire("s-1", by=ADMIN, at_ms=1)


def test_a_speaker_that_was_retired_is_counted_no_more() -> None:
    speakers = Speakers(clock=SystemClock(), on_change=lambda _: None)
    speakers.expect(["s-1", "s-2"])
    speakers.expect(["s-2"])
    assert speakers.counts() == {Presence.UNKNOWN: 1, Presence.ONLINE: 0, Presence.OFFLINE: 0}


@pytest.mark.parametrize("what", ["disable", "password"])
async def test_who_was_disabled_or_got_another_password_beside_the_server_is_out(what: str) -> None:
    store, clock = MemoryStore(), SystemClock()
    server = Officers(clock=clock, store=store, hasher=PlainHasher())
    tool = Officers(clock=clock, store=store, hasher=PlainHasher())
    for name in ("li", "wang"):
        await server.add(Officer(name, name, Role.DUTY, CITY), PASSWORD, by=ADMIN)
    out = await server.sign_in("li", PASSWORD, address="127.0.0.1")
    stays = await server.sign_in("wang", PASSWORD, address="127.0.0.1")
    if what == "disable":
        await tool.disable("li", by=ADMIN)
    else:
        await tool.set_password("li", "another-password", by=ADMIN)
    await server.look_again()
    assert (await server.officer_of(stays.token)).name == "wang"
    with pytest.raises(NotSignedIn):
        await server.officer_of(out.token)


async def test_while_the_database_is_away_who_is_signed_in_stays_so() -> None:
    store = MemoryStore()
    server = Officers(clock=SystemClock(), store=store, hasher=PlainHasher())
    await server.add(Officer("li", "li", Role.DUTY, CITY), PASSWORD, by=ADMIN)
    signed_in = await server.sign_in("li", PASSWORD, address="127.0.0.1")
    await store.close()
    await server.look_again()
    assert (await server.officer_of(signed_in.token)).name == "li"
