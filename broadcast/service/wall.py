"""Stub."""

from broadcast.clock import Clock
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.estate import Estate
from broadcast.service.ladder import Ladder
from broadcast.service.ports import Store
from broadcast.service.presence import Speakers


class Wall:
    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        broadcasts: Broadcasts,
        ladder: Ladder,
        speakers: Speakers,
    ) -> None:
        self._clock, self._store, self._estate = clock, store, estate
        self._broadcasts, self._ladder, self._speakers = broadcasts, ladder, speakers
