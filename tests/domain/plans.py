"""A small county and programmes for it."""

from dataclasses import replace
from datetime import UTC, date, datetime, time

from broadcast.domain.areas import AreaTree
from broadcast.domain.calendar import Announced, Calendar, DayEntry, DayKind
from broadcast.domain.programmes import BEIJING, File, Pattern, Programme
from endpoints.protocol import Part

CITY = "130281000000"
EAST, WEST = "130281001000", "130281002000"
E1, E2, E3 = "130281001001", "130281001002", "130281001003"
W1, W2 = "130281002001", "130281002002"
NAMES = {
    CITY: "遵化市",
    EAST: "东镇",
    WEST: "西镇",
    E1: "东一村",
    E2: "东二村",
    E3: "东三村",
    W1: "西一村",
    W2: "西二村",
}
TREE = AreaTree.from_rows([{"code": code, "name": name} for code, name in NAMES.items()])
VILLAGES = (E1, E2, E3, W1, W2)

MONDAY = date(2026, 5, 4)  # a workday between the holiday and the weekend
CALENDAR = Calendar(
    Announced(
        (
            DayEntry(date(2026, 5, 1), DayKind.HOLIDAY, "劳动节"),
            DayEntry(date(2026, 5, 2), DayKind.HOLIDAY, "劳动节"),
            DayEntry(date(2026, 5, 3), DayKind.HOLIDAY, "劳动节"),
            DayEntry(date(2026, 5, 9), DayKind.WORKDAY, "劳动节"),
        ),
        frozenset({2026}),
    )
)


def ulid(number: int) -> str:
    return f"01J{number:023d}"


def utc_ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


def beijing_ms(day: date, at: time = time()) -> int:
    """Beijing is eight hours ahead of UTC, since 1992 all year."""
    return int(datetime.combine(day, at, UTC).timestamp() * 1000) - 8 * 3_600_000


def programme(number: int = 1, at: str = "08:00", minutes: int = 30, owner: str = CITY, **changed: object) -> Programme:
    """Of that owner in its whole area, every day from 2026-01-01."""
    pattern = Pattern(tuple(time.fromisoformat(one) for one in at.split()), date(2026, 1, 1))
    made = Programme(
        ulid(number), f"节目{number}", owner, pattern, File(bytes([number % 256]) * 32), minutes, (owner,), zone=BEIJING
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def on(programme: Programme, **changed: object) -> Programme:
    """The same with another pattern."""
    return replace(programme, pattern=replace(programme.pattern, **changed))  # type: ignore[arg-type]


def part(minutes: float, number: int = 1) -> Part:
    return Part(bytes([number]) * 32, 100_000, int(minutes * 60_000))
