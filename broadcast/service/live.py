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
import secrets
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace

from ulid import ULID

from broadcast.domain.broadcasts import Broadcast, InvalidRequest, Life, ended
from broadcast.domain.live import (
    EXERCISE_HEAD,
    EXERCISE_TAIL,
    FRAME_MS,
    MAX_FRAMES_FED,
    MAX_SAMPLES_BYTES,
    BadSound,
    LiveBusy,
    LiveEnd,
    LiveOver,
    LiveView,
    Microphone,
    MicrophoneOpen,
    NoSource,
    OpenLive,
    UnknownLive,
    admit,
    check_live,
    compose_live,
    deliveries_per_s,
    must_be_sound,
)
from broadcast.domain.officers import Officer, Role
from broadcast.service.boards import Boards
from broadcast.service.broadcasts import Broadcasts, Change
from broadcast.service.estate import Estate
from broadcast.service.ladder import Ladder
from broadcast.service.live_mic import Mic
from broadcast.service.live_ports import Sources, Words
from broadcast.service.live_run import RETRY_S, SILENT_FRAME, LiveRun, Studio, mend_records
from broadcast.service.ports import StoreUnavailable
from broadcast.service.reach import takes_air
from endpoints.delivery import State
from endpoints.protocol import MAX_STREAM, Kind, Order, OrderRule

log = logging.getLogger(__name__)

KEEP_ENDED_S = 60.0


class Live:
    """The microphones of all officers.

    :param rule: by which the speakers decide who has the air.
    """

    def __init__(
        self,
        *,
        studio: Studio,
        estate: Estate,
        boards: Boards,
        broadcasts: Broadcasts,
        ladder: Ladder,
        sources: Sources,
        words: Words,
        rule: OrderRule,
    ) -> None:
        self._studio, self._clock, self._rules = studio, studio.clock, studio.rules
        self._estate, self._boards, self._broadcasts, self._ladder = estate, boards, broadcasts, ladder
        self._sources, self._words, self._rule = sources, words, rule
        self._mics: dict[str, Mic] = {}
        self._left_over: list[Order] = []  # of an earlier run of the server; their heads have to be cleared

    # ---- acts -----------------------------------------------------------------------------------------------------------

    async def prepare(self, command: OpenLive, *, by: Officer) -> LiveView:
        """A microphone that is listened to and not yet heard. See the module for what it raises."""
        by.must_command("speak live")
        self._must_be_right(command, by)
        known = next((mic for mic in self._mics.values() if mic.officer.name == by.name and not mic.machine.why), None)
        if known is not None:
            raise MicrophoneOpen(by.name, known.id)
        order = self._compose(command, by).order
        tone = order.tone
        machine = Microphone(self._rules, tone=tone, announces=command.exercise, now=self._clock.monotonic())
        mic = Mic(by, command, machine, self._studio)
        mic.listeners = tuple(one.id for one in self._estate.meant_by(order))
        self._must_be_free(order, mic.listeners)
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
        broadcast = self._compose(mic.command, by)
        order = broadcast.order
        made: list[LiveRun] = []

        def change() -> Change:
            if machine.why or mic.run is not None:
                raise LiveOver(live, machine.why)
            self._must_be_free(order, mic.listeners)
            self._broadcasts.must_fit(broadcast)
            mic.frames_a_packet = self._admitted(mic)
            title = f"{broadcast.headline} {by.name}"
            run = mic.run = LiveRun(order, self._studio, frames_a_packet=mic.frames_a_packet, title=title)
            made.append(run)
            self._studio.airtime.take(order.id, deliveries_per_s(len(mic.listeners), mic.frames_a_packet))
            run.announce()
            return [], [broadcast]

        try:
            await self._broadcasts.commit(change, by=by, verb="speak live")
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

    # ---- life of the server ---------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """After a start: what the last run of the server was sending has ended, and its recordings are mended."""
        if await mend_records(self._studio):
            log.warning("recordings of live sound were cut off by a crash and have been mended")
        now_ms = self._clock.now_ms()
        over = [one for one in self._boards.carried.values() if _is_microphone(one) and one.is_live(now_ms)]
        self._left_over = [one.order for one in over]
        if over:
            self._studio.health.raise_("live-lost", headline=over[0].headline, cause="restart")
            stopped = [ended(one, Life.STOPPED, by=one.officer, now_ms=now_ms) for one in over]
            by = Officer(over[0].officer, "", Role.DUTY, over[0].order.areas[0] if over[0].order.areas else "")
            await self._broadcasts.commit(lambda: (stopped, []), by=by, verb="stop live")

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
        for mic in list(self._mics.values()):
            machine = mic.machine
            if machine.why:
                if mic.ended_at is not None and now - mic.ended_at > KEEP_ENDED_S:
                    del self._mics[mic.id]
                continue
            if mic.run is not None and machine.is_ordered:
                machine.heard(self._sounding(mic.run.order), now)
                carried = self._boards.carried.get(mic.run.order.id)
                if mic.finishing is None and (carried is None or carried.life is not Life.LIVE):
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

    def _must_be_right(self, command: OpenLive, by: Officer) -> None:
        now_ms = self._clock.now_ms()
        faults = check_live(command, self._estate.tree, self._estate.speakers.keys(), self._rules, now_ms=now_ms)
        if faults:
            raise InvalidRequest(faults)
        by.must_hold(*command.areas, *(self._estate.speaker(one).area for one in command.speakers))

    def _compose(self, command: OpenLive, by: Officer) -> Broadcast:
        tree = self._estate.tree
        whole = replace(
            command,
            areas=(*command.areas, *tree.merged_into(command.areas)),
            excluded=(*command.excluded, *tree.merged_into(command.excluded)),
        )
        stream = secrets.randbelow(MAX_STREAM) + 1
        return compose_live(whole, order_id=str(ULID()), stream=stream, by=by, now_ms=self._clock.now_ms())

    def _must_be_free(self, order: Order, listeners: Sequence[str]) -> None:
        """:raises LiveBusy: somebody speaks to some of them who does not give way."""
        now_ms, ours = self._clock.now_ms(), frozenset(listeners)
        for one in self._boards.carried.values():
            other = one.order
            if not (_is_microphone(one) and one.is_live(now_ms) and other.exercise is order.exercise):
                continue
            shared = not ours.isdisjoint(speaker.id for speaker in self._estate.meant_by(other))
            if shared and not takes_air(order, other, self._rule):
                raise LiveBusy(one.id, one.officer, other.areas, other.not_after_ms)

    def _admitted(self, mic: Mic) -> int:
        return admit(len(mic.listeners), self._studio.airtime.running_per_s, self._rules)

    def _mine(self, live: str, by: Officer) -> Mic:
        mic = self._mics.get(live)
        if mic is None or mic.officer.name != by.name:
            raise UnknownLive(live)
        return mic

    def _sounding(self, order: Order) -> int:
        return (self._ladder.counts(order.id) or {}).get(State.SOUNDING, 0)

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
        while not mic.machine.is_ready(self._clock.monotonic()):
            await self._say(mic, [SILENT_FRAME] * 3)
        await self._announce(mic, words)

    async def _announce(self, mic: Mic, words: Sequence[bytes]) -> None:
        mic.machine.announcing(True, self._clock.monotonic())
        try:
            await self._say(mic, words)
        finally:
            mic.machine.announcing(False, self._clock.monotonic())

    async def _say(self, mic: Mic, frames: Sequence[bytes]) -> None:
        """In real time, as if they came from a microphone."""
        began = self._clock.monotonic()
        for end in range(3, len(frames) + 3, 3):
            await self._clock.sleep_until(began + min(end, len(frames)) * FRAME_MS / 1_000)
            if mic.run is not None:
                mic.run.frames(frames[end - 3 : end], self._clock.now_us())

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
            self._studio.health.raise_("live-lost", headline=mic.command.headline or mic.officer.title, cause=why.value)
        mic.tell()

    async def _go_off(self, mic: Mic, why: LiveEnd) -> None:
        run = mic.run
        if run is None:
            return
        if why is not LiveEnd.STOPPED:
            if mic.saying is not None:
                await asyncio.wait([mic.saying])
                await self._announce(mic, await self._words.frames(EXERCISE_TAIL))
            await run.sound_out()
            await self._take_off(mic, run.order)
        await run.close(why.value)

    async def _take_off(self, mic: Mic, order: Order) -> None:
        """Off the boards. The database may be away: speakers have ended it by the last packet, and the boards follow."""

        def change() -> Change:
            now_ms, now = self._clock.now_ms(), self._boards.carried.get(order.id)
            live = now is not None and now.life is Life.LIVE
            return [
                ended(now, Life.STOPPED, by=mic.officer.name, now_ms=now_ms)
            ] if now is not None and live else [], []

        while True:
            try:
                await self._broadcasts.commit(change, by=mic.officer, verb="stop live")
                return
            except StoreUnavailable as err:
                log.warning("%s stays on the boards for now: %s", order.id, err.cause)
                await self._clock.sleep_until(self._clock.monotonic() + RETRY_S)

    # Looking ----------------------------------------------------------------------------------------------------------------

    def _tell(self, mic: Mic, now: float) -> None:
        shown = mic.machine.state(now), mic.machine.may_speak(now)
        if shown != mic.shown:
            mic.shown = shown
            mic.tell()

    def _view(self, mic: Mic) -> LiveView:
        return mic.view(self._clock.monotonic(), self._rules)


def _is_microphone(broadcast: Broadcast) -> bool:
    return broadcast.order.kind is Kind.LIVE and bool(broadcast.order.stream)
