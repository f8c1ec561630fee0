"""Messages for tests of the wire: one example of each, and strategies that make every message there can be."""

from dataclasses import replace

from hypothesis import strategies as st

from endpoints.fields import MAX_COUNTER, MAX_MS
from endpoints.protocol import (
    BANDS_OF,
    MAX_REVISION,
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
)
from endpoints.setup import About, Setup

COUNTY, TOWNSHIP, VILLAGE = "130281000000", "130281102000", "130281102217"
OTHER_TOWNSHIP, OTHER_COUNTY = "130281103000", "130229000000"
SPEAKER = "zh-102217-01"
NOW_MS = 1_790_000_000_000
HOUR_MS = 3_600_000

ORDER = Order(
    id="01K6ZQ4X2N5W6Y7Z8A9B0C1D2E",
    revision=1,
    kind=Kind.EMERGENCY,
    band=Band.EMERGENCY,
    severity=Severity.ORANGE,
    level=Level.CITY,
    exercise=False,
    issued_at_ms=NOW_MS,
    not_before_ms=NOW_MS,
    not_after_ms=NOW_MS + HOUR_MS,
    areas=(TOWNSHIP,),
    excluded=(VILLAGE,),
    speakers=(SPEAKER,),
    tone=Tone.ATTENTION,
    asset=bytes(range(32)),
    asset_bytes=48_000,
    asset_ms=12_000,
    repeats=3,
    gap_ms=1_000,
    resume=Resume.RESTART,
    volume_percent=90,
    closing=Tone.CHIME,
    more=(Part(b"m" * 32, 1_000, 500),),
    start_by_ms=NOW_MS + 300_000,
    hard_at_ms=NOW_MS,
    fade_ms=3_000,
    ceiling_percent=95,
)
NEWS = replace(
    ORDER,
    id="P01K6ZQ4X2N5W6Y7Z8A9B0C1D2E-260922070000",
    kind=Kind.ROUTINE,
    band=Band.ROUTINE,
    severity=Severity.UNKNOWN,
    tone=Tone.NONE,
    resume=Resume.REJOIN,
)
PROGRAMME = ProgrammeBoard(
    TOWNSHIP,
    epoch=7,
    version=3,
    written_at_ms=NOW_MS,
    orders=(NEWS,),
    until_ms=NOW_MS + 48 * HOUR_MS,
    volume_by_hour=tuple(range(50, 74)),
    budget_min=120,
    fallback=Part(b"f" * 32, 2_000, 60_000),
)
PING = Ping(SPEAKER, bytes(range(8)))
STOCK = Stock(
    speaker=SPEAKER,
    boot=123_456,
    at_ms=NOW_MS,
    wanted=3,
    held=2,
    held_bytes=3_000,
    free_bytes=500_000_000,
    complete_until_ms=NOW_MS + HOUR_MS,
    programmes=(Held(TOWNSHIP, 7, 3),),
    lacking=(b"m" * 32,),
)
BOARD = Board(TOWNSHIP, epoch=7, version=42, written_at_ms=NOW_MS, orders=(ORDER,))
TIME = TimeAnswer(
    SPEAKER, bytes(range(8)), 7, NOW_MS * 1000, NOW_MS * 1000 + 250, 123_456, 17, OrderRule.SEVERITY_FIRST
)
HELLO = Hello(
    speaker=SPEAKER,
    boot=123_456,
    nonce=bytes(range(8)),
    uptime_s=3_600,
    oldest_n=17,
    next_n=19,
    on_air=ORDER.id,
    faults=8,
    refused_frames=(1, 2, 3, 4),
    held=(Held(TOWNSHIP, 7, 42), Held(SPEAKER, 7, 1)),
    at_ms=NOW_MS,
    time_error_us=210,
)
REPORT = Report(
    SPEAKER,
    boot=123_456,
    entries=(
        Entry(17, ORDER.id, 1, Stage.RECEIVED, Reason.NONE, NOW_MS),
        Entry(18, ORDER.id, 1, Stage.REFUSED, Reason.QUIET_HOURS, 0),
    ),
)

SETUP = Setup(
    speaker=SPEAKER,
    epoch=7,
    version=3,
    written_at_ms=NOW_MS,
    check_ms=NOW_MS - 1,
    volume_percent=65,
    ceiling_percent=90,
    floor_percent=70,
    quiet_from_min=1_320,
    quiet_until_min=390,
    muted_until_ms=NOW_MS + HOUR_MS,
    generation=2,
)
ABOUT = About(
    speaker=SPEAKER,
    boot=123_456,
    at_ms=NOW_MS,
    model="LB-S1",
    firmware="1.4.2",
    version=3,
    check_ms=NOW_MS - 1,
    volume_percent=65,
    ceiling_percent=90,
    floor_percent=70,
    quiet_from_min=1_320,
    quiet_until_min=390,
    muted_until_ms=NOW_MS + HOUR_MS,
    generation=2,
    faults=64,
    ear=1,
)

counters = st.integers(0, MAX_COUNTER)
times = st.integers(0, MAX_MS)
order_ids = st.text("abcXYZ019-", min_size=1, max_size=40)
speaker_ids = st.from_regex(r"[a-z][a-z0-9-]{2,31}", fullmatch=True)


@st.composite
def area_codes(draw: st.DrawFn) -> str:
    """Well-formed codes: some groups filled, the rest zeros."""
    sizes = draw(st.sampled_from([(2, 2, 2, 3, 3), (2, 2, 2, 3, 3, 3), (2, 2, 2, 3, 3, 3, 3)]))
    filled = draw(st.integers(1, len(sizes)))
    groups = [draw(st.integers(1, 10**size - 1)) if n < filled else 0 for n, size in enumerate(sizes)]
    return "".join(f"{group:0{size}d}" for group, size in zip(groups, sizes, strict=True))


scopes = st.one_of(area_codes(), speaker_ids)


hashes = st.binary(min_size=32, max_size=32)
parts = st.builds(Part, hashes, st.integers(1, 2**24), st.integers(1, 86_400_000))


@st.composite
def orders(draw: st.DrawFn, kinds: st.SearchStrategy[Kind] = st.sampled_from(Kind)) -> Order:  # noqa: B008
    kind = draw(kinds)
    not_before_ms = draw(st.integers(0, MAX_MS - 1))
    asset = draw(st.sampled_from([b"", draw(hashes)]))
    return Order(
        id=draw(order_ids),
        revision=draw(st.integers(1, MAX_REVISION)),
        kind=kind,
        band=draw(st.sampled_from(sorted(BANDS_OF[kind]))),
        severity=draw(st.sampled_from(Severity)),
        level=draw(st.sampled_from(Level)),
        exercise=draw(st.booleans()),
        issued_at_ms=draw(times),
        not_before_ms=not_before_ms,
        not_after_ms=draw(st.integers(not_before_ms + 1, MAX_MS)),
        areas=tuple(draw(st.lists(area_codes(), max_size=3))),
        excluded=tuple(draw(st.lists(area_codes(), max_size=3))),
        speakers=tuple(draw(st.lists(speaker_ids, max_size=3))),
        tone=draw(st.sampled_from(Tone)),
        asset=asset,
        asset_bytes=draw(st.integers(1, 2**24)) if asset else 0,
        asset_ms=draw(st.integers(1, 86_400_000)) if asset else 0,
        repeats=draw(st.integers(1, 100)),
        gap_ms=draw(st.integers(0, 600_000)),
        resume=draw(st.sampled_from(Resume)),
        volume_percent=draw(st.integers(0, 100)),
        closing=draw(st.sampled_from(Tone)),
        more=tuple(draw(st.lists(parts, max_size=2))) if asset else (),
        start_by_ms=draw(times),
        hard_at_ms=draw(times),
        fade_ms=draw(st.integers(0, 60_000)),
        ceiling_percent=draw(st.integers(0, 100)),
        stream=0 if asset else draw(st.integers(0, 2**32 - 1)),
    )


boards = st.builds(
    Board,
    scope=scopes,
    epoch=counters,
    version=counters,
    written_at_ms=times,
    orders=st.lists(orders(), max_size=3, unique_by=lambda order: order.id).map(tuple),
)
held = st.lists(st.builds(Held, scope=scopes, epoch=counters, version=counters), max_size=8).map(tuple)
programmes = st.builds(
    ProgrammeBoard,
    scope=scopes,
    epoch=counters,
    version=counters,
    written_at_ms=times,
    orders=st.lists(orders(st.just(Kind.ROUTINE)), max_size=3, unique_by=lambda order: order.id).map(tuple),
    until_ms=times,
    volume_by_hour=st.one_of(st.just(()), st.tuples(*[st.integers(0, 100)] * 24)),
    budget_min=st.integers(0, 1_440),
    fallback=st.one_of(st.none(), parts),
)
nonces = st.binary(min_size=8, max_size=8)
pings = st.builds(Ping, speaker=speaker_ids, nonce=nonces)
stocks = st.builds(
    Stock,
    speaker=speaker_ids,
    boot=counters,
    at_ms=times,
    wanted=counters,
    held=counters,
    held_bytes=counters,
    free_bytes=counters,
    complete_until_ms=times,
    programmes=held,
    lacking=st.lists(hashes, max_size=3).map(tuple),
)


@st.composite
def time_answers(draw: st.DrawFn) -> TimeAnswer:
    received_us = draw(times)
    return TimeAnswer(
        speaker=draw(speaker_ids),
        nonce=draw(nonces),
        epoch=draw(counters),
        received_us=received_us,
        sent_us=draw(st.integers(received_us, MAX_MS)),
        confirmed_boot=draw(counters),
        confirmed_n=draw(counters),
        rule=draw(st.sampled_from(OrderRule)),
    )


hellos = st.builds(
    Hello,
    speaker=speaker_ids,
    boot=counters,
    nonce=st.one_of(st.just(b""), st.binary(min_size=8, max_size=8)),
    uptime_s=counters,
    oldest_n=counters,
    next_n=counters,
    on_air=st.one_of(st.just(""), order_ids),
    faults=st.integers(0, 255),
    refused_frames=st.tuples(counters, counters, counters, counters),
    held=held,
    at_ms=times,
)
entries = st.builds(
    Entry,
    n=st.integers(1, MAX_COUNTER),
    order=order_ids,
    revision=st.integers(1, MAX_REVISION),
    stage=st.sampled_from(Stage),
    reason=st.sampled_from(Reason),
    at_ms=times,
)
reports = st.builds(
    Report, speaker=speaker_ids, boot=counters, entries=st.lists(entries, min_size=1, max_size=5).map(tuple)
)
