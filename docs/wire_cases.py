"""The cases of docs/wire-vectors.json: keys, messages, frames bent in every way, questions of scope and of who has the air."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from endpoints.arbitration import Listener, choose, loudness_percent
from endpoints.canonical import decode, encode
from endpoints.protocol import (
    MAX_BOARD_BYTES,
    MAX_MS,
    Band,
    Board,
    Entry,
    Held,
    Hello,
    Kind,
    Level,
    Order,
    OrderRule,
    Part,
    Ping,
    ProgrammeBoard,
    Reason,
    Report,
    Resume,
    Severity,
    Stage,
    Stock,
    TimeAnswer,
    Tone,
    encode_board,
    encode_hello,
    encode_ping,
    encode_programme,
    encode_report,
    encode_stock,
    encode_time_answer,
    order_to_map,
)
from endpoints.sealing import (
    Algorithm,
    Ed25519Signer,
    Message,
    Signer,
    Sm2Signer,
    TrustedKey,
    seal,
    seal_by_speaker,
    speaker_key,
    verify,
)
from endpoints.setup import About, Setup, encode_about, encode_setup

COUNTY, TOWNSHIP, OTHER_TOWNSHIP, VILLAGE = "130281000000", "130281102000", "130281103000", "130281102217"
SPEAKER = "zh-102217-01"
NOON_MS = 1_793_160_000_000  # 2026-10-28T04:00:00Z, noon in Beijing
HOUR_MS = 3_600_000
BOOT = 0x1F2E3D4C5B6A
NONCE = bytes.fromhex("a1a2a3a4a5a6a7a8")
MASTER = bytes(range(32))
BOX_KEY = speaker_key(MASTER, SPEAKER)


@dataclass(frozen=True)
class Key:
    """A server's key of the vectors: how it signs, and what it may say (None: nobody trusts it)."""

    signer: Signer
    secret: bytes
    scope: TrustedKey | None = None

    @property
    def trusted(self) -> TrustedKey:
        if self.scope is None:
            raise LookupError("nobody trusts this key")
        return self.scope


def key(signer: Signer, secret: bytes, **scope: Any) -> Key:
    wide = {
        "area": COUNTY,
        "highest_band": Band.LIFE_SAFETY,
        "exercise": False,
        "not_before_ms": 0,
        "not_after_ms": MAX_MS,
    }
    return Key(signer, secret, TrustedKey(signer.algorithm, signer.public, **{**wide, **scope}))


def seed(number: int) -> bytes:
    return bytes([number]) * 32


KEYS = {
    "county": key(Ed25519Signer(seed(1)), seed(1)),
    "county-sm2": key(Sm2Signer(seed(2)), seed(2)),
    "township": key(
        Ed25519Signer(seed(3)),
        seed(3),
        area=TOWNSHIP,
        highest_band=Band.NOTICE,
        not_before_ms=NOON_MS - HOUR_MS,
        not_after_ms=NOON_MS + HOUR_MS,
    ),
    "drill": key(Ed25519Signer(seed(4)), seed(4), exercise=True),
    "stranger": Key(Ed25519Signer(seed(5)), seed(5)),
}

FLOOD = Order(
    id="01KCN7M9ZQ3V8R2T6W4X5Y1A0B",
    revision=2,
    kind=Kind.EMERGENCY,
    band=Band.EMERGENCY,
    severity=Severity.ORANGE,
    level=Level.CITY,
    exercise=False,
    issued_at_ms=NOON_MS,
    not_before_ms=NOON_MS,
    not_after_ms=NOON_MS + HOUR_MS,
    areas=(TOWNSHIP, OTHER_TOWNSHIP),
    excluded=("130281103207",),
    speakers=("zh-gate-01",),
    tone=Tone.ATTENTION,
    asset=bytes.fromhex("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    asset_bytes=61_440,
    asset_ms=15_360,
    repeats=3,
    gap_ms=1_000,
    resume=Resume.RESTART,
    volume_percent=90,
)
NEWS = replace(
    FLOOD,
    id="news-2026-10-28",
    revision=1,
    kind=Kind.ROUTINE,
    band=Band.ROUTINE,
    severity=Severity.UNKNOWN,
    issued_at_ms=NOON_MS - HOUR_MS,
    not_before_ms=NOON_MS - 60_000,
    areas=(COUNTY,),
    excluded=(),
    speakers=(),
    tone=Tone.NONE,
    repeats=1,
    resume=Resume.REJOIN,
    volume_percent=0,
)
BOARDS = {
    "empty": Board(COUNTY, 1, 1, NOON_MS, ()),
    "one order": Board(TOWNSHIP, 7, 42, NOON_MS, (FLOOD,)),
    "two orders": Board(COUNTY, 7, 1_000, NOON_MS + 1, (NEWS, replace(FLOOD, id="o-2", asset=b"", asset_bytes=0, asset_ms=0))),
    "of a speaker": Board(SPEAKER, 2**63 - 1, 2**63 - 1, MAX_MS, ()),
}  # fmt: skip
MORNING = replace(
    NEWS,
    id="P01KCN7M9ZQ3V8R2T6W4X5Y1A0B-261028070000",
    issued_at_ms=NOON_MS - 24 * HOUR_MS,
    not_before_ms=NOON_MS - 5 * HOUR_MS,
    not_after_ms=NOON_MS - 5 * HOUR_MS + 1_800_000,
    closing=Tone.CHIME,
    more=(Part(bytes.fromhex("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"), 720_000, 240_000),),
    start_by_ms=NOON_MS - 5 * HOUR_MS + 300_000,
    hard_at_ms=NOON_MS - 5 * HOUR_MS,
    fade_ms=3_000,
    ceiling_percent=80,
)
RELAY = replace(
    MORNING,
    id="P01KCN7M9ZQ3V8R2T6W4X5Y1A0C-261028120000",
    not_before_ms=NOON_MS,
    not_after_ms=NOON_MS + 1_800_000,
    start_by_ms=NOON_MS + 300_000,
    hard_at_ms=0,
    asset=b"",
    asset_bytes=0,
    asset_ms=0,
    more=(),
    stream=2_718_281_828,
)
FALLBACK = Part(bytes.fromhex("fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"), 540_000, 180_000)
PROGRAMMES = {
    "empty": ProgrammeBoard(COUNTY, 7, 1, NOON_MS, (), NOON_MS + 48 * HOUR_MS),
    "two occurrences": ProgrammeBoard(
        COUNTY,
        7,
        12,
        NOON_MS - 6 * HOUR_MS,
        (MORNING, RELAY),
        NOON_MS + 42 * HOUR_MS,
        (40, 40, 40, 40, 40, 40, 60, 80, 90, 100, 100, 100, 80, 60, 60, 80, 90, 100, 100, 90, 80, 60, 40, 40),
        120,
        FALLBACK,
    ),
}
TIME = TimeAnswer(SPEAKER, NONCE, 7, NOON_MS * 1000, NOON_MS * 1000 + 250, BOOT, 17, OrderRule.SEVERITY_FIRST)
ASKING = Hello(SPEAKER, BOOT, NONCE, 0, 1, 1, "", 8, (0, 0, 0, 0), (), 0)
HOLDS = (Held(TOWNSHIP, 7, 42), Held(COUNTY, 7, 1_000))
SOUNDING = Hello(SPEAKER, BOOT, b"", 86_400, 18, 20, FLOOD.id, 0, (0, 3, 1, 2), HOLDS, NOON_MS, 310)
PING = Ping(SPEAKER, NONCE)
SETUP = Setup(
    SPEAKER,
    7,
    12,
    NOON_MS,
    check_ms=NOON_MS - 8 * HOUR_MS,
    volume_percent=65,
    ceiling_percent=90,
    floor_percent=70,
    quiet_from_min=21 * 60 + 30,
    quiet_until_min=6 * 60,
    generation=1,
)
ABOUT = About(
    SPEAKER, BOOT, NOON_MS + 40, "LB-S1", "1.4.2", 12, SETUP.check_ms, 65, 90, 70, 21 * 60 + 30, 6 * 60, 0, 1, 64, 1
)
STOCK = Stock(
    SPEAKER,
    BOOT,
    NOON_MS - 6 * HOUR_MS,
    wanted=3,
    held=2,
    held_bytes=601_440,
    free_bytes=500_000_000,
    complete_until_ms=MORNING.not_before_ms,
    programmes=(Held(COUNTY, 7, 12),),
    lacking=(MORNING.more[0].asset,),
)
REPORT = Report(
    SPEAKER,
    BOOT,
    (
        Entry(18, FLOOD.id, 2, Stage.RECEIVED, Reason.NONE, NOON_MS + 120),
        Entry(19, FLOOD.id, 2, Stage.SOUNDING, Reason.NONE, NOON_MS + 180),
        Entry(20, NEWS.id, 1, Stage.INTERRUPTED, Reason.NONE, NOON_MS + 180),
    ),
)


def mode(exercise: bool) -> str:
    return "exercise" if exercise else "live"


def aad(message: Message, exercise: bool) -> str:
    return f"lianbo/1/{mode(exercise)}/{message}"


# ---- what is to be opened ---------------------------------------------------------------------------------------------------


def signed(old: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Frames of the server that a speaker takes."""
    for name, board in BOARDS.items():
        yield sign1(f"board, {name}", Message.BOARD, encode_board(board), "county", old)
    drill = replace(BOARDS["one order"], orders=(replace(FLOOD, exercise=True),))
    yield sign1("board, of an exercise", Message.BOARD, encode_board(drill), "drill", old)
    yield sign1(
        "board, of a township", Message.BOARD, encode_board(Board(TOWNSHIP, 1, 9, NOON_MS, ())), "township", old
    )
    yield sign1("board, signed with SM2", Message.BOARD, encode_board(BOARDS["one order"]), "county-sm2", old)
    for name, programme in PROGRAMMES.items():
        yield sign1(f"programme, {name}", Message.PROGRAMME, encode_programme(programme), "county", old)
    yield sign1("setup", Message.SETUP, encode_setup(SETUP), "county", old)
    yield sign1("time", Message.TIME, encode_time_answer(TIME), "county", old)
    yield sign1("time, signed with SM2", Message.TIME, encode_time_answer(TIME), "county-sm2", old)


def sign1(name: str, message: Message, payload: bytes, by: str, old: dict[str, str]) -> dict[str, Any]:
    signer = KEYS[by].signer
    exercise = by == "drill"
    protected = encode({1: int(signer.algorithm), 4: signer.key_id})
    to_sign = encode(["Signature1", protected, aad(message, exercise).encode(), payload])
    frame = seal(payload, message, exercise=exercise, signer=signer)
    before = bytes.fromhex(old.get(name, ""))
    if before[:-64] == frame[:-64] and verify(signer.algorithm, signer.public, to_sign, before[-64:]):
        frame = before
    return {
        "name": name,
        "message": message.value,
        "mode": mode(exercise),
        "key": by,
        "fields": readable(payload),
        "payload": payload.hex(),
        "signed_bytes": to_sign.hex(),
        "frame": frame.hex(),
    }


def said() -> Iterator[dict[str, Any]]:
    """Frames of a speaker that the server takes."""
    for name, message, payload, exercise in (
        ("hello, asking for the time after a start", Message.HELLO, encode_hello(ASKING), False),
        ("hello, while it sounds", Message.HELLO, encode_hello(SOUNDING), False),
        ("ping", Message.PING, encode_ping(PING), False),
        ("stock", Message.STOCK, encode_stock(STOCK), False),
        ("about", Message.ABOUT, encode_about(ABOUT), False),
        ("report", Message.REPORT, encode_report(REPORT), False),
        ("report, in an exercise", Message.REPORT, encode_report(REPORT), True),
    ):
        protected = encode({1: int(Algorithm.HMAC_SHA256)})
        yield {
            "name": name,
            "message": message.value,
            "mode": mode(exercise),
            "fields": readable(payload),
            "payload": payload.hex(),
            "authenticated_bytes": encode(["MAC0", protected, aad(message, exercise).encode(), payload]).hex(),
            "frame": seal_by_speaker(payload, message, exercise=exercise, key=BOX_KEY).hex(),
        }


def readable(payload: bytes) -> Any:
    """The payload as JSON can hold it: byte strings as {"hex": …}, keys as decimal digits."""

    def show(value: Any) -> Any:
        if isinstance(value, bytes):
            return {"hex": value.hex()}
        if isinstance(value, dict):
            return {str(name): show(item) for name, item in value.items()}
        return [show(item) for item in value] if isinstance(value, list) else value

    return show(decode(payload, max_bytes=MAX_BOARD_BYTES))


# ---- scopes and the air -------------------------------------------------------------------------------------------------------


def scopes() -> Iterator[dict[str, Any]]:
    """What a key is told about an order; see the section on keys."""
    notice = replace(FLOOD, kind=Kind.NOTICE, band=Band.NOTICE, areas=(TOWNSHIP,))
    county = replace(FLOOD, areas=(COUNTY,))
    cases: tuple[tuple[str, str, Order, int], ...] = (
        ("in its area, band, dates and mode", "township", notice, NOON_MS),
        ("to a village inside its area", "township", replace(notice, areas=(VILLAGE,)), NOON_MS),
        ("to the township beside", "township", replace(notice, areas=(TOWNSHIP, OTHER_TOWNSHIP)), NOON_MS),
        ("to the county above", "township", replace(notice, areas=(COUNTY,)), NOON_MS),
        ("above its band", "township", replace(FLOOD, areas=(TOWNSHIP,)), NOON_MS),
        ("at its first millisecond", "township", notice, NOON_MS - HOUR_MS),
        ("before its dates", "township", notice, NOON_MS - HOUR_MS - 1),
        ("at its end", "township", notice, NOON_MS + HOUR_MS),
        ("live, by a key for exercises", "drill", county, NOON_MS),
        ("an exercise, by a live key", "county", replace(county, exercise=True), NOON_MS),
        ("by the county", "county", county, NOON_MS),
    )
    for name, by, order, at_ms in cases:
        reason = KEYS[by].trusted.objection(order, now_ms=at_ms)
        yield {"name": name, "key": by, "order": order_in_json(order), "at_ms": at_ms, "reason": int(reason)}


def order_in_json(order: Order) -> Any:
    return readable(encode(order_to_map(order)))


def air() -> Iterator[dict[str, Any]]:
    """Who has the air at the speaker SPEAKER in VILLAGE with quiet hours from 22:00 to 06:00 at UTC+8."""
    wide = replace(FLOOD, areas=(COUNTY,), excluded=(), speakers=())
    red = replace(wide, id="red", severity=Severity.RED)
    unknown = replace(wide, id="unknown", severity=Severity.UNKNOWN)
    newer = replace(wide, id="newer", issued_at_ms=NOON_MS + 5_000)
    of_village = replace(wide, id="village", level=Level.VILLAGE, severity=Severity.RED)
    life = replace(wide, id="life", band=Band.LIFE_SAFETY, severity=Severity.BLUE)
    live = replace(wide, id="live", kind=Kind.LIVE, band=Band.LIVE_COMMAND)
    notice = replace(wide, id="notice", kind=Kind.NOTICE, band=Band.NOTICE)
    later = replace(notice, id="later", issued_at_ms=NOON_MS + 5_000)
    at = NOON_MS + 10_000
    S, L = OrderRule.SEVERITY_FIRST, OrderRule.LEVEL_FIRST  # noqa: N806  short, so that a case is a line
    midnight = NOON_MS + 12 * HOUR_MS
    night = replace(NEWS, id="night", not_before_ms=midnight, not_after_ms=midnight + HOUR_MS)
    news = replace(NEWS, not_before_ms=NOON_MS, hard_at_ms=NOON_MS)
    music = replace(NEWS, id="music")
    grace = replace(news, hard_at_ms=at + 1)
    late = replace(NEWS, start_by_ms=at - 1)
    Case = tuple[str, tuple[Order, ...], int, str, OrderRule]  # noqa: N806  likewise
    cases: tuple[Case | tuple[*Case, int], ...] = (
        ("nothing", (), at, "", S),
        ("an emergency over the news", (NEWS, wide), at, NEWS.id, S),
        ("red over orange", (wide, red), at, wide.id, S),
        ("unknown severity is the lowest", (unknown, wide), at, unknown.id, S),
        ("severity before level", (wide, of_village), at, "", S),
        ("level before severity, by the rule in the time answer", (wide, of_village), at, "", L),
        ("the newer of two equal emergencies", (wide, newer), at, wide.id, S),
        ("life safety over a live voice", (live, life), at, live.id, S),
        ("a live voice over an emergency", (wide, live), at, wide.id, S),
        ("the earlier of two equal notices", (later, notice), at, "", S),
        ("an equal notice waits for the one on air", (later, notice), at, later.id, S),
        ("before its time", (wide,), wide.not_before_ms - 1, "", S),
        ("at its time", (wide,), wide.not_before_ms, "", S),
        ("at its end", (wide,), wide.not_after_ms, wide.id, S),
        ("nobody is meant", (replace(wide, areas=()),), at, "", S),
        ("meant singly", (replace(wide, areas=(), speakers=(SPEAKER,)),), at, "", S),
        ("taken out", (replace(wide, excluded=(TOWNSHIP,)),), at, "", S),
        ("taken out with its area, yet meant singly", (replace(wide, excluded=(TOWNSHIP,), speakers=(SPEAKER,)),), at, "", S),
        ("an exercise at a speaker that is live", (replace(wide, exercise=True),), at, "", S),
        ("routine in quiet hours", (night,), midnight, "", S),
        ("a hard time", (music, news), at, "music", S),
        ("a hard time within its grace", (music, grace), at, "music", S),
        ("a hard time after its grace", (music, grace), at + 1, "music", S),
        ("a hard time of one that began earlier", (replace(music, issued_at_ms=at), news), at, "music", S),
        ("a hard time of a notice", (notice, replace(later, hard_at_ms=NOON_MS)), at, "notice", S),
        ("after its latest start", (late,), at, "", S),
        ("at its latest start", (late,), at - 1, "", S),
        ("after its latest start, which it met", (late,), at, late.id, S),
        ("an emergency in quiet hours", (night, replace(wide, not_after_ms=midnight + 1)), midnight, "", S),
        ("an emergency while somebody works at the horn", (wide, news), at, wide.id, S, at + 1),
        ("an emergency when that is over", (wide, news), at, "", S, at),
        ("danger to life while somebody works at the horn", (wide, life), at, "", S, at + 1),
    )  # fmt: skip
    for name, orders, at_ms, on_air, rule, *muted in cases:
        begun = [on_air] if on_air else []
        muted_until_ms = muted[0] if muted else 0
        listener = Listener(
            SPEAKER, VILLAGE, on_air=on_air, rule=rule, begun=frozenset(begun), muted_until_ms=muted_until_ms
        )
        winner = choose(orders, at_ms, listener)
        yield {
            "name": name,
            "orders": [order_in_json(order) for order in orders],
            "at_ms": at_ms,
            "on_air": on_air,
            "begun": begun,
            "muted_until_ms": muted_until_ms,
            "rule": int(rule),
            "winner": winner.id if winner else "",
        }


def loudness() -> Iterator[dict[str, Any]]:
    """How loud an order sounds at a speaker of that own volume, ceiling and floor, in an hour of that percentage."""
    cases: tuple[tuple[str, Order, int, int] | tuple[str, Order, int, int, int, int], ...] = (
        ("a programme at the speaker's own volume", NEWS, 70, 100),
        ("a programme in a soft hour", NEWS, 70, 40),
        ("half a percent is rounded up", NEWS, 70, 45),
        ("a programme that is not brought below its floor", replace(NEWS, volume_percent=50), 70, 40),
        ("a programme that is not let above its ceiling", replace(NEWS, ceiling_percent=60), 70, 100),
        ("a ceiling below the floor", replace(NEWS, volume_percent=50, ceiling_percent=30), 70, 100),
        ("a programme at a muted speaker", NEWS, 0, 100),
        ("an emergency knows no hour", replace(FLOOD, volume_percent=0), 70, 0),
        ("an emergency at a muted speaker", replace(FLOOD, volume_percent=0), 0, 100),
        ("an emergency above its ceiling", replace(FLOOD, ceiling_percent=80), 70, 100),
        ("an emergency with a ceiling below 60", replace(FLOOD, ceiling_percent=10), 100, 100),
        ("an order above the speaker's ceiling", replace(NEWS, volume_percent=95), 70, 100, 80, 60),
        ("a muted speaker with a ceiling of 0", NEWS, 70, 100, 0, 60),
        ("an emergency above the speaker's ceiling", replace(FLOOD, volume_percent=100), 70, 100, 85, 60),
        ("an emergency with a speaker's ceiling below 60", replace(FLOOD, volume_percent=0), 70, 100, 20, 0),
        ("an emergency lifted to the speaker's floor", replace(FLOOD, volume_percent=0), 30, 100, 100, 80),
        ("a speaker's floor above its ceiling", replace(FLOOD, volume_percent=0), 30, 100, 75, 90),
        ("a programme knows no floor of the speaker", NEWS, 30, 100, 100, 80),
    )
    for name, order, own, hour, *limits in cases:
        ceiling, floor = limits or (100, 60)
        yield {
            "name": name,
            "order": order_in_json(order),
            "own_percent": own,
            "hour_percent": hour,
            "ceiling_percent": ceiling,
            "floor_percent": floor,
            "percent": loudness_percent(order, own, hour, ceiling_percent=ceiling, floor_percent=floor),
        }
