"""Who may do which act in a conference, and what it makes of the conference: one pure function for the API, pages and tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from broadcast.domain.conference import acts, chairing, floors, pictures, roll_call, roster, sound
from broadcast.domain.conference.acts import AnyAct
from broadcast.domain.conference.errors import NotYours
from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.states import LeftBy, Part


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. :param site: its seat here, or empty. :param administers: has the right over the conference's area."""

    name: str
    site: str = ""
    administers: bool = False


CHAIRS = frozenset({Part.ADMINISTRATOR, Part.CREATOR, Part.MODERATOR})
SITES = frozenset({Part.PARTICIPANT, Part.MODERATOR})
ALL_SITES = SITES | {Part.OBSERVER}
OWNERS = frozenset({Part.ADMINISTRATOR, Part.CREATOR})

# An ordinary site: watch, ask for the chair, ask to speak, its own microphone, leave; the chair all the rest (WeLink 会控功能列表).
OF_SITES: Mapping[type[Any], frozenset[Part]] = {
    acts.Leave: ALL_SITES,
    acts.Decline: ALL_SITES,
    acts.OwnQuality: ALL_SITES,
    acts.Write: ALL_SITES | CHAIRS,
    acts.Choose: ALL_SITES,
    acts.AskChair: SITES,
    acts.Reclaim: SITES,
    acts.Consent: SITES,
    acts.Microphone: SITES,
    acts.Ask: SITES,
    acts.Cancel: SITES,
    acts.Release: SITES,
    acts.AskContent: SITES,
    acts.ReleaseContent: SITES,
}


def allowed(conference: Conference, act: type[Any], by: Actor) -> bool:
    """Whether this one may do that now. While the chair is frozen only creator and administrator act for it."""
    parts = chairing.parts_of(conference, by.name, by.site, administers=by.administers)
    return not parts.isdisjoint(OF_SITES.get(act, CHAIRS))


def apply(conference: Conference, act: AnyAct, *, by: Actor, now_ms: int) -> Conference:
    """The conference after it, with the next version if anything is different.

    :raises NotYours, ConferenceOver, UnknownSite, NotNow, InvalidRequest, Muted, Howling, AskedTooOften: nothing is changed.
    """
    conference.must_be_live()
    if not allowed(conference, type(act), by):
        raise NotYours(by.name, act.act)
    return numbered(conference, DO[type(act)](conference, act, by, now_ms))


def numbered(before: Conference, after: Conference) -> Conference:
    """What is different has the next version: no change without a number, no number without a change."""
    same = replace(after, version=before.version)
    return before if same == before else replace(after, version=before.version + 1)


Do = Callable[[Conference, Any, Actor, int], Conference]


def _end_broadcast(conference: Conference, _: Any, __: Actor, ___: int) -> Conference:
    """Ends broadcast of site and of layout, and 点名发言 (cancelBroadcast)."""
    return sound.call_out_end(pictures.broadcast_end(conference))


def _write(conference: Conference, act: acts.Write, by: Actor, now_ms: int) -> Conference:
    chairs = allowed(conference, acts.Mute, by)
    return chairing.write(conference, by.site, act.text, now_ms, to=act.to, chair=chairs)


def _release_content(conference: Conference, _: acts.ReleaseContent, by: Actor, __: int) -> Conference:
    if conference.content != by.site:
        asks = tuple(one for one in conference.content_asks if one != by.site)
        return replace(conference, content_asks=asks)
    return floors.take_content(conference)


DO: Mapping[type[Any], Do] = {
    acts.Call: lambda c, a, _, now: roster.call(c, a.site, now),
    acts.CallAll: lambda c, _, __, now: roster.call_unconnected(c, now),
    acts.Admit: lambda c, a, _, now: roster.admit(c, a.site, now),
    acts.Hold: lambda c, a, _, now: roster.hold(c, a.site, now),
    acts.Kick: lambda c, a, _, now: roster.kick(c, a.site, now, ban=a.ban),
    acts.Pardon: lambda c, a, _, __: roster.pardon(c, a.site),
    acts.Rename: lambda c, a, _, __: roster.rename(c, a.site, a.name),
    acts.Drop: lambda c, a, _, __: roster.drop(c, a.site),
    acts.Observe: lambda c, a, _, __: sound.observe(c, a.site, on=a.on),
    acts.Leave: lambda c, _, by, now: roster.leave(c, by.site, now, LeftBy.DEPARTED),
    acts.Decline: lambda c, _, by, now: roster.decline(c, by.site, now),
    acts.Lock: lambda c, a, _, __: chairing.lock(c, on=a.on),
    acts.WaitingRoom: lambda c, a, _, __: chairing.waiting_room(c, on=a.on),
    acts.Extend: lambda c, a, _, __: chairing.extend(c, a.minutes),
    acts.End: lambda c, _, __, now: chairing.end(c, now),
    acts.SetQuality: lambda c, a, _, __: chairing.set_quality(c, a.quality, a.site),
    acts.OwnQuality: lambda c, a, by, __: chairing.set_quality(c, a.quality, by.site),
    acts.Caption: lambda c, a, _, __: chairing.set_caption(c, a.text),
    acts.Banner: lambda c, a, _, __: chairing.set_banner(c, a.text),
    acts.Write: _write,
    acts.GiveChair: lambda c, a, _, now: chairing.give_chair(c, a.site, now, owner=True),
    acts.AskChair: lambda c, _, by, now: chairing.ask_chair(c, by.site, now),
    acts.ReleaseChair: lambda c, _, __, ___: chairing.release_chair(c),
    acts.Reclaim: lambda c, _, by, now: chairing.reclaim(c, by.site, now),
    acts.Deputies: lambda c, a, _, __: chairing.set_deputies(c, a.sites),
    acts.Mute: lambda c, a, _, __: sound.mute(c, a.site),
    acts.MuteAll: lambda c, a, _, __: sound.mute_all(c, may_unmute=a.may_unmute),
    acts.Unmute: lambda c, a, _, __: sound.unmute(c, a.site),
    acts.UnmuteAll: lambda c, _, __, ___: sound.unmute_all(c),
    acts.Policy: lambda c, a, _, __: chairing.unmute_policy(c, a.policy),
    acts.Consent: lambda c, a, by, __: sound.consent(c, by.site, yes=a.yes),
    acts.Microphone: lambda c, a, by, __: sound.own_microphone(c, by.site, on=a.on),
    acts.CallOut: lambda c, a, _, __: sound.call_out(c, a.site),
    acts.CallOutEnd: lambda c, _, __, ___: sound.call_out_end(c),
    acts.Ask: lambda c, _, by, now: floors.ask(c, by.site, now),
    acts.AskFor: lambda c, a, by, now: floors.ask(c, by.site, now, beneficiary=a.site, priority=a.priority, chair=True),
    acts.Cancel: lambda c, _, by, __: floors.cancel(c, by.site),
    acts.Accept: lambda c, a, _, __: floors.accept(c, a.request),
    acts.Grant: lambda c, a, _, now: floors.grant(c, a.request, now),
    acts.Deny: lambda c, a, _, __: floors.deny(c, a.request),
    acts.LowerAll: lambda c, _, __, ___: floors.lower_all(c),
    acts.Revoke: lambda c, a, _, __: floors.take_floor(c, a.site),
    acts.Release: lambda c, _, by, __: floors.take_floor(c, by.site),
    acts.FloorRules: lambda c, a, _, __: floors.set_floor(c, speak_s=a.speak_s, at_once=a.at_once),
    acts.SpeakingList: lambda c, a, _, __: floors.plan_list(c, a.sites, each_s=a.each_s),
    acts.NextSpeaker: lambda c, _, __, now: floors.next_speaker(c, now),
    acts.AskContent: lambda c, _, by, now: floors.ask_content(c, by.site, now),
    acts.GiveContent: lambda c, a, _, __: floors.give_content(c, a.site),
    acts.ReleaseContent: _release_content,
    acts.TakeContent: lambda c, _, __, ___: floors.take_content(c),
    acts.LockContent: lambda c, a, _, __: floors.lock_content(c, on=a.on),
    acts.Broadcast: lambda c, a, _, __: pictures.broadcast(c, a.source),
    acts.BroadcastLayout: lambda c, _, __, now: pictures.broadcast_layout(c, now),
    acts.BroadcastEnd: _end_broadcast,
    acts.Preview: lambda c, a, _, __: pictures.preview(c, a.source),
    acts.Compose: lambda c, a, _, now: pictures.compose(c, a.panes, now, apply=a.apply),
    acts.Watch: lambda c, a, _, __: pictures.watch(c, a.wall, a.source),
    acts.Choose: lambda c, a, by, __: pictures.choose(c, by.site, a.source),
    acts.VoiceSwitching: lambda c, a, _, __: pictures.voice_switching(c, on=a.on),
    acts.Patrol: lambda c, a, _, now: pictures.patrol(c, a.sites, a.interval_s, now),
    acts.PatrolStep: lambda c, a, _, now: pictures.patrol_step(c, now, by=a.by),
    acts.PatrolHold: lambda c, a, _, now: pictures.patrol_hold(c, now, on=a.on),
    acts.RollBegin: lambda c, a, by, now: roll_call.roll_begin(c, a.sites, by.name, now),
    acts.RollMark: lambda c, a, _, now: roll_call.roll_mark(c, a.result, now, a.site),
    acts.RollNext: lambda c, _, __, ___: roll_call.roll_next(c),
    acts.RollRepeat: lambda c, _, __, ___: roll_call.roll_repeat(c),
    acts.RollEnd: lambda c, _, __, now: roll_call.roll_end(c, now),
}
