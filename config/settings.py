"""Settings (设置): frozen, typed, from `defaults.toml`, the operator's file and the environment; unset, they run one machine.

`defaults.toml` is the manual: every setting has its sentence there, and a test compares the two. A key that we do not know stops
the start and names the nearest one that we do.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

ENV_PREFIX = "LIANBO_"


class BadSettings(ValueError):
    """The settings can't be used; every line says which key and why."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Section):
    host: str
    port: int = Field(ge=0, le=65535)
    data_folder: Path
    county: str = Field(pattern=r"^\d{6}$")
    language: Literal["zh-CN", "en"]
    trust_forwarded: bool
    log_format: Literal["text", "json"]
    log_level: Literal["debug", "info", "warning", "error"]


class Database(_Section):
    url: str
    commit_every_ms: int = Field(ge=0, le=1000)


class BrokerSettings(_Section):
    engine: Literal["auto", "mosquitto", "amqtt", "external"]
    host: str
    port: int = Field(ge=0, le=65535)
    username: str
    password: str
    persistence: bool
    tls_certificate: str
    tls_key: str
    tls_ca: str


class Signing(_Section):
    algorithm: Literal["ed25519", "sm2"]
    key_days: int = Field(ge=1, le=3650)


class Rules(_Section):
    priority_order: Literal["severity-first", "level-first"]
    quiet_from: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    quiet_until: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    utc_offset_min: int = Field(ge=-720, le=840)
    start_lead_ms: int = Field(ge=0, le=10_000)
    second_person: bool


class EstateSettings(_Section):
    silent_test_at: str = Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")


class Speech(_Section):
    words_per_minute: int = Field(ge=80, le=300)
    voice: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    readings: str
    voices_folder: str
    issuer: str = Field(max_length=20)


def _words(value: Any) -> Any:
    """From the environment a list comes as one text."""
    return value.split() if isinstance(value, str) else value


class AccountSettings(_Section):
    two_person: bool
    drill_first: bool
    lock_after_min: int = Field(ge=0, le=720)
    step_up_min: int = Field(ge=0, le=720)
    invitation_hours: int = Field(ge=1, le=720)
    duty_rooms: Annotated[list[str], BeforeValidator(_words)] = Field(max_length=100)


class AssetSettings(_Section):
    largest_mb: int = Field(ge=1, le=4_000)
    longest_min: int = Field(ge=1, le=60)
    uploads_at_once: int = Field(ge=1, le=100)
    keep_free_mb: int = Field(ge=16, le=1_000_000)
    approver_must_differ: bool
    only_approved: bool


class Programmes(_Section):
    staging_kbytes_per_s: int = Field(ge=0, le=1_000_000)
    keep_reports_days: int = Field(ge=1, le=36_500)
    keep_days: int = Field(ge=1, le=36_500)


class LiveSettings(_Section):
    delay_ms: int = Field(ge=120, le=5_000)
    max_minutes: int = Field(ge=1, le=720)
    silence_s: int = Field(ge=5, le=3_600)
    silence_dbfs: float = Field(ge=-90, le=-10)
    max_deliveries_per_s: int = Field(ge=0, le=10_000_000)
    card: str = Field(max_length=200)
    relay_addresses: Annotated[list[str], BeforeValidator(_words)] = Field(max_length=100)


class AuditSettings(_Section):
    checkpoints_to: str


class BackupSettings(_Section):
    folder: str
    every_min: int = Field(ge=5, le=1_440)
    keep_hourly: int = Field(ge=1, le=1_000)
    keep_daily: int = Field(ge=1, le=1_000)
    most_mb: int = Field(ge=0, le=100_000_000)
    keep_free_mb: int = Field(ge=0, le=1_000_000)


class AlarmSettings(_Section):
    escalate_min: int = Field(ge=1, le=1_440)
    approval_wait_min: int = Field(ge=1, le=1_440)


_TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class ShiftSettings(_Section):
    changes: Annotated[list[_TimeOfDay], BeforeValidator(_words)] = Field(max_length=12)


class ConferenceSettings(_Section):
    engine: Literal["auto", "embedded", "none"]


class Settings(_Section):
    server: Server
    database: Database
    broker: BrokerSettings
    signing: Signing
    rules: Rules
    estate: EstateSettings
    programmes: Programmes
    speech: Speech
    accounts: AccountSettings
    assets: AssetSettings
    live: LiveSettings
    audit: AuditSettings
    backup: BackupSettings
    alarms: AlarmSettings
    shifts: ShiftSettings
    conference: ConferenceSettings

    @property
    def database_url(self) -> str:
        """The configured database, or the one file in the data folder."""
        return self.database.url or f"sqlite:///{self.server.data_folder / 'lianbo.db'}"


def defaults_text() -> str:
    """The manual of settings, as shipped."""
    return resources.files("config").joinpath("defaults.toml").read_text(encoding="utf-8")


def load(path: Path | None = None, *, environment: Mapping[str, str] | None = None) -> Settings:
    """Defaults, then the file, then `LIANBO_SECTION_KEY` from the environment; the last one named wins.

    :raises BadSettings: an unknown key (with the nearest known one), a wrong type or a value out of range.
    """
    merged = tomllib.loads(defaults_text())
    if path is not None:
        try:
            own = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeError, tomllib.TOMLDecodeError) as err:
            raise BadSettings([f"{path}: {err}"]) from err
        unknown = [f"{path}: {line}" for line in _unknown(own, merged)]
        if unknown:
            raise BadSettings(unknown)
        for section, values in own.items():
            merged[section].update(values)
    lines = _take_environment(merged, os.environ if environment is None else environment)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as err:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in err.errors()] + lines
        raise BadSettings(lines) from err
    if lines:
        raise BadSettings(lines)
    return settings


def _unknown(own: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    for section, values in own.items():
        if section not in known:
            yield f"there is no section [{section}]{_nearest(section, known)}"
        elif not isinstance(values, dict):
            yield f"{section} is a section: write [{section}]"
        else:
            for key in values.keys() - known[section].keys():
                yield f"there is no {section}.{key}{_nearest(key, known[section])}"


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def _take_environment(merged: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    """:returns: what is named there and does not exist."""
    names = {f"{ENV_PREFIX}{s}_{k}".upper(): (s, k) for s, values in merged.items() for k in values}
    sections = tuple(f"{ENV_PREFIX}{section}_".upper() for section in merged)
    unknown = sorted(name for name in environment if name.startswith(sections) and name not in names)
    for name, (section, key) in names.items():
        if (text := environment.get(name)) is None:
            continue
        before = merged[section][key]
        if isinstance(before, bool):
            merged[section][key] = text.strip().lower() in ("1", "true", "yes", "on")
        else:
            merged[section][key] = text
    return [f"environment: there is no {name}{_nearest(name, names)}" for name in unknown]
