"""The one job, whole: officer, database, broker, speakers. The same sentences on both managed brokers."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.service.presence import Presence
from broadcast.transport.broker import ManagedBroker
from endpoints.delivery import State
from endpoints.protocol import Kind, Reason, Severity, Stage
from tests.system.city import CITY, OFFICER, RED, City, city, until

TOWN = "130281001000"
ENGINES = ("mosquitto", "amqtt")


@pytest.fixture(params=ENGINES)
async def forty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path, count=40, BROKER_ENGINE=request.param, BROKER_PERSISTENCE="false") as one:
        yield one


async def start(forty: City, command: StartBroadcast = RED) -> str:
    return (await forty.server.broadcasts.start(command, by=OFFICER)).ids[0]


async def test_every_speaker_of_the_area_sounds_and_says_so_and_no_other(forty: City) -> None:
    order = await start(forty, StartBroadcast(Kind.EMERGENCY, (TOWN,), severity=Severity.RED))
    await forty.all_in(order, State.SOUNDING)
    inside = {one.id for one in forty.server.estate.inside(TOWN)}
    assert 0 < len(inside) < 40
    assert {one.config.id for one in forty.simulator.speakers.values() if one.sounds} == inside
    assert forty.counts(order) == {State.SOUNDING: len(inside)}


@pytest.mark.alone
async def test_stop_all_silences_everything_within_a_second(forty: City) -> None:
    order = await start(forty)
    await forty.all_in(order, State.SOUNDING)
    await forty.server.broadcasts.stop_all(by=OFFICER)
    assert await until(lambda: forty.simulator.sounding == 0, "silence") < 1.0
    await forty.all_in(order, State.STOPPED)


async def test_a_broadcast_is_over_everywhere_when_its_sound_has_ended(forty: City) -> None:
    order = await start(forty, StartBroadcast(Kind.EMERGENCY, (CITY,), severity=Severity.BLUE, repeats=1))
    await forty.all_in(order, State.DONE, within_s=15)
    rows = await forty.server.store.read(lambda tx: tx.reports.of(order))
    assert {row.stage for row in rows} == {Stage.RECEIVED, Stage.SOUNDING, Stage.FINISHED}
    assert len(rows) == 3 * 40


async def test_the_same_trigger_twice_sounds_once(forty: City) -> None:
    from broadcast.service.once import OnceKey

    once = OnceKey.of("k-1", "body")
    both = await asyncio.gather(*(forty.server.broadcasts.start(RED, by=OFFICER, once=once) for _ in range(20)))
    assert len({one.ids for one in both}) == 1
    assert sum(not one.repeated for one in both) == 1
    await forty.all_in(both[0].ids[0], State.SOUNDING)


async def test_a_speaker_that_was_off_for_the_whole_alert_stays_silent_and_says_that_it_missed_it(forty: City) -> None:
    late = next(iter(forty.simulator.speakers.values()))
    late.loses_power()
    now_ms = forty.server.clock.now_ms()
    command = StartBroadcast(Kind.EMERGENCY, (CITY,), severity=Severity.RED, not_after_ms=now_ms + 10_500)
    order = await start(forty, command)
    await until(lambda: forty.server.clock.now_ms() > now_ms + 10_600, "its end", within_s=12)
    late.gets_power()
    await until(lambda: forty.server.ladder.state(order, late.config.id) is State.MISSED, "missed", within_s=10)
    assert not late.heard


async def test_a_speaker_that_comes_back_during_the_alert_sounds_it(forty: City) -> None:
    late = next(iter(forty.simulator.speakers.values()))
    late.loses_power()
    order = await start(forty)
    await until(lambda: forty.counts(order).get(State.SOUNDING) == 39, "39 sound")
    assert forty.server.ladder.state(order, late.config.id) is State.EXPECTED
    late.gets_power()
    await forty.all_in(order, State.SOUNDING)


async def test_power_lost_while_it_sounds_begins_again_when_the_alert_is_still_live(forty: City) -> None:
    order = await start(forty)
    await forty.all_in(order, State.SOUNDING)
    one = next(iter(forty.simulator.speakers.values()))
    one.loses_power()
    one.gets_power()
    await until(lambda: one.sounds == order, "it sounds again")
    rows = await forty.server.store.read(lambda tx: tx.reports.of(order, one.config.id))
    assert Reason.POWER_LOST in {row.reason for row in rows} or await _reported(forty, order, one.config.id)


async def _reported(forty: City, order: str, speaker: str) -> bool:
    for _ in range(200):
        rows = await forty.server.store.read(lambda tx: tx.reports.of(order, speaker))
        if Reason.POWER_LOST in {row.reason for row in rows}:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_the_all_clear_of_one_township_ends_that_one_and_no_other(forty: City) -> None:
    order = await start(forty)
    await forty.all_in(order, State.SOUNDING)
    await forty.server.broadcasts.all_clear(order, by=OFFICER, areas=(TOWN,), text="")
    inside = {one.id for one in forty.server.estate.inside(TOWN)}
    await until(lambda: forty.counts(order).get(State.STOPPED) == len(inside), "stopped there")
    assert forty.counts(order) == {State.STOPPED: len(inside), State.SOUNDING: 40 - len(inside)}
    assert {one.config.id for one in forty.simulator.speakers.values() if one.sounds != order} == inside


async def test_an_update_takes_the_place_of_the_old_one_without_a_double(forty: City) -> None:
    old = await start(forty)
    await forty.all_in(old, State.SOUNDING)
    new = (await forty.server.broadcasts.update(old, RED, by=OFFICER)).ids[0]
    await forty.all_in(new, State.SOUNDING)
    await forty.all_in(old, State.STOPPED)
    assert {one.sounds for one in forty.simulator.speakers.values()} == {new}


async def test_a_broken_sound_card_is_a_failure_by_name_and_not_a_green_cell(forty: City) -> None:
    silent = next(iter(forty.simulator.speakers.values()))
    silent.goes_silent()
    order = await start(forty)
    await until(lambda: forty.counts(order).get(State.SOUNDING) == 39, "39 sound")
    await until(lambda: forty.server.ladder.state(order, silent.config.id) is State.FAILED, "failed")
    rows = await forty.server.store.read(lambda tx: tx.reports.of(order, silent.config.id))
    assert (Stage.FAILED, Reason.SOUND_CARD) in {(row.stage, row.reason) for row in rows}


async def test_a_full_disk_at_the_speaker_does_not_silence_an_alert(forty: City) -> None:
    one = next(iter(forty.simulator.speakers.values()))
    one.disk_full()
    order = await start(forty)
    await forty.all_in(order, State.SOUNDING)


async def test_forged_and_impossible_reports_are_counted_and_never_believed(forty: City) -> None:
    order = await start(forty)
    await forty.all_in(order, State.SOUNDING)
    forger = next(iter(forty.simulator.speakers.values()))
    forger.forges_reports(per_s=50)
    counters = forty.server.health.counters
    await until(lambda: sum(n for name, n in counters.items() if name.startswith("reports_")) > 20, "counted")
    assert forty.counts(order) == {State.SOUNDING: 40}


@pytest.mark.alone  # ten seconds are the promise
async def test_broker_killed_at_twenty_points_of_a_broadcast(tmp_path: Path) -> None:
    """With nothing of the broker on disk: every online speaker in the right state ≤ 10 s after it listens again."""
    async with city(tmp_path, count=40, BROKER_ENGINE="mosquitto", BROKER_PERSISTENCE="false") as forty:
        broker, random = forty.server.broker, Random(7)
        assert isinstance(broker, ManagedBroker)
        for point in range(20):
            restarts = broker.child.restarts
            await asyncio.sleep(
                3.1
            )  # connections that lived shorter than this keep their back-off (mqtt_link.STABLE_S)
            order = await start(forty)
            await asyncio.sleep(0.012 * point * random.random())
            assert broker.child.pid is not None
            os.kill(broker.child.pid, signal.SIGKILL)
            stops = point % 2 == 1
            if stops:
                await forty.server.broadcasts.stop(order, by=OFFICER)
            before = restarts
            await until(lambda: broker.child.restarts > before and broker.child.running, "broker back")  # noqa: B023
            listening = time.monotonic()
            if stops:
                await until(lambda: forty.simulator.sounding == 0, "silent", within_s=10)
                await until(lambda: forty.online == 40, "all online", within_s=10)
                assert forty.simulator.sounding == 0
            else:
                await forty.all_in(order, State.SOUNDING, within_s=10)
                assert {one.sounds for one in forty.simulator.speakers.values()} == {order}
                await forty.server.broadcasts.stop(order, by=OFFICER)
                await until(lambda: forty.simulator.sounding == 0, "silent", within_s=10)
            assert time.monotonic() - listening < 20


async def test_a_trigger_while_the_broker_is_down_is_accepted_shown_as_pending_and_goes_out_by_itself(
    tmp_path: Path,
) -> None:
    async with city(tmp_path, count=10, BROKER_ENGINE="mosquitto") as ten:
        broker = ten.server.broker
        assert isinstance(broker, ManagedBroker)
        assert broker.child.pid is not None
        os.kill(broker.child.pid, signal.SIGSTOP)
        os.kill(broker.child.pid, signal.SIGKILL)
        await until(lambda: not ten.server.wire.is_up, "the server noticed")
        order = await start(ten)
        record = await ten.server.broadcasts.get(order)
        assert ten.server.boards.is_pending(record)
        assert "broker-down" in {one.name for one in ten.server.health.conditions}
        await ten.all_in(order, State.SOUNDING, within_s=15)
        assert not ten.server.boards.is_pending(record)


async def test_a_dead_speaker_is_shown_within_a_minute_without_any_word_from_the_broker(tmp_path: Path) -> None:
    """amqtt says nothing of dead peers; the silence of the heartbeat does. Real time: 50 s."""
    async with city(tmp_path, count=5, BROKER_ENGINE="mosquitto") as five:
        deaf = next(iter(five.simulator.speakers.values()))
        began = time.monotonic()
        deaf.loses_power()
        speaker = deaf.config.id
        await until(
            lambda: five.server.speakers.status(speaker).presence is Presence.OFFLINE, "shown as offline", within_s=60
        )
        assert time.monotonic() - began < 60
