"""Sound files by their content hash, on disk: the server's store and a speaker's cache are the same thing.

A name is the SHA-256 of the content, so a file never changes, a copy is as good as the original, and damage shows.
"""

import hashlib
import logging
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

SUFFIX = ".opus"
_UNFINISHED = ".unfinished-"
HASH_BYTES = 32


class AssetError(Exception):
    """Something about one file; `sha256` names it."""

    def __init__(self, sha256: bytes, sentence: str) -> None:
        super().__init__(f"sound {sha256.hex()[:12]}: {sentence}")
        self.sha256 = sha256


class AssetMissing(AssetError):
    """The file is not here."""

    def __init__(self, sha256: bytes) -> None:
        super().__init__(sha256, "not in the library")


class AssetDamaged(AssetError):
    """The content is not what its name says. It has been removed, so that it can be fetched again."""

    def __init__(self, sha256: bytes) -> None:
        super().__init__(sha256, "the content does not match its hash")


class LibraryFull(AssetError):
    """What may not be removed leaves too little room."""

    def __init__(self, sha256: bytes, size_bytes: int, room_bytes: int) -> None:
        super().__init__(sha256, f"{size_bytes} bytes do not fit into the {room_bytes} that are not pinned")
        self.size_bytes, self.room_bytes = size_bytes, room_bytes


class AssetLibrary:
    """Sound files in one folder. Every method may be called from any thread; all of them touch the disk.

    :param max_bytes: with it the folder is a cache: what was not used for longest goes first, what is pinned never.
    """

    def __init__(self, folder: Path, *, max_bytes: int | None = None) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._pinned: frozenset[bytes] = frozenset()
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob(f"{_UNFINISHED}*"):  # a power cut during put()
            left_over.unlink(missing_ok=True)

    def put(self, data: bytes) -> bytes:
        """Keep a file; its hash. It is on the disk, whole, when this returns; the same content again changes nothing.

        :raises LibraryFull: the pinned files leave too little room.
        """
        sha256 = hashlib.sha256(data).digest()
        path = self.path(sha256)
        with self._lock:
            if self._is_whole(path, sha256):
                self._touch(path)
                return sha256
            self._make_room(sha256, len(data))
            self._write(path, data)
        return sha256

    def get(self, sha256: bytes) -> bytes:
        """The content, checked.

        :raises AssetMissing: not here.
        :raises AssetDamaged: it was here and did not match; it is gone now.
        """
        path = self.path(sha256)
        with self._lock:
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                raise AssetMissing(sha256) from None
            if hashlib.sha256(data).digest() != sha256:
                path.unlink(missing_ok=True)
                log.error("sound %s is damaged on disk and was removed", sha256.hex())
                raise AssetDamaged(sha256)
            self._touch(path)
        return data

    def has(self, sha256: bytes) -> bool:
        """Whether a file of that name is here; only `get` says whether it is whole."""
        return self.path(sha256).is_file()

    def path(self, sha256: bytes) -> Path:
        """Where the file is or would be. ValueError when this is no SHA-256."""
        if len(sha256) != HASH_BYTES:
            raise ValueError(f"a SHA-256 has {HASH_BYTES} bytes, not {len(sha256)}")
        return self.folder / (sha256.hex() + SUFFIX)

    def pin(self, keep: frozenset[bytes]) -> None:
        """The files that orders and programmes still need, all of them: these are never removed to make room."""
        with self._lock:
            self._pinned = keep

    def size_bytes(self) -> int:
        """What all the files take."""
        return sum(size for _, size, _ in self._files())

    def _files(self) -> list[tuple[int, int, Path]]:
        """When last used, size, path."""
        found = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                found.append((facts.st_mtime_ns, facts.st_size, path))
        return found

    def _make_room(self, sha256: bytes, size_bytes: int) -> None:
        if self._max_bytes is None:
            return
        files = self._files()
        pinned = {self.path(kept) for kept in self._pinned}
        fixed = sum(size for _, size, path in files if path in pinned)
        if fixed + size_bytes > self._max_bytes:
            raise LibraryFull(sha256, size_bytes, self._max_bytes - fixed)
        taken = sum(size for _, size, _ in files)
        for _, size, path in sorted(file for file in files if file[2] not in pinned):
            if taken + size_bytes <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            taken -= size

    def _write(self, path: Path, data: bytes) -> None:
        """Whole or not at all, also over a power cut: the name appears after the content is on the disk."""
        handle, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @staticmethod
    def _is_whole(path: Path, sha256: bytes) -> bool:
        with suppress(FileNotFoundError):
            return hashlib.sha256(path.read_bytes()).digest() == sha256
        return False

    @staticmethod
    def _touch(path: Path) -> None:
        """The time of change is the time of last use: it survives a restart."""
        with suppress(OSError):
            os.utime(path)
