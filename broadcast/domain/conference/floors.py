"""The audio floor with its one ordered queue and its speaking list, and the token of the second stream (RFC 8855)."""

from collections.abc import Sequence
from dataclasses import replace

from broadcast.domain.conference.errors import AskedTooOften, NotNow
from broadcast.domain.conference.model import (
    MOST_SITES,
    Conference,
    Request,
    SpeakingList,
    Speech,
    must_be_within,
    must_know,
)
from broadcast.domain.conference.roster import must_not_howl
from broadcast.domain.conference.states import Asking

MOST_SENT, SENT_WITHIN_MS = 6, 60_000  # requests and messages of one site
LONGEST_S = 3_600


def must_not_flood(conference: Conference, site: str, what: str, now_ms: int) -> Conference:
    """The conference with one more sent by that site. :raises AskedTooOften: and nothing is changed."""
    sent = dict(conference.sent_ms)
    recent = tuple(at for at in sent.get(site, ()) if now_ms - at < SENT_WITHIN_MS)
    if len(recent) >= MOST_SENT:
        raise AskedTooOften(site, what, -(-(SENT_WITHIN_MS - (now_ms - recent[0])) // 1_000))
    sent[site] = (*recent, now_ms)
    return replace(conference, sent_ms=tuple(sorted(sent.items())))


# ---- the audio floor ----------------------------------------------------------------------------------------------------------


def ordered(queue: Sequence[Request]) -> tuple[Request, ...]:
    """Accepted ones first (the chair put them at the head), then by priority, then who asked first."""
    return tuple(
        sorted(queue, key=lambda one: (one.status is not Asking.ACCEPTED, -one.priority, one.asked_ms, one.id))
    )


def ask(
    conference: Conference, site: str, now_ms: int, *, beneficiary: str = "", priority: int = 2, chair: bool = False
) -> Conference:
    """申请发言, for itself or (by the chair) for another. One open request a speaker.

    :raises NotNow, AskedTooOften, Howling.
    """
    who = beneficiary or site
    one = conference.site(who)
    if not one.is_in or not one.speaks:
        raise NotNow("not-in" if not one.is_in else "observer")
    must_not_howl(conference, who)
    if not chair:
        conference = must_not_flood(conference, site, "requests", now_ms)
    if any(request.beneficiary == who for request in conference.queue):
        raise NotNow("asked-already")
    if any(speech.site == who for speech in conference.speaking):
        raise NotNow("has-floor")
    must_be_within(priority, 0, 4, "priority")
    request = Request(conference.next_id, site, who, now_ms, priority if chair else 2)
    return replace(conference, queue=ordered((*conference.queue, request)), next_id=conference.next_id + 1)


def request_of(conference: Conference, request: int) -> Request:
    """:raises NotNow: it is not in the queue any more."""
    for one in conference.queue:
        if one.id == request:
            return one
    raise NotNow("no-such-request")


def cancel(conference: Conference, site: str) -> Conference:
    """取消申请, 放下手."""
    if not any(one.beneficiary == site for one in conference.queue):
        raise NotNow("not-asked")
    return replace(conference, queue=tuple(one for one in conference.queue if one.beneficiary != site))


def accept(conference: Conference, request: int) -> Conference:
    """To the head of the queue."""
    request_of(conference, request)
    queue = (replace(one, status=Asking.ACCEPTED) if one.id == request else one for one in conference.queue)
    return replace(conference, queue=ordered(tuple(queue)))


def deny(conference: Conference, request: int) -> Conference:
    request_of(conference, request)
    return replace(conference, queue=tuple(one for one in conference.queue if one.id != request))


def lower_all(conference: Conference) -> Conference:
    """全部放下."""
    return replace(conference, queue=())


def grant(conference: Conference, request: int, now_ms: int) -> Conference:
    """同意发言: who asked has agreed to be heard, so its microphone opens. :raises NotNow: too many speak."""
    one = request_of(conference, request)
    conference = give_floor(conference, one.beneficiary, now_ms, each_s=conference.speak_s, request=one.id)
    return replace(conference, queue=tuple(other for other in conference.queue if other.id != request))


def give_floor(conference: Conference, site: str, now_ms: int, *, each_s: int, request: int = 0) -> Conference:
    """:raises NotNow, Howling."""
    one = conference.site(site)
    if not one.is_in or not one.speaks:
        raise NotNow("not-in" if not one.is_in else "observer")
    must_not_howl(conference, site)
    if any(speech.site == site for speech in conference.speaking):
        raise NotNow("has-floor")
    if len(conference.speaking) >= conference.speakers_at_once:
        raise NotNow("floor-taken")
    until_ms = now_ms + each_s * 1_000 if each_s else 0
    speech = Speech(site, now_ms, until_ms, request, was_muted=one.muted or conference.mute_all)
    conference = conference.with_site(site, muted=False, self_muted=False, asked_unmute=False)
    return replace(conference, speaking=(*conference.speaking, speech))


def take_floor(conference: Conference, site: str) -> Conference:
    """结束发言, 收回发言权: by who spoke (released), by the chair or the time (revoked). It is as muted as it was before."""
    speech = next((one for one in conference.speaking if one.site == site), None)
    if speech is None:
        raise NotNow("no-floor")
    if speech.was_muted and site != conference.chair:
        conference = conference.with_site(site, muted=True, asked_unmute=False)
    return replace(conference, speaking=tuple(one for one in conference.speaking if one.site != site))


def set_floor(conference: Conference, *, speak_s: int, at_once: int) -> Conference:
    """:param speak_s: for each speaker, 0: no limit; from the next one on."""
    must_be_within(speak_s, 0, LONGEST_S, "speak_s")
    must_be_within(at_once, 1, 8, "at_once")
    return replace(conference, speak_s=speak_s, speakers_at_once=at_once)


# ---- the speaking list ----------------------------------------------------------------------------------------------------------


def plan_list(conference: Conference, sites: Sequence[str], *, each_s: int) -> Conference:
    """发言名单. :raises UnknownSite, InvalidRequest. An empty one takes the list away."""
    must_be_within(each_s, 0, LONGEST_S, "each_s")
    must_be_within(len(sites), 0, MOST_SITES, "sites")
    wanted = must_know(conference, sites)
    return replace(conference, speaking_list=SpeakingList(wanted, each_s) if wanted else None)


def next_speaker(conference: Conference, now_ms: int) -> Conference:
    """Whoever of the list speaks is done; the next one that is in has the floor. At the end nobody has.

    :raises NotNow: there is no list, or it is through.
    """
    plan = conference.speaking_list
    if plan is None:
        raise NotNow("no-list")
    if plan.at >= len(plan.sites):
        raise NotNow("list-through")
    if plan.at >= 0 and any(one.site == plan.sites[plan.at] for one in conference.speaking):
        conference = take_floor(conference, plan.sites[plan.at])
    at = plan.at + 1
    while at < len(plan.sites):
        site = plan.sites[at]
        one = conference.find(site)
        if one and one.is_in and one.speaks and not conference.howls(one):
            break
        at += 1
    conference = replace(conference, speaking_list=replace(plan, at=at))
    if at >= len(plan.sites):
        return conference
    site = plan.sites[at]
    for other in conference.speaking:
        conference = take_floor(conference, other.site)
    conference = give_floor(conference, site, now_ms, each_s=plan.each_s)
    return replace(conference, queue=tuple(one for one in conference.queue if one.beneficiary != site))


# ---- the second stream ----------------------------------------------------------------------------------------------------------


def ask_content(conference: Conference, site: str, now_ms: int) -> Conference:
    """申请双流: the token when it is free and not locked, else a place among those who ask. :raises NotNow, AskedTooOften."""
    if not conference.is_in(site) or not conference.site(site).speaks:
        raise NotNow("not-in")
    if conference.content == site:
        return conference
    if (not conference.content and not conference.content_locked) or site == conference.chair:
        return give_content(conference, site)
    conference = must_not_flood(conference, site, "requests", now_ms)
    return replace(conference, content_asks=tuple(dict.fromkeys((*conference.content_asks, site))))


def give_content(conference: Conference, site: str) -> Conference:
    """The chair gives it, or invites to share (邀请共享); whoever had it has it no more."""
    if not conference.is_in(site):
        raise NotNow("not-in")
    if conference.content and conference.content != site:
        conference = take_content(conference)
    asks = tuple(one for one in conference.content_asks if one != site)
    return replace(conference, content=site, content_asks=asks)


def take_content(conference: Conference) -> Conference:
    """释放, 收回."""
    if not conference.content:
        raise NotNow("no-content")
    return replace(conference.with_site(conference.content, content=False), content="")


def lock_content(conference: Conference, *, on: bool) -> Conference:
    """锁定共享: only whom the chair gives it."""
    return replace(conference, content_locked=on)
