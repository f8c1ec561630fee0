"""Live sound (现场喊话): one open microphone an officer, from the first look at its level to the evidence of what went out.

For whoever holds the other end (a page over a WebSocket, a command, the control room's sound card):

    view = await live.prepare(OpenLive(areas=…, minutes=10), by=officer)   # pre-listen: nothing is ordered, nothing goes out
    live.feed_opus(view.id, frames, by=officer)      # 20 ms Opus packets, mono, as WebCodecs makes them; or
    live.feed_pcm(view.id, data, by=officer)         # 48 kHz mono s16le, any length: encoded in a process of its own
    view = await live.open(view.id, by=officer)      # committed, head and boards published; state waiting → on_air
    live.mute(view.id, on=True, by=officer)          # cough: silence goes out in place of what is fed
    view = await live.close(view.id, by=officer)     # the last words (and an exercise's) still go out; then the order ends
    live.gone(view.id, by=officer)                   # the connection broke: held; `back` within 10 s, else it ends
    view = live.back(view.id, by=officer)
    view = live.view(view.id, by=officer)            # LiveView, cheap: level, lamp, who sounds, what is left
    view = await live.wait(view.id, by=officer, timeout_s=0.1)   # the same, a moment later or as soon as its state changes
    views = live.all()                               # every microphone, for the desk

`prepare` raises InvalidRequest, AreaNotGranted, RoleNotGranted, MicrophoneOpen (this officer has one), LiveBusy (somebody of at
least the same rank speaks there: `err.officer`), LiveOverBudget (with the numbers), NoSource. `open` raises LiveBusy, LiveOver,
BoardFull, StoreUnavailable, SpeechFailed (an exercise cannot say that it is one). Every call raises UnknownLive for a microphone
that is not this officer's, and `feed_*` BadSound for what is no sound; what comes after the end is dropped without a word.

`LiveView.state` is a LiveState, `LiveView.why` a LiveEnd; the lamp is `may_speak`: some speaker says that it sounds, and its chime
is over. Sound that is fed before is measured and, once ordered, sent: speakers that are there hear it.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress

from broadcast.domain.live import (
    EXERCISE_HEAD,
    EXERCISE_TAIL,
    FRAME_MS,
    MAX_FRAMES_FED,
    MAX_SAMPLES_BYTES,
    BadSound,
    LiveEnd,
    LiveOver,
    LiveRules,
    LiveView,
    Microphone,
    MicrophoneOpen,
    NoSource,
    OpenLive,
    UnknownLive,
    admit,
    deliveries_per_s,
    must_be_sound,
)
from broadcast.domain.live_records import LiveRecord
from broadcast.domain.officers import Officer
from broadcast.service.live_boards import LiveBoards
from broadcast.service.live_mic import Mic
from broadcast.service.live_ports import Sources, Words
from broadcast.service.live_run import RETRY_S, SILENT_FRAME, LiveRun, Studio, mend_records
from endpoints.protocol import Order

log = logging.getLogger(__name__)

KEEP_ENDED_S = 60.0
ALARM_S = 600.0  # so long the desk shows that a voice was lost


class Live:
    """The microphones of all officers."""

    def __init__(self, *, studio: Studio, boards: LiveBoards, sources: Sources, words: Words) -> None:
        self._studio, self._clock, self._rules = studio, studio.clock, studio.rules
        self._boards, self._sources, self._words = boards, sources, words
        self._mics: dict[str, Mic] = {}
        self._left_over: list[Order] = []  # of an earlier run of the server; their heads have to be cleared
        self._alarm_ends_at = float("inf")

    @property
    def rules(self) -> LiveRules:
        return self._rules

    # ---- acts -----------------------------------------------------------------------------------------------------------

    async def prepare(self, command: OpenLive, *, by: Officer) -> LiveView:
        """A microphone that is listened to and not yet heard. See the module for what it raises."""
        self._boards.must_be_right(command, self._rules, by=by)
        known = next((mic for mic in self._mics.values() if mic.officer.name == by.name and not mic.machine.why), None)
        if known is not None:
            raise MicrophoneOpen(by.name, known.id)
        order = self._boards.compose(command, by=by).order
        listeners = self._boards.listeners(order)
        self._boards.must_be_free(order, listeners)
        now = self._clock.monotonic()
        machine = Microphone(self._rules, tone=order.tone, announces=command.exercise, now=now)
        mic = Mic(by, command, machine, listeners, self._studio)
        mic.frames_a_packet = self._admitted(mic)
        self._mics[mic.id] = mic
        try:
            if command.source:
                mic.source = await self._sources.open(command.source, mic)
            else:
                mic.source = mic.fed = self._sources.fed(mic)
        except BaseException:
            del self._mics[mic.id]
            raise
        return self._view(mic)

    async def open(self, live: str, *, by: Officer) -> LiveView:
        """Order it: from now on what is said is on its way. A second call does nothing."""
        mic = self._mine(live, by)
        machine = mic.machine
        if machine.why:
            raise LiveOver(live, machine.why)
        if mic.run is not None:
            return self._view(mic)
        words = await self._words.frames(EXERCISE_HEAD) if mic.command.exercise else ()
        broadcast = self._boards.compose(mic.command, by=by)
        made: list[LiveRun] = []

        def begin() -> None:
            if machine.why or mic.finishing is not None or mic.run is not None:
                raise LiveOver(live, machine.why)
            mic.frames_a_packet = frames = self._admitted(mic)
            mic.run = LiveRun(
                broadcast.order, self._studio, frames_a_packet=frames, title=f"{broadcast.headline} {by.name}"
            )
            made.append(mic.run)
            self._studio.airtime.take(mic.run.order.id, deliveries_per_s(len(mic.listeners), frames))
            mic.run.announce()

        try:
            await self._boards.put_on(broadcast, mic.listeners, begin, by=by)
        except BaseException:
            for run in made:
                mic.run = None
                await run.abandon()
            raise
        now = self._clock.monotonic()
        machine.ordered(now + mic.command.minutes * 60, now)
        await made[0].keep()
        if words:
            mic.saying = self._task(self._begin_exercise(mic, words), f"exercise {live}")
        return self._view(mic)

    def feed_opus(self, live: str, frames: Sequence[bytes], *, by: Officer) -> None:
        """:raises UnknownLive, BadSound: what is wrong is dropped whole."""
        mic = self._mine(live, by)
        if not 0 < len(frames) <= MAX_FRAMES_FED:
            raise BadSound(f"{len(frames)} frames at once")
        for frame in frames:
            must_be_sound(frame)
        if mic.fed is None or mic.machine.why:
            return
        mic.fed.measure(frames)
        mic.frames(frames, self._clock.now_us())

    def feed_pcm(self, live: str, data: bytes, *, by: Officer) -> None:
        """:raises UnknownLive, BadSound: what is wrong is dropped whole."""
        mic = self._mine(live, by)
        if not data or len(data) % 2 or len(data) > MAX_SAMPLES_BYTES:
            raise BadSound(f"{len(data)} bytes of samples at once")
        if mic.fed is not None and not mic.machine.why:
            mic.fed.samples(data)

    def mute(self, live: str, *, on: bool, by: Officer) -> LiveView:
        mic = self._mine(live, by)
        mic.machine.muted = on
        return self._view(mic)

    def gone(self, live: str, *, by: Officer) -> None:
        """The page is gone, or its connection; silence is not sent in its place."""
        mic = self._mine(live, by)
        mic.machine.gone(self._clock.monotonic())
        if mic.run is not None:
            mic.run.flush()

    def back(self, live: str, *, by: Officer) -> LiveView:
        """:raises LiveOver: too late."""
        mic = self._mine(live, by)
        if mic.machine.why:
            raise LiveOver(live, mic.machine.why)
        mic.machine.back(self._clock.monotonic())
        return self._view(mic)

    async def close(self, live: str, *, by: Officer) -> LiveView:
        """End it; when this returns the last word has been heard and the order is off the boards."""
        mic = self._mine(live, by)
        self._finish(mic, LiveEnd.CLOSED if mic.run is not None else LiveEnd.ABANDONED)
        if mic.finishing is not None:
            await asyncio.shield(mic.finishing)
        return self._view(mic)

    # ---- questions ------------------------------------------------------------------------------------------------------

    def view(self, live: str, *, by: Officer) -> LiveView:
        return self._view(self._mine(live, by))

    async def wait(self, live: str, *, by: Officer, timeout_s: float) -> LiveView:
        """The view when its state has changed, at the latest after that time."""
        mic = self._mine(live, by)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await mic.changed.wait()
        return self._view(mic)

    def all(self) -> list[LiveView]:
        """Every microphone that is open, for the desk."""
        return [self._view(mic) for mic in self._mics.values() if not mic.machine.why]

    async def recordings(self, order: str) -> Sequence[LiveRecord]:
        """What went out of a broadcast, run by run (现场录音)."""
        return await self._studio.store.read(lambda tx: tx.live.of(order))

    # ---- life of the server ---------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """After a start: what the last run of the server was sending has ended, and its recordings are mended."""
        if await mend_records(self._studio):
            log.warning("recordings of live sound were cut off by a crash and have been mended")
        over = await self._boards.take_off_left_over()
        self._left_over = [one.order for one in over]
        if over:
            self._raise_alarm(over[0].headline, "restart")

    def wire_up(self) -> None:
        """The broker is there (again) and may have lost the heads."""
        for order in self._left_over:
            self._studio.air.forget(order)
        for mic in self._mics.values():
            if mic.run is not None and not mic.machine.why:
                mic.run.announce()

    async def tick(self) -> None:
        """Look who hears it, and end what must; call every tenth of a second."""
        now = self._clock.monotonic()
        if now >= self._alarm_ends_at:
            self._alarm_ends_at = float("inf")
            self._studio.health.clear("live-lost")
        for mic in list(self._mics.values()):
            machine = mic.machine
            if machine.why:
                if mic.ended_at is not None and now - mic.ended_at > KEEP_ENDED_S:
                    del self._mics[mic.id]
                continue
            if mic.run is not None and machine.is_ordered:
                sounding, interrupted = self._boards.hearing(mic.run.order.id)
                machine.heard(sounding, now, interrupted=interrupted)
                if self._boards.is_off(mic.run.order.id):
                    self._finish(mic, LiveEnd.STOPPED)
            if why := machine.tick(now):
                self._finish(mic, why)
            elif mic.lost_source and (mic.reopening is None or mic.reopening.done()):
                mic.reopening = self._task(self._reopen(mic), f"source of {mic.id}")
            self._tell(mic, now)

    async def stop(self) -> None:
        """The server ends: every microphone is closed in an orderly way."""
        for mic in self._mics.values():
            if not mic.machine.why:
                self._finish(mic, LiveEnd.FAILED if mic.run is not None else LiveEnd.ABANDONED)
        await asyncio.gather(*(mic.finishing for mic in self._mics.values() if mic.finishing), return_exceptions=True)

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _admitted(self, mic: Mic) -> int:
        return admit(len(mic.listeners), self._studio.airtime.running_per_s, self._rules)

    def _mine(self, live: str, by: Officer) -> Mic:
        mic = self._mics.get(live)
        if mic is None or mic.officer.name != by.name:
            raise UnknownLive(live)
        return mic

    def _task(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work, name=name)

    async def _reopen(self, mic: Mic) -> None:
        """The sound card went away; it may come back."""
        if mic.source is not None:
            await mic.source.close()
        await self._clock.sleep_until(self._clock.monotonic() + RETRY_S)
        with suppress(NoSource):
            mic.source = await self._sources.open(mic.command.source, mic)
            mic.lost_source = False
            mic.machine.back(self._clock.monotonic())

    # The words of an exercise -----------------------------------------------------------------------------------------------

    async def _begin_exercise(self, mic: Mic, words: Sequence[bytes]) -> None:
        """Silence until somebody listens, then the words; only then the microphone."""
        until = self._clock.monotonic()
        while not mic.machine.is_ready(self._clock.monotonic()):
            until = await self._say(mic, [SILENT_FRAME] * 3, until)
        await self._announce(mic, words, until)

    async def _announce(self, mic: Mic, words: Sequence[bytes], began: float) -> None:
        mic.machine.announcing(True, self._clock.monotonic())
        try:
            await self._say(mic, words, began)
        finally:
            mic.machine.announcing(False, self._clock.monotonic())

    async def _say(self, mic: Mic, frames: Sequence[bytes], began: float) -> float:
        """In real time, as if they came from a microphone. When they end: what follows goes on from there, for were it late by
        the millisecond that each waking is, the stream would fall back until it jumps."""
        for end in range(3, len(frames) + 3, 3):
            await self._clock.sleep_until(began + min(end, len(frames)) * FRAME_MS / 1_000)
            if mic.run is not None:
                mic.run.frames(frames[end - 3 : end], self._clock.now_us())
        return began + len(frames) * FRAME_MS / 1_000

    # The end ----------------------------------------------------------------------------------------------------------------

    def _finish(self, mic: Mic, why: LiveEnd) -> None:
        """Begin to end it; a second reason changes nothing."""
        if mic.finishing is None:
            mic.machine.closing()
            mic.finishing = self._task(self._end(mic, why), f"end of {mic.id}")

    async def _end(self, mic: Mic, why: LiveEnd) -> None:
        try:
            await self._go_off(mic, why)
        except Exception:  # whatever it is: the microphone must not stay open
            log.exception("the end of %s", mic.id)
            why = LiveEnd.FAILED
        for task in (mic.saying, mic.reopening):
            if task is not None:
                task.cancel()
        if mic.source is not None:
            await mic.source.close()
        mic.machine.end(why)
        mic.ended_at = self._clock.monotonic()
        if why in (LiveEnd.LOST, LiveEnd.FAILED):
            self._raise_alarm(mic.command.headline or mic.officer.title, why.value)
        mic.tell()

    def _raise_alarm(self, headline: str, cause: str) -> None:
        self._studio.health.raise_("live-lost", headline=headline, cause=cause)
        self._alarm_ends_at = self._clock.monotonic() + ALARM_S

    async def _go_off(self, mic: Mic, why: LiveEnd) -> None:
        run = mic.run
        if run is None:
            return
        if why is not LiveEnd.STOPPED:
            if mic.saying is not None:
                await asyncio.wait([mic.saying])
                words = await self._words.frames(EXERCISE_TAIL)
                await self._announce(mic, words, self._clock.monotonic())
            await run.sound_out()
            await self._boards.take_off(run.order.id, by=mic.officer)
        await run.close(why.value)

    # Looking ----------------------------------------------------------------------------------------------------------------

    def _tell(self, mic: Mic, now: float) -> None:
        shown = mic.machine.state(now), mic.machine.may_speak(now)
        if shown != mic.shown:
            mic.shown = shown
            mic.tell()

    def _view(self, mic: Mic) -> LiveView:
        return mic.view(self._clock.monotonic(), self._rules)
