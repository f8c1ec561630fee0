"""How long a word takes from the browser's microphone to a loudspeaker: Chromium, the server, Mosquitto and a `lianbo speaker`.

The microphone is a WAV file, the loudspeaker too. The page is watched from outside: when it hands each frame to its encoder. The
speaker's file is watched while it grows, which says when each of its samples was heard. Both clocks are this machine's.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_assets.pcm import FRAME_BYTES, FRAME_SAMPLES, RATE_HZ
from broadcast.domain.speakers import Speaker, default_id
from broadcast.server import Server
from broadcast.service.presence import Presence
from config.settings import load
from tests.correlation import Samples, find, read_wav
from tests.system.city import OFFICER, environment, until
from tests.system.live_page import Booth, booth, chromium, needs_chromium
from tests.system.test_sound import processes

pytestmark = needs_chromium
VILLAGE = "130281001001"
FRAME_S = FRAME_SAMPLES / RATE_HZ
WAV_HEADER_BYTES = 44
WINDOW = RATE_HZ * 2 // 5
AT_MOST_S = 1.5  # 0.25 on a machine that does nothing else


@asynccontextmanager
async def one_speaker(folder: Path) -> AsyncIterator[tuple[Server, Path]]:
    settings = {"RULES_QUIET_FROM": "00:00", "RULES_QUIET_UNTIL": "00:00", "BROKER_ENGINE": "mosquitto"}
    server = Server(load(environment=environment(folder / "data", **settings)))
    await server.start()
    try:
        await server.estate.enrol([Speaker(default_id(VILLAGE), VILLAGE, "x")], by=OFFICER)
        server.refresh_users()
        file = folder / "speaker.wav"
        async with processes(server, folder, {default_id(VILLAGE): f"wav:{file}"}, os.environ):
            await until(lambda: server.speakers.counts()[Presence.ONLINE] == 1, "online", within_s=20)
            yield server, file
    finally:
        await server.stop()


class Line:
    """When each sample was there, from when frames of them were seen: late by chance, so the earliest of a second is right.

    A device that loses samples begins a new line; so does a process that was stopped.
    """

    def __init__(self, seen: Sequence[tuple[int, float]]) -> None:
        self._frames = np.array([frame for frame, _ in seen])
        self._at = np.array([at for _, at in seen])

    def at(self, sample: int) -> float:
        frame = sample / FRAME_SAMPLES
        near = np.abs(self._frames - frame) <= 25
        return float((self._at[near] - (self._frames[near] - frame) * FRAME_S).min())


async def watched(file: Path, *, watch_s: float) -> Line:
    """A recording that grows; a frame is heard from when it is written."""
    until_s, seen = time.monotonic() + watch_s, []
    while time.monotonic() < until_s:
        size_bytes = file.stat().st_size  # noqa: ASYNC240 a microsecond
        seen.append(((size_bytes - WAV_HEADER_BYTES) // FRAME_BYTES - 1, time.time()))
        await asyncio.sleep(0.001)
    return Line(seen)


@dataclass
class Way:
    """From the microphone to the loudspeaker."""

    captured: Line
    spoken: Samples
    sounded: Line
    heard: Samples

    def delays_s(self) -> list[tuple[float, float]]:
        """For pieces of what is heard: how surely it is what was spoken, and how much later."""
        loud = np.flatnonzero(np.abs(self.heard) > 60)
        found = []
        for at in range(int(loud[0]) + WINDOW, int(loud[-1]) - 2 * WINDOW, WINDOW):
            match = find(self.heard[at : at + WINDOW], self.spoken)
            middle = WINDOW // 2
            found.append((match.score, self.sounded.at(at + middle) - self.captured.at(match.at + middle)))
        return found


async def listened(one: Booth, file: Path) -> Way:
    """Six seconds on the air."""
    await one.choose()
    await one.page.uncheck("#chime")
    await one.page.click("#prepare")
    await one.lamp("prelisten")
    await one.page.click("#begin")
    await one.lamp("on_air", within_s=20)
    sounded = await watched(file, watch_s=6)
    await one.page.evaluate("window.noted.paused = true")
    await one.page.click("#stop")
    await one.ended("由您结束。")
    at, spoken = await one.captured()
    captured = Line([(n, when - FRAME_S) for n, when in enumerate(at)])  # its first sample was there a frame before
    return Way(captured, spoken, sounded, read_wav(file))


async def test_what_is_spoken_into_a_browser_is_heard_at_the_speaker_in_time(tmp_path: Path) -> None:
    async with (
        one_speaker(tmp_path) as (server, file),
        chromium(tmp_path) as browser,
        booth(browser, server) as one,
    ):
        way = await listened(one, file)
    delays = way.delays_s()
    right = sorted(delay for score, delay in delays if score > 0.8)
    assert len(right) >= len(delays) // 2 >= 3, delays
    middle, worst = right[len(right) // 2], right[-1]
    print(f"browser to loudspeaker: median {middle * 1000:.0f} ms, worst {worst * 1000:.0f} ms of {len(right)} windows")
    assert right[0] > 0 and worst < AT_MOST_S, delays
