"""Sources of live sound, each a worker process: browser samples to be encoded, a sound card, a network stream."""

import asyncio
import logging
import os
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from broadcast.domain.broadcasts import Fault
from broadcast.domain.live import NoSource

log = logging.getLogger(__name__)

READY_WITHIN_S = 15.0
MAX_OUTBOX_BYTES = 2 * 1024 * 1024  # 20 s of samples: a worker that does not take them is not well
MAX_CONTENT = 4_096
CARD = "card"
_ROOT = Path(__file__).parents[2]
_PREFIX = struct.Struct(">cI")  # as in audio_assets.live_worker, which this process must not import
_STAMP = struct.Struct(">Q")
_LEVEL = struct.Struct(">ff")


class Ears(Protocol):
    """Who hears it."""

    def frames(self, frames: Sequence[bytes], arrived_us: int) -> None: ...
    def level(self, level_db: float, peak_db: float) -> None: ...
    def ended(self, cause: str) -> None: ...


class _Nobody:
    """Hears nothing."""

    def frames(self, frames: Sequence[bytes], arrived_us: int) -> None: ...
    def level(self, level_db: float, peak_db: float) -> None: ...
    def ended(self, cause: str) -> None: ...


class SourceProcess:
    """One worker. What it says goes to `ears`, in the event loop."""

    def __init__(self, spec: str, ears: Ears) -> None:
        self._spec, self._ears = spec, ears
        self._child: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._closing = False

    async def start(self, *, reading: bool = True) -> None:
        """
        :param reading: False when only an `answer` is wanted.
        :raises NoSource: it does not start.
        """
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        try:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "audio_assets.live_worker", self._spec),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # ALSA and JACK say 80 lines while they look for devices
                start_new_session=True,  # Ctrl-C is for the server, which closes our pipe
                env=os.environ | {"PYTHONPATH": path},
            )
            async with asyncio.timeout(READY_WITHIN_S):
                kind, _ = await self._next()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as err:
            await self.close()
            raise NoSource(self._spec, str(err) or "it does not start") from err
        if kind != b"R":
            await self.close()
            raise NoSource(self._spec, "it does not start")
        if reading:
            self._reading = asyncio.get_running_loop().create_task(self._read(), name=f"live source {self._spec[:20]}")

    def feed(self, kind: bytes, content: bytes) -> bool:
        """Samples (b"P") or a frame (b"O") for it; False when it does not take them."""
        pipe = self._child.stdin if self._child is not None else None
        if pipe is None or pipe.is_closing() or pipe.transport.get_write_buffer_size() > MAX_OUTBOX_BYTES:
            return False
        pipe.write(_PREFIX.pack(kind, len(content)) + content)
        return True

    async def answer(self, wanted: bytes) -> bytes:
        """The one thing that it was asked for. :raises NoSource: it says something else, or nothing."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                kind, content = await self._next()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as err:
            raise NoSource(self._spec, str(err) or "it does not answer") from err
        if kind != wanted:
            raise NoSource(self._spec, content.decode("utf-8", "replace"))
        return content

    async def close(self) -> None:
        """End it. Nothing is heard of it any more."""
        self._closing = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        child, self._child = self._child, None
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _next(self) -> tuple[bytes, bytes]:
        out = self._child.stdout if self._child is not None else None
        if out is None:
            raise OSError("it has no pipe")
        kind, size = _PREFIX.unpack(await out.readexactly(_PREFIX.size))
        if size > MAX_CONTENT:
            raise OSError(f"it says {size} bytes at once")
        return kind, await out.readexactly(size)

    async def _read(self) -> None:
        cause = "it died"
        try:
            while True:
                kind, content = await self._next()
                if kind == b"F":
                    self._ears.frames((content[_STAMP.size :],), _STAMP.unpack_from(content)[0])
                elif kind == b"L":
                    self._ears.level(*_LEVEL.unpack(content))
                elif kind == b"E":
                    cause = content.decode("utf-8", "replace")
                    break
        except (asyncio.IncompleteReadError, OSError, struct.error) as err:
            log.warning("live source %s: %r", self._spec[:40], err)
        if not self._closing:
            self._ears.ended(cause)


class BrowserSound:
    """What a page feeds: Opus goes straight out and is only measured here, samples are encoded first.

    The worker starts with the first sound, since only that says which it is; another starts when the officer comes back with
    a browser that makes the other kind.
    """

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._process: SourceProcess | None = None
        self._kind = self._running = ""
        self._starting: asyncio.Task[None] | None = None

    def samples(self, data: bytes) -> None:
        if self._is_running("pcm") and self._process is not None:
            self._process.feed(b"P", data)

    def measure(self, frames: Sequence[bytes]) -> None:
        """They are on their way already."""
        if self._is_running("opus") and self._process is not None:
            for frame in frames:
                self._process.feed(b"O", frame)

    def _is_running(self, kind: str) -> bool:
        if self._kind != kind and (self._starting is None or self._starting.done()):
            self._kind = kind
            self._starting = asyncio.get_running_loop().create_task(self._start(kind), name=f"live {kind}")
        return self._running == kind

    async def _start(self, kind: str) -> None:
        self._running = ""
        if self._process is not None:
            await self._process.close()
        self._process, self._running = SourceProcess(kind, self._ears), kind
        try:
            await self._process.start()
        except NoSource as err:
            self._ears.ended(err.cause)

    async def close(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._process is not None:
            await self._process.close()


class LiveSources:
    """The sources of this server, as far as the settings allow.

    :param card: the control room's sound card, as `card` or `card:DEVICE`; empty: there is none.
    :param addresses: network streams that may be relayed, each the beginning of an address: `http://radio.example:8000/`.
    """

    def __init__(self, *, card: str, addresses: Sequence[str]) -> None:
        self._card, self._addresses = card, tuple(addresses)

    def fed(self, ears: Ears) -> BrowserSound:
        return BrowserSound(ears)

    async def open(self, address: str, ears: Ears) -> SourceProcess:
        """:raises NoSource: the settings don't allow it, or it does not start."""
        source = SourceProcess(self._allowed(address), ears)
        await source.start()
        return source

    async def fault(self, address: str, *, field: str) -> Fault | None:
        """Why a relay of it could not work, before it is planned; None when nothing is known against it.

        A name of a card is looked up among those that there are now; when nobody can say which there are, nothing is.
        """
        try:
            asked = self._allowed(address)
        except NoSource:
            if address.partition(":")[0] == CARD:
                return Fault(field, "no-card")
            return Fault(field, "relay-not-allowed", (("allowed", ", ".join(self._addresses) or "–"),))
        kind, _, name = asked.partition(":")
        if kind != CARD or not name:
            return None
        try:
            cards = await self.cards()
        except NoSource as err:
            log.warning("nobody can say whether there is a sound card %s: %s", name, err.cause)
            return None
        if any(name in card for card in cards):
            return None
        return Fault(field, "unknown-card", (("card", name), ("cards", ", ".join(cards) or "–")))

    async def cards(self) -> list[str]:
        """The inputs of this machine, by name. :raises NoSource: nobody can say."""
        worker = SourceProcess("cards", _Nobody())
        try:
            await worker.start(reading=False)
            return (await worker.answer(b"C")).decode("utf-8", "replace").splitlines()
        finally:
            await worker.close()

    def _allowed(self, address: str) -> str:
        if address.partition(":")[0] == CARD:
            if not self._card:
                raise NoSource(address, "this server uses no sound card (live.card)")
            return self._card if address == CARD else address
        if not any(_begins(address, allowed) for allowed in self._addresses):
            raise NoSource(address, "live.relay_addresses does not name it")
        return address


def _begins(address: str, allowed: str) -> bool:
    """Whether scheme, host and port are the same and the path begins alike; a text that only begins alike may be another host."""
    try:
        asked, given = urlsplit(address), urlsplit(allowed)
        same = (asked.scheme, asked.hostname, asked.port) == (given.scheme, given.hostname, given.port)
    except ValueError:
        return False
    inside = ".." not in asked.path and (asked.path or "/").startswith(given.path or "/")
    return same and inside and "@" not in asked.netloc and bool(asked.hostname)
