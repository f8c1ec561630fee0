"""The plan that the benchmark expands, for what is in it; how fast is for the benchmark to say."""

from collections import Counter
from datetime import date, time

from bench.year import FROM_MS, UNTIL_MS, bare_loop, clash, county_plan, expand, look_ahead, tree_of_zunhua
from broadcast.domain.calendar import Calendar
from broadcast.domain.conflicts import Cause, Effect
from broadcast.domain.wall_time import wall_time
from broadcast.transport.holidays import announced

TREE = tree_of_zunhua()
CALENDAR = Calendar(announced())
PLAN = county_plan(TREE)


def test_the_year_has_every_occurrence_of_718_areas_and_none_twice() -> None:
    found = expand(PLAN, CALENDAR)
    assert len(TREE) == 718
    assert len(PLAN) == 5 + 27 * 3 + 690 * 2
    assert len({one.id for one in found}) == len(found)
    assert found[0].start_ms >= FROM_MS
    assert found[-1].start_ms < UNTIL_MS
    per_programme = Counter(one.programme.id for one in found)
    assert [per_programme[one.id] for one in PLAN[:5]] == [365, 365, 365, 365, 364]  # no weather on New Year's Eve
    workdays = sum(
        CALENDAR.kinds(date(2026, 1, 1).toordinal(), date(2026, 12, 31).toordinal())[n] == "workday" for n in range(365)
    )
    assert per_programme[PLAN[5].id] == workdays  # a township's slot on workdays
    assert per_programme[PLAN[7].id] == 365 - workdays  # and its music on the others
    assert len(found) - bare_loop(PLAN, CALENDAR) == 690  # the dates in, of which the bare loop knows nothing
    assert all(wall_time("Asia/Shanghai", one.start_ms).time() == one.at for one in found[::997])


def test_the_plans_own_clashes_are_those_of_the_villages_that_speak_into_the_countys_slot() -> None:
    found = clash(PLAN, CALENDAR, TREE)
    assert len(found) == 69
    assert {(one.when.begins, one.when.ends, one.cause, one.effect) for one in found} == {
        (time(18, 10), time(18, 20), Cause.BAND, Effect.INTERRUPTED)
    }
    assert sum(one.where.villages for one in found) == 69
    assert {one.loser.programmes for one in found} == {(PLAN[3].id,)}


def test_the_new_programme_learns_in_a_few_lines_what_it_meets_in_690_villages() -> None:
    found = look_ahead(PLAN, CALENDAR, TREE)
    assert (found.villages, found.unannounced, found.quiet) == (690, (), ())
    assert 0 < len(found.clashes) <= 60
    assert {one.cause for one in found.clashes} == {Cause.BAND}
