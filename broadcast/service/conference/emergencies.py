"""An emergency on the air where a conference has sites pre-empts it: its sound over everything, its words on every screen."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.conference.errors import ConferenceOver, UnknownConference
from broadcast.domain.conference.model import Conference, Emergency
from broadcast.service.conference.rooms import Conferences
from endpoints.area_codes import covers
from endpoints.protocol import Kind


class Emergencies:
    """:param live: broadcasts that are on the air now, the newest first."""

    def __init__(self, *, clock: Clock, conferences: Conferences, live: Callable[[], Iterable[Broadcast]]) -> None:
        self._clock, self._conferences, self._live = clock, conferences, live

    async def tick(self) -> None:
        """Call several times a second; without a conference it costs nothing."""
        for conference in self._conferences.live:
            meant = self._of(conference)
            if (meant.order if meant else "") == (conference.emergency.order if conference.emergency else ""):
                continue
            try:
                await self._conferences.change(conference.id, lambda now, meant=meant: replace(now, emergency=meant))  # type: ignore[misc]
            except (ConferenceOver, UnknownConference):
                continue

    def _of(self, conference: Conference) -> Emergency | None:
        """The newest that concerns it. An exercise pre-empts only a conference that is one."""
        areas = [one.area for one in conference.sites if one.is_in]
        now_ms = self._clock.now_ms()
        for one in self._live():
            order = one.order
            if order.kind is not Kind.EMERGENCY or order.exercise is not conference.exercise:
                continue
            if order.not_before_ms > now_ms or not any(covers(area, site) for area in order.areas for site in areas):
                continue
            return Emergency(one.id, one.headline, order.asset.hex() if order.asset else "", order.not_before_ms)
        return None
