"""A real speaker's sound in virtual time: the real voice, reels, cache and staging, and a recording of every sample that left.

A day of it takes as long as its sounds take to decode, and what is heard when is the same in every run.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

from audio_assets.cache import AssetCache
from audio_assets.codec import decode, encode
from audio_assets.pcm import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, SILENT_FRAME, Pcm
from audio_assets.tones import melody
from endpoints.effects import Play
from endpoints.fetch import AssetNotOffered, FetchGivenUp
from endpoints.protocol import Band, Kind, Level, Order, Part, Resume, Severity, Tone
from endpoints.reel import Reel, Reels, Source
from endpoints.sinks import FRAME_S
from endpoints.time_line import TimeLine
from endpoints.vocabulary import Reason
from endpoints.voice import Voice
from endpoints.voice_output import OnError, OnTime, Streams, VoiceOutput
from tests.correlation import RATE_HZ, Samples, samples

NOON_MS = 1_800_000_000_000  # the server's time when a studio opens
LULL_FRAMES = 50  # a second of silence is one; what follows of it is not kept
SKIPPED_FRAMES = 10  # at once, in a lull


@dataclass(frozen=True)
class Tape:
    """A file, and what it sounds like once it has been through the codec."""

    data: bytes
    pcm: Pcm

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.data).digest()

    @property
    def part(self) -> Part:
        return Part(self.sha256, len(self.data), self.pcm.samples * 1_000 // RATE_HZ)

    @property
    def samples(self) -> Samples:
        return samples(self.pcm.data)


@cache
def tape(seconds: float, seed: int = 0) -> Tape:
    """So much of a tune with noise under it, another for each seed: any three seconds say which three seconds they are."""
    size = round(seconds * RATE_HZ)
    tune = np.resize(np.roll(samples(melody().data), -seed * 7_919), size)
    noise = np.random.default_rng(seed).normal(0, 500, size)
    data = encode(Pcm((tune / 2 + noise).clip(-32_000, 32_000).astype("<i2").tobytes()))
    return Tape(data, decode(data))


def silent_tape(seconds: float, *, lead_s: float = 0.0) -> Tape:
    """A file in which nothing is heard after a while."""
    data = encode(
        Pcm(tape(max(lead_s, 0.1)).pcm.data[: round(lead_s * RATE_HZ) * 2] + bytes(round(seconds * RATE_HZ) * 2))
    )
    return Tape(data, decode(data))


def an_order(name: str, *tapes: Tape, kind: Kind = Kind.ROUTINE, lasting_ms: int = 3_600_000, **other: object) -> Order:
    """From noon on, for everybody."""
    band = {Kind.ROUTINE: Band.ROUTINE, Kind.NOTICE: Band.NOTICE, Kind.EMERGENCY: Band.EMERGENCY}[kind]
    order = Order(
        id=name,
        revision=1,
        kind=kind,
        band=band,
        severity=Severity.RED if kind is Kind.EMERGENCY else Severity.UNKNOWN,
        level=Level.CITY,
        exercise=False,
        issued_at_ms=NOON_MS,
        not_before_ms=NOON_MS,
        not_after_ms=NOON_MS + lasting_ms,
        areas=("130281000000",),
        tone=Tone.NONE,
        gap_ms=0,
        resume=Resume.REJOIN,
    )
    if tapes:
        first, *rest = (tape.part for tape in tapes)
        order = replace(
            order, asset=first.asset, asset_bytes=first.asset_bytes, asset_ms=first.asset_ms, more=tuple(rest)
        )
    return replace(order, **other)  # type: ignore[arg-type]


class InlineReels(Reels):
    """Decodes where it is called: no thread, so that virtual time waits for it."""

    def start(self) -> None:
        """There is nothing to start."""

    def open(self, source: Source, from_sample: int = 0, *, at_once: bool = False) -> Reel:
        reel = super().open(source, from_sample, at_once=at_once)
        self.pump()
        return reel

    def pump(self) -> None:
        while self.work():
            pass


class Recorder:
    """A sink that keeps what it is given, but for long silences; what it kept is found by frames since the studio opened."""

    latency_s = 0.0
    lost = False
    starved = ran_dry = 0

    def __init__(self) -> None:
        self.given = 0  # frames
        self.pieces: list[tuple[int, bytearray]] = []  # first frame, samples
        self._silence = LULL_FRAMES

    def write(self, frame: bytes) -> None:
        self._silence = self._silence + 1 if frame == SILENT_FRAME else 0
        if self._silence < LULL_FRAMES:
            if not self.pieces or self.pieces[-1][0] + len(self.pieces[-1][1]) // FRAME_BYTES != self.given:
                self.pieces.append((self.given, bytearray()))
            self.pieces[-1][1].extend(frame)
        self.given += 1

    def skip(self, frames: int) -> None:
        """Silence."""
        self.given += frames

    def close(self) -> None:
        """Nothing to let go."""

    def between(self, start: int, end: int) -> Samples:
        """From one frame to another."""
        found = np.zeros((end - start) * FRAME_SAMPLES)
        for first, data in self.pieces:
            piece, at = samples(bytes(data)), (first - start) * FRAME_SAMPLES
            low, high = max(0, at), min(found.size, at + piece.size)
            if low < high:
                found[low:high] = piece[low - at : high - at]
        return found


class LoopTimer:
    """The loop's time for a voice."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps in virtual time")


class SteppedVoice(Voice):
    """A voice whose thread is a task: a frame every 20 ms of virtual time, or a lull at once while there is nothing to say."""

    recorder: Recorder
    skips_lulls = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._step_by_step())

    def close(self) -> None:
        self._task.cancel()
        super().close()

    async def _step_by_step(self) -> None:
        loop, began, count = asyncio.get_running_loop(), asyncio.get_running_loop().time(), 0
        while True:
            frames = self._lull() if self.skips_lulls and count > LULL_FRAMES else 1
            if frames == 1:
                self.step()
            count += frames
            await asyncio.sleep(began + count * FRAME_S - loop.time())

    def _lull(self) -> int:
        """So many frames of silence at once; its clock goes on as if it had written them."""
        if self._current is not None or self._fading is not None:
            return 1
        self._clock._frames += SKIPPED_FRAMES
        self._taken_at = (self._taken_at or 0.0) + SKIPPED_FRAMES * FRAME_S
        self.recorder.skip(SKIPPED_FRAMES)
        return SKIPPED_FRAMES


@dataclass
class Told:
    """Whom an output tells; when, in milliseconds since the studio opened."""

    studio: "Studio"
    said: list[tuple[int, str, Reason]] = field(default_factory=list)

    def started(self, reason: Reason = Reason.NONE, at: float | None = None) -> None:
        self._say("started", reason)

    def finished(self) -> None:
        self._say("finished", Reason.NONE)

    def failed(self, reason: Reason) -> None:
        self._say("failed", reason)

    def _say(self, what: str, reason: Reason) -> None:
        self.said.append((self.studio.now_ms, what, reason))

    @property
    def words(self) -> list[tuple[str, Reason]]:
        return [(what, reason) for _, what, reason in self.said]


class Wire:
    """A way to the files that may be cut."""

    def __init__(self, cache: AssetCache, *tapes: Tape, takes_s: float = 0.2) -> None:
        self.cache, self.files, self.takes_s = cache, {tape.sha256: tape.data for tape in tapes}, takes_s
        self.cut = False
        self.asked: list[bytes] = []

    async def fetch(self, sha256: bytes, size_bytes: int) -> None:
        self.asked.append(sha256)
        await asyncio.sleep(self.takes_s)
        if self.cut:
            raise FetchGivenUp(sha256, 8, "no route to host")
        if sha256 not in self.files:
            raise AssetNotOffered(sha256, 404)
        self.cache.put(self.files[sha256])


class Studio:
    """One `VoiceOutput` with all that is real behind it.

    :param opened_ms: the server's time then.
    """

    def __init__(
        self,
        folder: Path,
        *offered: Tape,
        held: tuple[Tape, ...] = (),
        live: Streams | None = None,
        opened_ms: int = NOON_MS,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._opened, self.opened_ms = self.loop.time(), opened_ms
        self.cache = AssetCache(folder, max_bytes=10**9)
        for one in held:
            self.cache.put(one.data)
        self.line = Wire(self.cache, *offered)
        self.recorder, self.reels = Recorder(), InlineReels()
        self.changes = 0
        self.output = VoiceOutput(
            self._make_voice,
            self.cache,
            self.line,
            random=Random(1),
            reels=self.reels,
            live=live,
            now=self.loop.time,
        )
        self.output.on_change(self._changed)
        self.output.follow(self._time_line)

    def _make_voice(self, started: OnTime, finished: OnTime, failed: OnError) -> Voice:
        self.sink = _Pumping(self.recorder, self.reels)
        self.voice = SteppedVoice(
            self.sink,
            post=self.loop.call_soon,
            on_started=started,
            on_finished=finished,
            on_failed=failed,
            timer=LoopTimer(),
        )
        self.voice.recorder = self.recorder
        return self.voice

    def _time_line(self) -> TimeLine:
        return TimeLine(self._opened, self.opened_ms * 1_000)

    def _changed(self) -> None:
        self.changes += 1

    @property
    def now_ms(self) -> int:
        return round((self.loop.time() - self._opened) * 1_000)

    def play(self, order: Order, **other: object) -> Told:
        """As a box would, now."""
        told = Told(self)
        play = replace(Play(order, 0, 100), **other)  # type: ignore[arg-type]
        left_s = (order.not_after_ms - self.opened_ms - self.now_ms) / 1_000
        at = None if play.at_ms is None else self._time_line().when(play.at_ms * 1_000)
        self.output.play(play, told, left_s=left_s, at=at)
        return told

    def heard(self, from_ms: int = 0, to_ms: int | None = None) -> Samples:
        """What left between these times since it opened, whole frames."""
        end = self.recorder.given if to_ms is None else to_ms // FRAME_MS
        return self.recorder.between(from_ms // FRAME_MS, end)


class _Pumping:
    """Between the voice and the recorder: has the reels filled up after every frame."""

    lost = False
    latency_s = 0.0
    starved = ran_dry = 0

    def __init__(self, recorder: Recorder, reels: InlineReels) -> None:
        self._recorder, self._reels = recorder, reels

    def write(self, frame: bytes) -> None:
        self._recorder.write(frame)
        self._reels.pump()

    def close(self) -> None:
        """Nothing to let go."""


@asynccontextmanager
async def studio(
    folder: Path, *offered: Tape, held: tuple[Tape, ...] = (), live: Streams | None = None
) -> AsyncIterator[Studio]:
    """Open from noon on.

    :param offered: what a server has.
    :param held: what is in the cache.
    """
    made = Studio(folder, *offered, held=held, live=live)
    await made.output.start()
    try:
        yield made
    finally:
        await made.output.close()
