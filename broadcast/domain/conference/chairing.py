"""The chair token (主席令牌): asked for, handed over, frozen when its holder drops, passed to a deputy, taken back."""

from collections.abc import Sequence
from dataclasses import replace

from broadcast.domain.conference.errors import NotNow
from broadcast.domain.conference.floors import must_not_flood
from broadcast.domain.conference.media import Quality
from broadcast.domain.conference.model import (
    FREEZE_MS,
    MOST_CHAT,
    Chat,
    Conference,
    must_be_text,
    must_be_within,
    must_know,
)
from broadcast.domain.conference.roster import leave
from broadcast.domain.conference.states import LeftBy, Part, Phase, UnmutePolicy

MOST_DEPUTIES = 8
MOST_MESSAGE = 500
LONGEST_MIN = 24 * 60


def give_chair(conference: Conference, site: str, now_ms: int, *, owner: bool) -> Conference:
    """移交主席. The new one is exempt from mute-all; the old one is as muted as all are.

    :param owner: it may take the chair back after a drop; else it only stands in.
    :raises NotNow: it is not in, or an observer, or a camera.
    """
    one = conference.site(site)
    if not one.is_in or not one.speaks or one.feed:
        raise NotNow("not-in" if not one.is_in else "observer")
    before = conference.chair
    if before and before != site and conference.mute_all and conference.is_in(before):
        conference = conference.with_site(before, muted=True)
    conference = conference.with_site(site, muted=False, asked_unmute=False)
    return replace(
        conference,
        chair=site,
        chair_owner=site if owner else conference.chair_owner,
        chair_lost_ms=0,
        chair_asks=tuple(other for other in conference.chair_asks if other != site),
        exclusive="" if conference.exclusive == site else conference.exclusive,
    )


def ask_chair(conference: Conference, site: str, now_ms: int) -> Conference:
    """申请主席: at once where nobody holds the chair, else the chair decides. :raises NotNow, AskedTooOften."""
    one = conference.site(site)
    if not one.is_in or not one.speaks or one.feed:
        raise NotNow("not-in")
    if not conference.chair:
        return give_chair(conference, site, now_ms, owner=not conference.chair_owner)
    conference = must_not_flood(conference, site, "requests", now_ms)
    return replace(conference, chair_asks=tuple(dict.fromkeys((*conference.chair_asks, site))))


def release_chair(conference: Conference) -> Conference:
    """释放主席: nobody holds it until somebody takes it."""
    if not conference.chair:
        raise NotNow("no-chair")
    return replace(conference, chair="", chair_owner="", chair_lost_ms=0)


def reclaim(conference: Conference, site: str, now_ms: int) -> Conference:
    """收回主席: the owner is back. :raises NotNow."""
    if site != conference.chair_owner:
        raise NotNow("not-owner")
    return conference if conference.chair == site else give_chair(conference, site, now_ms, owner=True)


def pass_on(conference: Conference, now_ms: int) -> Conference:
    """The chair has been away for 30 s: the first deputy that is in takes it. With none it stays frozen."""
    if not conference.chair_lost_ms or now_ms - conference.chair_lost_ms < FREEZE_MS:
        return conference
    for name in conference.deputies:
        one = conference.find(name)
        if one and one.is_in and one.speaks and not one.feed and name != conference.chair:
            return give_chair(conference, name, now_ms, owner=False)
    return conference


def set_deputies(conference: Conference, sites: Sequence[str]) -> Conference:
    """副主席, in the order in which they take over."""
    must_be_within(len(sites), 0, MOST_DEPUTIES, "sites")
    return replace(conference, deputies=must_know(conference, sites))


def lock(conference: Conference, *, on: bool) -> Conference:
    return replace(conference, locked=on)


def waiting_room(conference: Conference, *, on: bool) -> Conference:
    """Who waits when it is switched off goes on waiting: the chair lets them in."""
    return replace(conference, waiting_room=on)


def unmute_policy(conference: Conference, policy: UnmutePolicy) -> Conference:
    return replace(conference, unmute=policy)


def extend(conference: Conference, minutes: int) -> Conference:
    """延长会议."""
    must_be_within(minutes, 1, LONGEST_MIN, "minutes")
    return replace(conference, ends_ms=conference.ends_ms + minutes * 60_000)


def end(conference: Conference, now_ms: int) -> Conference:
    """结束会议: everybody leaves, what runs is over."""
    for one in conference.sites:
        if one.is_in or (one.stays and not one.stays[-1].to_ms):
            conference = leave(conference, one.id, now_ms, LeftBy.DEPARTED)
    roll = conference.roll_call
    rolls = conference.roll_calls
    if roll is not None:
        rolls = (*rolls, replace(roll, ended_ms=now_ms))
    return replace(
        conference.with_sites(lambda one: replace(one, again_ms=0)),
        phase=Phase.ENDED,
        ended_ms=now_ms,
        chair_lost_ms=0,
        roll_call=None,
        roll_calls=rolls,
        queue=(),
        speaking=(),
        exclusive="",
        content="",
        on_air=(),
        preview=None,
        relay=None,
        emergency=None,
        recording=None,
    )


def set_quality(conference: Conference, quality: Quality, site: str = "") -> Conference:
    """低带宽, 纯音频: for all, or for one site."""
    return conference.with_site(site, quality=quality) if site else replace(conference, quality=quality)


def set_caption(conference: Conference, text: str) -> Conference:
    """字幕: at the foot of every screen, also of those that come later. Empty takes it away."""
    return replace(conference, caption=must_be_text(text, "text"))


def set_banner(conference: Conference, text: str) -> Conference:
    """横幅."""
    return replace(conference, banner=must_be_text(text, "text", most=60))


def write(
    conference: Conference, site: str, text: str, now_ms: int, *, to: str = "", chair: bool = False
) -> Conference:
    """A message to the chair; the chair may answer one site, or all. :raises InvalidRequest, AskedTooOften, UnknownSite."""
    text = must_be_text(text, "text", most=MOST_MESSAGE, empty=False)
    if to:
        conference.site(to)
    if not chair:
        conference = must_not_flood(conference, site, "messages", now_ms)
    message = Chat(conference.next_id, now_ms, site, to if chair else conference.chair, text)
    return replace(conference, chat=(*conference.chat, message)[-MOST_CHAT:], next_id=conference.next_id + 1)


def is_chair(conference: Conference, site: str) -> bool:
    return bool(site) and site == conference.chair and not conference.is_frozen


def parts_of(conference: Conference, who: str, site: str, *, administers: bool) -> frozenset[Part]:
    """What somebody is in this conference now."""
    parts = set()
    if administers:
        parts.add(Part.ADMINISTRATOR)
    if who == conference.creator:
        parts.add(Part.CREATOR)
    if is_chair(conference, site):
        parts.add(Part.MODERATOR)
    one = conference.find(site) if site else None
    if one is not None:
        parts.add(one.part if one.part is Part.OBSERVER else Part.PARTICIPANT)
    return frozenset(parts)
