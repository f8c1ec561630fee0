"""A text as it will sound (试听), before anybody sends it; pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpokenNote:
    """What the officer should know of it: a code and the fact for its sentence."""

    code: str
    fact: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A text as a file.

    :param text: everything that is said, with the words that mark an exercise.
    :param words: the same as it is read: numbers, units and letters as Chinese words.
    :param voice: who speaks; not the one that was asked for when a note says so.
    """

    asset: bytes
    asset_bytes: int
    asset_ms: int
    text: str
    words: str
    voice: str
    notes: tuple[SpokenNote, ...]


@dataclass(frozen=True, slots=True)
class VoiceThere:
    """A voice of this machine. `instant`: a trigger waits for it; others are rendered when a text is approved."""

    name: str
    instant: bool
