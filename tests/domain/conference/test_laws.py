"""The laws of a conference, whatever anybody does in whatever order: searched by Hypothesis."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from broadcast.domain.conference import acts, roster, sound
from broadcast.domain.conference.acting import Actor, apply, numbered
from broadcast.domain.conference.desired import desired
from broadcast.domain.conference.floors import ordered
from broadcast.domain.conference.media import AudioMode, Quality, Source, Stream
from broadcast.domain.conference.model import Conference, Emergency, Relay
from broadcast.domain.conference.plans import begin
from broadcast.domain.conference.states import LeftBy, RollResult, Status, UnmutePolicy, Wall
from broadcast.domain.conference.telling import Viewer, full, merge, partial
from broadcast.domain.conference.ticking import tick
from broadcast.domain.errors import BroadcastError
from tests.conference.hall import CHAIR, CITY, T0, TOWNS, A, B, C, D, plan

SITES = (CHAIR, A, B, C, D)
site = st.sampled_from(SITES)
source = st.builds(Source, site, st.sampled_from(Stream))
sites = st.lists(site, max_size=4).map(tuple)
number = st.integers(1, 12)
on = st.booleans()
ACTS: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    acts.Call: {"site": site},
    acts.CallAll: {},
    acts.Admit: {"site": site},
    acts.Hold: {"site": site},
    acts.Kick: {"site": site, "ban": on},
    acts.Pardon: {"site": site},
    acts.Observe: {"site": site, "on": on},
    acts.Leave: {},
    acts.Decline: {},
    acts.Lock: {"on": on},
    acts.WaitingRoom: {"on": on},
    acts.SetQuality: {"quality": st.sampled_from(Quality), "site": st.sampled_from(("", A, B))},
    acts.Write: {"text": st.just("?")},
    acts.GiveChair: {"site": site},
    acts.AskChair: {},
    acts.ReleaseChair: {},
    acts.Reclaim: {},
    acts.Deputies: {"sites": sites},
    acts.Mute: {"site": site},
    acts.MuteAll: {"may_unmute": on},
    acts.Unmute: {"site": site},
    acts.UnmuteAll: {},
    acts.Policy: {"policy": st.sampled_from(UnmutePolicy)},
    acts.Consent: {"yes": on},
    acts.Microphone: {"on": on},
    acts.CallOut: {"site": site},
    acts.CallOutEnd: {},
    acts.Ask: {},
    acts.AskFor: {"site": site, "priority": st.integers(0, 4)},
    acts.Cancel: {},
    acts.Accept: {"request": number},
    acts.Grant: {"request": number},
    acts.Deny: {"request": number},
    acts.LowerAll: {},
    acts.Revoke: {"site": site},
    acts.Release: {},
    acts.FloorRules: {"speak_s": st.sampled_from((0, 5, 60)), "at_once": st.integers(1, 2)},
    acts.SpeakingList: {"sites": sites, "each_s": st.sampled_from((0, 20))},
    acts.NextSpeaker: {},
    acts.AskContent: {},
    acts.GiveContent: {"site": site},
    acts.ReleaseContent: {},
    acts.TakeContent: {},
    acts.LockContent: {"on": on},
    acts.Broadcast: {"source": source},
    acts.BroadcastLayout: {},
    acts.BroadcastEnd: {},
    acts.Preview: {"source": st.none() | source},
    acts.Compose: {"panes": st.lists(st.lists(source, max_size=3).map(tuple), max_size=4).map(tuple), "apply": on},
    acts.Watch: {"wall": st.sampled_from(Wall), "source": st.none() | source},
    acts.Choose: {"source": st.none() | source},
    acts.VoiceSwitching: {"on": on},
    acts.Patrol: {"sites": sites, "interval_s": st.just(10)},
    acts.PatrolStep: {"by": st.sampled_from((1, -1))},
    acts.PatrolHold: {"on": on},
    acts.RollBegin: {"sites": sites},
    acts.RollMark: {"result": st.sampled_from(RollResult)},
    acts.RollNext: {},
    acts.RollRepeat: {},
    acts.RollEnd: {},
}
any_act = st.sampled_from(sorted(ACTS, key=lambda one: one.__name__)).flatmap(lambda one: st.builds(one, **ACTS[one]))


class Conferring(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.conference = begin(plan(minutes=600), conference="c", creator="boss", now_ms=T0)
        self.chair_view = full(self.conference, Viewer(all=True))
        self.a_view = full(self.conference, Viewer(site=A))
        for one in (CHAIR, A, B):
            self.become(roster.enter(self.conference, one, self.conference.site(one).identity, T0))

    def become(self, after: Conference) -> None:
        before = self.conference
        after = numbered(before, after)
        assert after.version in (before.version, before.version + 1)  # no holes
        self.conference = after
        if after.version != before.version:
            self.chair_view = merge(self.chair_view, partial(before, after, Viewer(all=True)))
            self.a_view = merge(self.a_view, partial(before, after, Viewer(site=A)))

    def attempt(self, change: Callable[[], Conference]) -> None:
        try:
            after = change()
        except BroadcastError:
            return
        self.become(after)

    @rule(act=any_act, by=site)
    def act(self, act: Any, by: str) -> None:
        actor = Actor("boss" if by == CHAIR else f"seat:{by}", by)
        self.attempt(lambda: apply(self.conference, act, by=actor, now_ms=self.now))

    @rule(one=site)
    def come(self, one: str) -> None:
        identity = self.conference.site(one).identity
        self.attempt(lambda: roster.enter(self.conference, one, identity, self.now))

    @rule(one=site, content=on)
    def picture(self, one: str, content: bool) -> None:
        if self.conference.is_in(one):
            self.become(self.conference.with_site(one, camera=True, content=content and self.conference.content == one))

    @rule(one=site)
    def drop(self, one: str) -> None:
        self.attempt(lambda: roster.leave(self.conference, one, self.now, LeftBy.FAILED))

    @rule(one=site, lost=on)
    def media(self, one: str, lost: bool) -> None:
        change = roster.media_lost if lost else roster.media_back
        self.become(change(self.conference, one, self.now))

    @rule(one=site)
    def talk(self, one: str) -> None:
        self.become(sound.talker(self.conference, one))

    @rule(town=st.sampled_from((CITY, *TOWNS[:4])))
    def relay(self, town: str) -> None:
        self.attempt(lambda: sound.relay_begins(self.conference, Relay("o", (town,), (), (), self.now)))

    @rule()
    def relay_end(self) -> None:
        self.become(sound.relay_ends(self.conference))

    @rule(begins=on)
    def emergency(self, begins: bool) -> None:
        self.become(replace(self.conference, emergency=Emergency("e", "!", "", self.now) if begins else None))

    @rule(seconds=st.sampled_from((1, 11, 31, 61)))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1_000
        self.become(tick(self.conference, self.now))

    # ---- laws ------------------------------------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_heard_that_is_muted_away_waiting_observing_or_howls(self) -> None:
        wanted = desired(self.conference)
        assert wanted is not None
        for name, audio in wanted.audio.items():
            one = self.conference.site(name)
            if audio.mode is AudioMode.TALK:
                assert one.is_in and one.speaks and not one.muted and not one.self_muted
                assert not self.conference.howls(one) and self.conference.emergency is None
            assert audio.mode is AudioMode.TALK or not audio.podium
            assert one.status is not Status.ON_HOLD or audio.mode is AudioMode.OFF

    @invariant()
    def who_is_exempt_from_the_lock_is_who_is_heard(self) -> None:
        wanted = desired(self.conference)
        assert wanted is not None
        assert wanted.exempt == {name for name, audio in wanted.audio.items() if audio.mode is AudioMode.TALK}

    @invariant()
    def only_one_is_called_out_and_only_it_and_the_chair_are_heard(self) -> None:
        wanted = desired(self.conference)
        assert wanted is not None
        if self.conference.exclusive:
            assert wanted.exempt <= {self.conference.exclusive, self.conference.chair}

    @invariant()
    def no_more_speak_than_may_and_they_are_in(self) -> None:
        assert len(self.conference.speaking) <= 2
        for speech in self.conference.speaking:
            assert self.conference.is_in(speech.site)

    @invariant()
    def the_queue_is_in_order_and_holds_each_speaker_once(self) -> None:
        queue = self.conference.queue
        assert queue == ordered(queue)
        assert len({one.beneficiary for one in queue}) == len(queue)
        assert all(self.conference.is_in(one.beneficiary) for one in queue)

    @invariant()
    def nobody_sees_itself_in_its_first_pane_and_views_name_known_sites(self) -> None:
        wanted = desired(self.conference)
        assert wanted is not None
        for name, view in wanted.views.items():
            assert len(view.panes) <= 16
            assert all(one is None or self.conference.find(one.site) for one in (*view.panes, *view.prepare))
            if name != self.conference.chair and view.panes:
                assert view.panes[0] != Source(name)

    @invariant()
    def the_token_of_the_second_stream_is_with_one_that_is_in(self) -> None:
        assert not self.conference.content or self.conference.is_in(self.conference.content)

    @invariant()
    def a_stay_is_open_exactly_while_a_site_is_in(self) -> None:
        for one in self.conference.sites:
            assert sum(not stay.to_ms for stay in one.stays) == one.is_in

    @invariant()
    def a_reader_that_took_every_change_has_the_full_state(self) -> None:
        assert self.chair_view == full(self.conference, Viewer(all=True))
        assert self.a_view == full(self.conference, Viewer(site=A))

    @invariant()
    def what_is_wanted_follows_from_the_state_alone(self) -> None:
        assert desired(self.conference) == desired(replace(self.conference))


Conferring.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLaws = Conferring.TestCase
