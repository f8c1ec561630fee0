"""One child process and the queue before it: asked from asyncio, started when needed, replaced when it dies, ended when idle.

It is a plain child that talks over its pipes and not a ProcessPoolExecutor: a pool cannot end a task that hangs, and its child
would import the server's main module.
"""

import asyncio
import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from audio_assets.render_protocol import PREFIX, BadMessage, Failed, Made, Request, answer_of, lengths, packed
from audio_assets.rendering import RenderBusy, RenderFailed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LaneRules:
    """How a lane is kept.

    :param memory_mib: address space of the child.
    :param timeout_s: a request that takes longer is given up and its child ended.
    :param most_waiting: requests in the queue, the one that is being made included.
    :param idle_s: after so long without work the child is ended, and its memory given back; None: never.
    """

    memory_mib: int
    niceness: int
    timeout_s: float
    most_waiting: int
    idle_s: float | None = None


class Lane:
    """One after another, in the order in which they were asked for.

    :param sounds: the folder of the library, of which the child reads what it is to put together.
    """

    def __init__(self, name: str, rules: LaneRules, *, sounds: Path, voices: Path | None = None) -> None:
        self.name = name
        self._rules, self._voices, self._sounds = rules, voices, sounds
        self._child: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    @property
    def waiting(self) -> int:
        """How many have asked and not been answered."""
        return self._waiting

    async def ask(self, request: Request) -> tuple[Made, bytes]:
        """:raises RenderBusy: the queue is full. RenderFailed: the child died twice, or took too long.

        The errors of `rendering` come out as the child raised them.
        """
        if self._waiting >= self._rules.most_waiting:
            raise RenderBusy(self._waiting)
        self._waiting += 1
        try:
            async with self._lock:
                self._stay()
                answer, data = await self._asked(request)
        finally:
            self._waiting -= 1
            self._leave_when_idle()
        if isinstance(answer, Failed):
            raise answer.exception()
        return answer, data

    async def close(self) -> None:
        """End the child; a later request starts another."""
        self._stay()
        async with self._lock:
            await self._end()

    async def _asked(self, request: Request) -> tuple[Made | Failed, bytes]:
        for _ in range(2):
            try:
                async with asyncio.timeout(self._rules.timeout_s):
                    return await self._exchange(request)
            except TimeoutError:
                await self._end()
                raise RenderFailed(f"the sound was not ready within {self._rules.timeout_s:g} s") from None
            except (asyncio.IncompleteReadError, ConnectionError, BadMessage) as err:
                log.warning("lane %s: the process that renders sound died: %r", self.name, err)
                await self._end()
            except BaseException:  # cancelled half-way: question and answer would no longer match
                await self._end()
                raise
        raise RenderFailed("the process that renders sound died twice over the same request")

    async def _exchange(self, request: Request) -> tuple[Made | Failed, bytes]:
        if self._child is None or self._child.returncode is not None:
            self._child = await self._start()
        to_child, from_child = self._child.stdin, self._child.stdout
        if to_child is None or from_child is None:
            raise ConnectionError("the child has no pipes")
        to_child.write(packed(request))
        await to_child.drain()
        head, data = lengths(await from_child.readexactly(PREFIX.size))
        return answer_of(await from_child.readexactly(head)), await from_child.readexactly(data)

    async def _start(self) -> asyncio.subprocess.Process:
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "audio_assets.render_child"),
            *(str(self._rules.memory_mib), str(self._rules.niceness), str(self._voices or ""), str(self._sounds)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the server, which closes our pipe
            env=os.environ | {"PYTHONPATH": path},
        )

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _leave_when_idle(self) -> None:
        if self._waiting == 0 and self._rules.idle_s is not None:
            self._stay()
            self._idle = asyncio.get_running_loop().call_later(self._rules.idle_s, self._leave)

    def _leave(self) -> None:
        if self._waiting == 0:
            self._ending = asyncio.get_running_loop().create_task(self.close(), name=f"lane {self.name} is idle")
