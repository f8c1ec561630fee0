"""A sound of the library (音频素材): what the file is, where it comes from, who approved it, until when it may be used. Pure.

Who may see it: officers of its area and of those above, and, where it is shared, officers below: a township plays the county's
tune. Who may change it: officers whose area covers its own.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from broadcast.domain.broadcasts import Fault
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, level_of
from endpoints.area_codes import covers
from endpoints.protocol import Level

MAX_NAME, MAX_LICENCE = 80, 300
LEAST_LICENCE = 2
EXPIRES_SOON_MS = 14 * 86_400_000
_LATEST_EXPIRY_MS = 50 * 366 * 86_400_000


ENDINGS = {  # of file names, by what the file is
    "wav": ("wav", "wave"),
    "mp3": ("mp3", "mp2", "mpga"),
    "flac": ("flac",),
    "ogg": ("ogg", "oga", "opus"),
    "mp4": ("m4a", "mp4", "3gp", "3gpp", "m4b", "aac", "mov"),
    "aac": ("aac", "adts"),
    "amr": ("amr", "awb", "3ga"),
    "wma": ("wma", "asf"),
}


class AssetKind(StrEnum):
    """What it is for, which decides how loud it is made."""

    ROUTINE = "routine"  # 日常节目: −18 LUFS
    NOTICE = "notice"  # 通知、应急: −16 LUFS
    SIGNAL = "signal"  # 提示音: −16 LUFS with peaks under −3 dBTP; pauses of up to 30 s are meant


class AssetState(StrEnum):
    """How far an upload got."""

    RECEIVED = "received"  # whole, and waiting its turn
    PROBING = "probing"  # taken apart, measured, made
    READY = "ready"
    REFUSED = "refused"  # its code and facts say why; nothing of it is kept


@dataclass(frozen=True, slots=True)
class Measured:
    """The finished file, and what was measured of it and of what was sent. Levels in LUFS, LU and dBTP.

    :param sha256: of the finished file, by which orders name it.
    :param waveform: pairs of lowest and highest sample, −127 to 127, one byte each.
    """

    sha256: bytes
    size_bytes: int
    duration_ms: int
    lufs: float
    lra: float
    peak_dbtp: float
    gain_db: float
    limited: bool
    source_ms: int
    source_lufs: float
    source_peak_dbtp: float
    container: str
    codec: str
    channels: int
    rate_hz: int
    trimmed_head_ms: int
    trimmed_tail_ms: int
    clipped_ms: int
    picture: bool
    waveform: bytes

    def pairs(self, most: int = 1_000) -> list[tuple[int, int]]:
        """The waveform in at most so many pairs."""
        values = [byte - 256 if byte > 127 else byte for byte in self.waveform]
        pairs = list(zip(values[::2], values[1::2], strict=False))
        width = -(-len(pairs) // most) or 1
        groups = (pairs[at : at + width] for at in range(0, len(pairs), width))
        return [(min(low for low, _ in group), max(high for _, high in group)) for group in groups]


@dataclass(frozen=True, slots=True)
class NewAsset:
    """What an officer says of a file.

    :param licence: where it comes from and under which right it may be played (来源与授权); nothing is taken without.
    :param file_name: as the browser sent it; for the ending alone, never a path.
    :param expires_ms: it can't be used anew from then on; None: never.
    """

    name: str
    licence: str
    kind: AssetKind
    area: str
    shared: bool = True
    expires_ms: int | None = None
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """A sound that is ready.

    :param id: a ULID.
    :param misnamed: the ending of the file's name where it promised something else than the file was.
    :param approved_sha256: what was heard and approved; it counts only while it is the file's.
    """

    id: str
    name: str
    licence: str
    kind: AssetKind
    area: str
    shared: bool
    uploader: str
    uploaded_ms: int
    source_sha256: bytes
    source_bytes: int
    misnamed: str
    measured: Measured
    expires_ms: int | None = None
    approved_by: str = ""
    approved_ms: int | None = None
    approved_sha256: bytes = b""

    @property
    def sha256(self) -> bytes:
        return self.measured.sha256

    @property
    def level(self) -> Level:
        return level_of(self.area)

    @property
    def is_approved(self) -> bool:
        return bool(self.approved_by) and self.approved_sha256 == self.sha256

    def is_expired(self, now_ms: int) -> bool:
        return self.expires_ms is not None and self.expires_ms <= now_ms

    def expires_soon(self, now_ms: int) -> bool:
        return self.expires_ms is not None and now_ms < self.expires_ms <= now_ms + EXPIRES_SOON_MS


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a sound is used now or will be.

    :param what: `broadcast`, `programme`, `fallback`, …; the console has a word for each.
    """

    what: str
    id: str
    name: str


class UnknownAsset(BroadcastError):
    """No sound has this id, or none that this officer may see."""

    def __init__(self, asset: str) -> None:
        self.asset = asset
        super().__init__(f"there is no sound {asset}")


class AssetInUse(BroadcastError):
    """It can't be deleted while something is to play it."""

    def __init__(self, asset: str, uses: Sequence[Use]) -> None:
        self.asset = asset
        self.uses = [{"what": use.what, "id": use.id, "name": use.name} for use in uses[:50]]
        self.names = ", ".join(use.name for use in uses[:5])
        super().__init__(f"sound {asset} is used by {self.names}")


class AnotherSound(BroadcastError):
    """What was heard is not what would be approved."""

    def __init__(self, asset: str, sha256: str) -> None:
        self.asset, self.sha256 = asset, sha256
        super().__init__(f"sound {asset} is another file than the one that was heard; listen to {sha256[:12]}")


class OwnUpload(BroadcastError):
    """Whoever sent a sound does not approve it, where the settings want two persons."""

    def __init__(self, asset: str, officer: str) -> None:
        self.asset, self.officer = asset, officer
        super().__init__(f"{officer} sent sound {asset}; somebody else approves it")


class SameFile(BroadcastError):
    """The file that was sent is in the library of this area already."""

    def __init__(self, asset: str, name: str) -> None:
        self.asset, self.name = asset, name
        super().__init__(f"this file is in the library already, as {name}")


def clean_name(text: str) -> str:
    """A name for people: one line, nothing invisible, no marks that turn the writing round."""
    plain = unicodedata.normalize("NFC", text)
    kept = "".join(char if unicodedata.category(char)[0] not in "CZ" or char == " " else " " for char in plain)
    return " ".join(kept.split())[:MAX_NAME].strip(" .")


def name_of_file(file_name: str) -> str:
    """The name of a sound whose sender gave it none: the end of the path, without what says its kind."""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    return clean_name(last.rpartition(".")[0] or last)


def misnamed(file_name: str, container: str) -> str:
    """The ending of a file's name when it promises something else than the file is; empty otherwise."""
    ending = file_name.rpartition(".")[2].lower() if "." in file_name else ""
    promising = ending.isascii() and ending.isalnum() and len(ending) <= 5
    return ending if promising and ending not in ENDINGS.get(container, ()) else ""


def check(new: NewAsset, *, now_ms: int) -> list[Fault]:
    """Every field that is wrong."""
    faults = []
    if not clean_name(new.name):
        faults.append(Fault("name", "missing"))
    if len(new.name) > MAX_NAME:
        faults.append(Fault("name", "too-long", (("most", str(MAX_NAME)), ("length", str(len(new.name))))))
    licence = new.licence.strip()
    if len(licence) < LEAST_LICENCE:
        faults.append(Fault("licence", "missing-licence"))
    if len(licence) > MAX_LICENCE:
        faults.append(Fault("licence", "too-long", (("most", str(MAX_LICENCE)), ("length", str(len(licence))))))
    for name, value in (("name", new.name), ("licence", licence)):
        if any(unicodedata.category(char) in ("Cc", "Cs") for char in value.replace("\n", " ")):
            faults.append(Fault(name, "control-characters"))
    return [*faults, *check_expiry(new.expires_ms, now_ms=now_ms)]


def check_expiry(expires_ms: int | None, *, now_ms: int) -> list[Fault]:
    if expires_ms is None:
        return []
    if not 0 <= expires_ms <= now_ms + _LATEST_EXPIRY_MS:
        return [Fault("expires", "out-of-range")]
    return [Fault("expires", "in-the-past")] if expires_ms <= now_ms else []


def sees(officer: Officer, area: str, *, shared: bool) -> bool:
    """Own and below always; above where it is shared."""
    return covers(officer.area, area) or (shared and covers(area, officer.area))
