"""Recordings of what went out (现场录音): an Ogg Opus file that grows page by page, and becomes a file of the library at its end.

What is handed to the broker is handed to the operating system in the same step, so a crash of the server loses nothing that was
heard; the power cut of the whole machine, two seconds at most.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from audio_assets.library import AssetLibrary
from audio_assets.ogg import NoOggOpus
from audio_assets.ogg_pages import NOTHING, OpusPages, mend
from audio_assets.pcm import RATE_HZ
from broadcast.domain.live_records import Taped

log = logging.getLogger(__name__)

SYNC_EVERY_SAMPLES = 2 * RATE_HZ
LONGEST_SKIP = 60 * 50  # frames; who was away longer than a minute left a cut, not a minute of covered loss
_A_PAGE = 50
_SUFFIX = ".recording"


class FileTape:
    """One recording.

    :param serial: of the Ogg stream.
    """

    def __init__(self, path: Path, library: AssetLibrary, *, serial: int, title: str) -> None:
        self.broken = False
        self._path, self._library = path, library
        self._pages = OpusPages(serial, title=title)
        self._file = -1
        self._synced = 0
        self._syncing: asyncio.Future[None] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        except OSError as err:
            self._break(err)
        self._write(self._pages.begin())

    def add(self, frames: Sequence[bytes]) -> None:
        """These went out. Never raises: a full disk silences no microphone; `broken` says so."""
        self._write(self._pages.page(frames))
        if self._pages.samples - self._synced >= SYNC_EVERY_SAMPLES and not self.broken:
            self._synced = self._pages.samples
            self._sync()

    def skip(self, frames: int) -> None:
        """So much did not go out: it stays in its place as a loss, so that what follows keeps its time."""
        left = min(frames, LONGEST_SKIP)
        while left > 0:
            self._write(self._pages.page([NOTHING] * min(left, _A_PAGE)))
            left -= _A_PAGE

    async def finish(self) -> Taped | None:
        """Close it and take it into the library; None when there is nothing in it."""
        if self._file < 0:
            return None
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._file = -1
        return await asyncio.to_thread(into_library, self._path, self._library)

    def _write(self, data: bytes) -> None:
        if self.broken:
            return
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as err:
            self._break(err)

    def _break(self, err: OSError) -> None:
        log.error("the recording %s ends here: %s", self._path.name, err)
        self.broken = True

    def _sync(self) -> None:
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.get_running_loop().run_in_executor(None, _sync, self._file)


def _sync(file: int) -> None:
    with contextlib.suppress(OSError):
        os.fdatasync(file)


class FileTapes:
    """The recordings of this server.

    :param folder: where those that grow are.
    """

    def __init__(self, folder: Path, library: AssetLibrary) -> None:
        self._folder, self._library = folder, library

    def begin(self, order: str, from_ms: int, *, title: str) -> FileTape:
        return FileTape(self._path(order, from_ms), self._library, serial=from_ms & 0xFFFFFFFF, title=title)

    async def mend(self, order: str, from_ms: int) -> Taped | None:
        """What a crash left, made whole and taken into the library; None when there is nothing."""
        return await asyncio.to_thread(into_library, self._path(order, from_ms), self._library)

    def forget(self, order: str, from_ms: int) -> None:
        """Its row names the file in the library."""
        with contextlib.suppress(OSError):
            self._path(order, from_ms).unlink(missing_ok=True)

    def _path(self, order: str, from_ms: int) -> Path:
        return self._folder / f"{order}-{from_ms}{_SUFFIX}"


def _link(path: Path, library: AssetLibrary, sha256: bytes) -> None:
    """Another name for it; the old one stays until its row knows the hash, or a crash between the two would lose it."""
    try:
        library.path(sha256).hardlink_to(path)
    except FileExistsError:
        pass
    except OSError:  # another file system, or one without links
        library.put(path.read_bytes())


def into_library(path: Path, library: AssetLibrary) -> Taped | None:
    """Mend the file and give it its name by content too. The same again is harmless."""
    try:
        samples = mend(path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").digest()
        size_bytes = path.stat().st_size
        path.chmod(0o644)
        _link(path, library, sha256)
    except NoOggOpus:
        path.unlink(missing_ok=True)
        return None
    except OSError as err:
        log.error("the recording %s is not in the library: %s", path.name, err)
        return None
    return Taped(sha256, size_bytes, samples * 1_000 // RATE_HZ)
