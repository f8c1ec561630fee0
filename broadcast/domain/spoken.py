"""A text as it will sound (试听), before anybody sends it; pure."""

from dataclasses import dataclass

from endpoints.protocol import Order, Tone

SLOWEST, FASTEST = 100, 250  # words a minute of a synthetic voice; 0 is the installation's own
MAX_BED_MS = 15_000


@dataclass(frozen=True, slots=True)
class Bed:
    """Music under the words (配乐): a sound of the library, and how long it is heard before and after them."""

    asset: bytes
    lead_ms: int = 2_500
    tail_ms: int = 3_000


@dataclass(frozen=True, slots=True)
class Script:
    """What a file is to say: a text, or a recorded sound that is exercised. The same script gives the same file.

    :param asset: a sound of the library in place of a text; in an exercise only.
    :param voice, rate: empty and 0: the installation's.
    """

    text: str = ""
    asset: bytes = b""
    exercise: bool = False
    voice: str = ""
    rate: int = 0
    bed: Bed | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is sounded: after a built-in tone, so often, with gaps, before a closing tone.

    :param asset: empty: the tone alone, as often.
    """

    asset: bytes
    tone: Tone
    repeats: int
    gap_ms: int
    closing: Tone

    @classmethod
    def of(cls, order: Order) -> "Layout":
        return cls(order.asset, order.tone, order.repeats, order.gap_ms, order.closing)


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
