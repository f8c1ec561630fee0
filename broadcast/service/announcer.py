"""How a broadcast sounds (播报): its file, or its words spoken in time, or its tone alone; the words may follow."""

import asyncio

from broadcast.domain.broadcasts import Sound, StartBroadcast
from broadcast.service.health import Health
from broadcast.service.ports import Sounds, Speech, SpeechFailed, Spoken
from endpoints.protocol import Kind

SPEECH_WITHIN_S = 2.0  # an emergency goes out with its attention signal rather than wait longer for its words
CLEAR_WITHIN_S = 0.6
EXERCISE_TEXT = "应急广播测试。"  # what an exercise says when its officer wrote nothing; head and tail are added to it

Wording = tuple[Sound, str, asyncio.Task[Spoken] | None]
"""What sounds now, a note for the officer, and the words that are still being spoken."""


class Announcer:
    """Finds or makes the sound of a broadcast."""

    def __init__(self, *, speech: Speech, sounds: Sounds, health: Health) -> None:
        self._speech, self._sounds, self._health = speech, sounds, health

    async def sound_of(self, command: StartBroadcast) -> Wording:
        """The file, or the speech; an emergency waits no longer for that than it must, and not at all for its failure.

        An exercise never sounds without the words that say so: it would be taken for the real thing.
        """
        if command.asset and (file := self._sounds.find(command.asset)) is not None:
            return Sound(file.asset, file.asset_bytes, file.asset_ms), "", None
        text = command.text.strip() or (EXERCISE_TEXT if command.exercise else "")
        if not text:
            return Sound(), "", None
        hurried = command.kind is Kind.EMERGENCY and not command.exercise
        task = asyncio.ensure_future(self._speech.speak(text, exercise=command.exercise))
        try:
            spoken = await asyncio.wait_for(asyncio.shield(task), SPEECH_WITHIN_S if hurried else 60.0)
        except TimeoutError:
            if not hurried:
                raise SpeechFailed("it takes too long") from None
            return Sound(), "speech-late", task
        except SpeechFailed as err:
            self._health.raise_("speech-unavailable", cause=err.cause)
            if not hurried:
                raise
            return Sound(), "speech-unavailable", None
        self._health.clear("speech-unavailable")
        return Sound(spoken.asset, spoken.asset_bytes, spoken.asset_ms), "", None

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
        return Sound(spoken.asset, spoken.asset_bytes, spoken.asset_ms), "", None
