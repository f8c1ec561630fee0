"""What an outsider showed to be wrong once; each stays here so that it does not come back."""

import asyncio
import shutil
from pathlib import Path

import pytest

from broadcast.domain.broadcasts import InvalidRequest, StartBroadcast, day_of
from broadcast.domain.spoken import Layout, Preview, Script
from broadcast.server import Server
from broadcast.service.broadcasts import StoppedMeanwhile
from broadcast.service.ports import SpeechFailed, Spoken
from config.settings import load
from endpoints.delivery import State
from endpoints.protocol import Held, Kind, Severity
from endpoints.simulator import Simulator
from tests.system.city import CITY, OFFICER, RED, City, city, environment, some_speakers, until

TOWN, OTHER = "130281001000", "130281002000"


class SlowSpeech:
    """A voice that takes its time, or fails."""

    def __init__(self, seconds: float, *, fails: bool = False) -> None:
        self._seconds, self._fails = seconds, fails

    async def make(self, script: Script, *, urgent: bool) -> Preview:
        spoken = await self.speak(script.text, exercise=script.exercise)
        return Preview(spoken.asset, spoken.asset_bytes, spoken.asset_ms, script.text, script.text, "espeak", ())

    async def whole(self, layout: Layout) -> Spoken | None:
        return None

    async def speak(self, text: str, *, exercise: bool) -> Spoken:
        await asyncio.sleep(self._seconds)
        if self._fails:
            raise SpeechFailed("no voice")
        return Spoken(b"\1" * 32, 1_000, 2_000)


def give_voice(there: City, voice: SlowSpeech) -> None:
    there.server.broadcasts._announcer._speech = voice


async def start(there: City, command: StartBroadcast = RED) -> str:
    return (await there.server.broadcasts.start(command, by=OFFICER)).ids[0]


async def test_after_a_restored_backup_the_first_alert_sounds(tmp_path: Path) -> None:
    """The speakers hold boards of versions that the restored database has never heard of."""
    data, backup = tmp_path / "data", tmp_path / "backup"
    settings = load(environment=environment(data, BROKER_PERSISTENCE="false"))
    server = Server(settings)
    await server.start()
    await server.estate.enrol(some_speakers(server, 10), by=OFFICER)
    server.refresh_users()
    await server.stop()
    shutil.copytree(data, backup)
    server = Server(settings)
    await server.start()
    simulator = Simulator(server.provisioning(), seed=1)
    simulator.start()
    try:
        there = City(server, simulator)
        await there.all_online()
        for _ in range(5):
            await there.all_in(await start(there), State.SOUNDING)
            await server.broadcasts.stop_all(by=OFFICER)
        await until(lambda: simulator.sounding == 0, "silence")
        assert {one.player.boards[CITY].version for one in simulator.speakers.values() if one.player} == {10}
        await server.stop()
        shutil.rmtree(data)
        shutil.copytree(backup, data)
        server = Server(settings)
        await server.start()
        there = City(server, simulator)
        await there.all_online()
        await there.all_in(await start(there), State.SOUNDING)
    finally:
        await simulator.stop()
        await server.stop()


async def test_what_one_speaker_claims_to_hold_decides_nothing(tmp_path: Path) -> None:
    async with city(tmp_path, count=10) as there:
        boards, speaker = there.server.boards, "s-130281001001-1"
        for epoch in (1, boards.epoch, 2**50):
            boards.compare(speaker, False, (CITY,), {CITY: Held(CITY, epoch, 50)})
        assert "fenced-off" not in {one.name for one in there.server.health.conditions}
        await until(lambda: not boards.pending, "the board is on the broker")
        await there.all_in(await start(there), State.SOUNDING)


async def test_a_stop_while_another_officers_all_clear_is_being_spoken_stays_a_stop(tmp_path: Path) -> None:
    async with city(tmp_path, count=40) as there:
        order = await start(there)
        await there.all_in(order, State.SOUNDING)
        give_voice(there, SlowSpeech(0.3))
        clearing = asyncio.ensure_future(there.server.broadcasts.all_clear(order, by=OFFICER, areas=(TOWN,)))
        await asyncio.sleep(0.05)
        await there.server.broadcasts.stop(order, by=OFFICER)
        await asyncio.wait([clearing])
        assert clearing.exception() is not None
        await until(lambda: there.simulator.sounding == 0, "silence")
        await there.all_in(order, State.STOPPED)


async def test_two_townships_cleared_at_once_are_both_cleared(tmp_path: Path) -> None:
    async with city(tmp_path, count=60) as there:
        order = await start(there)
        await there.all_in(order, State.SOUNDING)
        broadcasts = there.server.broadcasts
        await asyncio.gather(*(broadcasts.all_clear(order, by=OFFICER, areas=(one,)) for one in (TOWN, OTHER)))
        assert set((await broadcasts.get(order)).order.excluded) == {TOWN, OTHER}


async def test_an_alert_ends_when_its_last_township_is_cleared(tmp_path: Path) -> None:
    async with city(tmp_path, count=40) as there:
        order = await start(there, StartBroadcast(Kind.EMERGENCY, (TOWN, OTHER), severity=Severity.RED))
        for one in (TOWN, OTHER):
            await there.server.broadcasts.all_clear(order, by=OFFICER, areas=(one,))
        assert (await there.server.broadcasts.get(order)).life.value == "cleared"


async def test_what_was_still_being_prepared_at_a_stop_all_is_not_sent(tmp_path: Path) -> None:
    async with city(tmp_path, count=10) as there:
        give_voice(there, SlowSpeech(0.3))
        preparing = asyncio.ensure_future(
            start(there, StartBroadcast(Kind.EMERGENCY, (CITY,), text="测试", severity=Severity.RED))
        )
        await asyncio.sleep(0.05)
        await there.server.broadcasts.stop_all(by=OFFICER)
        await asyncio.wait([preparing])
        assert isinstance(preparing.exception(), StoppedMeanwhile)
        assert there.simulator.sounding == 0


async def test_an_alert_can_be_cleared_without_a_voice(tmp_path: Path) -> None:
    async with city(tmp_path, count=10) as there:
        order = await start(there)
        await there.all_in(order, State.SOUNDING)
        give_voice(there, SlowSpeech(0, fails=True))
        outcome = await there.server.broadcasts.all_clear(order, by=OFFICER)
        await there.all_in(order, State.STOPPED)
        await there.all_in(outcome.ids[0], State.SOUNDING)


async def test_what_was_stopped_just_before_a_crash_still_gets_its_end(tmp_path: Path) -> None:
    async with city(tmp_path, count=10) as there:
        order = await start(there)
        await there.server.broadcasts.stop(order, by=OFFICER)
        there.server.ladder._dirty.clear()  # the crash comes before the derived rows are written
        there.server.ladder._unexpected.clear()
    async with city(tmp_path, count=10) as there:
        await until(lambda: sum(there.counts(order).values()) == 10, "its ladder is there")
        await until(lambda: all(state.terminal for state in there.counts(order)), "an end for each", within_s=25)


async def test_the_time_to_the_first_sound_is_measured(tmp_path: Path) -> None:
    async with city(tmp_path, count=10) as there:
        await there.all_in(await start(there), State.SOUNDING)
        assert sum(there.server.latency.first.counts) == 1


async def test_an_order_for_a_village_reaches_the_speaker_of_the_one_that_was_merged_into_it(tmp_path: Path) -> None:
    async with city(tmp_path, count=10) as there:
        estate, today = there.server.estate, day_of(there.server.clock.now_ms())
        old, new = "130281001003", "130281001002"
        merged = estate.tree.with_areas([estate.tree.area(old).retired(today, into=new)])
        await there.server.store.write(lambda tx: tx.areas.replace(merged))
        await estate.load()
        order = await start(there, StartBroadcast(Kind.EMERGENCY, (new,), severity=Severity.RED))
        await there.all_in(order, State.SOUNDING)
        assert {one.config.area for one in there.simulator.speakers.values() if one.sounds} == {old, new}
        with pytest.raises(InvalidRequest) as refused:
            await start(there, StartBroadcast(Kind.EMERGENCY, (old,), severity=Severity.RED))
        assert [one["code"] for one in refused.value.errors] == ["retired-area"]
