"""Chair control, rule by rule."""

import pytest

from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.conference import acts, roster, sound
from broadcast.domain.conference.acting import Actor, apply, numbered
from broadcast.domain.conference.desired import audio_of, desired, view_of
from broadcast.domain.conference.errors import (
    AskedTooOften,
    Banned,
    ConferenceLocked,
    ConferenceOver,
    Howling,
    Muted,
    NotNow,
    NotYours,
)
from broadcast.domain.conference.media import AudioMode, Quality, SiteAudio, Source, Stream, View
from broadcast.domain.conference.model import FREEZE_MS, Conference, Emergency, Relay
from broadcast.domain.conference.states import LeftBy, RollResult, Status, UnmutePolicy, Wall
from broadcast.domain.conference.ticking import tick, wake_at
from tests.conference.hall import CHAIR, CITY, T0, TOWNS, A, B, C, D, come, do, hall

FORCE = acts.Policy(policy=UnmutePolicy.FORCE)


def heard(conference: Conference) -> set[str]:
    wanted = desired(conference)
    return set() if wanted is None else {one for one, audio in wanted.audio.items() if audio.mode is AudioMode.TALK}


def seen(conference: Conference, site: str) -> tuple[Source | None, ...]:
    return view_of(conference, conference.site(site)).panes


# ---- mute ---------------------------------------------------------------------------------------------------------------------


def test_mute_all_spares_the_chair_and_holds_for_who_comes_late() -> None:
    conference = come(do(hall(A, B), acts.MuteAll()), C)
    assert heard(conference) == {CHAIR}
    with pytest.raises(Muted):
        do(conference, acts.Microphone(on=True), by=C)


def test_a_flag_lets_sites_open_their_own_microphone_after_mute_all() -> None:
    conference = do(hall(A, B), acts.MuteAll(may_unmute=True))
    assert heard(do(conference, acts.Microphone(on=True), by=A)) == {CHAIR, A}


def test_by_consent_a_microphone_opens_when_the_site_agrees_and_not_before() -> None:
    conference = do(hall(A), acts.Mute(site=A), acts.Unmute(site=A))
    assert heard(conference) == {CHAIR}
    assert heard(do(conference, acts.Consent(yes=False), by=A)) == {CHAIR}
    assert heard(do(conference, acts.Consent(yes=True), by=A)) == {CHAIR, A}


def test_by_force_it_opens_at_once() -> None:
    assert heard(do(hall(A), FORCE, acts.Mute(site=A), acts.Unmute(site=A))) == {CHAIR, A}


def test_unmuting_all_by_consent_opens_nobodys_microphone_for_them() -> None:
    conference = do(hall(A, B), acts.MuteAll(), acts.UnmuteAll())
    assert heard(conference) == {CHAIR}
    assert heard(do(conference, acts.Microphone(on=True), by=B)) == {CHAIR, B}


def test_an_observer_is_never_heard_and_asks_for_nothing() -> None:
    conference = do(hall(A, B), acts.Observe(site=A, on=True), FORCE)
    with pytest.raises(NotNow):
        do(conference, acts.Unmute(site=A))
    with pytest.raises(NotYours):
        do(conference, acts.Ask(), by=A)
    assert A not in heard(conference)


# ---- the floor ----------------------------------------------------------------------------------------------------------------


def test_who_asked_first_is_first_whom_the_chair_accepts_before_and_urgent_ones_too() -> None:
    conference = hall(A, B, C, D)
    for at, site in enumerate((B, A, D)):
        conference = do(conference, acts.Ask(), by=site, now_ms=T0 + at)
    conference = do(conference, acts.AskFor(site=C, priority=4), now_ms=T0 + 9)
    assert [one.beneficiary for one in conference.queue] == [C, B, A, D]
    last = conference.queue[-1].id
    assert [one.beneficiary for one in do(conference, acts.Accept(request=last)).queue] == [D, C, B, A]
    assert do(conference, acts.LowerAll()).queue == ()


def test_a_granted_site_speaks_alone_with_the_chair_and_is_muted_again_afterwards() -> None:
    conference = do(hall(A, B), acts.MuteAll())
    conference = do(conference, acts.Ask(), by=A)
    conference = do(conference, acts.Grant(request=conference.queue[0].id))
    assert heard(conference) == {CHAIR, A} and conference.queue == ()
    assert heard(do(conference, acts.Release(), by=A)) == {CHAIR}
    assert heard(do(conference, acts.Revoke(site=A))) == {CHAIR}


def test_a_second_floor_waits_for_the_first() -> None:
    conference = hall(A, B)
    for site in (A, B):
        conference = do(conference, acts.Ask(), by=site)
    first, second = conference.queue
    conference = do(conference, acts.Grant(request=first.id))
    with pytest.raises(NotNow):
        do(conference, acts.Grant(request=second.id))


def test_the_time_of_a_speaker_runs_out() -> None:
    conference = do(hall(A), acts.FloorRules(speak_s=60), acts.MuteAll())
    conference = do(conference, acts.Ask(), by=A)
    conference = do(conference, acts.Grant(request=conference.queue[0].id))
    assert wake_at(conference) == T0 + 60_000
    assert heard(tick(conference, T0 + 59_999)) == {CHAIR, A}
    assert heard(tick(conference, T0 + 60_000)) == {CHAIR}


def test_the_speaking_list_goes_on_by_itself_and_passes_over_who_is_not_in() -> None:
    conference = do(hall(A, C), acts.MuteAll(), acts.SpeakingList(sites=(A, B, C), each_s=30), acts.NextSpeaker())
    assert heard(conference) == {CHAIR, A}
    conference = tick(conference, T0 + 30_000)
    assert heard(conference) == {CHAIR, C}
    conference = tick(conference, T0 + 60_000)
    assert heard(conference) == {CHAIR}
    with pytest.raises(NotNow):
        do(conference, acts.NextSpeaker())


def test_a_site_that_floods_the_queue_is_refused_and_changes_nothing() -> None:
    conference = hall(A)
    for _ in range(6):
        conference = do(conference, acts.Ask(), acts.Cancel(), by=A)
    with pytest.raises(AskedTooOften) as refused:
        do(conference, acts.Ask(), by=A)
    assert refused.value.retry_after_s == 60
    assert do(conference, acts.Ask(), by=A, now_ms=T0 + 60_000).queue


# ---- 点名 ---------------------------------------------------------------------------------------------------------------------


def test_who_is_called_out_is_heard_with_the_chair_and_nobody_else() -> None:
    conference = do(hall(A, B), FORCE, acts.CallOut(site=A))
    assert heard(conference) == {CHAIR, A}
    assert seen(conference, B) == (Source(A),)
    assert heard(do(conference, acts.CallOut(site=B))) == {CHAIR, B}  # at most one
    assert heard(do(conference, acts.CallOutEnd())) == {CHAIR, A, B}


def test_ending_the_broadcast_ends_the_calling_out_too() -> None:
    conference = do(hall(A, B), FORCE, acts.CallOut(site=A), acts.Broadcast(source=Source(B)), acts.BroadcastEnd())
    assert (conference.on_air, conference.exclusive) == ((), "")


def test_the_roll_is_called_one_by_one_with_five_results() -> None:
    conference = do(hall(A, B, C), acts.MuteAll(), acts.RollBegin(sites=(A, B, C, D)))
    assert seen(conference, B) == (Source(A),)
    conference = do(conference, acts.Consent(yes=True), by=A)
    assert heard(conference) == {CHAIR, A}
    conference = do(conference, acts.RollMark(result=RollResult.PRESENT))
    assert heard(conference) == {CHAIR}  # the one that answered is muted as all are
    conference = do(conference, acts.RollNext())  # skips b, which comes again
    assert conference.roll_call is not None and conference.roll_call.current == C
    conference = do(conference, acts.RollRepeat(), acts.RollMark(result=RollResult.NO_VIDEO))
    conference = do(conference, acts.RollMark(result=RollResult.LATE, site=A), acts.RollEnd())
    assert conference.roll_call is None
    assert conference.roll_calls[0].results == (
        RollResult.LATE,
        RollResult.NO_ANSWER,
        RollResult.NO_VIDEO,
        RollResult.ABSENT,
    )


# ---- pictures -----------------------------------------------------------------------------------------------------------------


def test_everybody_sees_the_broadcast_site_which_sees_the_chair() -> None:
    conference = do(hall(A, B), acts.Choose(source=Source(CHAIR)), by=B)
    conference = do(conference, acts.Broadcast(source=Source(A)))
    assert seen(conference, B) == (Source(A),)
    assert seen(conference, A) == (Source(CHAIR),)
    assert seen(come(conference, C), C) == (Source(A),)  # late


def test_only_what_has_a_picture_can_be_broadcast() -> None:
    with pytest.raises(NotNow):
        do(hall(A), acts.Broadcast(source=Source(B)))


def test_a_preview_is_seen_by_the_chair_alone() -> None:
    conference = do(hall(A, B), acts.Watch(wall=Wall.ONE, source=Source(B)), acts.Preview(source=Source(A)))
    assert seen(conference, CHAIR) == (Source(B), Source(A))
    assert seen(conference, B) == (Source(CHAIR),)


def test_patrol_goes_on_by_time_passes_over_sites_without_picture_and_asks_for_the_next_before() -> None:
    conference = do(hall(A, C), acts.Patrol(sites=(A, B, C), interval_s=10))
    assert view_of(conference, conference.site(CHAIR)) == View((Source(A),), prepare=(Source(C),))
    conference = tick(conference, T0 + 10_000)
    assert seen(conference, CHAIR) == (Source(C),)
    held = do(conference, acts.PatrolHold(on=True), now_ms=T0 + 11_000)
    assert seen(tick(held, T0 + 99_000), CHAIR) == (Source(C),)
    assert seen(do(held, acts.PatrolStep(by=-1)), CHAIR) == (Source(A),)
    for wrong in (9, 121):
        with pytest.raises(InvalidRequest):
            do(conference, acts.Patrol(sites=(A,), interval_s=wrong))


def test_a_layout_is_composed_put_on_the_air_and_its_panes_patrol() -> None:
    panes = ((Source(A), Source(B)), (Source(C),))
    conference = do(hall(A, B, C), acts.Compose(panes=panes))
    assert seen(conference, B) == (Source(CHAIR),)  # saved only
    conference = do(conference, acts.BroadcastLayout())
    assert seen(conference, CHAIR) == (Source(A), Source(C))
    assert seen(tick(conference, T0 + 10_000), CHAIR) == (Source(B), Source(C))
    with pytest.raises(InvalidRequest):
        do(conference, acts.Compose(panes=((),) * 11))


def test_the_second_stream_has_one_token_and_stands_before_the_voice_and_behind_the_broadcast() -> None:
    conference = do(hall(A, B, C), acts.AskContent(), by=A).with_site(A, content=True)
    content = Source(A, Stream.CONTENT)
    assert seen(conference, B) == (content, Source(CHAIR))
    assert seen(do(conference, acts.Broadcast(source=Source(C))), B) == (Source(C), content)
    conference = do(conference, acts.AskContent(), by=B)
    assert (conference.content, conference.content_asks) == (A, (B,))
    conference = do(conference, acts.GiveContent(site=B))
    assert (conference.content, conference.content_asks, conference.site(A).content) == (B, (), False)


def test_low_bandwidth_leaves_one_pane_and_audio_only_none() -> None:
    conference = do(hall(A, B), acts.AskContent(), by=A).with_site(A, content=True)
    low = do(conference, acts.OwnQuality(quality=Quality.LOW), by=B)
    assert len(seen(low, B)) == 1
    assert seen(do(low, acts.SetQuality(quality=Quality.AUDIO_ONLY)), B) == ()
    assert B in heard(do(low, acts.SetQuality(quality=Quality.AUDIO_ONLY)))  # sound goes last


def test_the_picture_follows_the_voice_until_that_is_switched_off() -> None:
    conference = sound.talker(do(hall(A, B), acts.Choose(source=Source(CHAIR)), by=B), A)
    assert seen(conference, B) == (Source(A),)
    assert seen(do(conference, acts.VoiceSwitching(on=False)), B) == (Source(CHAIR),)


# ---- the door -----------------------------------------------------------------------------------------------------------------


def test_a_locked_conference_takes_back_who_was_in_and_nobody_new() -> None:
    conference = do(hall(A), acts.Lock(on=True))
    conference = roster.leave(conference, A, T0, LeftBy.FAILED)
    assert come(conference, A).is_in(A)
    with pytest.raises(ConferenceLocked):
        come(conference, B)


def test_who_comes_by_itself_waits_hears_nothing_and_is_let_in() -> None:
    conference = come(hall(waiting_room=True), A)
    assert conference.site(A).status is Status.ON_HOLD
    assert audio_of(conference, conference.site(A)) == SiteAudio(AudioMode.OFF) and seen(conference, A) == ()
    assert do(conference, acts.Admit(site=A)).is_in(A)
    called = do(hall(waiting_room=True), acts.Call(site=B))
    assert come(called, B).is_in(B)  # who was called does not wait


def test_who_is_put_out_for_good_stays_out_until_pardoned() -> None:
    conference = do(hall(A), acts.Kick(site=A, ban=True))
    assert conference.site(A).left_by is LeftBy.BOOTED
    with pytest.raises(Banned):
        come(conference, A)
    assert come(do(conference, acts.Pardon(site=A)), A).is_in(A)
    assert come(do(hall(B), acts.Kick(site=B)), B).is_in(B)  # without a ban


def test_who_does_not_answer_is_called_again_later_and_later_and_who_declines_is_not() -> None:
    conference = do(hall(), acts.CallAll())
    conference = roster.decline(conference, B, T0)
    conference = tick(conference, T0 + 30_000)
    assert (conference.site(A).status, conference.site(A).again_ms) == (Status.DISCONNECTED, T0 + 40_000)
    assert (conference.site(B).left_by, conference.site(B).again_ms) == (LeftBy.BUSY, 0)
    conference = tick(conference, T0 + 40_000)
    assert conference.site(A).status is Status.DIALING_OUT
    assert tick(conference, T0 + 70_000).site(A).again_ms == T0 + 90_000  # 20 s, then 40…


# ---- the chair ----------------------------------------------------------------------------------------------------------------


def test_a_chair_that_drops_freezes_then_the_first_deputy_takes_over_and_the_owner_takes_it_back() -> None:
    conference = do(hall(A, B), acts.MuteAll(), acts.Patrol(sites=(A, B)))
    conference = roster.leave(conference, CHAIR, T0, LeftBy.FAILED)
    assert conference.is_frozen
    with pytest.raises(NotYours):
        do(conference, acts.Mute(site=B), by=A)
    frozen = tick(conference, T0 + FREEZE_MS - 1)
    assert (frozen.chair, frozen.patrol.at) == (CHAIR, 0)
    taken = tick(conference, T0 + FREEZE_MS)
    assert (taken.chair, taken.chair_owner, taken.is_frozen) == (A, CHAIR, False)
    assert heard(do(taken, acts.Microphone(on=True), by=A)) == {A}
    back = do(come(taken, CHAIR), acts.Reclaim())
    assert back.chair == CHAIR and A not in heard(back)  # the deputy is muted as all are


def test_a_chair_that_is_back_in_time_has_never_been_away() -> None:
    conference = roster.leave(hall(A), CHAIR, T0, LeftBy.FAILED)
    conference = come(conference, CHAIR, T0 + 20_000)
    assert (conference.chair, conference.is_frozen) == (CHAIR, False)


def test_the_chair_is_handed_over_asked_for_and_given_up() -> None:
    conference = do(hall(A, B), acts.AskChair(), by=A)
    assert conference.chair_asks == (A,)
    conference = do(conference, acts.GiveChair(site=A))
    assert (conference.chair, conference.chair_owner, conference.chair_asks) == (A, A, ())
    free = do(conference, acts.ReleaseChair(), by=A)
    assert do(free, acts.AskChair(), by=B).chair == B


def test_a_site_does_nothing_that_is_the_chairs_and_a_stranger_nothing_at_all() -> None:
    conference = hall(A, B)
    chairs = (acts.Mute(site=B), acts.MuteAll(), acts.End(), acts.Kick(site=B), acts.Lock(on=True), acts.RollBegin())
    for act in chairs:
        with pytest.raises(NotYours):
            do(conference, act, by=A)
    for other in (acts.Ask(), acts.Leave(), acts.Write(text="?")):
        with pytest.raises(NotYours):
            apply(conference, other, by=Actor("stranger"), now_ms=T0)


def test_it_ends_at_its_time_unless_extended_and_then_takes_nothing_more() -> None:
    conference = do(hall(A), acts.Extend(minutes=30))
    assert tick(conference, T0 + 3_600_000).is_live
    ended = tick(conference, T0 + 90 * 60_000)
    assert desired(ended) is None and ended.site(A).stays[0].to_ms == T0 + 90 * 60_000
    with pytest.raises(ConferenceOver):
        do(ended, acts.MuteAll())


# ---- loudspeakers and emergencies ---------------------------------------------------------------------------------------------


def relay(*areas: str, excluded: tuple[str, ...] = ()) -> Relay:
    return Relay("01ORDER", areas, excluded, (), T0)


def test_a_site_whose_loudspeakers_carry_the_conference_is_muted_and_may_not_speak() -> None:
    conference = do(hall(A, B), FORCE)
    conference = numbered(conference, sound.relay_begins(conference, relay(TOWNS[0])))
    assert heard(conference) == {CHAIR, B}
    for act, by in ((acts.Unmute(site=A), CHAIR), (acts.Microphone(on=True), A), (acts.Ask(), A)):
        with pytest.raises(Howling):
            do(conference, act, by=by)
    assert A not in heard(sound.relay_ends(conference))  # until somebody opens it


def test_the_whole_city_can_hear_its_own_chair() -> None:
    conference = hall(A, B)
    conference = sound.relay_begins(conference, relay(CITY, excluded=(TOWNS[1],)))
    assert heard(conference) == {CHAIR, B}
    wanted = desired(conference)
    assert wanted is not None and {one for one, audio in wanted.audio.items() if audio.podium} == {CHAIR}


def test_an_emergency_silences_everybody_and_takes_every_screen() -> None:
    conference = do(hall(A), acts.Broadcast(source=Source(A)))
    from dataclasses import replace

    seized = replace(conference, emergency=Emergency("01E", "洪水", "ab" * 32, T0))
    wanted = desired(seized)
    assert wanted is not None
    assert (heard(seized), seen(seized, A), wanted.announce) == (set(), (), "01E")


# ---- attendance ---------------------------------------------------------------------------------------------------------------


def test_who_comes_again_has_two_stays_and_the_seconds_without_media_are_counted() -> None:
    conference = roster.media_lost(hall(A), A, T0 + 10_000)
    conference = roster.media_back(conference, A, T0 + 13_000)
    conference = roster.media_lost(conference, A, T0 + 20_000)
    conference = roster.leave(conference, A, T0 + 25_000, LeftBy.FAILED)
    conference = come(conference, A, T0 + 60_000)
    first, second = conference.site(A).stays
    assert (first.from_ms, first.to_ms, first.lost_ms, first.left_by) == (T0, T0 + 25_000, 8_000, LeftBy.FAILED)
    assert (second.from_ms, second.to_ms) == (T0 + 60_000, 0)
