"""What is to be seen: 广播会场, 选看, 预览, 轮巡, layouts of 1–16 panes, and what a site chooses itself."""

from collections.abc import Sequence
from dataclasses import replace

from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.conference.errors import NotNow
from broadcast.domain.conference.media import MOST_PANES, Source
from broadcast.domain.conference.model import (
    MOST_SITES,
    PATROL_S,
    Conference,
    Pane,
    Patrol,
    must_be_within,
    must_know,
)
from broadcast.domain.conference.states import Wall

LAYOUTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16)  # pictures on a screen as MCUs offer them, Single … Sixteen
MOST_A_PANE = 32


def known(conference: Conference, source: Source) -> Source:
    """:raises UnknownSite."""
    conference.site(source.site)
    return source


def broadcast(conference: Conference, source: Source) -> Conference:
    """广播会场: everybody sees that one. :raises NotNow: it has no picture."""
    if not conference.shows(known(conference, source)):
        raise NotNow("no-picture")
    preview = None if conference.preview == source else conference.preview
    return replace(conference, on_air=(Pane((source,)),), preview=preview)


def broadcast_layout(conference: Conference, now_ms: int) -> Conference:
    """广播多画面: everybody sees the chair's layout."""
    if not conference.layout:
        raise NotNow("no-layout")
    return replace(conference, on_air=conference.layout, panes_next_ms=_next_ms(conference, now_ms))


def broadcast_end(conference: Conference) -> Conference:
    """Ends the broadcast of site or layout, and 点名发言 too (cancelBroadcast); `sound.call_out_end` does the latter."""
    return replace(conference, on_air=())


def preview(conference: Conference, source: Source | None) -> Conference:
    """预览: the chair looks at what it may put on the air; nobody else sees it."""
    return replace(conference, preview=known(conference, source) if source else None)


def compose(conference: Conference, panes: Sequence[Sequence[Source]], now_ms: int, *, apply: bool) -> Conference:
    """设置自定义多画面: the layout; a pane with several sources patrols. :param apply: put it on the air as well.

    :raises InvalidRequest, UnknownSite.
    """
    if len(panes) not in LAYOUTS or len(panes) > MOST_PANES:
        raise InvalidRequest([Fault("panes", "not-offered", (("offered", " ".join(map(str, LAYOUTS))),))])
    for sources in panes:
        must_be_within(len(sources), 0, MOST_A_PANE, "panes")
    layout = tuple(Pane(tuple(known(conference, one) for one in sources)) for sources in panes)
    conference = replace(conference, layout=layout, panes_next_ms=_next_ms(conference, now_ms))
    return replace(conference, on_air=layout) if apply else conference


def watch(conference: Conference, wall: Wall, source: Source | None) -> Conference:
    """主持人选看: patrol, panes or one site, on the chair's own screen."""
    if wall is Wall.ONE:
        if source is None:
            raise InvalidRequest([Fault("source", "missing")])
        return replace(conference, wall=wall, watching=known(conference, source))
    if wall is Wall.PATROL and not conference.patrol.sites:
        raise NotNow("no-patrol")
    return replace(conference, wall=wall)


def choose(conference: Conference, site: str, source: Source | None) -> Conference:
    """会场选看: what a site likes to see; it sees it while nothing goes before."""
    return conference.with_site(site, choice=known(conference, source) if source else None)


def voice_switching(conference: Conference, *, on: bool) -> Conference:
    """声控切换."""
    return replace(conference, voice_switching=on)


# ---- patrol -------------------------------------------------------------------------------------------------------------------


def patrol(conference: Conference, sites: Sequence[str], interval_s: int, now_ms: int) -> Conference:
    """轮巡 over these sites, every 10–120 s, on the chair's screen from now on. Without sites it ends."""
    must_be_within(interval_s, *PATROL_S, "interval_s")
    must_be_within(len(sites), 0, MOST_SITES, "sites")
    wanted = must_know(conference, sites)
    if not wanted:
        wall = Wall.PANES if conference.wall is Wall.PATROL else conference.wall
        return replace(conference, patrol=Patrol(interval_s=interval_s), wall=wall)
    fresh = Patrol(wanted, interval_s, 0, False, now_ms + interval_s * 1_000)
    conference = replace(conference, patrol=fresh, wall=Wall.PATROL)
    return conference if conference.shows(Source(wanted[0])) else patrol_step(conference, now_ms, by=1)


def patrol_step(conference: Conference, now_ms: int, *, by: int) -> Conference:
    """On to the next, or back; sites without a picture are passed over. The interval begins anew."""
    run = conference.patrol
    if not run.sites:
        raise NotNow("no-patrol")
    at = patrol_after(conference, run.at, by)
    return replace(conference, patrol=replace(run, at=at, next_ms=now_ms + run.interval_s * 1_000))


def patrol_after(conference: Conference, at: int, by: int = 1) -> int:
    """Which place comes then; the same one when no other has a picture."""
    sites = conference.patrol.sites
    for step in range(1, len(sites)):
        other = (at + by * step) % len(sites)
        if conference.shows(Source(sites[other])):
            return other
    return at


def patrol_hold(conference: Conference, now_ms: int, *, on: bool) -> Conference:
    run = conference.patrol
    if not run.sites:
        raise NotNow("no-patrol")
    return replace(conference, patrol=replace(run, held=on, next_ms=now_ms + run.interval_s * 1_000))


def panes_step(conference: Conference, now_ms: int) -> Conference:
    """Panes with several sources go on to the next that has a picture."""

    def step(pane: Pane) -> Pane:
        for by in range(1, len(pane.sources)):
            at = (pane.at + by) % len(pane.sources)
            if conference.shows(pane.sources[at]):
                return replace(pane, at=at)
        return pane

    layout, on_air = tuple(map(step, conference.layout)), tuple(map(step, conference.on_air))
    return replace(conference, layout=layout, on_air=on_air, panes_next_ms=_next_ms(conference, now_ms))


def _next_ms(conference: Conference, now_ms: int) -> int:
    return now_ms + conference.patrol.interval_s * 1_000
