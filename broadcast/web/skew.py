"""How far apart the speakers of one broadcast began, over the API."""

from pydantic import BaseModel

from broadcast.domain.broadcasts import UnknownBroadcast
from broadcast.domain.skew import Skew
from broadcast.service.skew import achieved
from broadcast.web.openapi import Api, Call

api = Api()


class SpreadOut(BaseModel):
    village: str
    speakers: int
    spread_ms: int


class SkewOut(BaseModel):
    """Of the speakers that began within 2 s of the instant; `joined_later` counts the others.

    `planned`: the instant lay ahead when the order was given; otherwise each began as soon as it heard of it. Milliseconds are the
    speakers' own, so add to them 1 ms and `time_error_us`, the worst of their clocks (null: none has said).
    """

    planned: bool
    speakers: int
    joined_later: int
    p50_ms: int
    p99_ms: int
    max_ms: int
    spread_ms: int
    villages: list[SpreadOut]
    time_error_us: int | None

    @classmethod
    def of(cls, one: Skew) -> "SkewOut":
        villages = [SpreadOut(village=v.village, speakers=v.speakers, spread_ms=v.spread_ms) for v in one.villages]
        return cls(
            planned=one.planned,
            speakers=one.speakers,
            joined_later=one.joined_later,
            p50_ms=one.p50_ms,
            p99_ms=one.p99_ms,
            max_ms=one.max_ms,
            spread_ms=one.spread_ms,
            villages=villages,
            time_error_us=one.time_error_us,
        )


class SkewsOut(BaseModel):
    """`skew` is null while nobody has said that it began."""

    broadcast: str
    skew: SkewOut | None


@api.get("/broadcasts/{broadcast}/skew", errors=(UnknownBroadcast,))
async def get_skew(call: Call) -> SkewsOut:
    """How far from each other its speakers began, in all and in each village, by their reports."""
    services = call.services
    broadcast = await services.wall.get(call.path("broadcast"), by=call.officer)
    rows = await services.wall.deliveries(broadcast, by=call.officer)
    found = achieved(broadcast, rows, estate=services.estate, speakers=services.speakers)
    return SkewsOut(broadcast=broadcast.id, skew=None if found is None else SkewOut.of(found))
