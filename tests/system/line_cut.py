"""A programme through a cut line, in real time: a real broker, a real `lianbo speaker` process, a cable between them that breaks.

Both the test and the bench (30 minutes with a cut of 10) are made of this; they differ in seconds.
"""

import asyncio
import hashlib
import os
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from audio_assets.codec import encode
from audio_assets.pcm import Pcm
from audio_assets.streamed import OpusFile
from audio_assets.tones import melody
from endpoints.protocol import Part
from endpoints.provisioning import write_provisioning
from endpoints.vocabulary import Resume, Stage, Tone
from tests.endpoints.county import County, a_slot, county, until

RATE_HZ = 48_000
AHEAD_S = 12.0  # from the plan to its time: the file is fetched in between
SLACK_S = 20.0
SEARCH_S = 2
SURE = 64  # so many samples of the programme are nowhere else in it
MOST_STEP = 3  # samples that are left out or said twice at once to stay in step

Shorts = NDArray[np.int16]


class Cable:
    """Between the speaker and everything else; TCP goes through it until it is cut."""

    def __init__(self, port: int) -> None:
        self._to, self._whole = port, True
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.refused = 0
        self.port = 0

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Cable"]:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        self._whole = False
        for line in tuple(self._lines):
            line.transport.abort()

    def mend(self) -> None:
        self._whole = True

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            self.refused += 1
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._lines |= {writer, far_writer}
        try:
            await asyncio.gather(_pipe(reader, far_writer), _pipe(far_reader, writer))
        finally:
            self._lines -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def a_programme(seconds: int) -> bytes:
    """A file in which no second is like another."""
    random, tune = np.random.default_rng(7), np.frombuffer(melody().data, dtype="<i2")[:RATE_HZ] / 2
    parts = (
        (tune + random.normal(0, 500, RATE_HZ)).clip(-32_000, 32_000).astype("<i2").tobytes() for _ in range(seconds)
    )
    return encode(Pcm(b"".join(parts)))


@asynccontextmanager
async def offered(*files: bytes) -> AsyncIterator[int]:
    """Sound files over HTTP; the port."""
    named = {hashlib.sha256(data).hexdigest(): data for data in files}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=named[request.match_info["sha256"]])

    app = web.Application()
    app.router.add_get("/assets/{sha256}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Played:
    """What came of it.

    :param exact_s: seconds of the programme that were heard sample by sample.
    :param corrected: single samples left out or said twice in the others.
    :param broken: seconds that are neither.
    :param cpu_percent: of one core, while it played. :param rss_mib: of the speaker's process at its end.
    """

    seconds: int
    exact_s: int
    corrected: int
    broken: tuple[int, ...]
    refused: int
    stages: tuple[Stage, ...]
    cpu_percent: float
    rss_mib: float


async def through_a_cut(folder: Path, *, seconds: int, cut_from_s: float, cut_until_s: float) -> Played:
    """Plan a programme, cut the line in its middle, mend it, wait for its end and listen to the recording."""
    data = a_programme(seconds)
    part = Part(hashlib.sha256(data).digest(), len(data), seconds * 1_000)
    wav = folder / "heard.wav"
    async with (
        county(folder / "county", 1) as where,
        offered(data) as http_port,
        Cable(where.provisioning.port).laid() as mqtt,
        Cable(http_port).laid() as http,
        a_speaker(where, folder, mqtt, http, wav) as process,
    ):
        who = where.provisioning.speakers[0].id
        await until(lambda: who in where.server.hellos and where.server.hellos[who].at_ms)
        what = {"asset": part.asset, "asset_bytes": part.asset_bytes, "asset_ms": part.asset_ms}
        ends = {"resume": Resume.REJOIN, "tone": Tone.NONE, "volume_percent": 100}
        begin_ms, lasting_ms = int(AHEAD_S * 1_000), int((seconds + SLACK_S) * 1_000)
        where.server.publish_programme(a_slot("P-1", begin_ms=begin_ms, lasting_ms=lasting_ms, **what, **ends))
        await until(lambda: where.server.at("P-1", Stage.SOUNDING) == 1, within_s=AHEAD_S + 20)
        began_cpu, began = cpu_s(process.pid), asyncio.get_running_loop().time()
        await asyncio.sleep(cut_from_s)
        mqtt.cut()
        http.cut()
        await asyncio.sleep(cut_until_s - cut_from_s)
        mqtt.mend()
        http.mend()
        await until(lambda: where.server.at("P-1", Stage.FINISHED) == 1, within_s=seconds + 60)
        wall_s = asyncio.get_running_loop().time() - began
        used_s, rss = cpu_s(process.pid) - began_cpu, rss_mib(process.pid)
        refused = mqtt.refused
        stages = tuple(where.server.stages_of(who, "P-1"))
    (folder / "source.opus").write_bytes(data)
    heard = read(wav)
    exact, corrected, broken = compare(heard, seconds_of(folder / "source.opus"))
    return Played(seconds, exact, corrected, broken, refused, stages, 100 * used_s / wall_s, rss)


@asynccontextmanager
async def a_speaker(
    where: County, folder: Path, mqtt: Cable, http: Cable, wav: Path, *, volume_percent: int = 100
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One `lianbo speaker` at the far end of the cables; ended by SIGTERM."""
    one = replace(where.provisioning.speakers[0], volume_percent=volume_percent)
    url = f"http://127.0.0.1:{http.port}"
    file = folder / "box.json"
    write_provisioning(file, replace(where.provisioning, port=mqtt.port, speakers=(one,), assets_url=url))
    options = (str(file), "--state", str(folder / "state"), "--sound", f"wav:{wav}")
    with (folder / "speaker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "broadcast.main", "speaker", *options),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        assert await asyncio.wait_for(process.wait(), 15) == 0, "it left in an orderly way"


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# ---- the recording ----------------------------------------------------------------------------------------------------------


def read(path: Path) -> Shorts:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def seconds_of(path: Path) -> Iterator[Shorts]:
    """What the file sounds like, a second at a time: an hour of it needs no memory."""
    kept = b""
    for piece in OpusFile.at(path).read():
        kept += piece
        if len(kept) >= 2 * RATE_HZ:
            yield np.frombuffer(kept[: 2 * RATE_HZ], dtype="<i2")
            kept = kept[2 * RATE_HZ :]


def compare(heard: Shorts, source: Iterator[Shorts]) -> tuple[int, int, tuple[int, ...]]:
    """Seconds that are there sample by sample, single samples that were left out or said twice in others, and broken seconds."""
    at, exact, corrected, broken = -1, 0, 0, []
    for n, second in enumerate(source):
        if at < 0:
            at, exact = _first(heard, second) + RATE_HZ, 1
            continue
        end, changes, whole = _follow(heard, at, second)
        exact += whole and not changes
        corrected += changes
        broken += [] if whole else [n]
        at = end
    return exact, corrected, tuple(broken)


def _first(heard: Shorts, second: Shorts) -> int:
    """Where the programme begins: its first frame fades in, so its second half second is looked for."""
    half = second[RATE_HZ // 2 :]
    loud = int(np.flatnonzero(np.abs(heard) > 1)[0])
    window = heard[loud : loud + SEARCH_S * RATE_HZ]
    for place in np.flatnonzero(window == half[0]):
        piece = window[place : place + half.size]
        if np.array_equal(piece[:SURE], half[:SURE]):
            return loud + int(place) - RATE_HZ // 2
    raise AssertionError("the programme does not begin")


def _follow(heard: Shorts, at: int, second: Shorts) -> tuple[int, int, bool]:
    """Where this second ends in the recording, how many samples were changed on the way, and whether all else of it is there."""
    changes, done, whole = 0, 0, True
    while done < second.size:
        piece = heard[at : at + second.size - done]
        unlike = np.flatnonzero(piece != second[done : done + piece.size])
        same = int(unlike[0]) if unlike.size else piece.size
        at, done = at + same, done + same
        if done < second.size:
            step = _step(heard, at, second, done)
            if step is None:
                return at + second.size - done, changes, False
            at, done, changes = at + max(0, step), done + max(0, -step), changes + abs(step)
    return at, changes, whole


def _step(heard: Shorts, at: int, second: Shorts, done: int) -> int | None:
    """How many samples too many there are here, negative: too few; None when it does not go on within MOST_STEP."""
    for size in range(1, MOST_STEP + 1):
        for step in (size, -size):
            one, other = heard[at + max(0, step) :][:SURE], second[done + max(0, -step) :][:SURE]
            common = min(one.size, other.size)
            if np.array_equal(one[:common], other[:common]):
                return step
    return None
