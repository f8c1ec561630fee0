"""How a speaker is set from afar: which setup it goes by, what that changes at once, and what it says of itself."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints import canonical
from endpoints.fields import MAX_COUNTER, MAX_MS, BadMessage
from endpoints.kept import Kept
from endpoints.protocol import Band, Fault, Reason, Stage
from endpoints.setup import About, Setup, decode_about, decode_setup, encode_about, encode_setup
from tests.endpoints.rig import COUNTY, SERVER, T0, TOWN, Authority, Rig, live, ms, notice, order, routine
from tests.endpoints.wire_examples import ABOUT, SETUP

numbers, times, percents = st.integers(0, MAX_COUNTER), st.integers(0, MAX_MS), st.integers(0, 100)
minutes, generations = st.integers(0, 1_439), st.integers(1, 2**31)
labels = st.text(max_size=40).filter(str.isprintable)
settings_of = (percents, percents, percents, minutes, minutes, times)
setups = st.builds(Setup, st.just("v-001"), numbers, numbers, times, times, *settings_of, generations)
abouts = st.builds(
    About, st.just("v-001"), numbers, times, labels, labels, numbers, times, *settings_of, generations,
    st.integers(0, 255), st.integers(0, 2),
)  # fmt: skip


@given(setups)
def test_a_setup_is_read_as_it_was_written(setup: Setup) -> None:
    assert decode_setup(encode_setup(setup)) == setup


@given(abouts)
def test_what_a_speaker_says_of_itself_is_read_as_it_was_written(about: About) -> None:
    assert decode_about(encode_about(about)) == about


@pytest.mark.parametrize(
    ("key", "value"),
    [(1, "130281000000"), (4, "a" * 41), (4, "a\nb"), (4, b"a"), (5, "\u202e"), (5, None),
     (8, 101), (11, 1_440), (14, 0), (15, 256), (16, 3)],
)  # fmt: skip
def test_a_field_of_an_about_that_is_not_as_specified_is_refused(key: int, value: object) -> None:
    fields = canonical.decode(encode_about(ABOUT), max_bytes=1_024)
    assert isinstance(fields, dict)
    with pytest.raises(BadMessage):
        decode_about(canonical.encode({**fields, key: value}))
    with pytest.raises(BadMessage):
        decode_about(canonical.encode({**fields, 17: 0}))


def test_a_setup_counts_at_once_and_is_answered_with_what_the_speaker_goes_by() -> None:
    rig = Rig().told()
    (first,) = rig.abouts
    assert (first.version, first.check_ms, first.volume_percent, first.generation) == (0, 0, 70, 1)
    rig.board(SERVER.board(1, notice(volume_percent=0)))
    assert rig.played[-1].volume_percent == 70
    rig.settings(SERVER.setup(1, volume_percent=30, ceiling_percent=80))
    assert rig.volumes[-1].percent == 30
    assert rig.sounds == "n-1"
    said = rig.abouts[-1]
    assert (said.version, said.volume_percent, said.ceiling_percent, said.floor_percent) == (1, 30, 80, 60)


def test_a_speakers_ceiling_and_floor_bound_what_it_sounds_and_never_hush_an_emergency() -> None:
    rig = Rig().told().settings(SERVER.setup(1, volume_percent=20, ceiling_percent=40, floor_percent=90))
    rig.board(SERVER.board(1, notice(volume_percent=100)))
    assert rig.played[-1].volume_percent == 40
    rig.board(SERVER.board(2, order(volume_percent=100)))
    assert rig.played[-1].volume_percent == 60
    rig.settings(SERVER.setup(2, volume_percent=20, floor_percent=90))
    assert rig.volumes[-1].percent == 100


def test_quiet_hours_set_from_afar_silence_routine_from_now_on() -> None:
    rig = Rig().told().board(SERVER.board(1, routine()))
    assert rig.sounds == "r-1"
    hour = 16 * 60  # it is four in the afternoon
    rig.settings(SERVER.setup(1, quiet_from_min=hour, quiet_until_min=hour + 1))
    assert rig.sounds == ""
    assert rig.last("r-1") == (Stage.INTERRUPTED, Reason.QUIET_HOURS)
    rig.after(61)
    assert rig.sounds == "r-1"


def test_while_somebody_works_at_the_horn_nothing_sounds_but_danger_to_life() -> None:
    rig = Rig().told().board(SERVER.board(1, order()))
    rig.settings(SERVER.setup(1, muted_until_ms=ms(30)))
    assert rig.sounds == ""
    assert rig.last() == (Stage.INTERRUPTED, Reason.MUTED)
    rig.board(SERVER.board(2, order(), live()))
    assert rig.last("l-1") == (Stage.SCHEDULED, Reason.MUTED)
    rig.board(SERVER.board(3, order(), order("o-2", band=Band.LIFE_SAFETY)))
    assert rig.sounds == "o-2"
    rig.after(5)
    assert rig.sounds == ""
    rig.after(30.1)
    assert rig.sounds == "o-1", "the work is over"


def test_a_mute_that_is_taken_back_early_lets_through_what_still_may_sound() -> None:
    rig = Rig().told().settings(SERVER.setup(1, muted_until_ms=ms(30_000))).board(SERVER.board(1, order()))
    assert rig.last() == (Stage.SCHEDULED, Reason.MUTED)
    rig.after(10)
    rig.settings(SERVER.setup(2, at_s=10))
    assert rig.sounds == "o-1"


def test_what_ended_while_somebody_worked_at_the_horn_was_missed_for_that() -> None:
    rig = Rig().told().settings(SERVER.setup(1, muted_until_ms=ms(30_000))).board(SERVER.board(1, order()))
    rig.after(61)
    assert rig.last() == (Stage.MISSED, Reason.MUTED)


def test_a_silent_test_makes_no_sound_and_is_answered_with_the_faults_of_now() -> None:
    rig = Rig().told().settings(SERVER.setup(1))
    rig.player.fault(Fault.AMPLIFIER, present=True)
    played = len(rig.played)
    rig.settings(SERVER.setup(1, check_ms=T0))
    assert (rig.abouts[-1].check_ms, rig.abouts[-1].faults) == (T0, int(Fault.AMPLIFIER))
    assert len(rig.played) == played


def test_a_setup_is_answered_once_and_again_after_the_connection_was_lost() -> None:
    frame = SERVER.setup(1)
    rig = Rig().told().settings(frame, frame)
    assert [said.version for said in rig.abouts] == [0, 1]
    rig.disconnects()
    rig.settings(SERVER.setup(2))
    assert len(rig.abouts) == 2
    rig.connects().told()
    assert [said.version for said in rig.abouts] == [0, 1, 2]


def test_a_setup_that_comes_before_the_time_is_put_aside_until_it_is_known() -> None:
    rig = Rig().settings(SERVER.setup(2, volume_percent=30), SERVER.setup(1, volume_percent=90))
    assert rig.player.who.volume_percent == 70
    rig.told()
    assert rig.player.who.volume_percent == 30
    assert [said.version for said in rig.abouts] == [2]


def test_a_setup_survives_a_power_cut() -> None:
    rig = Rig().told().settings(SERVER.setup(1, volume_percent=30, muted_until_ms=ms(3_600)))
    rig.power()
    assert (rig.player.who.volume_percent, rig.player.who.muted_until_ms) == (30, ms(3_600))


def test_a_state_file_of_before_there_were_setups_is_read() -> None:
    kept = Kept.from_bytes(Rig().told().board(SERVER.board(1, order())).disk.to_bytes())
    fields = canonical.decode(kept.to_bytes()[8:], max_bytes=1 << 21)
    assert isinstance(fields, list)
    older = canonical.encode([3, *fields[1:-1]])
    from endpoints.kept import _sum

    assert Kept.from_bytes(_sum(older) + older) == replace(kept, setup=b"")


STRANGER = Authority("stranger")
TOWNSHIP_NOTICES = Authority("town", area=TOWN, highest_band=Band.NOTICE)
OTHER_COUNTY = Authority("other", area="130229000000")
OLD = Authority("old", not_after_ms=T0)


@pytest.mark.parametrize(
    ("frame", "counted"),
    [
        (SERVER.setup(2, speaker="v-002"), "foreign"),
        (TOWNSHIP_NOTICES.setup(2), "foreign"),
        (OTHER_COUNTY.setup(2), "foreign"),
        (OLD.setup(2), "foreign"),
        (STRANGER.setup(2), "not_authentic"),
        (SERVER.setup(2)[:-1] + b"\0", "not_authentic"),
        (SERVER.board(2, scope="v-001"), "not_authentic"),
        (SERVER.setup(1, check_ms=T0 - 1), "old"),
        (SERVER.setup(9, epoch=0), "old"),
        (b"\xa0", "unreadable"),
    ],
    ids=["another's", "weak key", "foreign key", "ended key", "unknown key", "bent", "a board", "replayed", "old server", "noise"],
)  # fmt: skip
def test_a_setup_of_somebody_else_or_of_yesterday_changes_nothing(frame: bytes, counted: str) -> None:
    keys = (SERVER.key, TOWNSHIP_NOTICES.key, OTHER_COUNTY.key, OLD.key)
    rig = Rig(keys=keys).told().settings(SERVER.setup(1, check_ms=T0, volume_percent=30))
    before = rig.player.who
    rig.settings(frame)
    assert rig.player.who == before
    assert getattr(rig.player.refusals, counted) == 1
    assert len(rig.abouts) == 2


def test_a_county_overrules_the_setup_of_a_township_and_not_the_reverse() -> None:
    town = Authority("town", area=TOWN)
    rig = Rig(keys=(SERVER.key, town.key)).told()
    rig.settings(town.setup(9, volume_percent=10))
    assert rig.player.who.volume_percent == 10
    rig.settings(SERVER.setup(1, volume_percent=80))
    assert rig.player.who.volume_percent == 80
    rig.settings(town.setup(10, volume_percent=10))
    assert rig.player.who.volume_percent == 80
    assert COUNTY != TOWN


def test_a_server_that_starts_again_and_signs_the_same_setup_is_no_news() -> None:
    rig = Rig().told().settings(SERVER.setup(1))
    rig.settings(SERVER.setup(1, at_s=1))
    assert len(rig.abouts) == 2
    assert rig.player.refusals.old == 0


def test_newer_secrets_are_wanted_when_the_setup_counts_on() -> None:
    rig = Rig().told().settings(SERVER.setup(1))
    assert not rig.player.wants_secrets
    rig.settings(SERVER.setup(2, generation=2))
    assert rig.player.wants_secrets


def test_the_examples_are_whole() -> None:
    assert decode_setup(encode_setup(SETUP)) == SETUP
    assert decode_about(encode_about(ABOUT)) == ABOUT
