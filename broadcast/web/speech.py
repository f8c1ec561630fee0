"""Speech over the API: a text as it will sound, to be heard before it is sent."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from broadcast.domain.broadcasts import MAX_TEXT
from broadcast.domain.officers import RoleNotGranted, Verb
from broadcast.domain.spoken import FASTEST, SLOWEST, Preview, SpokenNote
from broadcast.service.ports import SpeechFailed
from broadcast.service.previews import TooManyPreviews
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.services import OPTIONS
from broadcast.web.words import Words, chosen

api = Api()


class NewSpeech(In):
    """A text to be spoken. `rate`: words a minute of the voice; `voice` and `rate` left out are the installation's."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    voice: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] | None = None
    rate: Annotated[int, Field(ge=SLOWEST, le=FASTEST)] | None = None
    exercise: bool = False


class SpeechNote(BaseModel):
    """Something to be seen before it is sent; `detail` is the sentence in the language asked for."""

    code: str
    fact: str
    detail: str


class SpeechOut(BaseModel):
    """The file of a text. `asset` is its SHA-256: what is heard under `url` is what a broadcast with this asset sends.

    `text`: everything that is said, an exercise's marks included; `words`: the same as it is read aloud.
    """

    asset: str
    url: str
    asset_bytes: int
    duration_ms: int
    text: str
    words: str
    voice: str
    notes: list[SpeechNote]

    @classmethod
    def of(cls, one: Preview, words: Words) -> "SpeechOut":
        name = one.asset.hex()
        return cls(
            asset=name,
            url=f"/assets/{name}",
            asset_bytes=one.asset_bytes,
            duration_ms=one.asset_ms,
            text=one.text,
            words=one.words,
            voice=one.voice,
            notes=notes_out(one.notes, words),
        )


def notes_out(notes: Sequence[SpokenNote], words: Words) -> list[SpeechNote]:
    """With a sentence in the language of `words`."""
    return [
        SpeechNote(code=note.code, fact=note.fact, detail=words(f"spoken.{note.code}", fact=note.fact))
        for note in notes
    ]


class VoiceOut(BaseModel):
    """`instant`: spoken within a trigger's time; other voices are rendered when a text is approved."""

    name: str
    instant: bool


class VoicesOut(BaseModel):
    """The voices of this installation, the default first."""

    items: list[VoiceOut]


@api.post("/speech", errors=(RoleNotGranted, TooManyPreviews, SpeechFailed), verb=Verb.PREVIEW)
async def speak(call: Call, body: NewSpeech) -> SpeechOut:
    """Speak a text to a file, to be heard before it is sent.

    The same text, voice and rate give the same file. A voice that is not there gives way to the default one, and a note says so.
    """
    made = await call.services.previews.of(
        body.text, exercise=body.exercise, voice=body.voice or "", rate=body.rate or 0, by=call.officer
    )
    return SpeechOut.of(made, words_of(call))


def words_of(call: Call) -> Words:
    """In the language that was asked for."""
    return Words(chosen(call.request.headers.get("Accept-Language", ""), call.request.app[OPTIONS].language))


@api.get("/voices")
async def list_voices(call: Call) -> VoicesOut:
    """The voices that a text can be spoken in here."""
    found = await call.services.previews.voices()
    return VoicesOut(items=[VoiceOut(name=one.name, instant=one.instant) for one in found])
