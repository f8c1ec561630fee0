"""Sites without a browser, on aiortc: real SDP, ICE, DTLS and SRTP; a tone for each site, a grey for each picture.

stage = CallerStage(engine)
await engine.start(stage.hear)
a = stage.client(room, "a")
await a.send(Link.AUDIO)
assert await a.hears() == {"b"}
await stage.end()
"""

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from audio_assets.live_codec import LiveEncoder
from broadcast.domain.conference.media import EngineEvent, Link, Source, Stream
from broadcast.service.ports import Engine

RATE_HZ, FRAME = 48_000, 960
TONES_HZ = tuple(500 + 400 * n for n in range(12))
GREYS = tuple(30 + 16 * n for n in range(12))
WINDOW_S = 0.4  # of sound, by which is said who is heard
FRESH_S = 1.0  # a picture older than this is no picture
PICTURES_PER_S = 10
CONNECT_WITHIN_S = 10.0
WIDTH, HEIGHT = 160, 120


@cache
def tone(hz: int) -> list[bytes]:
    """A second of it in Opus, which can be repeated for ever."""
    samples = 9_000 * np.sin(2 * np.pi * hz * np.arange(RATE_HZ) / RATE_HZ)
    return LiveEncoder(voice=False, bit_rate=32_000).encode(samples.astype(np.int16).tobytes())


def tones_in(samples: np.ndarray[Any, Any], among: Sequence[int]) -> set[int]:
    """Which of them are there, more than 40 dB below the loudest being nothing; silence has none."""
    if len(samples) < FRAME * 5:
        return set()
    window = samples * np.hanning(len(samples))
    at = np.arange(len(samples))
    power = {hz: abs(np.dot(window, np.exp(-2j * np.pi * hz * at / RATE_HZ))) / len(samples) for hz in among}
    return {hz for hz, found in power.items() if found > 300}


class ToneTrack(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hz: int) -> None:
        super().__init__()
        self._frames, self._at, self._began = tone(hz), 0, 0.0

    async def recv(self) -> Any:
        if self.readyState != "live":
            raise MediaStreamError
        self._began = self._began or time.monotonic()
        await asyncio.sleep(max(0.0, self._began + self._at * 0.02 - time.monotonic()))
        packet = av.Packet(self._frames[self._at % len(self._frames)])
        packet.pts, packet.time_base = self._at * FRAME, Fraction(1, RATE_HZ)
        self._at += 1
        return packet


class GreyTrack(MediaStreamTrack):
    kind = "video"

    def __init__(self, grey: int, per_s: float = PICTURES_PER_S) -> None:
        super().__init__()
        self._grey, self._per_s, self._at, self._began = grey, per_s, 0, 0.0

    async def recv(self) -> Any:
        if self.readyState != "live":
            raise MediaStreamError
        self._began = self._began or time.monotonic()
        await asyncio.sleep(max(0.0, self._began + self._at / self._per_s - time.monotonic()))
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, dtype=np.uint8)
        planes[:HEIGHT] = self._grey
        planes[: HEIGHT // 8, (self._at * 8) % WIDTH : (self._at * 8) % WIDTH + 8] = 235  # something moves
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = round(self._at * 90_000 / self._per_s), Fraction(1, 90_000)
        self._at += 1
        return frame


class Caller:
    """One site. It obeys nobody: it goes on sending whatever it is told, as a modified client would."""

    def __init__(self, stage: "CallerStage", room: str, site: str) -> None:
        self._stage, self.room, self.site = stage, room, site
        self.links: dict[Link, RTCPeerConnection] = {}
        self._sound: deque[tuple[float, np.ndarray[Any, Any]]] = deque(maxlen=200)
        self._pictures: list[tuple[float, float]] = []  # when, and how grey, of each pane
        self._tasks: list[asyncio.Task[None]] = []
        self.pictures = 0  # decoded, of all panes

    async def send(self, link: Link) -> None:
        """Offer, answer, and media flows."""
        pc = _connection()
        if link is Link.AUDIO:
            pc.addTransceiver(ToneTrack(self._stage.hz_of(self.site)), direction="sendrecv")
        else:
            stream = Stream.CAMERA if link is Link.CAMERA else Stream.CONTENT
            pc.addTransceiver(GreyTrack(self._stage.grey_of(Source(self.site, stream))), direction="sendonly")
        await self._replace(link, pc)
        await pc.setLocalDescription(await pc.createOffer())
        answer = await self._stage.engine.offer(self.room, self.site, link, pc.localDescription.sdp)
        if link is Link.AUDIO:
            pc.on("track", lambda track: self._begin(self._listen(track)))
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await _until_connected(pc)

    async def watch(self) -> None:
        """The engine offers; as many panes as the view has."""
        pc = _connection()
        panes: list[tuple[float, float]] = []

        def on_track(track: MediaStreamTrack) -> None:
            panes.append((0.0, 0.0))
            self._begin(self._look(track, panes, len(panes) - 1))

        pc.on("track", on_track)
        offer = await self._stage.engine.offer_to(self.room, self.site)
        await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        await self._stage.engine.answer(self.room, self.site, pc.localDescription.sdp)
        await _until_connected(pc)
        await self._replace(Link.VIEW, pc)
        self._pictures = panes

    async def hears(self) -> set[str]:
        since = time.monotonic() - WINDOW_S
        recent = [samples for at, samples in self._sound if at > since]
        found = tones_in(np.concatenate(recent), TONES_HZ) if recent else set()
        return {site for site in self._stage.sites if self._stage.hz_of(site) in found}

    async def sees(self) -> tuple[Source | None, ...]:
        since = time.monotonic() - FRESH_S
        return tuple(self._stage.source_of(grey) if at > since else None for at, grey in self._pictures)

    async def vanish(self) -> None:
        """As a browser that was killed: its sockets are gone, and nothing was said."""
        for pc in self.links.values():
            for transceiver in pc.getTransceivers():
                for protocol in transceiver.receiver.transport.transport._connection._protocols:
                    protocol.transport.abort()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        links, self.links = self.links, {}
        for pc in links.values():
            await _close(pc)

    async def _replace(self, link: Link, pc: RTCPeerConnection) -> None:
        older = self.links.pop(link, None)
        self.links[link] = pc
        if older is not None:
            await _close(older)

    def _begin(self, what: Any) -> None:
        self._tasks.append(asyncio.ensure_future(what))

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0].astype(np.float64)
                self._sound.append((time.monotonic(), samples))

    async def _look(self, track: MediaStreamTrack, panes: list[tuple[float, float]], number: int) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                plane = np.frombuffer(bytes(frame.planes[0]), dtype=np.uint8).reshape(-1, frame.planes[0].line_size)
                grey = float(np.median(plane[frame.height // 2 : frame.height, : frame.width]))
                panes[number] = (time.monotonic(), grey)
                self.pictures += 1


def _connection() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


async def _until_connected(pc: RTCPeerConnection) -> None:
    async with asyncio.timeout(CONNECT_WITHIN_S):
        while pc.connectionState != "connected":  # noqa: ASYNC110 aiortc tells a callback, once
            await asyncio.sleep(0.01)


async def _close(pc: RTCPeerConnection) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(3):
            await pc.close()


class CallerStage:
    """An engine with callers.

    :param pid_of: of the process that `kill` kills.
    """

    def __init__(self, engine: Engine, pid_of: Callable[[], int | None] = lambda: None) -> None:
        self._engine, self._pid_of = engine, pid_of
        self._heard: list[EngineEvent] = []
        self._clients: list[Caller] = []
        self.sites: list[str] = []
        self._sources: list[Source] = []

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def heard(self) -> Sequence[EngineEvent]:
        return self._heard

    def hear(self, event: EngineEvent) -> None:
        self._heard.append(event)

    def client(self, room: str, site: str) -> Caller:
        if site not in self.sites:
            self.sites.append(site)
        caller = Caller(self, room, site)
        self._clients.append(caller)
        return caller

    async def kill(self) -> None:
        if (pid := self._pid_of()) is not None:
            os.kill(pid, signal.SIGKILL)

    async def end(self) -> None:
        """Call before the engine is stopped."""
        for one in self._clients:
            await one.close()

    def hz_of(self, site: str) -> int:
        if site not in self.sites:
            self.sites.append(site)
        return TONES_HZ[self.sites.index(site) % len(TONES_HZ)]

    def grey_of(self, source: Source) -> int:
        if source not in self._sources:
            self._sources.append(source)
        return GREYS[self._sources.index(source) % len(GREYS)]

    def source_of(self, grey: float) -> Source | None:
        near = [one for one in self._sources if abs(self.grey_of(one) - grey) < 6]
        return near[0] if near else None
