"""Relays of the plan (转播时段): a stream or line input is opened shortly before its slot and let go at its end or when stopped."""

from collections.abc import Mapping
from typing import Protocol

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.live import LiveOverBudget
from broadcast.domain.programmes import LineIn, Source, Stream
from broadcast.service.health import Health
from broadcast.service.programme_boards import ProgrammeBoards
from endpoints.protocol import Order

LEAD_MS = 8_000  # a network stream needs a few seconds before it flows
CARD = "card"


class Relays(Protocol):
    """`broadcast.service.relays.Relays`: starting what runs and stopping what does not is no error."""

    @property
    def running(self) -> frozenset[str]: ...
    async def start(self, order: Order, address: str) -> None: ...  # LiveOverBudget: nothing was begun
    async def stop(self, order: str) -> None: ...


class Relaying:
    """Has those relays run whose time it is, and no others."""

    def __init__(self, *, clock: Clock, boards: ProgrammeBoards, relays: Relays, health: Health) -> None:
        self._clock, self._boards, self._relays, self._health = clock, boards, relays, health
        self._rows: Mapping[str, Broadcast] | None = None
        self._ours: list[Broadcast] = []

    async def tick(self) -> None:
        """Call about once a second; without a relay in the plan it costs nothing."""
        if self._boards.rows is not self._rows:
            self._rows = self._boards.rows
            self._ours = [one for one in self._rows.values() if one.order.stream]
        now_ms = self._clock.now_ms()
        wanted = {
            one.id: one for one in self._ours if one.is_live(now_ms) and one.order.not_before_ms - LEAD_MS <= now_ms
        }
        for order in self._relays.running - wanted.keys():
            await self._relays.stop(order)
        refused = ""
        for one in wanted.values():
            address = self._address(one)
            try:
                await self._relays.start(one.order, address)
            except LiveOverBudget as err:  # tried again while its slot lasts: another may end
                refused = address
                self._health.raise_("relay-refused", source=address, cause=str(err))
        if not refused:
            self._health.clear("relay-refused")

    def _address(self, one: Broadcast) -> str:
        version = self._boards.plan.versions.get(one.programme)
        return (address_of(version.programme.source) if version else "") or CARD


def address_of(source: Source) -> str:
    """What `Relays` opens for it; empty for what is no relay."""
    match source:
        case Stream(url):
            return url
        case LineIn(device):
            return f"{CARD}:{device}" if device else CARD
        case _:
            return ""
