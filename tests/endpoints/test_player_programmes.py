"""The programmes of a speaker, one sentence each: 48 hours ahead, in step, once, and never skipped without a reason."""

from dataclasses import replace
from itertools import pairwise

import pytest

from endpoints.air import IN_STEP_MS, IN_TIME_MS, PREROLL_MS
from endpoints.arbitration import QuietHours
from endpoints.effects import OnHand, Play, Volume, Wanted
from endpoints.protocol import (
    Band,
    Fault,
    Held,
    Level,
    Order,
    Part,
    Reason,
    Resume,
    Stage,
    Tone,
    encode_board,
)
from endpoints.sealing import Message, seal
from endpoints.shelf import UPCOMING_MS
from endpoints.stocktaking import ANYWAY_S, JITTER_S, NOT_BEFORE_S
from tests.endpoints.rig import (
    BEGIN,
    COUNTY,
    OTHER_TOWN,
    SERVER,
    T0,
    TOWN,
    VILLAGE,
    Authority,
    Rig,
    live,
    ms,
    notice,
    order,
    routine,
    slot,
)

RECEIVED, SCHEDULED, SOUNDING = Stage.RECEIVED, Stage.SCHEDULED, Stage.SOUNDING
INTERRUPTED, FINISHED, STOPPED = Stage.INTERRUPTED, Stage.FINISHED, Stage.STOPPED
MISSED, REFUSED = Stage.MISSED, Stage.REFUSED
NONE = Reason.NONE
HOUR, DAY = 3_600, 86_400
FALLBACK = Part(b"f" * 32, 500, 60_000)
TOWN_KEY = Authority("town", TOWN)


def heard(rig: Rig) -> list[tuple[str, int]]:
    return [(play.order.id, play.from_ms) for play in rig.played]


def planned(*orders: Order, **other: object) -> Rig:
    """It knows the time and holds these as the county's programme."""
    return Rig(**other).told().programme(SERVER.programme(1, *orders))  # type: ignore[arg-type]


# ---- staged, not reported ------------------------------------------------------------------------------------------------------


def test_an_occurrence_is_reported_from_a_minute_before_its_time_and_sounds_on_it() -> None:
    rig = planned(slot("P-1", 3_600))
    rig.after(3_600 - UPCOMING_MS / 1000 - 0.1)
    assert (rig.stages("P-1"), rig.disk.progress, rig.player.orders) == ([], {}, ())
    rig.after(3_600 - UPCOMING_MS / 1000 + 0.1)
    assert rig.stages("P-1") == [(RECEIVED, NONE), (SCHEDULED, NONE)]
    rig.after(3_600 - 0.001)
    assert rig.sounds == ""
    rig.after(3_600)
    assert rig.sounds == "P-1"
    rig.after(3_600 + 30)
    assert rig.last("P-1") == (FINISHED, NONE)


def test_the_sound_card_gets_it_a_moment_before_its_time_and_told_when() -> None:
    rig = planned(slot("P-1", 100)).after(100 - PREROLL_MS / 1000)
    assert rig.played == [Play(slot("P-1", 100), 0, 70, ms(100))]
    assert (rig.waits, rig.player.on_air) == ("P-1", "P-1")
    assert rig.hellos[-1].on_air == ""
    rig.programme(SERVER.programme(2))
    assert (rig.waits, rig.last("P-1")) == ("", (STOPPED, Reason.CANCELLED))


def test_an_emergency_in_that_moment_has_the_air_and_the_programme_comes_after_it_in_step() -> None:
    rig = planned(slot("P-1", 100)).after(99.8).board(SERVER.board(1, order(issued_at_ms=ms(99), not_after_ms=ms(300))))
    assert rig.sounds == "o-1"
    rig.after(200)
    late_ms = 3_800 + IN_STEP_MS  # the attention signal takes 4 s
    assert heard(rig) == [("P-1", 0), ("o-1", 0), ("P-1", late_ms)]
    assert rig.played[-1].at_ms == ms(100) + late_ms


@pytest.mark.parametrize(("make", "at_ms"), [(notice, T0 + IN_STEP_MS), (order, T0), (live, None)])
def test_what_is_heard_of_at_its_time_begins_everywhere_at_the_same_moment_and_an_emergency_in_the_middle_of_its_tone(
    make: object, at_ms: int | None
) -> None:
    rig = Rig().told().board(SERVER.board(1, make("x-1")))  # type: ignore[operator]
    assert rig.played[-1].at_ms == at_ms
    late = Rig().after(IN_STEP_MS / 1000 + 0.01).told().board(SERVER.board(1, make("x-1")))  # type: ignore[operator]
    assert late.played[-1].at_ms == (T0 if make is order else None)


def test_a_notice_with_a_chime_begins_in_the_middle_of_it_and_one_that_is_later_than_that_by_itself() -> None:
    frame = SERVER.board(1, notice("n-1", tone=Tone.CHIME))
    assert Rig().told().board(frame).played[-1].at_ms == T0
    assert Rig().after(IN_TIME_MS / 1000).told().board(frame).played[-1].at_ms == T0
    assert Rig().after(IN_TIME_MS / 1000 + 0.01).told().board(frame).played[-1].at_ms is None


def test_one_whose_whole_window_passed_while_it_was_off_is_missed_once() -> None:
    rig = planned(slot("P-1", 100, lasting_s=60), slot("P-2", 9_000))
    rig.now += 1_000
    rig.power().told()
    assert rig.stages("P-1") == [(MISSED, Reason.WAS_OFF)]
    rig.programme(SERVER.programme(2, slot("P-1", 100, lasting_s=60), slot("P-2", 9_000))).power().told()
    rig.after(8_000).told().power().told()
    assert heard(rig) == []
    assert len({entry.n for boot, entry in rig.reports if entry.order == "P-1" and boot == 2}) == 1
    assert rig.disk.progress["P-1"].stage is MISSED


def test_a_speaker_without_a_network_goes_on_for_48_hours_and_no_longer() -> None:
    slots = [slot(f"P-{hour}", hour * HOUR) for hour in range(1, 50)]
    rig = Rig(quiet=QuietHours(0, 0)).told().programme(SERVER.programme(1, *slots)).disconnects()
    rig.after(60 * HOUR)
    assert heard(rig) == [(f"P-{hour}", 0) for hour in range(1, 48)]
    rig.connects().told()
    told = {entry.order: entry.stage for _, entry in rig.reports}
    assert [told[f"P-{hour}"] for hour in range(1, 48)] == [FINISHED] * 47
    assert "P-48" not in told


def test_nothing_of_a_kept_programme_sounds_before_the_time_is_known() -> None:
    rig = planned(slot("P-1", 100, asset_ms=300_000)).after(99)
    rig.online = False
    rig.power().after(200)
    assert heard(rig) == []
    rig.connects().told()
    assert heard(rig) == [("P-1", 100_000 + IN_STEP_MS)]


# ---- the rules of boards hold for programmes -----------------------------------------------------------------------------------


def test_absence_in_a_higher_version_is_the_cancel_within_each_family_of_boards() -> None:
    both = slot("P-1", 0, asset_ms=600_000)
    rig = planned(both).board(SERVER.board(1, notice(not_before_ms=ms(300)))).board(SERVER.board(2))
    assert (rig.sounds, rig.last("n-1")) == ("P-1", (STOPPED, Reason.CANCELLED))
    rig.board(SERVER.board(3, order("o-9", not_before_ms=ms(500), not_after_ms=ms(600))))
    rig.programme(SERVER.programme(2))
    assert (rig.sounds, rig.last("P-1")) == ("", (STOPPED, Reason.CANCELLED))
    assert rig.last("o-9") == (SCHEDULED, NONE)


def test_an_order_on_a_board_and_a_programme_is_one_order() -> None:
    both = slot("P-1", 0, asset_ms=60_000)
    rig = planned(both).board(SERVER.board(1, both)).programme(SERVER.programme(2))
    assert (rig.sounds, heard(rig)) == ("P-1", [("P-1", 0)])
    rig.board(SERVER.board(2))
    assert rig.last("P-1") == (STOPPED, Reason.CANCELLED)


def test_a_lower_version_and_a_replaced_server_are_refused() -> None:
    rig = Rig().told().programme(SERVER.programme(2), SERVER.programme(1, slot("P-1", 0)))
    assert rig.player.refusals.old == 1
    rig.board(SERVER.board(1, epoch=2)).programme(SERVER.programme(9, slot("P-1", 0)))
    assert (heard(rig), rig.player.refusals.old) == ([], 2)
    rig.programme(SERVER.programme(1, slot("P-1", 0), epoch=2))
    assert rig.sounds == "P-1"


def test_versions_of_boards_and_programmes_are_counted_apart() -> None:
    rig = Rig().told().board(SERVER.board(9)).programme(SERVER.programme(1, slot("P-1", 0)))
    assert rig.sounds == "P-1"
    rig.programme(SERVER.programme(7)).board(SERVER.board(10, order()))
    assert rig.sounds == "o-1"


def test_a_programme_is_no_board_and_a_board_no_programme() -> None:
    rig = Rig().told().board(SERVER.board(1))
    rig.programme(SERVER.board(2, order())).board(SERVER.programme(1, slot("P-1", 0)))
    assert (heard(rig), rig.player.refusals.not_authentic) == ([], 2)
    payload = encode_board(rig.player.boards[COUNTY])
    disguised = seal(payload, Message.PROGRAMME, exercise=False, signer=SERVER.signer)
    rig.programme(disguised)
    assert rig.player.refusals.unreadable == 1


def test_programmes_of_others_and_by_keys_that_do_not_reach_are_foreign() -> None:
    rig = Rig(keys=(SERVER.key, TOWN_KEY.key)).told()
    rig.programme(SERVER.programme(1, slot("P-1", 0), scope=OTHER_TOWN), TOWN_KEY.programme(1, slot("P-2", 0)))
    assert (heard(rig), rig.player.refusals.foreign) == ([], 2)
    rig.programme(TOWN_KEY.programme(1, slot("P-3", 0), slot("P-4", 0, areas=(TOWN,)), scope=TOWN))
    assert rig.sounds == "P-4"
    assert rig.last("P-3") == (REFUSED, Reason.OUT_OF_SCOPE)
    rig.programme(SERVER.programme(1, scope=TOWN), TOWN_KEY.programme(9, slot("P-5", 0, areas=(TOWN,)), scope=TOWN))
    assert (rig.sounds, rig.player.refusals.foreign) == ("", 3)


def test_a_programme_that_is_kept_with_a_key_that_has_run_out_says_nothing() -> None:
    old = Authority("old", not_after_ms=ms(50))
    rig = Rig(keys=(SERVER.key, old.key)).told()
    rig.programme(old.programme(1, slot("P-1", 100), fallback=FALLBACK, volume_by_hour=(10,) * 24))
    assert rig.player.wanted != ()
    rig.now += 60
    rig.power().told().after(200)
    assert (heard(rig), rig.player.wanted) == ([], ())
    rig.board(SERVER.board(1, routine()))
    assert (rig.played[-1].volume_percent, rig.played[-1].fallback) == (70, None)


def test_programmes_outlive_a_power_cut_and_what_sounded_does_not_sound_again() -> None:
    rig = planned(slot("P-1", 0), slot("P-2", 600)).after(40).power().told()
    assert rig.player.programmes[COUNTY].version == 1
    rig.after(700)
    assert heard(rig) == [("P-1", 0), ("P-2", 0)]


def test_a_slot_sounds_once_whichever_of_two_servers_plans_it_and_however_the_clock_steps() -> None:
    both = slot("P-1", 0)
    rig = planned(both).after(31)
    rig.programme(SERVER.programme(5, replace(both, revision=2), epoch=2)).power().told(epoch=2)
    rig.programme(SERVER.programme(6, replace(both, revision=3), epoch=2))
    rig.connects().told(ms(-3_600), epoch=2).after(90).connects().told(ms(60), epoch=2)
    assert heard(rig) == [("P-1", 0)]
    assert rig.last("P-1") == (FINISHED, NONE)


@pytest.mark.parametrize("resume", list(Resume))
@pytest.mark.parametrize("back_s", [5, 30, 60])
def test_a_clock_set_back_while_a_slot_sounds_neither_stops_nor_repeats_it(resume: Resume, back_s: int) -> None:
    rig = planned(slot("P-1", 100, resume=resume, asset_ms=300_000, lasting_s=600)).after(110)
    rig.connects().told(ms(110 - back_s), epoch=2).after(115)
    assert rig.sounds == "P-1"
    rig.after(500)
    assert heard(rig) == [("P-1", 0)]
    assert rig.stages("P-1")[-1] == (FINISHED, NONE)
    assert INTERRUPTED not in {stage for stage, _ in rig.stages("P-1")}


def test_an_emergency_that_ends_before_the_slots_time_takes_the_air_though_the_clock_was_set_back() -> None:
    rig = planned(slot("P-1", 1_000, asset_ms=900_000, lasting_s=1_500)).after(1_010).connects().told(ms(410), epoch=2)
    times = {"issued_at_ms": ms(410), "not_before_ms": ms(410), "not_after_ms": ms(710)}
    rig.board(SERVER.board(1, order("E", **times), epoch=2)).after(1_011)
    assert rig.sounds == "E"
    assert rig.last("P-1") == (INTERRUPTED, NONE)


def test_an_emergency_for_later_stays_for_later_though_the_clock_was_set_back() -> None:
    rig = planned(slot("P-1", 100, asset_ms=300_000, lasting_s=600)).after(110).connects().told(ms(80), epoch=2)
    times = {"issued_at_ms": ms(80), "not_before_ms": ms(84), "not_after_ms": ms(600)}
    rig.board(SERVER.board(1, order("E", **times), epoch=2)).after(113)
    assert rig.sounds == "P-1"
    rig.after(115)
    assert rig.sounds == "E"


def test_who_works_at_the_horn_is_spared_though_the_clock_was_set_back() -> None:
    rig = planned(slot("P-1", 100, asset_ms=300_000, lasting_s=600)).after(110).connects().told(ms(80), epoch=2)
    rig.settings(SERVER.setup(1, epoch=2, muted_until_ms=ms(95))).after(112)
    assert (rig.sounds, rig.last("P-1")) == ("", (INTERRUPTED, Reason.MUTED))


def test_after_the_power_and_a_clock_set_back_a_programme_begins_at_its_first_sample_and_not_before_it() -> None:
    rig = planned(slot("P-1", 100, resume=Resume.REJOIN, asset_ms=300_000, lasting_s=600)).after(103)
    rig.power().connects().told(ms(60), epoch=2).after(260)
    assert all(play.from_ms >= 0 for play in rig.played), heard(rig)


def test_an_occurrence_that_entered_stays_when_the_clock_steps_back() -> None:
    rig = planned(slot("P-1", 100)).after(70)
    assert rig.last("P-1") == (SCHEDULED, NONE)
    rig.connects().told(ms(0))
    assert rig.last("P-1") == (SCHEDULED, NONE)
    rig.after(171)
    assert heard(rig) == [("P-1", 0)]


# ---- when it begins, where it goes on ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("late_s", "from_ms"),
    [(0.05, 0), (IN_TIME_MS / 1000, 0), (2.5, 2_500 + IN_STEP_MS), (200, 200_000 + IN_STEP_MS)],
)
def test_a_programme_that_rejoins_begins_where_its_neighbours_are_and_in_the_first_two_seconds_at_the_beginning(
    late_s: float, from_ms: int
) -> None:
    rig = Rig().after(late_s).told().programme(SERVER.programme(1, slot("P-1", 0, asset_ms=500_000)))
    assert heard(rig) == [("P-1", from_ms)]


def test_one_that_does_not_rejoin_begins_late_at_the_beginning() -> None:
    rig = Rig().after(200).told().programme(SERVER.programme(1, slot("P-1", 0, resume=Resume.RESTART)))
    assert heard(rig) == [("P-1", 0)]


def test_after_an_interrupt_it_goes_on_by_its_own_time_and_not_by_when_it_began_here() -> None:
    long = slot("P-1", 0, asset_ms=500_000)
    rig = Rig().after(1.5).told().programme(SERVER.programme(1, long))
    rig.after(20).board(SERVER.board(1, order(not_after_ms=ms(600)))).after(100)
    assert heard(rig) == [("P-1", 0), ("o-1", 0), ("P-1", 24_000 + IN_STEP_MS)]
    assert rig.played[-1].at_ms == ms(24) + IN_STEP_MS


def test_one_that_would_rejoin_after_the_end_of_its_sound_is_too_late() -> None:
    rig = Rig().after(60).told().programme(SERVER.programme(1, slot("P-1", 0)))
    assert (heard(rig), rig.last("P-1")) == ([], (MISSED, Reason.TOO_LATE))


def test_a_hard_time_takes_the_air_from_an_equal_programme_and_what_has_none_waits() -> None:
    music = slot("P-1", 0, asset_ms=590_000, resume=Resume.CONTINUE)
    rig = planned(music, slot("P-2", 100, hard_at_ms=ms(100)), slot("P-3", 110, resume=Resume.RESTART))
    rig.after(700)
    assert heard(rig) == [("P-1", 0), ("P-2", 0), ("P-1", 100_000)]
    assert rig.last("P-3") == (MISSED, Reason.BUSY)
    soft = planned(slot("P-1", 0, asset_ms=200_000), slot("P-2", 100, resume=Resume.RESTART)).after(400)
    assert [name for name, _ in heard(soft)] == ["P-1", "P-2"]
    assert [entry.at_ms for _, entry in soft.reports if entry.order == "P-2" and entry.stage is SOUNDING] == [ms(200)]


def test_a_hard_time_with_a_grace_waits_that_long() -> None:
    music = slot("P-1", 0, asset_ms=590_000)
    rig = planned(music, slot("P-2", 100, hard_at_ms=ms(130), resume=Resume.RESTART)).after(129.9)
    assert rig.sounds == "P-1"
    rig.after(130.1)
    assert rig.sounds == "P-2"


def test_a_programme_of_the_village_has_the_air_before_the_countys() -> None:
    local = slot("P-2", 100, band=Band.LOCAL_ROUTINE, level=Level.VILLAGE, areas=(VILLAGE,))
    rig = planned(slot("P-1", 90, asset_ms=60_000)).programme(SERVER.programme(1, local, scope=VILLAGE)).after(200)
    assert heard(rig) == [("P-1", 0), ("P-2", 0), ("P-1", 40_000 + IN_STEP_MS)]


# ---- missed, and why -----------------------------------------------------------------------------------------------------------


def test_one_that_waited_for_something_higher_until_its_latest_start_is_missed_because_of_that() -> None:
    speech = live(not_after_ms=ms(1_000))
    rig = planned(slot("P-1", 100)).board(SERVER.board(1, speech))
    rig.after(400)
    assert rig.last("P-1") == (SCHEDULED, NONE)
    rig.after(400.01)
    assert rig.last("P-1") == (MISSED, Reason.BUSY)
    rig.board(SERVER.board(2)).after(500)
    assert heard(rig) == [("l-1", 0)]


def test_one_in_quiet_hours_is_missed_because_of_them() -> None:
    night = QuietHours(16 * 60 + 1, 17 * 60)  # from a minute after T0
    rig = planned(slot("P-1", 100), quiet=night).after(1_000)
    assert rig.stages("P-1") == [(RECEIVED, NONE), (SCHEDULED, Reason.QUIET_HOURS), (MISSED, Reason.QUIET_HOURS)]


def test_one_whose_file_does_not_come_is_missed_because_of_that() -> None:
    rig = planned(slot("P-1", 100), sound_card=False).after(400.01)
    assert rig.last("P-1") == (MISSED, Reason.ASSET_MISSING)
    assert (rig.player.on_air, rig.sounds) == ("", "")


def test_a_relay_whose_source_never_came_is_missed_because_of_that() -> None:
    relay = slot("P-1", 100, asset=b"", asset_bytes=0, asset_ms=0, stream=7)
    rig = planned(relay, sound_card=False).after(400.01)
    assert rig.last("P-1") == (MISSED, Reason.STREAM_LOST)


def test_one_that_is_heard_of_after_its_latest_start_is_too_late_and_after_being_off_was_off() -> None:
    rig = Rig().told().after(350).programme(SERVER.programme(1, slot("P-1", 0)))
    assert rig.stages("P-1") == [(RECEIVED, NONE), (MISSED, Reason.TOO_LATE)]
    rig = planned(slot("P-1", 100)).after(50)
    rig.now += 400
    assert rig.power().told().last("P-1") == (MISSED, Reason.WAS_OFF)
    assert heard(rig) == []


def test_one_that_has_begun_in_time_comes_back_after_its_latest_start() -> None:
    rig = planned(slot("P-1", 100, asset_ms=590_000)).after(399)
    rig.board(SERVER.board(1, order(issued_at_ms=ms(398), not_after_ms=ms(600)))).after(410)
    assert rig.sounds == "P-1"
    assert heard(rig)[-1] == ("P-1", 303_000 + IN_STEP_MS)


# ---- what the place asks of routine --------------------------------------------------------------------------------------------


def test_the_minutes_of_a_day_are_counted_and_what_would_begin_beyond_them_is_refused() -> None:
    slots = [slot(f"P-{n}", n * 100, asset_ms=59_000) for n in range(4)]
    rig = Rig().told().programme(SERVER.programme(1, *slots, slot("P-9", DAY), budget_min=2)).after(500)
    assert heard(rig) == [("P-0", 0), ("P-1", 0), ("P-2", 0)]  # 118 s of 120 are no reason to refuse the third
    assert rig.last("P-2") == (FINISHED, NONE)
    assert rig.stages("P-3")[-1] == (REFUSED, Reason.BUDGET)
    rig.after(DAY + 60)
    assert rig.last("P-9") == (FINISHED, NONE)


def test_the_minutes_are_counted_over_restarts_and_what_was_not_heard_is_given_back() -> None:
    slots = [slot("P-1", 0, asset_ms=90_000, resume=Resume.DROP), slot("P-2", 100, asset_ms=50_000), slot("P-3", 200)]
    rig = Rig().told().programme(SERVER.programme(1, *slots, budget_min=1)).after(20)
    rig.board(SERVER.board(1, order(not_after_ms=ms(300)))).after(90).power().told()
    assert rig.disk.spent.ms == 20_000
    rig.after(110).power().told().after(190)
    assert rig.disk.spent.ms == 70_000  # what the power cut off counts whole
    rig.power().told().after(300)
    assert rig.last("P-3") == (REFUSED, Reason.BUDGET)


def test_what_has_begun_goes_on_to_its_end_though_the_minutes_are_used_up() -> None:
    long = slot("P-1", 0, asset_ms=120_000)
    rig = Rig().told().programme(SERVER.programme(1, long, budget_min=1)).after(80)
    rig.board(SERVER.board(1, order(not_after_ms=ms(300)))).after(130)
    assert heard(rig) == [("P-1", 0), ("o-1", 0), ("P-1", 84_000 + IN_STEP_MS)]
    assert rig.last("P-1") == (FINISHED, NONE)


def test_notices_and_emergencies_cost_nothing_of_the_budget_and_are_not_refused() -> None:
    rig = Rig().told().programme(SERVER.programme(1, slot("P-1", 100, asset_ms=61_000), budget_min=1))
    rig.board(SERVER.board(1, notice())).after(90)
    assert rig.disk.spent.ms == 0
    rig.after(170).board(
        SERVER.board(2, notice("n-2", issued_at_ms=ms(165)), order(issued_at_ms=ms(165), not_after_ms=ms(300)))
    )
    rig.after(300)
    assert [name for name, _ in heard(rig)] == ["n-1", "P-1", "o-1", "n-2"]


def test_the_word_of_the_smallest_area_counts_in_each_of_the_three() -> None:
    county, village = tuple([50] * 24), tuple([20] * 24)
    rig = Rig().told()
    rig.programme(SERVER.programme(1, slot("P-1", 0), volume_by_hour=county, budget_min=1, fallback=FALLBACK))
    assert (rig.played[-1].volume_percent, rig.played[-1].fallback) == (35, FALLBACK)
    rig.programme(SERVER.programme(1, scope=VILLAGE, volume_by_hour=village))
    assert rig.volumes == [Volume("P-1", 14)]
    rig.programme(SERVER.programme(2, slot("P-1", 0)))
    assert rig.volumes[-1] == Volume("P-1", 14)


def test_the_volume_changes_with_the_hour_and_the_programme_goes_on() -> None:
    hours = tuple(range(24))  # percent; T0 is 16:00 in Beijing
    long = slot("P-1", 0, lasting_s=9_000, asset_ms=8_000_000)
    rig = Rig(volume_percent=100).told().programme(SERVER.programme(1, long, volume_by_hour=hours)).after(7_200.5)
    assert heard(rig) == [("P-1", 0)]
    assert [rig.played[0].volume_percent, *(one.percent for one in rig.volumes)] == [16, 17, 18]


def test_in_a_silent_hour_a_programme_is_refused_as_muted_and_a_notice_is_not() -> None:
    hours = (*[100] * 16, 0, *[100] * 7)
    rig = Rig().told().programme(SERVER.programme(1, slot("P-1", 0), slot("P-2", HOUR), volume_by_hour=hours))
    rig.board(SERVER.board(1, notice()))
    assert rig.last("P-1") == (REFUSED, Reason.MUTED)
    assert rig.sounds == "n-1"
    rig.after(HOUR + 1)
    assert rig.sounds == "P-2"


def test_routine_alone_has_a_fallback_and_what_sounds_in_its_place_is_said_to_the_end() -> None:
    rig = Rig(sound_card=False).told().programme(SERVER.programme(1, slot("P-1", 0), fallback=FALLBACK))
    rig._do(rig.player.started("P-1", rig.now, Reason.FALLBACK))
    rig.sounds = ""
    rig._do(rig.player.finished("P-1", rig.now))
    assert rig.stages("P-1") == [(RECEIVED, NONE), (SOUNDING, Reason.FALLBACK), (FINISHED, Reason.FALLBACK)]
    rig.board(SERVER.board(1, notice()))
    assert rig.played[-1].fallback is None


def test_a_fallback_that_begins_in_the_middle_is_said_once() -> None:
    rig = Rig(sound_card=False).told().programme(SERVER.programme(1, slot("P-1", 0)))
    for reason in (NONE, NONE, Reason.FALLBACK, Reason.FALLBACK, NONE):
        rig._do(rig.player.started("P-1", rig.now, reason))
    assert rig.stages("P-1") == [(RECEIVED, NONE), (SOUNDING, NONE), (SOUNDING, Reason.FALLBACK)]


# ---- files ---------------------------------------------------------------------------------------------------------------------


def part(letter: str) -> Part:
    return Part(letter.encode() * 32, 1_000, 30_000)


def test_files_are_wanted_each_once_those_needed_first_first_and_the_fallback_before_all_programmes() -> None:
    late, soon = slot("P-1", 9_000, asset=b"l" * 32), slot("P-2", 600, asset=b"s" * 32, more=(part("m"), part("l")))
    alert = notice(not_before_ms=ms(10_000), not_after_ms=ms(11_000), asset=b"n" * 32)
    rig = (
        Rig().told().programme(SERVER.programme(1, late, soon, slot("P-3", 0, areas=(OTHER_TOWN,)), fallback=FALLBACK))
    )
    rig.board(SERVER.board(1, alert))
    assert rig.player.wanted == (
        Wanted(part("n"), ms(10_000), urgent=True),
        Wanted(FALLBACK, ms(600)),
        Wanted(part("s"), ms(600)),
        Wanted(part("m"), ms(600)),
        Wanted(part("l"), ms(600)),
    )
    rig.after(700)
    assert rig.last("P-2") == (FINISHED, NONE)
    assert [one.part.asset[:1] for one in rig.player.wanted] == [b"n", b"f", b"l"]
    rig.programme(SERVER.programme(2, slot("P-4", 4_000, asset=b"x" * 32)))
    assert [one.part.asset[:1] for one in rig.player.wanted] == [b"n", b"x"]


def test_the_stock_is_said_soon_after_a_programme_came_and_names_what_is_lacking() -> None:
    lacking = Wanted(part("s"), ms(900), urgent=True), Wanted(part("t"), ms(600))
    rig = Rig(on_hand=OnHand(1, 500, 9_999, lacking)).told().after(60)
    known = len(rig.stocks)
    rig.programme(SERVER.programme(3, slot("P-1", 600, asset=b"s" * 32), epoch=2)).after(
        60 + max(JITTER_S, NOT_BEFORE_S)
    )
    (stock,) = rig.stocks[known:]
    assert (stock.speaker, stock.boot, stock.programmes) == ("v-001", 1, (Held(COUNTY, 2, 3),))
    assert (stock.wanted, stock.held, stock.held_bytes, stock.free_bytes) == (3, 1, 500, 9_999)
    assert (stock.complete_until_ms, stock.lacking) == (ms(600), (b"s" * 32, b"t" * 32))
    assert ms(60) <= stock.at_ms <= ms(60 + max(JITTER_S, NOT_BEFORE_S))


def test_a_stock_without_a_gap_is_complete_as_far_as_the_programmes_reach() -> None:
    rig = Rig(on_hand=OnHand(1, 500, 9_999)).told()
    rig.programme(SERVER.programme(1, slot("P-1", 600)), SERVER.programme(1, scope=TOWN, until_s=7_200)).after(60)
    assert rig.stocks[-1].complete_until_ms == ms(7_200)
    assert rig.stocks[-1].programmes == (Held(TOWN, 1, 1), Held(COUNTY, 1, 1))


def test_a_stock_that_changes_all_the_time_is_said_at_most_every_thirty_seconds_and_one_that_does_not_every_ten_minutes() -> (
    None
):
    rig = Rig().told().programme(SERVER.programme(1, slot("P-1", 9_000))).after(60)
    said = len(rig.stocks)
    for second in range(60, 360):
        rig.after(second)
        rig.on_hand = OnHand(second, 0, second)
        rig.player.stock_changed(rig.now)
    times = [stock.at_ms for stock in rig.stocks[said:]]
    assert 7 <= len(times) <= 11
    assert min(b - a for a, b in pairwise(times)) >= NOT_BEFORE_S * 1000
    rig.after(400)
    said = len(rig.stocks)
    for second in range(400, 4_000):
        rig.after(second)
        rig.on_hand = replace(rig.on_hand, free_bytes=second)
        if second % 60 == 0:
            rig.player.stock_changed(rig.now)
    times = [stock.at_ms for stock in rig.stocks[said:]]
    assert all(0.8 * ANYWAY_S < (b - a) / 1000 < 1.2 * ANYWAY_S for a, b in pairwise(times))
    assert len(times) >= 5


def test_a_stock_is_not_said_before_the_time_is_known_nor_offline() -> None:
    rig = Rig().programme(SERVER.programme(1)).after(100)
    assert rig.stocks == []
    rig.disconnects().connects().told().disconnects().after(300)
    assert rig.stocks == []
    rig.connects().after(320)
    assert len(rig.stocks) == 1


# ---- queues, and who is told ---------------------------------------------------------------------------------------------------


def test_urgent_notices_of_equal_rank_queue_at_each_speaker_and_each_sounds() -> None:
    from_county = [notice(f"n-{n}", issued_at_ms=ms(n), asset_ms=10_000) for n in range(3)]
    from_town = notice("n-t", issued_at_ms=ms(1.5), asset_ms=10_000, areas=(TOWN,))
    frames = [SERVER.board(1, *from_county, at_s=3), SERVER.board(1, from_town, scope=TOWN, at_s=3)]
    here, there = Rig().after(3).told(), Rig(id="v-002", area=OTHER_TOWN).after(3).told()
    here.board(*frames).after(60)
    there.board(frames[0]).after(60)
    assert [name for name, _ in heard(here)] == ["n-0", "n-1", "n-t", "n-2"]
    assert [name for name, _ in heard(there)] == ["n-0", "n-1", "n-2"]
    assert all(here.last(name) == (FINISHED, NONE) for name in ("n-0", "n-1", "n-t", "n-2"))


def test_alerts_of_two_townships_and_the_city_in_the_same_second_are_all_accounted_for() -> None:
    city = order("o-city", not_after_ms=ms(30))
    towns = {
        town: order(f"o-{town}", level=Level.TOWNSHIP, areas=(town,), not_after_ms=ms(30))
        for town in (TOWN, OTHER_TOWN)
    }
    for town, alert in towns.items():
        rig = Rig(id=f"v-{town[6:9]}", area=town).told()
        rig.board(SERVER.board(1, alert, scope=town), SERVER.board(1, city)).after(31)
        assert [name for name, _ in heard(rig)] == [f"o-{town}", "o-city", f"o-{town}"]
        assert rig.last("o-city") == rig.last(f"o-{town}") == (FINISHED, NONE)
        other = OTHER_TOWN if town == TOWN else TOWN
        assert rig.stages(f"o-{other}") == []
    late = (
        Rig()
        .told()
        .board(SERVER.board(1, replace(city, repeats=9), replace(towns[TOWN], not_after_ms=ms(20))))
        .after(31)
    )
    assert late.last(f"o-{TOWN}") == (MISSED, Reason.BUSY)


def test_a_full_disk_silences_no_programme() -> None:
    rig = Rig(disk_full=True).told().programme(SERVER.programme(1, slot("P-1", 0)))
    assert rig.sounds == "P-1"
    assert rig.player.faults & Fault.DISK


def test_a_closing_sounds_after_all_the_rest() -> None:
    playlist = slot("P-1", 0, asset_ms=10_000, more=(part("m"),), closing=Tone.CHIME)
    rig = planned(playlist).after(41.5)
    assert rig.sounds == "P-1"
    rig.after(41.7)
    assert rig.last("P-1") == (FINISHED, NONE)


def test_offline_it_is_woken_a_minute_before_the_next_occurrence() -> None:
    rig = planned(slot("P-1", 9_000), slot("P-2", 5_000)).disconnects()
    assert rig.player.wake_at == pytest.approx(BEGIN + 5_000 - UPCOMING_MS / 1000)


def test_an_equal_routine_order_on_a_board_waits_for_the_programme_that_began_before() -> None:
    rig = planned(slot("P-1", 0, asset_ms=300_000)).board(SERVER.board(1, routine(issued_at_ms=ms(1)))).after(400)
    assert [name for name, _ in heard(rig)] == ["P-1", "r-1"]
