"""Conferences for tests: a city's chair and townships, in or not."""

from dataclasses import replace

from broadcast.domain.conference import roster
from broadcast.domain.conference.acting import Actor, apply, numbered
from broadcast.domain.conference.acts import AnyAct
from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.plans import Plan, Seat, begin

CITY, TOWNS = "130281000000", tuple(f"1302811{n:02d}000" for n in range(8))
VILLAGE = "130281100201"
CHAIR, A, B, C, D = "chair", "a", "b", "c", "d"
T0 = 1_790_000_000_000
BOSS = Actor("boss", CHAIR)


def plan(**changes: object) -> Plan:
    seats = (
        Seat(CHAIR, "指挥中心", CITY, officer="boss"),
        *(Seat(name, f"{name} 镇", town) for name, town in zip((A, B, C, D), TOWNS, strict=False)),
    )
    return replace(Plan("防汛调度", CITY, seats, chair=CHAIR, deputies=(A,)), **changes)  # type: ignore[arg-type]


def hall(*present: str, **changes: object) -> Conference:
    """One that runs; the chair and these are in, with pictures."""
    conference = begin(plan(**changes), conference="01JCONFERENCE0000000000000", creator="boss", now_ms=T0)
    for site in (CHAIR, *present):
        conference = come(conference, site)
    return conference


def come(conference: Conference, site: str, now_ms: int = T0) -> Conference:
    entered = roster.enter(conference, site, conference.site(site).identity, now_ms)
    if entered.is_in(site):
        entered = entered.with_site(site, camera=True)
    return numbered(conference, entered)


def do(conference: Conference, *wanted: AnyAct, by: str = CHAIR, now_ms: int = T0) -> Conference:
    """As the site that it is: the chair is its creator too."""
    actor = BOSS if by == CHAIR else Actor(conference.site(by).identity, by)
    for act in wanted:
        conference = apply(conference, act, by=actor, now_ms=now_ms)
    return conference
