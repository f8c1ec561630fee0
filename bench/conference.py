"""A county's conference on the embedded engine: 27 sites, all with microphone and camera, two of them talking, one broadcast to all
and nine on the chair's wall.

`python -m bench conference`. The sites are in two processes of their own and send sound and pictures that were encoded before: what
is measured is the engine's process. Then sites are muted and unmuted, until the engine's own figures say so, and pictures switched.
"""

import asyncio
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription, rtcrtpreceiver

from bench.figures import Figure, write
from bench.live import cpu_s
from broadcast.domain.conference.media import (
    AudioMode,
    EngineEvent,
    KeyFrameShown,
    Link,
    RoomSpec,
    SiteAudio,
    Source,
    Ticks,
    View,
)
from broadcast.transport.embedded.engine import EmbeddedEngine
from tests.conference.caller import ToneTrack, _connection, _until_connected
from tests.conference.contract import until

ROOM = "bench"
SITES = [f"site-{n:02}" for n in range(27)]
CHAIR, TALKING = SITES[0], SITES[:2]
WALL = 9
SECONDS = 20.0
PICTURES_PER_S, PICTURE_BPS = 15, 150_000
CPU_GOAL, OP_GOAL_MS = 60.0, 200.0
OPS = 200


def main() -> None:
    write("conference", asyncio.run(measure()))


async def measure() -> list[Figure]:
    heard: list[EngineEvent] = []
    with tempfile.TemporaryDirectory() as folder:
        engine = EmbeddedEngine(Path(folder), sheds=False)
        await engine.start(heard.append)
        await engine.open_room(RoomSpec(ROOM))
        for site in SITES:
            await engine.set_audio(ROOM, site, SiteAudio(AudioMode.TALK if site in TALKING else AudioMode.LISTEN))
            panes = tuple(Source(one) for one in SITES[1 : WALL + 1]) if site == CHAIR else (Source(CHAIR),)
            await engine.set_view(ROOM, site, View(panes))
        crowds = [_Crowd(engine, SITES[half::2]) for half in (0, 1)]
        try:
            await asyncio.gather(*(one.begin() for one in crowds))
            wanted = {(site, pane) for site in SITES for pane in range(WALL if site == CHAIR else 1)}
            await until(lambda: wanted <= {(one.site, one.pane) for one in heard if isinstance(one, KeyFrameShown)}, 60)
            figures = await _load(engine, heard, crowds)
            figures += await _ops(engine, heard)
        finally:
            for one in crowds:
                await one.end()
            await engine.stop()
    return figures


async def _load(engine: EmbeddedEngine, heard: list[EngineEvent], crowds: Sequence["_Crowd"]) -> list[Figure]:
    await asyncio.sleep(3)
    before, since, cpu = await engine.stats(), len(heard), cpu_s(engine.pid)
    got = [await one.counted() for one in crowds]
    began = time.monotonic()
    await asyncio.sleep(SECONDS)
    span_s = time.monotonic() - began
    used = 100 * (cpu_s(engine.pid) - cpu) / span_s
    after = await engine.stats()
    packets = sum(await asyncio.gather(*(one.counted() for one in crowds))) - sum(got)
    late = after.late_ticks - before.late_ticks
    ticks = sum(one.ticks for one in heard[since:] if isinstance(one, Ticks))
    print(f"{len(SITES)} sites, {span_s:.0f} s: {used:.1f} % of a core, {late} of {ticks} ticks late, "
          f"{packets / span_s:.0f} packets/s reached the sites, {(after.memory_bytes or 0) / 1e6:.0f} MB")  # fmt: skip
    return [
        Figure("conference: engine, 27 sites, 36 pictures, 2 talking", used, "%", goal=CPU_GOAL),
        Figure("conference: late ticks of the mixer", late, "", goal=0),
        Figure("conference: packets that reach the sites", packets / span_s, "/s"),
        Figure("conference: memory of the engine", (after.memory_bytes or 0) / 1e6, "MB"),
    ]


async def _ops(engine: EmbeddedEngine, heard: list[EngineEvent]) -> list[Figure]:
    """From the call until the engine's own figures say that it is so; and from a switch to its key frame."""
    applied, shown = [], []
    for n, site in zip(range(OPS), itertools.cycle(SITES[2:]), strict=False):
        mode = AudioMode.TALK if n // len(SITES) % 2 == 0 else AudioMode.LISTEN
        began = time.monotonic()
        await engine.set_audio(ROOM, site, SiteAudio(mode))
        assert (await engine.stats()).rooms[ROOM].audio[site].mode is mode
        applied.append(1_000 * (time.monotonic() - began))
        await asyncio.sleep(0.02)
    for site in SITES[1:]:
        await engine.set_audio(ROOM, site, SiteAudio())
    for n, site in enumerate(SITES[2:]):
        source = Source(SITES[2 + (n + 1) % (len(SITES) - 2)])
        since, began = len(heard), time.monotonic()
        await engine.set_view(ROOM, site, View((source,)))
        await until(lambda since=since: any(isinstance(one, KeyFrameShown) for one in heard[since:]), 10)
        shown.append(1_000 * (time.monotonic() - began))
    p99 = sorted(applied)[int(len(applied) * 0.99)]
    print(f"op → applied: {statistics.median(applied):.1f} ms median, {p99:.1f} ms p99 of {OPS}; "
          f"switch → key frame: {statistics.median(shown):.0f} ms median, {max(shown):.0f} ms most")  # fmt: skip
    return [
        Figure("conference: op → applied at 27 sites, p99", p99, "ms", goal=OP_GOAL_MS),
        Figure("conference: switch → key frame, median", statistics.median(shown), "ms"),
    ]


# ---- the sites' processes ---------------------------------------------------------------------------------------------------


class _Crowd:
    """Sites in a process of their own; what they have to say to the engine goes through us, as through a server."""

    def __init__(self, engine: EmbeddedEngine, sites: Sequence[str]) -> None:
        self._engine, self._sites = engine, sites
        self._wire, theirs = multiprocessing.Pipe()
        self._child = multiprocessing.get_context("spawn").Process(target=live, args=(list(sites), theirs))
        self._child.start()

    async def begin(self) -> None:
        while (said := await asyncio.to_thread(self._wire.recv))[0] != "up":
            call, site, *rest = said
            answer = await getattr(self._engine, call)(ROOM, site, *rest)
            self._wire.send(answer)

    async def counted(self) -> int:
        self._wire.send("count")
        return int(await asyncio.to_thread(self._wire.recv))

    async def end(self) -> None:
        self._wire.send("end")
        await asyncio.to_thread(self._child.join, 10)
        if self._child.is_alive():
            self._child.kill()


def live(sites: list[str], wire: Connection) -> None:
    os.nice(5)  # the machine is the engine's
    rtcrtpreceiver.decoder_worker = lambda *_: None
    asyncio.run(_live(sites, wire))


async def _live(sites: list[str], wire: Connection) -> None:
    count = 0

    def taken() -> None:
        nonlocal count
        count += 1

    async def ask(*said: object) -> Any:
        wire.send(said)
        return await asyncio.to_thread(wire.recv)

    for site in sites:
        for link, track in ((Link.AUDIO, ToneTrack(500)), (Link.CAMERA, FilmTrack())):
            pc = _connection()
            pc.addTransceiver(track, direction="sendrecv" if link is Link.AUDIO else "sendonly")
            if link is Link.CAMERA:
                track.listen_to(pc)  # type: ignore[union-attr]
            await pc.setLocalDescription(await pc.createOffer())
            answer = await ask("offer", site, link, pc.localDescription.sdp)
            await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            _count(pc, taken)
            await _until_connected(pc)
        pc = _connection()
        await pc.setRemoteDescription(RTCSessionDescription(await ask("offer_to", site), "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        await ask("answer", site, pc.localDescription.sdp)
        _count(pc, taken)
        await _until_connected(pc)
    wire.send(("up",))
    while await asyncio.to_thread(wire.recv) == "count":
        wire.send(count)
    os._exit(0)


KEPT: list[RTCPeerConnection] = []


def _count(pc: RTCPeerConnection, taken: Any) -> None:
    KEPT.append(pc)

    for one in pc.getTransceivers():
        handle = one.receiver._handle_rtp_packet

        async def take(packet: Any, arrival_time_ms: int, handle: Any = handle) -> None:
            taken()
            await handle(packet, arrival_time_ms=arrival_time_ms)  # it reports what it has, as browsers do

        one.receiver._handle_rtp_packet = take


@cache
def film() -> list[av.Packet]:
    """Ten seconds of a small camera in VP8; a key frame at the beginning only."""
    context: Any = av.CodecContext.create("libvpx", "w")
    context.width, context.height, context.pix_fmt, context.bit_rate = 320, 180, "yuv420p", PICTURE_BPS
    context.time_base, context.gop_size = Fraction(1, PICTURES_PER_S), 10 * PICTURES_PER_S
    context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    packets = []
    for n in range(10 * PICTURES_PER_S):
        frame = av.VideoFrame(320, 180, "yuv420p")
        for number, plane in enumerate(frame.planes):
            row = bytes((x * 3 + n * 5 * (number + 1)) & 0xFF for x in range(plane.line_size))
            plane.update(b"".join(row[y % 64 :] + row[: y % 64] for y in range(plane.height)))
        frame.pts, frame.time_base = n, Fraction(1, PICTURES_PER_S)
        packets += context.encode(frame)
    return packets


class FilmTrack(MediaStreamTrack):
    """The film again and again, from its beginning when a key frame is asked for."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._at = self._sent = 0
        self._began = 0.0

    def listen_to(self, pc: RTCPeerConnection) -> None:
        pc.getTransceivers()[0].sender._send_keyframe = self._rewind

    def _rewind(self) -> None:
        self._at = 0

    async def recv(self) -> Any:
        self._began = self._began or time.monotonic()
        await asyncio.sleep(max(0.0, self._began + self._sent / PICTURES_PER_S - time.monotonic()))
        packet = av.Packet(bytes(film()[self._at % len(film())]))
        packet.pts, packet.time_base = self._sent, Fraction(1, PICTURES_PER_S)
        self._at += 1
        self._sent += 1
        return packet
