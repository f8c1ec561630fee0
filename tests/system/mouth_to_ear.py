"""From a mouth to an ear in one recording: chirps into a virtual microphone, what a loudspeaker makes of them beside it.

One PulseAudio sink of two channels is the room. `mouth` is its first channel, and a microphone hears it; `horn` is the second,
and a `lianbo speaker` process plays on it through PyAudio. Between the two is all that is real: PyAudio in, Opus, signatures,
Mosquitto, verification, play-out, PyAudio out. One recording of both channels has one clock: what lies between a chirp and its
echo is the time that passed, to the sample.
"""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from broadcast.domain.live import LiveView, OpenLive
from broadcast.domain.speakers import Speaker, default_id
from broadcast.server import Server
from broadcast.service.presence import Presence
from config.settings import load
from endpoints.protocol import Tone
from tests.correlation import RATE_HZ, Samples, find
from tests.pulse import Pulse
from tests.system.city import OFFICER, environment, until
from tests.system.test_sound import processes

VILLAGE = "130281001001"
CHIRP_S, EVERY_S = 0.12, 0.5
LONGEST_MS = 450  # an echo that comes later is that of the next chirp


def chirp(n: int) -> Samples:
    """Each sweeps over another range, so that none is taken for another."""
    t = np.arange(round(CHIRP_S * RATE_HZ)) / RATE_HZ
    low, high = 500 + 137 * (n % 7), 2_400 + 173 * (n % 5)
    phase = 2 * np.pi * (low * t + (high - low) / (2 * CHIRP_S) * t**2)
    edge = np.minimum(1, np.minimum(t, CHIRP_S - t) / 0.01)
    wave: Samples = 9_000 * np.sin(phase) * edge
    return wave


def chirps(count: int) -> bytes:
    room = np.zeros(round((count * EVERY_S + 1) * RATE_HZ))
    for n in range(count):
        at = round((0.5 + n * EVERY_S) * RATE_HZ)
        room[at : at + chirp(n).size] += chirp(n)
    return room.astype("<i2").tobytes()


@dataclass(frozen=True)
class Measured:
    """What came of it.

    :param delays_ms: of each chirp that was heard again; `missed` were not.
    """

    delays_ms: list[float]
    missed: int
    view: LiveView


@contextmanager
def inside(server: Pulse) -> Iterator[None]:
    """This process sees the room's sound cards too: the server's worker opens the microphone."""
    names = ("ALSA_CONFIG_PATH", "PULSE_SERVER", "PULSE_COOKIE", "XDG_RUNTIME_DIR")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: server.environment[name] for name in names})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def said_in(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    said = folder / "chirps.raw"
    said.write_bytes(chirps(count))
    return said


async def measure(room: Pulse, folder: Path, *, count: int, **settings: object) -> Measured:
    """So many chirps, spoken by an officer at the control room's microphone."""
    said = said_in(folder, count)
    with inside(room):
        settings |= {"LIVE_CARD": f"card:{room.microphone}", "RULES_QUIET_FROM": "00:00", "RULES_QUIET_UNTIL": "00:00"}
        server = Server(load(environment=environment(folder / "data", **settings)))
        await server.start()
        try:
            await server.estate.enrol([Speaker(default_id(VILLAGE), VILLAGE, "x", volume_percent=100)], by=OFFICER)
            server.refresh_users()
            async with processes(server, folder, {default_id(VILLAGE): "pyaudio:horn"}, room.environment):
                await until(lambda: server.speakers.counts()[Presence.ONLINE] == 1, "the speaker", within_s=20)
                view = await speak(server, room, said, folder / "room.raw")
        finally:
            await server.stop()
    return Measured(*echoes(folder / "room.raw", count), view)


def echoes(recorded: Path, count: int) -> tuple[list[float], int]:
    """The delays of the chirps that were heard again, and how many were not."""
    both = np.frombuffer(recorded.read_bytes(), dtype="<i2")
    mouth, ear = both[: both.size // 2 * 2].reshape(-1, 2).astype(np.float64).T
    first_at = find(chirp(0), mouth[: 5 * RATE_HZ]).at
    around = round(0.2 * RATE_HZ)
    delays = []
    for n in range(count):
        at = max(0, first_at + round(n * EVERY_S * RATE_HZ) - around)
        end = at + 2 * around + chirp(n).size + LONGEST_MS * RATE_HZ // 1_000
        delays.append(delay_ms(mouth[at : at + 2 * around + chirp(n).size], ear[at:end], chirp(n)))
    return [one for one in delays if one is not None], sum(one is None for one in delays)


async def speak(server: Server, room: Pulse, said: Path, recorded: Path) -> LiveView:
    asked = OpenLive(areas=(VILLAGE,), tone=Tone.NONE, volume_percent=100, source="card")
    view = await server.live.prepare(asked, by=OFFICER)
    view = await server.live.open(view.id, by=OFFICER)
    await until(lambda: server.live.view(view.id, by=OFFICER).sounding == 1, "it sounds", within_s=15)
    await asyncio.sleep(1.5)
    with room.recording_together(recorded):
        command = ["pacat", "--device=mouth", "--rate=48000", "--format=s16le", "--channels=1", "--raw", str(said)]
        player = await asyncio.create_subprocess_exec(*command, env=room.environment, stderr=subprocess.DEVNULL)
        assert await player.wait() == 0
        await asyncio.sleep(1.0)
    return await server.live.close(view.id, by=OFFICER)


def delay_ms(mouth: Samples, ear: Samples, sound: Samples) -> float | None:
    """Between a chirp and its echo; None when there is none."""
    spoken = find(sound, mouth)
    assert spoken.score > 0.99, "the recording holds what was said"
    heard = find(sound, ear[spoken.at : spoken.at + sound.size + LONGEST_MS * RATE_HZ // 1_000])
    return heard.at_ms if heard.score > 0.5 else None
