"""One WebSocket is one page of a site, or of a chair at the desk: state goes out, acts and SDP come in (docs/conference.md).

SDP and ICE come here and go nowhere else: no page ever talks to the engine. Whatever is refused is said as a problem (RFC 9457)
with the number of the message; what is no message at all, or a flood, ends the socket with 4000 + the HTTP status.
"""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Annotated, Any, Literal

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import Field, TypeAdapter, ValidationError

from broadcast.domain.conference.acting import Actor
from broadcast.domain.conference.acts import AnyAct
from broadcast.domain.conference.errors import BadTicket, ConferenceOver, NotNow
from broadcast.domain.conference.media import Link
from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.telling import Viewer
from broadcast.domain.errors import BroadcastError
from broadcast.service.officers import NotSignedIn
from broadcast.web.bodies import invalid
from broadcast.web.errors import TooManyMessages, TooManyPages
from broadcast.web.live import must_be_our_page
from broadcast.web.models import In
from broadcast.web.openapi import PREFIX
from broadcast.web.pages import language_of
from broadcast.web.problems import problem_body, status_of
from broadcast.web.services import SERVICES
from broadcast.web.session import address_of, who_asks
from broadcast.web.words import Words

log = logging.getLogger(__name__)

SOCKET = PREFIX + "/conferences/{conference:[0-9A-Z]{26}}/socket"
MOST_BYTES = 64 * 1024
ENTER_WITHIN_S = 10.0
SEND_WITHIN_S = 5.0
TICK_S = 5.0
PING_S = 10.0  # a line that is dead is noticed within 15 s
MOST_A_SECOND, BURST = 20, 60  # candidates of four links come at once
MOST_SOCKETS = 8  # of one address and conference beyond the first: a township's rooms share one
REFUSED = 4_000

Number = Annotated[int, Field(ge=0, le=2**31)]


class Ticketed(In):
    """The first message: a ticket, the key of a seat, or nothing but the sign-in's cookie."""

    type: Literal["enter"]
    ticket: Annotated[str, Field(max_length=64)] = ""
    key: Annotated[str, Field(max_length=64)] = ""
    version: int = 0


class Acting(In):
    type: Literal["act"]
    n: Number
    act: Annotated[AnyAct, Field(discriminator="act")]


class Offering(In):
    type: Literal["offer"]
    n: Number
    link: Link
    sdp: str


class Viewing(In):
    type: Literal["view"]
    n: Number


class Answering(In):
    type: Literal["answer"]
    n: Number
    sdp: str


class Trickling(In):
    type: Literal["candidate"]
    n: Number = 0
    link: Link
    candidate: str | None
    mid: Annotated[str, Field(max_length=16)] = ""
    mline: Annotated[int, Field(ge=0, le=31)] = 0


class HangingUp(In):
    type: Literal["hang_up"]
    n: Number
    link: Link


Said = Acting | Offering | Viewing | Answering | Trickling | HangingUp
SAID: TypeAdapter[Said] = TypeAdapter(Annotated[Said, Field(discriminator="type")])
FIRST = TypeAdapter(Ticketed)


class Sockets:
    """All that are open."""

    def __init__(self) -> None:
        self._open: set[Page] = set()

    def enter(self, page: "Page") -> None:
        """:raises TooManyPages."""
        if sum(one.key == page.key for one in self._open) >= MOST_SOCKETS:
            raise TooManyPages(MOST_SOCKETS)
        self._open.add(page)

    def leave(self, page: "Page") -> None:
        self._open.discard(page)

    async def close(self) -> None:
        await asyncio.gather(*(one.shut(WSCloseCode.GOING_AWAY) for one in list(self._open)))


SOCKETS = web.AppKey("conference_sockets", Sockets)


class Page:
    """One socket from its first message to its end."""

    def __init__(self, request: web.Request) -> None:
        services = request.app[SERVICES]
        self._request, self._of, self._clock = request, services.conferring, services.clock
        self._conference = request.match_info["conference"]
        self.key = (address_of(request), self._conference)
        self._socket = web.WebSocketResponse(heartbeat=PING_S, compress=False, max_msg_size=MOST_BYTES)
        self._actor = Actor("")
        self._officer = False
        self._tokens, self._at = float(BURST), services.clock.monotonic()

    async def run(self) -> web.WebSocketResponse:
        sockets = self._request.app[SOCKETS]
        sockets.enter(self)
        try:
            await self._socket.prepare(self._request)
            try:
                await self._converse()
            except BroadcastError as err:
                await self._say({"type": "refused", "n": None, "problem": self._problem(err)})
                await self.shut(REFUSED + status_of(err))
            except (ConnectionError, TimeoutError) as err:
                log.info("page of conference %s: %r", self._conference, err)
        finally:
            sockets.leave(self)
        return self._socket

    async def shut(self, code: int) -> None:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._socket.close(code=code)

    # ---- the conversation -----------------------------------------------------------------------------------------------------

    async def _converse(self) -> None:
        async with asyncio.timeout(ENTER_WITHIN_S):
            first = await self._read(FIRST)
        if first is None:
            return
        await self._enter(first)
        site = self._actor.site
        if site:
            self._of.doors.line_open(self._conference, site)
        line = self._of.lines.open(self._conference, site or " ")
        loop = asyncio.get_running_loop()
        telling = [
            loop.create_task(self._tell(first.version), name="conference state"),
            loop.create_task(self._pass_on(line), name="conference line"),
        ]
        try:
            while (said := await self._read(SAID)) is not None:
                await self._answer(said)
        finally:
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)
            self._of.lines.close(self._conference, site or " ", line)
            if site:
                self._of.doors.line_closed(self._conference, site)

    async def _enter(self, first: Ticketed) -> None:
        """:raises BadTicket, TooManyTickets, NotSignedIn, UnknownConference, Banned, ConferenceLocked, ConferenceOver."""
        doors = self._of.doors
        if first.ticket:
            seated = await doors.enter(self._conference, first.ticket, address=self.key[0])
            self._actor = Actor(seated.identity, seated.site)
            await self._say({"type": "seated", "site": seated.site, "key": seated.key})
        elif first.key:
            self._actor = await doors.seated(self._conference, first.key)
            await doors.back(self._conference, self._actor)
            await self._say({"type": "seated", "site": self._actor.site})
        else:
            must_be_our_page(self._request)
            officer = await who_asks(self._request)
            conference = await self._of.conferences.get(self._conference, by=officer)
            found = self._of.conferences.actor(conference, officer)
            self._actor, self._officer = Actor(found.name, "", found.administers), True
            self._of.conferences.now(self._conference)
            await self._say({"type": "seated", "site": ""})

    async def _read(self, model: TypeAdapter[Any]) -> Any:
        """The next message; None at the end. :raises InvalidRequest, NotReadable, TooManyMessages."""
        message = await self._socket.receive()
        if message.type is not WSMsgType.TEXT:
            return None
        now = self._clock.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._at) * MOST_A_SECOND) - 1
        self._at = now
        if self._tokens < 0:
            raise TooManyMessages(MOST_A_SECOND)
        try:
            return model.validate_json(message.data, strict=True)
        except ValidationError as err:
            raise invalid(err) from None

    async def _answer(self, said: Said) -> None:
        """Do it; what is refused is said and changes nothing."""
        try:
            answer = await self._do(said)
        except NotSignedIn:
            raise
        except BroadcastError as err:
            await self._say({"type": "refused", "n": said.n, "problem": self._problem(err)})
            return
        if answer is not None:
            await self._say({"n": said.n, **answer})

    async def _do(self, said: Said) -> dict[str, Any] | None:
        media, room = self._of.media, self._conference
        if isinstance(said, Acting):
            after = await self._act(said)
            return {"type": "done", "version": after.version}
        if not self._actor.site:
            raise NotNow("no-seat")
        match said:
            case Offering():
                sdp = await media.offer(room, said.link, said.sdp, by=self._actor)
                return {"type": "answer", "link": said.link.value, "sdp": sdp}
            case Viewing():
                return {"type": "offer", "link": "view", "sdp": await media.view(room, by=self._actor)}
            case Answering():
                await media.answer(room, said.sdp, by=self._actor)
            case HangingUp():
                await media.hang_up(room, said.link, by=self._actor)
            case Trickling():
                await media.trickle(room, said.link, said.candidate, said.mid, said.mline, by=self._actor)
                return None
        return {"type": "done"}

    async def _act(self, said: Acting) -> Conference:
        conferences = self._of.conferences
        if self._officer:
            return await conferences.act(self._conference, said.act, by=await who_asks(self._request))
        after = await conferences.act_as(self._conference, said.act, by=self._actor)
        await self._of.reconciler.step()
        return after

    # ---- what goes out --------------------------------------------------------------------------------------------------------

    async def _tell(self, version: int) -> None:
        """The state and every change, until the conference or the seat is over."""
        conferences = self._of.conferences
        if version == 0:
            state = conferences.state(self._conference, self._viewer)
            await self._say({"type": "state", **state})
            version = int(str(state["version"]))
        while True:
            for change in conferences.since(self._conference, version, self._viewer):
                await self._say({"type": "state", **change})
                version = int(str(change["version"]))
                if change["state"] == "deleted":
                    await self._close(ConferenceOver(self._conference))
                    return
            if not self._is_here():
                await self._close(BadTicket())
                return
            known = version
            await conferences.wait(self._conference, known, timeout_s=TICK_S)
            if conferences.now(self._conference).version == known:
                await self._say({"type": "tick", "version": known})

    def _is_here(self) -> bool:
        """Who was put out, or has left, has no page any more."""
        if not self._actor.site:
            return True
        one = self._of.conferences.now(self._conference).find(self._actor.site)
        return one is not None and one.identity == self._actor.name and one.status.value in ("connected", "on-hold")

    async def _close(self, err: BroadcastError) -> None:
        await self._say({"type": "over", "problem": self._problem(err)})
        await self.shut(WSCloseCode.OK)

    async def _pass_on(self, line: "asyncio.Queue[dict[str, object]]") -> None:
        while True:
            await self._say(await line.get())

    def _viewer(self, conference: Conference) -> Viewer:
        return self._of.conferences.viewer(conference, self._actor)

    def _problem(self, err: BroadcastError) -> dict[str, Any]:
        return problem_body(err, Words(language_of(self._request)))

    async def _say(self, message: dict[str, Any]) -> None:
        """:raises TimeoutError: nobody reads it."""
        async with asyncio.timeout(SEND_WITHIN_S):
            await self._socket.send_str(json.dumps(message, ensure_ascii=False))


async def connect(request: web.Request) -> web.StreamResponse:
    """The socket; who may come in is settled by its first message."""
    return await Page(request).run()


async def _end_sockets(app: web.Application) -> None:
    await app[SOCKETS].close()


def add_to(app: web.Application) -> None:
    app[SOCKETS] = Sockets()
    app.router.add_get(SOCKET, connect)
    app.on_shutdown.append(_end_sockets)
