"""Texts spoken by the render worker in a process of its own, and the files of its library, as the services ask for them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from audio_assets.library import HASH_BYTES, AssetLibrary
from audio_assets.ogg import NoOggOpus, duration_ms
from audio_assets.rendering import (
    AudioTooLong,
    Rendered,
    RenderError,
    SpeechTooLong,
    TextEmpty,
    TextHasMarkup,
    TextTooLong,
    UnsupportedAudio,
)
from audio_assets.voices import DEFAULT_VOICE
from audio_assets.worker import RenderWorker, Under
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.spoken import Layout, Preview, Script, SpokenNote, VoiceThere
from broadcast.service.ports import SpeechFailed, Spoken


class WorkerSpeech:
    """The `Studio` and `Voice` ports over a `RenderWorker`; the finished file is in its library when a method returns.

    :param rate: words a minute of the synthetic voice, where nobody asks for another.
    :param voice: likewise who speaks.
    """

    def __init__(self, worker: RenderWorker, *, rate: int, voice: str = DEFAULT_VOICE) -> None:
        self._worker, self._rate, self._voice = worker, rate, voice

    async def speak(self, text: str, *, exercise: bool) -> Spoken:
        """In the way of a trigger: a voice that takes its time is used only where it has said this before.

        :raises SpeechFailed: no voice on this machine, or it failed. InvalidRequest: the text can't be spoken.
        """
        made = await self.make(Script(text, exercise=exercise), urgent=True)
        return Spoken(made.asset, made.asset_bytes, made.asset_ms)

    async def preview(self, text: str, *, exercise: bool, voice: str, rate: int) -> Preview:
        """:raises SpeechFailed, InvalidRequest: as for `speak`."""
        return await self.make(Script(text, exercise=exercise, voice=voice, rate=rate), urgent=False)

    async def make(self, script: Script, *, urgent: bool) -> Preview:
        """:raises SpeechFailed, InvalidRequest: as for `speak`; also for a sound that can't be used."""
        made = await self._made(script, urgent=urgent)
        notes = tuple(SpokenNote(note.code.value, note.fact) for note in made.notes)
        return Preview(made.sha256, len(made.data), made.duration_ms, made.text, made.words, made.voice, notes)

    async def voices(self) -> Sequence[VoiceThere]:
        """Those of this machine, the installation's own first."""
        there = await asyncio.to_thread(self._worker.voices)
        return sorted((VoiceThere(one.name, one.instant) for one in there), key=lambda one: one.name != self._voice)

    async def whole(self, layout: Layout) -> Spoken | None:
        """All that a speaker sounds of it; None: it is too long to be made. :raises SpeechFailed:"""
        try:
            made = await self._worker.whole(
                layout.asset, tone=layout.tone, repeats=layout.repeats, gap_ms=layout.gap_ms, closing=layout.closing
            )
        except AudioTooLong:
            return None
        except (RenderError, OSError) as err:
            raise SpeechFailed(str(err)) from err
        return Spoken(made.sha256, len(made.data), made.duration_ms)

    async def _made(self, script: Script, *, urgent: bool) -> Rendered:
        voice, rate = script.voice or self._voice, script.rate or self._rate
        try:
            if script.asset:
                return await self._worker.exercise(script.asset, voice=voice, rate=rate, urgent=urgent)
            one = script.bed
            bed = None if one is None else Under(one.asset, one.lead_ms, one.tail_ms)
            return await self._worker.render(
                script.text, exercise=script.exercise, voice=voice, rate=rate, urgent=urgent, bed=bed
            )
        except (AudioTooLong, UnsupportedAudio) as err:
            raise InvalidRequest([Fault("asset" if script.asset else "bed", "unusable-asset")]) from err
        except (TextEmpty, TextTooLong, SpeechTooLong, TextHasMarkup) as err:  # nothing is wrong with the machine
            raise InvalidRequest([_fault(err)]) from err
        except (RenderError, OSError) as err:
            raise SpeechFailed(str(err)) from err


def open_voice(
    library: AssetLibrary, rate: int, voice: str, readings: str = "", voices: str = ""
) -> tuple[RenderWorker, WorkerSpeech]:
    """The worker and the ports over it.

    :param readings: path of the operator's file of readings; empty: none. `voices`: likewise the folder of neural voices.
    """
    worker = RenderWorker(
        library, readings=Path(readings) if readings else None, voices=Path(voices) if voices else None
    )
    return worker, WorkerSpeech(worker, rate=rate, voice=voice)


def _fault(err: RenderError) -> Fault:
    match err:
        case TextTooLong(characters=length, limit=most):
            return Fault("text", "too-long", (("most", str(most)), ("length", str(length))))
        case SpeechTooLong(syllables=length, limit=most):
            return Fault("text", "too-long-spoken", (("most", str(most)), ("length", str(length))))
        case TextHasMarkup():
            return Fault("text", "markup")
        case _:
            return Fault("text", "unspeakable")


class LibrarySounds:
    """The `Sounds` port over an `AssetLibrary`."""

    def __init__(self, library: AssetLibrary) -> None:
        self._library = library

    def find(self, asset: bytes) -> Spoken | None:
        """Reads two pieces of the file, 64 KiB at most. Whether it is whole, each speaker finds out by its hash."""
        if len(asset) != HASH_BYTES:
            return None
        path = self._library.path(asset)
        try:
            return Spoken(asset, path.stat().st_size, duration_ms(path))
        except (OSError, NoOggOpus):
            return None

    def fault(self, asset: bytes) -> str:
        """Files as such have no rules; those of the library of sounds are `broadcast.service.assets`'s."""
        return "unknown-asset" if self.find(asset) is None else ""
