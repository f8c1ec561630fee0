"""What an order sounds like at a real speaker: its tone, its files, its closing, out of a `Voice`.

An emergency never waits for a download: its tone begins at once, and the attention signal goes on until the file is there. A
notice waits in silence, and is reported to sound only when it does; so does a programme that has no fallback. One that has one is
filled by it, and joined where it would be by then when its file comes.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random, SystemRandom
from typing import Protocol

from audio_assets.cache import AssetCache
from audio_assets.pcm import FRAME_MS
from audio_assets.tones import ToneId, tone
from endpoints.air import TONE_LEFT_MS
from endpoints.effects import OnHand, Play, Wanted
from endpoints.guard import FadeOut, Guarded, Watched
from endpoints.in_step import Line
from endpoints.output import Sounding
from endpoints.reel import Reels
from endpoints.score import is_urgent
from endpoints.sinks import SinkLost
from endpoints.staging import Fetcher
from endpoints.supply import SoundUnavailable, Supply
from endpoints.vocabulary import TONE_MS, Kind, Reason, Resume
from endpoints.voice import Voice

SKIP_MS = 1_500  # so much may be left out, to be in step, of what comes back in the middle
BEFORE_END_S = 0.3  # so much before the order's end we say what was missing, or its end would be all that is reported
READY_WITHIN_S = 1.0  # what the disk has not given by then is begun all the same
JOIN_S = 0.1  # from the decision to go on in the middle of a programme until that is heard

log = logging.getLogger(__name__)

OnTime = Callable[[str, float], None]
OnError = Callable[[str, Exception], None]


class Streams(Protocol):
    """Opens them; `live_output.LiveOutput`."""

    def open(self, play: Play, heard_us: Callable[[], int | None]) -> Watched: ...


@dataclass(slots=True, eq=False)
class _OnAir:
    """What has the air, sounding or waiting for its file.

    :param at: when it shall begin, on the box's monotonic clock.
    :param ends_at: when the player will stop it, by the loop's clock.
    """

    play: Play
    sounding: Sounding
    token: str
    at: float | None
    ends_at: float
    sound: Guarded | Watched | None = None  # once it has begun
    fade: FadeOut | None = None  # the same, as the voice reads it
    heard: bool = False
    gaps_before: int = 0
    trouble: Reason = Reason.NONE
    silent: bool = False
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def cancel_timers(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()

    def end(self) -> None:
        self.cancel_timers()
        if self.sound is not None:
            self.sound.close()


class VoiceOutput:
    """The `Output` of a real speaker. Made inside the loop; `start` begins to feed the sink.

    :param make_voice: takes the three callbacks of `Voice` (started, finished, failed) and answers with one.
    :param fetcher: None when there is nowhere to fetch from: only what is in the cache sounds.
    :param live: where streams come from; None: an order for one fails.
    :param now: the box's monotonic clock.
    """

    def __init__(
        self,
        make_voice: Callable[[OnTime, OnTime, OnError], Voice],
        cache: AssetCache,
        fetcher: Fetcher | None,
        *,
        random: Random | None = None,
        reels: Reels | None = None,
        live: Streams | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.underruns = 0  # frames of silence since the start because the disk, or the decoder, was too slow
        self._live = live
        self._voice = make_voice(self._on_started, self._on_finished, self._on_failed)
        self._loop, self._now = asyncio.get_running_loop(), now
        self._supply = Supply(
            cache,
            fetcher,
            reels or Reels(),
            random=random or SystemRandom(),
            now_ms=self._server_ms,
            on_change=self._on_change,
        )
        self._changed: Callable[[], None] = _nobody_asks
        self._line: Line = _nobody_knows
        self._on_air: _OnAir | None = None
        self._count = 0
        self._opening: set[asyncio.Task[None]] = set()

    # What the box asks ----------------------------------------------------------------------------------------------------

    @property
    def broken(self) -> bool:
        return self._voice.sink_lost

    @property
    def silent(self) -> bool:
        return self._on_air is not None and self._on_air.silent

    @property
    def short_of_files(self) -> bool:
        filled = self._on_air is not None and self._on_air.trouble is Reason.FALLBACK
        return filled or self._supply.short

    def stock(self) -> OnHand:
        return self._supply.stock()

    def on_change(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def follow(self, line: Line) -> None:
        self._line = line
        self._voice.follow(line)

    # What the box says ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Compute the tones, so that the first emergency need not wait for that, and open up."""
        for which in ToneId:
            await asyncio.to_thread(tone, which)
        self._supply.start()
        self._voice.start()

    async def close(self) -> None:
        """Fade out, give up what is on its way, close the sink."""
        self._over()
        for task in tuple(self._opening):
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        await self._supply.close()
        await asyncio.to_thread(self._voice.close)
        await asyncio.to_thread(self._supply.close_files)

    def play(self, play: Play, sounding: Sounding, *, left_s: float, at: float | None) -> None:
        self._end()  # what needed other files is told so below: the first word comes first
        self._count += 1
        token = f"{play.order.id}#{self._count}"
        self._on_air = on_air = _OnAir(play, sounding, token, at, self._loop.time() + left_s)
        self._set_end_timers(on_air, play.order.fade_ms)
        has_tone_first = is_urgent(play.order) and play.from_ms < TONE_MS[play.order.tone]
        if not has_tone_first:
            self._supply.open_now(play)
        if self._supply.can_begin(play):
            self._begin(on_air)
        if has_tone_first:  # which waits for no disk
            self._supply.open_now(play)
        self._supply.hurry(play)

    def stop(self, order: str) -> None:
        if self._on_air is not None and order == self._on_air.play.order.id:
            self._over()

    def set_volume(self, order: str, percent: int) -> None:
        on_air = self._on_air
        if on_air is not None and order == on_air.play.order.id:
            on_air.play = replace(on_air.play, volume_percent=percent)
            self._voice.set_gain(on_air.token, gain_db(percent))

    def set_end(self, order: str, *, left_s: float, fade_ms: int) -> None:
        on_air = self._on_air
        if on_air is not None and order == on_air.play.order.id:
            on_air.ends_at = self._loop.time() + left_s
            self._set_end_timers(on_air, fade_ms)

    def expect(self, wanted: tuple[Wanted, ...]) -> None:
        self._supply.expect(wanted)

    # Beginning ------------------------------------------------------------------------------------------------------------

    def _look_again(self) -> None:
        """A file has come, or never will: perhaps what waits can begin."""
        on_air = self._on_air
        if on_air is None or on_air.sound is not None:
            return
        if self._supply.can_begin(on_air.play):
            self._join(on_air)
            self._begin(on_air)
        elif reason := self._supply.why_not(on_air.play):
            self._fail(on_air, reason)

    def _join(self, on_air: _OnAir) -> None:
        """A programme that had to wait goes on where its neighbours are."""
        late_s = 0.0 if on_air.at is None else self._now() + JOIN_S - on_air.at
        if on_air.at is not None and late_s > 0 and on_air.play.order.resume is Resume.REJOIN:
            late_ms = math.ceil(late_s * 1_000 / FRAME_MS) * FRAME_MS
            on_air.play = replace(on_air.play, from_ms=on_air.play.from_ms + late_ms)
            on_air.at += late_ms / 1_000

    def _begin(self, on_air: _OnAir) -> None:
        play = on_air.play
        if play.order.stream:
            self._begin_live(on_air)
            return
        tell = partial(self._tell_trouble, on_air)
        on_air.sound = sound = Guarded(self._supply.track_of(play), fallback=self._supply.filling_of(play), tell=tell)
        if sound.ready:
            self._sound(on_air, sound)
        else:
            task = asyncio.create_task(self._sound_when_ready(on_air, sound), name=f"open {on_air.token}")
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _begin_live(self, on_air: _OnAir) -> None:
        """Its tone, then the stream, each frame when it is due."""
        if self._live is None:
            self._fail_soon(on_air, Reason.STREAM_LOST)
            return
        play = on_air.play
        sound: Guarded | Watched
        sound = stream = self._live.open(play, self._heard_us)
        if play.order.kind is Kind.ROUTINE:  # a relay that dies or is silent is filled like any other programme
            tell = partial(self._tell_trouble, on_air)
            sound = Guarded(stream, fallback=self._supply.filling_of(play), tell=tell)
        on_air.sound = sound
        self._sound(on_air, sound)

    def _heard_us(self) -> int | None:
        """Asked in the sound thread: the server's time when what is read now is heard."""
        line = self._line()
        return None if line is None else line.us(self._voice.leaves_at or self._now())

    async def _sound_when_ready(self, on_air: _OnAir, sound: Guarded) -> None:
        if not await asyncio.to_thread(sound.wait, READY_WITHIN_S):
            log.warning("%s: the disk has given nothing for %.0f s", on_air.token, READY_WITHIN_S)
        if on_air is self._on_air:
            self._sound(on_air, sound)

    def _sound(self, on_air: _OnAir, sound: Guarded | Watched) -> None:
        play = on_air.play
        on_air.fade, on_air.gaps_before = FadeOut(sound), self._voice.gaps
        self._voice.play(
            on_air.token,
            on_air.fade,
            gain_db=gain_db(play.volume_percent),
            at=on_air.at,
            skip_ms=may_skip_ms(play),
            keeps_time=play.order.stream != 0,
        )

    # What the voice tells -------------------------------------------------------------------------------------------------

    def _on_started(self, token: str, at: float) -> None:
        on_air = self._on_air
        if on_air is not None and token == on_air.token:
            on_air.heard = True
            on_air.sounding.started(on_air.trouble, at)

    def _on_finished(self, token: str, _at: float) -> None:
        on_air = self._on_air
        if on_air is None or token != on_air.token:
            return
        self._over()
        if on_air.trouble is Reason.SILENT:
            on_air.sounding.failed(Reason.SILENT)
        else:
            on_air.sounding.finished()

    def _on_failed(self, token: str, error: Exception) -> None:
        on_air = self._on_air
        if on_air is None or token != on_air.token:
            return
        match error:
            case SoundUnavailable():
                self._fail(on_air, error.reason)
            case SinkLost():
                self._fail(on_air, Reason.SOUND_CARD)
            case _:
                log.error("%s: %s", token, error)
                self._fail(on_air, Reason.ASSET_BAD)

    def _tell_trouble(self, on_air: _OnAir, trouble: Reason, silent: bool) -> None:
        """Called in the sound thread."""
        try:
            self._loop.call_soon_threadsafe(self._on_trouble, on_air, trouble, silent)
        except RuntimeError:  # the loop is closed
            log.debug("nobody is left to hear about %s", on_air.token)

    def _on_trouble(self, on_air: _OnAir, trouble: Reason, silent: bool) -> None:
        if on_air is not self._on_air:
            return
        log.log(logging.INFO if trouble is Reason.NONE else logging.ERROR, "%s: %s", on_air.token, trouble.name)
        news = trouble is not on_air.trouble
        on_air.trouble, on_air.silent = trouble, silent
        self._changed()
        if on_air.heard and news:
            on_air.sounding.started(trouble)

    def _set_end_timers(self, on_air: _OnAir, fade_ms: int) -> None:
        """What happens shortly before it is stopped."""
        on_air.cancel_timers()
        if on_air.fade is not None:
            on_air.fade.go_on()
        if on_air.play.order.parts or on_air.play.order.is_empty:
            give_up = partial(self._give_up, on_air)
            on_air.timers.append(self._loop.call_at(on_air.ends_at - BEFORE_END_S, give_up))
        if fade_ms:
            fade = partial(self._fade, on_air, fade_ms)
            on_air.timers.append(self._loop.call_at(on_air.ends_at - fade_ms / 1_000, fade))

    def _fade(self, on_air: _OnAir, fade_ms: int) -> None:
        if on_air.fade is not None:
            left_ms = round((on_air.ends_at - self._loop.time()) * 1_000)
            on_air.fade.begin(left_ms=left_ms, over_ms=fade_ms)

    # Ending ---------------------------------------------------------------------------------------------------------------

    def _give_up(self, on_air: _OnAir) -> None:
        """The order ends and its file has not come."""
        filled = on_air.play.order.kind is Kind.ROUTINE and on_air.sound is not None
        if on_air is self._on_air and not filled and self._supply.is_missing(on_air.play):
            self._fail(on_air, Reason.ASSET_MISSING)

    def _fail_soon(self, on_air: _OnAir, reason: Reason) -> None:
        """Nobody is told from inside `play`."""
        self._loop.call_soon(lambda: self._fail(on_air, reason) if on_air is self._on_air else None)

    def _fail(self, on_air: _OnAir, reason: Reason) -> None:
        self._over()
        on_air.sounding.failed(reason)

    def _over(self) -> None:
        self._end()
        self._supply.hurry(None)

    def _end(self) -> None:
        """Fade out; nobody is told any more about what sounded."""
        on_air, self._on_air = self._on_air, None
        if on_air is None:
            return
        self._voice.stop(on_air.token)
        on_air.end()
        if on_air.sound is not None and on_air.sound.underruns:
            self.underruns += on_air.sound.underruns
            log.warning("%s: the disk was too slow for %d frames", on_air.token, on_air.sound.underruns)
        if on_air.fade is not None and (gaps := self._voice.gaps - on_air.gaps_before) > 0:
            log.warning(
                "%s: the sound card had %d gaps, after each of which it came back into step", on_air.token, gaps
            )
        if on_air.trouble:
            self._changed()

    # Odds and ends --------------------------------------------------------------------------------------------------------

    def _server_ms(self) -> int | None:
        line = self._line()
        return None if line is None else line.us(self._now()) // 1_000

    def _on_change(self) -> None:
        self._changed()
        self._look_again()


def gain_db(volume_percent: int) -> float:
    """100 % is as recorded, each halving 6 dB less; below 1 % counts as 1 %."""
    return 20 * math.log10(max(1, volume_percent) / 100)


def may_skip_ms(play: Play) -> int:
    """What of its beginning a late one may leave out to be in step: of the tone all but enough to be noticed, of words nothing.
    What comes back in the middle leaves out what has passed."""
    if play.from_ms:
        return SKIP_MS
    return max(0, TONE_MS[play.order.tone] - TONE_LEFT_MS)


def _nobody_asks() -> None:
    """Until a box does."""


def _nobody_knows() -> None:
    """The server's time, before there is a box."""
