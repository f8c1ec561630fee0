"""What is wrong with a programme or an area's plan as it was sent: every field, not only the first. Pure."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import MAX_TEXT, Fault, check_targets
from broadcast.domain.programmes import (
    AreaPlan,
    DayRule,
    EndPolicy,
    File,
    LineIn,
    Pattern,
    Playlist,
    Programme,
    Source,
    Speech,
    StartPolicy,
    Stream,
)
from endpoints.area_codes import covers, is_area_code
from endpoints.protocol import MAX_MORE, Resume, Tone

MAX_TITLE, MAX_NOTE = 80, 400  # characters
MAX_TIMES, MAX_DATES = 48, 366
LONGEST_MIN = 24 * 60
MAX_LATEST_S, MIN_LATEST_S = 3_600, 10
MAX_URL, MAX_DEVICE, MAX_VOICE = 400, 64, 40
SLOWEST, FASTEST = 80, 300  # words a minute
EARLIEST, LATEST = date(2000, 1, 1), date(2099, 12, 31)  # the id of an occurrence has two digits of the year
UNPRINTED = {"Cc", "Cs"}  # control characters, and halves of a surrogate pair, which no file and no database takes
CHIMES = (Tone.NONE, Tone.CHIME)  # the attention signal is for emergencies alone: people must not get used to it
LIVE_RESUMES = (None, Resume.REJOIN, Resume.DROP)  # a stream has no past to go back to
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


def check_programme(
    programme: Programme,
    tree: AreaTree,
    known_speakers: Mapping[str, str],
    known_assets: Collection[bytes],
    *,
    today: date,
) -> list[Fault]:
    """Fields by their names, `pattern.times.0` for those inside.

    :param known_speakers: area by id.
    :param known_assets: SHA-256 of the files that may sound: those of the library that are approved and not expired.
    """
    return [
        *_check_names(programme, tree),
        *check_targets(programme, tree, known_speakers, today),
        *_check_reach(programme, known_speakers),
        *_check_pattern(programme.pattern, programme.length_min),
        *_check_source(programme.source, known_assets),
        *_check_policies(programme),
        *_check_sound(programme),
    ]


def check_area_plan(plan: AreaPlan, tree: AreaTree) -> list[Fault]:
    """Fields by their names."""
    faults = _outside("budget_min", plan.budget_min, 0, 1_440)
    if not is_area_code(plan.area) or plan.area not in tree:
        faults.append(Fault("area", "unknown-area", (("area", plan.area[:40]),)))
    if len(plan.volume_by_hour) not in (0, 24):
        faults.append(Fault("volume_by_hour", "neither-none-nor-24"))
    for hour, percent in enumerate(plan.volume_by_hour[:24]):
        faults += _outside(f"volume_by_hour.{hour}", percent, 0, 100)
    return [*faults, *_check_text("note", plan.note, MAX_NOTE, needed=False)]


def is_ulid(text: str) -> bool:
    """26 characters of Crockford's base 32, upper case."""
    return ULID.fullmatch(text) is not None


@lru_cache(maxsize=1_024)
def is_zone(name: str) -> bool:
    """Whether the time zone database knows it. Names of the machine's own zone are no zone: two servers must agree."""
    if len(name) > 40 or ZONE.fullmatch(name) is None or name in ("localtime", "posixrules", "Factory"):
        return False
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        return False
    return True


def _check_names(programme: Programme, tree: AreaTree) -> Iterable[Fault]:
    if not is_ulid(programme.id):
        yield Fault("id", "not-a-ulid")
    yield from _check_text("title", programme.title, MAX_TITLE)
    if not is_area_code(programme.owner) or programme.owner not in tree:
        yield Fault("owner", "unknown-area", (("area", programme.owner[:40]),))
    if not is_zone(programme.zone):
        yield Fault("zone", "unknown-zone", (("zone", programme.zone[:40]),))


def _check_reach(programme: Programme, known_speakers: Mapping[str, str]) -> Iterable[Fault]:
    """A township's programme sounds in that township."""
    if not is_area_code(programme.owner):
        return
    for index, area in enumerate(programme.areas):
        if is_area_code(area) and not covers(programme.owner, area):
            yield Fault(f"areas.{index}", "outside-owner", (("area", area),))
    for index, speaker in enumerate(programme.speakers):
        if speaker in known_speakers and not covers(programme.owner, known_speakers[speaker]):
            yield Fault(f"speakers.{index}", "outside-owner", (("speaker", speaker),))


def _check_pattern(pattern: Pattern, length_min: int) -> Iterable[Fault]:
    if not EARLIEST <= pattern.first <= LATEST:
        yield Fault("pattern.first", "out-of-range", (("low", EARLIEST.isoformat()), ("high", LATEST.isoformat())))
    if pattern.last is not None and not pattern.first <= pattern.last <= LATEST:
        yield Fault("pattern.last", "out-of-range", (("low", pattern.first.isoformat()), ("high", LATEST.isoformat())))
    if not pattern.weekdays <= frozenset(range(1, 8)):
        yield Fault("pattern.weekdays", "out-of-range", (("low", "1"), ("high", "7")))
    if not pattern.weekdays and not pattern.dates_in:
        yield Fault("pattern.weekdays", "never")
    for name, days in (("dates_out", pattern.dates_out), ("dates_in", pattern.dates_in)):
        if len(days) > MAX_DATES:
            yield Fault(f"pattern.{name}", "too-many", (("most", str(MAX_DATES)),))
    for day in sorted(pattern.dates_in):
        if day < pattern.first or (pattern.last is not None and day > pattern.last):
            yield Fault("pattern.dates_in", "outside-dates", (("day", day.isoformat()),))
        if day in pattern.dates_out:
            yield Fault("pattern.dates_in", "also-out", (("day", day.isoformat()),))
    yield from _check_times(pattern, length_min)


def _check_times(pattern: Pattern, length_min: int) -> Iterable[Fault]:
    if not pattern.times:
        yield Fault("pattern.times", "missing")
    if len(pattern.times) > MAX_TIMES:
        yield Fault("pattern.times", "too-many", (("most", str(MAX_TIMES)),))
        return
    for index, at in enumerate(pattern.times):
        if at.microsecond or at.tzinfo is not None:
            yield Fault(f"pattern.times.{index}", "not-a-time-of-day")
        elif at in pattern.times[:index]:
            yield Fault(f"pattern.times.{index}", "twice", (("time", at.isoformat()),))
    if any(at.microsecond or at.tzinfo is not None for at in pattern.times):
        return
    for at, following, apart in _neighbours(sorted(set(pattern.times)), one_day=pattern.first == pattern.last):
        if apart < timedelta(minutes=length_min):
            facts = (("time", at.isoformat()), ("next", following.isoformat()))
            yield Fault("pattern.times", "overlaps-itself", facts)


def _neighbours(times: Sequence[time], *, one_day: bool) -> Iterable[tuple[time, time, timedelta]]:
    """Each time of day, the next one, and how far they are apart; behind the last comes the first of the next day."""
    first = datetime(2000, 1, 1)  # noqa: DTZ001  only a difference is taken
    instants = [datetime.combine(first, at) for at in times]
    if len(instants) > 1 and not one_day:
        instants.append(instants[0] + timedelta(days=1))
    for at, following in pairwise(instants):
        yield at.time(), following.time(), following - at


def _check_source(source: Source, known_assets: Collection[bytes]) -> Iterable[Fault]:
    match source:
        case File(asset):
            yield from _check_assets("source.asset", (asset,), known_assets)
        case Playlist(assets):
            if not assets:
                yield Fault("source.assets", "missing")
            elif len(assets) > MAX_MORE + 1:
                yield Fault("source.assets", "too-many", (("most", str(MAX_MORE + 1)),))
            else:
                yield from _check_assets("source.assets", assets, known_assets)
        case Speech(text, voice, rate):
            yield from _check_text("source.text", text, MAX_TEXT)
            yield from _check_text("source.voice", voice, MAX_VOICE, needed=False)
            if rate:
                yield from _outside("source.rate", rate, SLOWEST, FASTEST)
        case Stream(url):
            if not is_stream_address(url):
                yield Fault("source.url", "not-a-stream-address")
        case LineIn(device):
            yield from _check_text("source.device", device, MAX_DEVICE, needed=False)


def is_stream_address(url: str) -> bool:
    """http or https with a host, and without a name and password, which would stand in every list and log."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises for one that is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _check_assets(field: str, assets: Sequence[bytes], known: Collection[bytes]) -> Iterable[Fault]:
    for index, asset in enumerate(assets):
        if asset not in known:
            name = field if field.endswith("asset") else f"{field}.{index}"
            yield Fault(name, "unknown-asset", (("asset", asset[:32].hex()),))


def _check_policies(programme: Programme) -> Iterable[Fault]:
    yield from _outside("length_min", programme.length_min, 1, LONGEST_MIN)
    yield from _outside("latest_start_s", programme.latest_start_s, MIN_LATEST_S, MAX_LATEST_S)
    if programme.start is StartPolicy.GRACE:  # later than the latest start it would never take the air
        yield from _outside("grace_s", programme.grace_s, 1, max(1, programme.latest_start_s - 1))
    elif programme.grace_s:
        yield Fault("grace_s", "only-with-grace")
    if programme.is_relay:
        if programme.resume not in LIVE_RESUMES:
            yield Fault("resume", "not-for-relay")
        if programme.end is EndPolicy.FINISH:
            yield Fault("end", "not-for-relay")
        if programme.loop:
            yield Fault("loop", "not-for-relay")
    if programme.pattern.rule is not DayRule.EVERY and not programme.pattern.weekdays:
        yield Fault("pattern.rule", "needs-weekdays")


def _check_sound(programme: Programme) -> Iterable[Fault]:
    yield from _outside("volume_percent", programme.volume_percent, 0, 100)
    yield from _outside("ceiling_percent", programme.ceiling_percent, 1, 100)
    if programme.volume_percent > programme.ceiling_percent:
        yield Fault("volume_percent", "above-ceiling", (("ceiling", str(programme.ceiling_percent)),))
    for name, tone in (("opening", programme.opening), ("closing", programme.closing)):
        if tone not in CHIMES:
            yield Fault(name, "only-a-chime")


def _outside(field: str, value: int, low: int, high: int) -> list[Fault]:
    return [] if low <= value <= high else [Fault(field, "out-of-range", (("low", str(low)), ("high", str(high))))]


def _check_text(field: str, text: str, most: int, *, needed: bool = True) -> Iterable[Fault]:
    if len(text) > most:
        yield Fault(field, "too-long", (("most", str(most)), ("length", str(len(text)))))
    if needed and not text.strip():
        yield Fault(field, "missing")
    if any(unicodedata.category(char) in UNPRINTED and char not in "\n\t\r" for char in text):
        yield Fault(field, "control-characters")
