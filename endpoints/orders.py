"""An order as it stands on a board: its fields, their limits, and its map on the wire. No I/O."""

from dataclasses import dataclass

from endpoints.area_codes import is_area_code
from endpoints.fields import MAX_MS, BadMessage, Fields, is_order_id, is_speaker_id, whole
from endpoints.vocabulary import BANDS_OF, TONE_MS, Band, Kind, Level, Resume, Severity, Tone

MAX_AREAS, MAX_SPEAKERS, MAX_MORE = 1_024, 256, 99
MAX_REVISION = 2**31
MAX_ASSET_BYTES, MAX_ASSET_MS, MAX_REPEATS, MAX_GAP_MS = 2**24, 86_400_000, 100, 600_000
MAX_FADE_MS = 60_000
MAX_STREAM = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a sound: sha256 of an Ogg Opus file, its size and its length."""

    asset: bytes
    asset_bytes: int
    asset_ms: int


@dataclass(frozen=True, slots=True)
class Order:
    """One order (指令) as it stands on a board: what shall sound where, from when until when.

    Nobody is meant by an order that names no area and no speaker: an empty target is nobody, never all.

    :param revision: grows when the same order is changed (a township taken out); the highest one counts.
    :param areas: frozen targets, area codes; each covers what lies inside.
    :param excluded: area codes taken out again.
    :param speakers: single speakers, beside the areas.
    :param asset: sha256 of an Ogg Opus file, or empty: then only the tone sounds.
    :param repeats: how often the asset, with what follows it in `more`, sounds, `gap_ms` apart.
    :param volume_percent: at least this loud whatever the speaker's own volume and mute; 0 leaves them alone.
    :param closing: a built-in sound after all the rest.
    :param more: the files of a playlist after the first one, which is `asset`; they follow each other without a gap.
    :param start_by_ms: what has not begun to sound by then is missed and never caught up with; 0: until `not_after_ms`.
    :param hard_at_ms: from then on it takes the air from an equal order that began earlier (Rivendell's hard time; with a grace
        when later than `not_before_ms`); 0: it waits until that one has finished.
    :param fade_ms: it fades out over so long before `not_after_ms`; 0 is cut, over one frame.
    :param ceiling_percent: at most this loud, whatever the speaker's own volume.
    :param stream: the live stream that it sounds instead of files; 0 for none.
    """

    id: str
    revision: int
    kind: Kind
    band: Band
    severity: Severity
    level: Level
    exercise: bool
    issued_at_ms: int
    not_before_ms: int
    not_after_ms: int
    areas: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    tone: Tone = Tone.ATTENTION
    asset: bytes = b""
    asset_bytes: int = 0
    asset_ms: int = 0
    repeats: int = 1
    gap_ms: int = 1_000
    resume: Resume = Resume.RESTART
    volume_percent: int = 0
    closing: Tone = Tone.NONE
    more: tuple[Part, ...] = ()
    start_by_ms: int = 0
    hard_at_ms: int = 0
    fade_ms: int = 0
    ceiling_percent: int = 100
    stream: int = 0

    @property
    def parts(self) -> tuple[Part, ...]:
        """All its files in the order in which they sound."""
        return (Part(self.asset, self.asset_bytes, self.asset_ms), *self.more) if self.asset else ()

    @property
    def is_empty(self) -> bool:
        """A programme whose source became nothing: its text could not be spoken. Its slot is the fallback's. A tone by itself is
        a sound: speakers are tested with one."""
        return self.kind is Kind.ROUTINE and not self.asset and not self.stream and self.tone is Tone.NONE

    @property
    def sound_ms(self) -> int:
        """How long it sounds when nothing interrupts it: tone, then its files `repeats` times with gaps between, then the
        closing. A stream, and what fills an empty slot, sounds as long as it may."""
        if self.stream or self.is_empty:
            return self.not_after_ms - self.not_before_ms
        gaps_ms = self.gap_ms * (self.repeats - 1) + TONE_MS[self.closing]
        if not self.asset:
            return TONE_MS[self.tone] * self.repeats + gaps_ms
        return TONE_MS[self.tone] + sum(part.asset_ms for part in self.parts) * self.repeats + gaps_ms


def order_to_map(order: Order) -> dict[int, object]:
    return {
        1: order.id,
        2: order.revision,
        3: int(order.kind),
        4: int(order.band),
        5: int(order.severity),
        6: int(order.level),
        7: order.exercise,
        8: order.issued_at_ms,
        9: order.not_before_ms,
        10: order.not_after_ms,
        11: list(order.areas),
        12: list(order.excluded),
        13: list(order.speakers),
        14: int(order.tone),
        15: order.asset,
        16: order.asset_bytes,
        17: order.asset_ms,
        18: order.repeats,
        19: order.gap_ms,
        20: int(order.resume),
        21: order.volume_percent,
        22: int(order.closing),
        23: [part_to_list(part) for part in order.more],
        24: order.start_by_ms,
        25: order.hard_at_ms,
        26: order.fade_ms,
        27: order.ceiling_percent,
        28: order.stream,
    }


def part_to_list(part: Part) -> list[object]:
    return [part.asset, part.asset_bytes, part.asset_ms]


def part_from_list(where: str, item: object) -> Part:
    if not isinstance(item, list) or len(item) != 3 or not isinstance(item[0], bytes) or len(item[0]) != 32:
        raise BadMessage(where, "not a list of sha256, bytes, milliseconds")
    return Part(item[0], whole(item[1], where, 1, MAX_ASSET_BYTES), whole(item[2], where, 1, MAX_ASSET_MS))


def order_from_map(value: object) -> Order:
    """:raises BadMessage: with the first field that is not as specified."""
    read = Fields.of("order", value, 28)
    order = Order(
        id=read.text(1, "id", is_order_id),
        revision=read.uint(2, "revision", MAX_REVISION, low=1),
        kind=read.enum(3, "kind", Kind),
        band=read.enum(4, "band", Band),
        severity=read.enum(5, "severity", Severity),
        level=read.enum(6, "level", Level),
        exercise=read.flag(7, "exercise"),
        issued_at_ms=read.uint(8, "issued_at_ms", MAX_MS),
        not_before_ms=read.uint(9, "not_before_ms", MAX_MS),
        not_after_ms=read.uint(10, "not_after_ms", MAX_MS),
        areas=read.texts(11, "areas", MAX_AREAS, is_area_code),
        excluded=read.texts(12, "excluded", MAX_AREAS, is_area_code),
        speakers=read.texts(13, "speakers", MAX_SPEAKERS, is_speaker_id),
        tone=read.enum(14, "tone", Tone),
        asset=read.blob(15, "asset", (0, 32)),
        asset_bytes=read.uint(16, "asset_bytes", MAX_ASSET_BYTES),
        asset_ms=read.uint(17, "asset_ms", MAX_ASSET_MS),
        repeats=read.uint(18, "repeats", MAX_REPEATS, low=1),
        gap_ms=read.uint(19, "gap_ms", MAX_GAP_MS),
        resume=read.enum(20, "resume", Resume),
        volume_percent=read.uint(21, "volume_percent", 100),
        closing=read.enum(22, "closing", Tone),
        more=tuple(part_from_list("order.more", item) for item in read.items(23, "more", MAX_MORE)),
        start_by_ms=read.uint(24, "start_by_ms", MAX_MS),
        hard_at_ms=read.uint(25, "hard_at_ms", MAX_MS),
        fade_ms=read.uint(26, "fade_ms", MAX_FADE_MS),
        ceiling_percent=read.uint(27, "ceiling_percent", 100),
        stream=read.uint(28, "stream", MAX_STREAM),
    )
    if order.band not in BANDS_OF[order.kind]:
        raise BadMessage("order.band", f"{order.band.name} is no band of {order.kind.name}")
    if order.not_after_ms <= order.not_before_ms:
        raise BadMessage("order.not_after_ms", "not after not_before_ms")
    if bool(order.asset) is not bool(order.asset_bytes):
        raise BadMessage("order.asset_bytes", "a file has bytes, and no file has none")
    if bool(order.asset) is not bool(order.asset_ms):
        raise BadMessage("order.asset_ms", "a file has a length, and no file has none")
    if order.more and not order.asset:
        raise BadMessage("order.more", "there is nothing that it follows")
    if order.stream and order.asset:
        raise BadMessage("order.stream", "a stream and a file")
    return order
