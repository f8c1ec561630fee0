"""Programmes whole: plan, boards, sounding, as-run log, on the real server with Mosquitto and simulated speakers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from broadcast.clock import SystemClock
from broadcast.domain.as_run import Outcome
from broadcast.domain.programmes import Pattern, Programme, Speech
from broadcast.keyring import open_keyring
from broadcast.server import Server
from broadcast.transport.broker import open_broker
from broadcast.transport.broker_config import BrokerSettings
from broadcast.transport.broker_users import server_user, speaker_user
from config.settings import load
from endpoints.arbitration import QuietHours
from endpoints.area_codes import ancestors
from endpoints.delivery import State
from endpoints.provisioning import Provisioning, SpeakerConfig
from endpoints.sealing import broker_password, speaker_key
from endpoints.simulator import Simulator
from tests.plans import HOUR_MS, beijing, once_in
from tests.system.city import CITY, OFFICER, City, ServerProcess, city, environment, some_speakers, until
from tests.system.kills import BROKER_PASSWORD, _sign_in, first_data

TOWN = "130281001000"
QUIET = {"RULES_QUIET_FROM": "00:00", "RULES_QUIET_UNTIL": "00:00"}  # routine sounds at whatever hour the tests run


@pytest.fixture
async def forty(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path, count=40, BROKER_ENGINE="mosquitto", BROKER_PERSISTENCE="false", **QUIET) as one:
        yield one


def soon(there: City, seconds: float, **other: object) -> Programme:
    """A spoken programme, so many seconds from now."""
    now_ms = there.server.clock.now_ms()
    return once_in(now_ms, seconds, **{"source": Speech("早上好。"), "loop": True, "length_min": 1, **other})


async def planned(there: City, seconds: float = 6, **other: object) -> str:
    """The id of its one occurrence."""
    saved = await there.server.programmes.add(soon(there, seconds, **other), by=OFFICER)
    return next(one.id for one in there.server.planning.boards.rows.values() if one.programme == saved.programme)


async def outcomes(there: City, order: str) -> dict[Outcome, int]:
    now_ms = there.server.clock.now_ms()
    record = there.server.planning.as_run
    runs = await record.runs(by=OFFICER, area=CITY, from_ms=now_ms - HOUR_MS, until_ms=now_ms + HOUR_MS)
    return next(dict(run.counts) for run in runs if run.broadcast.id == order)


async def come_to(there: City, order: str, expected: dict[Outcome, int], *, within_s: float = 15.0) -> None:
    """Until the record says so."""
    ends, found = time.monotonic() + within_s, await outcomes(there, order)
    while found != expected and time.monotonic() < ends:
        await asyncio.sleep(0.05)
        found = await outcomes(there, order)
    assert found == expected


async def sleep_until(there: City, at_ms: int) -> None:
    await asyncio.sleep(max(0, at_ms - there.server.clock.now_ms()) / 1000)


async def test_what_is_planned_sounds_at_its_time_everywhere_and_is_in_the_record(forty: City) -> None:
    order = await planned(forty)
    await until(lambda: forty.simulator.sounding == 40, "40 sound", within_s=15)
    await forty.all_in(order, State.SOUNDING)
    await come_to(forty, order, {Outcome.ON_TIME: 40})
    due_ms = forty.server.planning.boards.rows[order].order.not_before_ms
    started = [row.started_ms - due_ms for row in forty.server.ladder.rows(order) or ()]
    assert max(started) < 500
    statuses = [forty.server.speakers.status(name) for name in forty.simulator.speakers]
    await until(lambda: {one.on_air for one in statuses} == {order}, "on the wall", within_s=25)


async def test_speakers_say_what_they_hold_before_its_time(forty: City) -> None:
    await planned(forty, 3_600)
    staging = forty.server.planning.staging
    names = list(forty.simulator.speakers)

    def complete() -> int:
        return sum(staging.shelf(forty.server.estate.speaker(name)).complete for name in names)

    await until(lambda: complete() == 40, "all complete", within_s=45)
    assert sum(line.unknown for line in staging.townships(CITY)) == 0


async def test_an_edit_is_live_without_a_restart_and_only_the_new_time_sounds(forty: City) -> None:
    saved = await forty.server.programmes.add(soon(forty, 16), by=OFFICER)
    first = next(iter(forty.server.planning.boards.rows))
    await forty.server.programmes.change(saved.programme, soon(forty, 7), by=OFFICER, revision=1)
    await until(lambda: forty.simulator.sounding == 40, "40 sound", within_s=12)
    sounds = {one.sounds for one in forty.simulator.speakers.values()}
    assert first not in sounds and len(sounds) == 1
    await asyncio.sleep(11)
    assert all(play.order.id != first for one in forty.simulator.speakers.values() for play in one.heard)


async def test_a_stopped_occurrence_is_silent_within_a_second_and_the_record_says_by_whom(forty: City) -> None:
    order = await planned(forty)
    await forty.all_in(order, State.SOUNDING, within_s=15)
    await forty.server.broadcasts.stop(order, by=OFFICER)
    assert await until(lambda: forty.simulator.sounding == 0, "silence") < 1.0
    await come_to(forty, order, {Outcome.STOPPED: 40})
    assert (await forty.server.broadcasts.get(order)).ended_by == OFFICER.name
    assert not [one for one in forty.server.health.conditions if one.name.startswith("programme")]


async def test_two_levels_share_a_slot_and_every_speaker_is_accounted_for(forty: City) -> None:
    pattern = soon(forty, 9).pattern
    county = await planned(forty, title="县台", pattern=pattern)
    local = await planned(forty, title="镇台", areas=(TOWN,), owner=TOWN, pattern=pattern)
    inside = {one.id for one in forty.server.estate.inside(TOWN)}

    def sounds(order: str) -> set[str]:
        return {one.config.id for one in forty.simulator.speakers.values() if one.sounds == order}

    await until(lambda: len(sounds(county)) + len(sounds(local)) == 40, "40 sound", within_s=15)
    assert sounds(local) == inside
    await come_to(forty, local, {Outcome.ON_TIME: len(inside)})
    assert await outcomes(forty, county) == {Outcome.ON_TIME: 40 - len(inside), Outcome.UNKNOWN: len(inside)}


async def test_a_broken_card_is_an_alarm_of_one_line_and_ends_with_the_next_good_run(forty: City) -> None:
    broken = list(forty.simulator.speakers.values())[:7]
    for one in broken:
        one.goes_silent()
    order = await planned(forty)
    await come_to(forty, order, {Outcome.ON_TIME: 33, Outcome.FAILED: 7})

    def alarms() -> dict[str, str]:
        found = [one for one in forty.server.health.conditions if one.name.startswith("programme")]
        return {one.name: one.facts["speakers"] for one in found}

    await until(lambda: alarms() == {"programme-silent": "7"}, "the alarm")
    for one in broken:
        one.goes_silent(False)
    again = await planned(forty)
    await forty.all_in(again, State.SOUNDING, within_s=15)
    await until(lambda: alarms() == {}, "no alarm")


# ---- the server dead, the line cut ------------------------------------------------------------------------------------------


class DayClock(SystemClock):
    """Real time that can leap, for the server."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)

    def now_us(self) -> int:
        return super().now_us() + int(self.ahead_s * 1_000_000)


async def test_a_day_without_a_network_costs_no_programme(tmp_path: Path) -> None:
    """Three slots of the coming day, in which no speaker hears anything of the server; then the line is back."""
    clock = DayClock()
    server = Server(load(environment=environment(tmp_path / "data", BROKER_ENGINE="mosquitto", **QUIET)), clock=clock)
    await server.start()
    try:
        await server.estate.enrol(some_speakers(server, 20), by=OFFICER)
        server.refresh_users()
        simulator = Simulator(server.provisioning(), seed=1)
        simulator.start()
        there = City(server, simulator)
        try:
            await there.all_online()
            await _a_day(there, clock)
        finally:
            await simulator.stop()
    finally:
        await server.stop()


async def _a_day(there: City, clock: DayClock) -> None:
    server, speakers = there.server, list(there.simulator.speakers.values())
    hours = (2, 9, 23)
    times = tuple(beijing(clock.now_ms() + hour * HOUR_MS).time().replace(microsecond=0) for hour in hours)
    today = beijing(clock.now_ms()).date()
    draft = soon(there, 0)
    await server.programmes.add(replace(draft, pattern=Pattern(times, today)), by=OFFICER)
    due = sorted(one.order.not_before_ms for one in server.planning.boards.rows.values())[:3]
    orders = {one.order.not_before_ms: one.id for one in server.planning.boards.rows.values()}
    await until(lambda: all(one.player and len(one.player.programmes) >= 1 for one in speakers), "all hold it")
    for one in speakers:
        one.lost_network()
    for at_ms in due:
        leap_s = (at_ms - clock.now_ms()) / 1000 - 2
        clock.ahead_s += leap_s
        for one in speakers:
            one.wrong_clock(0, jump_ms=leap_s * 1_000)
        await until(
            lambda at=at_ms: all(one.sounds == orders[at] for one in speakers), f"{orders[at_ms]} sounds", within_s=6
        )  # type: ignore[misc]
    for one in speakers:
        one.lost_network(False)
    for at_ms in due:
        order = orders[at_ms]
        await until(lambda order=order: server.ladder.knows(order), "its ladder", within_s=20)  # type: ignore[misc]
        await until(
            lambda order=order: _states(server, order) <= {State.SOUNDING, State.STOPPED, State.DONE},
            "told",
            within_s=20,
        )  # type: ignore[misc]
        rows = server.ladder.rows(order) or ()
        assert len(rows) == 20 and all(abs(row.started_ms - at_ms) < 1_000 for row in rows)


def _states(server: Server, order: str) -> set[State]:
    return {row.state for row in server.ladder.rows(order) or ()}


@asynccontextmanager
async def apart(
    folder: Path, *, count: int = 12
) -> AsyncIterator[tuple[ServerProcess, Simulator, aiohttp.ClientSession]]:
    """Broker, speakers, and the server as a process that can be killed; an officer is signed in."""
    data = folder / "data"
    data.mkdir(parents=True)
    keyring = open_keyring(
        data / "keys", county="130281", algorithm="ed25519", key_days=100, now_ms=SystemClock().now_ms()
    )
    speakers = await first_data(data, count)
    master = keyring.master
    users = [server_user("lianbo", BROKER_PASSWORD)]
    users += [speaker_user(s.id, broker_password(master, s.id), (s.area, *ancestors(s.area))) for s in speakers]
    broker = open_broker(BrokerSettings(folder=folder / "broker", engine="mosquitto"), users)
    await broker.start()
    address = broker.address("lianbo", BROKER_PASSWORD)
    configs = [
        SpeakerConfig(s.id, s.area, speaker_key(master, s.id), broker_password(master, s.id), quiet=QuietHours(0, 0))
        for s in speakers
    ]
    simulator = Simulator(Provisioning(address.host, address.port, keyring.trusted, tuple(configs)), seed=1)
    simulator.start()
    settings = {"BROKER_ENGINE": "external", "BROKER_HOST": address.host, "BROKER_PORT": address.port}
    server = ServerProcess(folder, **settings, BROKER_PASSWORD=BROKER_PASSWORD, **QUIET)
    await server.start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            await server.ready(session)
            await _sign_in(session, server.url)
            yield server, simulator, session
    finally:
        await server.stop()
        await simulator.stop()
        await broker.stop()


def body(seconds: float) -> dict[str, object]:
    at = beijing(SystemClock().now_ms() + int(seconds * 1_000))
    pattern = {"times": [at.time().replace(microsecond=0).isoformat()], "first": at.date().isoformat()}
    source = {"kind": "speech", "text": "早上好。"}
    return {"title": "早间", "areas": [CITY], "length_min": 1, "loop": True, "pattern": pattern, "source": source}


async def recorded(session: aiohttp.ClientSession, url: str, counts: dict[str, int], *, within_s: float = 15) -> None:
    """Until the as-run log says so."""
    ends, found = time.monotonic() + within_s, []
    while time.monotonic() < ends:
        async with session.get(f"{url}/api/v1/as-run") as answer:
            found = (await answer.json())["items"]
        if found and found[0]["counts"] == counts:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(found)


async def test_a_dead_server_costs_no_programme_and_the_record_is_whole_after_its_start(tmp_path: Path) -> None:
    async with apart(tmp_path) as (server, simulator, session):
        async with session.post(f"{server.url}/api/v1/programmes", json=body(9)) as answer:
            assert answer.status == 201, await answer.text()
        speakers = list(simulator.speakers.values())
        await until(lambda: all(one.player and one.player.programmes for one in speakers), "all hold it")
        await server.kill()
        await until(lambda: simulator.sounding == 12, "all sound without a server", within_s=15)
        starts = [sum(play.from_ms == 0 for play in one.heard) for one in speakers]
        assert starts == [1] * 12
        await asyncio.sleep(2)
        await server.start()
        await server.ready(session)
        await recorded(session, server.url, {"on-time": 12})
        assert [sum(play.from_ms == 0 for play in one.heard) for one in speakers] == [1] * 12


async def test_killed_the_moment_after_it_was_saved_it_sounds_all_the_same(tmp_path: Path) -> None:
    async with apart(tmp_path) as (server, simulator, session):
        async with session.post(f"{server.url}/api/v1/programmes", json=body(12)) as answer:
            assert answer.status == 201
        await server.kill()
        await server.start()
        await server.ready(session)
        await until(lambda: simulator.sounding == 12, "all sound", within_s=20)
        await recorded(session, server.url, {"on-time": 12})
