"""An officer's end of the microphone's WebSocket, as a machine or a browser has it, against the real application."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from broadcast.domain.officers import Officer
from broadcast.web.live import SOCKET
from tests.service.live_stage import LiveStage, live_stage
from tests.town import DUTY, TOWNSHIP
from tests.web.browser import served

OPEN = {"type": "open", "sound": "opus", "areas": [TOWNSHIP], "tone": "none"}
VOICE = b"\xf8voice"  # 20 ms of one channel, by its first byte


def frame(seq: int, sound: bytes = VOICE) -> bytes:
    return seq.to_bytes(4, "big") + sound


class Voice:
    """One socket, and what came over it."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.states: list[dict[str, Any]] = []
        self.problem: dict[str, Any] = {}
        self._speaking: asyncio.Task[None] | None = None
        self._reading = asyncio.create_task(self._read())

    async def say(self, **message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    async def opened(self, **changed: Any) -> dict[str, Any]:
        """A microphone that is looked at, and spoken into from now on."""
        await self.say(**{**OPEN, **changed})
        state = await self.until(lambda state: True)
        self.speak()
        return state

    async def begun(self, **changed: Any) -> dict[str, Any]:
        await self.opened(**changed)
        await self.say(type="begin")
        return await self.until(lambda state: state["order"])

    def speak(self, sound: bytes = VOICE, *, since: int = 0) -> None:
        self._speaking = asyncio.create_task(self._speak(sound, since))

    async def fall_silent(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)

    async def until(self, true: Any, *, within_s: float = 5.0) -> dict[str, Any]:
        """The first state from now on of which that is true."""
        seen = max(0, len(self.states) - 1)
        async with asyncio.timeout(within_s):
            while True:
                for state in self.states[seen:]:
                    seen += 1
                    if true(state):
                        return state
                assert not self._reading.done(), f"closed with {self.socket.close_code}: {self.problem}"
                await asyncio.sleep(0.005)

    async def closed(self, *, within_s: float = 8.0) -> tuple[int | None, str]:
        """The code that the socket was closed with, and the problem that was told before."""
        async with asyncio.timeout(within_s):
            await asyncio.wait([self._reading])
        await self.fall_silent()
        return self.socket.close_code, self.problem.get("type", "")

    async def tear(self) -> None:
        """The cable is pulled: no close frame, no goodbye."""
        await self.fall_silent()
        self._reading.cancel()
        transport = self.socket._response.connection.transport  # type: ignore[union-attr]
        transport.abort()  # type: ignore[union-attr]

    async def end(self) -> None:
        await self.fall_silent()
        await self.socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            said = json.loads(message.data)
            if said["type"] == "state":
                self.states.append(said)
            else:
                self.problem = said["problem"]

    async def _speak(self, sound: bytes, seq: int) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        for n in range(100_000):
            await asyncio.sleep(max(0.0, began + n * 0.02 - clock()))
            await self.socket.send_bytes(frame(seq + n, sound))


@asynccontextmanager
async def desk(folder: Path, **rules: Any) -> AsyncIterator[tuple[LiveStage, str]]:
    """The stage in real time, and the address of its pages."""
    async with live_stage(folder, **rules) as stage:
        stage.town.services = replace(stage.town.services, live=stage.live)
        async with served(stage.town) as base:
            yield stage, base


@asynccontextmanager
async def voice(stage: LiveStage, base: str, officer: Officer = DUTY) -> AsyncIterator[Voice]:
    """Signed in with a token, as a machine is."""
    headers = {"Authorization": f"Bearer {await stage.town.sign_in(officer)}"}
    async with ClientSession(base, headers=headers) as client, client.ws_connect(SOCKET) as socket:
        one = Voice(socket)
        try:
            yield one
        finally:
            await one.end()
