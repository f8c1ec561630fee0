"""The folder of backups: each finished one under its time, the sounds once for all of them.

    20261123T100000Z/   lianbo.db (or lianbo.dump), keys.sealed, templates.toml, broker-port, manifest.json
    sounds/             files of the library by their hash, linked where the disk allows it

A backup is made under another name and gets its own when it has been read back, verified and is on the disk.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from broadcast.domain.backups import (
    MOST_BYTES,
    BackupFailed,
    BadBackup,
    Kept,
    Manifest,
    Part,
    is_name,
    manifest_text,
    name_of,
    read_manifest,
)
from broadcast.store import copies, recovery
from broadcast.store.engines import is_sqlite, parse

MANIFEST, KEYS, SOUNDS = "manifest.json", "keys.sealed", "sounds"
UNFINISHED = ".unfinished-"
BESIDE = ("templates.toml", "readings.txt", "broker-port")  # speakers look for the broker where it was
SUFFIX = ".opus"


class FolderVault:
    """The Vault of ports.

    :param folder: where backups go; made when it is not there.
    :param data_folder: of the server: keys, sounds and the small files lie in it.
    :param county: 12 digits.
    :param keep_free_bytes: no backup is made that would leave less on its disk.
    """

    def __init__(self, folder: Path, *, url: str, data_folder: Path, county: str, keep_free_bytes: int = 0) -> None:
        self._folder, self._url, self._data = folder, parse(url), data_folder
        self._county, self._keep_free = county, keep_free_bytes

    @property
    def where(self) -> str:
        return str(self._folder)

    def make(self, now_ms: int, expected: Mapping[int, bytes]) -> Kept:
        """:raises BackupFailed: nothing of it is left behind."""
        name = name_of(now_ms)
        unfinished = self._folder / f"{UNFINISHED}{name}"
        try:
            self._prepare(unfinished)
            manifest = self._fill(unfinished, now_ms, expected)
            text = manifest_text(manifest).encode()
            recovery.write_private(unfinished / MANIFEST, text)
            copies.to_disk(unfinished / MANIFEST)
            target = self._folder / name
            if target.exists():  # twice within a second
                shutil.rmtree(target)
            unfinished.replace(target)
            copies.to_disk(target)
        except (OSError, recovery.BadCode) as err:
            raise BackupFailed(str(err)) from err
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return Kept(name, manifest.made_ms, manifest.size_bytes, manifest.acts)

    def _prepare(self, unfinished: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in self._folder.glob(f"{UNFINISHED}*"):  # a power cut
            shutil.rmtree(left_over)
        free, needed = shutil.disk_usage(self._folder).free, self._database_bytes()
        if free - needed < self._keep_free:
            raise BackupFailed(f"the disk of {self._folder} has {free} bytes left, and {needed} are needed")
        unfinished.mkdir(mode=0o700)

    def _database_bytes(self) -> int:
        if not is_sqlite(self._url):
            return 0
        try:
            return Path(str(self._url.database)).stat().st_size
        except FileNotFoundError:
            raise BackupFailed(f"there is no database {self._url.database}") from None

    def _fill(self, folder: Path, now_ms: int, expected: Mapping[int, bytes]) -> Manifest:
        database = copies.copy_to(self._url, folder)
        copied = copies.verify(folder / database, expected)
        code = recovery.own_code(self._data / "keys")
        recovery.write_private(folder / KEYS, recovery.seal_folder(self._data / "keys", code))
        for name in BESIDE:
            with contextlib.suppress(FileNotFoundError):
                recovery.write_private(folder / name, (self._data / name).read_bytes())
        sounds = tuple(self._keep_sounds())
        files = tuple(part_of(one) for one in sorted(folder.iterdir()))
        for one in folder.iterdir():
            copies.to_disk(one)
        return Manifest(
            made_ms=now_ms,
            county=self._county,
            engine="sqlite" if is_sqlite(self._url) else "postgresql",
            revision=copied.revision,
            acts=copied.acts,
            link=copied.link,
            code=recovery.mark_of(code),
            database=database,
            files=files,
            sounds=sounds,
        )

    def _keep_sounds(self) -> Iterable[Part]:
        """Files that never change: each is linked or copied once."""
        pool = self._folder / SOUNDS
        pool.mkdir(exist_ok=True, mode=0o700)
        for source in sorted((self._data / "assets").glob(f"*{SUFFIX}")):
            if len(source.stem) != 64:
                continue
            kept = pool / source.name
            if not kept.exists():
                beside = pool / f"{UNFINISHED}{source.name}"
                beside.unlink(missing_ok=True)
                with contextlib.suppress(FileNotFoundError):  # it was deleted meanwhile
                    try:
                        os.link(source, beside)
                    except OSError:
                        shutil.copyfile(source, beside)
                    beside.replace(kept)
            if kept.exists():
                yield Part(source.name, kept.stat().st_size, source.stem)

    def kept(self) -> Sequence[Kept]:
        """Oldest first; what has no readable manifest is none."""
        found = []
        try:
            for one in sorted(self._folder.iterdir()) if self._folder.exists() else []:
                if is_name(one.name):
                    with contextlib.suppress(BadBackup):
                        manifest = manifest_of(one)
                        found.append(Kept(one.name, manifest.made_ms, manifest.size_bytes, manifest.acts))
        except OSError as err:
            raise BackupFailed(str(err)) from err
        return sorted(found, key=lambda one: one.made_ms)

    def drop(self, names: Sequence[str]) -> None:
        """:raises BackupFailed: the disk does not let go of them."""
        try:
            for name in names:
                if is_name(name):
                    shutil.rmtree(self._folder / name)
            if names:
                self._drop_sounds()
        except OSError as err:
            raise BackupFailed(str(err)) from err

    def _drop_sounds(self) -> None:
        wanted = set()
        for one in self.kept():
            with contextlib.suppress(BadBackup):
                wanted |= {part.name for part in manifest_of(self._folder / one.name).sounds}
        for file in (self._folder / SOUNDS).glob(f"*{SUFFIX}"):
            if file.name not in wanted:
                file.unlink(missing_ok=True)


def manifest_of(backup: Path) -> Manifest:
    """:raises BadBackup: there is none, or it is damaged."""
    path = backup / MANIFEST
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadBackup(str(backup), "its manifest is too large")
        return read_manifest(path.read_text(encoding="utf-8"), str(backup))
    except FileNotFoundError:
        raise BadBackup(str(backup), "there is no manifest in it") from None
    except (OSError, UnicodeError) as err:
        raise BadBackup(str(backup), str(err)) from err


def part_of(path: Path) -> Part:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return Part(path.name, path.stat().st_size, digest.hexdigest())
