"""One open microphone: its machine, where its sound comes from, and where it goes."""

import asyncio
import logging
import secrets
from collections.abc import Sequence

from broadcast.domain.live import LiveRules, LiveState, LiveView, Microphone, OpenLive, deliveries_per_s
from broadcast.domain.officers import Officer
from broadcast.service.live_ports import FedSource, Source
from broadcast.service.live_run import LiveRun, Studio

log = logging.getLogger(__name__)


class Mic:
    """It is the `Ears` of its source."""

    def __init__(
        self, officer: Officer, command: OpenLive, machine: Microphone, listeners: tuple[str, ...], studio: Studio
    ) -> None:
        self.id = f"live-{secrets.token_hex(8)}"
        self.officer, self.command, self.machine = officer, command, machine
        self.listeners = listeners
        self.frames_a_packet = 0
        self.run: LiveRun | None = None
        self.source: Source | FedSource | None = None
        self.fed: FedSource | None = None
        self.saying: asyncio.Task[None] | None = None  # the words before an exercise
        self.finishing: asyncio.Task[None] | None = None
        self.reopening: asyncio.Task[None] | None = None
        self.ended_at: float | None = None
        self.changed = asyncio.Event()
        self.shown = (LiveState.PRELISTEN, False)
        self.lost_source = False
        self._studio = studio
        self._measured = True

    def frames(self, frames: Sequence[bytes], arrived_us: int) -> None:
        now = self._studio.clock.monotonic()
        if self.run is not None and self.machine.takes_sound(now):
            self.run.frames(frames, arrived_us, silence=self.machine.muted)
        if not self._measured:  # nobody can say how loud it is: who speaks must not be cut off for silence
            self.machine.level(0.0, 0.0, now)

    def level(self, level_db: float, peak_db: float) -> None:
        self.machine.level(level_db, peak_db, self._studio.clock.monotonic())

    def ended(self, cause: str) -> None:
        log.warning("microphone of %s: %s", self.officer.name, cause)
        if self.fed is None:
            self.lost_source = True
            self.machine.gone(self._studio.clock.monotonic())
        self._measured = False

    def tell(self) -> None:
        """Wake who waits for a change."""
        self.changed.set()
        self.changed = asyncio.Event()

    def view(self, now: float, rules: LiveRules) -> LiveView:
        machine, run = self.machine, self.run
        return LiveView(
            id=self.id,
            order="" if run is None else run.order.id,
            officer=self.officer.name,
            title=self.officer.title,
            areas=self.command.areas,
            headline=self.command.headline,
            exercise=self.command.exercise,
            state=machine.state(now),
            why=machine.why,
            may_speak=machine.may_speak(now),
            muted=machine.muted,
            level_db=machine.level_db,
            peak_db=machine.peak_db,
            silent_s=machine.silent_s(now),
            silence_s=rules.silence_s,
            on_air_s=machine.on_air_s(now),
            left_s=machine.left_s(now),
            speakers=len(self.listeners),
            sounding=machine.sounding,
            interrupted=machine.interrupted,
            frames_a_packet=self.frames_a_packet,
            delay_ms=rules.delay_of(self.frames_a_packet),
            deliveries_per_s=deliveries_per_s(len(self.listeners), self.frames_a_packet),
            packets=0 if run is None else run.packets,
            lost=0 if run is None else run.lost,
        )
