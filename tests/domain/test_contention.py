"""Who has the air when several want it: played through in turns, held against a loudspeaker that looks every minute."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.contention import Cause, Contest, Effect, contests, play_through, why
from endpoints.arbitration import Listener, QuietHours, choose
from endpoints.protocol import Band, Kind, Level, Order, OrderRule, Resume, Severity, Tone
from tests.domain.plans import CITY, E1, MONDAY, beijing_ms

MINUTE_MS = 60_000
BEGIN = beijing_ms(MONDAY)
EIGHT = BEGIN + 8 * 60 * MINUTE_MS
NEVER = QuietHours(0, 0)
HERE = Listener("", E1, quiet=NEVER)


def an_order(name: str, at: int = 0, minutes: int = 30, sound: int = 0, **changed: object) -> Order:
    """Routine of the county from minute `at` after eight; `sound` minutes long, 0: as long as its slot."""
    order = Order(
        id=name,
        revision=1,
        kind=Kind.ROUTINE,
        band=Band.ROUTINE,
        severity=Severity.UNKNOWN,
        level=Level.CITY,
        exercise=False,
        issued_at_ms=0,
        not_before_ms=EIGHT + at * MINUTE_MS,
        not_after_ms=EIGHT + (at + minutes) * MINUTE_MS,
        areas=(CITY,),
        tone=Tone.NONE,
        asset=b"\x01" * 32 if sound else b"",
        asset_bytes=1_000 if sound else 0,
        asset_ms=sound * MINUTE_MS,
        gap_ms=0,
        resume=Resume.REJOIN,
    )
    return replace(order, **changed)  # type: ignore[arg-type]


def local(order: Order, level: Level = Level.TOWNSHIP) -> Order:
    return replace(order, band=Band.LOCAL_ROUTINE, level=level)


def told(*orders: Order, listener: Listener = HERE) -> list[tuple[int, int, str, str]]:
    """Minutes after eight, and the names of who is heard and who waits."""
    return [
        (
            (turn.from_ms - EIGHT) // MINUTE_MS,
            (turn.until_ms - EIGHT) // MINUTE_MS,
            "" if turn.on_air is None else orders[turn.on_air].id,
            "".join(orders[n].id for n in turn.waiting),
        )
        for turn in play_through(orders, listener)
    ]


def fought(
    *orders: Order, rule: OrderRule = OrderRule.SEVERITY_FIRST
) -> list[tuple[int, int, str, str, Cause, Effect]]:
    found = contests(orders, play_through(orders, replace(HERE, rule=rule)), rule)
    return [
        (
            (one.from_ms - EIGHT) // MINUTE_MS,
            (one.until_ms - EIGHT) // MINUTE_MS,
            orders[one.winner].id,
            orders[one.loser].id,
            one.cause,
            one.effect,
        )
        for one in found
    ]


# ---- by example -------------------------------------------------------------------------------------------------------------


def test_a_townships_own_interrupts_the_county_which_goes_on_after_it() -> None:
    county, town = an_order("C"), local(an_order("T", 10, 10))
    assert told(county, town) == [(0, 10, "C", ""), (10, 20, "T", "C"), (20, 30, "C", "")]
    assert fought(county, town) == [(10, 20, "T", "C", Cause.BAND, Effect.INTERRUPTED)]


def test_what_the_interruption_leaves_nothing_of_is_cut_short_and_what_is_dropped_too() -> None:
    county, town = an_order("C", sound=20), local(an_order("T", 10, 15))
    assert fought(county, town) == [(10, 25, "T", "C", Cause.BAND, Effect.CUT_SHORT)]
    assert fought(replace(an_order("C"), resume=Resume.DROP), local(an_order("T", 10, 10))) == []
    assert told(replace(an_order("C"), resume=Resume.DROP), local(an_order("T", 10, 10)))[-1] == (20, 30, "", "")


@pytest.mark.parametrize(
    ("resume", "until"),
    [(Resume.CONTINUE, 30), (Resume.REJOIN, 20), (Resume.RESTART, 40)],
)
def test_what_was_interrupted_for_ten_minutes_ends_by_its_policy(resume: Resume, until: int) -> None:
    county, town = an_order("C", minutes=60, sound=20, resume=resume), local(an_order("T", 10, 10))
    heard = [(begin, end) for begin, end, who, _ in told(county, town) if who == "C"]
    assert heard == [(0, 10), (20, until)] if until > 20 else [(0, 10)]


def test_an_equal_one_that_waits_its_turn_is_delayed_and_begins_when_the_other_has_finished() -> None:
    first, second = an_order("A", sound=12), an_order("B", 10, 30)
    assert told(first, second) == [(0, 10, "A", ""), (10, 12, "A", "B"), (12, 40, "B", "")]
    assert fought(first, second) == [(10, 12, "A", "B", Cause.BEGAN_FIRST, Effect.DELAYED)]


def test_an_equal_one_with_a_hard_time_takes_the_air_and_with_a_grace_it_waits_that_long() -> None:
    first = an_order("A")
    hard = an_order("B", 10, 30, hard_at_ms=EIGHT + 10 * MINUTE_MS)
    assert fought(first, hard) == [(10, 30, "B", "A", Cause.HARD_TIME, Effect.CUT_SHORT)]
    grace = replace(hard, hard_at_ms=EIGHT + 13 * MINUTE_MS)
    assert fought(first, grace) == [
        (13, 30, "B", "A", Cause.HARD_TIME, Effect.CUT_SHORT),
        (10, 13, "A", "B", Cause.BEGAN_FIRST, Effect.DELAYED),
    ]


def test_what_has_been_played_out_as_another_begins_is_not_begun_again_after_it() -> None:
    first, second = an_order("A", sound=10, resume=Resume.RESTART), local(an_order("T", 10, 5))
    assert told(first, second) == [(0, 10, "A", ""), (10, 15, "T", ""), (15, 30, "", "")]


def test_what_cannot_begin_by_its_latest_start_never_sounds() -> None:
    first, second = an_order("A"), an_order("B", 10, 30, start_by_ms=EIGHT + 15 * MINUTE_MS)
    assert fought(first, second) == [(10, 15, "A", "B", Cause.BEGAN_FIRST, Effect.LOST)]
    assert told(first, second)[-1] == (30, 40, "", "")


def test_two_that_begin_together_are_told_apart_by_nothing_but_their_ids() -> None:
    assert fought(an_order("A"), an_order("B")) == [(0, 30, "B", "A", Cause.ID, Effect.LOST)]


def test_the_quiet_hours_are_silence_and_nobody_waits_for_anybody_in_them() -> None:
    quiet = QuietHours(8 * 60 + 10, 8 * 60 + 20)
    assert told(an_order("C"), listener=replace(HERE, quiet=quiet)) == [
        (0, 10, "C", ""),
        (10, 20, "", ""),
        (20, 30, "C", ""),
    ]


def emergency(name: str, at: int, **changed: object) -> Order:
    return an_order(
        name,
        at,
        **{"kind": Kind.EMERGENCY, "band": Band.EMERGENCY, "severity": Severity.BLUE, **changed},  # type: ignore[arg-type]
    )


def test_the_reason_is_the_first_part_of_the_key_that_differs() -> None:
    both = OrderRule.SEVERITY_FIRST, OrderRule.LEVEL_FIRST
    red, blue = emergency("R", 0, severity=Severity.RED), emergency("B", 0, level=Level.PROVINCE)
    assert [why(red, blue, rule, EIGHT) for rule in both] == [
        (Cause.SEVERITY, (("winner", "red"), ("loser", "blue"))),
        (Cause.LEVEL, (("winner", "city"), ("loser", "province"))),
    ]
    assert why(local(an_order("T")), an_order("C"), both[0], EIGHT) == (
        Cause.BAND,
        (("winner", "local-routine"), ("loser", "routine")),
    )
    assert why(local(an_order("T")), local(an_order("V"), Level.VILLAGE), both[0], EIGHT) == (
        Cause.LEVEL,
        (("winner", "township"), ("loser", "village")),
    )
    assert why(emergency("N", 5), emergency("O", 0), both[0], EIGHT) == (Cause.NEWEST, ())


# ---- by property ------------------------------------------------------------------------------------------------------------


@st.composite
def orders(draw: st.DrawFn) -> list[Order]:
    """Up to five that are in each other's way, to the minute."""
    made = []
    for name in "ABCDE"[: draw(st.integers(1, 5))]:
        at, minutes = draw(st.integers(0, 12)), draw(st.integers(1, 12))
        kind, band = draw(
            st.sampled_from([(Kind.ROUTINE, Band.ROUTINE)] * 3 + [(Kind.ROUTINE, Band.LOCAL_ROUTINE)] * 2)
            | st.sampled_from([(Kind.NOTICE, Band.NOTICE), (Kind.EMERGENCY, Band.EMERGENCY)])
        )
        late, hard = draw(st.integers(-1, 6)), draw(st.integers(-1, 6))
        made.append(
            an_order(
                name,
                at,
                minutes,
                draw(st.sampled_from([0, minutes, minutes + 3, max(1, minutes // 2)])),
                kind=kind,
                band=band,
                level=draw(st.sampled_from([Level.VILLAGE, Level.TOWNSHIP, Level.CITY])),
                severity=draw(st.sampled_from([Severity.RED, Severity.BLUE])),
                resume=draw(st.sampled_from(Resume)),
                start_by_ms=EIGHT + (at + late) * MINUTE_MS if late >= 0 else 0,
                hard_at_ms=EIGHT + (at + hard) * MINUTE_MS if hard >= 0 else 0,
            )
        )
    return made


@dataclass
class EveryMinute:
    """A loudspeaker that asks `choose` every minute, and counts the minutes that it has played."""

    orders: list[Order]
    listener: Listener
    position: dict[str, int] = field(default_factory=dict)

    def minute(self, now_ms: int) -> str:
        """Who is heard in the minute that begins now."""
        if (on_air := self.listener.on_air) and self._is_played_out(self._order(on_air)):
            self._finish(on_air)
        while True:
            chosen = choose(self.orders, now_ms, self.listener)
            was = self.listener.on_air
            if was and (chosen is None or chosen.id != was) and self._order(was).resume is Resume.DROP:
                self._finish(was)
            if chosen is None:
                self.listener = replace(self.listener, on_air="")
                return ""
            if chosen.id != was:
                self.position[chosen.id] = self._begins_at(chosen, now_ms)
            self.listener = replace(self.listener, on_air=chosen.id)
            if self._is_played_out(chosen):
                self._finish(chosen.id)
                continue
            self.position[chosen.id] += MINUTE_MS
            self.listener = replace(self.listener, begun=frozenset(self.position))
            return chosen.id

    def _begins_at(self, order: Order, now_ms: int) -> int:
        before = self.position.get(order.id)
        if order.resume is Resume.REJOIN:
            return now_ms - order.not_before_ms
        return before if before is not None and order.resume is Resume.CONTINUE else 0

    def _is_played_out(self, order: Order) -> bool:
        return bool(order.asset) and self.position[order.id] >= order.sound_ms

    def _order(self, name: str) -> Order:
        return next(one for one in self.orders if one.id == name)

    def _finish(self, name: str) -> None:
        on_air = "" if self.listener.on_air == name else self.listener.on_air
        self.listener = replace(self.listener, on_air=on_air, done=self.listener.done | {name})


listeners = st.sampled_from(
    [HERE, replace(HERE, rule=OrderRule.LEVEL_FIRST), replace(HERE, quiet=QuietHours(8 * 60 + 5, 8 * 60 + 9))]
)


@settings(deadline=None, max_examples=400)
@given(orders(), listeners)
def test_the_turns_are_what_a_loudspeaker_hears_that_looks_every_minute(
    given_: list[Order], listener: Listener
) -> None:
    speaker = EveryMinute(given_, replace(listener, begun=frozenset()))
    for turn in play_through(given_, listener):
        name = "" if turn.on_air is None else given_[turn.on_air].id
        first = -(-turn.from_ms // MINUTE_MS)  # the millisecond behind a latest start is no minute of its own
        for minute in range(first, -(-turn.until_ms // MINUTE_MS)):
            assert speaker.minute(minute * MINUTE_MS) == name


@settings(deadline=None, max_examples=200)
@given(orders(), listeners)
def test_the_turns_follow_each_other_from_the_first_beginning_to_the_last_end(
    given_: list[Order], listener: Listener
) -> None:
    turns = play_through(given_, listener)
    assert turns[0].from_ms == min(one.not_before_ms for one in given_)
    assert turns[-1].until_ms == max(one.not_after_ms for one in given_)
    assert all(one.until_ms == following.from_ms for one, following in pairwise(turns))
    assert all(one.from_ms < one.until_ms for one in turns)


@settings(deadline=None, max_examples=200)
@given(orders(), listeners)
def test_in_every_contest_choose_itself_prefers_the_winner_when_it_has_the_air(
    given_: list[Order], listener: Listener
) -> None:
    for one in contests(given_, play_through(given_, listener), listener.rule):
        winner, loser = given_[one.winner], given_[one.loser]
        for at_ms in (one.from_ms, (one.from_ms + one.until_ms) // 2, one.until_ms - 1):
            assert choose([winner, loser], at_ms, replace(listener, on_air=winner.id)) == winner


@settings(deadline=None, max_examples=200)
@given(orders(), listeners)
def test_a_contest_lies_inside_the_windows_of_both_and_its_effect_is_what_is_heard(
    given_: list[Order], listener: Listener
) -> None:
    turns = play_through(given_, listener)

    def heard(contest: Contest) -> list[int]:
        return [turn.from_ms for turn in turns if turn.on_air == contest.loser]

    for one in contests(given_, turns, listener.rule):
        for side in (given_[one.winner], given_[one.loser]):
            assert side.not_before_ms <= one.from_ms < one.until_ms <= side.not_after_ms
        before, after = [at for at in heard(one) if at < one.from_ms], [at for at in heard(one) if at > one.from_ms]
        expected = {
            (False, False): Effect.LOST,
            (False, True): Effect.DELAYED,
            (True, True): Effect.INTERRUPTED,
            (True, False): Effect.CUT_SHORT,
        }
        assert one.effect is expected[bool(before), bool(after)]
