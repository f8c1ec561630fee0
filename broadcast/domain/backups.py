"""Backups (备份): what one is, and which are kept: one an hour of the last day, one a day of the last two weeks. Pure."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from broadcast.domain.errors import BroadcastError

FORMAT = "lianbo-backup/1"
HOURLY, DAILY = 24, 14
OLD_MS = 2 * 3_600_000  # CodeRED 2025: the last backup was months old, and nobody knew
MOST_BYTES = 64 * 2**20  # of a manifest
_NAME = re.compile(r"\d{8}T\d{6}Z")
_HASH = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class BackupFailed(BroadcastError):
    """No backup was made, or it is not as it should be; those before stay.

    :param cause: for the technician.
    """

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"no backup was made: {cause}")


class BadBackup(BroadcastError):
    """What is to be restored is no backup, or a damaged one. Nothing was touched."""

    def __init__(self, backup: str, why: str) -> None:
        self.backup, self.why = backup, why
        super().__init__(f"{backup} can't be restored: {why}")


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a backup."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    :param engine: `sqlite` or `postgresql`.
    :param revision: of the tables.
    :param acts, link: how far the audit trail goes in it, and the link of its last act (hexadecimal).
    :param code: which recovery code opens the keys in it: the first digits of the code's hash.
    :param files: everything in the backup's folder but this.
    :param sounds: of the library by SHA-256 and size; kept once for all backups beside them.
    """

    made_ms: int
    county: str
    engine: str
    revision: str
    acts: int
    link: str
    code: str
    database: str
    files: tuple[Part, ...]
    sounds: tuple[Part, ...]

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.files)


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished backup in the folder."""

    name: str
    made_ms: int
    size_bytes: int
    acts: int = 0


def name_of(made_ms: int) -> str:
    """`20261123T100000Z`: sorts by time."""
    return datetime.fromtimestamp(made_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def to_drop(kept: Sequence[Kept], *, hourly: int = HOURLY, daily: int = DAILY, most_bytes: int = 0) -> list[str]:
    """Those that are not worth their room any more: neither the last of one of the last hours nor of one of the last days.

    :param most_bytes: the oldest go beyond this, but never the newest; 0: no limit.
    """
    newest_first = sorted(kept, key=lambda one: one.made_ms, reverse=True)
    good = _last_of_each(newest_first, 3_600_000, hourly) | _last_of_each(newest_first, 86_400_000, daily)
    staying = [one for one in newest_first if one.name in good]
    if most_bytes:
        total = 0
        for index, one in enumerate(staying):
            total += one.size_bytes
            if total > most_bytes and index:
                staying = staying[:index]
                break
    names = {one.name for one in staying}
    return [one.name for one in reversed(newest_first) if one.name not in names]


def _last_of_each(newest_first: Iterable[Kept], span_ms: int, most: int) -> set[str]:
    found: dict[int, str] = {}
    for one in newest_first:
        if len(found) == most:
            break
        found.setdefault(one.made_ms // span_ms, one.name)
    return set(found.values())


def manifest_text(manifest: Manifest) -> str:
    return json.dumps({"format": FORMAT, **asdict(manifest)}, ensure_ascii=False, indent=1) + "\n"


def read_manifest(text: str, backup: str) -> Manifest:
    """:raises BadBackup: it is none of ours, or says what can't be."""
    try:
        said = json.loads(text)
        if said.pop("format") != FORMAT:
            raise ValueError("another format")
        files = tuple(_part(one) for one in said.pop("files"))
        sounds = tuple(_part(one) for one in said.pop("sounds"))
        numbers = {name: said.pop(name) for name in ("made_ms", "acts")}
        if not all(type(number) is int and 0 <= number < 2**63 for number in numbers.values()):
            raise ValueError("a number that is none")
        if said.keys() != {"county", "engine", "revision", "link", "code", "database"} or not all(
            isinstance(value, str) for value in said.values()
        ):
            raise ValueError("fields that are not there, or unknown ones")
        if said["database"] not in {one.name for one in files}:
            raise ValueError("no database in it")
    except RecursionError:
        raise BadBackup(backup, "its manifest is nested too deeply") from None
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise BadBackup(backup, f"its manifest is none: {err}") from err
    return Manifest(**numbers, **said, files=files, sounds=sounds)


def _part(said: dict[str, object]) -> Part:
    name, size, sha256 = said["name"], said["size_bytes"], said["sha256"]
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        raise ValueError("a name that leads elsewhere")
    if not isinstance(sha256, str) or not _HASH.fullmatch(sha256) or type(size) is not int or size < 0:
        raise ValueError(f"{name}: no size or hash")
    return Part(name, size, sha256)
