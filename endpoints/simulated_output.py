"""The sound of a simulated speaker: nothing is heard, no file is fetched, and everything is reported as if.

As if means: as a real one would report it. A stream that does not come is not said to have sounded.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from random import Random

from endpoints.box import Clock
from endpoints.effects import OnHand, Wanted
from endpoints.output import Sounding
from endpoints.player import Play
from endpoints.protocol import Kind, Order
from endpoints.simulated_stream import Line, Listening, News, SimulatedStreams
from endpoints.time_line import TimeLine
from endpoints.vocabulary import TONE_MS, Reason

ROOM_BYTES = 512 * 1024 * 1024  # of a real speaker's library
BEFORE_END_S = 0.1  # a stream has no length: it is over so long before its order would be stopped


@lru_cache(maxsize=4096)
def _assets(wanted: tuple[Wanted, ...]) -> frozenset[bytes]:
    return frozenset(one.part.asset for one in wanted)


class SimulatedFiles:
    """A store of files that fills after a while. Of each speaker it keeps two lists, which neighbours share.

    :param fetch_s: how long all that is lacking takes, about; 0 is at once.
    """

    __slots__ = ("_changed", "_fetch_s", "_got", "_loop", "_random", "_timer", "_wanted", "lacks", "offline")

    def __init__(self, *, fetch_s: float, random: Random, changed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._fetch_s, self._random, self._changed = fetch_s, random, changed
        self._wanted: tuple[Wanted, ...] = ()
        self._got: tuple[Wanted, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self.lacks = self.offline = False

    @property
    def lacking(self) -> tuple[Wanted, ...]:
        if self._got is self._wanted:
            return ()
        here = _assets(self._got)
        return tuple(one for one in self._wanted if one.part.asset not in here)

    def is_here(self, order: Order) -> bool:
        here = _assets(self._got)
        return all(part.asset in here for part in order.parts)

    def expect(self, wanted: tuple[Wanted, ...]) -> None:
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self.fetch()

    def fetch(self) -> None:
        """Begin, if there is something to get and a way to get it."""
        self.stop()
        if self.lacks or self.offline:
            self._changed()
        elif self._fetch_s and self.lacking:
            self._timer = self._loop.call_later(self._fetch_s * self._random.uniform(0.5, 1.5), self._fetched)
            self._changed()
        else:
            self._fetched()

    def lose(self) -> None:
        """All that was here is gone."""
        self.stop()
        self._got = ()
        self._changed()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def stock(self) -> OnHand:
        lacking = self.lacking
        gone = {one.part.asset for one in lacking}
        held = [one.part.asset_bytes for one in self._wanted if one.part.asset not in gone]
        return OnHand(len(held), sum(held), ROOM_BYTES - sum(held), lacking)

    def _fetched(self) -> None:
        self._timer = None
        self._got = self._wanted
        self._changed()


class SimulatedOutput:
    """Sounds nothing and says that it did: started after a short while or at its time, finished when its sound would be over.

    :param latency_s: from `play` to the first frame, as at a real card.
    :param clock: the speaker's, which can run wrong.
    :param streams, line: how live sound comes to it; without them, none does.
    """

    __slots__ = (
        "_changed",
        "_clock",
        "_latency_s",
        "_left_s",
        "_line",
        "_listening",
        "_loop",
        "_play",
        "_sounding",
        "_started",
        "_streams",
        "_timer",
        "_waits",
        "amplifier_broken",
        "broken",
        "files",
        "heard",
        "percent",
        "plays_silence",
    )

    def __init__(
        self,
        *,
        latency_s: float,
        heard: Callable[[Play], None],
        clock: Clock,
        random: Random,
        streams: SimulatedStreams,
        line: Line,
        fetch_s: float = 0.0,
    ) -> None:
        self._streams, self._line = streams, line
        self._listening: Listening | None = None
        self._loop, self._clock = asyncio.get_running_loop(), clock
        self._latency_s, self.heard, self.broken = latency_s, heard, False
        self._play: Play | None = None
        self._sounding: Sounding | None = None
        self._started = self._waits = self.plays_silence = self.amplifier_broken = False
        self._left_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._changed: Callable[[], None] = _nobody
        self.percent = 0  # how loud what sounds does so
        self.files = SimulatedFiles(fetch_s=fetch_s, random=random, changed=self._on_files)

    @property
    def sounds(self) -> str:
        """The order that is heard now, or empty."""
        return self._play.order.id if self._play is not None and self._started else ""

    @property
    def silent(self) -> bool:
        return self.plays_silence and self._started

    @property
    def short_of_files(self) -> bool:
        return self.files.lacks and bool(self.files.lacking)

    def follow(self, line: Callable[[], TimeLine | None]) -> None:
        """It is as precise as its timer."""

    def on_change(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def play(self, play: Play, sounding: Sounding, *, left_s: float, at: float | None) -> None:
        self._clear()
        self._play, self._sounding, self._left_s, self.percent = play, sounding, left_s, play.volume_percent
        wait_s = 0.0 if at is None else self._clock.seconds_until(at)
        self._timer = self._loop.call_later(max(self._latency_s, wait_s), self._start)

    def stop(self, order: str) -> None:
        if self._play is not None and order == self._play.order.id:
            self._clear()

    def set_volume(self, order: str, percent: int) -> None:
        if self._play is not None and order == self._play.order.id:
            self.percent = percent

    def set_end(self, order: str, *, left_s: float, fade_ms: int) -> None:
        """The player stops it."""

    def expect(self, wanted: tuple[Wanted, ...]) -> None:
        self.files.expect(wanted)

    def stock(self) -> OnHand:
        return self.files.stock()

    # Faults ---------------------------------------------------------------------------------------------------------------

    def break_down(self, *, broken: bool) -> None:
        self.broken = broken
        if broken and self._started:
            self._end(Reason.SOUND_CARD)

    def switch_off(self) -> None:
        """The power is gone: what was fetched stays, nothing goes on."""
        self.files.stop()
        self._changed = _nobody
        self._clear()

    # Sounding -------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        play, self._timer = self._play, None
        if play is None:
            return
        here = self.files.is_here(play.order) and not play.order.is_empty
        if self.broken:
            self._end(Reason.SOUND_CARD)
        elif here or play.order.kind in (Kind.EMERGENCY, Kind.LIVE):  # their tone begins without waiting
            self._begin(play, Reason.NONE)
        elif play.fallback is not None:  # it is always here
            self._begin(play, Reason.FALLBACK)
        elif self.files.lacks or play.order.is_empty:
            self._end(Reason.ASSET_MISSING)
        else:
            self._waits = True

    def _begin(self, play: Play, reason: Reason) -> None:
        self._started, self._waits = True, False
        rest_s = max(0, play.order.sound_ms - play.from_ms) / 1000
        if play.order.stream:
            rest_s = max(0.0, self._left_s - BEFORE_END_S)
            self._listening = self._streams.open(
                play.order,
                self._line,
                self._on_stream,
                after_s=max(0, TONE_MS[play.order.tone] - play.from_ms) / 1000,
                filled=play.order.kind is Kind.ROUTINE and play.fallback is not None,
            )
        self._timer = self._loop.call_later(rest_s, self._end, Reason.NONE)
        self.heard(play)
        if self._sounding is not None:
            self._sounding.started(reason)
        if self.plays_silence:
            self._changed()

    def _on_stream(self, news: News) -> None:
        match news:
            case News.LOST:
                self._end(Reason.STREAM_LOST)
            case News.END:
                self._end(Reason.NONE)
            case News.AWAY | News.COMES if self._sounding is not None:
                self._sounding.started(Reason.FALLBACK if news is News.AWAY else Reason.NONE)

    def _on_files(self) -> None:
        self._changed()
        if self._waits:
            self._start()

    def _end(self, failure: Reason) -> None:
        sounding = self._sounding
        self._clear()
        if sounding is not None and failure is Reason.NONE:
            sounding.finished()
        elif sounding is not None:
            sounding.failed(failure)

    def _clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._listening is not None:
            self._listening.close()
        self._listening = None
        self._timer, self._sounding, self._play = None, None, None
        self._started = self._waits = False


def _nobody() -> None:
    """Nobody is told: the power is off."""
