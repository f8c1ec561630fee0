"""A speaker's sound files (备播库): those needed soonest stay when there is no room for all, and half of one survives a restart."""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from audio_assets.library import AssetDamaged, AssetError, AssetLibrary, hash_of, sync_folder

PARTIAL = ".part-"
DISK_RESERVE_BYTES = 8 * 1024 * 1024  # left free for what the speaker has to remember


class LibraryFull(AssetError):
    """What is needed sooner leaves too little room."""

    def __init__(self, sha256: bytes, size_bytes: int, room_bytes: int) -> None:
        super().__init__(sha256, f"{size_bytes} bytes do not fit into the {room_bytes} that nothing sooner needs")
        self.size_bytes, self.room_bytes = size_bytes, room_bytes


class AssetCache(AssetLibrary):
    """A library with a limit, and with files that are still on their way.

    :param max_bytes: of all files together, with those on their way.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        super().__init__(folder)
        self._max_bytes = max_bytes
        self._rank: dict[bytes, int] = {}

    def keep(self, needed: Sequence[bytes]) -> None:
        """The files that are needed, sooner ones first; what is not among them goes first when there is no room. The beginnings of
        others go now."""
        with self._lock:
            self._rank = {sha256: rank for rank, sha256 in enumerate(needed)}
            wanted = {PARTIAL + sha256.hex() for sha256 in needed}
            for path in self.folder.glob(f"{PARTIAL}*"):
                if path.name not in wanted:
                    path.unlink(missing_ok=True)

    def part(self, sha256: bytes) -> Path:
        """Where a file is while it comes."""
        return self.folder / (PARTIAL + self.path(sha256).stem)

    def drop_empty_part(self, sha256: bytes) -> None:
        """Leave no trace of a file of which nothing has come."""
        part = self.part(sha256)
        with suppress(FileNotFoundError):
            if not part.stat().st_size:
                part.unlink()

    def reserve(self, sha256: bytes, size_bytes: int) -> None:
        """Make room for a file that is to come.

        :raises LibraryFull: what is needed sooner leaves too little; nothing has been removed.
        """
        with self._lock:
            self._make_room(sha256, size_bytes)

    def adopt(self, sha256: bytes) -> None:
        """The part is complete: check it and give it its name. It is on the disk, whole, when this returns.

        :raises AssetDamaged: the content is something else; it is gone now.
        :raises OSError: the disk is full or broken.
        """
        part = self.part(sha256)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        if hash_of(part)[1] != sha256:
            part.unlink(missing_ok=True)
            raise AssetDamaged(sha256)
        part.replace(self.path(sha256))
        sync_folder(self.folder)

    def free_bytes(self) -> int:
        """What may still come before something has to go."""
        with self._lock:
            return max(0, self._limit() - sum(size for _, size, _ in self._files()))

    def _limit(self) -> int:
        """So much it may hold: the setting, or what the disk has."""
        taken = sum(size for _, size, _ in self._files())
        return min(self._max_bytes, taken + shutil.disk_usage(self.folder).free - DISK_RESERVE_BYTES)

    def _files(self) -> list[tuple[int, int, Path]]:
        """With those on their way."""
        files = super()._files()
        for path in self.folder.glob(f"{PARTIAL}*"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                files.append((facts.st_mtime_ns, facts.st_size, path))
        return files

    def _make_room(self, sha256: bytes, size_bytes: int) -> None:
        """Remove what nobody needs, used longest ago first, then what is needed last; nothing if that is not enough."""
        own = {self.path(sha256), self.part(sha256)}
        files = [file for file in self._files() if file[2] not in own]
        rank = self._rank.get(sha256, -1)  # what nobody has announced is needed now
        ranks = {path: at for kept, at in self._rank.items() for path in (self.path(kept), self.part(kept))}
        last = len(self._rank)
        movable = [file for file in files if ranks.get(file[2], last) > rank]
        movable.sort(key=lambda file: (-ranks.get(file[2], last), file[0]))
        limit, taken = self._limit(), sum(size for _, size, _ in files)
        fixed = taken - sum(size for _, size, _ in movable)
        if fixed + size_bytes > limit:
            raise LibraryFull(sha256, size_bytes, max(0, limit - fixed))
        for _, size, path in movable:
            if taken + size_bytes <= limit:
                return
            path.unlink(missing_ok=True)
            taken -= size
