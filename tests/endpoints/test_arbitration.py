"""The laws of `choose`: total, deterministic, monotone in the key, nobody outside the target, nothing outside its time."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from endpoints.arbitration import (
    DAY_MS,
    EMERGENCY_PERCENT,
    HOUR_MS,
    MINUTE_MS,
    NEWEST_WINS,
    Listener,
    QuietHours,
    applies,
    began_ms,
    choose,
    has_hard_time,
    is_meant,
    key,
    loudness_percent,
    next_change_ms,
    rank,
)
from endpoints.area_codes import covers
from endpoints.protocol import BANDS_OF, Band, Kind, Level, Order, OrderRule, Resume, Severity
from tests.endpoints.rig import COUNTY, NEVER_QUIET, OTHER_TOWN, TOWN, VILLAGE, live, ms, notice, order, routine

NOW = ms(100)
AREAS = (COUNTY, TOWN, VILLAGE, OTHER_TOWN, "130281010000", "130281001010", "130281001001001", "130000000000")

areas = st.sampled_from(AREAS)
times = st.integers(NOW - 3, NOW + 3)
rules = st.sampled_from(OrderRule)
seldom = st.sampled_from([False, False, False, False, True])


@st.composite
def orders(draw: st.DrawFn) -> Order:
    kind = draw(st.sampled_from(Kind))
    begin = draw(times)
    return order(
        draw(st.sampled_from([f"o-{n}" for n in range(9)])),
        kind=kind,
        band=draw(st.sampled_from(sorted(BANDS_OF[kind]))),
        severity=draw(st.sampled_from(Severity)),
        level=draw(st.sampled_from(Level)),
        exercise=draw(seldom),
        issued_at_ms=draw(times),
        not_before_ms=begin,
        not_after_ms=draw(st.integers(begin + 1, NOW + 9)),
        areas=tuple(draw(st.lists(areas, max_size=3))) or (COUNTY,),
        excluded=(draw(areas),) if draw(seldom) else (),
        speakers=tuple(draw(st.lists(st.sampled_from(["v-001", "v-0011"]), max_size=1))),
        resume=draw(st.sampled_from(Resume)),
        start_by_ms=draw(st.sampled_from([0, 0, *range(NOW - 3, NOW + 4)])),
        hard_at_ms=draw(st.sampled_from([0, 0, *range(NOW - 3, NOW + 4)])),
    )


@st.composite
def programmes(draw: st.DrawFn) -> list[Order]:
    """Such as compete: routine of one rank or another for everybody."""
    made = draw(st.lists(orders(), min_size=2, max_size=6, unique_by=lambda one: one.id))
    few = st.sampled_from([Level.VILLAGE, Level.CITY])
    plain = {"kind": Kind.ROUTINE, "band": Band.ROUTINE, "severity": Severity.UNKNOWN, "areas": (COUNTY,)}
    return [replace(one, level=draw(few), exercise=False, excluded=(), **plain) for one in made]


boards = st.lists(orders(), max_size=6, unique_by=lambda one: one.id)


@st.composite
def listeners(draw: st.DrawFn) -> Listener:
    ids = st.sampled_from([f"o-{n}" for n in range(9)])
    return Listener(
        "v-001",
        draw(st.sampled_from([VILLAGE, VILLAGE, VILLAGE, *AREAS])),
        exercise=draw(seldom),
        done=frozenset(draw(st.lists(ids, max_size=3))),
        on_air=draw(st.one_of(st.just(""), ids)),
        quiet=draw(st.sampled_from([NEVER_QUIET, QuietHours(16 * 60, 17 * 60), QuietHours(23 * 60, 17 * 60)])),
        rule=draw(rules),
        begun=draw(st.one_of(st.none(), st.lists(ids, max_size=4).map(frozenset))),
    )


@given(boards, listeners(), st.randoms())
def test_the_answer_is_one_of_the_orders_and_does_not_depend_on_how_they_lie(board, listener, random) -> None:  # type: ignore[no-untyped-def]
    best = choose(board, NOW, listener)
    shuffled = random.sample(board, len(board))
    assert choose(shuffled, NOW, listener) == best
    assert best is None or best in board
    assert (best is None) is not any(applies(one, NOW, listener) for one in board)


@given(boards, listeners())
def test_what_sounds_is_meant_in_its_time_of_this_mode_and_not_done(board: list[Order], listener: Listener) -> None:
    best = choose(board, NOW, listener)
    if best is not None:
        assert best.not_before_ms <= NOW < best.not_after_ms
        assert best.exercise is listener.exercise
        assert best.id not in listener.done
        assert "v-001" in best.speakers or any(covers(area, listener.area) for area in best.areas)
        assert "v-001" in best.speakers or not any(covers(area, listener.area) for area in best.excluded)
        assert best.kind is not Kind.ROUTINE or not listener.quiet.hold(NOW)


@given(boards, listeners())
def test_nothing_that_could_sound_ranks_above_what_does(board: list[Order], listener: Listener) -> None:
    best = choose(board, NOW, listener)
    if best is not None:
        assert all(
            rank(one, listener.rule) <= rank(best, listener.rule) for one in board if applies(one, NOW, listener)
        )


@given(st.one_of(boards, programmes()), listeners())
def test_only_a_strictly_higher_rank_a_newer_emergency_or_a_hard_time_takes_the_air(
    board: list[Order], listener: Listener
) -> None:
    holder = next((one for one in board if one.id == listener.on_air and applies(one, NOW, listener)), None)
    best = choose(board, NOW, listener)
    if holder is not None and best is not None and best != holder:
        higher = rank(best, listener.rule) > rank(holder, listener.rule)
        newer = best.band in NEWEST_WINS and key(best, listener.rule) > key(holder, listener.rule)
        hard = best.kind is Kind.ROUTINE and 0 < best.hard_at_ms <= NOW and began_ms(best) > began_ms(holder)
        assert higher or newer or hard


@given(programmes(), rules)
def test_of_two_claims_at_most_one_takes_the_air_from_the_other(board: list[Order], rule: OrderRule) -> None:
    one, other = board[:2]
    from_one = choose([one, other], NOW, replace(HERE, rule=rule, on_air=one.id))
    from_other = choose([one, other], NOW, replace(HERE, rule=rule, on_air=other.id))
    assert (from_one, from_other) != (other, one)


@given(st.one_of(boards, programmes()), listeners(), st.integers(0, 5))
def test_whoever_is_on_air_the_air_changes_hands_once_and_then_stays(
    board: list[Order], listener: Listener, first: int
) -> None:
    """No three equal claims with hard times take it from each other in a circle."""
    on_air = board[first].id if first < len(board) else ""
    once = choose(board, NOW, replace(listener, on_air=on_air))
    again = choose(board, NOW, replace(listener, on_air=once.id if once else ""))
    assert again == once


@given(st.one_of(boards, programmes()), listeners())
def test_what_has_not_begun_by_its_latest_start_does_not_sound(board: list[Order], listener: Listener) -> None:
    best = choose(board, NOW, listener)
    if best is not None and best.start_by_ms and listener.begun is not None:
        assert best.start_by_ms >= NOW or best.id in listener.begun


@given(st.one_of(boards, programmes()), listeners())
def test_what_has_begun_knows_no_latest_start(board: list[Order], listener: Listener) -> None:
    begun = replace(listener, begun=frozenset(one.id for one in board))
    unbound = [replace(one, start_by_ms=0) for one in board]
    best, free = choose(board, NOW, begun), choose(unbound, NOW, begun)
    assert (best.id if best else "") == (free.id if free else "")
    assert choose(board, NOW, replace(listener, begun=None)) == best


@given(boards, listeners(), st.integers(0, 1))
def test_a_hard_time_is_for_programmes_alone(board: list[Order], listener: Listener, at: int) -> None:
    others = [one for one in board if one.kind is not Kind.ROUTINE]
    soft = [replace(one, hard_at_ms=0) for one in others]
    best, plain = choose(others, NOW + at, listener), choose(soft, NOW + at, listener)
    assert (best.id if best else "") == (plain.id if plain else "")


@given(boards, listeners())
def test_what_has_been_chosen_stays_chosen(board: list[Order], listener: Listener) -> None:
    best = choose(board, NOW, listener)
    if best is not None:
        assert choose(board, NOW, replace(listener, on_air=best.id)) == best


@given(boards, listeners(), st.sampled_from(Severity), st.sampled_from(Level))
def test_more_severity_or_a_higher_level_never_loses_the_air(
    board: list[Order], listener: Listener, severity: Severity, level: Level
) -> None:
    best = choose(board, NOW, listener)
    if best is not None:
        raised = replace(best, severity=severity, level=max(level, best.level))
        if rank(raised, listener.rule) < rank(best, listener.rule):
            raised = replace(raised, severity=best.severity)
        assert choose([raised if one == best else one for one in board], NOW, listener) == raised


@given(boards, orders(), listeners())
def test_an_order_for_others_changes_nothing(board: list[Order], other: Order, listener: Listener) -> None:
    stranger = replace(other, id="stranger")
    assume(not applies(stranger, NOW, listener))
    assert choose([*board, stranger], NOW, listener) == choose(board, NOW, listener)


@given(boards, listeners())
def test_an_exercise_never_mixes_with_live(board: list[Order], listener: Listener) -> None:
    same = [one for one in board if one.exercise is listener.exercise]
    assert choose(board, NOW, listener) == choose(same, NOW, listener)


@given(boards, rules)
def test_the_key_is_a_total_order(board: list[Order], rule: OrderRule) -> None:
    keys = sorted(key(one, rule) for one in board)
    assert len(set(keys)) == len(board)
    assert all(low < high for low, high in pairwise(keys))


@given(boards, listeners())
def test_between_two_changes_the_answer_stays(board: list[Order], listener: Listener) -> None:
    edge = next_change_ms(board, NOW, listener)
    last = NOW + 20 if edge is None else edge - 1
    assert edge is None or edge > NOW
    for now in {NOW, (NOW + last) // 2, last}:
        assert choose(board, now, listener) == choose(board, NOW, listener)


@given(st.lists(areas, max_size=4), st.lists(areas, max_size=2), areas)
def test_who_is_meant_is_what_covers_says(targets: list[str], excluded: list[str], area: str) -> None:
    one = order(areas=tuple(targets), excluded=tuple(excluded))
    expected = any(covers(target, area) for target in targets) and not any(covers(gone, area) for gone in excluded)
    assert is_meant(one, "v-001", area) is expected


def test_an_order_applies_from_its_beginning_until_just_before_its_end() -> None:
    one = order(not_before_ms=NOW, not_after_ms=NOW + 10)
    told = {now: choose([one], now, HERE) for now in (NOW - 1, NOW, NOW + 9, NOW + 10)}
    assert told == {NOW - 1: None, NOW: one, NOW + 9: one, NOW + 10: None}


def test_an_empty_target_is_nobody() -> None:
    assert not is_meant(order(areas=()), "v-001", VILLAGE)


@pytest.mark.parametrize(
    ("target", "area"),
    [
        ("130281010000", "130281011001"),  # 13028101 begins both
        ("130281001010", "130281001011"),
        ("130281001001", "130281001010"),
        ("130281001001", "130281001000"),
        ("130281001001010", "130281001001011"),
        ("130281001001001", "130281001001"),
        ("130281100000", "130281101001"),
    ],
)
def test_a_code_does_not_cover_what_only_looks_like_it(target: str, area: str) -> None:
    assert not is_meant(order(areas=(target,)), "v-001", area)


@pytest.mark.parametrize("target", [VILLAGE, "130281001001000", "130281001001000000", "130000000000", "130200000000"])
def test_a_code_covers_in_each_of_its_spellings(target: str) -> None:
    assert is_meant(order(areas=(target,)), "v-001", VILLAGE)


# ---- the order of claims, by example -------------------------------------------------------------------------------------------

HERE = Listener("v-001", VILLAGE, quiet=NEVER_QUIET)


def winner(*claims: Order, rule: OrderRule = OrderRule.SEVERITY_FIRST, on_air: str = "") -> str:
    best = choose(claims, NOW, replace(HERE, rule=rule, on_air=on_air))
    return best.id if best else ""


def claim(name: str, band: Band, **other: object) -> Order:
    kind = next(kind for kind, bands in BANDS_OF.items() if band in bands)
    return order(name, **{"kind": kind, "band": band, "not_after_ms": ms(600), **other})


@pytest.mark.parametrize("higher", sorted(Band)[1:])
def test_a_higher_band_wins_whatever_the_severity_and_level(higher: Band) -> None:
    low = claim("low", Band(higher - 1), severity=Severity.RED, level=Level.PROVINCE)
    high = claim("high", higher, severity=Severity.UNKNOWN, level=Level.VILLAGE)
    assert winner(low, high, on_air="low") == "high"


@pytest.mark.parametrize(
    ("higher", "lower"),
    list(pairwise([Severity.RED, Severity.ORANGE, Severity.YELLOW, Severity.BLUE, Severity.UNKNOWN])),
)
def test_red_is_above_orange_yellow_blue_and_unknown(higher: Severity, lower: Severity) -> None:
    assert winner(notice("a", severity=lower), notice("b", severity=higher), on_air="a") == "b"


def test_severity_or_level_comes_first_as_the_setting_says() -> None:
    red_village = notice("red", severity=Severity.RED, level=Level.VILLAGE)
    blue_city = notice("city", severity=Severity.BLUE, level=Level.CITY)
    assert winner(red_village, blue_city) == "red"
    assert winner(red_village, blue_city, rule=OrderRule.LEVEL_FIRST) == "city"


@pytest.mark.parametrize("band", sorted(NEWEST_WINS))
def test_of_equal_emergencies_the_newest_wins(band: Band) -> None:
    old, new = claim("z-old", band), claim("a-new", band, issued_at_ms=ms(5))
    assert winner(old, new, on_air="z-old") == winner(old, new) == "a-new"


def test_of_equal_others_the_one_that_began_first_goes_first_and_keeps_the_air() -> None:
    for make in (routine, notice, live):
        first, second = make("z-first"), make("a-second", issued_at_ms=ms(5))
        assert winner(first, second) == "z-first"
        assert winner(first, second, on_air="a-second") == "a-second"


def test_a_hard_time_takes_the_air_from_an_equal_programme_that_began_before_and_from_no_other() -> None:
    news, music = routine("news", hard_at_ms=NOW, issued_at_ms=NOW), routine("music")
    assert not has_hard_time(news, NOW - 1)
    assert winner(music, news, on_air="music") == winner(music, news) == "news"
    assert winner(music, replace(news, hard_at_ms=NOW + 1), on_air="music") == "music"
    assert winner(replace(music, issued_at_ms=NOW + 9), news, on_air="music") == "music"
    assert winner(replace(music, level=Level.PROVINCE), news, on_air="music") == "music"
    assert (
        winner(replace(music, hard_at_ms=NOW), news, on_air="music") == "news"
    )  # a hard time holds no air against a later one


def test_a_notice_that_names_a_hard_time_waits_like_any_notice() -> None:
    said, other = notice("said"), replace(notice("other"), issued_at_ms=NOW, hard_at_ms=NOW)
    assert winner(said, other, on_air="said") == "said"


def test_a_latest_start_is_in_time_at_its_millisecond_and_too_late_after_it() -> None:
    one = routine(start_by_ms=NOW)
    waiting = replace(HERE, begun=frozenset())
    assert [choose([one], now, waiting) for now in (NOW, NOW + 1)] == [one, None]
    assert choose([one], NOW + 1, replace(HERE, begun=frozenset({one.id}))) == one
    assert next_change_ms([one], NOW, waiting) == NOW + 1


# ---- loudness ------------------------------------------------------------------------------------------------------------------

percents = st.integers(0, 100)


@given(orders(), percents, percents, percents, percents)
def test_an_order_sounds_between_its_floor_and_its_ceiling(
    one: Order, own: int, floor: int, ceiling: int, hour: int
) -> None:
    made = replace(one, volume_percent=floor, ceiling_percent=ceiling)
    least = EMERGENCY_PERCENT if made.band >= Band.EMERGENCY else 0
    loud = loudness_percent(made, own, hour)
    assert loud <= max(ceiling, least)
    assert loud >= least
    assert loud >= min(floor, max(ceiling, least))
    assert loudness_percent(made, 100, hour) >= loud


@given(orders(), percents, percents)
def test_the_hour_is_for_programmes_alone(one: Order, own: int, hour: int) -> None:
    if one.kind is Kind.ROUTINE:
        assert loudness_percent(one, own, hour) == loudness_percent(one, (own * hour + 50) // 100)
    else:
        assert loudness_percent(one, own, hour) == loudness_percent(one, own)


def test_a_muted_speaker_is_silent_in_a_programme_and_heard_in_an_emergency_at_any_hour() -> None:
    told = [loudness_percent(make(), 0, 0) for make in (routine, notice, order, live)]
    assert told == [0, 0, EMERGENCY_PERCENT, EMERGENCY_PERCENT]
    assert loudness_percent(order(ceiling_percent=30), 100) == EMERGENCY_PERCENT
    assert loudness_percent(order(ceiling_percent=80), 100) == 80
    assert loudness_percent(routine(volume_percent=40), 70, 20) == 40
    assert loudness_percent(routine(), 70, 50) == 35


# ---- quiet hours -----------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1_439), st.integers(0, 1_439), st.integers(-720, 840), st.integers(0, 3 * DAY_MS))
def test_quiet_hours_change_at_their_edges_and_nowhere_else(
    from_min: int, until_min: int, offset: int, now_ms: int
) -> None:
    assume(from_min != until_min)
    quiet = QuietHours(from_min, until_min, offset)
    edge = quiet.next_edge_ms(now_ms)
    assert now_ms < edge <= now_ms + DAY_MS
    assert quiet.hold(edge) is not quiet.hold(edge - 1)
    assert quiet.hold(edge - 1) is quiet.hold(now_ms)


@given(st.integers(0, 1_439), st.integers(0, 2 * DAY_MS))
def test_from_equal_until_is_never(minute: int, now_ms: int) -> None:
    assert not QuietHours(minute, minute).hold(now_ms)


@given(st.integers(-720, 840), st.integers(0, 3 * DAY_MS))
def test_an_hour_of_local_time_ends_where_the_next_begins(offset: int, now_ms: int) -> None:
    clock = QuietHours(utc_offset_min=offset)
    edge = clock.next_hour_ms(now_ms)
    assert now_ms < edge <= now_ms + HOUR_MS
    assert clock.local_hour(edge - 1) == clock.local_hour(now_ms)
    assert clock.local_hour(edge) == (clock.local_hour(now_ms) + 1) % 24
    assert clock.local_day(edge) - clock.local_day(now_ms) == (clock.local_hour(edge) == 0)


def test_the_night_of_beijing_is_22_to_6() -> None:
    midnight = 16 * 60 * MINUTE_MS  # UTC
    for hour, silent in ((21, False), (22, True), (0, True), (5, True), (6, False), (12, False)):
        assert QuietHours().hold(midnight + hour * 60 * MINUTE_MS) is silent
    assert not QuietHours().hold(midnight + 6 * 60 * MINUTE_MS)
    assert QuietHours().hold(midnight + 6 * 60 * MINUTE_MS - 1)
