"""City, township, village: who may order where, who may take away what, and what sounds when all of them order at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broadcast.domain.broadcasts import HigherLevel, StartBroadcast
from broadcast.domain.officers import AreaNotGranted, Grant, Officer, Role
from broadcast.domain.rights import STARTS
from broadcast.domain.speakers import Speaker, default_id
from broadcast.server import Server
from config.settings import load
from endpoints.delivery import State
from endpoints.protocol import Kind, Severity
from endpoints.simulator import Simulator
from tests.system.city import CITY, OFFICER, City, environment, until

ONE, OTHER = "130281001000", "130281100000"  # two townships
VILLAGE = "130281001001"


def granted(area: str) -> tuple[Grant, ...]:
    """Below the city nobody broadcasts without."""
    return (Grant("g", STARTS, area, 0, 2**53, "duty"),)


TOWN = Officer("one", "乡镇", Role.DUTY, ONE, granted(ONE))
OTHER_TOWN = Officer("other", "乡镇", Role.DUTY, OTHER, granted(OTHER))
VILLAGER = Officer("village", "村", Role.DUTY, VILLAGE, granted(VILLAGE))
EACH = 8  # speakers in each township


def alert(area: str, severity: Severity = Severity.RED) -> StartBroadcast:
    return StartBroadcast(Kind.EMERGENCY, (area,), severity=severity, minutes=5, repeats=20)


@pytest.fixture
async def towns(tmp_path: Path) -> AsyncIterator[City]:
    """The city with two townships and the first villages of each."""
    server = Server(load(environment=environment(tmp_path / "data", BROKER_PERSISTENCE="false")))
    await server.start()
    areas = [area.code for area in server.estate.tree]
    chosen = [area for town in (ONE, OTHER) for area in [one for one in areas if one.startswith(town[:9])][:EACH]]
    await server.estate.enrol([Speaker(default_id(area), area, "x") for area in (CITY, *chosen)], by=OFFICER)
    server.refresh_users()
    simulator = Simulator(server.provisioning(), seed=1)
    simulator.start()
    try:
        whole = City(server, simulator)
        await whole.all_online()
        yield whole
    finally:
        await simulator.stop()
        await server.stop()


async def start(towns: City, command: StartBroadcast, by: Officer) -> str:
    return (await towns.server.broadcasts.start(command, by=by)).ids[0]


def sounding(towns: City, area: str) -> set[str]:
    inside = {one.id for one in towns.server.estate.inside(area)}
    return {one.sounds for name, one in towns.simulator.speakers.items() if name in inside}


async def test_no_officer_reaches_beyond_the_own_area(towns: City) -> None:
    for officer, area in ((TOWN, CITY), (TOWN, OTHER), (VILLAGER, ONE), (VILLAGER, CITY), (OTHER_TOWN, VILLAGE)):
        with pytest.raises(AreaNotGranted):
            await start(towns, alert(area), officer)
    speaker = default_id(OTHER)
    command = StartBroadcast(Kind.EMERGENCY, (ONE,), severity=Severity.RED, speakers=(speaker,))
    with pytest.raises(AreaNotGranted):
        await start(towns, command, TOWN)
    assert towns.server.broadcasts.live() == []
    assert towns.server.boards.carried == {}
    assert await towns.server.broadcasts.page() == []
    assert towns.simulator.sounding == 0


async def test_a_lower_level_takes_nothing_of_a_higher_one_away(towns: City) -> None:
    order = await start(towns, alert(CITY), OFFICER)
    await towns.all_in(order, State.SOUNDING)
    broadcasts = towns.server.broadcasts
    for officer in (TOWN, VILLAGER):
        with pytest.raises(HigherLevel):
            await broadcasts.stop(order, by=officer)
        with pytest.raises(HigherLevel):
            await broadcasts.all_clear(order, by=officer, areas=(officer.area,))
        with pytest.raises((HigherLevel, AreaNotGranted)):
            await broadcasts.update(order, alert(officer.area), by=officer)
    assert (await broadcasts.get(order)).is_live(towns.server.clock.now_ms())
    assert towns.counts(order) == {State.SOUNDING: 2 * EACH + 1}


async def test_a_township_takes_nothing_of_its_neighbour_away(towns: City) -> None:
    order = await start(towns, alert(OTHER), OTHER_TOWN)
    await towns.all_in(order, State.SOUNDING)
    with pytest.raises(AreaNotGranted):
        await towns.server.broadcasts.stop(order, by=TOWN)
    await towns.server.broadcasts.stop_all(by=TOWN)
    assert towns.counts(order) == {State.SOUNDING: EACH}


async def test_stop_all_of_a_township_ends_its_own_and_its_villages_and_leaves_the_alert_of_the_city(
    towns: City,
) -> None:
    city = await start(towns, alert(CITY, Severity.BLUE), OFFICER)
    of_town, of_village = await start(towns, alert(ONE), TOWN), await start(towns, alert(VILLAGE), VILLAGER)
    neighbour = await start(towns, alert(OTHER), OTHER_TOWN)
    await until(lambda: sounding(towns, VILLAGE) == {of_town}, "red of the township above blue of the city")
    await until(lambda: sounding(towns, OTHER) == {neighbour}, "and in the other township")
    outcome = await towns.server.broadcasts.stop_all(by=TOWN)
    assert set(outcome.ids) == {of_town, of_village}
    await until(lambda: sounding(towns, ONE) == {city}, "the city's alert is back")
    assert sounding(towns, OTHER) == {neighbour}
    await towns.all_in(of_town, State.STOPPED)
    await towns.all_in(of_village, State.CANCELLED)
    now_ms = towns.server.clock.now_ms()
    assert {one.id for one in towns.server.broadcasts.live()} == {city, neighbour}
    assert (await towns.server.broadcasts.get(city)).is_live(now_ms)


async def test_three_alerts_within_a_second_from_two_townships_and_the_city_are_accounted_for_at_every_speaker(
    towns: City,
) -> None:
    """Of one severity the higher level has the air; the others wait and come when it is over."""
    began = towns.server.clock.monotonic()
    one, city, other = await asyncio.gather(
        start(towns, alert(ONE), TOWN), start(towns, alert(CITY), OFFICER), start(towns, alert(OTHER), OTHER_TOWN)
    )
    assert towns.server.clock.monotonic() - began < 1
    await towns.all_in(city, State.SOUNDING)
    for order in (one, other):
        await towns.all_in(order, State.SCHEDULED, State.INTERRUPTED)
        assert sum(towns.counts(order).values()) == EACH
    assert sounding(towns, CITY) == {city}
    await towns.server.broadcasts.stop(city, by=OFFICER)
    await towns.all_in(city, State.STOPPED)
    await towns.all_in(one, State.SOUNDING)
    await towns.all_in(other, State.SOUNDING)
    assert (sounding(towns, ONE), sounding(towns, OTHER)) == ({one}, {other})
    await towns.server.broadcasts.stop_all(by=OFFICER)
    await towns.all_in(one, State.STOPPED)
    await towns.all_in(other, State.STOPPED)
    assert towns.simulator.sounding == 0


async def test_of_two_equal_alerts_of_one_township_the_newer_sounds_and_the_older_returns(towns: City) -> None:
    older = await start(towns, alert(ONE), TOWN)
    newer = await start(towns, alert(ONE), TOWN)
    await towns.all_in(newer, State.SOUNDING)
    await towns.all_in(older, State.SCHEDULED, State.INTERRUPTED)
    await towns.server.broadcasts.stop(newer, by=TOWN)
    await towns.all_in(older, State.SOUNDING)
    await towns.all_in(newer, State.STOPPED)


async def test_a_village_orders_in_its_own_area_and_the_township_may_end_it(towns: City) -> None:
    order = await start(towns, alert(VILLAGE), VILLAGER)
    await towns.all_in(order, State.SOUNDING)
    assert towns.counts(order) == {State.SOUNDING: 1}
    await towns.server.broadcasts.stop(order, by=TOWN)
    await towns.all_in(order, State.STOPPED)
