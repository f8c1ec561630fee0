"""What a real speaker sounds of a live stream, to the sample, in virtual time: real packets and sound, a line that fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest

from audio_assets.codec import decode
from audio_assets.live_codec import LiveDecoder, LiveEncoder
from audio_assets.pcm import FRAME_BYTES, SILENT_FRAME
from audio_assets.tones import ToneId, tone
from endpoints.effects import Wanted
from endpoints.jitter import PREROLL_FRAMES
from endpoints.live_output import LiveOutput, hold_tone
from endpoints.live_packets import FRAME_US, LAST, Packet, StreamHead, head_topic, live_topic, seal_head, seal_packet
from endpoints.protocol import LIVE_ROOT, Band, Kind, Order, Reason, Tone
from endpoints.sealing import TrustStore
from endpoints.time_line import TimeLine
from tests.correlation import Samples, find, samples
from tests.endpoints.rig import VILLAGE, Authority
from tests.endpoints.studio import NOON_MS, Studio, Tape, an_order, studio, tape
from tests.virtual_time import run

NOON_US = NOON_MS * 1_000
DELAY_MS = 200
SERVER = Authority("county")
STRANGER = Authority("stranger", highest_band=Band.NOTICE)  # a key that is trusted, elsewhere
STREAM = 7
LOST = Reason.STREAM_LOST


def an_order_for(stream: int = STREAM, name: str = "o-live", **other: object) -> Order:
    order = replace(an_order(name), kind=Kind.LIVE, band=Band.LIVE_COMMAND, stream=stream, tone=Tone.NONE)
    return replace(order, **other)  # type: ignore[arg-type]


@cache
def speech(seed: int = 5) -> tuple[tuple[bytes, ...], Samples]:
    """Forty seconds as frames, and what a decoder makes of them that hears all."""
    frames = tuple(LiveEncoder().encode(tape(40, seed).pcm.data))
    decoder = LiveDecoder()
    return frames, samples(b"".join(decoder.decode(frame) or SILENT_FRAME for frame in frames))


@dataclass
class Line:
    """A speaker's connection as far as live sound needs one; what is published comes `late_s` afterwards."""

    loop: asyncio.AbstractEventLoop
    late_s: float = 0.01
    cut: bool = False
    clock: Callable[[float], int | None] | None = None

    def __post_init__(self) -> None:
        self.opened = self.loop.time()
        self.handlers: dict[str, Callable[[bytes], None]] = {}
        self.retained: dict[str, bytes] = {}

    def time_us(self) -> int | None:
        return NOON_US + round((self.loop.time() - self.opened) * 1e6)

    def listen(self, topic: str, handler: Callable[[bytes], None], *, qos: int = 0) -> None:
        self.handlers[topic] = handler
        if topic in self.retained:
            self.loop.call_later(self.late_s, self._deliver, topic, self.retained[topic])

    def unlisten(self, topic: str) -> None:
        del self.handlers[topic]

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, late_s: float = 0.0) -> None:
        if retain:
            self.retained[topic] = payload
        if not self.cut:
            self.loop.call_later(self.late_s + late_s, self._deliver, topic, payload)

    def _deliver(self, topic: str, payload: bytes) -> None:
        if topic in self.handlers:
            self.handlers[topic](payload)


class Station:
    """A server that speaks live, from some time on."""

    def __init__(
        self, line: Line, *, stream: int = STREAM, order: str = "o-live", by: Authority = SERVER, seed: int = 5
    ) -> None:
        self.line, self.stream, self.order, self.by = line, stream, order, by
        self.frames, self.samples = speech(seed)
        self.began_us = 0
        self.task: asyncio.Task[None] | None = None
        self.loses: Callable[[int], bool] = lambda seq: False
        self.late_s: Callable[[int], float] = lambda seq: 0.0

    def head(self, **other: object) -> None:
        head = StreamHead(self.order, self.stream, 3, DELAY_MS, self.began_us, 1)
        sealed = seal_head(replace(head, **other), exercise=False, signer=self.by.signer)  # type: ignore[arg-type]
        self.line.publish(head_topic(LIVE_ROOT, self.stream), sealed, retain=True)

    def begin(self, seconds: float = 40.0, *, last: bool = False) -> None:
        self.began_us = self.line.time_us() or 0
        self.head()
        self.task = asyncio.create_task(self._speak(round(seconds * 1e6 / FRAME_US / 3), last=last))

    async def _speak(self, packets: int, *, last: bool) -> None:
        loop, began = self.line.loop, self.line.loop.time()
        for seq in range(packets):
            await asyncio.sleep(began + (seq + 1) * 0.06 - loop.time())
            flags = LAST if last and seq == packets - 1 else 0
            media_us = self.began_us + seq * 3 * FRAME_US
            packet = Packet(self.stream, seq, media_us, self.frames[seq * 3 : seq * 3 + 3], flags)
            if not self.loses(seq):
                sealed = seal_packet(packet, exercise=False, signer=self.by.signer)
                self.line.publish(live_topic(LIVE_ROOT, self.stream), sealed, late_s=self.late_s(seq))


@asynccontextmanager
async def stage(folder: Path, *held: Tape) -> AsyncIterator[tuple[Studio, Line, Station]]:
    """A speaker that has been on for a second, and a server that has said nothing yet."""
    line = Line(asyncio.get_running_loop())
    live = LiveOutput(TrustStore((SERVER.key, STRANGER.key)), area=VILLAGE)
    live.attach(line)
    async with studio(folder, held=held, live=live) as made:
        await asyncio.sleep(1)
        station = Station(line)
        yield made, line, station
        if station.task is not None:
            station.task.cancel()


def test_each_sample_leaves_the_loudspeaker_so_long_after_it_was_captured_and_no_sample_earlier(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            told = made.play(an_order_for())
            await asyncio.sleep(0.337)
            began_ms = made.now_ms
            station.begin(10, last=True)
            await asyncio.sleep(11)
            assert told.words == [("started", Reason.NONE), ("finished", Reason.NONE)]
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            heard = made.heard()
            assert began_ms == 1_337
            assert np.abs(heard[due - 9_600 : due]).max() == 0
            assert np.array_equal(heard[due + 960 : due + 480_000], station.samples[960:480_000])

    run(story())


@pytest.mark.parametrize("at_ms", [1_507, 1_519, 1_520])
def test_an_order_that_begins_inside_a_frame_is_in_step_all_the_same(tmp_path: Path, at_ms: int) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            made.play(an_order_for(), at_ms=NOON_MS + at_ms)
            await asyncio.sleep(0.7)
            station.begin(5)
            await asyncio.sleep(4)
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            assert np.array_equal(made.heard()[due + 960 : due + 144_000], station.samples[960:144_000])

    run(story())


def test_its_tone_sounds_first_and_then_what_is_being_said(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            station.begin()
            made.play(an_order_for(tone=Tone.CHIME))
            await asyncio.sleep(5)
            chime = samples(tone(ToneId.CHIME).data)
            at = find(chime, made.heard(1_000)).at
            assert at < 2 * 960
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            now = 48_000 + at + chime.size + (PREROLL_FRAMES + 2) * 960
            error = made.heard()[now : now + 48_000] - station.samples[now - due : now - due + 48_000]
            assert np.sqrt(np.mean(error**2)) < 12

    run(story())


def test_who_joins_late_is_in_step_with_the_others_and_sounds_within_half_a_second(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            station.begin()
            await asyncio.sleep(5.013)
            made.play(an_order_for())
            await asyncio.sleep(3)
            heard = made.heard()
            first = int(np.flatnonzero(np.abs(heard) > 200)[0])
            assert 6_013 * 48 < first < 6_513 * 48
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            piece = slice(first + 4_800, first + 96_000)
            error = heard[piece] - station.samples[piece.start - due : piece.stop - due]
            assert np.sqrt(np.mean(error**2)) < 12, "its decoder has heard 80 ms before anybody else did"

    run(story())


def test_nothing_is_listened_to_but_what_sounds(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, line, station):
            assert line.handlers == {}
            made.play(an_order_for())
            assert set(line.handlers) == {"eb/v1/live/00000007", "eb/v1/live/00000007/head"}
            station.begin()
            await asyncio.sleep(1)
            made.play(an_order_for(8, "o-next"))
            assert set(line.handlers) == {"eb/v1/live/00000008", "eb/v1/live/00000008/head"}
            made.output.stop("o-next")
            assert line.handlers == {}

    run(story())


def test_several_streams_one_after_the_other(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, line, station):
            station.begin()
            other = Station(line, stream=8, order="o-next", seed=6)
            other.begin()
            made.play(an_order_for())
            await asyncio.sleep(2)
            made.play(an_order_for(8, "o-next"))
            await asyncio.sleep(2)
            made.play(an_order_for())
            await asyncio.sleep(2)
            for at_ms, wanted in ((1_600, station), (3_600, other), (5_600, station)):
                assert find(made.heard(at_ms, at_ms + 1_000), wanted.samples).score > 0.98
            assert other.task is not None
            other.task.cancel()

    run(story())


def test_a_lost_packet_is_covered_and_a_second_one_is_silence(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            station.loses = lambda seq: seq in (30, 60, 61, 62)
            made.play(an_order_for())
            station.begin()
            await asyncio.sleep(6)
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            heard = made.heard()
            covered = heard[due + 30 * 2_880 : due + 31 * 2_880]
            assert np.abs(covered[:960]).max() > 1_000
            assert np.abs(covered[-96:]).max() < 100
            assert np.abs(heard[due + 61 * 2_880 : due + 63 * 2_880]).max() == 0
            for seq in (32, 65):
                piece = slice(seq * 2_880, seq * 2_880 + 24_000)
                error = heard[due + piece.start : due + piece.stop] - station.samples[piece]
                assert np.sqrt(np.mean(error**2)) < 400, "the decoder has missed something, and comes back"

    run(story())


def test_packets_that_overtake_each_other_are_heard_in_their_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            chance = Random(3)
            station.late_s = lambda seq: chance.random() * 0.12
            made.play(an_order_for())
            station.begin()
            await asyncio.sleep(6)
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            assert np.array_equal(made.heard()[due + 960 : due + 240_000], station.samples[960:240_000])

    run(story())


def test_a_cut_of_four_seconds_is_held_and_the_voice_comes_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, line, station):
            told = made.play(an_order_for())
            station.begin()
            await asyncio.sleep(3)
            line.cut = True
            await asyncio.sleep(4)
            line.cut = False
            await asyncio.sleep(3)
            assert told.words == [("started", Reason.NONE)]
            assert np.abs(made.heard(4_500, 7_000)).max() == 0
            beep = samples(hold_tone().data)[:7_200]
            assert find(beep, made.heard(7_100, 8_000)).score > 0.9
            assert find(made.heard(9_000, 10_500), station.samples).score > 0.98

    run(story())


def test_a_cut_of_twelve_seconds_is_a_lost_stream(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, line, station):
            told = made.play(an_order_for())
            station.begin()
            await asyncio.sleep(3)
            line.cut = True
            await asyncio.sleep(12)
            assert told.words == [("started", Reason.NONE), ("failed", LOST)]
            lost_ms = told.said[-1][0]
            assert 13_900 < lost_ms < 14_400, "ten seconds after the last sound"
            assert line.handlers == {}

    run(story())


def test_a_stream_that_never_comes_is_lost_after_ten_seconds_of_waiting(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, _station):
            told = made.play(an_order_for(tone=Tone.CHIME))
            await asyncio.sleep(13)
            assert told.words == [("started", Reason.NONE), ("failed", LOST)]
            assert 12_500 < told.said[-1][0] < 12_700

    run(story())


def a_relay(**other: object) -> Order:
    return replace(an_order("o-live"), stream=STREAM, tone=Tone.NONE, **other)  # type: ignore[arg-type]


def test_a_relay_that_dies_is_filled_by_the_fallback_and_comes_back_in_step(tmp_path: Path) -> None:
    filler = tape(5, 3)

    async def story() -> None:
        async with stage(tmp_path, filler) as (made, line, station):
            made.output.expect((Wanted(filler.part, 0),))
            told = made.play(a_relay(), fallback=filler.part)
            station.begin()
            await asyncio.sleep(3)
            line.cut = True
            await asyncio.sleep(15)
            line.cut = False
            await asyncio.sleep(3)
            assert told.words == [
                ("started", Reason.NONE), ("started", Reason.FALLBACK), ("started", Reason.NONE)
            ]  # fmt: skip
            assert find(made.heard(9_000, 10_000), np.tile(filler.samples, 2)).score > 0.98
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            piece = slice(20_500 * 48, 21_500 * 48)
            error = made.heard()[piece] - station.samples[piece.start - due : piece.stop - due]
            assert np.sqrt(np.mean(error**2)) < 12

    run(story())


def test_a_relay_in_which_nothing_is_heard_is_filled_too(tmp_path: Path) -> None:
    filler = tape(5, 3)

    async def story() -> None:
        async with stage(tmp_path, filler) as (made, _, station):
            made.output.expect((Wanted(filler.part, 0),))
            told = made.play(a_relay(), fallback=filler.part)
            station.frames = tuple(LiveEncoder().encode(bytes(96_000 * 20)))
            station.begin(18)
            await asyncio.sleep(12)
            assert told.words == [("started", Reason.NONE), ("started", Reason.FALLBACK)]
            assert find(made.heard(9_000, 10_000), np.tile(filler.samples, 2)).score > 0.98

    run(story())


def test_a_relay_that_nothing_can_fill_is_lost_after_ten_seconds(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, line, station):
            told = made.play(a_relay())
            station.begin()
            await asyncio.sleep(3)
            line.cut = True
            await asyncio.sleep(12)
            assert told.words[-1] == ("failed", LOST)

    run(story())


def test_without_any_way_to_streams_the_order_fails(tmp_path: Path) -> None:
    async def story() -> None:
        async with studio(tmp_path) as made:
            told = made.play(an_order_for())
            assert told.words == []
            await asyncio.sleep(0.1)
            assert told.words == [("failed", LOST)]

    run(story())


def test_another_order_takes_the_air_at_once_and_the_voice_comes_back_in_step(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            station.begin()
            made.play(an_order_for())
            await asyncio.sleep(2)
            made.play(an_order("e", kind=Kind.EMERGENCY, tone=Tone.ATTENTION))
            await asyncio.sleep(2)
            made.play(an_order_for(tone=Tone.CHIME), from_ms=1_600)
            await asyncio.sleep(2)
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            signal = samples(tone(ToneId.ATTENTION).data)[:48_000]
            assert find(signal, made.heard(3_000, 4_500)).at < 2 * 960
            piece = slice(5_600 * 48, 6_900 * 48)
            error = made.heard()[piece] - station.samples[piece.start - due : piece.stop - due]
            assert np.sqrt(np.mean(error**2)) < 12

    run(story())


@pytest.mark.parametrize("what", ["head", "packets", "both"])
def test_a_stranger_is_not_heard(tmp_path: Path, what: str) -> None:
    """He writes to the broker as he likes."""

    async def story() -> None:
        async with stage(tmp_path) as (made, line, station):
            noise = Station(line, by=STRANGER, seed=6)
            made.play(an_order_for())
            if what == "packets":
                station.head(started_us=NOON_US)
                station.begin(0)
            noise.began_us = NOON_US + 1_000_000
            noise.begin()
            if what == "packets":
                station.head(started_us=noise.began_us, revision=2)
            await asyncio.sleep(2)
            assert np.abs(made.heard()).max() == 0
            assert noise.task is not None
            noise.task.cancel()

    run(story())


def test_a_recording_of_yesterdays_stream_is_not_heard(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, line, station):
            station.began_us = NOON_US - 86_400_000_000
            station.head()
            made.play(an_order_for())
            await asyncio.sleep(0.1)
            for seq in range(20):
                packet = Packet(STREAM, seq, station.began_us + seq * 60_000, station.frames[seq * 3 : seq * 3 + 3])
                line.publish(live_topic(LIVE_ROOT, STREAM), seal_packet(packet, exercise=False, signer=SERVER.signer))
            await asyncio.sleep(2)
            assert np.abs(made.heard()).max() == 0

    run(story())


def test_an_ended_head_ends_it_when_what_is_there_has_sounded(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            told = made.play(an_order_for())
            station.begin(2)
            await asyncio.sleep(2.1)
            station.head(revision=2, ended=True)
            await asyncio.sleep(1)
            assert told.words == [("started", Reason.NONE), ("finished", Reason.NONE)]
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            whole = 33 * 2_880
            assert np.array_equal(made.heard()[due + 960 : due + whole], station.samples[960:whole])

    run(story())


@pytest.mark.parametrize("ppm", [-100, 100])
def test_a_card_whose_crystal_is_wrong_is_kept_in_step_sample_by_sample(tmp_path: Path, ppm: int) -> None:
    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            opened = made.loop.time()
            made.output.follow(lambda: TimeLine(opened, NOON_US + 1_000_000, ppm * 1e-6))
            made.play(an_order_for())
            station.began_us = NOON_US + 1_000_000
            station.begin(38)
            await asyncio.sleep(36)
            heard = made.heard()
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            drifts = []
            for second in (3, 34):
                at = second * 48_000
                found = find(station.samples[at : at + 4_800], heard[due + at - 2_400 : due + at + 9_600])
                assert found.score > 0.97
                drifts.append(found.at - 2_400)
            right = round(-31 * 48_000 * ppm * 1e-6)  # of its own samples the card gives so many more in that time
            assert abs(drifts[1] - drifts[0] - right) < 30, "0.6 ms"

    run(story())


def test_a_card_that_ran_dry_is_in_step_again_after_the_next_pause(tmp_path: Path) -> None:
    said = tape(8, 9).pcm.data
    said = said[: 96_000 * 4] + bytes(96_000) + said[96_000 * 4 :]
    frames = tuple(LiveEncoder().encode(said))

    async def story() -> None:
        async with stage(tmp_path) as (made, _, station):
            opened, ran_dry = made.loop.time(), made.loop.time() + 2.5
            late_us = 35_000  # from then on every sample leaves so much later than it did

            def line() -> TimeLine:
                return TimeLine(opened, NOON_US + 1_000_000 + (late_us if made.loop.time() > ran_dry else 0))

            made.output.follow(line)
            made.play(an_order_for())
            station.frames = frames
            station.begin(8.9)
            await asyncio.sleep(8)
            due = round((station.began_us - NOON_US) / 1e6 * 48_000) + DELAY_MS * 48
            off = []
            for second in (1, 3, 6):
                at = second * 48_000
                window = made.heard()[due + at - 4_800 : due + at + 9_600]
                off.append(find(samples(said)[at : at + 4_800], window).at - 4_800)
            assert abs(off[1] - off[0]) < 130, "it does not jump while somebody speaks"
            assert abs(off[2] - off[0] + 35 * 48) < 60, "and is right after the pause"

    run(story())


def test_the_hold_tone_is_soft_and_short_and_no_alarm() -> None:
    held = samples(hold_tone().data)
    assert np.abs(held).max() < 2_200
    assert np.mean(np.abs(held) > 10) < 0.08
    assert find(held[:7_200], samples(tone(ToneId.ATTENTION).data)).score < 0.5


def test_bytes_that_are_no_opus_are_a_loss_and_nothing_else() -> None:
    decoder = LiveDecoder()
    for bad in (b"", b"\xff" * 50, b"\x00", Random(1).randbytes(200)):
        got = decoder.decode(bad)
        assert got is None or len(got) == FRAME_BYTES
    assert decoder.decode(speech()[0][0]) is not None
    assert decode is not None
