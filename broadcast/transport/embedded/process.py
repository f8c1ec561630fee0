"""The engine's process: reads calls from standard input, answers and tells what happens on standard output, mixes every 20 ms.

Started by `engine.EmbeddedEngine` as `python -m broadcast.transport.embedded.process GENERATION sheds|keeps`.
It ends when its input does.
"""

import asyncio
import gc
import logging
import os
import resource
import sys
import time
from collections.abc import Coroutine
from typing import Any

from broadcast.domain.conference.media import (
    OFFERED_BY_SITE,
    BadSdp,
    EngineEvent,
    EngineFull,
    EngineStats,
    FedAt,
    Feed,
    Kind,
    Link,
    NotCapable,
    Play,
    PlayEnded,
    Quality,
    Recorded,
    RecordSpec,
    RoomSpec,
    RtpTarget,
    SiteAudio,
    Source,
    Started,
    Ticks,
    UnknownLink,
    UnknownRoom,
    View,
)
from broadcast.domain.conference.sdp import must_be_fine
from broadcast.domain.errors import BroadcastError
from broadcast.transport.embedded import private_names, words
from broadcast.transport.embedded.engine import CAPS
from broadcast.transport.embedded.room import STREAM_OF, Room
from broadcast.transport.embedded.shedding import PICTURES, SMALL_PANES, Shedding
from broadcast.transport.embedded.sound import Forward
from broadcast.transport.embedded.tape import Recording

log = logging.getLogger(__name__)

TICK_S = 0.02
MOST_ROOMS = 8
LOOK_S = 0.25
BEHIND_S = 0.5  # further behind than this the clock begins anew: sound of the past helps nobody


class Engine:
    """All rooms of the process. The methods are the calls of `broadcast.service.ports.Engine`."""

    def __init__(self, generation: int, *, sheds: bool) -> None:
        self.generation = generation
        self.rooms: dict[str, Room] = {}
        self.ticks = self.late = 0
        self._sheds = sheds
        self._shedding = Shedding()
        self._out = sys.stdout.fileno()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}
        self._began = time.monotonic()

    # ---- what is said back -----------------------------------------------------------------------------------------------------

    def write(self, raw: bytes) -> None:
        """A pipe that the server reads at once; when it does not, it is gone or hangs, and we end."""
        while raw:
            raw = raw[os.write(self._out, raw) :]

    def say(self, event: EngineEvent) -> None:
        self.write(words.event_line(event))

    def later(self, what: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(what)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (err := task.exception()) is not None:
            log.error("a task failed", exc_info=err)

    # ---- calls -----------------------------------------------------------------------------------------------------------------

    async def hear(self, said: dict[str, Any]) -> None:
        number = int(said["n"])
        try:
            call, args = words.call_of(said)
            result = await getattr(self, call)(*args)
        except BroadcastError as err:
            self.write(words.refusal_line(number, err))
        except Exception as err:
            log.exception("%s failed", said.get("call"))
            self.write(words.refusal_line(number, BroadcastError(f"{type(err).__name__}: {err}")))
        else:
            self.write(words.result_line(number, call, result))

    def _room(self, room: str) -> Room:
        if room not in self.rooms:
            raise UnknownRoom(room)
        return self.rooms[room]

    async def open_room(self, spec: RoomSpec) -> None:
        if spec.room in self.rooms:
            self.rooms[spec.room].spec = spec
            return
        if len(self.rooms) >= MOST_ROOMS:
            raise EngineFull("rooms", MOST_ROOMS)
        self.rooms[spec.room] = Room(spec, self.generation, self.say, self.later)

    async def close_room(self, room: str) -> None:
        found = self.rooms.pop(room, None)
        if found is not None:
            found.close()
        self._turns = {key: lock for key, lock in self._turns.items() if key[0] != room}

    def _turn(self, room: str, site: str) -> asyncio.Lock:
        """One negotiation of a site after the other."""
        return self._turns.setdefault((room, site), asyncio.Lock())

    def _must_fit(self, room: Room, site: str) -> None:
        sites = sum(len(one.sites) for one in self.rooms.values())
        if site in room.sites:
            return
        if sites >= CAPS.max_sites:
            raise EngineFull("sites", CAPS.max_sites)
        if room.spec.all_to_all and len(room.sites) >= CAPS.max_all_to_all:
            raise EngineFull("sites", CAPS.max_all_to_all)

    async def offer(self, room: str, site: str, link: Link, sdp: str) -> str:
        found = self._room(room)
        if link not in OFFERED_BY_SITE:
            raise BadSdp("not-allowed", f"{link.value} is offered by the engine")
        must_be_fine(sdp, link, speaks=True)
        self._must_fit(found, site)
        async with self._turn(room, site):
            return await found.offer(site, link, sdp)

    async def offer_to(self, room: str, site: str) -> str:
        found = self._room(room)
        self._must_fit(found, site)
        others = sum(one.pictures(but=site if one is found else None) for one in self.rooms.values())
        if others + len(found.views.get(site, View()).panes) > CAPS.max_pictures:
            raise EngineFull("pictures", CAPS.max_pictures)
        async with self._turn(room, site):
            return await found.offer_to(site)

    async def answer(self, room: str, site: str, sdp: str) -> None:
        found = self._room(room)
        if site not in found.offered:
            raise UnknownLink(room, site, Link.VIEW)
        must_be_fine(sdp, Link.VIEW, speaks=True)
        async with self._turn(room, site):
            await found.answer(site, sdp)

    async def trickle(  # noqa: PLR0917 as they come in the line
        self, room: str, site: str, link: Link, candidate: str | None, mid: str, mline: int
    ) -> None:
        async with self._turn(room, site):
            await self._room(room).trickle(site, link, candidate, mid, mline)

    async def hang_up(self, room: str, site: str, link: Link) -> None:
        self._room(room).hang_up(site, link, "hung-up")

    async def set_view(self, room: str, site: str, view: View) -> bool:
        return self._room(room).set_view(site, view)

    async def set_audio(self, room: str, site: str, audio: SiteAudio) -> None:
        found = self._room(room)
        found.sound.audio[site] = audio
        found.apply(site)

    async def set_quality(self, room: str, site: str, quality: Quality) -> None:
        found = self._room(room)
        found.quality[site] = quality
        found.apply(site)

    async def mute_room(self, room: str, on: bool, exempt: frozenset[str]) -> None:
        sound = self._room(room).sound
        sound.muted, sound.exempt = on, exempt

    async def kick(self, room: str, site: str) -> None:
        if room in self.rooms:
            self.rooms[room].kick(site)

    async def feed(self, room: str, site: str, feed: Feed | None) -> FedAt:
        self._room(room)
        if feed is not None:
            raise NotCapable(CAPS.name, "camera_rtsp" if feed.kind is Kind.RTSP else "rtp_in")
        return FedAt()

    async def forward_audio(self, room: str, forward: str, group: str, target: RtpTarget | None) -> None:
        forwards = self._room(room).sound.forwards
        older = forwards.get(forward)
        if older is not None and (older.group, older.target) == (group, target):
            return
        if target is not None:
            forwards[forward] = Forward(group, target)
        else:
            forwards.pop(forward, None)
        if older is not None:
            older.close()

    async def play(self, room: str, play: str, what: Play | None) -> None:
        sound = self._room(room).sound
        if what is None:
            ended = sound.playing.pop(play, None) is not None
        else:
            ended = play not in sound.played and not sound.begin(play, what)
        if ended:
            self.say(PlayEnded(self.generation, room, play))

    async def record(self, room: str, recording: str, spec: RecordSpec | None) -> list[Recorded]:
        found = self._room(room)
        if spec is None:
            return found.end_recording(recording)
        if recording not in found.recorded and recording not in found.sound.recordings:
            found.sound.recordings[recording] = Recording(spec)
        return []

    async def stats(self) -> EngineStats:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return EngineStats(
            self.generation,
            {name: room.stats() for name, room in self.rooms.items()},
            cpu_percent=round(100 * time.process_time() / max(0.001, time.monotonic() - self._began), 1),
            memory_bytes=usage.ru_maxrss * 1024,
            ticks=self.ticks,
            late_ticks=self.late,
        )

    # ---- time ------------------------------------------------------------------------------------------------------------------

    async def mix(self) -> None:
        """Every 20 ms, for ever. A tick that begins 20 ms after its time is late; nothing is left out for it."""
        due, told_at, told, spent = time.monotonic(), time.monotonic(), (0, 0), time.process_time()
        while True:
            due += TICK_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            behind = time.monotonic() - due
            self.ticks += 1
            self.late += behind > TICK_S
            if behind > BEHIND_S:
                due = time.monotonic()
            for room in list(self.rooms.values()):
                try:
                    await room.tick()
                except Exception:
                    log.exception("room %s: a tick failed", room.spec.room)
            if time.monotonic() - told_at >= 1.0:
                used = 100 * (time.process_time() - spent) / (time.monotonic() - told_at)
                self._tell(self.ticks - told[0], self.late - told[1], used)
                told_at, told, spent = time.monotonic(), (self.ticks, self.late), time.process_time()

    def _tell(self, ticks: int, late: int, cpu_percent: float) -> None:
        if self._sheds and self._shedding.second(late):
            log.warning("%s of %s ticks were late: step %s of shedding", late, ticks, self._shedding.step)
            self._shed()
        shed = sorted({source for room in self.rooms.values() for source in room.shed})
        self.say(Ticks(self.generation, ticks, late, round(cpu_percent, 1), tuple(shed)))

    def _shed(self) -> None:
        for room in self.rooms.values():
            every = {Source(site, STREAM_OF[link]) for site, link in room.wires if link in STREAM_OF}
            room.shed_panes = self._shedding.step >= SMALL_PANES
            room.shed = frozenset(every if self._shedding.step >= PICTURES else ())
            for site in room.panes:
                room.apply(site)

    async def look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for room in list(self.rooms.values()):
                await room.look()


async def run(generation: int, *, sheds: bool) -> None:
    engine = Engine(generation, sheds=sheds)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=words.MOST_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    engine.say(Started(generation))
    loops = [asyncio.create_task(engine.mix(), name="mixer"), asyncio.create_task(engine.look(), name="looking")]
    while raw := await reader.readline():
        engine.later(engine.hear(words.read(raw)))
    for room in list(engine.rooms.values()):
        room.sound.close()  # recordings have their last page
    for one in loops:
        one.cancel()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("aioice").setLevel(logging.WARNING)
    logging.getLogger("aiortc").setLevel(logging.WARNING)
    private_names.prepare()
    gc.collect()
    gc.freeze()
    asyncio.run(run(int(sys.argv[1]), sheds=sys.argv[2] == "sheds"))
    os._exit(0)  # aiortc's threads and sockets need no farewell


if __name__ == "__main__":
    main()
