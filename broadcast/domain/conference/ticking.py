"""What time does to a conference: bells without answer, speakers whose time is over, patrol, a chair that stays away, the end."""

from collections.abc import Iterator

from broadcast.domain.conference import chairing, floors, pictures, roster
from broadcast.domain.conference.model import FREEZE_MS, Conference
from broadcast.domain.conference.states import CALLED, Wall


def tick(conference: Conference, now_ms: int) -> Conference:
    """Everything whose time has come. Early calls change nothing."""
    if not conference.is_live or now_ms < wake_at(conference):
        return conference
    if now_ms >= conference.ends_ms:
        return chairing.end(conference, now_ms)
    for one in conference.sites:
        if one.status in CALLED and now_ms >= one.status_ms + roster.RING_MS:
            conference = roster.unanswered(conference, one.id, now_ms)
        elif one.again_ms and now_ms >= one.again_ms:
            conference = roster.call(conference, one.id, now_ms)
    conference = chairing.pass_on(conference, now_ms)
    return conference if conference.is_frozen else _by_itself(conference, now_ms)


def wake_at(conference: Conference) -> int:
    """When `tick` next has work; ms."""
    return min(_times(conference))


def _times(conference: Conference) -> Iterator[int]:
    yield conference.ends_ms
    for one in conference.sites:
        if one.status in CALLED:
            yield one.status_ms + roster.RING_MS
        if one.again_ms:
            yield one.again_ms
    if conference.is_frozen:
        if any(conference.is_in(one) for one in conference.deputies):
            yield conference.chair_lost_ms + FREEZE_MS
        return
    yield from (one.until_ms for one in conference.speaking if one.until_ms)
    if _patrols(conference):
        yield conference.patrol.next_ms
    if _panes_go_on(conference):
        yield conference.panes_next_ms


def _by_itself(conference: Conference, now_ms: int) -> Conference:
    for speech in conference.speaking:
        if speech.until_ms and now_ms >= speech.until_ms:
            plan = conference.speaking_list
            if plan is not None and 0 <= plan.at < len(plan.sites) and plan.sites[plan.at] == speech.site:
                conference = floors.next_speaker(conference, now_ms)
            else:
                conference = floors.take_floor(conference, speech.site)
    if _patrols(conference) and now_ms >= conference.patrol.next_ms:
        conference = pictures.patrol_step(conference, now_ms, by=1)
    if _panes_go_on(conference) and now_ms >= conference.panes_next_ms:
        conference = pictures.panes_step(conference, now_ms)
    return conference


def _patrols(conference: Conference) -> bool:
    run = conference.patrol
    return conference.wall is Wall.PATROL and bool(run.sites) and not run.held


def _panes_go_on(conference: Conference) -> bool:
    return any(len(pane.sources) > 1 for pane in (*conference.layout, *conference.on_air))
