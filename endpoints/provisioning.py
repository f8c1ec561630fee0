"""What a speaker has to be told once before it can speak: a JSON file that the server writes and a box or the simulator reads.

The same format holds one box or a county of them; `lianbo speakers export` writes it. It holds secrets, so it is written with
mode 0600 and refused when others may read it. An unknown field is an error: a misspelt one must not become a default.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from endpoints.arbitration import EMERGENCY_PERCENT, QuietHours
from endpoints.area_codes import is_area_code
from endpoints.effects import Make
from endpoints.fields import is_speaker_id
from endpoints.mqtt_dial import BrokerAddress, TlsFiles
from endpoints.player import Identity
from endpoints.protocol import MAX_MS
from endpoints.sealing import Algorithm, BadKey, TrustedKey, TrustStore
from endpoints.setup import MAX_GENERATION
from endpoints.vocabulary import Band

FORMAT = "lianbo-speakers/1"
MAX_FILE_BYTES = 64 * 1024 * 1024
MOST_TRIM_MS = 500  # sound goes 170 m in that time
_PUBLIC_KEY_BYTES = {Algorithm.ED25519: 32, Algorithm.SM2_SM3: 64}


class BadProvisioning(ValueError):
    """The file is not what the format says; `where` names the field, `why` the fault."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"{where}: {why}")


class ProvisioningExposed(BadProvisioning):
    """Others on the machine may read the secrets in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(str(path), f"others may read the secrets in it; chmod 600 {path}")


@dataclass(frozen=True, slots=True)
class SpeakerConfig:
    """One speaker.

    :param key: 32 secret bytes for its reports (`sealing.speaker_key`).
    :param password: for the broker (`sealing.broker_password`); its user name and client id are its id.
    :param exercise: it is locked in an exercise and refuses everything else.
    :param ceiling_percent, floor_percent: see `endpoints.setup.Setup`.
    :param generation: of its secrets.
    :param latency_trim_ms: so much later than its sound card says does sound leave it, behind a slow amplifier; negative to have it
        sound later than its neighbours on purpose, for those who hear several.
    """

    id: str
    area: str
    key: bytes = field(repr=False)
    password: str = field(repr=False)
    exercise: bool = False
    volume_percent: int = 70
    quiet: QuietHours = QuietHours()
    latency_trim_ms: int = 0
    ceiling_percent: int = 100
    floor_percent: int = EMERGENCY_PERCENT
    generation: int = 1

    def identity_as(self, make: Make) -> Identity:
        """Who this is, in a box of that make."""
        return Identity(
            id=self.id,
            area=self.area,
            key=self.key,
            exercise=self.exercise,
            volume_percent=self.volume_percent,
            quiet=self.quiet,
            ceiling_percent=self.ceiling_percent,
            floor_percent=self.floor_percent,
            generation=self.generation,
            make=make,
        )

    @property
    def identity(self) -> Identity:
        """Likewise in one that can't say its make."""
        return self.identity_as(Make())


@dataclass(frozen=True, slots=True)
class Provisioning:
    """Speakers, and what they have in common.

    :param keys: the public keys that they trust, for live and for exercises.
    :param assets_url: sound files are fetched from `{assets_url}/assets/<sha256>`; empty: nowhere.
    :param tls: PEM files beside the provisioning file, or None for a broker without TLS.
    """

    host: str
    port: int
    keys: tuple[TrustedKey, ...]
    speakers: tuple[SpeakerConfig, ...]
    assets_url: str = ""
    tls: TlsFiles | None = None

    @property
    def trust(self) -> TrustStore:
        return TrustStore(self.keys)

    def broker_for(self, speaker: SpeakerConfig) -> BrokerAddress:
        return BrokerAddress(self.host, self.port, speaker.id, speaker.password, self.tls)

    def only(self, speaker: str) -> Self:
        """The file for a single box.

        :raises KeyError: no such speaker in it.
        """
        chosen = tuple(one for one in self.speakers if one.id == speaker)
        if not chosen:
            raise KeyError(speaker)
        return replace(self, speakers=chosen)


def write_provisioning(path: Path, provisioning: Provisioning) -> None:
    """Write it with mode 0600, whole or not at all.

    :raises OSError: the folder is missing or the disk is full.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    text = json.dumps(to_json(provisioning), ensure_ascii=False, indent=1)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_provisioning(path: Path) -> Provisioning:
    """:raises BadProvisioning: not as specified, or open to others. :raises OSError: it can't be read."""
    facts = path.stat()
    if facts.st_mode & 0o077:
        raise ProvisioningExposed(path)
    if facts.st_size > MAX_FILE_BYTES:
        raise BadProvisioning(str(path), f"{facts.st_size} bytes, at most {MAX_FILE_BYTES} are read")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as err:
        raise BadProvisioning(str(path), f"not JSON: {err}") from err
    return from_json(value, folder=path.parent)


def read_single(path: Path) -> Provisioning:
    """The file of one box. :raises BadProvisioning: also when it holds none or several."""
    provisioning = read_provisioning(path)
    if len(provisioning.speakers) != 1:
        raise BadProvisioning("speakers", f"{len(provisioning.speakers)} of them; the file of a box holds one")
    return provisioning


# ---- to JSON ------------------------------------------------------------------------------------------------------------


def to_json(provisioning: Provisioning) -> dict[str, object]:
    tls = provisioning.tls
    return {
        "format": FORMAT,
        "broker": {
            "host": provisioning.host,
            "port": provisioning.port,
            "tls": None if tls is None else _tls_to_json(tls),
        },
        "assets_url": provisioning.assets_url,
        "keys": [key_to_json(key) for key in provisioning.keys],
        "speakers": [_speaker_to_json(speaker) for speaker in provisioning.speakers],
    }


def _tls_to_json(tls: TlsFiles) -> dict[str, object]:
    return {
        "ca": str(tls.ca),
        "certificate": None if tls.certificate is None else str(tls.certificate),
        "key": None if tls.key is None else str(tls.key),
        "check_hostname": tls.check_hostname,
    }


def key_to_json(key: TrustedKey) -> dict[str, object]:
    return {
        "algorithm": key.algorithm.name,
        "public": key.public.hex(),
        "area": key.area,
        "highest_band": key.highest_band.name,
        "exercise": key.exercise,
        "not_before_ms": key.not_before_ms,
        "not_after_ms": key.not_after_ms,
    }


def _speaker_to_json(speaker: SpeakerConfig) -> dict[str, object]:
    return {
        "id": speaker.id,
        "area": speaker.area,
        "key": speaker.key.hex(),
        "password": speaker.password,
        "exercise": speaker.exercise,
        "volume_percent": speaker.volume_percent,
        "quiet_from": _to_hhmm(speaker.quiet.from_min),
        "quiet_until": _to_hhmm(speaker.quiet.until_min),
        "utc_offset_min": speaker.quiet.utc_offset_min,
        "latency_trim_ms": speaker.latency_trim_ms,
        "ceiling_percent": speaker.ceiling_percent,
        "floor_percent": speaker.floor_percent,
        "generation": speaker.generation,
    }


def _to_hhmm(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


# ---- from JSON ----------------------------------------------------------------------------------------------------------


def from_json(value: object, *, folder: Path = Path()) -> Provisioning:
    """:param folder: where relative paths of PEM files begin. :raises BadProvisioning: with the first field that is wrong."""
    read = _Fields("", value, {"format", "broker", "assets_url", "keys", "speakers"})
    if read.text("format") != FORMAT:
        raise BadProvisioning("format", f"{read.text('format')!r}; this program reads {FORMAT!r}")
    broker = _Fields("broker", read.map["broker"], {"host", "port", "tls"})
    assets_url = read.text("assets_url")
    if not re.fullmatch(r"(https?://[^\s?#]+)?", assets_url):
        raise BadProvisioning("assets_url", "neither empty nor an http(s) address without query")
    keys = tuple(_key(item, f"keys[{n}]") for n, item in enumerate(read.items("keys")))
    speakers = tuple(_speaker(item, f"speakers[{n}]") for n, item in enumerate(read.items("speakers")))
    _no_repeats("keys", [key.key_id.hex() for key in keys])
    _no_repeats("speakers", [speaker.id for speaker in speakers])
    return Provisioning(
        host=broker.text("host", lambda text: bool(re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", text))),
        port=broker.whole("port", 1, 65_535),
        keys=keys,
        speakers=speakers,
        assets_url=assets_url.rstrip("/"),
        tls=None if broker.map["tls"] is None else _tls(broker.map["tls"], folder),
    )


def _tls(value: object, folder: Path) -> TlsFiles:
    read = _Fields("broker.tls", value, {"ca", "certificate", "key", "check_hostname"})
    paths = [None if read.map[name] is None else folder / read.text(name) for name in ("certificate", "key")]
    if (paths[0] is None) is not (paths[1] is None):
        raise BadProvisioning("broker.tls", "a certificate and its key come together")
    return TlsFiles(folder / read.text("ca"), paths[0], paths[1], read.flag("check_hostname"))


def _key(value: object, where: str) -> TrustedKey:
    names = {"algorithm", "public", "area", "highest_band", "exercise", "not_before_ms", "not_after_ms"}
    read = _Fields(where, value, names)
    algorithm = Algorithm[read.text("algorithm", lambda name: name in {one.name for one in _PUBLIC_KEY_BYTES})]
    try:
        return TrustedKey(
            algorithm=algorithm,
            public=read.hex("public", _PUBLIC_KEY_BYTES[algorithm]),
            area=read.text("area", is_area_code),
            highest_band=Band[read.text("highest_band", Band.__members__.__contains__)],
            exercise=read.flag("exercise"),
            not_before_ms=read.whole("not_before_ms", 0, MAX_MS),
            not_after_ms=read.whole("not_after_ms", 0, MAX_MS),
        )
    except BadKey as err:
        raise BadProvisioning(where, str(err)) from err


_LATER = {"latency_trim_ms": 0, "ceiling_percent": 100, "floor_percent": EMERGENCY_PERCENT, "generation": 1}


def _speaker(value: object, where: str) -> SpeakerConfig:
    names = {"id", "area", "key", "password", "exercise", "volume_percent"}
    if isinstance(value, dict):
        value = {**_LATER, **value}  # files of before these were thought of
    read = _Fields(where, value, names | {"quiet_from", "quiet_until", "utc_offset_min"} | _LATER.keys())
    return SpeakerConfig(
        id=read.text("id", is_speaker_id),
        area=read.text("area", is_area_code),
        key=read.hex("key", 32),
        password=read.text("password", lambda text: 0 < len(text) <= 256),
        exercise=read.flag("exercise"),
        volume_percent=read.whole("volume_percent", 0, 100),
        quiet=QuietHours(
            read.minute("quiet_from"), read.minute("quiet_until"), read.whole("utc_offset_min", -840, 840)
        ),
        latency_trim_ms=read.whole("latency_trim_ms", -MOST_TRIM_MS, MOST_TRIM_MS),
        ceiling_percent=read.whole("ceiling_percent", 0, 100),
        floor_percent=read.whole("floor_percent", 0, 100),
        generation=read.whole("generation", 1, MAX_GENERATION),
    )


class _Fields:
    """A JSON object with exactly these fields, read one by one."""

    def __init__(self, where: str, value: object, names: set[str]) -> None:
        if not isinstance(value, dict):
            raise BadProvisioning(where or "file", "not an object")
        self._where = f"{where}." if where else ""
        if odd := sorted(value.keys() ^ names):
            raise BadProvisioning(self._where + odd[0], "missing" if odd[0] in names else "no such field")
        self.map: Mapping[str, object] = value

    def text(self, name: str, allowed: Callable[[str], bool] = lambda _: True) -> str:
        value = self.map[name]
        if not isinstance(value, str) or not allowed(value):
            raise BadProvisioning(self._where + name, "not a text of the kind meant here")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        value = self.map[name]
        if type(value) is not int or not low <= value <= high:
            raise BadProvisioning(self._where + name, f"not a whole number from {low} to {high}")
        return value

    def flag(self, name: str) -> bool:
        value = self.map[name]
        if not isinstance(value, bool):
            raise BadProvisioning(self._where + name, "neither true nor false")
        return value

    def hex(self, name: str, size: int) -> bytes:
        text = self.text(name, lambda text: bool(re.fullmatch(r"(?:[0-9a-f]{2})*", text)))
        if len(text) != 2 * size:
            raise BadProvisioning(self._where + name, f"not {size} bytes in lower-case hexadecimal digits")
        return bytes.fromhex(text)

    def minute(self, name: str) -> int:
        text = self.text(name, lambda text: bool(re.fullmatch(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", text)))
        return int(text[:2]) * 60 + int(text[3:])

    def items(self, name: str) -> list[object]:
        value = self.map[name]
        if not isinstance(value, list):
            raise BadProvisioning(self._where + name, "not a list")
        return value


def _no_repeats(where: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadProvisioning(where, f"{name} twice")
        seen.add(name)


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    _no_repeats("file", [name for name, _ in pairs])
    return dict(pairs)
