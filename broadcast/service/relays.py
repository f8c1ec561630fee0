"""Relays (转播): a network stream or a line input as the sound of a programme, from its slot's start to its end.

For the programme service, at slot times:

    await relays.start(order, "http://radio.example:8000/live")    # or "card", "card:Line In"; order.stream names the stream
    await relays.stop(order.id)                                    # its last words are played out; the order ends by its own time

`start` raises LiveOverBudget when the broker could not carry it; a source that does not answer is tried again until `stop`, with an
alarm meanwhile: speakers sound the hold tone after 3 s and give the stream up after 10 s. From then on its record says so, also
when the source has come back and the alarm is gone: what speakers say of that time is held against it. Starting what runs does
nothing, so that the caller may say it again and again, and after a restart of the server.
"""

import asyncio
import logging
from collections.abc import Sequence

from broadcast.domain.live import NoSource, admit, deliveries_per_s
from broadcast.domain.live_records import RELAY_LOST
from broadcast.service.estate import Estate
from broadcast.service.live_ports import Source, Sources
from broadcast.service.live_run import LiveRun, Studio
from endpoints.protocol import Order

log = logging.getLogger(__name__)

TRY_AGAIN_S = (1.0, 2.0, 5.0)
LOST_S = 10.0  # without a frame, and speakers give it up (`endpoints.jitter.LOST_US`)
LOOK_S = 1.0


class _Relay:
    """One that runs. It is the `Ears` of its source."""

    def __init__(self, run: LiveRun, address: str, studio: Studio) -> None:
        self.run, self.address, self._clock = run, address, studio.clock
        self.tasks: list[asyncio.Task[None]] = []
        wanted_in_s = max(0, run.order.not_before_ms - studio.clock.now_ms()) / 1_000
        self.heard_at = studio.clock.monotonic() + wanted_in_s  # the last frame, or when the first one is wanted
        self.source: Source | None = None
        self.cause = ""
        self.broken = asyncio.Event()

    def frames(self, frames: Sequence[bytes], arrived_us: int) -> None:
        self.heard_at = max(self.heard_at, self._clock.monotonic())
        self.run.frames(frames, arrived_us)

    def level(self, level_db: float, peak_db: float) -> None:
        """Silence in a programme is found at the speakers."""

    def ended(self, cause: str) -> None:
        self.cause = cause
        self.broken.set()


class Relays:
    """All that run on this server."""

    def __init__(self, *, studio: Studio, estate: Estate, sources: Sources) -> None:
        self._studio, self._estate, self._sources = studio, estate, sources
        self._relays: dict[str, _Relay] = {}

    @property
    def running(self) -> frozenset[str]:
        """The ids of their orders."""
        return frozenset(self._relays)

    async def start(self, order: Order, address: str) -> None:
        """:raises LiveOverBudget: nothing was begun. :raises ValueError: the order names no stream."""
        if order.id in self._relays:
            return
        if not order.stream:
            raise ValueError(f"{order.id} names no stream")
        listeners = len(self._estate.meant_by(order))
        frames = admit(listeners, self._studio.airtime.running_per_s, self._studio.rules)
        self._studio.airtime.take(order.id, deliveries_per_s(listeners, frames))
        relay = _Relay(
            LiveRun(order, self._studio, frames_a_packet=frames, title=f"转播 {address}"), address, self._studio
        )
        self._relays[order.id] = relay
        relay.run.announce()
        await relay.run.keep()
        for work in (self._keep_going(relay), self._watch(relay)):
            relay.tasks.append(asyncio.get_running_loop().create_task(work, name=f"relay {order.id}"))

    async def stop(self, order: str) -> None:
        """End it; what has ended already is no error."""
        relay = self._relays.pop(order, None)
        if relay is None:
            return
        for task in relay.tasks:
            task.cancel()
        await asyncio.gather(*relay.tasks, return_exceptions=True)
        if relay.source is not None:
            await relay.source.close()
        await relay.run.sound_out()
        await relay.run.close("closed")
        self._say_how_it_is()

    async def stop_all(self) -> None:
        """The server ends. The streams are not: the next run of the server takes them up."""
        relays, self._relays = self._relays, {}
        for relay in relays.values():
            for task in relay.tasks:
                task.cancel()
            if relay.source is not None:
                await relay.source.close()
            relay.run.flush()
            await relay.run.close("stopped", ended=False)

    def wire_up(self) -> None:
        """The broker is there (again) and may have lost the heads."""
        for relay in self._relays.values():
            relay.run.announce()

    async def _keep_going(self, relay: _Relay) -> None:
        """Open the source, and again whenever it breaks."""
        tries = 0
        while True:
            relay.broken.clear()
            began = self._studio.clock.monotonic()
            try:
                relay.source = await self._sources.open(relay.address, relay)
                relay.cause = ""
                self._say_how_it_is()
                await relay.broken.wait()
                await relay.source.close()
                relay.source = None
            except NoSource as err:
                relay.cause = err.cause
            log.warning("relay %s of %s: %s", relay.run.order.id, relay.address, relay.cause)
            relay.run.flush()
            self._say_how_it_is()
            tries = 0 if self._studio.clock.monotonic() - began > TRY_AGAIN_S[-1] else tries + 1
            wait_s = TRY_AGAIN_S[min(tries, len(TRY_AGAIN_S)) - 1] if tries else TRY_AGAIN_S[0]
            await self._studio.clock.sleep_until(self._studio.clock.monotonic() + wait_s)

    async def _watch(self, relay: _Relay) -> None:
        """Until it has been away for too long once; one word of that on its record is enough."""
        clock = self._studio.clock
        while clock.monotonic() - relay.heard_at < LOST_S:
            await clock.sleep_until(clock.monotonic() + LOOK_S)
        log.warning("relay %s of %s gave nothing for %.0f s", relay.run.order.id, relay.address, LOST_S)
        await relay.run.mark(RELAY_LOST)

    def _say_how_it_is(self) -> None:
        """One alarm for all, about the first that gives no sound."""
        broken = next((relay for relay in self._relays.values() if relay.cause), None)
        if broken is None:
            self._studio.health.clear("relay-lost")
        else:
            self._studio.health.raise_("relay-lost", source=broken.address, cause=broken.cause)
