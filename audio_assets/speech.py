"""Mandarin speech (文字转语音): text → words (`spoken`) → syllables (`reading`) → samples, by an engine that gets no more."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from audio_assets import espeak, lexicon
from audio_assets.kokoro import Kokoro
from audio_assets.pcm import Pcm
from audio_assets.reading import Reading, read
from audio_assets.rendering import Note, NoteCode, SpeechTooLong, TextEmpty, TextHasMarkup, TextTooLong
from audio_assets.spoken import spoken, unsaid
from audio_assets.spoken.characters import holds_markup
from audio_assets.voices import DEFAULT_VOICE, chosen

ENGINE = espeak.ENGINE
MAX_CHARACTERS = 600  # of an order's text; two and a half minutes: longer than anyone listens to a warning
MAX_SYLLABLES = 1_000  # what 600 characters of letters and figures could become is cut off by refusing it
DEFAULT_RATE = 175  # espeak's words a minute: three to four characters a second, for horns and echoes
SLOWEST, FASTEST = 100, 250


class Engine(Protocol):
    """Makes sound of syllables."""

    def say(self, reading: Reading, *, voice: str, rate: int) -> Pcm:
        """:raises SpeechUnavailable: not installed, no such voice, failed, or took too long."""


@dataclass(frozen=True, slots=True)
class Said:
    """A text as sound: who spoke, how it was read, and what the officer should know about it."""

    pcm: Pcm
    voice: str
    words: str
    notes: tuple[Note, ...]


class Speech:
    """Everything that speaks, with the readings of this installation.

    :param readings: the operator's file of readings, its text; a broken one is not used and noted.
    :param voices: the operator's folder of neural voices.
    """

    def __init__(self, *, readings: str = "", voices: Path | None = None) -> None:
        self._voices = voices
        self._engines: dict[str, Engine] = {"espeak": espeak.Espeak(), "kokoro": Kokoro(voices)}
        self._lexicon, self._broken = lexicon.parse(lexicon.shipped()), ""
        try:
            self._lexicon += lexicon.parse(readings)
        except lexicon.BadLexicon as err:
            self._broken = str(err)

    def read(self, text: str) -> Reading:
        """How it will be read.

        :raises TextTooLong, SpeechTooLong, TextEmpty, TextHasMarkup: it will not be spoken.
        """
        if len(text) > MAX_CHARACTERS:
            raise TextTooLong(len(text), MAX_CHARACTERS)
        if holds_markup(text):
            raise TextHasMarkup
        reading = read(spoken(text), self._lexicon)
        if not reading.spoken:
            raise TextEmpty
        if reading.spoken > MAX_SYLLABLES:
            raise SpeechTooLong(reading.spoken, MAX_SYLLABLES)
        return reading

    def speak(self, text: str, *, voice: str = DEFAULT_VOICE, rate: int = DEFAULT_RATE) -> Said:
        """Speak a text; call it off the event loop.

        :param voice: one that isn't there is replaced by the default, and noted.
        :param rate: espeak's words a minute, held between SLOWEST and FASTEST; every voice follows it.
        :raises TextTooLong, SpeechTooLong, TextEmpty, TextHasMarkup, SpeechUnavailable:
        """
        reading = self.read(text)
        one = chosen(voice, self._voices)
        notes = [Note(NoteCode.VOICE_MISSING, voice)] if one.name != voice else []
        if missed := "".join(dict.fromkeys(reading.unknown + unsaid(text))):
            notes.append(Note(NoteCode.UNKNOWN_CHARACTERS, missed))
        if self._broken:
            notes.append(Note(NoteCode.READINGS_BROKEN, self._broken))
        rate = min(max(rate, SLOWEST), FASTEST)
        pcm = self._engines[one.engine].say(reading, voice=one.name, rate=rate)
        return Said(pcm, one.name, reading.words, tuple(notes))


@lru_cache(1)
def shipped() -> Speech:
    """With the readings and voices that come with the program."""
    return Speech()


def say(text: str, voice: str = DEFAULT_VOICE, rate: int = DEFAULT_RATE) -> Pcm:
    """The sound of a text. See `Speech.speak`."""
    return shipped().speak(text, voice=voice, rate=rate).pcm


def pinyin(text: str) -> str:
    """What the engine is given: syllables with tone numbers, tone changes of 一 and 不 applied."""
    return espeak.numbered(shipped().read(text))


def phonemes(text: str) -> str:
    """What espeak would say, in its own letters."""
    return espeak.phonemes(shipped().read(text))
