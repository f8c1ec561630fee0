"""What a speaker's ear proves, on real samples: a real speaker, its voice and a sink; the message on the wire; the windows."""

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.codec import encode
from audio_assets.library import AssetLibrary
from audio_assets.pcm import FRAME_BYTES, RATE_HZ
from audio_assets.tones import ToneId, melody, tone
from endpoints.box import Box
from endpoints.ear import FRAME_S, KEEP_S, Memory, hearing_with
from endpoints.effects import OnHand, Play, Wanted
from endpoints.fields import BadMessage
from endpoints.kept import Kept
from endpoints.orders import Part
from endpoints.output import Sounding
from endpoints.player import Player
from endpoints.proof import (
    MAX_ERROR_US,
    MAX_PROOF_BYTES,
    QUIETEST_CB,
    Ear,
    Place,
    Proof,
    Window,
    decode_proof,
    encode_proof,
)
from endpoints.protocol import Kind, Order, Reason, Stage, Tone
from endpoints.proving import Proving
from endpoints.sealing import Message, open_from_speaker
from endpoints.sinks import NullSink, Sink
from endpoints.speaker import running_speaker
from endpoints.time_line import TimeLine
from endpoints.windows import SHORTEST_MS, WINDOW_MS, stretches, windows_of
from tests.endpoints.county import County, an_order, county, until
from tests.endpoints.test_speaker import AssetServer, Recording, a_notice

MELODY = melody().slice_ms(0, 16_000)
FILE = encode(MELODY)
HASH = hashlib.sha256(FILE).digest()
PROOF = Proof(
    "zh-102217-01",
    7,
    "o-1",
    1,
    1_790_000_000_000,
    350,
    Ear.MICROPHONE,
    True,
    (Window(Place.START, 512, -1_250, -231), Window(Place.END, 0, 0, QUIETEST_CB)),
)


# ---- the message ----------------------------------------------------------------------------------------------------------------


def test_a_proof_is_read_as_it_was_written() -> None:
    assert decode_proof(encode_proof(PROOF)) == PROOF
    whole = tuple(Window(place, 1_000, MAX_ERROR_US, 0) for place in Place)
    longest = replace(PROOF, order="o" * 40, speaker="s" * 32, boot=2**48, clock_us=2**40, windows=whole)
    assert decode_proof(encode_proof(longest)) == longest
    assert len(encode_proof(longest)) <= MAX_PROOF_BYTES


@pytest.mark.parametrize(
    "change",
    [
        {"speaker": "X"},
        {"order": ""},
        {"revision": 0},
        {"windows": (PROOF.windows[0], PROOF.windows[0])},
        {"windows": (replace(PROOF.windows[0], correlation_permille=1_001),)},
        {"windows": (replace(PROOF.windows[0], start_error_us=MAX_ERROR_US + 1),)},
        {"windows": (replace(PROOF.windows[0], level_cb=1),)},
        {"windows": tuple(replace(PROOF.windows[0], place=place) for place in Place) * 2},
    ],
)
def test_a_proof_that_is_not_as_specified_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((BadMessage, ValueError)):
        decode_proof(encode_proof(replace(PROOF, **change)))  # type: ignore[arg-type]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_proof_are_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        decode_proof(data)


@given(st.integers(0, len(encode_proof(PROOF)) - 1), st.integers(1, 255))
def test_a_damaged_proof_is_refused_or_is_another_well_formed_one(at: int, by: int) -> None:
    data = bytearray(encode_proof(PROOF))
    data[at] ^= by
    with suppress(BadMessage):
        assert decode_proof(bytes(data)) != PROOF


def test_only_what_was_found_confirms_and_only_a_heard_end_is_played_out() -> None:
    start, end = Window(Place.START, 400, 0, -200), Window(Place.END, 400, 0, -200)
    lost = replace(end, correlation_permille=149)
    assert replace(PROOF, windows=(start, end)).confirms
    assert not replace(PROOF, windows=(start, lost)).confirms
    assert not replace(PROOF, windows=()).confirms
    assert replace(PROOF, windows=(start, end)).played_out
    assert not replace(PROOF, windows=(start, end), to_the_end=False).played_out
    assert not replace(PROOF, windows=(start,)).played_out


# ---- windows --------------------------------------------------------------------------------------------------------------------

lengths = st.integers(100, 40_000)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    sizes = draw(st.lists(lengths, max_size=3))
    parts = [Part(bytes([index]) * 32, 1_000, ms) for index, ms in enumerate(sizes)]
    first = parts[0] if parts else Part(b"", 0, 0)
    return an_order(
        "o-1",
        asset=first.asset,
        asset_bytes=first.asset_bytes,
        asset_ms=first.asset_ms,
        more=tuple(parts[1:]),
        tone=draw(st.sampled_from(Tone)),
        closing=draw(st.sampled_from(Tone)),
        repeats=draw(st.integers(1, 3)),
        gap_ms=draw(st.integers(0, 3_000)),
    )


@given(orders(), st.integers(0, 60_000))
def test_a_window_lies_in_one_sound_after_the_position_and_says_where_in_it(order: Order, from_ms: int) -> None:
    whole = list(stretches(order))
    for one in windows_of(order, from_ms=from_ms):
        assert SHORTEST_MS <= one.length_ms <= WINDOW_MS
        assert one.at_ms >= from_ms
        ends_ms = one.at_ms + one.length_ms
        (inside,) = [s for s in whole if s.at_ms <= one.at_ms and ends_ms <= s.at_ms + s.length_ms]
        assert inside.source == one.source
        assert one.from_ms == one.at_ms - inside.at_ms


@given(orders())
def test_the_stretches_and_gaps_of_an_order_are_as_long_as_it_says(order: Order) -> None:
    whole = list(stretches(order))
    for before, after in itertools.pairwise(whole):
        assert before.at_ms + before.length_ms <= after.at_ms
    if whole and (order.parts or order.tone):
        assert whole[-1].at_ms + whole[-1].length_ms == order.sound_ms


def test_nothing_is_known_beforehand_of_a_stream() -> None:
    assert windows_of(an_order("o-1", kind=Kind.EMERGENCY, stream=5)) == ()


# ---- the ear --------------------------------------------------------------------------------------------------------------------


def frame(number: int) -> bytes:
    return number.to_bytes(2, "little") * (FRAME_BYTES // 2)


def test_the_ear_gives_the_samples_of_a_time_although_each_frame_was_noted_late() -> None:
    memory = Memory()
    for number in range(200):
        late_s = 0.004 if number % 7 == 0 else 0.0
        memory.heard(frame(number), 100.0 + number * FRAME_S + late_s)
    assert memory.between(100.2, 100.2 + 2 * FRAME_S) == frame(10) + frame(11)
    half = memory.between(100.21, 100.23)
    assert half == frame(10)[FRAME_BYTES // 2 :] + frame(11)[: FRAME_BYTES // 2]


def test_an_ear_that_opened_with_the_mouth_gives_silence_for_what_was_before() -> None:
    memory = Memory()
    for number in range(1, 200):
        memory.heard(frame(number), 100.0 + number * FRAME_S)
    assert memory.between(100.0, 100.04) is None
    assert memory.between(100.0, 100.04, deaf_s=0.02) == bytes(FRAME_BYTES) + frame(1)
    assert memory.between(99.99, 100.04, deaf_s=0.02) is None
    assert memory.between(99.0, 100.01, deaf_s=9.0) is None, "it heard nothing at all of that"


def test_what_the_ear_did_not_hear_whole_it_does_not_give() -> None:
    memory = Memory()
    assert memory.between(1.0, 2.0) is None
    for number in range(int(KEEP_S / FRAME_S) + 100):
        memory.heard(frame(number), number * FRAME_S)
    assert memory.between(1.0, 3.0) is None  # forgotten
    assert memory.between(KEEP_S, KEEP_S + 5) is None  # not yet
    assert memory.between(5.0, 6.0) is not None
    memory.interrupted()
    assert memory.between(5.0, 6.0) is None


def test_an_ear_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="an ear is"), hearing_with("nose", NullSink()):
        pass


# ---- a real speaker -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def with_ear(where: County, folder: Path, sink: Sink, url: str = "") -> AsyncIterator[Box]:
    single = replace(where.provisioning.only(where.provisioning.speakers[0].id), assets_url=url)
    async with running_speaker(single, state=folder / "state", sink=sink, ear="sink") as box:
        await until(lambda: box.player.time_ms(box.clock.now()) is not None)
        yield box


def proofs(where: County) -> list[Proof]:
    key = where.provisioning.speakers[0].identity.key
    opened = (open_from_speaker(one, Message.PROOF, exercise=False, key=key) for one in where.server.proofs)
    return [decode_proof(one) for one in opened]


def of_melody(**other: object) -> dict[str, object]:
    return {"asset": HASH, "asset_bytes": len(FILE), "asset_ms": MELODY.duration_ms, **other}


async def test_a_file_that_was_played_is_proved_at_its_beginning_middle_and_end(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, AssetServer({HASH: FILE}).running() as url:
        async with with_ear(where, tmp_path, Recording(), url):
            where.server.publish(a_notice("o-1", **of_melody()))
            await until(lambda: where.server.at("o-1", Stage.FINISHED) == 1, within_s=25)
            await until(lambda: len(proofs(where)) == 1)
        (proof,) = proofs(where)
        assert (proof.order, proof.ear, proof.to_the_end) == ("o-1", Ear.MONITOR, True)
        assert [window.place for window in proof.windows] == [Place.START, Place.MIDDLE, Place.END]
        assert all(window.correlation_permille > 950 for window in proof.windows)
        assert all(abs(window.start_error_us) < 100_000 for window in proof.windows)
        assert all(-500 < window.level_cb < -50 for window in proof.windows)
        assert proof.confirms and proof.played_out


async def test_a_signal_that_was_stopped_is_proved_as_far_as_it_was_heard(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, AssetServer({HASH: FILE}).running() as url:
        async with with_ear(where, tmp_path, Recording(), url):
            where.server.publish(a_notice("o-1", **of_melody()))
            await until(lambda: where.server.at("o-1", Stage.SOUNDING) == 1)
            await asyncio.sleep(5.5)
            where.server.publish()
            await until(lambda: len(proofs(where)) == 1)
        (proof,) = proofs(where)
        places = [window.place for window in proof.windows]
        assert places[0] is Place.START and Place.END not in places
        assert proof.confirms and not proof.to_the_end and not proof.played_out


class PlaysAtOnce:
    """An output whose sounds begin when they are asked for and end in time."""

    broken = silent = short_of_files = False

    def on_change(self, changed: Callable[[], None]) -> None: ...
    def follow(self, line: Callable[[], TimeLine | None]) -> None: ...
    def stop(self, order: str) -> None: ...
    def set_volume(self, order: str, percent: int) -> None: ...
    def set_end(self, order: str, *, left_s: float, fade_ms: int) -> None: ...
    def expect(self, wanted: tuple[Wanted, ...]) -> None: ...
    def stock(self) -> OnHand:
        return OnHand(0, 0, 0)

    def play(self, play: Play, sounding: Sounding, *, left_s: float, at: float | None) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(sounding.started)
        loop.call_later(play.order.sound_ms / 1_000, sounding.finished)


class Hears:
    """An ear that hears one thing over and over."""

    kind = Ear.MICROPHONE

    def __init__(self, sound: bytes) -> None:
        self._sound = sound * 4

    def between(self, start: float, end: float, *, deaf_s: float = 0.0) -> bytes | None:
        return self._sound[: round((end - start) * RATE_HZ) * 2]


@dataclass
class OneBox:
    """What a proof needs of a box."""

    player: Player
    said: list[bytes]

    @property
    def link(self) -> "OneBox":
        return self

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        assert (topic, qos) == (f"eb/v1/proof/{self.player.who.id}", 1)
        self.said.append(payload)


class Deaf:
    """Nobody listens to what the output says."""

    def started(self, reason: Reason = Reason.NONE, at: float | None = None) -> None: ...
    def finished(self) -> None: ...
    def failed(self, reason: Reason) -> None: ...


@pytest.mark.parametrize(
    ("heard", "right"), [(tone(ToneId.ATTENTION).data, True), (MELODY.data, False), (bytes(800_000), False)]
)
async def test_only_the_sound_that_was_ordered_is_proved(heard: bytes, right: bool, tmp_path: Path) -> None:
    """A cable in the wrong socket, or a horn without a driver, is another sound or none."""
    async with county(tmp_path, 1) as where:
        config = where.provisioning.speakers[0]
        player = Player(config.identity, where.provisioning.trust, kept=Kept(), boot=9, random=Random(1), now=0.0)
        box = OneBox(player, [])
        proving = Proving(PlaysAtOnce(), Hears(heard), AssetLibrary(tmp_path / "files"), now=time.monotonic)
        proving.follow(lambda: TimeLine(time.monotonic(), 1_790_000_000_000_000, error_us=400))
        proving.attach(box)
        proving.play(Play(an_order("o-1", repeats=1), 0, 100), Deaf(), left_s=60, at=None)
        await until(lambda: box.said)
        await proving.close()
        key = config.identity.key
        proof = decode_proof(open_from_speaker(box.said[0], Message.PROOF, exercise=False, key=key))
        assert (proof.confirms, proof.boot, proof.clock_us, proof.ear) == (right, 9, 400, Ear.MICROPHONE)
        assert all(window.found is right for window in proof.windows)
