"""What passes between whoever asks for a sound and the child that makes it: typed, bounded, checked on both sides.

A message is its length, the length of the bytes behind it, JSON, bytes. The child reads what people wrote: nothing that it answers
is believed before it fits.
"""

import struct
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from audio_assets.rendering import ERRORS, Note, Rendered, RenderError, RenderFailed

_T = TypeVar("_T")

PREFIX = struct.Struct(">II")
MOST_HEAD_BYTES = 2 << 20  # a text and the operator's readings, with room for escapes
MOST_DATA_BYTES = 1 << 26
_SHORT = Field(max_length=20_000)
_Hash = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
_Ms = Annotated[int, Field(ge=0, le=600_000)]


class BadMessage(ValueError):
    """What came through the pipe is not what is agreed here."""


@dataclass(frozen=True, slots=True)
class Warm:
    """Load everything that will be needed; answered by a sound of no length."""

    do: Literal["warm"] = "warm"


@dataclass(frozen=True, slots=True)
class Melody:
    """The routine programme of the demonstration."""

    do: Literal["melody"] = "melody"


@dataclass(frozen=True, slots=True)
class Announce:
    """A text to be spoken.

    :param readings: the operator's file of readings, its text.
    :param bed: the music under it, by its hash in hexadecimal; empty: none.
    :param lead_ms, tail_ms: how long the music sounds before and after the words.
    """

    text: str
    exercise: bool
    rate: int
    voice: str
    readings: str
    bed: _Hash = ""
    lead_ms: _Ms = 0
    tail_ms: _Ms = 0
    do: Literal["announce"] = "announce"


@dataclass(frozen=True, slots=True)
class Exercise:
    """A sound of the library with the words before and after it that say that it is an exercise."""

    asset: _Hash
    rate: int
    voice: str
    readings: str
    do: Literal["exercise"] = "exercise"


@dataclass(frozen=True, slots=True)
class Whole:
    """All that a speaker sounds of an order, in one file.

    :param asset: its file; empty: its tone alone.
    :param tone, closing: numbers of `tones.ToneId`.
    """

    asset: _Hash
    tone: int
    repeats: Annotated[int, Field(ge=1, le=100)]
    gap_ms: _Ms
    closing: int
    do: Literal["whole"] = "whole"


Request = Warm | Melody | Announce | Exercise | Whole


@dataclass(frozen=True, slots=True)
class Made:
    """A sound; its bytes follow. Also what is remembered of it on disk."""

    duration_ms: Annotated[int, Field(ge=0)]
    lufs: float
    text: Annotated[str, _SHORT]
    words: Annotated[str, _SHORT]
    voice: Annotated[str, Field(max_length=64)]
    notes: Annotated[tuple[Note, ...], Field(max_length=16)]

    @classmethod
    def of(cls, one: Rendered) -> "Made":
        return cls(one.duration_ms, one.lufs, one.text, one.words, one.voice, one.notes)

    def rendered(self, sha256: bytes, data: bytes) -> Rendered:
        return Rendered(sha256, data, self.duration_ms, self.lufs, self.text, self.words, self.voice, self.notes)


@dataclass(frozen=True, slots=True)
class Failed:
    """An error of `rendering` by name and facts."""

    error: Annotated[str, Field(max_length=64)]
    facts: dict[str, int | Annotated[str, _SHORT]]

    @classmethod
    def of(cls, err: RenderError) -> "Failed":
        return cls(type(err).__name__, dict(vars(err)))

    def exception(self) -> RenderError:
        try:
            return ERRORS[self.error](**self.facts)
        except (KeyError, TypeError):
            return RenderFailed(f"the process that renders sound said something strange: {self.error}")


_REQUESTS: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="do")])
_ANSWERS: TypeAdapter[Made | Failed] = TypeAdapter(Made | Failed)
KEPT: TypeAdapter[Made] = TypeAdapter(Made)


def packed(head: Request | Made | Failed, data: bytes = b"") -> bytes:
    """One message."""
    text = TypeAdapter(dict[str, Any]).dump_json(asdict(head))
    return PREFIX.pack(len(text), len(data)) + text + data


def lengths(prefix: bytes) -> tuple[int, int]:
    """How much JSON and how many bytes follow.

    :raises BadMessage: more than anybody here would send.
    """
    head, data = PREFIX.unpack(prefix)
    if head > MOST_HEAD_BYTES or data > MOST_DATA_BYTES:
        raise BadMessage(f"a message of {head} and {data} bytes")
    return head, data


def request_of(text: bytes) -> Request:
    """:raises BadMessage: no request."""
    return _checked(_REQUESTS, text)


def answer_of(text: bytes) -> Made | Failed:
    """:raises BadMessage: no answer."""
    return _checked(_ANSWERS, text)


def _checked(adapter: TypeAdapter[_T], text: bytes) -> _T:
    try:
        return adapter.validate_json(text)
    except ValidationError as err:
        raise BadMessage(f"{err.error_count()} things are wrong with it") from err
