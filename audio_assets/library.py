"""Sound files by their content hash, on disk; a speaker's `cache` is one too.

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
UNFINISHED = ".unfinished-"
HASH_BYTES = 32
_CHUNK_BYTES = 1 << 20


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


class AssetLibrary:
    """Sound files in one folder. Every method may be called from any thread; all of them touch the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob(f"{UNFINISHED}*"):  # a power cut during put()
            left_over.unlink(missing_ok=True)

    def put(self, data: bytes) -> bytes:
        """Keep a file; its hash. It is on the disk, whole, when this returns; the same content again changes nothing."""
        sha256 = hashlib.sha256(data).digest()
        path = self.path(sha256)
        with self._lock:
            if _is_whole(path, sha256):
                touch(path)
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
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise AssetMissing(sha256) from None
        if hashlib.sha256(data).digest() != sha256:
            self._remove_damaged(sha256)
        touch(path)
        return data

    def check(self, sha256: bytes) -> int:
        """Read all of it and compare; its size.

        :raises AssetMissing: not here.
        :raises AssetDamaged: it was here and did not match; it is gone now.
        :raises OSError: the disk does not give it.
        """
        try:
            size, found = hash_of(self.path(sha256))
        except FileNotFoundError:
            raise AssetMissing(sha256) from None
        if found != sha256:
            self._remove_damaged(sha256)
        return size

    def remove(self, sha256: bytes) -> None:
        """Have it no more, if the disk lets us."""
        with suppress(OSError):
            self.path(sha256).unlink(missing_ok=True)

    def has(self, sha256: bytes) -> bool:
        """Whether a file of that name is here; only `get` and `check` say whether it is whole."""
        return self.path(sha256).is_file()

    def path(self, sha256: bytes) -> Path:
        """Where the file is or would be. ValueError when this is no SHA-256."""
        if len(sha256) != HASH_BYTES:
            raise ValueError(f"a SHA-256 has {HASH_BYTES} bytes, not {len(sha256)}")
        return self.folder / (sha256.hex() + SUFFIX)

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
        """The library of a server takes what it is given."""

    def _remove_damaged(self, sha256: bytes) -> None:
        """:raises AssetDamaged: always."""
        path = self.path(sha256)
        with self._lock:
            if not _is_whole(path, sha256):  # it may have been put again meanwhile
                path.unlink(missing_ok=True)
                log.error("sound %s is damaged on disk and was removed", sha256.hex())
        raise AssetDamaged(sha256)

    def _write(self, path: Path, data: bytes) -> None:
        """Whole or not at all, also over a power cut: the name appears after the content is on the disk."""
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=self.folder)
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
        sync_folder(self.folder)


def hash_of(path: Path) -> tuple[int, bytes]:
    """Size and SHA-256 of a file, read piece by piece. :raises OSError: the disk does not give it."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
            size += len(piece)
    return size, digest.digest()


def sync_folder(folder: Path) -> None:
    """Have the names in it survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def touch(path: Path) -> None:
    """The time of change is the time of last use: it survives a restart."""
    with suppress(OSError):
        os.utime(path)


def _is_whole(path: Path, sha256: bytes) -> bool:
    with suppress(FileNotFoundError):
        return hash_of(path)[1] == sha256
    return False
