"""A workshop without disk and decoder: what a file says of itself is what comes of it."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, Callable
from dataclasses import replace

from broadcast.domain.assets import AssetKind
from broadcast.domain.assets import Measured as MeasuredSound
from broadcast.service.ports import NoRoom, Received, SoundRefused, UploadTooLarge
from tests.store.sounds import MEASURED


class QuickWorkshop:
    """Takes b"refused: CODE" for a sound that is refused, and everything else for one that is good."""

    def __init__(self, *, most_bytes: int = 1_000_000) -> None:
        self.most_bytes, self.free_bytes = most_bytes, 10**9
        self.coming: dict[str, bytes] = {}
        self.made: dict[bytes, bytes] = {}
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def receive(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None) -> Received:
        if (size_bytes or 0) > self.most_bytes:
            raise UploadTooLarge(self.most_bytes)
        data = b""
        async for chunk in chunks:
            data += chunk
            if len(data) > self.most_bytes:
                raise UploadTooLarge(self.most_bytes)
            if len(data) > self.free_bytes:
                raise NoRoom(self.free_bytes)
        name = f"upload-{len(self.coming)}-{hashlib.sha256(data).hexdigest()[:8]}"
        self.coming[name] = data
        return Received(name, len(data), hashlib.sha256(data).digest())

    async def prepare(self, received: Received, kind: AssetKind, begun: Callable[[], None]) -> MeasuredSound:
        begun()
        await self.may_go_on.wait()
        data = self.coming[received.name]
        if data.startswith(b"refused: "):
            raise SoundRefused(data.removeprefix(b"refused: ").decode(), {"spans": [(12_000, 31_000)]})
        made = kind.value.encode() + data
        sha256 = hashlib.sha256(made).digest()
        self.made[sha256] = made
        return replace(MEASURED, sha256=sha256, size_bytes=len(made))

    async def drop(self, received: Received) -> None:
        self.coming.pop(received.name, None)

    async def has(self, sha256: bytes) -> bool:
        return sha256 in self.made

    async def forget(self, sha256: bytes) -> None:
        self.made.pop(sha256, None)
