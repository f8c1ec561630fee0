"""Templates and the ends of an alert over the API: what may be said, how it is worded, what is ready to be said."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from broadcast.domain.broadcasts import MAX_AREAS, MAX_TEXT, UnknownBroadcast
from broadcast.domain.officers import Verb
from broadcast.domain.rights import PRACTISING
from broadcast.domain.templates import MAX_ACTIONS, MAX_GAPS, MAX_PLACE, MAX_WHEN, Filling, Template, Worded
from broadcast.service.broadcasts import BoardFull
from broadcast.service.endings import Prepared
from broadcast.service.ports import SpeechFailed
from broadcast.service.wording import UnknownTemplate, When
from broadcast.web.broadcasts import CHANGING, done_of
from broadcast.web.models import AreaCode, Done, In, SeverityWord
from broadcast.web.openapi import Api, Call
from endpoints.protocol import Severity

api = Api()

MAX_VALUE = 200


class GapOut(BaseModel):
    """A gap of a template; `most` are characters of a text, or the largest number."""

    name: str
    kind: str
    title: dict[str, str]
    required: bool
    most: int
    unit: str


class TemplateOut(BaseModel):
    """A template; `body` has its gaps in braces."""

    id: str
    event: dict[str, str]
    kind: str
    severities: list[str]
    body: str
    actions: list[dict[str, str]]
    gaps: list[GapOut]

    @classmethod
    def of(cls, one: Template) -> "TemplateOut":
        return cls(
            id=one.id,
            event=_both(one.event),
            kind=one.kind.name.lower(),
            severities=[severity.name.lower() for severity in one.severities],
            body=one.body,
            actions=[_both(action) for action in one.actions],
            gaps=[
                GapOut(
                    name=gap.name,
                    kind=gap.kind.value,
                    title=_both(gap.title),
                    required=gap.required,
                    most=gap.most,
                    unit=gap.unit,
                )
                for gap in one.gaps
            ],
        )


class TemplatesOut(BaseModel):
    """Every template of this installation."""

    items: list[TemplateOut]


class FillingIn(In):
    """What stands in the gaps. Of `when` and `begins`, and of `until` and `ends`, one is enough: the words, or the instant.

    `place` may be left empty: then the names of the areas stand there.
    """

    areas: Annotated[list[AreaCode], Field(max_length=MAX_AREAS, default_factory=list)]
    severity: SeverityWord = "unknown"
    place: Annotated[str, Field(max_length=MAX_PLACE)] = ""
    when: Annotated[str, Field(max_length=MAX_WHEN)] = ""
    begins: AwareDatetime | None = None
    until: Annotated[str, Field(max_length=MAX_WHEN)] = ""
    ends: AwareDatetime | None = None
    actions: Annotated[
        list[Annotated[int, Field(ge=0, lt=MAX_ACTIONS)]], Field(max_length=MAX_ACTIONS, default_factory=lambda: [0])
    ]
    values: Annotated[
        dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=MAX_VALUE)]],
        Field(max_length=MAX_GAPS, default_factory=dict),
    ]

    def filling(self) -> Filling:
        return Filling(
            Severity[self.severity.upper()], self.place, self.when, self.until, tuple(self.actions), dict(self.values)
        )

    def instants(self) -> When:
        return When(_ms(self.begins), _ms(self.ends))


class WordedOut(BaseModel):
    """The text as it will be spoken, and its headline: send both as they are."""

    headline: str
    text: str

    @classmethod
    def of(cls, one: Worded) -> "WordedOut":
        return cls(headline=one.headline, text=one.text)


class PreparedOut(BaseModel):
    """What would be said. `ready`: it has been spoken, and goes out without a wait."""

    headline: str
    text: str
    ready: bool
    asset: str
    asset_ms: int

    @classmethod
    def of(cls, one: Prepared) -> "PreparedOut":
        spoken = one.spoken
        return cls(
            headline=one.worded.headline,
            text=one.worded.text,
            ready=spoken is not None,
            asset=spoken.asset.hex() if spoken else "",
            asset_ms=spoken.asset_ms if spoken else 0,
        )


class EndingsOut(BaseModel):
    """The ends of a broadcast as they would go out now."""

    all_clear: PreparedOut
    correction: PreparedOut


class Correction(In):
    """What is said in the same places; empty: the prepared words."""

    text: Annotated[str, Field(max_length=MAX_TEXT)] = ""


@api.get("/templates")
async def list_templates(call: Call) -> TemplatesOut:
    """The warning templates (预警模板) of this installation."""
    return TemplatesOut(items=[TemplateOut.of(one) for one in call.services.wording.templates.values()])


@api.post("/templates/{template}/word", errors=(UnknownTemplate,), verb=Verb.PREVIEW)
async def word_template(call: Call, body: FillingIn) -> WordedOut:
    """The text of a filled template. Place and time are compulsory; every gap that is not right is named. Nothing is stored."""
    worded = call.services.wording.word(
        call.path("template"), body.filling(), body.instants(), areas=body.areas, by=call.officer
    )
    return WordedOut.of(worded)


@api.get("/broadcasts/{broadcast}/endings", errors=(UnknownBroadcast,))
async def get_endings(call: Call) -> EndingsOut:
    """The all-clear and the correction of a broadcast, as they would go out now."""
    broadcast = await call.services.wall.get(call.path("broadcast"), by=call.officer)
    all_clear, correction = call.services.endings.of(broadcast)
    return EndingsOut(all_clear=PreparedOut.of(all_clear), correction=PreparedOut.of(correction))


@api.post(
    "/broadcasts/{broadcast}/correct",
    status=202,
    once=True,
    errors=(*CHANGING, BoardFull, SpeechFailed),
    verb=PRACTISING,
)
async def correct_broadcast(call: Call, body: Correction) -> Done:
    """Say in the same places that it was wrong (更正); the correction takes its place at once."""
    outcome = await call.services.endings.correct(
        call.path("broadcast"), by=call.officer, text=body.text, once=call.once
    )
    return done_of(call, outcome)


def _both(words: tuple[str, str]) -> dict[str, str]:
    return {"zh-CN": words[0], "en": words[1]}


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)
