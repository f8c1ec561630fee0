"""One open WebSocket is one microphone: sound and a few words come in, how it stands goes out, several times a second.

Whatever is refused is said as a problem (RFC 9457), and the socket is closed with 4000 + the HTTP status of that problem. A
socket that breaks while its microphone is on the air leaves it held, for the same officer to resume; one that breaks before
leaves nothing. See docs/live.md.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Coroutine
from contextlib import suppress

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from broadcast.domain.errors import BroadcastError
from broadcast.domain.live import BadSound, LiveState, LiveView, UnknownLive
from broadcast.domain.officers import Officer
from broadcast.service.officers import NotSignedIn
from broadcast.web.bodies import MOST_BYTES
from broadcast.web.errors import Broken, OutOfTurn, SoundStopped, TakenOver, TooManySockets, TooSlow
from broadcast.web.live_flow import Flow
from broadcast.web.live_models import (
    SAMPLES_BYTES,
    SEQ_BYTES,
    Begin,
    Close,
    Message,
    Mute,
    Open,
    Resume,
    StateOut,
    read_message,
)
from broadcast.web.pages import language_of
from broadcast.web.problems import problem_body, status_of
from broadcast.web.services import REQUEST_ID, SERVICES
from broadcast.web.session import officer_of
from broadcast.web.words import Words

log = logging.getLogger(__name__)

LOOK_S = 0.2
SIGNED_IN_LOOK_S = 1.0
OPEN_WITHIN_S = 10
SOUND_WITHIN_S = (
    3  # a page that is well sends fifty frames a second, silent ones too; speakers sound their hold tone now
)
CLOSE_WITHIN_S = 120.0  # the last words, an exercise's too, and a database that is away for a moment
SEND_WITHIN_S = 5.0
MOST_SOCKETS = 4  # of one officer, who has one microphone
REFUSED = 4_000  # and the HTTP status


class Sockets:
    """The open sockets, and which of them speaks for a microphone."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._holds: dict[str, Connection] = {}

    @property
    def count(self) -> int:
        return len(self._open)

    def enter(self, one: "Connection") -> None:
        """:raises TooManySockets: this officer has enough."""
        if sum(other.officer.name == one.officer.name for other in self._open) >= MOST_SOCKETS:
            raise TooManySockets(MOST_SOCKETS)
        self._open.add(one)

    def hold(self, live: str, one: "Connection") -> "Connection | None":
        """This one speaks for the microphone from now on; which one did before."""
        before = self._holds.get(live)
        self._holds[live] = one
        return before

    def leave(self, one: "Connection") -> bool:
        """Whether it spoke for its microphone until now."""
        self._open.discard(one)
        if self._holds.get(one.live) is not one:
            return False
        del self._holds[one.live]
        return True

    async def close(self) -> None:
        """The server ends."""
        await asyncio.gather(*(one.shut(WSCloseCode.GOING_AWAY) for one in list(self._open)))


SOCKETS = web.AppKey("sockets", Sockets)


class Connection:
    """One socket, from its first message to its end.

    :ivar live: the id of its microphone; empty until the first message has brought one.
    """

    def __init__(self, request: web.Request, officer: Officer) -> None:
        services = request.app[SERVICES]
        self.officer, self.live = officer, ""
        self._request, self._sockets = request, request.app[SOCKETS]
        self._service, self._health, self._now = services.live, services.health, services.clock.monotonic
        self._socket = web.WebSocketResponse(timeout=2.0, autoping=False, compress=False, max_msg_size=MOST_BYTES)
        self._flow = Flow(self._now())
        self._due = self._now() + OPEN_WITHIN_S
        self._sound = ""
        self._begun = self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # what is begun is whole before it is ended

    async def run(self) -> web.WebSocketResponse:
        """:raises TooManySockets: it was not opened."""
        self._sockets.enter(self)
        try:
            await self._socket.prepare(self._request)
            await self._answered(self._converse())
        finally:
            await self._leave()
        return self._socket

    async def shut(self, code: int, message: bytes = b"") -> None:
        """Close the socket; by force when nobody reads any more."""
        if not self._socket.prepared:
            return
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._socket.close(code=code, message=message)
        except (ConnectionError, TimeoutError):
            self._abort()

    def taken_over(self) -> None:
        """Another connection speaks for the microphone now."""
        self._start(self._refuse(TakenOver()))

    # ---- what comes in --------------------------------------------------------------------------------------------------

    async def _converse(self) -> None:
        """Until the socket is closed, by whichever end."""
        while (message := await self._next()) is not None:
            if message.type is WSMsgType.BINARY:
                self._hear(message.data)
            elif self.live:
                self._act(read_message(message.data))
            else:
                await self._enter(read_message(message.data))
                self._telling = self._start(self._tell())

    async def _next(self) -> WSMessage | None:
        """The next message that says something; None at the end.

        :raises TooFast, TooSlow, SoundStopped: too many of whatever kind, or nothing that was to come.
        """
        while (left_s := self._due - self._now()) > 0:
            try:
                message = await self._socket.receive(timeout=left_s)
            except TimeoutError:
                continue
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG):
                return None
            self._flow.take(self._now())
            if message.type is WSMsgType.PING:
                async with asyncio.timeout(SEND_WITHIN_S):
                    await self._socket.pong(message.data)
            elif message.type is not WSMsgType.PONG:
                return message
        raise SoundStopped(SOUND_WITHIN_S) if self.live else TooSlow(OPEN_WITHIN_S)

    async def _enter(self, first: Message) -> None:
        if isinstance(first, Open):
            view = await self._service.prepare(first.command(), by=self.officer)
        elif isinstance(first, Resume):
            view = self._service.back(first.id, by=self.officer)
        else:
            raise OutOfTurn(first.type)
        self.live, self._sound = view.id, first.sound
        self._due = self._now() + SOUND_WITHIN_S
        if (before := self._sockets.hold(view.id, self)) is not None:
            before.taken_over()

    def _hear(self, data: bytes) -> None:
        if not self.live:
            raise OutOfTurn("sound")
        now = self._now()
        if not self._closing:
            self._due = now + SOUND_WITHIN_S
        seq, sound = int.from_bytes(data[:SEQ_BYTES], "big"), data[SEQ_BYTES:]
        if self._flow.is_late(seq, now):
            return
        if self._sound == "opus":
            self._service.feed_opus(self.live, [sound], by=self.officer)
            return
        if len(sound) != SAMPLES_BYTES:
            raise BadSound(f"{len(sound)} bytes, and not the {SAMPLES_BYTES} of 20 ms")
        self._service.feed_pcm(self.live, sound, by=self.officer)

    def _act(self, message: Message) -> None:
        if isinstance(message, Mute):
            self._service.mute(self.live, on=message.on, by=self.officer)
        elif isinstance(message, Begin):
            if not self._begun:
                self._begun = True
                self._start(self._in_turn(self._service.open(self.live, by=self.officer)))
        elif isinstance(message, Close):
            if not self._closing:
                self._closing, self._due = True, self._now() + CLOSE_WITHIN_S
                self._start(self._in_turn(self._service.close(self.live, by=self.officer)))
        else:
            raise OutOfTurn(message.type)

    async def _in_turn(self, act: Awaitable[LiveView]) -> None:
        async with self._turn:
            await act

    # ---- what goes out --------------------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        """How it stands, until it has ended."""
        view, looked_at = self._service.view(self.live, by=self.officer), self._now()
        while True:
            await self._say(StateOut.of(view, late=self._flow.late).model_dump_json())
            if view.state is LiveState.ENDED:
                await self.shut(WSCloseCode.OK)
                return
            if self._now() - looked_at >= SIGNED_IN_LOOK_S:
                looked_at = self._now()
                await self._must_be_signed_in(view)
            view = await self._service.wait(self.live, by=self.officer, timeout_s=LOOK_S)

    async def _must_be_signed_in(self, view: LiveView) -> None:
        """Who speaks is there; who was signed out speaks no longer.

        :raises NotSignedIn: and what was said has gone out.
        """
        try:
            await officer_of(self._request, touch=view.may_speak and view.silent_s < SIGNED_IN_LOOK_S)
        except NotSignedIn:
            await self._in_turn(self._service.close(self.live, by=self.officer))
            raise

    async def _say(self, text: str) -> None:
        """:raises TimeoutError: nobody reads it."""
        async with asyncio.timeout(SEND_WITHIN_S):
            await self._socket.send_str(text)

    async def _refuse(self, err: BroadcastError) -> None:
        problem = problem_body(err, Words(language_of(self._request)))
        with suppress(ConnectionError, TimeoutError):
            await self._say(json.dumps({"type": "refused", "problem": problem}, ensure_ascii=False))
        await self.shut(REFUSED + status_of(err), problem["type"].encode())

    # ---- tasks and the end ----------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._answered(work), name=f"microphone {self.officer.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answered(self, work: Awaitable[None]) -> None:
        """What goes wrong is said, and ends the connection."""
        try:
            await work
        except BroadcastError as err:
            await self._refuse(err)
        except (ConnectionError, TimeoutError) as err:
            log.info("microphone of %s: %r", self.officer.name, err)
            self._abort()
        except Exception:  # our bug: the officer gets its number, the log the rest
            log.exception("microphone of %s", self.officer.name)
            self._health.count("web_errors")
            await self._refuse(Broken(self._request[REQUEST_ID]))

    def _abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _leave(self) -> None:
        """What was begun becomes whole; then the microphone is held, or was never more than looked at."""
        if self._telling is not None:
            self._telling.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if not self._sockets.leave(self):
            return
        with suppress(UnknownLive):
            view = self._service.view(self.live, by=self.officer)
            if view.state in (LiveState.CLOSING, LiveState.ENDED):
                return
            if view.order:
                self._service.gone(self.live, by=self.officer)
            else:
                await self._service.close(self.live, by=self.officer)
