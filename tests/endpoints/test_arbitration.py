"""The laws of `choose`: total, deterministic, monotone in the key, nobody outside the target, nothing outside its time."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from endpoints.arbitration import (
    DAY_MS,
    MINUTE_MS,
    NEWEST_WINS,
    Listener,
    QuietHours,
    applies,
    choose,
    is_meant,
    key,
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
    )


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


@given(boards, listeners())
def test_only_a_strictly_higher_rank_or_a_newer_emergency_takes_the_air(board: list[Order], listener: Listener) -> None:
    holder = next((one for one in board if one.id == listener.on_air and applies(one, NOW, listener)), None)
    best = choose(board, NOW, listener)
    if holder is not None and best is not None and best != holder:
        higher = rank(best, listener.rule) > rank(holder, listener.rule)
        newer = best.band in NEWEST_WINS and key(best, listener.rule) > key(holder, listener.rule)
        assert higher or newer


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


def test_the_night_of_beijing_is_22_to_6() -> None:
    midnight = 16 * 60 * MINUTE_MS  # UTC
    for hour, silent in ((21, False), (22, True), (0, True), (5, True), (6, False), (12, False)):
        assert QuietHours().hold(midnight + hour * 60 * MINUTE_MS) is silent
    assert not QuietHours().hold(midnight + 6 * 60 * MINUTE_MS)
    assert QuietHours().hold(midnight + 6 * 60 * MINUTE_MS - 1)
