"""Previews (试听): a text as it will sound, before anybody sends it: the file that is heard is the one that is sent."""

import math
from collections.abc import Sequence
from typing import Protocol

from broadcast.clock import Clock
from broadcast.domain.broadcasts import MAX_TEXT, Fault, InvalidRequest, StartBroadcast
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.domain.spoken import Layout, Preview, VoiceThere
from broadcast.service.announcer import Rehearsal
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.ports import Spoken
from broadcast.service.rate_limits import Buckets

AT_ONCE, PER_MIN = 10, 20  # of one officer: as fast as anybody types, and no more than the worker can do


class TooManyPreviews(BroadcastError):
    """This officer has asked for too many previews."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"too many previews; wait {retry_after_s} s")


class Voice(Protocol):
    """The voices, and the file of a text: the same text, voice and rate give the same file."""

    async def voices(self) -> Sequence[VoiceThere]: ...  # the default first
    async def whole(self, layout: Layout) -> Spoken | None: ...  # None: too long; SpeechFailed
    async def preview(
        self, text: str, *, exercise: bool, voice: str, rate: int
    ) -> Preview: ...  # voice empty, rate 0: the installation's; InvalidRequest, SpeechFailed


class Previews:
    """Lets officers hear what they have written."""

    def __init__(self, *, clock: Clock, voice: Voice, broadcasts: Broadcasts) -> None:
        self._clock, self._voice, self._broadcasts = clock, voice, broadcasts
        self._buckets = Buckets(clock.monotonic, burst=AT_ONCE, per_min=PER_MIN)

    async def voices(self) -> Sequence[VoiceThere]:
        """Those that can be asked for."""
        return await self._voice.voices()

    async def of(self, text: str, *, exercise: bool, voice: str, rate: int, by: Officer) -> Preview:
        """:raises RoleNotGranted: viewers have nothing to send. TooManyPreviews: wait.

        :raises InvalidRequest: it can't be spoken, with the reason. SpeechFailed: not on this machine now.
        """
        may(by, Verb.PREVIEW, now_ms=self._clock.now_ms())
        if len(text) > MAX_TEXT:
            facts = (("most", str(MAX_TEXT)), ("length", str(len(text))))
            raise InvalidRequest([Fault("text", "too-long", facts)])
        self._take(by)
        return await self._voice.preview(text, exercise=exercise, voice=voice, rate=rate)

    async def announcement(self, command: StartBroadcast, *, by: Officer, whole: bool) -> Rehearsal:
        """A broadcast as it would sound from its first sample to its last.

        :param whole: also as one file, to be listened to.
        :raises TooManyPreviews: wait. SpeechFailed: it can't be made now.
        :raises InvalidRequest, AreaNotGranted, RoleNotGranted, BoardFull: it could not be sent either.
        """
        self._broadcasts.must_be_right(command, by)
        self._take(by)
        return await self._broadcasts.rehearse(command, by=by, whole=whole)

    async def whole(self, layout: Layout, *, by: Officer, again: bool) -> Spoken | None:
        """One file of all that a speaker sounds; None: it is too long to be made.

        :param again: it was had before, and a further piece of it is asked for.
        """
        may(by, Verb.PREVIEW, now_ms=self._clock.now_ms())
        if not again:
            self._take(by)
        return await self._voice.whole(layout)

    def _take(self, by: Officer) -> None:
        wait_s = self._buckets.wait_s(by.name)
        if wait_s > 0:
            raise TooManyPreviews(math.ceil(wait_s))
        self._buckets.take(by.name)
