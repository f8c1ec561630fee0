"""A year of a whole county's plan: every occurrence, every clash, and the preview of one new programme, against a bare loop.

The plan is what 718 areas really have: the county's five programmes a day, three of each township and two of each village, on
workdays, rest days, holidays, with dates out; one village in ten has put one of its own into the county's slot.
"""

import gc
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as at
from typing import TypeVar

from bench.figures import Figure, median, write
from broadcast.domain.area_import import read_table
from broadcast.domain.areas import AreaTree, Level
from broadcast.domain.calendar import Calendar
from broadcast.domain.conflicts import Clash, Preview, clashes, preview
from broadcast.domain.occurrences import Occurrence, occurrences
from broadcast.domain.programmes import BEIJING, DayRule, File, Pattern, Programme, StartPolicy
from broadcast.transport.holidays import announced
from config.areas import load_packaged

YEAR = 2026
FIRST = date(YEAR, 1, 1)
FROM_MS = int(datetime(YEAR - 1, 12, 31, 16, tzinfo=UTC).timestamp() * 1000)  # midnight in Beijing
UNTIL_MS = FROM_MS + 365 * 86_400_000
WORKDAYS, WEEKEND = frozenset(range(1, 6)), frozenset({6, 7})
ROUNDS = 5

T = TypeVar("T")


def tree_of_zunhua() -> AreaTree:
    return read_table(load_packaged())


def county_plan(tree: AreaTree) -> list[Programme]:
    """718 areas, 1,466 programmes."""
    city = tree.cities[0].code
    made: list[Programme] = []

    def add(owner: str, title: str, minutes: int, pattern: Pattern, start: StartPolicy = StartPolicy.HARD) -> None:
        ulid = f"01J{len(made):023d}"
        made.append(Programme(ulid, title, owner, pattern, File(b"\x01" * 32), minutes, areas=(owner,), start=start))

    add(city, "早间新闻", 30, Pattern((at(6, 30),), FIRST))
    add(city, "县级时段", 30, Pattern((at(8, 0),), FIRST))
    add(city, "午间新闻", 30, Pattern((at(12, 0),), FIRST))
    add(city, "晚间新闻", 30, Pattern((at(18, 0),), FIRST))
    add(city, "天气预报", 10, Pattern((at(20, 0),), FIRST, dates_out=frozenset({date(YEAR, 2, 16)})))
    for n, town in enumerate(tree.of_level(Level.TOWNSHIP)):
        add(town.code, "乡镇时段", 35, Pattern((at(8, 35),), FIRST, rule=DayRule.WORKDAYS))
        add(town.code, "政策宣讲", 30, Pattern((at(16, 0),), FIRST, dates_out=frozenset({FIRST + timedelta(days=n)})))
        add(town.code, "假日文艺", 15, Pattern((at(19, 0),), FIRST, rule=DayRule.REST_DAYS))
    for n, village in enumerate(tree.of_level(Level.VILLAGE)):
        early = Pattern(
            (at(7, 10 + n % 20),), FIRST, weekdays=frozenset({1, 3, 5}), dates_in=frozenset({date(YEAR, 2, 15)})
        )
        late = at(18, 10) if n % 10 == 0 else at(17, 10 + n % 20)
        add(village.code, "村务通知", 10, early)
        add(village.code, "村广播", 10, Pattern((late,), FIRST, rule=DayRule.NOT_HOLIDAYS), StartPolicy.NEXT)
    return made


def a_new_one(tree: AreaTree) -> Programme:
    """The county wants the minutes in which the villages speak."""
    pattern = Pattern((at(7, 15), at(17, 15)), FIRST, rule=DayRule.WORKDAYS)
    return Programme(
        "01K" + "0" * 23, "防火宣传", tree.cities[0].code, pattern, File(b"\x02" * 32), 20, tree_codes(tree)
    )


def tree_codes(tree: AreaTree) -> tuple[str, ...]:
    return (tree.cities[0].code,)


def expand(plan: list[Programme], calendar: Calendar) -> list[Occurrence]:
    return occurrences(plan, calendar, FROM_MS, UNTIL_MS)


def clash(plan: list[Programme], calendar: Calendar, tree: AreaTree) -> tuple[Clash, ...]:
    return clashes(plan, tree=tree, calendar=calendar, from_ms=FROM_MS, until_ms=UNTIL_MS, zone=BEIJING)


def look_ahead(plan: list[Programme], calendar: Calendar, tree: AreaTree) -> Preview:
    return preview(a_new_one(tree), plan, tree=tree, calendar=calendar, from_ms=FROM_MS, until_ms=UNTIL_MS)


def bare_loop(plan: list[Programme], calendar: Calendar) -> int:
    """The least that can be done day by day: for each programme and day, whether it sounds, and a count."""
    days = [calendar.day(FIRST + timedelta(days=n)) for n in range(365)]
    count = 0
    for programme in plan:
        pattern = programme.pattern
        weekdays, out, rule = pattern.weekdays, pattern.dates_out, pattern.rule
        for day in days:
            if day.day.isoweekday() in weekdays and day.meets(rule) and day.day not in out:
                count += len(pattern.times)
    return count


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of the median round, and the last result."""
    seconds = []
    for _ in range(ROUNDS):
        gc.collect()
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return median(seconds), result


def main() -> None:
    tree, calendar = tree_of_zunhua(), Calendar(announced())
    plan = county_plan(tree)
    floor_s, counted = timed(lambda: bare_loop(plan, calendar))
    expand_s, found = timed(lambda: expand(plan, calendar))
    clash_s, met = timed(lambda: clash(plan, calendar, tree))
    preview_s, seen = timed(lambda: look_ahead(plan, calendar, tree))
    print(f"{len(tree)} areas, {len(plan)} programmes, {len(found)} occurrences (bare loop: {counted})")
    print(f"{len(met)} clashes in {sum(len(one.when.days) for one in met)} days; preview: {len(seen.clashes)} lines")
    write(
        "year",
        [
            Figure("a year of 718 areas: all occurrences", expand_s * 1000, "ms", floor_s * 1000),
            Figure("a year of 718 areas: all clashes", clash_s * 1000, "ms", floor_s * 1000),
            Figure("a year of 718 areas: both", (expand_s + clash_s) * 1000, "ms", floor_s * 1000, goal=1_000),
            Figure("one new county programme: what it meets in a year", preview_s * 1000, "ms", floor_s * 1000),
        ],
    )
