"""Proves what a speaker played: stands between the box and its output, listens with the speaker's ear, and says what was heard.

It hears nothing while nothing sounds, decodes and compares in a thread, and delays nobody: what can't be proved is not said.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from audio_assets.correlation import ENOUGH_HEARD, find, level_dbfs, samples, share_heard
from audio_assets.pcm import RATE_HZ, SAMPLE_BYTES
from audio_assets.rendering import UnsupportedAudio
from audio_assets.streamed import OpusFile
from audio_assets.tones import ToneId, tone
from endpoints.ear import Hearing
from endpoints.effects import OnHand, Play, Wanted
from endpoints.mqtt_link import LinkError
from endpoints.orders import Part
from endpoints.output import Output, Sounding
from endpoints.player import Player
from endpoints.proof import MAX_ERROR_US, QUIETEST_CB, Place, Proof, Window, encode_proof, proof_topic
from endpoints.protocol import root_of
from endpoints.sealing import Message, seal_by_speaker
from endpoints.time_line import TimeLine
from endpoints.vocabulary import Reason
from endpoints.windows import Listen, windows_of

log = logging.getLogger(__name__)

SEARCH_S = 1.0  # to either side of where the window should be
LITTLE_S = 0.1  # of a window may be missing at its beginning: what two clocks are unsure of
SETTLE_S = 0.5  # after its end, until the ear has it
WAITING_MAX = 64
SAY_AGAIN_S = 5.0


class Files(Protocol):
    """`AssetLibrary` is one."""

    def path(self, sha256: bytes) -> Path: ...


class Link(Protocol):
    def publish(self, topic: str, payload: bytes, qos: int) -> object: ...


class Box(Protocol):
    """Whose output this is; `endpoints.box.Box`."""

    @property
    def player(self) -> Player: ...
    @property
    def link(self) -> Link: ...


@dataclass(slots=True, eq=False)
class _Listening:
    """One order that sounds, or has just sounded."""

    play: Play
    windows: dict[Place, Window] = field(default_factory=dict)
    tasks: dict["asyncio.Task[None]", float] = field(default_factory=dict)  # and when the window ends
    began_at: float | None = None
    stopped_at: float = float("inf")
    to_the_end: bool = False
    filled: bool = False


class Proving:
    """An `Output` that proves what another one plays.

    :param files: where the sound files lie by their hash.
    :param now: the box's monotonic clock, on which the ear's times are, too.
    """

    def __init__(self, inner: Output, ear: Hearing, files: Files, *, now: Callable[[], float]) -> None:
        self._inner, self._ear, self._files, self._now = inner, ear, files, now
        self._box: Box | None = None
        self._loop = asyncio.get_running_loop()
        self._line: Callable[[], TimeLine | None] = lambda: None
        self._sounds: _Listening | None = None
        self._unsaid: deque[Proof] = deque(maxlen=WAITING_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    # An output like the one inside -------------------------------------------------------------------------------------------

    @property
    def broken(self) -> bool:
        return self._inner.broken

    @property
    def silent(self) -> bool:
        return self._inner.silent

    @property
    def short_of_files(self) -> bool:
        return self._inner.short_of_files

    def on_change(self, changed: Callable[[], None]) -> None:
        self._inner.on_change(changed)

    def follow(self, line: Callable[[], TimeLine | None]) -> None:
        self._line = line
        self._inner.follow(line)

    def play(self, play: Play, sounding: Sounding, *, left_s: float, at: float | None) -> None:
        self._stopped()
        self._sounds = listening = _Listening(play)
        self._inner.play(play, _Watched(self, listening, sounding), left_s=left_s, at=at)

    def stop(self, order: str) -> None:
        if self._sounds is not None and self._sounds.play.order.id == order:
            self._stopped()
        self._inner.stop(order)

    def set_volume(self, order: str, percent: int) -> None:
        self._inner.set_volume(order, percent)

    def set_end(self, order: str, *, left_s: float, fade_ms: int) -> None:
        self._inner.set_end(order, left_s=left_s, fade_ms=fade_ms)

    def expect(self, wanted: tuple[Wanted, ...]) -> None:
        self._inner.expect(wanted)

    def stock(self) -> OnHand:
        return self._inner.stock()

    # What becomes of what sounds ---------------------------------------------------------------------------------------------

    def started(self, listening: _Listening, reason: Reason, at: float | None) -> None:
        """It began; listen where it is to be heard."""
        if reason is not Reason.NONE:
            listening.filled = True  # what sounds is not what was ordered
            return
        if listening.began_at is not None:
            return
        listening.began_at = self._now() if at is None else at
        for window in windows_of(listening.play.order, from_ms=listening.play.from_ms):
            starts_at = listening.began_at + (window.at_ms - listening.play.from_ms) / 1_000
            task = self._loop.create_task(
                self._listen(listening, window, starts_at), name=f"listen {window.place.name}"
            )
            listening.tasks[task] = starts_at + window.length_ms / 1_000

    def ended(self, listening: _Listening, *, to_the_end: bool) -> None:
        """It is over; when the ear has what it can still get, say what was heard."""
        if self._sounds is listening:
            self._sounds = None
        listening.to_the_end = to_the_end
        if not to_the_end:
            listening.stopped_at = self._now()
        if listening.began_at is None or listening.filled:
            self._give_up(listening)
            return
        task = self._loop.create_task(self._conclude(listening), name=f"prove {listening.play.order.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def attach(self, box: Box) -> None:
        """Whose output this is; before it starts."""
        self._box = box

    async def close(self) -> None:
        """Give up what is still being listened to."""
        if self._sounds is not None:
            self._give_up(self._sounds)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _stopped(self) -> None:
        if self._sounds is not None:
            self.ended(self._sounds, to_the_end=False)

    @staticmethod
    def _give_up(listening: _Listening) -> None:
        for task in tuple(listening.tasks):
            task.cancel()

    async def _conclude(self, listening: _Listening) -> None:
        """Windows that lie wholly before the end are still heard; later ones never sounded."""
        if not listening.to_the_end:
            await asyncio.sleep(SETTLE_S + SEARCH_S)
            for task in [one for one, ends_at in listening.tasks.items() if ends_at > listening.stopped_at]:
                task.cancel()
        await asyncio.gather(*listening.tasks, return_exceptions=True)
        if not listening.windows:
            return
        line, now, box = self._line(), self._now(), self._box
        if line is None or box is None:
            return
        order = listening.play.order
        self._unsaid.append(
            Proof(
                speaker=box.player.who.id,
                boot=box.player.boot,
                order=order.id,
                revision=order.revision,
                at_ms=line.us(now) // 1_000,
                clock_us=line.error_at(now),
                ear=self._ear.kind,
                to_the_end=listening.to_the_end,
                windows=tuple(listening.windows[place] for place in sorted(listening.windows)),
            )
        )

        await self._say(box)

    async def _say(self, box: Box) -> None:
        """Everything that is unsaid, the oldest first; while the line is down it waits."""
        who = box.player.who
        topic = proof_topic(root_of(who.exercise), who.id)
        while self._unsaid:
            payload = encode_proof(self._unsaid[0])
            frame = seal_by_speaker(payload, Message.PROOF, exercise=who.exercise, key=who.key)
            try:
                box.link.publish(topic, frame, 1)
            except LinkError:
                await asyncio.sleep(SAY_AGAIN_S)
            else:
                self._unsaid.popleft()

    # Listening ---------------------------------------------------------------------------------------------------------------

    async def _listen(self, listening: _Listening, window: Listen, starts_at: float) -> None:
        ends_at = starts_at + window.length_ms / 1_000
        await asyncio.sleep(max(0.0, ends_at + SEARCH_S + SETTLE_S - self._now()))
        deaf_s = SEARCH_S + LITTLE_S  # a speaker that was just switched on had its ear open no sooner than its mouth
        heard = self._ear.between(starts_at - SEARCH_S, ends_at + SEARCH_S, deaf_s=deaf_s)
        if heard is None:
            log.debug("%s: nothing was listened to at its %s", listening.play.order.id, window.place.name)
            return
        measure = partial(self._measure, window, heard)
        try:
            listening.windows[window.place] = await asyncio.to_thread(measure)
        except (OSError, UnsupportedAudio, ValueError) as err:
            log.warning("%s: its %s can't be compared: %s", listening.play.order.id, window.place.name, err)

    def _measure(self, window: Listen, heard: bytes) -> Window:
        """In a thread: whether it is that sound, when, and how loud."""
        wanted, got = samples(self._source(window)), samples(heard)
        match = find(wanted, got)
        error_us = round((match.at / RATE_HZ - SEARCH_S) * 1e6)
        there = got[match.at : match.at + len(wanted)]
        level = level_dbfs(there)
        score = match.score if share_heard(wanted, there) >= ENOUGH_HEARD else 0.0
        return Window(
            window.place,
            max(0, min(1_000, round(score * 1_000))),
            max(-MAX_ERROR_US, min(MAX_ERROR_US, error_us)),
            max(QUIETEST_CB, min(0, round(level * 10))),
        )

    def _source(self, window: Listen) -> bytes:
        """The samples that should have been heard. :raises OSError, UnsupportedAudio: the file is not here or not whole."""
        begin, size = window.from_ms * RATE_HZ // 1_000, window.length_ms * RATE_HZ // 1_000 * SAMPLE_BYTES
        if not isinstance(window.source, Part):
            data = tone(ToneId(window.source)).data
            return data[begin * SAMPLE_BYTES : begin * SAMPLE_BYTES + size]
        got = bytearray()
        reading = OpusFile.at(self._files.path(window.source.asset)).read(begin)
        try:
            for piece in reading:
                got += piece
                if len(got) >= size:
                    break
        finally:
            reading.close()
        return bytes(got[:size])


class _Watched:
    """The box's own `Sounding`, with us looking on."""

    __slots__ = ("_inner", "_listening", "_proving")

    def __init__(self, proving: Proving, listening: _Listening, inner: Sounding) -> None:
        self._proving, self._listening, self._inner = proving, listening, inner

    def started(self, reason: Reason = Reason.NONE, at: float | None = None) -> None:
        self._inner.started(reason, at)
        self._proving.started(self._listening, reason, at)

    def finished(self) -> None:
        self._proving.ended(self._listening, to_the_end=True)
        self._inner.finished()

    def failed(self, reason: Reason) -> None:
        self._proving.ended(self._listening, to_the_end=False)
        self._inner.failed(reason)
