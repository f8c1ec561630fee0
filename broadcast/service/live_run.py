"""One run of a live stream: frames of a source become signed packets for the speakers and a recording for the record.

Microphones and relays are the same from here on.
"""

import asyncio
import logging
from collections.abc import Sequence

from broadcast.clock import Clock
from broadcast.domain.live import FRAME_MS, LiveRules
from broadcast.domain.live_clock import MediaClock
from broadcast.domain.live_records import LiveRecord
from broadcast.service.health import Health
from broadcast.service.live_ports import LiveAir, Tapes
from broadcast.service.ports import Store, StoreUnavailable
from endpoints.protocol import Order

log = logging.getLogger(__name__)

SILENT_FRAME = b"\xf8\xff\xfe"  # 20 ms of silence in Opus (CELT, mono), as any encoder would say it
SOUND_OUT_S = 0.3  # beyond the play-out delay: a sound card's own buffer
RETRY_S = 1.0


class Airtime:
    """How many deliveries a second the streams under way ask of the broker."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    @property
    def running_per_s(self) -> int:
        return sum(self._taken.values())

    def take(self, order: str, per_s: int) -> None:
        self._taken[order] = per_s

    def give_back(self, order: str) -> None:
        self._taken.pop(order, None)


class Studio:
    """What every run needs."""

    def __init__(
        self, *, clock: Clock, store: Store, health: Health, air: LiveAir, tapes: Tapes, rules: LiveRules
    ) -> None:
        self.clock, self.store, self.health = clock, store, health
        self.air, self.tapes, self.rules = air, tapes, rules
        self.airtime = Airtime()


class LiveRun:
    """From its head to its last packet. Made when the order is about to be committed: the head comes before the board.

    :param frames_a_packet: as admitted.
    """

    def __init__(self, order: Order, studio: Studio, *, frames_a_packet: int, title: str) -> None:
        self.order, self.frames_a_packet = order, frames_a_packet
        self.delay_ms = studio.rules.delay_of(frames_a_packet)
        self.packets = self.lost = 0
        self._studio, self._title = studio, title
        started_us = studio.clock.now_us()
        self._record = LiveRecord(order.id, started_us // 1_000, order.stream)
        self._out = studio.air.open(order, started_us=started_us)
        self._tape = studio.tapes.begin(order.id, self._record.from_ms, title=title)
        if not self._tape.broken:
            studio.health.clear("live-not-recorded")
        self._media = MediaClock()
        self._waiting: list[bytes] = []
        self._waiting_us = self._end_us = 0
        self._over = False

    def announce(self) -> None:
        """Say what the stream is; again when the broker has come back."""
        if not self._over:
            self._out.head(frames=self.frames_a_packet, delay_ms=self.delay_ms)

    async def mark(self, why: str) -> None:
        """What is known of it before it ends, and stays on the record."""
        self._record = self._record._replace(why=why)
        await self.keep()

    async def keep(self) -> None:
        """Its row: from here on a crash leaves a recording that is known."""
        try:
            await self._studio.store.write(lambda tx: tx.live.save(self._record))
        except StoreUnavailable as err:  # the sound is on its way; the row comes with its end
            log.warning("the record of %s waits: %s", self.order.id, err.cause)

    def frames(self, frames: Sequence[bytes], arrived_us: int, *, silence: bool = False) -> None:
        """These were captured, the last of them was there at `arrived_us`; they go out as soon as they fill a packet."""
        if self._over or not frames:
            return
        media_us, gap = self._media.stamp(len(frames), arrived_us)
        if gap:
            self.flush()
            self._tape.skip((media_us - self._end_us) // (FRAME_MS * 1_000) if self._end_us else 0)
        if not self._waiting:
            self._waiting_us = media_us
        self._waiting += [SILENT_FRAME] * len(frames) if silence else frames
        self._end_us = media_us + len(frames) * FRAME_MS * 1_000
        while len(self._waiting) >= self.frames_a_packet:
            self._send(self.frames_a_packet, silence=silence)

    def flush(self, *, last: bool = False) -> None:
        """Send what does not fill a packet. The last packet of all says that it is."""
        if self._over:
            return
        if self._waiting or last:
            if not self._waiting:
                self._waiting, self._waiting_us = [SILENT_FRAME], self._end_us or self._studio.clock.now_us()
            self._send(len(self._waiting), last=last)

    def _send(self, count: int, *, silence: bool = False, last: bool = False) -> None:
        frames, self._waiting = self._waiting[:count], self._waiting[count:]
        media_us, self._waiting_us = self._waiting_us, self._waiting_us + count * FRAME_MS * 1_000
        if self._out.send(frames, media_us, silence=silence, last=last):
            self.packets += 1
            self._tape.add(frames)
        else:
            self.lost += 1
            self._tape.skip(len(frames))
        if self._tape.broken:
            self._studio.health.raise_("live-not-recorded", order=self.order.id)

    async def sound_out(self) -> None:
        """The last packet, and as long as the speakers need to play it: a stop that came sooner would cut the last word."""
        if self._over:
            return
        self.flush(last=True)
        self._over = True
        self._out.head(frames=self.frames_a_packet, delay_ms=self.delay_ms, ended=True)
        clock = self._studio.clock
        await clock.sleep_until(clock.monotonic() + self.delay_ms / 1_000 + SOUND_OUT_S)

    async def abandon(self) -> None:
        """Its order was not committed: nothing has gone out."""
        self._over = True
        self._out.clear()
        self._studio.airtime.give_back(self.order.id)
        await self._tape.finish()
        self._studio.tapes.forget(self.order.id, self._record.from_ms)

    async def close(self, why: str, *, ended: bool = True) -> None:
        """It is over: the broker forgets its head, the recording goes into the library, its row says so.

        :param ended: False when the stream goes on in another run: its head stays.
        """
        self._over = True
        if ended:
            self._out.clear()
        self._studio.airtime.give_back(self.order.id)
        taped = await self._tape.finish()
        record = self._record._replace(
            to_ms=max(self._studio.clock.now_ms(), self._record.from_ms + 1),
            packets=self.packets,
            lost=self.lost,
            why=self._record.why or why,
        )
        if taped is not None:
            record = record._replace(sha256=taped.sha256, size_bytes=taped.size_bytes, sound_ms=taped.sound_ms)
        while True:
            try:
                await self._studio.store.write(lambda tx: tx.live.save(record))
                self._studio.tapes.forget(record.order, record.from_ms)
                return
            except StoreUnavailable as err:
                log.warning("the record of %s waits: %s", self.order.id, err.cause)
                await asyncio.sleep(RETRY_S)


async def mend_records(studio: Studio) -> int:
    """After a crash: what was being recorded becomes evidence of what went out until then. How many there were."""
    unfinished = await studio.store.read(lambda tx: tx.live.unfinished())
    for record in unfinished:
        taped = await studio.tapes.mend(record.order, record.from_ms)
        sound_ms = 0 if taped is None else taped.sound_ms
        ended = record._replace(to_ms=max(record.from_ms + sound_ms, record.from_ms + 1), why=record.why or "crash")
        if taped is not None:
            ended = ended._replace(sha256=taped.sha256, size_bytes=taped.size_bytes, sound_ms=taped.sound_ms)
        await studio.store.write(lambda tx, ended=ended: tx.live.save(ended))  # type: ignore[misc]
        studio.tapes.forget(record.order, record.from_ms)
    return len(unfinished)
