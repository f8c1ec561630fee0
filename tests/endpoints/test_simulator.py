import asyncio
import signal
import sys
from pathlib import Path

import pytest

from endpoints.protocol import board_topic
from endpoints.provisioning import write_provisioning
from endpoints.simulated_parts import SimulatedClock
from endpoints.simulator import SimulatedSpeaker, Simulator
from endpoints.simulator_control import BadCommand, SimulatorControl, ask
from endpoints.simulator_program import TooFewFiles, make_room_for
from endpoints.vocabulary import Fault, Kind, Reason, Stage
from tests.endpoints.county import COUNTY, County, an_order, county, knows_time, switched_on, until

RECEIVED, SOUNDING, FINISHED = Stage.RECEIVED, Stage.SOUNDING, Stage.FINISHED
FAILED, STOPPED, MISSED, INTERRUPTED = Stage.FAILED, Stage.STOPPED, Stage.MISSED, Stage.INTERRUPTED


def reason_of(where: County, speaker: str, order: str) -> list[tuple[Stage, Reason]]:
    return [(entry.stage, entry.reason) for entry in where.server.entries.get(speaker, []) if entry.order == order]


def first_two(simulator: Simulator) -> tuple[SimulatedSpeaker, SimulatedSpeaker]:
    """The one that gets the fault, and a witness that does not."""
    one, other, *_ = simulator.speakers.values()
    return one, other


async def test_a_whole_county_takes_a_board_and_reports_that_it_sounds(tmp_path: Path) -> None:
    async with county(tmp_path, 718) as where, switched_on(where) as simulator:
        assert simulator.connected == 718
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 718)
        assert where.server.at("o-1", RECEIVED) == 718
        assert simulator.sounding == 718
        await until(lambda: where.server.at("o-1", FINISHED) == 718)
        told = [where.server.stages_of(name, "o-1") for name in simulator.speakers]
        without_wait = [[stage for stage in stages if stage is not Stage.SCHEDULED] for stages in told]
        assert without_wait == [[RECEIVED, SOUNDING, FINISHED]] * 718  # a clock some ms behind says SCHEDULED first
        assert where.server.bad == {}


async def test_an_order_that_leaves_the_board_falls_silent_everywhere(tmp_path: Path) -> None:
    async with county(tmp_path, 30) as where, switched_on(where) as simulator:
        where.server.publish(an_order("o-1", repeats=10))
        await until(lambda: simulator.sounding == 30)
        where.server.publish()
        await until(lambda: where.server.at("o-1", STOPPED) == 30)
        assert simulator.sounding == 0


async def test_all_come_back_after_the_broker_was_killed_and_forgot_everything(tmp_path: Path) -> None:
    async with county(tmp_path, 718) as where, switched_on(where) as simulator:
        where.kill_broker()
        await until(lambda: simulator.connected == 0)
        await until(lambda: simulator.connected == 718)
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 718)


async def test_a_silent_speaker_says_that_its_sound_card_fails(tmp_path: Path) -> None:
    async with county(tmp_path, 2) as where, switched_on(where) as simulator:
        one, other = first_two(simulator)
        one.goes_silent()
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.stages_of(one.config.id, "o-1")[-1:] == [FAILED])
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)
        assert reason_of(where, one.config.id, "o-1")[-1] == (FAILED, Reason.SOUND_CARD)
        assert one.heard == []
        assert one.player is not None and one.player.faults & Fault.SOUND
        assert other.sounds == "o-1"


async def test_a_sound_card_that_breaks_under_an_order_fails_it_at_once_and_plays_the_next_when_whole(
    tmp_path: Path,
) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        where.server.publish(an_order("o-1", repeats=10))
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)
        one.goes_silent()
        await until(lambda: where.server.at("o-1", FAILED) == 1)
        one.goes_silent(False)
        where.server.publish(an_order("o-2"))
        await until(lambda: where.server.at("o-2", SOUNDING) == 1)


async def test_a_deaf_speaker_is_online_and_hears_nothing(tmp_path: Path) -> None:
    async with county(tmp_path, 2) as where, switched_on(where) as simulator:
        one, _ = first_two(simulator)
        one.goes_deaf()
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)
        assert one.connected
        assert where.server.stages_of(one.config.id, "o-1") == []
        one.goes_deaf(False)
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 2)


async def test_a_slow_speaker_sounds_that_much_later(tmp_path: Path) -> None:
    async with county(tmp_path, 2) as where, switched_on(where) as simulator:
        one, _ = first_two(simulator)
        one.goes_slow(0.5)
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 2)
        (slow,), (quick,) = (
            [e.at_ms for e in where.server.entries[speaker.config.id] if e.stage is SOUNDING]
            for speaker in first_two(simulator)
        )
        assert slow - quick >= 400


async def test_a_wrong_clock_shows_in_the_times_of_its_reports_and_is_noticed_at_the_next_answer(
    tmp_path: Path,
) -> None:
    async with county(tmp_path, 2) as where, switched_on(where) as simulator:
        one, other = first_two(simulator)
        one.wrong_clock(0.0, jump_ms=10_000)
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 2)
        times = {name: where.server.entries[name][0].at_ms for name in simulator.speakers}
        assert 9_000 < times[one.config.id] - times[other.config.id] < 11_000
        await until(lambda: one.player is not None and one.player.faults & Fault.CLOCK)


async def test_power_that_fails_in_an_emergency_and_returns_lets_it_sound_again_after_a_fresh_time(
    tmp_path: Path,
) -> None:
    async with county(tmp_path, 2) as where, switched_on(where) as simulator:
        one, other = first_two(simulator)
        where.server.publish(an_order("o-1", repeats=10))
        await until(lambda: where.server.at("o-1", SOUNDING) == 2)
        one.loses_power()
        await until(lambda: where.server.gone == [one.config.id])
        assert one.sounds == ""
        assert other.sounds == "o-1"

        where.server.answers = False
        one.gets_power()
        await until(lambda: one.connected and one.player is not None and COUNTY in one.player.boards)
        assert one.player is not None
        assert (one.player.on_air, knows_time(one)) == ("", False)

        where.server.answers = True
        await until(lambda: one.sounds == "o-1")
        assert [play.order.id for play in one.heard] == ["o-1", "o-1"]
        await until(lambda: where.server.stages_of(one.config.id, "o-1").count(SOUNDING) == 2)
        assert (INTERRUPTED, Reason.POWER_LOST) in reason_of(where, one.config.id, "o-1")


async def test_power_that_returns_after_the_end_lets_it_stay_silent(tmp_path: Path) -> None:
    async with county(tmp_path, 2) as where, switched_on(where) as simulator:
        one, _ = first_two(simulator)
        one.loses_power()
        where.server.publish(an_order("o-1", lasting_ms=500, repeats=10))
        await until(lambda: where.server.at("o-1", STOPPED) == 1)
        one.gets_power()
        await until(lambda: where.server.at("o-1", MISSED) == 1)
        assert reason_of(where, one.config.id, "o-1")[-1] == (MISSED, Reason.WAS_OFF)
        assert one.heard == []


async def test_what_sounded_is_not_sounded_again_after_power_returns(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        where.server.publish(an_order("o-1", kind=Kind.EMERGENCY))
        await until(lambda: where.server.at("o-1", FINISHED) == 1)
        one.loses_power()
        one.gets_power()
        await until(lambda: knows_time(one))
        where.server.publish(an_order("o-1"), an_order("o-2"))
        await until(lambda: where.server.at("o-2", SOUNDING) == 1)
        assert [play.order.id for play in one.heard] == ["o-1", "o-2"]


async def test_a_full_disk_does_not_keep_it_from_warning_but_lets_it_forget(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        one.disk_full()
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)
        assert one.player is not None and one.player.faults & Fault.DISK
        one.disk_full(False)
        where.server.publish()
        await until(lambda: one.player is not None and not one.player.faults & Fault.DISK)


async def test_a_lost_line_does_not_stop_what_sounds_and_what_happened_is_reported_afterwards(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)
        one.lost_network()
        await until(lambda: one.config.id in where.server.gone)
        assert (one.connected, one.sounds) == (False, "o-1")
        await until(lambda: one.sounds == "")
        assert where.server.at("o-1", FINISHED) == 0
        one.lost_network(False)
        await until(lambda: where.server.at("o-1", FINISHED) == 1)


async def test_power_without_a_line_waits_for_the_line(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        one.loses_power()
        one.lost_network()
        one.gets_power()
        assert one.has_power and not one.connected
        one.lost_network(False)
        await until(lambda: knows_time(one))


async def test_forged_reports_reach_the_server_only_under_its_own_name_and_are_not_believed(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        one.forges_reports(per_s=200)
        await until(lambda: where.server.bad.total() >= 6 and where.server.at("forged-order", FINISHED))
        one.forges_reports(0)
        assert where.server.bad["another's name"] >= 3
        assert where.server.bad["unreadable"] + where.server.bad["not authentic"] >= 3
        assert set(where.server.entries) == {one.config.id}


async def test_boards_that_nobody_signed_are_counted_by_all_and_verified_once(tmp_path: Path) -> None:
    async with county(tmp_path, 30) as where, switched_on(where) as simulator:
        frame = where.server.publish(an_order("o-1"))
        await until(lambda: simulator.sounding == 30)
        where.server.link.publish(board_topic("eb/v1", COUNTY), frame[:-1] + bytes([frame[-1] ^ 1]), 1)
        players = [speaker.player for speaker in simulator.speakers.values()]
        await until(lambda: [p.refusals.not_authentic for p in players if p] == [1] * 30)
        assert simulator.sounding == 30


async def test_faults_are_switched_from_another_process_over_a_socket(tmp_path: Path) -> None:
    async with county(tmp_path, 3) as where, switched_on(where) as simulator:
        path = tmp_path / "control"
        control = SimulatorControl(simulator, path)
        await control.start()
        assert path.stat().st_mode & 0o777 == 0o600
        names = list(simulator.speakers)
        assert await ask(path, {"ask": "status"}) == {"ok": True, "speakers": 3, "connected": 3, "sounding": 0}
        assert await ask(path, {"speaker": names[0], "fault": "silent"}) == {"ok": True, "changed": 1}
        assert await ask(path, {"speaker": names[1:], "fault": "power", "on": True}) == {"ok": True, "changed": 2}
        assert simulator.connected == 1
        assert await ask(path, {"speaker": "*", "fault": "power", "on": False}) == {"ok": True, "changed": 3}
        seen = await ask(path, {"ask": "speaker", "speaker": names[0]})
        assert (seen["power"], seen["faults"]) == (True, int(Fault.SOUND))
        await control.stop()
        assert not path.exists()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ({"speaker": "s-nobody", "fault": "silent"}, "not here"),
        ({"speaker": [], "fault": "silent"}, "nobody is meant"),
        ({"fault": "silent"}, "not here"),
        ({"speaker": "*", "fault": "sad"}, "a fault is one of silent, deaf"),
        ({"speaker": "*", "fault": "slow", "seconds": "5"}, "seconds is not a number"),
        ({"speaker": "*", "fault": "clock", "drift_ms_per_s": -1000}, "runs backwards"),
        ({"speaker": "*", "fault": "silent", "on": 1}, "neither true nor false"),
        ({"speaker": "*", "fault": "silent", "onn": True}, "silent has no 'onn'"),
        ({"ask": "everything"}, "status or speaker"),
    ],
)
async def test_a_command_that_means_nothing_changes_nothing_and_says_why(
    tmp_path: Path, command: dict[str, object], sentence: str
) -> None:
    async with county(tmp_path, 1) as where:
        simulator = Simulator(where.provisioning)
        control = SimulatorControl(simulator, tmp_path / "control")
        await control.start()
        with pytest.raises(BadCommand, match=sentence):
            await ask(tmp_path / "control", command)
        await control.stop()


def test_a_clock_that_would_run_backwards_is_refused() -> None:
    clock = SimulatedClock()
    before = clock.now()
    with pytest.raises(ValueError, match="does not go forward"):
        clock.run_wrong(drift_ms_per_s=-1000, jump_ms=0)
    clock.run_wrong(drift_ms_per_s=1_000_000, jump_ms=5_000)
    assert clock.now() >= before + 5
    assert clock.seconds_until(clock.now() + 1001) == pytest.approx(1, abs=0.1)


def test_more_speakers_than_the_system_allows_files_are_refused() -> None:
    with pytest.raises(TooFewFiles, match="ulimit -n"):
        make_room_for(1 << 40)
    make_room_for(1)


async def test_the_program_simulates_a_file_is_broken_from_the_command_line_and_leaves_in_an_orderly_way(
    tmp_path: Path,
) -> None:
    async with county(tmp_path, 5) as where:
        write_provisioning(tmp_path / "speakers.json", where.provisioning)
        control = str(tmp_path / "control")
        child = await command("simulate", str(tmp_path / "speakers.json"), "--control", control)
        await until(lambda: len(where.server.hellos) == 5)
        broken = await command("fault", "silent", "s-00000", "s-00001", "--control", control)
        assert await broken.wait() == 0
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 3)
        await until(lambda: where.server.at("o-1", FAILED) == 2)
        child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(child.wait(), 10) == 0
        assert where.server.gone == []
        refused = await command("fault", "silent", "*", "--control", control)
        assert await refused.wait() == 1


async def command(name: str, *arguments: str) -> asyncio.subprocess.Process:
    main = "import sys, typer; from broadcast.cli import speaker; typer.run(getattr(speaker, sys.argv.pop(1)))"
    return await asyncio.create_subprocess_exec(sys.executable, "-c", main, name, *arguments)
