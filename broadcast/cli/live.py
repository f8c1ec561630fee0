"""`lianbo live`: the control room's microphone (现场喊话). This machine's sound card, over the same door as the officer's page.

Sound is captured and encoded in a worker process; what is said goes out only after the officer has heard how loud it is.
"""

import asyncio
import contextlib
import json
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import aiohttp
import typer

from broadcast.cli.common import FAILED, SOME_MISSING, fail, warn
from broadcast.cli.desk import DEFAULT_URL, Desk, Json, PasswordFile, Url, User, signed_in
from broadcast.cli.serving import stop_signal
from broadcast.cli.triggers import Area, Excluded, Exercise, Headline, Speaker, Yes, places
from broadcast.domain.live import NoSource
from broadcast.transport.live_source import SourceProcess

SOCKET = "/api/v1/live/microphone?lang=en"
KEPT_FRAMES = 100  # 2 s; while the line is down what is older is lost
LISTEN_S = 3.0
BACK_WITHIN_S = 9.0
BAR = 20
GOOD = ("closed", "time", "silence", "abandoned")

Minutes = Annotated[int, typer.Option("--minutes", min=1, help="It ends by itself then.")]
Card = Annotated[str, typer.Option("--card", help="Name of the input, or a part of it; the default input else.")]
Chime = Annotated[bool, typer.Option("--chime/--no-chime", help="Whether a chime sounds before the voice.")]
Volume = Annotated[int | None, typer.Option("--volume", min=0, max=100, help="Per cent; the server's rule else.")]


def live(
    *,
    area: Area = None,
    excluded: Excluded = None,
    speaker: Speaker = None,
    minutes: Minutes = 10,
    headline: Headline = "",
    card: Card = "",
    chime: Chime = True,
    volume: Volume = None,
    exercise: Exercise = False,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    user: User = "",
    password_file: PasswordFile = None,
) -> None:
    """Speak live (现场喊话) from this machine's microphone, after hearing how loud it is.

    Enter ends it, m and Enter mutes; without a terminal, Ctrl-C or the time. Ends with 3 when the voice was lost on the way.
    """
    with signed_in(url, user, password_file) as desk:
        asked: Json = {"type": "open", "sound": "opus", "minutes": minutes, "headline": headline, "exercise": exercise}
        asked |= {"areas": places(desk, area), "excluded": places(desk, excluded), "speakers": speaker or []}
        asked |= {"tone": None if chime else "none", "volume_percent": volume}
        why = asyncio.run(_speak(desk, asked, card=f"card:{card}" if card else "card", yes=yes))
    if why not in GOOD:
        fail(f"it ended: {why}", SOME_MISSING)


class _Microphone:
    """The worker's ears, and what waits to be sent."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque(maxlen=KEPT_FRAMES)
        self.came = asyncio.Event()
        self.cause = ""

    def frames(self, frames: Sequence[bytes], arrived_us: int) -> None:
        self.waiting.extend(frames)
        self.came.set()

    def level(self, level_db: float, peak_db: float) -> None:
        """The server measures what reaches it; that is what counts."""

    def ended(self, cause: str) -> None:
        self.cause = cause
        self.came.set()


async def _speak(desk: Desk, asked: Json, *, card: str, yes: bool) -> str:
    """Why it ended. A person reads how loud it is, and says whether it goes on the air."""
    microphone = _Microphone()
    source = SourceProcess(card, microphone)
    try:
        await source.start()
        async with aiohttp.ClientSession(headers=desk.bearer) as session:
            why = await _Talk(session, desk.url, asked, microphone, yes=yes).run()
            if microphone.cause:
                fail(f"the microphone gives no sound: {microphone.cause}", FAILED)
            return why
    except NoSource as err:
        fail(str(err), FAILED)
    finally:
        await source.close()


class _Talk:
    """One microphone at the server, over as many connections as it needs."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, asked: Json, microphone: _Microphone, *, yes: bool
    ) -> None:
        self._session, self._url, self._asked, self._microphone, self._yes = (
            session,
            url + SOCKET,
            asked,
            microphone,
            yes,
        )
        self._state: Json = {}
        self._why = ""
        self._begun = self._ending = False
        self._told = ""
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def run(self) -> str:
        first, loop = self._asked, asyncio.get_running_loop()
        person = asyncio.create_task(self._ask_the_person(), name="person")
        broken_at: float | None = None
        try:
            while not self._why:
                try:
                    await self._connection(first)
                    broken_at = None if self._why else broken_at or loop.time()
                except (aiohttp.ClientError, OSError) as err:
                    broken_at = broken_at or loop.time()
                    warn(f"the connection broke: {err}")
                if broken_at is not None and (not self._begun or loop.time() - broken_at > BACK_WITHIN_S):
                    return self._why or "lost"
                first = {"type": "resume", "id": self._state.get("id", ""), "sound": "opus"}
                await asyncio.sleep(0 if self._why else 0.5)
            return self._why
        finally:
            person.cancel()

    async def _connection(self, first: Json) -> None:
        async with self._session.ws_connect(self._url, max_msg_size=1 << 20) as socket:
            await socket.send_json(first)
            self._socket = socket
            sending = asyncio.create_task(self._send(socket), name="send")
            try:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self._hear(json.loads(message.data))
            finally:
                self._socket = None
                sending.cancel()

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        seq = 0
        while not socket.closed:
            await self._microphone.came.wait()
            self._microphone.came.clear()
            if self._microphone.cause:
                self._end()
                return
            while self._microphone.waiting:
                with contextlib.suppress(ConnectionError):
                    await socket.send_bytes(seq.to_bytes(4, "big") + self._microphone.waiting.popleft())
                seq += 1

    def _hear(self, said: Json) -> None:
        if said.get("type") == "refused":
            problem = said.get("problem", {})
            fail(str(problem.get("title") or problem.get("detail") or "refused"), FAILED)
        if said.get("type") == "state":
            self._state = said
            self._show()
            if said["state"] == "ended":
                self._why = said["why"] or "closed"

    def _show(self) -> None:
        state = self._state
        level = max(0, min(BAR, round((state["level_db"] + 60) / 60 * BAR)))
        line = f"{state['state']:<10} [{'#' * level:<{BAR}}] {state['level_db']:5.0f} dBFS"
        if state["order"]:
            line += f"  {state['sounding']} of {state['speakers']} sound it, {state['left_s']:.0f} s left"
        line += "  MUTED" if state["muted"] else ""
        if sys.stdout.isatty():
            typer.echo(f"\r{line:<100}", nl=False)
        elif state["state"] != self._told:
            self._told = state["state"]
            typer.echo(line)

    # ---- the person -----------------------------------------------------------------------------------------------------

    async def _ask_the_person(self) -> None:
        stopping = stop_signal()
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        _watch_stdin(lines.put_nowait)
        await asyncio.sleep(LISTEN_S)
        if not self._state:
            return
        if not self._yes:
            what = "EXERCISE: speak" if self._asked["exercise"] else "Speak"
            typer.echo(f"\n{what} to {self._state['speakers']} speakers now? [y/N] ", nl=False)
            if ((await _first(lines, stopping)) or "").strip().lower() not in ("y", "yes"):
                self._end()
                return
        self._begun = True
        await self._say({"type": "begin"})
        muted = False
        while not stopping.is_set():
            line = await _first(lines, stopping)
            if line is not None and line.strip().lower() != "m":
                break
            if line is not None:
                muted = not muted
                await self._say({"type": "mute", "on": muted})
        self._end()

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._closing = asyncio.get_running_loop().create_task(self._say({"type": "close"}), name="close")

    async def _say(self, what: Json) -> None:
        if self._socket is not None:
            with contextlib.suppress(ConnectionError):
                await self._socket.send_json(what)


def _watch_stdin(put: Callable[[str | None], None]) -> None:
    """Lines as they are typed, None when nobody can type any more: that is no yes, and no end either."""

    def read() -> None:
        line = sys.stdin.readline()
        put(line or None)
        if not line:
            asyncio.get_running_loop().remove_reader(sys.stdin)

    with contextlib.suppress(ValueError, OSError, PermissionError):  # a file, or none at all
        asyncio.get_running_loop().add_reader(sys.stdin, read)


async def _first(lines: "asyncio.Queue[str | None]", stopping: asyncio.Event) -> str | None:
    """The next line, None when there are no more; empty when the program shall end."""
    typed, stopped = asyncio.create_task(lines.get()), asyncio.create_task(stopping.wait())
    both: set[asyncio.Task[Any]] = {typed, stopped}
    done, waiting = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    return typed.result() if typed in done else ""
