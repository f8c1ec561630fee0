"""Thousands of speakers stage programmes, sound them in their time, and lack files when they are told to."""

import time
from pathlib import Path
from typing import Any

from endpoints.protocol import Part
from endpoints.simulator import Simulator
from endpoints.simulator_control import SimulatorControl, ask
from endpoints.vocabulary import Band, Fault, Kind, Reason, Stage, Tone
from tests.endpoints.county import COUNTY, a_slot, an_order, county, knows_time, now_ms, switched_on, until

RECEIVED, SOUNDING, FINISHED = Stage.RECEIVED, Stage.SOUNDING, Stage.FINISHED
FALLBACK = Part(b"f" * 32, 500, 60_000)


async def test_a_whole_county_holds_the_programme_says_so_and_sounds_it_in_its_time(tmp_path: Path) -> None:
    async with county(tmp_path, 718) as where, switched_on(where) as simulator:
        soon = a_slot("P-1", begin_ms=5_000)
        where.server.publish_programme(soon, a_slot("P-2", begin_ms=7_200_000, lasting_ms=600_000, asset=b"t" * 32))
        await until(lambda: where.server.at("P-1", SOUNDING) == 718)
        assert simulator.sounding == 718
        starts = [
            entry.at_ms - soon.not_before_ms
            for entries in where.server.entries.values()
            for entry in entries
            if entry.order == "P-1" and entry.stage is SOUNDING
        ]
        assert min(starts) >= -5
        await until(lambda: where.server.at("P-1", FINISHED) == 718)
        assert {name for entries in where.server.entries.values() for name in (e.order for e in entries)} == {"P-1"}
        whole = lambda: [one for one in where.server.stocks.values() if one.programmes and not one.lacking]  # noqa: E731
        await until(lambda: len(whole()) == 718, within_s=50)
        assert all(one.held >= 1 and one.complete_until_ms > now_ms() + 47 * 3_600_000 for one in whole())
        assert where.server.bad == {}


async def test_a_line_that_is_cut_and_a_server_that_is_dead_cost_no_programme(tmp_path: Path) -> None:
    async with county(tmp_path, 3) as where, switched_on(where) as simulator:
        where.server.publish_programme(a_slot("P-1", begin_ms=1_500), a_slot("P-2", begin_ms=4_000))
        await until(lambda: all(one.player and one.player.programmes for one in simulator.speakers.values()))
        for speaker in simulator.speakers.values():
            speaker.lost_network()
        await until(
            lambda: all([play.order.id for play in one.heard] == ["P-1", "P-2"] for one in simulator.speakers.values())
        )
        await until(lambda: simulator.sounding == 0)
        assert where.server.at("P-2", FINISHED) == 0
        for speaker in simulator.speakers.values():
            speaker.lost_network(False)
        await until(lambda: where.server.at("P-2", FINISHED) == 3)
        assert where.server.at("P-1", FINISHED) == 3


async def test_a_programme_and_its_files_outlive_the_power_and_what_sounded_does_not_sound_again(
    tmp_path: Path,
) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        later = a_slot("P-2", begin_ms=5_000, asset_ms=40_000, start_by_ms=0)
        where.server.publish_programme(a_slot("P-1"), later)
        await until(lambda: where.server.at("P-1", FINISHED) == 1)
        one.loses_power()
        one.gets_power()
        assert one.player is not None and COUNTY in one.player.programmes
        assert one.lacking == 0
        await until(lambda: knows_time(one))
        await until(lambda: where.server.at("P-2", SOUNDING) == 1)
        assert [play.order.id for play in one.heard] == ["P-1", "P-2"]


async def test_a_speaker_without_power_sounds_nothing_of_what_it_holds(tmp_path: Path) -> None:
    async with county(tmp_path, 2) as where, switched_on(where) as simulator:
        one, other = simulator.speakers.values()
        where.server.publish_programme(a_slot("P-1", begin_ms=1_500))
        await until(lambda: one.player and one.player.programmes and other.player and other.player.programmes)
        one.loses_power()
        await until(lambda: where.server.stages_of(other.config.id, "P-1")[-1:] == [FINISHED])
        assert (one.heard, one.sounds) == ([], "")


async def test_a_speaker_that_lacks_its_files_says_which_and_sounds_the_fallback(tmp_path: Path) -> None:
    async with county(tmp_path, 2) as where, switched_on(where) as simulator:
        one, other = simulator.speakers.values()
        one.lacks_files()
        where.server.publish_programme(a_slot("P-1", begin_ms=2_000), fallback=FALLBACK)
        await until(lambda: where.server.at("P-1", FINISHED) == 2)
        told = {name: [(e.stage, e.reason) for e in where.server.entries[name]] for name in simulator.speakers}
        assert (SOUNDING, Reason.FALLBACK) in told[one.config.id]
        assert told[one.config.id][-1] == (FINISHED, Reason.FALLBACK)
        assert told[other.config.id][-1] == (FINISHED, Reason.NONE)
        assert one.player is not None and one.player.faults & Fault.FILES
        await until(lambda: where.server.stocks.get(one.config.id) and where.server.stocks[one.config.id].lacking)
        assert where.server.stocks[one.config.id].lacking == (FALLBACK.asset, b"s" * 32)
        one.lacks_files(False)
        assert not one.player.faults & Fault.FILES


async def test_a_slot_whose_text_could_not_be_spoken_is_filled_or_fails_and_is_never_said_to_have_sounded(
    tmp_path: Path,
) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        empty: dict[str, Any] = {"asset": b"", "asset_bytes": 0, "asset_ms": 0, "tone": Tone.NONE}
        where.server.publish_programme(a_slot("P-1", lasting_ms=2_000, **empty), fallback=FALLBACK)
        await until(lambda: where.server.at("P-1", FINISHED) + where.server.at("P-1", Stage.STOPPED) == 1)
        assert (SOUNDING, Reason.FALLBACK) in [(e.stage, e.reason) for e in where.server.entries[one.config.id]]
        where.server.publish_programme(a_slot("P-2", **empty))
        await until(lambda: where.server.at("P-2", Stage.FAILED) == 1)
        assert where.server.entries[one.config.id][-1].reason is Reason.ASSET_MISSING


async def test_files_take_their_time_and_a_notice_waits_for_its_own_while_an_emergency_does_not(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where:
        simulator = Simulator(where.provisioning, seed=1, fetch_s=1.0)
        simulator.start()
        (one,) = simulator.speakers.values()
        await until(lambda: knows_time(one))
        file = {"asset": b"n" * 32, "asset_bytes": 9, "asset_ms": 500}
        where.server.publish(an_order("n-1", kind=Kind.NOTICE, band=Band.NOTICE, **file))
        await until(lambda: where.server.at("n-1", RECEIVED) == 1)
        assert (one.lacking, one.sounds) == (1, "")
        began = time.monotonic()
        await until(lambda: one.sounds == "n-1")
        assert time.monotonic() - began > 0.3
        where.server.publish(an_order("o-1", **{**file, "asset": b"o" * 32}))
        await until(lambda: one.sounds == "o-1")
        assert one.lacking == 1
        await simulator.stop()


async def test_what_sounds_as_silence_is_said(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        one.plays_silence()
        where.server.publish(an_order("o-1", repeats=10))
        await until(lambda: one.player is not None and one.player.faults & Fault.SILENCE)
        where.server.publish()
        await until(lambda: where.server.at("o-1", Stage.STOPPED) == 1)
        await until(lambda: one.player is not None and not one.player.faults & Fault.SILENCE)


async def test_files_and_silence_are_switched_over_the_socket_and_shown(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        path = tmp_path / "control"
        control = SimulatorControl(simulator, path)
        await control.start()
        name = next(iter(simulator.speakers))
        where.server.publish_programme(a_slot("P-1", begin_ms=600_000))
        await until(lambda: simulator.speakers[name].player.programmes)  # type: ignore[union-attr]
        assert await ask(path, {"speaker": name, "fault": "files"}) == {"ok": True, "changed": 1}
        assert await ask(path, {"speaker": name, "fault": "silence"}) == {"ok": True, "changed": 1}
        seen = await ask(path, {"ask": "speaker", "speaker": name})
        assert (seen["programmes"], seen["lacking"], seen["faults"]) == ({COUNTY: 1}, 1, int(Fault.FILES))
        await control.stop()


async def test_the_volume_of_what_sounds_changes_without_a_new_beginning(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, switched_on(where) as simulator:
        (one,) = simulator.speakers.values()
        where.server.publish(an_order("o-1", repeats=10, volume_percent=70))
        await until(lambda: one.volume_percent == 70)
        where.server.publish(an_order("o-1", repeats=10, volume_percent=85, revision=2))
        await until(lambda: one.volume_percent == 85)
        assert [play.order.id for play in one.heard] == ["o-1"]
