"""Alarms: few enough to be answered, none raised twice, none silent before somebody answers."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.alarms import (
    FLOOD,
    WINDOW_MS,
    Alarm,
    AlreadyAcknowledged,
    Cause,
    Rank,
    Scope,
    Signal,
    acknowledge,
    escalate,
    step,
)

COUNTY = "130281000000"
CAUSES = {
    "speaker-offline": Cause(Rank.HIGH, apart=2),
    "broker-down": Cause(Rank.URGENT),
    "broadcast-failures": Cause(Rank.HIGH),
    "break-glass": Cause(Rank.URGENT, lasts=False),
    "sounds-expire": Cause(Rank.LOW),
}


def speaker(township: int, village: int, kind: str = "speaker-offline") -> Signal:
    area = f"130281{100 + township:03}{village:03}"
    return Signal(kind, f"s-{area}-1", area, f"村{village}")


@dataclass
class Room:
    """A control room that looks every few seconds."""

    now_ms: int = 1_790_000_000_000
    alarms: dict[str, Alarm] = field(default_factory=dict)
    signals: dict[tuple[str, str], Signal] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    ids: Iterable[int] = field(default_factory=count)

    def look(self, *, later_s: float = 2) -> list[Alarm]:
        self.now_ms += int(later_s * 1000)
        changed = step(
            [one for one in self.alarms.values() if one.is_open or self.now_ms - one.raised_ms < WINDOW_MS],
            self.signals.values(),
            CAUSES,
            now_ms=self.now_ms,
            new_id=lambda: f"A{next(iter(self.ids)):04}",
            is_unsure=lambda _, key: key in self.unsure,
        )
        self.alarms |= {one.id: one for one in changed}
        return changed

    def ill(self, *signals: Signal) -> None:
        self.signals |= {(one.kind, one.key): one for one in signals}

    def well(self, *signals: Signal) -> None:
        for one in signals:
            del self.signals[one.kind, one.key]

    def answer(self, alarm: Alarm) -> None:
        self.alarms[alarm.id] = acknowledge(self.alarms[alarm.id], by="王芳", reason="维修", now_ms=self.now_ms)

    @property
    def sounding(self) -> list[Alarm]:
        return [one for one in self.alarms.values() if one.sounds]


def test_one_thing_that_is_wrong_is_one_alarm_however_often_it_is_looked_at() -> None:
    room = Room()
    room.ill(speaker(1, 1))
    (alarm,) = room.look()
    assert (alarm.kind, alarm.scope, alarm.rank, alarm.area) == (
        "speaker-offline",
        Scope.ONE,
        Rank.HIGH,
        speaker(1, 1).area,
    )
    assert [room.look() for _ in range(5)] == [[]] * 5


def test_after_a_restart_nothing_is_raised_anew() -> None:
    room = Room()
    room.ill(speaker(1, 1), speaker(1, 2), Signal("broker-down", "broker-down", COUNTY))
    room.look()
    again = Room(now_ms=room.now_ms, alarms=dict(room.alarms), signals=dict(room.signals))
    assert again.look() == []


def test_it_sounds_until_somebody_answers_also_when_it_is_well_again() -> None:
    room = Room()
    room.ill(speaker(1, 1))
    (alarm,) = room.look()
    room.well(speaker(1, 1))
    (cleared,) = room.look()
    assert cleared.sounds and cleared.is_open and cleared.cleared_ms == room.now_ms
    room.answer(alarm)
    assert not room.alarms[alarm.id].sounds and room.alarms[alarm.id].closed_ms == room.now_ms


def test_what_was_answered_and_goes_on_is_silent_and_open_and_new_when_it_comes_back() -> None:
    room = Room()
    room.ill(speaker(1, 1))
    (alarm,) = room.look()
    room.answer(alarm)
    assert room.look() == [] and room.alarms[alarm.id].is_open
    room.well(speaker(1, 1))
    room.look()
    assert not room.alarms[alarm.id].is_open
    room.ill(speaker(1, 1))
    assert [one.id for one in room.look(later_s=700)] != [alarm.id] and len(room.sounding) == 1


def test_who_is_unknown_for_a_while_neither_ends_nor_begins_an_alarm() -> None:
    room = Room()
    room.ill(speaker(1, 1))
    (alarm,) = room.look()
    room.well(speaker(1, 1))
    room.unsure = {speaker(1, 1).key}
    assert room.look() == []
    room.unsure = set()
    room.ill(speaker(1, 1))
    assert room.look() == [] and room.alarms[alarm.id].cleared_ms is None


def test_it_is_answered_once_by_name() -> None:
    room = Room()
    room.ill(speaker(1, 1))
    (alarm,) = room.look()
    room.answer(alarm)
    with pytest.raises(AlreadyAcknowledged) as err:
        room.answer(alarm)
    assert err.value.officer == "王芳"


# ---- gathering ----------------------------------------------------------------------------------------------------------------


def county() -> list[Signal]:
    return [speaker(1 + n % 27, 1 + n // 27) for n in range(690)]


def test_690_speakers_at_once_are_one_alarm() -> None:
    room = Room()
    room.ill(*county())
    (alarm,) = room.look()
    assert (alarm.scope, alarm.area, len(alarm.members), len(alarm.townships)) == (Scope.ALL, COUNTY, 690, 27)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_690_speakers_in_any_order_within_ten_minutes_are_three_alarms_at_most_and_one_sounds(
    waves: list[int], random: object
) -> None:
    room, left = Room(), county()
    random.shuffle(left)  # type: ignore[attr-defined]
    for size in [*waves, 690]:
        room.ill(*left[:size])
        left = left[size:]
        room.look(later_s=20)
    assert len(room.alarms) <= 3
    everybody = {member.key for one in room.sounding for member in one.members}
    assert len(everybody) == 690
    assert len(room.sounding) == 1 or not any(one.scope is Scope.ALL for one in room.sounding)


def test_a_whole_township_is_one_alarm_and_grows() -> None:
    room = Room()
    room.ill(*(speaker(3, village) for village in range(1, 20)))
    (alarm,) = room.look()
    assert (alarm.scope, alarm.area, alarm.ill) == (Scope.TOWNSHIP, "130281103000", 19)
    room.ill(speaker(3, 30))
    (grown,) = room.look()
    assert (grown.id, grown.ill) == (alarm.id, 20)
    room.well(speaker(3, 30), speaker(3, 1))
    assert room.look()[0].ill == 18


def test_two_townships_are_two_alarms_and_a_third_makes_them_one() -> None:
    room = Room()
    room.ill(speaker(1, 1))
    room.look()
    room.ill(speaker(2, 1))
    room.look()
    assert len(room.sounding) == 2
    room.ill(speaker(3, 1))
    room.look()
    (one,) = room.sounding
    assert (one.scope, {member.area for member in one.members}) == (Scope.ALL, {speaker(n, 1).area for n in (1, 2, 3)})
    assert all(gone.into == one.id and not gone.is_open for gone in room.alarms.values() if gone is not one)


def test_who_fails_after_an_alarm_was_answered_is_a_new_one() -> None:
    room = Room()
    room.ill(speaker(1, 1))
    (first,) = room.look()
    room.answer(first)
    room.ill(speaker(1, 2))
    (second,) = room.look()
    assert second.id != first.id and second.sounds and [one.key for one in second.members] == [speaker(1, 2).key]


def test_causes_are_not_mixed() -> None:
    room = Room()
    room.ill(*county(), *(replace(one, kind="broadcast-failures") for one in county()))
    assert sorted(one.kind for one in room.look()) == ["broadcast-failures", "speaker-offline"]


@settings(deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=60))
def test_more_than_ten_alarms_of_any_cause_within_ten_minutes_are_gathered(waves: list[int]) -> None:
    room, number = Room(), count()
    for wave in waves:
        room.ill(*(Signal("broadcast-failures", f"B{next(number)}", COUNTY) for _ in range(wave)))
        room.ill(*(Signal("sounds-expire", f"S{next(number)}", COUNTY) for _ in range(wave)))
        room.look(later_s=5)
    assert len(room.alarms) <= FLOOD + 2  # one of each cause may be the first


def test_a_flood_of_small_things_does_not_hide_an_urgent_one() -> None:
    room = Room()
    room.ill(*(Signal("sounds-expire", f"S{n}", COUNTY) for n in range(50)))
    room.look()
    room.ill(
        Signal("broker-down", "broker-down", COUNTY),
        Signal("break-glass", "B1", COUNTY),
        Signal("break-glass", "B2", COUNTY),
    )
    assert sorted((one.kind, one.scope) for one in room.look()) == [
        ("break-glass", Scope.ONE),
        ("break-glass", Scope.ONE),
        ("broker-down", Scope.ONE),
    ]


# ---- rising ---------------------------------------------------------------------------------------------------------------------


def test_unanswered_it_rises_a_rank_at_a_time_to_the_highest() -> None:
    room = Room()
    room.ill(Signal("sounds-expire", "S1", COUNTY))
    (alarm,) = room.look()
    begun, ranks = alarm.raised_ms, []
    for minutes in (4, 5, 9, 10, 60):
        for risen in escalate([alarm], after_ms=300_000, now_ms=begun + minutes * 60_000):
            alarm = risen
        ranks.append(alarm.rank)
    assert ranks == [Rank.LOW, Rank.HIGH, Rank.HIGH, Rank.URGENT, Rank.URGENT]


def test_answered_it_does_not_rise() -> None:
    room = Room()
    room.ill(Signal("sounds-expire", "S1", COUNTY))
    (alarm,) = room.look()
    room.answer(alarm)
    assert escalate(room.alarms.values(), after_ms=1, now_ms=room.now_ms + 10**9) == []


def test_an_event_is_over_when_it_is_told_and_still_sounds() -> None:
    room = Room()
    room.ill(Signal("break-glass", "B1", COUNTY, facts={"officer": "王芳"}))
    (alarm,) = room.look()
    assert alarm.sounds and alarm.cleared_ms == room.now_ms and alarm.facts == {"officer": "王芳"}
    room.answer(alarm)
    assert not room.alarms[alarm.id].is_open
