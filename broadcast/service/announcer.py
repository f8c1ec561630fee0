"""How a broadcast sounds (播报): its file, or its words spoken in time, or its tone alone; the words may follow."""

import asyncio
from dataclasses import dataclass

from broadcast.domain.broadcasts import Sound, StartBroadcast
from broadcast.domain.errors import BroadcastError
from broadcast.domain.spoken import Layout, Preview, Script
from broadcast.service.health import Health
from broadcast.service.ports import Sounds, SpeechFailed, Spoken, Studio
from endpoints.protocol import Kind, Order

SPEECH_WITHIN_S = 2.0  # an emergency goes out with its attention signal rather than wait longer for its words
CLEAR_WITHIN_S = 0.6
PREVIEW_WITHIN_S = 60.0
EXERCISE_TEXT = "应急广播测试。"  # what an exercise says when its officer wrote nothing; head and tail are added to it

Wording = tuple[Sound, str, asyncio.Task[Spoken] | None]
"""What sounds now, a note for the officer, and the words that are still being spoken."""


class SoundChanged(BroadcastError):
    """What would be sent is not what was listened to; nothing was sent."""

    def __init__(self, heard: str, sound: str) -> None:
        self.heard, self.sound = heard, sound
        super().__init__(f"what was heard is {heard[:12]}, what would be sent is {sound[:12] or 'not there'}")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A broadcast as it would sound, before it is sent.

    :param order: what would be on the boards, begun now.
    :param made: what is said; None for a recorded sound or a tone alone.
    :param whole: one file of all that a speaker sounds; None when nobody asked for it, or it is too long to be made.
    """

    order: Order
    made: Preview | None
    whole: Spoken | None = None

    @property
    def fits(self) -> bool:
        """Whether it has come to its end before it is taken off the air."""
        return self.order.not_before_ms + self.order.sound_ms <= self.order.not_after_ms


class Announcer:
    """Finds or makes the sound of a broadcast."""

    def __init__(self, *, speech: Studio, sounds: Sounds, health: Health) -> None:
        self._speech, self._sounds, self._health = speech, sounds, health

    async def sound_of(self, command: StartBroadcast) -> Wording:
        """The file, or the speech; an emergency waits no longer for that than it must, and not at all for its failure.

        An exercise never sounds without the words that say so: it would be taken for the real thing.

        :raises SoundChanged: it is not what was listened to.
        """
        sound, note, late = await self._sound_of(command)
        if command.heard and sound.asset != command.heard:
            if late is not None:
                late.cancel()
            raise SoundChanged(command.heard.hex(), sound.asset.hex())
        return sound, note, late

    async def clear_of(self, command: StartBroadcast) -> Wording:
        """The end of an alert waits for no voice: after a moment it goes out with its tune, and the words follow."""
        task = asyncio.ensure_future(self._speech.speak(command.text, exercise=command.exercise))
        try:
            spoken = await asyncio.wait_for(asyncio.shield(task), CLEAR_WITHIN_S)
        except TimeoutError:
            return Sound(), "speech-late", task
        except SpeechFailed as err:
            self._health.raise_("speech-unavailable", cause=err.cause)
            return Sound(), "speech-unavailable", None
        return _sound(spoken), "", None

    async def preview(self, command: StartBroadcast) -> tuple[Sound, Preview | None]:
        """What `sound_of` would give once there is time for it.

        :raises SpeechFailed, InvalidRequest: it can't be made.
        """
        if (file := self._recorded(command)) is not None:
            return _sound(file), None
        script = _script(command)
        if script is None:
            return Sound(), None
        try:
            async with asyncio.timeout(PREVIEW_WITHIN_S):
                made = await self._speech.make(script, urgent=False)
        except TimeoutError:
            raise SpeechFailed("it takes too long") from None
        return Sound(made.asset, made.asset_bytes, made.asset_ms), made

    async def whole(self, layout: Layout) -> Spoken | None:
        """All that a speaker sounds of it, in one file. None: it is too long for that. :raises SpeechFailed:"""
        return await self._speech.whole(layout)

    async def _sound_of(self, command: StartBroadcast) -> Wording:
        if (file := self._recorded(command)) is not None:
            return _sound(file), "", None
        script = _script(command)
        if script is None:
            return Sound(), "", None
        hurried = command.kind is Kind.EMERGENCY and not command.exercise
        task = asyncio.ensure_future(self._speech.make(script, urgent=True))
        try:
            made = await asyncio.wait_for(asyncio.shield(task), SPEECH_WITHIN_S if hurried else PREVIEW_WITHIN_S)
        except TimeoutError:
            if not hurried:
                raise SpeechFailed("it takes too long") from None
            return Sound(), "speech-late", asyncio.ensure_future(_spoken(task))
        except SpeechFailed as err:
            self._health.raise_("speech-unavailable", cause=err.cause)
            if not hurried:
                raise
            return Sound(), "speech-unavailable", None
        self._health.clear("speech-unavailable")
        note = next((one.code for one in made.notes if one.code.startswith("voice-")), "")
        return Sound(made.asset, made.asset_bytes, made.asset_ms), note, None

    def _recorded(self, command: StartBroadcast) -> Spoken | None:
        """The file as it is. An exercise has none: its sound is put between the words that say so."""
        return self._sounds.find(command.asset) if command.asset and not command.exercise else None


def _script(command: StartBroadcast) -> Script | None:
    """What has to be made; None when nothing is said."""
    if command.asset and command.exercise:
        return Script(asset=command.asset, exercise=True, voice=command.voice, rate=command.rate)
    text = command.text.strip() or (EXERCISE_TEXT if command.exercise else "")
    if not text:
        return None
    return Script(text, exercise=command.exercise, voice=command.voice, rate=command.rate, bed=command.bed)


async def _spoken(task: "asyncio.Task[Preview]") -> Spoken:
    made = await task
    return Spoken(made.asset, made.asset_bytes, made.asset_ms)


def _sound(spoken: Spoken) -> Sound:
    return Sound(spoken.asset, spoken.asset_bytes, spoken.asset_ms)
