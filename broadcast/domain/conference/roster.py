"""Who is in a conference: called, ringing, waiting, in, away; put out and let back (RFC 4575 endpoint status)."""

from dataclasses import replace

from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.conference.errors import Banned, ConferenceLocked, Howling, NotNow
from broadcast.domain.conference.model import MOST_NAME, MOST_SITES, Conference, Site, Stay, must_be_text
from broadcast.domain.conference.states import CALLED, NEXT, Cause, JoinedBy, LeftBy, Status

RING_MS = 30_000  # without an answer it counts as failed
AGAIN_S = (10, 20, 40, 60, 120, 300)  # between two calls of who is in the plan; then every five minutes
MOST_TRIES = 12


def move(conference: Conference, site: str, cause: Cause, now_ms: int, **more: object) -> Conference:
    """:raises NotNow: that can't happen to a site that stands so."""
    one = conference.site(site)
    after = NEXT[one.status].get(cause)
    if after is None:
        raise NotNow(f"{one.status.value}-{cause.value}")
    status_ms = one.status_ms if after is one.status else now_ms
    return conference.with_site(site, status=after, status_ms=status_ms, **more)


def add(conference: Conference, site: Site) -> Conference:
    """Put one more on the list. :raises InvalidRequest, NotNow."""
    if conference.find(site.id) is not None:
        raise NotNow("site-there")
    if len(conference.sites) >= MOST_SITES:
        raise InvalidRequest([Fault("sites", "too-many", (("most", str(MOST_SITES)),))])
    return replace(conference, sites=(*conference.sites, site))


def call(conference: Conference, site: str, now_ms: int) -> Conference:
    """Call it (呼叫); who is there already stays."""
    one = conference.site(site)
    if one.identity in conference.banned or one.is_in or one.status in (Status.ON_HOLD, Status.DIALING_IN):
        return conference
    if one.feed:  # a camera needs no bell
        return join(move(conference, site, Cause.DIAL_IN, now_ms), site, now_ms, by=JoinedBy.DIALED_OUT)
    if one.status in CALLED:
        return conference
    return move(conference, site, Cause.CALL, now_ms, again_ms=0, left_by=LeftBy.NONE)


def call_unconnected(conference: Conference, now_ms: int) -> Conference:
    """重呼未入会: everybody on the list who is not in."""
    for one in conference.sites:
        if not one.is_in and one.status is not Status.ON_HOLD and one.left_by is not LeftBy.BOOTED:
            conference = call(conference.with_site(one.id, tries=0), one.id, now_ms)
    return conference


def ring(conference: Conference, site: str, now_ms: int) -> Conference:
    """Its page is open somewhere and rings."""
    return move(conference, site, Cause.RING, now_ms)


def decline(conference: Conference, site: str, now_ms: int) -> Conference:
    """It does not want to be in now (占线). It is not called again by itself."""
    if conference.site(site).status not in CALLED:
        raise NotNow("not-called")
    return move(conference, site, Cause.LEAVE, now_ms, left_by=LeftBy.BUSY, again_ms=0)


def unanswered(conference: Conference, site: str, now_ms: int) -> Conference:
    """It rang for nothing; who is in the plan is called again, later and later."""
    one = conference.site(site)
    tries = one.tries + 1
    again_ms = 0
    if one.in_plan and tries < MOST_TRIES:
        again_ms = now_ms + AGAIN_S[min(tries, len(AGAIN_S)) - 1] * 1_000
    return move(conference, site, Cause.LEAVE, now_ms, left_by=LeftBy.FAILED, tries=tries, again_ms=again_ms)


def must_admit(conference: Conference, site: Site, identity: str) -> None:
    """:raises Banned, ConferenceLocked: who was in comes back into a locked conference, and its chair and owner anyhow."""
    conference.must_be_live()
    if identity in conference.banned or site.identity in conference.banned:
        raise Banned(site.id)
    if conference.locked and not site.stays and site.id not in (conference.chair, conference.chair_owner):
        raise ConferenceLocked(conference.id)


def enter(conference: Conference, site: str, identity: str, now_ms: int) -> Conference:
    """A ticket was taken for this seat: into the conference, or before its door.

    :raises Banned, ConferenceLocked, ConferenceOver.
    """
    one = conference.site(site)
    must_admit(conference, one, identity)
    if one.is_in or one.status is Status.ON_HOLD:
        return conference.with_site(site, identity=identity)
    called = one.status in CALLED
    conference = move(conference, site, Cause.DIAL_IN, now_ms, identity=identity)
    chairs = site in (conference.chair, conference.chair_owner)
    if conference.waiting_room and not (chairs or called or one.stays):
        return move(conference, site, Cause.HOLD, now_ms)
    return join(conference, site, now_ms, by=_how(conference, site, called))


def _how(conference: Conference, site: str, called: bool) -> JoinedBy:
    if site == conference.chair_owner:
        return JoinedBy.FOCUS_OWNER
    return JoinedBy.DIALED_OUT if called else JoinedBy.DIALED_IN


def join(conference: Conference, site: str, now_ms: int, *, by: JoinedBy) -> Conference:
    """From here on it is in: mute-all holds for it at once, and so does all the rest (`desired.py`)."""
    one = conference.site(site)
    chairs = site in (conference.chair, conference.chair_owner)
    conference = move(
        conference,
        site,
        Cause.JOIN,
        now_ms,
        joined_by=by,
        left_by=LeftBy.NONE,
        tries=0,
        again_ms=0,
        lost_ms=0,
        muted=one.muted or (conference.mute_all and not chairs),
        asked_unmute=False,
        camera=one.feed,
        content=False,
        stays=(*one.stays, Stay(now_ms)),
    )
    if site == conference.chair:
        conference = replace(conference, chair_lost_ms=0)
    return conference


def admit(conference: Conference, site: str, now_ms: int) -> Conference:
    """Let it in from the waiting room (准入)."""
    if conference.site(site).status is not Status.ON_HOLD:
        raise NotNow("not-waiting")
    return join(conference, site, now_ms, by=JoinedBy.DIALED_IN)


def hold(conference: Conference, site: str, now_ms: int) -> Conference:
    """移入等候室."""
    if not conference.is_in(site):
        raise NotNow("not-in")
    if site == conference.chair:
        raise NotNow("is-chair")
    conference = _away(conference, site, now_ms, LeftBy.NONE)
    return move(conference, site, Cause.HOLD, now_ms)


def leave(conference: Conference, site: str, now_ms: int, by: LeftBy) -> Conference:
    """It is gone; what it held is free again. A chair that is gone leaves its chair frozen for a while."""
    one = conference.site(site)
    if one.status is Status.DISCONNECTED:
        return conference
    if one.is_in:
        conference = _away(conference, site, now_ms, by)
    again_ms = now_ms + AGAIN_S[0] * 1_000 if by is LeftBy.FAILED and one.in_plan else 0
    return move(conference, site, Cause.LEAVE, now_ms, left_by=by, again_ms=again_ms, asked_unmute=False)


def _away(conference: Conference, site: str, now_ms: int, by: LeftBy) -> Conference:
    one = conference.site(site)
    *before, last = one.stays
    lost_ms = last.lost_ms + (now_ms - one.lost_ms if one.lost_ms else 0)
    stays = (*before, Stay(last.from_ms, now_ms, lost_ms, by))
    conference = conference.with_site(site, stays=stays, lost_ms=0, camera=False, content=False, asked_unmute=False)
    speech = next((one for one in conference.speaking if one.site == site), None)
    if speech is not None and speech.was_muted:
        conference = conference.with_site(site, muted=True)
    conference = replace(
        conference,
        queue=tuple(one for one in conference.queue if site not in (one.site, one.beneficiary)),
        speaking=tuple(one for one in conference.speaking if one.site != site),
        exclusive="" if conference.exclusive == site else conference.exclusive,
        content="" if conference.content == site else conference.content,
        content_asks=tuple(one for one in conference.content_asks if one != site),
        chair_asks=tuple(one for one in conference.chair_asks if one != site),
        talker="" if conference.talker == site else conference.talker,
    )
    if site == conference.chair:
        conference = replace(conference, chair_lost_ms=now_ms)
    return conference


def kick(conference: Conference, site: str, now_ms: int, *, ban: bool) -> Conference:
    """请出会场; with `ban` its identity does not come back into this conference."""
    if site == conference.chair:
        raise NotNow("is-chair")
    one = conference.site(site)
    conference = leave(conference, site, now_ms, LeftBy.BOOTED).with_site(site, left_by=LeftBy.BOOTED, again_ms=0)
    if ban:
        banned = tuple(dict.fromkeys((*conference.banned, one.identity or f"seat:{one.id}")))
        conference = replace(conference, banned=banned)
    return conference


def pardon(conference: Conference, site: str) -> Conference:
    """It may come back."""
    one = conference.site(site)
    gone = (one.identity, f"seat:{one.id}")
    return replace(conference, banned=tuple(name for name in conference.banned if name not in gone))


def rename(conference: Conference, site: str, name: str) -> Conference:
    """Its name on every screen; who it is stays what the server says."""
    return conference.with_site(site, name=must_be_text(name, "name", most=MOST_NAME, empty=False))


def media_lost(conference: Conference, site: str, now_ms: int) -> Conference:
    """Nothing comes from it any more, though it is still there."""
    one = conference.find(site)
    return conference.with_site(site, lost_ms=now_ms) if one and one.is_in and not one.lost_ms else conference


def media_back(conference: Conference, site: str, now_ms: int) -> Conference:
    one = conference.find(site)
    if one is None or not one.is_in or not one.lost_ms:
        return conference
    *before, last = one.stays
    stays = (*before, replace(last, lost_ms=last.lost_ms + now_ms - one.lost_ms))
    return conference.with_site(site, lost_ms=0, stays=stays)


def must_not_howl(conference: Conference, site: str) -> None:
    """:raises Howling: its loudspeakers carry this conference."""
    one = conference.site(site)
    if conference.relay is not None and conference.howls(one):
        raise Howling(site, list(conference.relay.areas))


def drop(conference: Conference, site: str) -> Conference:
    """删除会场: off the list, if it is not in. What it attended stays with the conference only while it is on the list."""
    one = conference.site(site)
    if one.status not in (Status.PENDING, Status.DISCONNECTED) or one.stays:
        raise NotNow("has-been-in")
    if site in (conference.chair, conference.chair_owner):
        raise NotNow("is-chair")
    return replace(
        conference,
        sites=tuple(one for one in conference.sites if one.id != site),
        deputies=tuple(name for name in conference.deputies if name != site),
    )
