"""The guided roll call (点名签到): each site comes on every screen in turn, answers, and is noted with one of five results."""

from collections.abc import Sequence
from dataclasses import replace

from broadcast.domain.conference.errors import NotNow
from broadcast.domain.conference.model import Conference, RollCall, must_know
from broadcast.domain.conference.states import RollResult, UnmutePolicy

MOST_ROLL_CALLS = 50


def roll_begin(conference: Conference, sites: Sequence[str], by: str, now_ms: int) -> Conference:
    """Begin with the first; each comes on everybody's screen. Without sites: all but the chair. :raises NotNow."""
    if conference.roll_call is not None:
        raise NotNow("roll-call-runs")
    if len(conference.roll_calls) >= MOST_ROLL_CALLS:
        raise NotNow("too-many-roll-calls")
    wanted = must_know(conference, sites) or tuple(one.id for one in conference.sites if one.id != conference.chair)
    if not wanted:
        raise NotNow("nobody-to-call")
    run = RollCall(conference.next_id, now_ms, by, wanted, (None,) * len(wanted), (0,) * len(wanted))
    return _called_up(conference, replace(conference, roll_call=run, next_id=conference.next_id + 1))


def roll_mark(conference: Conference, result: RollResult, now_ms: int, site: str = "") -> Conference:
    """Note how the one on screen answered, and go on to the next that is not marked; or correct another by its site."""
    run = _running(conference)
    where = run.sites.index(site) if site in run.sites else run.at
    if (site and site not in run.sites) or where >= len(run.sites):
        raise NotNow("not-on-roll")
    results = tuple(result if at == where else old for at, old in enumerate(run.results))
    marked = tuple(now_ms if at == where else old for at, old in enumerate(run.marked_ms))
    run = replace(run, results=results, marked_ms=marked)
    return _called_up(conference, replace(conference, roll_call=_onward(run) if where == run.at else run))


def roll_next(conference: Conference) -> Conference:
    """Skip (跳过): the one on screen stays unmarked and comes again at the end."""
    return _called_up(conference, replace(conference, roll_call=_onward(_running(conference))))


def roll_repeat(conference: Conference) -> Conference:
    """Call the one on screen once more."""
    run = _running(conference)
    return replace(conference, roll_call=replace(run, called=run.called + 1))


def roll_end(conference: Conference, now_ms: int) -> Conference:
    """Whoever was not marked and is not in is absent; the others gave no answer. The run is on record."""
    run = _running(conference)
    results = tuple(
        result or (RollResult.NO_ANSWER if conference.is_in(site) else RollResult.ABSENT)
        for site, result in zip(run.sites, run.results, strict=True)
    )
    done = replace(run, results=results, ended_ms=now_ms)
    return _called_up(conference, replace(conference, roll_call=None, roll_calls=(*conference.roll_calls, done)))


def _called_up(before: Conference, after: Conference) -> Conference:
    """Who is on screen may answer, by force or after its consent; who was, is as muted as all are."""
    was = before.roll_call.current if before.roll_call else ""
    now = after.roll_call.current if after.roll_call else ""
    if was == now:
        return after
    if was and after.is_in(was):
        muted = after.site(was).muted or (after.mute_all and was != after.chair)
        after = after.with_site(was, muted=muted, asked_unmute=False)
    one = after.find(now)
    if one is None or not one.is_in or not one.speaks or after.howls(one):
        return after
    if after.unmute is UnmutePolicy.FORCE:
        return after.with_site(now, muted=False, self_muted=False)
    return after.with_site(now, asked_unmute=True)


def _running(conference: Conference) -> RollCall:
    if conference.roll_call is None:
        raise NotNow("no-roll-call")
    return conference.roll_call


def _onward(run: RollCall) -> RollCall:
    """To the next one that is not marked, from here round; past the end when all are."""
    count = len(run.sites)
    for step in range(1, count + 1):
        at = (run.at + step) % count
        if run.results[at] is None:
            return replace(run, at=at, called=1)
    return replace(run, at=count, called=1)
