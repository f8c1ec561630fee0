"""What an order sounds like at a real speaker: its tone, then its file as often as it says, out of a `Voice`.

An emergency never waits for a download: its tone begins at once, and the attention signal goes on until the file is there. A
notice or a programme waits in silence, and is reported to sound only when it does.
"""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from audio_assets.cache import AssetCache, LibraryFull
from audio_assets.codec import decode
from audio_assets.library import AssetDamaged, AssetError, AssetMissing
from audio_assets.pcm import Pcm
from audio_assets.rendering import AudioTooLong, UnsupportedAudio
from audio_assets.tones import ToneId, tone
from endpoints.effects import OnHand, Wanted
from endpoints.fetch import AssetNotOffered, FetchGivenUp
from endpoints.in_step import Line
from endpoints.output import Sounding
from endpoints.player import Play
from endpoints.protocol import Order
from endpoints.sinks import SinkLost
from endpoints.track import Await, Segment, sequence
from endpoints.vocabulary import TONE_MS, Kind, Reason
from endpoints.voice import Voice

MAX_DECODED_BYTES = 64 * 1024 * 1024  # eleven minutes of PCM; the one that sounds is kept whatever its size
RETRY_S = 5.0
SKIP_MS, TONE_LEFT_MS = 1_500, 1_000  # to be in step a beginning may lose so much, and a tone keeps so much
BEFORE_END_S = 0.3  # so much before the order's end we say what was missing, or its end would be all that is reported

log = logging.getLogger(__name__)


class Fetcher(Protocol):
    """Gets sound files into the library; `AssetFetcher`."""

    async def fetch(self, sha256: bytes, size_bytes: int) -> None:
        """:raises FetchError: it could not. :raises LibraryFull: no room."""


@dataclass(slots=True, eq=False)
class _Sound:
    """One file on its way from the server to samples. `reason` says why it will never be there; the task ends with either."""

    pcm: Pcm | None = None
    reason: Reason = Reason.NONE
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class SoundUnavailable(Exception):
    """What an order should sound is not to be had; `reason` is what to report."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.name)


def gain_db(volume_percent: int) -> float:
    """100 % is as recorded, each halving 6 dB less; below 1 % counts as 1 %."""
    return 20 * math.log10(max(1, volume_percent) / 100)


OnTime = Callable[[str, float], None]
OnError = Callable[[str, Exception], None]


class VoiceOutput:
    """The `Output` of a real speaker. Made inside the loop; `start` begins to feed the sink.

    :param make_voice: takes the three callbacks of `Voice` (started, finished, failed) and answers with one.
    :param fetcher: None when there is nowhere to fetch from: only what is in the library sounds.
    """

    def __init__(
        self, make_voice: Callable[[OnTime, OnTime, OnError], Voice], library: AssetCache, fetcher: Fetcher | None
    ) -> None:
        self._voice = make_voice(self._on_started, self._on_finished, self._on_failed)
        self._library, self._fetcher = library, fetcher
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._at: float | None = None  # when what is on air shall begin
        self._order, self._token, self._asset = "", "", b""  # of what is on air, sounding or waiting for its file
        self._sounding: Sounding | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._sounds: OrderedDict[bytes, _Sound] = OrderedDict()  # those used last stand last
        self._expected: dict[bytes, int] = {}

    @property
    def broken(self) -> bool:
        """The sound card is away."""
        return self._voice.sink_lost

    silent = short_of_files = False

    async def start(self) -> None:
        """Compute the tones, so that the first emergency need not wait for that, and open up."""
        for which in ToneId:
            await asyncio.to_thread(tone, which)
        self._voice.start()

    async def close(self) -> None:
        """Fade out, give up what is on its way, close the sink."""
        self._end()
        tasks = [sound.task for sound in self._sounds.values() if sound.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._voice.close)

    # What the box says ----------------------------------------------------------------------------------------------------

    def play(self, play: Play, sounding: Sounding, *, left_s: float, at: float | None) -> None:
        self._end()
        order = play.order
        self._count += 1
        self._order, self._token, self._asset = order.id, f"{order.id}#{self._count}", order.asset
        self._at = at
        self._sounding = sounding
        sound = self._have(order.asset, order.asset_bytes) if order.asset else None
        if sound is not None and sound.pcm is None and sound.task is not None:
            self._deadline = self._loop.call_later(max(0.0, left_s - BEFORE_END_S), self._give_up, self._token, sound)
            if not is_urgent(order):
                sound.task.add_done_callback(partial(self._sound_late, play, sound, self._token))
                return
        self._sound_now(play, sound)

    def stop(self, order: str) -> None:
        if order == self._order:
            self._end()

    def set_volume(self, order: str, percent: int) -> None:
        if order == self._order:
            self._voice.set_gain(self._token, gain_db(percent))

    def follow(self, line: Line) -> None:
        self._voice.follow(line)

    def on_change(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def stock(self) -> OnHand:
        """Not counted yet."""
        return OnHand(0, 0, 0)

    def expect(self, wanted: tuple[Wanted, ...]) -> None:
        """Fetch what will be needed, and forget the downloads that nobody needs any more."""
        expected = {one.part.asset: one.part.asset_bytes for one in wanted}
        if expected.keys() == self._expected.keys():
            return
        self._expected = expected
        self._library.keep(tuple(expected))
        for asset in [asset for asset in self._sounds if asset not in expected and asset != self._asset]:
            task = self._sounds.pop(asset).task
            if task is not None:
                task.cancel()
        for asset, size_bytes in expected.items():
            self._have(asset, size_bytes)

    # Sounding -------------------------------------------------------------------------------------------------------------

    def _sound_now(self, play: Play, sound: _Sound | None) -> None:
        order = play.order
        meanwhile = tone(ToneId.ATTENTION) if is_urgent(order) else Pcm(b"")
        segments: tuple[Segment, ...] = sequence(
            tone(ToneId(order.tone)),
            [] if sound is None else [Await(partial(_samples, sound), meanwhile)],
            repeats=order.repeats,
            gap_ms=order.gap_ms,
            closing=tone(ToneId(order.closing)),
        )
        self._voice.play(
            self._token,
            segments,
            from_ms=play.from_ms,
            gain_db=gain_db(play.volume_percent),
            at=self._at,
            skip_ms=may_skip_ms(play),
        )

    def _sound_late(self, play: Play, sound: _Sound, token: str, _task: object) -> None:
        """The file of what waited in silence has come, or never will."""
        if token != self._token:
            return
        if sound.pcm is None:
            self._fail(sound.reason or Reason.ASSET_MISSING)
        else:
            self._sound_now(play, sound)

    def _give_up(self, token: str, sound: _Sound) -> None:
        """The order ends and its file has not come."""
        if token == self._token and sound.pcm is None:
            self._fail(Reason.ASSET_MISSING)

    def _end(self) -> None:
        """Fade out; nobody is told any more about what sounded."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._token:
            self._voice.stop(self._token)
        self._deadline, self._sounding = None, None
        self._order, self._token, self._asset = "", "", b""

    def _on_started(self, token: str, at: float) -> None:
        if token == self._token and self._sounding is not None:
            self._sounding.started(at=at)

    def _on_finished(self, token: str, _at: float) -> None:
        if token != self._token:
            return
        sounding = self._sounding
        self._end()
        if sounding is not None:
            sounding.finished()

    def _on_failed(self, token: str, error: Exception) -> None:
        if token != self._token:
            return
        match error:
            case SoundUnavailable():
                self._fail(error.reason)
            case SinkLost():
                self._fail(Reason.SOUND_CARD)
            case _:
                log.error("%s: %s", token, error)
                self._fail(Reason.ASSET_BAD)

    def _fail(self, reason: Reason) -> None:
        sounding = self._sounding
        self._end()
        if sounding is not None:
            sounding.failed(reason)

    # Files ----------------------------------------------------------------------------------------------------------------

    def _have(self, asset: bytes, size_bytes: int) -> _Sound:
        """The sound, on its way if it is not there; one that failed is tried anew."""
        sound = self._sounds.get(asset)
        if sound is None or (sound.reason and (sound.task is None or sound.task.done())):
            sound = self._sounds[asset] = _Sound()
            name = f"sound {asset.hex()[:12]}"
            sound.task = asyncio.create_task(self._bring(asset, size_bytes, sound), name=name)
        self._sounds.move_to_end(asset)
        return sound

    async def _bring(self, asset: bytes, size_bytes: int, sound: _Sound) -> None:
        """Fetch and decode, until it is there, known never to be, or needed no more."""
        while sound.pcm is None and not sound.reason:
            try:
                if self._fetcher is not None:
                    await self._fetcher.fetch(asset, size_bytes)
                sound.pcm = await asyncio.to_thread(self._decoded, asset)
            except FetchGivenUp as err:
                log.warning("%s", err)
                if asset != self._asset and asset not in self._expected:
                    sound.reason = Reason.ASSET_MISSING
                await asyncio.sleep(RETRY_S)
            except AssetDamaged as err:  # it is gone from the disk, and can be fetched again
                log.warning("%s", err)
                sound.reason = Reason.NONE if self._fetcher else Reason.ASSET_BAD
            except (AssetError, UnsupportedAudio, AudioTooLong, OSError) as err:
                log.error("sound %s: %s", asset.hex()[:12], err)
                sound.reason = reason_of(err)
        self._shed(asset)

    def _decoded(self, asset: bytes) -> Pcm:
        return decode(self._library.get(asset))

    def _shed(self, newest: bytes) -> None:
        """Samples are large: forget those used longest ago. The files stay in the library."""
        total = 0
        for asset in reversed(list(self._sounds)):
            pcm = self._sounds[asset].pcm
            total += len(pcm.data) if pcm else 0
            if total > MAX_DECODED_BYTES and pcm and asset not in (newest, self._asset):
                del self._sounds[asset]


def may_skip_ms(play: Play) -> int:
    """What of its beginning a late one may leave out to be in step: of the tone all but enough to be noticed, of words nothing.
    What comes back in the middle leaves out what has passed."""
    if play.from_ms:
        return SKIP_MS
    return min(SKIP_MS, max(0, TONE_MS[play.order.tone] - TONE_LEFT_MS))


def is_urgent(order: Order) -> bool:
    """Whether it sounds at once, file or not."""
    return order.kind in (Kind.EMERGENCY, Kind.LIVE)


def reason_of(error: Exception) -> Reason:
    """What to report: that there is no such file or no room for it is one thing, bytes that are wrong another."""
    missing = isinstance(error, AssetMissing | AssetNotOffered | LibraryFull | OSError)
    return Reason.ASSET_MISSING if missing else Reason.ASSET_BAD


def _samples(sound: _Sound) -> Pcm | None:
    """What the sound thread asks every 20 ms. :raises SoundUnavailable: it will never be there."""
    if sound.pcm is None and sound.reason:
        raise SoundUnavailable(sound.reason)
    return sound.pcm
