"""How soon a warning is heard: 600 times an emergency takes the air from a programme of half an hour, and gives it back.

500 begin with the attention signal, as they do; 100 with words that nobody had announced, read from the disk.

Everything of a real speaker but the network: signed boards are verified, decided on, kept on the disk with fsync, and sounded by
the voice's thread into a WAV sink in real time, while the programme is read from its file. From the board's arrival until the frame
with the first sample of the words was handed to the sink; that it is the right sample is read from the recording.
"""

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np

from audio_assets.cache import AssetCache
from audio_assets.codec import decode, encode
from audio_assets.pcm import FRAME_SAMPLES, Pcm
from audio_assets.streamed import OpusFile
from audio_assets.tones import ToneId, melody, tone
from bench.figures import Figure, write
from endpoints.arbitration import QuietHours
from endpoints.box import Box
from endpoints.effects import Play
from endpoints.kept import Kept, KeptFile
from endpoints.mqtt_link import BrokerAddress
from endpoints.output import Sounding
from endpoints.protocol import LIVE_ROOT, Board, Kind, Order, Part, Resume, Tone, board_topic, encode_board
from endpoints.sealing import Message, TrustStore, seal
from endpoints.sinks import WavSink
from endpoints.vocabulary import Band, Severity
from endpoints.voice import Voice
from endpoints.voice_output import OnError, OnTime, VoiceOutput
from tests.correlation import Samples, read_wav, samples
from tests.endpoints.county import COUNTY, KEY, SIGNER, an_order, now_ms, speakers

SIGNALS, WORDS = 500, 100
LONG_S, WORDS_S = 1_800, 5
SOUNDS_S, LASTS_S = (
    (0.12, 0.25),
    (0.12, 0.25),
)  # how long each has the air, at random: every place within a frame occurs
FRAMES_TO_LOOK = 12
GOAL_MS = 40.0


class Stamped:
    """A WAV sink that remembers when it was given each frame."""

    latency_s = 0.0
    lost = False
    starved = ran_dry = 0

    def __init__(self, path: Path) -> None:
        self._sink = WavSink(path)
        self.given_at: list[float] = []

    def write(self, frame: bytes) -> None:
        self.given_at.append(time.monotonic())
        self._sink.write(frame)

    def close(self) -> None:
        self._sink.close()


class Noted(VoiceOutput):
    """Remembers when it was told to play last: the order is accepted, decided and kept."""

    told_at = 0.0

    def play(self, play: Play, sounding: Sounding, *, left_s: float, at: float | None) -> None:
        self.told_at = time.monotonic()
        super().play(play, sounding, left_s=left_s, at=at)


class TimedDisk:
    """The state file, and how long each write of it took."""

    def __init__(self, path: Path) -> None:
        self._file = KeptFile(path)
        self.took_ms: list[float] = []

    def read(self) -> Kept:
        return self._file.read()

    def write(self, kept: Kept) -> None:
        began = time.monotonic()
        self._file.write(kept)
        self.took_ms.append((time.monotonic() - began) * 1_000)


@dataclass(frozen=True)
class Asked:
    """When a board arrived, and when what it asks for was accepted; monotonic seconds."""

    arrived_at: float
    accepted_at: float


@dataclass
class Run:
    """What was asked when, and what was heard."""

    taken: list[tuple[Asked, Tone]]
    given_back: list[Asked]
    given_at: list[float]
    heard: Samples
    late_frames: int
    kept_ms: list[float]
    cpu_s: float
    wall_s: float


def sound_of(seconds: int, seed: int) -> bytes:
    """A file in which no two moments are alike."""
    random, tune = np.random.default_rng(seed), samples(melody().data)[:48_000] / 2
    parts = (
        (tune + random.normal(0, 500, 48_000)).clip(-32_000, 32_000).astype("<i2").tobytes() for _ in range(seconds)
    )
    return encode(Pcm(b"".join(parts)))


async def perform(folder: Path, long: bytes, words: bytes) -> Run:
    who = replace(speakers(1)[0].identity, volume_percent=100, quiet=QuietHours(0, 0))
    sink = Stamped(folder / "out.wav")
    cache = AssetCache(folder / "assets", max_bytes=10**9)
    loop, random = asyncio.get_running_loop(), Random(1)
    voices: list[Voice] = []

    def make_voice(started: OnTime, finished: OnTime, failed: OnError) -> Voice:
        post = loop.call_soon_threadsafe
        voices.append(Voice(sink, post=post, on_started=started, on_finished=finished, on_failed=failed))
        return voices[0]

    output = Noted(make_voice, cache, None)
    await output.start()
    nowhere = BrokerAddress("127.0.0.1", 1, "", "")
    disk = TimedDisk(folder / "kept.cbor")
    box = Box(who, TrustStore((KEY,)), broker=nowhere, disk=disk, output=output, random=random, rtc_ms=now_ms())
    box.start(online=False)
    version = 0

    def publish(*orders: Order) -> Asked:
        nonlocal version
        version += 1
        board = Board(COUNTY, 1, version, now_ms(), orders)
        frame = seal(encode_board(board), Message.BOARD, exercise=False, signer=SIGNER)
        arrived = time.monotonic()
        box.hear(board_topic(LIVE_ROOT, COUNTY), frame)
        return Asked(arrived, output.told_at)

    hour = an_order("p", lasting_ms=3_600_000, tone=Tone.NONE, volume_percent=100, resume=Resume.CONTINUE)
    routine = replace(hour, kind=Kind.ROUTINE, band=Band.ROUTINE, severity=Severity.UNKNOWN)
    programme = with_file(routine, cache.put(long), len(long), LONG_S)
    warning = with_file(replace(hour, id="e"), cache.put(words), len(words), WORDS_S)
    later = replace(warning, not_before_ms=warning.not_before_ms + 3_000_000)
    publish(programme, later)  # its words are at hand before it is given
    await asyncio.sleep(2)
    taken, given_back = [], []
    cpu, began = time.process_time(), time.monotonic()
    kinds = random.sample([Tone.ATTENTION, Tone.NONE], counts=[SIGNALS, WORDS], k=SIGNALS + WORDS)
    for n, kind in enumerate(kinds):
        given_ms = now_ms() - 5  # the box's clock was set to whole milliseconds
        order = replace(warning, revision=n + 2, tone=kind, issued_at_ms=given_ms, not_before_ms=given_ms)
        taken.append((publish(programme, order), kind))
        await asyncio.sleep(random.uniform(*LASTS_S))
        given_back.append(publish(programme))
        await asyncio.sleep(random.uniform(*SOUNDS_S))
    cpu, wall = time.process_time() - cpu, time.monotonic() - began
    await box.stop()
    await output.close()
    return Run(
        taken,
        given_back,
        sink.given_at,
        read_wav(folder / "out.wav"),
        voices[0].late_frames,
        sorted(disk.took_ms),
        cpu,
        wall,
    )


def with_file(order: Order, sha256: bytes, size: int, seconds: int) -> Order:
    part = Part(sha256, size, seconds * 1_000)
    return replace(order, asset=part.asset, asset_bytes=part.asset_bytes, asset_ms=part.asset_ms)


@dataclass
class Waits:
    """Milliseconds until the first right sample was handed to the sink, sorted."""

    from_arrival: list[float]
    from_accepted: list[float]


def waits_ms(run: Run, kind: Tone, begins: Samples) -> Waits:
    """Of each warning; the frame after the one that holds its first sample must be the source's.

    It need not be its first sample: a signal leaves out what the neighbours have sounded already. One that was taken back before it
    was heard is left out.
    """
    found, at = Waits([], []), 0
    for asked, tone_ in run.taken:
        if tone_ is not kind:
            continue
        while run.given_at[at] < asked.accepted_at:
            at += 1
        for frame in range(at, at + FRAMES_TO_LOOK):
            after = run.heard[(frame + 1) * FRAME_SAMPLES : (frame + 2) * FRAME_SAMPLES]
            if _is_stretch(after, begins):
                found.from_arrival.append((run.given_at[frame] - asked.arrived_at) * 1_000)
                found.from_accepted.append((run.given_at[frame] - asked.accepted_at) * 1_000)
                break
    return Waits(sorted(found.from_arrival), sorted(found.from_accepted))


def _is_stretch(piece: Samples, source: Samples) -> bool:
    """Whether it is a stretch of the source, sample by sample."""
    if not piece.any():
        return False
    places = np.flatnonzero(source[: source.size - piece.size] == piece[0])
    return any(np.array_equal(source[place : place + piece.size], piece) for place in places)


def back_ms(run: Run, long: Samples) -> list[float]:
    """From each end until the programme is heard again, where it was left; what comes must be a stretch of its file. Those are
    left out after which the next warning came before it did."""
    found, frame, at = [], 0, 0
    for asked_at in (asked.arrived_at for asked in run.given_back):
        while run.given_at[frame] < asked_at:
            frame += 1
        for later in range(frame, frame + FRAMES_TO_LOOK):
            piece = run.heard[(later + 1) * FRAME_SAMPLES : (later + 3) * FRAME_SAMPLES]
            at, error = _nearest(piece, long, at)
            if error < 20:
                found.append((run.given_at[later] - asked_at) * 1_000)
                break
    return sorted(found)


def _nearest(piece: Samples, long: Samples, at: int) -> tuple[int, float]:
    """Where in the next seconds of the programme it fits best, by whole blocks, and by how much it is off."""
    places = range(max(0, at - 48_000), at + 3 * 48_000, FRAME_SAMPLES)
    errors = [float(np.sqrt(np.mean((long[place : place + piece.size] - piece) ** 2))) for place in places]
    best = int(np.argmin(errors))
    return (places[best], errors[best]) if errors[best] < 20 else (at, errors[best])


def main() -> None:
    long, words = sound_of(LONG_S, 1), sound_of(WORDS_S, 2)
    with tempfile.TemporaryDirectory() as name:
        run = asyncio.run(perform(Path(name), long, words))
        heard_s = int(sum(SOUNDS_S) / 2 * (SIGNALS + WORDS)) + 60
        (Path(name) / "long.opus").write_bytes(long)
        pieces = islice(OpusFile.at(Path(name) / "long.opus").read(), heard_s * 50)
        spoken, programme = samples(decode(words).data), samples(b"".join(pieces))
    signals = waits_ms(run, Tone.ATTENTION, samples(tone(ToneId.ATTENTION).data))
    words_, back = waits_ms(run, Tone.NONE, spoken), back_ms(run, programme)
    heard = len(signals.from_arrival) + len(words_.from_arrival)
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    write(
        "preempt",
        [
            *figures("accepted → first right sample of the signal at the sink", signals.from_accepted, GOAL_MS),
            *figures("accepted → first right sample of unannounced words on the disk", words_.from_accepted, GOAL_MS),
            *figures("board's arrival → first right sample of the signal", signals.from_arrival, None),
            *figures("board → the programme is heard again where it was left", back, None),
            *figures("writing the state with fsync, which comes before the sound", run.kept_ms, None),
            Figure("warnings that were taken back before they were heard", SIGNALS + WORDS - heard, "", goal=0),
            Figure("times that the programme was not back before the next warning", SIGNALS + WORDS - len(back), ""),
            Figure(f"frames that came too late for the sink, of {len(run.given_at)}", run.late_frames, ""),
            Figure("CPU of the speaker while it does this", 100 * run.cpu_s / run.wall_s, "%"),
            Figure("resident, with the recording and its check", resident, "MiB"),
        ],
    )


def figures(what: str, waits: list[float], goal: float | None) -> list[Figure]:
    return [
        Figure(f"{what}, p50 of {len(waits)}", waits[len(waits) // 2], "ms"),
        Figure(f"{what}, p99", waits[len(waits) * 99 // 100], "ms", goal=goal),
        Figure(f"{what}, max", waits[-1], "ms"),
    ]


if __name__ == "__main__":
    main()
