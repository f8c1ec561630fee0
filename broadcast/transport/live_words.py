"""Spoken words as the frames of a live stream: what marks an exercise before and after the microphone."""

import asyncio
from collections.abc import Sequence

from audio_assets.library import AssetError, AssetLibrary
from audio_assets.ogg import NoOggOpus
from audio_assets.ogg_pages import frames_of
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.live import BadSound, must_be_sound
from broadcast.service.ports import Speech, SpeechFailed


class LiveWords:
    """The `Words` port over the voice and its library. The same text is spoken once."""

    def __init__(self, speech: Speech, library: AssetLibrary) -> None:
        self._speech, self._library = speech, library
        self._spoken: dict[str, list[bytes]] = {}

    async def frames(self, text: str) -> Sequence[bytes]:
        """:raises SpeechFailed: no voice on this machine, or it failed."""
        if text not in self._spoken:
            try:
                spoken = await self._speech.speak(text, exercise=False)
                data = await asyncio.to_thread(self._library.get, spoken.asset)
                frames = frames_of(data)
                for frame in frames:
                    must_be_sound(frame)
            except (AssetError, NoOggOpus, BadSound, InvalidRequest, OSError) as err:
                raise SpeechFailed(str(err)) from err
            self._spoken[text] = frames
        return self._spoken[text]
