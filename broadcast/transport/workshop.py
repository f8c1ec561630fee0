"""Uploaded sounds on disk: they come in piece by piece, are taken apart in the sandbox, and the result goes into the library.

Everything that is under way lies in one folder that is emptied at each start: what a crash interrupts leaves nothing behind. A
finished file that no row names yet is noted there too, so that a crash between file and row leaves no orphan (`unsettled`).
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import AsyncIterable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, TypeVar

from audio_assets.intake import NOTICE, ROUTINE, SIGNAL, Limits, Prepared, Refusal, Refused
from audio_assets.library import HASH_BYTES, AssetLibrary, hash_of, sync_folder
from audio_assets.ogg import NoOggOpus, duration_ms
from audio_assets.sandbox import Sandbox, SandboxBroken
from broadcast.domain.assets import AssetKind, Measured
from broadcast.service.ports import NoRoom, Received, SoundRefused, UploadTooLarge

log = logging.getLogger(__name__)
T = TypeVar("T")

FOLDER = "incoming"
RECIPES = {AssetKind.ROUTINE: ROUTINE, AssetKind.NOTICE: NOTICE, AssetKind.SIGNAL: SIGNAL}
_WRITE_BYTES = 1 << 20
_COMING, _MADE, _NOTED = ".upload", ".made", ".settling"
_TOLERATED_MS = 100  # between what the child says of the length and what the file says


class DiskWorkshop:
    """The `Workshop` port.

    :param keep_free_bytes: uploads leave so much of the disk to the database.
    """

    def __init__(self, library: AssetLibrary, *, sandbox: Sandbox, limits: Limits, keep_free_bytes: int) -> None:
        self._library, self._sandbox, self._limits, self._keep_free = library, sandbox, limits, keep_free_bytes
        self._folder = library.folder / FOLDER
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="workshop")
        self._turn = asyncio.Semaphore(1)  # one child at a time: the other core is the city's
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in [*self._folder.glob(f"*{_COMING}"), *self._folder.glob(f"*{_MADE}")]:
            left_over.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown()

    async def conditions(self) -> dict[str, str]:
        """What a technician should know of the sandbox: each condition with its cause, empty where it does not hold."""
        try:
            return {"sandbox-limits-alone": (await self._sandbox.confinement()).why, "sandbox-broken": ""}
        except SandboxBroken as err:
            return {"sandbox-limits-alone": "", "sandbox-broken": str(err)}

    def unsettled(self) -> Sequence[bytes]:
        """Finished files that may have no row, since a crash came between."""
        names = (path.name.removesuffix(_NOTED).rpartition("-")[2] for path in self._folder.glob(f"*{_NOTED}"))
        return [bytes.fromhex(name) for name in names if len(name) == 2 * HASH_BYTES]

    def settle(self) -> None:
        """Every finished file has its row now, or is gone."""
        for path in self._folder.glob(f"*{_NOTED}"):
            path.unlink(missing_ok=True)

    async def receive(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None) -> Received:
        """Keep what comes; nothing of it stays when this raises or is cancelled.

        :param size_bytes: as announced; None when it was not.
        :raises UploadTooLarge, NoRoom: before or while it comes; and what `chunks` raises.
        """
        if (size_bytes or 0) > self._limits.source_bytes:
            raise UploadTooLarge(self._limits.source_bytes)
        await self._in_thread(self._must_have_room, size_bytes or 0)
        name = secrets.token_hex(16)
        path = self._folder / (name + _COMING)
        try:
            file = await self._in_thread(_opened, path)
            try:
                size, digest = await self._kept(chunks, file)
            finally:
                file.close()  # unbuffered: nothing is left to be written
        except BaseException:
            self._pool.submit(path.unlink, missing_ok=True)
            raise
        return Received(name, size, digest)

    async def prepare(self, received: Received, kind: AssetKind, begun: Callable[[], None]) -> Measured:
        """Take it apart, when its turn comes, and have the result in the library.

        :param begun: called when its turn has come.
        :raises SoundRefused: it is not taken.
        """
        made = self._folder / (received.name + _MADE)
        async with self._turn:
            begun()
            try:
                prepared = await self._made(self._folder / (received.name + _COMING), made, kind)
                size, sha256 = await self._in_thread(self._take_over, received, made, prepared)
            except Refused as err:
                raise SoundRefused(err.code.value, err.facts) from err
            except (SandboxBroken, NoRoom, OSError) as err:
                log.error("a sound could not be taken apart: %s", err)
                raise SoundRefused(Refusal.UNFINISHED.value, {"cause": str(err)[:200]}) from err
            finally:
                self._pool.submit(made.unlink, missing_ok=True)
        return Measured(sha256=sha256, size_bytes=size, **asdict(prepared))

    async def drop(self, received: Received) -> None:
        """It is settled, one way or the other: the upload goes, and the note about its result."""
        await self._in_thread(self._drop, received)

    async def has(self, sha256: bytes) -> bool:
        """Whether a finished file is there."""
        return await self._in_thread(self._library.has, sha256)

    async def forget(self, sha256: bytes) -> None:
        """Remove a finished file."""
        await self._in_thread(self._library.remove, sha256)

    # ---- inside -----------------------------------------------------------------------------------------------------------

    async def _kept(self, chunks: AsyncIterable[bytes], file: BinaryIO) -> tuple[int, bytes]:
        digest, size, waiting = hashlib.sha256(), 0, bytearray()
        async for chunk in chunks:
            size += len(chunk)
            if size > self._limits.source_bytes:
                raise UploadTooLarge(self._limits.source_bytes)
            waiting += chunk
            if len(waiting) >= _WRITE_BYTES:
                waiting, piece = bytearray(), bytes(waiting)
                await self._in_thread(self._write, file, piece)
                await self._in_thread(digest.update, piece)
        await self._in_thread(self._write, file, bytes(waiting))
        await self._in_thread(digest.update, waiting)
        return size, digest.digest()

    def _write(self, file: BinaryIO, piece: bytes) -> None:
        self._must_have_room(len(piece))
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as err:
            raise NoRoom(self._free()) from err

    def _must_have_room(self, size_bytes: int) -> None:
        free = self._free()
        if free - size_bytes < self._keep_free:
            raise NoRoom(free)

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

    async def _made(self, source: Path, made: Path, kind: AssetKind) -> Prepared:
        await self._in_thread(self._must_have_room, self._limits.result_bytes)
        with contextlib.ExitStack() as opened:
            reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
            opened.callback(os.close, reading)
            writing = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            opened.callback(os.close, writing)
            return await self._sandbox.run(reading, writing, RECIPES[kind], self._limits)

    def _take_over(self, received: Received, made: Path, prepared: Prepared) -> tuple[int, bytes]:
        """Into the library, whole and durable. What the child said is compared with what is there.

        :raises Refused: they differ: the child was not itself any more.
        """
        size, sha256 = hash_of(made)
        try:
            heard_ms = duration_ms(made)
        except NoOggOpus as err:
            raise Refused(Refusal.CRASHED) from err
        if not 0 < size <= self._limits.result_bytes or abs(heard_ms - prepared.duration_ms) > _TOLERATED_MS:
            raise Refused(Refusal.CRASHED)
        (self._folder / f"{received.name}-{sha256.hex()}{_NOTED}").touch()
        target = self._library.path(sha256)
        if target.is_file() and hash_of(target) == (size, sha256):
            return size, sha256
        with made.open("rb") as file:
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        made.replace(target)
        sync_folder(self._library.folder)
        return size, sha256

    def _drop(self, received: Received) -> None:
        for path in self._folder.glob(f"{received.name}*"):
            path.unlink(missing_ok=True)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def open_workshop(library: AssetLibrary, *, largest_mb: int, longest_min: int, keep_free_mb: int) -> DiskWorkshop:
    """With a sandbox as good as this machine has."""
    limits = Limits(source_bytes=largest_mb * 1_000_000, duration_ms=longest_min * 60_000)
    return DiskWorkshop(library, sandbox=Sandbox(), limits=limits, keep_free_bytes=keep_free_mb * 1_000_000)


def _opened(path: Path) -> BinaryIO:
    return path.open("xb", buffering=0)
