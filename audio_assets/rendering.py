"""What comes back when a sound file is made, and what may go wrong: shared by whoever asks and the worker that does it.

The errors hold exactly the arguments they are made from, so that they pass from one process to another by name and facts.
"""

from dataclasses import dataclass
from enum import StrEnum


class NoteCode(StrEnum):
    """What an officer should know of a sound that was made all the same."""

    VOICE_MISSING = "voice-missing"  # fact: the voice that was asked for; the default speaks
    VOICE_FAILED = "voice-failed"  # likewise, it is there and could not do it
    VOICE_LATE = "voice-late"  # likewise, there was no time for it
    UNKNOWN_CHARACTERS = "unknown-characters"  # fact: those that nobody can read; they are not heard
    READINGS_BROKEN = "readings-broken"  # fact: what is wrong with the operator's file; it was not used


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be shown beside the sound."""

    code: NoteCode
    fact: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished sound file (节目文件): what is heard, its bytes and their SHA-256."""

    sha256: bytes
    data: bytes
    duration_ms: int
    lufs: float
    text: str  # everything that is said, with the words that mark an exercise
    words: str = ""  # the same as it is read: numbers, units and letters as Chinese words
    voice: str = ""  # who speaks
    notes: tuple[Note, ...] = ()


class RenderError(Exception):
    """A sound file cannot be made; the sentence says why."""


class SpeechUnavailable(RenderError):
    """The engine is missing, has no such voice, failed or took too long; the sentence says which."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class TextTooLong(RenderError):
    """More characters than one announcement may have."""

    def __init__(self, characters: int, limit: int) -> None:
        super().__init__(f"{characters} characters; an announcement may have {limit}")
        self.characters, self.limit = characters, limit


class SpeechTooLong(RenderError):
    """Short enough as it is written and too long as it is read: letters and figures become several syllables."""

    def __init__(self, syllables: int, limit: int) -> None:
        super().__init__(f"{syllables} syllables; an announcement may have {limit}")
        self.syllables, self.limit = syllables, limit


class TextEmpty(RenderError):
    """Nothing in the text can be said."""

    def __init__(self) -> None:
        super().__init__("the text holds nothing that can be spoken")


class TextHasMarkup(RenderError):
    """Tags or entities of HTML stand in the text: they would be spelled out."""

    def __init__(self) -> None:
        super().__init__("the text holds HTML; only plain text can be spoken")


class UnsupportedAudio(RenderError):
    """Not a sound that we take; the sentence says what is wrong with it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class AudioTooLong(RenderError):
    """More sound than the limit."""

    def __init__(self, limit_ms: int) -> None:
        super().__init__(f"the sound is longer than {limit_ms // 1000} seconds")
        self.limit_ms = limit_ms


class RenderFailed(RenderError):
    """The worker died or took too long; asking again is worth a try."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class RenderBusy(RenderError):
    """Too many sounds are waiting to be made; ask again later."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} sounds are waiting to be made")
        self.waiting = waiting


ERRORS: dict[str, type[RenderError]] = {
    kind.__name__: kind
    for kind in (
        SpeechUnavailable,
        TextTooLong,
        SpeechTooLong,
        TextEmpty,
        TextHasMarkup,
        UnsupportedAudio,
        AudioTooLong,
        RenderFailed,
    )
}
