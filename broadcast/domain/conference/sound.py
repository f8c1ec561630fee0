"""Who may be heard: mute one and all, unmute with consent or by force, 点名发言. The chair is exempt from what is said to all.

Audio precedence: emergency > 点名发言 > granted floors > free discussion (research/conference.md §8).
"""

from dataclasses import replace

from broadcast.domain.conference.errors import Muted, NotNow
from broadcast.domain.conference.model import Conference, Relay
from broadcast.domain.conference.roster import must_not_howl
from broadcast.domain.conference.states import Part, UnmutePolicy


def mute(conference: Conference, site: str) -> Conference:
    """The chair mutes one; a floor that it had is over."""
    speaking = tuple(one for one in conference.speaking if one.site != site)
    exclusive = "" if conference.exclusive == site else conference.exclusive
    muted = conference.with_site(site, muted=True, asked_unmute=False)
    return replace(muted, speaking=speaking, exclusive=exclusive)


def mute_all(conference: Conference, *, may_unmute: bool) -> Conference:
    """全场静音: everyone but the chair, and everyone who comes later. Who has the floor loses it."""
    conference = replace(conference, mute_all=True, may_unmute=may_unmute, speaking=(), exclusive="")
    return conference.with_sites(
        lambda one: one if one.id == conference.chair else replace(one, muted=True, asked_unmute=False)
    )


def unmute_all(conference: Conference) -> Conference:
    """取消全场静音. By consent nobody's microphone opens by itself: they may open it."""
    conference = replace(conference, mute_all=False, may_unmute=True)
    force = conference.unmute is UnmutePolicy.FORCE
    return conference.with_sites(
        lambda one: (
            one
            if not one.muted or conference.howls(one)
            else replace(one, muted=False, self_muted=one.self_muted or not force, asked_unmute=False)
        )
    )


def unmute(conference: Conference, site: str) -> Conference:
    """The chair opens one microphone: by force at once, by consent when the site agrees (`consent`).

    :raises NotNow, Howling.
    """
    one = conference.site(site)
    if not one.is_in or not one.speaks:
        raise NotNow("not-in" if not one.is_in else "observer")
    must_not_howl(conference, site)
    if conference.unmute is UnmutePolicy.FORCE:
        return conference.with_site(site, muted=False, self_muted=False, asked_unmute=False)
    return conference.with_site(site, asked_unmute=True)


def consent(conference: Conference, site: str, *, yes: bool) -> Conference:
    """The site's answer to being asked to open its microphone. :raises NotNow, Howling."""
    if not conference.site(site).asked_unmute:
        raise NotNow("not-asked")
    if not yes:
        return conference.with_site(site, asked_unmute=False)
    must_not_howl(conference, site)
    return conference.with_site(site, muted=False, self_muted=False, asked_unmute=False)


def own_microphone(conference: Conference, site: str, *, on: bool) -> Conference:
    """The site's own key. Off is always its right. :raises Muted, NotNow, Howling."""
    one = conference.site(site)
    if not on:
        return conference.with_site(site, self_muted=True)
    if not one.is_in or not one.speaks:
        raise NotNow("not-in" if not one.is_in else "observer")
    must_not_howl(conference, site)
    if one.muted and not (conference.may_unmute or one.asked_unmute or site == conference.chair):
        raise Muted(site)
    return conference.with_site(site, muted=False, self_muted=False, asked_unmute=False)


def call_out(conference: Conference, site: str) -> Conference:
    """点名发言: chair and this site are heard, every other site is silent; at most one (RollcallParticipant).

    By consent its microphone opens when it agrees. :raises NotNow, Howling.
    """
    if site == conference.chair:
        raise NotNow("is-chair")
    conference = unmute(conference, site)
    return replace(conference, exclusive=site)


def call_out_end(conference: Conference) -> Conference:
    """Everybody stands as before; the one that was called is muted again where all are."""
    site = conference.exclusive
    if conference.mute_all and site and conference.is_in(site) and site != conference.chair:
        conference = conference.with_site(site, muted=True, asked_unmute=False)
    return replace(conference, exclusive="")


def talker(conference: Conference, site: str) -> Conference:
    """Who was heard long enough is who the picture follows (声控切换)."""
    if site and not conference.is_in(site):
        return conference
    return replace(conference, talker=site)


def relay_begins(conference: Conference, relay: Relay) -> Conference:
    """会议转广播: sites whose loudspeakers carry it are muted, and lose the floor (howl rule). The chair must not be one.

    :raises NotNow, Howling.
    """
    if conference.relay is not None:
        raise NotNow("relay-runs")
    conference = replace(conference, relay=relay)
    if conference.chair:
        must_not_howl(conference, conference.chair)
    for one in conference.sites:
        if conference.howls(one):
            conference = mute(conference, one.id)
    return replace(conference, queue=tuple(r for r in conference.queue if not _howls(conference, r.beneficiary)))


def relay_ends(conference: Conference) -> Conference:
    """Who was muted for it stays muted until somebody opens it."""
    return replace(conference, relay=None)


def _howls(conference: Conference, site: str) -> bool:
    one = conference.find(site)
    return one is not None and conference.howls(one)


def observe(conference: Conference, site: str, *, on: bool) -> Conference:
    """旁听: it sees and hears, and is not heard; a floor or token that it has is over."""
    if site == conference.chair:
        raise NotNow("is-chair")
    if on:
        conference = mute(conference, site)
        queue = tuple(one for one in conference.queue if site not in (one.site, one.beneficiary))
        asks = tuple(one for one in conference.content_asks if one != site)
        content = "" if conference.content == site else conference.content
        conference = replace(conference, queue=queue, content_asks=asks, content=content)
        return conference.with_site(site, part=Part.OBSERVER, content=False)
    return conference.with_site(site, part=Part.PARTICIPANT)
