from collections.abc import Iterable
from dataclasses import replace
from datetime import date, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.audience import Audience, Place, Where
from broadcast.domain.conflicts import (
    Cause,
    Claim,
    Clash,
    Effect,
    InQuietHours,
    OverBudget,
    Overrun,
    Preview,
    When,
    clashes,
    preview,
)
from broadcast.domain.contention import contests, play_through
from broadcast.domain.occurrences import LONGEST_MS, occurrences, to_order
from broadcast.domain.programmes import (
    BEIJING,
    AreaPlan,
    Content,
    DayRule,
    EndPolicy,
    Programme,
    Speech,
    StartPolicy,
)
from endpoints.arbitration import Listener, QuietHours, choose, is_meant
from endpoints.protocol import Band, Kind, Level, Order, Resume, Severity
from tests.domain.plans import (
    CALENDAR,
    CITY,
    E1,
    E2,
    E3,
    EAST,
    MONDAY,
    TREE,
    VILLAGES,
    W1,
    W2,
    WEST,
    beijing_ms,
    on,
    part,
    programme,
    ulid,
    utc_ms,
)

MINUTE_MS, DAY_MS = 60_000, 86_400_000
FROM = beijing_ms(MONDAY)
WEEK = tuple(MONDAY + timedelta(days=n) for n in range(7))
BANDS = (("winner", "local-routine"), ("loser", "routine"))


def seen(one: Programme, *others: Programme, **more: object) -> Preview:
    """In the week from Monday the 4th of May."""
    span = {"from_ms": FROM, "until_ms": FROM + 7 * DAY_MS} | more
    return preview(one, others, tree=TREE, calendar=CALENDAR, **span)  # type: ignore[arg-type]


def nothing(count: int) -> Preview:
    """Nothing is in its way."""
    return Preview(count=count, villages=5, from_ms=FROM, until_ms=FROM + 7 * DAY_MS, goes_on=True)


def at(text: str) -> time:
    return time.fromisoformat(text)


# ---- by example -------------------------------------------------------------------------------------------------------------


def test_a_programme_that_meets_nobody_has_nothing_to_show_but_how_often_and_where_it_sounds() -> None:
    assert seen(programme(1), programme(2, "08:30"), programme(3, "07:30", owner=EAST)) == nothing(7)


def test_the_countys_new_programme_learns_where_a_townships_own_interrupts_it_and_why() -> None:
    township = on(programme(2, "08:10", 10, owner=EAST), rule=DayRule.WORKDAYS)
    assert seen(programme(1), township).clashes == (
        Clash(
            winner=Claim((ulid(2),)),
            loser=Claim((ulid(1),)),
            cause=Cause.BAND,
            facts=BANDS,
            effect=Effect.INTERRUPTED,
            when=When(at("08:10"), at("08:20"), WEEK[:6]),  # Saturday is worked
            where=Where((EAST,), 3),
        ),
    )


def test_what_happens_to_the_own_programmes_of_many_villages_is_one_line_with_their_townships() -> None:
    own = [programme(10 + n, "08:10", 10, owner=code) for n, code in enumerate((E1, E2, E3, W1))]
    (line,) = seen(programme(1), *own).clashes
    assert line.winner == Claim(tuple(ulid(10 + n) for n in range(4)))
    assert line.where == Where((EAST, W1), 4)
    assert (line.effect, line.when) == (Effect.INTERRUPTED, When(at("08:10"), at("08:20"), WEEK))
    (line,) = seen(programme(1), *own, programme(14, "08:10", 10, owner=W2)).clashes
    assert line.where == Where((CITY,), 5)


def test_a_village_that_is_silenced_by_its_township_sees_that_from_its_own_side() -> None:
    village = programme(1, "08:10", 10, owner=E1)
    (line,) = seen(village, programme(2, owner=EAST), programme(3, owner=WEST)).clashes
    assert (line.winner, line.loser, line.cause) == (Claim((ulid(2),)), Claim((ulid(1),)), Cause.LEVEL)
    assert line.facts == (("winner", "township"), ("loser", "village"))
    assert (line.effect, line.when) == (Effect.LOST, When(at("08:10"), at("08:15"), WEEK))  # its latest start
    assert line.where == Where((E1,), 1)


def test_an_equal_one_waits_or_takes_the_air_by_its_start_policy() -> None:
    hard, waits = programme(2, "08:20"), programme(2, "08:20", start=StartPolicy.NEXT, latest_start_s=900)
    (line,) = seen(programme(1), hard).clashes
    assert (line.winner.programmes, line.cause, line.effect) == ((ulid(2),), Cause.HARD_TIME, Effect.CUT_SHORT)
    (line,) = seen(programme(1), waits).clashes
    assert (line.winner.programmes, line.cause, line.effect) == ((ulid(1),), Cause.BEGAN_FIRST, Effect.DELAYED)
    assert line.when == When(at("08:20"), at("08:30"), WEEK)


def test_a_sound_that_is_over_before_the_next_one_begins_is_in_nobodys_way() -> None:
    short = {ulid(1): Content((part(15),))}
    assert seen(programme(1), programme(2, "08:20"), contents=short).clashes == ()
    assert len(seen(programme(1), programme(2, "08:20")).clashes) == 1


def test_what_may_finish_runs_into_what_follows_it() -> None:
    long = {ulid(1): Content((part(40),))}
    one, following = (
        programme(1, end=EndPolicy.FINISH),
        programme(2, "08:30", start=StartPolicy.NEXT, latest_start_s=900),
    )
    (line,) = seen(one, following, contents=long).clashes
    assert (line.loser.programmes, line.effect, line.when.ends) == ((ulid(2),), Effect.DELAYED, at("08:40"))
    assert seen(one, contents=long).overrun == Overrun(30 * MINUTE_MS, 40 * MINUTE_MS)


def test_a_loop_and_a_sound_that_fits_are_no_overrun() -> None:
    assert seen(programme(1), contents={ulid(1): Content((part(30),))}).overrun is None
    assert seen(programme(1, loop=True), contents={ulid(1): Content((part(20),))}).overrun is None


def test_a_programme_over_midnight_meets_that_of_the_next_day() -> None:
    quiet = QuietHours(0, 0)
    (line,) = seen(programme(1, "23:50", 20), programme(2, "00:00", 5, owner=E1), quiet=quiet).clashes
    assert line.when == When(at("00:00"), at("00:05"), tuple(day + timedelta(days=1) for day in WEEK[:-1]))


def test_a_part_in_the_quiet_hours_is_told_and_no_clash_is_made_of_it() -> None:
    found = seen(programme(1, "21:45"), programme(2, "22:00", 10, owner=E1))
    assert found.quiet == (InQuietHours(When(at("22:00"), at("22:15"), WEEK)),)
    assert found.clashes == ()
    assert seen(programme(1, "21:45"), quiet=QuietHours(0, 0)).quiet == ()
    night = seen(programme(1, "21:30", 570)).quiet  # 21:30 to 07:00
    assert night == (InQuietHours(When(at("22:00"), at("06:00"), WEEK)),)


def test_an_older_revision_of_itself_and_an_exercise_are_nothing_to_it() -> None:
    exercise = an_emergency(exercise=True)
    assert seen(programme(1, revision=2), programme(1, "08:10"), live=[exercise]).clashes == ()


def an_emergency(**changed: object) -> Order:
    order = Order(
        id="LIVE1",
        revision=1,
        kind=Kind.EMERGENCY,
        band=Band.EMERGENCY,
        severity=Severity.RED,
        level=Level.CITY,
        exercise=False,
        issued_at_ms=beijing_ms(MONDAY, at("07:50")),
        not_before_ms=beijing_ms(MONDAY, at("07:50")),
        not_after_ms=beijing_ms(MONDAY, at("08:20")),
        areas=(WEST,),
    )
    return replace(order, **changed)  # type: ignore[arg-type]


def test_a_broadcast_that_is_live_is_in_the_way_too() -> None:
    (line,) = seen(programme(1), live=[an_emergency()]).clashes
    assert (line.winner, line.loser) == (Claim((), "LIVE1"), Claim((ulid(1),)))
    assert (line.when, line.where) == (When(at("08:00"), at("08:05"), (MONDAY,)), Where((WEST,), 2))
    assert (line.cause, line.effect) == (Cause.BAND, Effect.LOST)


def test_a_speaker_named_by_itself_is_told_by_its_name_where_its_village_is_not_meant() -> None:
    own = replace(programme(2, "08:10", 10, owner=EAST), areas=(), speakers=("s-1",))
    (line,) = seen(programme(1), own, speakers={"s-1": E1}).clashes
    assert line.where == Where((), 0, ("s-1",))
    both = replace(own, areas=(E1,))
    (line,) = seen(programme(1), both, speakers={"s-1": E1}).clashes
    assert line.where == Where((E1,), 1)


def test_villages_taken_out_are_not_affected() -> None:
    (line,) = seen(programme(1, excluded=(E2,)), programme(2, "08:10", 10, owner=EAST)).clashes
    assert line.where == Where((E1, E3), 2)
    assert seen(programme(1, areas=(EAST,), excluded=(E2,))).villages == 2


def test_years_that_nobody_has_announced_are_told_where_a_day_rule_needs_them() -> None:
    span = {"from_ms": beijing_ms(date(2026, 12, 1)), "until_ms": beijing_ms(date(2027, 2, 1))}
    assert seen(on(programme(1), rule=DayRule.WORKDAYS), **span).unannounced == (2027,)
    assert seen(programme(1), **span).unannounced == ()
    assert seen(on(programme(1), rule=DayRule.WORKDAYS, last=date(2026, 12, 31)), **span).unannounced == ()


def test_where_clocks_change_only_the_days_of_the_overlap_are_named() -> None:
    abroad = programme(1, zone="Europe/Berlin")  # 08:00 is 14:00 in Beijing until 2026-10-25, then 15:00
    at_home = programme(2, "14:00", owner=E1)
    found = seen(abroad, at_home, from_ms=utc_ms(2026, 10, 22), until_ms=utc_ms(2026, 10, 29)).clashes
    assert [(one.when.begins, one.when.ends) for one in found] == [(at("08:00"), at("08:05"))]
    assert found[0].when.days == tuple(date(2026, 10, day) for day in (22, 23, 24))


def test_two_times_that_fall_into_one_gap_are_in_each_others_way() -> None:
    one = programme(1, "02:00 02:30", zone="Europe/Berlin", minutes=10)
    (line,) = seen(one, from_ms=utc_ms(2026, 3, 28), until_ms=utc_ms(2026, 3, 31), quiet=QuietHours(0, 0)).clashes
    assert (line.winner, line.loser) == (Claim((ulid(1),)), Claim((ulid(1),)))
    assert (line.when.begins, line.when.days) == (at("03:00"), (date(2026, 3, 29),))


# ---- the budget -------------------------------------------------------------------------------------------------------------

BUDGET = [AreaPlan(EAST, budget_min=60), AreaPlan(E1, budget_min=90)]


def test_more_than_the_days_budget_is_told_with_what_falls_silent() -> None:
    township, evening = programme(2, "09:00", 30, owner=EAST), programme(3, "19:00", 15)
    found = seen(programme(1), township, on(evening, weekdays=frozenset({3})), plans=BUDGET).over_budget
    assert found == (OverBudget(60, 75, (WEEK[2],), Where((E2, E3), 2), (ulid(3),)),)


def test_what_begins_within_the_budget_goes_on_to_its_end_and_is_told_as_too_much() -> None:
    (found,) = seen(programme(1), programme(2, "09:00", 40), plans=[AreaPlan(CITY, budget_min=60)]).over_budget
    assert (found.planned_min, found.refused) == (70, ())


def test_what_sounds_at_the_same_time_or_in_the_quiet_hours_is_counted_once_or_not_at_all() -> None:
    plans = [AreaPlan(CITY, budget_min=60)]
    inside = programme(2, "08:10", 20, owner=EAST), programme(3, "08:40", 10, owner=EAST)
    assert seen(programme(1, minutes=60), *inside, plans=plans).over_budget == ()
    assert seen(programme(1, "21:00", 120), plans=plans).over_budget == ()
    assert seen(programme(1, minutes=90), contents={ulid(1): Content((part(50),))}, plans=plans).over_budget == ()
    (found,) = seen(programme(1, minutes=61), plans=plans).over_budget
    assert (found.planned_min, found.where) == (61, Where((CITY,), 5))


def test_days_on_which_the_new_programme_is_silent_are_not_its_fault() -> None:
    one = on(programme(1), weekdays=frozenset({1}))
    (found,) = seen(one, programme(2, "09:00", 90), plans=[AreaPlan(CITY, budget_min=60)]).over_budget
    assert found.days == (MONDAY,)


# ---- by property ------------------------------------------------------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn) -> list[Programme]:
    """Two to six of all levels within an hour and a half, to the minute, on three days."""
    made = []
    for number in range(draw(st.integers(2, 6))):
        owner = draw(st.sampled_from([CITY, CITY, EAST, WEST, E1, W1]))
        minutes = draw(st.integers(1, 25))
        begins = sorted({8 * 60 + draw(st.integers(0, 90)) for _ in range(draw(st.integers(1, 2)))})
        times = [begins[0], *(one for one in begins[1:] if one - begins[0] >= minutes)]
        start = draw(st.sampled_from(StartPolicy))
        one = programme(
            number,
            " ".join(f"{minute // 60:02}:{minute % 60:02}" for minute in times),
            minutes,
            owner=owner,
            start=start,
            grace_s=120 if start is StartPolicy.GRACE else 0,
            end=draw(st.sampled_from(EndPolicy)),
            resume=draw(st.sampled_from([None, *Resume])),
            latest_start_s=60 * draw(st.integers(1, 20)),
            excluded=(E2,) if owner in (CITY, EAST) and draw(st.booleans()) else (),
            source=draw(st.sampled_from([programme().source, Speech("通知")])),
        )
        made.append(on(one, weekdays=frozenset(draw(st.sets(st.integers(1, 3), min_size=1)))))
    return made


contents = st.dictionaries(
    st.integers(0, 5).map(ulid), st.integers(1, 30).map(lambda n: Content((part(n),))), max_size=4
)
quiets = st.sampled_from([QuietHours(0, 0), QuietHours(), QuietHours(8 * 60 + 20, 8 * 60 + 40)])

Moment = tuple[int, str, str, str, Cause, Effect]  # minute, village, winner, loser


def told(found: Iterable[Clash], about: str) -> set[Moment]:
    """Every minute of every village that the lines speak of, each pair with the programme asked about."""
    moments: set[Moment] = set()
    for one in found:
        for day in one.when.days:
            first = beijing_ms(day, one.when.begins) // MINUTE_MS
            last = beijing_ms(day, one.when.ends) // MINUTE_MS
            for code in VILLAGES:
                if any(is_meant(an_emergency(areas=(area,)), "", code) for area in one.where.areas):
                    for winner in one.winner.programmes:
                        for loser in one.loser.programmes:
                            pair = winner, loser
                            moments |= {
                                (m, code, *pair, one.cause, one.effect) for m in range(first, max(last, first + 1))
                            }
    return {one for one in moments if about in one[2:4]}


def heard_by_each(
    programmes: list[Programme], known: dict[str, Content], quiet: QuietHours, about: str
) -> Iterable[tuple[str, list[Order]]]:
    """The same by playing the whole week through at every village, one by one."""
    found = occurrences(programmes, CALENDAR, FROM, FROM + 7 * DAY_MS)
    orders = [to_order(one, known.get(one.programme.id, Content())) for one in found]
    for code in VILLAGES:
        yield code, [order for order in orders if is_meant(order, "", code)]


@settings(deadline=None, max_examples=150)
@given(plans(), contents, quiets)
def test_the_preview_says_of_every_minute_and_village_what_playing_the_whole_week_there_says(
    programmes: list[Programme], known: dict[str, Content], quiet: QuietHours
) -> None:
    about, *others = programmes
    expected: set[Moment] = set()
    for code, orders in heard_by_each(programmes, known, quiet, about.id):
        if not orders:
            continue
        listener = Listener("", code, quiet=quiet)
        for one in contests(orders, play_through(orders, listener), listener.rule):
            pair = orders[one.winner].id[1:27], orders[one.loser].id[1:27]
            if about.id in pair and any(is_meant(order, "", code) for order in orders if order.id[1:27] == about.id):
                first, last = one.from_ms // MINUTE_MS, one.until_ms // MINUTE_MS
                minutes = range(first, max(last, first + 1))
                expected |= {(minute, code, *pair, one.cause, one.effect) for minute in minutes}
    found = seen(about, *others, contents=known, quiet=quiet)
    told_ = told(found.clashes, about.id)
    own_villages = {(moment[1], *moment[2:4]) for moment in expected}
    assert {moment for moment in told_ if (moment[1], *moment[2:4]) in own_villages} == expected
    assert {moment[:2] for moment in told_} == {moment[:2] for moment in expected}


@settings(deadline=None, max_examples=100)
@given(plans(), quiets, st.integers(0, 120), st.sampled_from(VILLAGES))
def test_at_any_instant_the_winner_that_is_told_is_the_one_that_choose_keeps_on_the_air(
    programmes: list[Programme], quiet: QuietHours, minute: int, code: str
) -> None:
    about, *others = programmes
    now_ms = beijing_ms(MONDAY, at("08:00")) + minute * MINUTE_MS
    orders = [to_order(one) for one in occurrences(programmes, CALENDAR, FROM, FROM + DAY_MS)]
    for one in seen(about, *others, quiet=quiet).clashes:
        begins, ends = (beijing_ms(MONDAY, edge) for edge in (one.when.begins, one.when.ends))
        in_area = any(is_meant(an_emergency(areas=(area,)), "", code) for area in one.where.areas)
        if not (MONDAY in one.when.days and begins <= now_ms < ends and in_area):
            continue
        both = [order for order in orders if order.id[1:27] in one.winner.programmes + one.loser.programmes]
        on_air = [order for order in both if order.id[1:27] in one.winner.programmes and is_meant(order, "", code)]
        on_air = [order for order in on_air if order.not_before_ms <= now_ms < order.not_after_ms]
        chosen = choose(both, now_ms, Listener("", code, on_air=on_air[0].id, quiet=quiet))
        assert chosen is not None
        assert chosen.id[1:27] in one.winner.programmes


@settings(deadline=None, max_examples=60)
@given(plans(), contents, quiets)
def test_a_whole_plans_clashes_are_those_that_each_of_its_programmes_sees(
    programmes: list[Programme], known: dict[str, Content], quiet: QuietHours
) -> None:
    span = {"from_ms": FROM, "until_ms": FROM + 7 * DAY_MS, "contents": known, "quiet": quiet}
    whole = clashes(programmes, tree=TREE, calendar=CALENDAR, zone=BEIJING, **span)  # type: ignore[arg-type]
    for one in programmes:
        others = [other for other in programmes if other.id != one.id]
        mine = told(seen(one, *others, contents=known, quiet=quiet).clashes, one.id)
        theirs = told(whole, one.id)
        assert {moment[:2] for moment in mine} == {moment[:2] for moment in theirs}
        assert theirs <= mine


# ---- who hears what ---------------------------------------------------------------------------------------------------------

codes = st.sampled_from([CITY, EAST, WEST, *VILLAGES])


@given(
    st.lists(
        st.builds(
            lambda areas, excluded, speakers: an_emergency(areas=areas, excluded=excluded, speakers=speakers),
            st.lists(codes, max_size=2).map(tuple),
            st.lists(codes, max_size=2).map(tuple),
            st.sampled_from([(), ("s-1",), ("s-2",)]),
        ),
        max_size=4,
    )
)
def test_places_are_grouped_by_what_is_meant_for_them_and_no_place_is_forgotten(orders: list[Order]) -> None:
    audience = Audience(TREE, {"s-1": E1, "s-2": EAST})
    groups = audience.by_what_is_meant(orders)
    by_place = {place: meant for meant, places in groups.items() for place in places}
    for place in (*(Place(code) for code in VILLAGES), Place(E1, "s-1"), Place(EAST, "s-2")):
        expected = tuple(n for n, order in enumerate(orders) if is_meant(order, place.speaker, place.area))
        assert by_place.get(place, ()) == expected


@given(st.sets(st.sampled_from(VILLAGES)))
def test_as_few_names_as_will_do_name_the_same_villages(chosen: set[str]) -> None:
    where = Audience(TREE, {}).where(Place(code) for code in chosen)
    assert {
        code for code in VILLAGES if any(is_meant(an_emergency(areas=(a,)), "", code) for a in where.areas)
    } == chosen
    assert where.villages == len(chosen)
    assert not {EAST, E1} <= set(where.areas)
    assert (CITY in where.areas) is (chosen == set(VILLAGES))


def test_the_longest_programme_still_sounds_when_it_is_asked_for_that_much_earlier() -> None:
    one = programme(minutes=1_440, end=EndPolicy.FINISH, latest_start_s=3_600)
    found = occurrences([one], CALENDAR, FROM, FROM + DAY_MS)[0]
    order = to_order(found, Content((part(2_000),)))
    assert order.not_after_ms == order.not_before_ms + LONGEST_MS


@pytest.mark.parametrize("count", [0, 1])
def test_a_span_in_which_it_never_sounds_is_empty(count: int) -> None:
    one = on(programme(1), first=date(2027, 1, 1))
    assert seen(one, *[programme(2)] * count) == nothing(0)


def test_a_year_without_its_holidays_is_named_though_nothing_in_it_is_found() -> None:
    years = {"from_ms": utc_ms(2027, 1, 1), "until_ms": utc_ms(2028, 1, 30)}
    holidays = on(programme(1), rule=DayRule.HOLIDAYS, first=date(2027, 1, 30))
    assert (seen(holidays, **years).count, seen(holidays, **years).unannounced) == (0, (2027, 2028))
    workdays = on(holidays, rule=DayRule.WORKDAYS, last=date(2027, 12, 31))
    assert seen(workdays, **years).unannounced == (2027,)
    assert seen(on(holidays, rule=DayRule.EVERY), **years).unannounced == ()


def test_what_may_sound_after_the_span_is_said() -> None:
    last = FROM + 7 * DAY_MS
    assert seen(programme(1)).goes_on
    assert not seen(on(programme(1), last=WEEK[-1])).goes_on
    assert seen(on(programme(1), last=WEEK[-1] + timedelta(days=1))).goes_on
    assert not seen(on(programme(1), weekdays=frozenset(), dates_in=frozenset({WEEK[2]}))).goes_on
    assert seen(programme(1)).until_ms == last


def test_midnight_in_greenwich_is_no_border() -> None:
    (line,) = seen(programme(1, "07:50", 20), programme(2, "08:00", 5, owner=E1)).clashes
    assert line.when == When(at("08:00"), at("08:05"), WEEK)


def test_what_two_others_have_with_each_other_is_not_this_programmes_business() -> None:
    others = programme(2, "08:20", 30, owner=EAST), programme(3, "08:40", 20, owner=E1)
    found = seen(programme(1), *others).clashes
    assert [(one.winner.programmes, one.loser.programmes) for one in found] == [((ulid(2),), (ulid(1),))]


def test_what_is_in_between_on_some_days_only_makes_no_other_day_forgotten() -> None:
    """The villages' programmes begin at the same time and last differently; on Mondays the county bridges them and the new one."""
    new = programme(1, "08:50", 20)
    bridge = on(programme(2, "08:20", 40), weekdays=frozenset({1}))
    short, long = programme(3, "08:00", 25, owner=E1), programme(4, "08:00", 60, owner=W1)
    found = {(one.winner.programmes, one.when.days) for one in seen(new, bridge, short, long).clashes}
    assert ((ulid(4),), WEEK) in found
    assert not any(winner == (ulid(3),) for winner, _ in found)


def test_the_quiet_hours_come_at_another_wall_time_when_the_clocks_have_changed() -> None:
    """14:50 in Berlin is 20:50 in Beijing in summer and 21:50 in winter."""
    new, village = (
        programme(1, "14:50", zone="Europe/Berlin"),
        programme(2, "15:05", 10, owner=E1, zone="Europe/Berlin"),
    )
    found = seen(new, village, from_ms=utc_ms(2026, 10, 24), until_ms=utc_ms(2026, 10, 26))
    assert [(one.when.begins, one.when.days) for one in found.clashes] == [(at("15:05"), (date(2026, 10, 24),))]
    assert [one.when for one in found.quiet] == [When(at("15:00"), at("15:20"), (date(2026, 10, 25),))]
