"""A broadcast (播发): one act of an officer, the order that it became, and how it ended. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from broadcast.domain.areas import AreaTree, minimal_cover
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.domain.spoken import FASTEST, MAX_BED_MS, SLOWEST, Bed
from endpoints.arbitration import is_meant
from endpoints.area_codes import covers, is_area_code
from endpoints.protocol import Band, Kind, Level, Order, Resume, Severity, Tone, is_speaker_id

MAX_TEXT = 600  # characters; about 150 s of speech
MAX_HEADLINE = 80
MAX_AREAS = 1_024
MAX_SPEAKERS = 256
MAX_REPEATS = 20
LONGEST_MIN = 24 * 60
SHORTEST_S = 10
LINGER_MS = 3_600_000  # an order past its end stays on its boards this long, so that who was off learns what it missed


class Life(StrEnum):
    """How a broadcast stands on the server's side. What sounds is the ladder's to say."""

    LIVE = "live"  # on the boards, not yet past its end
    ENDED = "ended"  # its not-after came
    STOPPED = "stopped"  # 停播
    REPLACED = "replaced"  # 更正: an update took its place
    CLEARED = "cleared"  # 解除: all clear


@dataclass(frozen=True, slots=True)
class Fault:
    """One field that can't be taken as it is; the page and the problem+json show it at the field.

    :param field: its name in the request, dotted for lists (`areas.2`).
    :param code: stable, translated by the console.
    :param facts: what the sentence needs.
    """

    field: str
    code: str
    facts: tuple[tuple[str, str], ...] = ()


class InvalidRequest(BroadcastError):
    """Some fields are not right; nothing was stored."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.errors = [{"field": f.field, "code": f.code, **dict(f.facts)} for f in faults]
        super().__init__("; ".join(f"{f.field}: {f.code}" for f in faults))


class UnknownBroadcast(BroadcastError):
    """No broadcast has this id, or none that this officer may see."""

    def __init__(self, broadcast: str) -> None:
        self.broadcast = broadcast
        super().__init__(f"there is no broadcast {broadcast}")


class AlreadyOver(BroadcastError):
    """What is over can't be changed."""

    def __init__(self, broadcast: str, life: Life) -> None:
        self.broadcast, self.life = broadcast, life.value
        super().__init__(f"broadcast {broadcast} is {life.value}")


class HigherLevel(BroadcastError):
    """A lower level can't take away what a higher one ordered."""

    def __init__(self, broadcast: str, officer: str) -> None:
        self.broadcast, self.officer = broadcast, officer
        super().__init__(f"broadcast {broadcast} was ordered above {officer}'s level")


@dataclass(frozen=True, slots=True)
class Sound:
    """The recorded speech of a broadcast; empty when only the tone sounds."""

    asset: bytes = b""
    asset_bytes: int = 0
    asset_ms: int = 0


@dataclass(frozen=True, slots=True)
class StartBroadcast:
    """What an officer asks for. Times in milliseconds since 1970; `not_before_ms` None is now.

    :param areas: chosen areas; empty together with `speakers` is refused: nobody is never all.
    :param minutes: how long it stays live, from its start.
    :param tone, closing: built-in sounds before and after; None is that of the kind.
    :param asset: SHA-256 of a file of the library, which sounds instead of the text.
    :param voice, rate: who speaks, and how many words a minute; empty and 0: the installation's.
    :param bed: music under the words.
    :param heard: the file that was listened to; another one is not sent. Empty: nobody has.
    """

    kind: Kind
    areas: tuple[str, ...]
    text: str = ""
    headline: str = ""
    severity: Severity = Severity.UNKNOWN
    excluded: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    not_before_ms: int | None = None
    not_after_ms: int | None = None
    minutes: int = 30
    repeats: int = 2
    gap_ms: int = 1_500
    resume: Resume | None = None
    tone: Tone | None = None
    closing: Tone | None = None
    volume_percent: int | None = None
    life_safety: bool = False
    exercise: bool = False
    asset: bytes = b""
    voice: str = ""
    rate: int = 0
    bed: Bed | None = None
    heard: bytes = b""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """The record. The order is what the boards carry; the rest is for people."""

    order: Order
    headline: str
    text: str
    officer: str
    life: Life = Life.LIVE
    ended_at_ms: int | None = None
    ended_by: str = ""
    replaces: str = ""
    note: str = ""
    programme: str = ""  # of which it is an occurrence; empty for what an officer started

    @property
    def id(self) -> str:
        return self.order.id

    def on_boards(self, now_ms: int) -> bool:
        """Whether its order stands on the boards: until an hour past its end, or until it is taken off."""
        return self.life in (Life.LIVE, Life.ENDED) and now_ms < self.order.not_after_ms + LINGER_MS

    def is_live(self, now_ms: int) -> bool:
        return self.life is Life.LIVE and now_ms < self.order.not_after_ms

    def means(self, speaker: str, area: str) -> bool:
        return is_meant(self.order, speaker, area)


def day_of(now_ms: int) -> date:
    """The day in Beijing, by which areas are in use or not."""
    return (datetime.fromtimestamp(now_ms / 1000, UTC) + timedelta(hours=8)).date()


def as_of_today(command: StartBroadcast, tree: AreaTree) -> StartBroadcast:
    """With the areas that were merged into the chosen ones: their speakers still go by the old code."""
    return replace(
        command,
        areas=(*command.areas, *tree.merged_into(command.areas)),
        excluded=(*command.excluded, *tree.merged_into(command.excluded)),
    )


def check(command: StartBroadcast, tree: AreaTree, known_speakers: Collection[str], *, now_ms: int) -> list[Fault]:
    """Every field that is wrong, not only the first."""
    faults: list[Fault] = []
    faults += check_targets(command, tree, known_speakers, day_of(now_ms))
    faults += _check_text(command)
    faults += _check_times(command, now_ms)
    if not 1 <= command.repeats <= MAX_REPEATS:
        faults.append(Fault("repeats", "out-of-range", (("low", "1"), ("high", str(MAX_REPEATS)))))
    if not 0 <= command.gap_ms <= 60_000:
        faults.append(Fault("gap_ms", "out-of-range", (("low", "0"), ("high", "60000"))))
    if command.volume_percent is not None and not 0 <= command.volume_percent <= 100:
        faults.append(Fault("volume_percent", "out-of-range", (("low", "0"), ("high", "100"))))
    if command.kind is Kind.LIVE:
        faults.append(Fault("kind", "not-offered"))
    if command.kind is Kind.EMERGENCY and command.severity is Severity.UNKNOWN:
        faults.append(Fault("severity", "needed-for-emergency"))
    if command.life_safety and command.kind is not Kind.EMERGENCY:
        faults.append(Fault("life_safety", "only-for-emergency"))
    if command.rate and not SLOWEST <= command.rate <= FASTEST:
        faults.append(Fault("rate", "out-of-range", (("low", str(SLOWEST)), ("high", str(FASTEST)))))
    faults += _check_bed(command)
    return faults


class Targeted(Protocol):
    """What says where it shall sound."""

    @property
    def areas(self) -> tuple[str, ...]: ...
    @property
    def excluded(self) -> tuple[str, ...]: ...
    @property
    def speakers(self) -> tuple[str, ...]: ...


def check_targets(command: Targeted, tree: AreaTree, known_speakers: Collection[str], today: date) -> Iterable[Fault]:
    """What is wrong with where something shall sound."""
    if not command.areas and not command.speakers:
        yield Fault("areas", "empty-target")
    if len(command.areas) > MAX_AREAS:
        yield Fault("areas", "too-many", (("most", str(MAX_AREAS)),))
        return
    if len(command.speakers) > MAX_SPEAKERS:
        yield Fault("speakers", "too-many", (("most", str(MAX_SPEAKERS)),))
        return
    for name, codes in (("areas", command.areas), ("excluded", command.excluded)):
        for index, code in enumerate(codes):
            if not is_area_code(code) or code not in tree:
                yield Fault(f"{name}.{index}", "unknown-area", (("area", code),))
            elif name == "areas" and not tree.area(code).in_use(today):
                into = tree.successor(code)
                yield Fault(f"areas.{index}", "retired-area", (("area", code), ("into", into.name)))
    for index, speaker in enumerate(command.speakers):
        if not is_speaker_id(speaker) or speaker not in known_speakers:
            yield Fault(f"speakers.{index}", "unknown-speaker", (("speaker", speaker),))
    good = [code for code in command.areas if is_area_code(code)]
    gone = [code for code in command.excluded if is_area_code(code)]
    if good and not command.speakers and all(any(covers(one, code) for one in gone) for code in good):
        yield Fault("excluded", "empty-target")


def _check_text(command: StartBroadcast) -> Iterable[Fault]:
    if len(command.text) > MAX_TEXT:
        yield Fault("text", "too-long", (("most", str(MAX_TEXT)), ("length", str(len(command.text)))))
    if len(command.headline) > MAX_HEADLINE:
        yield Fault("headline", "too-long", (("most", str(MAX_HEADLINE)), ("length", str(len(command.headline)))))
    unsaid = not command.text.strip() and not command.asset
    if unsaid and command.kind is not Kind.EMERGENCY:
        yield Fault("text", "missing")
    elif unsaid and command.tone is Tone.NONE and not command.exercise:
        yield Fault("tone", "nothing-to-sound")
    for name, value in (("text", command.text), ("headline", command.headline)):
        if any(ord(char) < 32 and char not in "\n\t\r" for char in value):
            yield Fault(name, "control-characters")


def _check_bed(command: StartBroadcast) -> Iterable[Fault]:
    bed = command.bed
    if bed is None:
        return
    if command.kind is Kind.EMERGENCY:  # its words come first, and must be understood
        yield Fault("bed", "not-in-emergency")
    if command.asset or not command.text.strip():
        yield Fault("bed", "only-under-words")
    if not (0 <= bed.lead_ms <= MAX_BED_MS and 0 <= bed.tail_ms <= MAX_BED_MS):
        yield Fault("bed", "out-of-range", (("low", "0"), ("high", str(MAX_BED_MS))))


def _check_times(command: StartBroadcast, now_ms: int) -> Iterable[Fault]:
    begins_ms = now_ms if command.not_before_ms is None else command.not_before_ms
    if not 0 <= begins_ms <= now_ms + 366 * 86_400_000:
        yield Fault("not_before", "out-of-range")
    if command.not_after_ms is None:
        if not 1 <= command.minutes <= LONGEST_MIN:
            yield Fault("minutes", "out-of-range", (("low", "1"), ("high", str(LONGEST_MIN))))
        return
    if command.not_after_ms < 0:
        yield Fault("not_after", "out-of-range")
    elif command.not_after_ms <= now_ms:
        yield Fault("not_after", "in-the-past")
    elif command.not_after_ms < max(begins_ms, now_ms) + SHORTEST_S * 1000:
        yield Fault("not_after", "before-start")
    elif command.not_after_ms > begins_ms + LONGEST_MIN * 60_000:
        yield Fault("not_after", "out-of-range")


_RESUME = {Kind.ROUTINE: Resume.REJOIN, Kind.NOTICE: Resume.RESTART, Kind.EMERGENCY: Resume.RESTART}
_TONE = {Kind.ROUTINE: Tone.NONE, Kind.NOTICE: Tone.CHIME, Kind.EMERGENCY: Tone.ATTENTION}
_CLOSING = {Kind.ROUTINE: Tone.NONE, Kind.NOTICE: Tone.CHIME, Kind.EMERGENCY: Tone.NONE}
_VOLUME = {Kind.ROUTINE: 0, Kind.NOTICE: 0, Kind.EMERGENCY: 90}


def band_of(command: StartBroadcast, level: Level) -> Band:
    """The band of a kind: red life-safety above all, the city's routine below a township's own."""
    if command.kind is Kind.EMERGENCY:
        return Band.LIFE_SAFETY if command.life_safety else Band.EMERGENCY
    if command.kind is Kind.NOTICE:
        return Band.NOTICE
    return Band.ROUTINE if level >= Level.CITY else Band.LOCAL_ROUTINE


def compose(
    command: StartBroadcast,
    sound: Sound,
    *,
    order_id: str,
    by: Officer,
    now_ms: int,
    replaces: str = "",
    note: str = "",
    lead_ms: int = 0,
) -> Broadcast:
    """The broadcast that a checked command becomes, with its targets frozen.

    :param lead_ms: an instant so far ahead lets several speakers begin together; an emergency never waits for one
        (docs/decisions/0011-start-in-step.md).
    """
    begins_ms = max(now_ms + (lead_ms if _begins_together(command) else 0), command.not_before_ms or now_ms)
    ends_ms = begins_ms + command.minutes * 60_000 if command.not_after_ms is None else command.not_after_ms
    order = Order(
        id=order_id,
        revision=1,
        kind=command.kind,
        band=band_of(command, by.level),
        severity=command.severity,
        level=by.level,
        exercise=command.exercise,
        issued_at_ms=now_ms,
        not_before_ms=begins_ms,
        not_after_ms=ends_ms,
        areas=minimal_cover(command.areas),
        excluded=minimal_cover(command.excluded),
        speakers=tuple(sorted(set(command.speakers))),
        tone=_TONE[command.kind] if command.tone is None else command.tone,
        closing=_CLOSING[command.kind] if command.closing is None else command.closing,
        asset=sound.asset,
        asset_bytes=sound.asset_bytes,
        asset_ms=sound.asset_ms,
        repeats=command.repeats,
        gap_ms=command.gap_ms,
        resume=_RESUME[command.kind] if command.resume is None else command.resume,
        volume_percent=_VOLUME[command.kind] if command.volume_percent is None else command.volume_percent,
    )
    headline = command.headline or command.text.strip()[:30]
    return Broadcast(order, headline, command.text, by.name, replaces=replaces, note=note)


def _begins_together(command: StartBroadcast) -> bool:
    return command.kind is not Kind.EMERGENCY and (bool(command.areas) or len(command.speakers) > 1)


def ended(broadcast: Broadcast, life: Life, *, by: str, now_ms: int) -> Broadcast:
    """Taken off the boards; absence in their next version is the cancel."""
    return replace(broadcast, life=life, ended_at_ms=now_ms, ended_by=by)


def without(broadcast: Broadcast, areas: Sequence[str]) -> Broadcast:
    """The same broadcast with these areas taken out: the next revision of its order."""
    excluded = minimal_cover((*broadcast.order.excluded, *areas))
    return replace(broadcast, order=replace(broadcast.order, revision=broadcast.order.revision + 1, excluded=excluded))


def must_be_changeable(broadcast: Broadcast, officer: Officer, now_ms: int) -> None:
    """:raises AlreadyOver, HigherLevel: who may stop and change is not who may see."""
    if not broadcast.is_live(now_ms):
        raise AlreadyOver(broadcast.id, broadcast.life if broadcast.life is not Life.LIVE else Life.ENDED)
    if broadcast.order.level > officer.level:
        raise HigherLevel(broadcast.id, officer.name)
