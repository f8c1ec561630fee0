"""The server's end of our own engine: starts its process, says what is wanted, hears what happened, starts it again."""

import asyncio
import contextlib
import itertools
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from broadcast.domain.conference.media import (
    Died,
    EngineCaps,
    EngineDown,
    EngineEvent,
    EngineStats,
    EngineTimeout,
    FedAt,
    Feed,
    Link,
    Play,
    Quality,
    Recorded,
    RecordSpec,
    RoomSpec,
    RtpTarget,
    SiteAudio,
    Started,
    View,
)
from broadcast.service.ports import ENGINE_WITHIN_S
from broadcast.transport.child import end_left_over, end_with_parent, open_private, record_pid
from broadcast.transport.embedded import words

log = logging.getLogger(__name__)

CAPS = EngineCaps(
    name="embedded",
    version="aiortc 1.16",
    max_sites=30,  # 27 cameras, 36 pictures and the mix are half a core (research/conference.md §5)
    max_all_to_all=8,
    max_pictures=56,
    rtp_out=True,
    groups=True,
    record_tracks=True,
    record_mix=True,
)
START_WITHIN_S = 20.0  # an idle machine needs one; a busy one more
SILENT_S = 6.0  # it says `Ticks` every second: so long without one and it hangs
AGAIN_FIRST_S, AGAIN_CAP_S, STEADY_S = 0.05, 5.0, 3.0
STOP_S = 3.0


class EmbeddedEngine:
    """`Engine`, in a process of its own that dies with this one.

    :param folder: ours alone: its log, its process id.
    :param sheds: let pictures go when the mixer is late; off for tests on machines that are busy with others.
    """

    def __init__(self, folder: Path, *, sheds: bool = True) -> None:
        self._folder, self._sheds = folder, sheds
        self._argv = [sys.executable, "-m", "broadcast.transport.embedded.process"]
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._hear: Callable[[EngineEvent], None] = lambda _: None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._generation = 0
        self._up = False
        self._tried = asyncio.Event()  # to start it, once

    @property
    def caps(self) -> EngineCaps:
        return CAPS

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, hear: Callable[[EngineEvent], None]) -> None:
        """Return at once, the server has other things to begin; a call waits for the first start as long as a call may take."""
        if self._keeper is not None:
            return
        self._hear = hear
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        await end_left_over(self._folder / "child.pid", self._argv)
        self._keeper = asyncio.create_task(self._keep_running(), name="conference-engine")

    async def stop(self) -> None:
        if self._keeper is None:
            return
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        self._keeper = None
        await self._end()

    # ---- what is said ---------------------------------------------------------------------------------------------------------

    async def open_room(self, spec: RoomSpec) -> None:
        await self._call("open_room", spec)

    async def close_room(self, room: str) -> None:
        await self._call("close_room", room)

    async def offer(self, room: str, site: str, link: Link, sdp: str) -> str:
        return str(await self._call("offer", room, site, link, sdp))

    async def offer_to(self, room: str, site: str) -> str:
        return str(await self._call("offer_to", room, site))

    async def answer(self, room: str, site: str, sdp: str) -> None:
        await self._call("answer", room, site, sdp)

    async def trickle(self, room: str, site: str, link: Link, candidate: str | None, *, mid: str, mline: int) -> None:
        await self._call("trickle", room, site, link, candidate, mid, mline)

    async def hang_up(self, room: str, site: str, link: Link) -> None:
        await self._call("hang_up", room, site, link)

    async def set_view(self, room: str, site: str, view: View) -> bool:
        return bool(await self._call("set_view", room, site, view))

    async def set_audio(self, room: str, site: str, audio: SiteAudio) -> None:
        await self._call("set_audio", room, site, audio)

    async def set_quality(self, room: str, site: str, quality: Quality) -> None:
        await self._call("set_quality", room, site, quality)

    async def mute_room(self, room: str, on: bool, exempt: frozenset[str] = frozenset()) -> None:
        await self._call("mute_room", room, on, exempt)

    async def kick(self, room: str, site: str) -> None:
        await self._call("kick", room, site)

    async def feed(self, room: str, site: str, feed: Feed | None) -> FedAt:
        fed: FedAt = await self._call("feed", room, site, feed)
        return fed

    async def forward_audio(self, room: str, forward: str, group: str, target: RtpTarget | None) -> None:
        await self._call("forward_audio", room, forward, group, target)

    async def play(self, room: str, play: str, what: Play | None) -> None:
        await self._call("play", room, play, what)

    async def record(self, room: str, recording: str, spec: RecordSpec | None) -> Sequence[Recorded]:
        recorded: Sequence[Recorded] = await self._call("record", room, recording, spec)
        return recorded

    async def stats(self) -> EngineStats:
        stats: EngineStats = await self._call("stats")
        return stats

    async def _call(self, call: str, *args: object) -> Any:
        if self._keeper is not None and not self._tried.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._tried.wait(), ENGINE_WITHIN_S - 1)
        process = self._process
        if not self._up or process is None or process.stdin is None:
            raise EngineDown("its process does not run now")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            async with asyncio.timeout(ENGINE_WITHIN_S):
                process.stdin.write(words.call_line(number, call, args))
                await process.stdin.drain()
                said = await answer
        except TimeoutError:
            raise EngineTimeout(call, ENGINE_WITHIN_S) from None
        except OSError as err:
            raise EngineDown(f"its process does not listen: {err}") from err
        finally:
            self._asked.pop(number, None)
        return words.result_of(call, said)

    # ---- the process ----------------------------------------------------------------------------------------------------------

    async def _launch(self) -> None:
        """Start it and wait for its first word. :raises EngineDown."""
        self._generation = max(self._generation + 1, int(time.time()))  # of a later server it is higher too
        arguments = [str(self._generation), "sheds" if self._sheds else "keeps"]
        try:
            with open_private(self._folder / "engine.log") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    *arguments,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=output,
                    env=_environment(),
                    limit=words.MOST_LINE_BYTES,
                    start_new_session=True,
                    preexec_fn=end_with_parent(os.getpid()) if sys.platform == "linux" else None,
                )
            record_pid(self._folder / "child.pid", self._process.pid)
            async with asyncio.timeout(START_WITHIN_S):
                first = words.event_of(words.read(await self._line()))
        except (OSError, TimeoutError, words.Garbled) as err:
            await self._end()
            raise EngineDown(f"it did not start ({type(err).__name__}): {self._last_words()}") from err
        self._up = True
        self._hear(first if isinstance(first, Started) else Started(self._generation))

    async def _keep_running(self) -> None:
        pause_s = AGAIN_FIRST_S
        while True:
            began = time.monotonic()
            try:
                await self._launch()
            except EngineDown:
                log.exception("the conference engine can't be started yet")
            finally:
                self._tried.set()
            if self._up:
                cause = await self._listen()
                self._up = False
                await self._end()
                log.error("conference engine %s is gone (%s): %s", self._generation, cause, self._last_words())
                self._fail_all(cause)
                self._hear(Died(self._generation, cause))
            pause_s = AGAIN_FIRST_S if time.monotonic() - began > STEADY_S else min(AGAIN_CAP_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    async def _listen(self) -> str:
        """Hear it out. :returns: why it ended."""
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    raw = await self._line()
                said = words.read(raw)
                if "event" in said:
                    self._hear(words.event_of(said))
                elif (answer := self._asked.get(said["n"])) is not None and not answer.done():
                    answer.set_result(said)
            except TimeoutError:
                return f"nothing heard of it for {SILENT_S:g} s"
            except words.Garbled as err:
                return f"its words make no sense: {err}"
            except OSError as err:
                return str(err)

    async def _line(self) -> bytes:
        """:raises OSError: it has ended. :raises words.Garbled: too long."""
        process = self._process
        if process is None or process.stdout is None:
            raise OSError("there is no process")
        try:
            raw = await process.stdout.readline()
        except ValueError as err:
            raise words.Garbled("a line that is too long") from err
        if not raw:
            raise OSError("its process has ended")
        return raw

    def _fail_all(self, cause: str) -> None:
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            if not answer.done():
                answer.set_exception(EngineDown(cause))

    async def _end(self) -> None:
        self._up = False
        self._fail_all("it was ended")
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # which ends it, its tapes written
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        (self._folder / "child.pid").unlink(missing_ok=True)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            text = (self._folder / "engine.log").read_text(errors="replace")
            return " | ".join(text[-2_000:].strip().splitlines()[-3:])
        return ""


def _environment() -> dict[str, str]:
    """Ours, and it finds this same code wherever it stands."""
    root = str(Path(__file__).resolve().parents[3])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
