"""What is said over a microphone's WebSocket, both ways, as JSON beside the sound; docs/live.md is the page about it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from broadcast.domain.broadcasts import MAX_AREAS, MAX_HEADLINE, MAX_SPEAKERS, InvalidRequest
from broadcast.domain.live import LiveView, OpenLive
from broadcast.domain.live_records import LiveRecord
from broadcast.web.bodies import invalid
from broadcast.web.models import AreaCode, In, SpeakerId, ToneWord
from broadcast.web.words import rfc3339
from endpoints.protocol import Tone

SEQ_BYTES = 4
SAMPLES_BYTES = 1_920  # 20 ms of 48 kHz mono s16le

SoundWord = Literal["opus", "pcm"]

MOST = 1_000_000


class Open(In):
    """The first message: a microphone that is listened to and not yet heard (试音). `sound` is how its frames are coded."""

    type: Literal["open"]
    sound: SoundWord
    areas: list[AreaCode] = Field(default_factory=list, max_length=MAX_AREAS)
    excluded: list[AreaCode] = Field(default_factory=list, max_length=MAX_AREAS)
    speakers: list[SpeakerId] = Field(default_factory=list, max_length=MAX_SPEAKERS)
    minutes: Annotated[int, Field(ge=1, le=MOST)] = 10  # how many the settings allow, the service says
    headline: Annotated[str, Field(max_length=MAX_HEADLINE)] = ""
    tone: ToneWord | None = None
    volume_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    exercise: bool = False

    def command(self) -> OpenLive:
        return OpenLive(
            areas=tuple(self.areas),
            excluded=tuple(self.excluded),
            speakers=tuple(self.speakers),
            minutes=self.minutes,
            headline=self.headline.strip(),
            tone=None if self.tone is None else Tone[self.tone.upper()],
            volume_percent=self.volume_percent,
            exercise=self.exercise,
        )


class Resume(In):
    """The first message instead: the same officer goes on with a microphone whose connection broke."""

    type: Literal["resume"]
    sound: SoundWord
    id: Annotated[str, Field(pattern=r"^live-[0-9a-f]{16}$")]


class Begin(In):
    """Put it on the air."""

    type: Literal["begin"]


class Mute(In):
    """Silence goes out in place of what is fed, or no longer."""

    type: Literal["mute"]
    on: bool


class Close(In):
    """End it; what was said still goes out."""

    type: Literal["close"]


Message = Open | Resume | Begin | Mute | Close
KINDS = frozenset(("open", "resume", "begin", "mute", "close"))
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def read_message(text: str) -> Message:
    """:raises NotReadable, InvalidRequest: with every wrong field."""
    try:
        return _MESSAGE.validate_json(text, strict=True)
    except ValidationError as err:
        refused = invalid(err)
        for fault in refused.errors if isinstance(refused, InvalidRequest) else ():
            fault["field"] = fault["field"].removeprefix(f"{_kind(fault['field'])}.")
        raise refused from None


def _kind(field: str) -> str:
    """Pydantic names a field of a union with the kind of the message before it: `open.minutes`."""
    head = field.partition(".")[0]
    return head if head in KINDS else "\0"


class MicrophoneOut(BaseModel):
    """How a microphone stands. `state` and `why` are words of docs/live.md; levels in dBFS; `may_speak` is the lamp."""

    id: str
    order: str
    officer: str
    areas: list[str]
    headline: str
    exercise: bool
    state: str
    why: str
    may_speak: bool
    muted: bool
    level_db: float
    peak_db: float
    silent_s: float
    silence_s: float
    on_air_s: float
    left_s: float
    speakers: int
    sounding: int
    interrupted: int
    delay_ms: int
    frames_a_packet: int
    deliveries_per_s: int
    packets: int
    lost: int

    @classmethod
    def of(cls, view: LiveView, **more: Any) -> Self:
        return cls(
            id=view.id,
            order=view.order,
            officer=view.officer,
            areas=list(view.areas),
            headline=view.headline,
            exercise=view.exercise,
            state=view.state.value,
            why=view.why.value,
            may_speak=view.may_speak,
            muted=view.muted,
            level_db=round(view.level_db, 1),
            peak_db=round(view.peak_db, 1),
            silent_s=round(view.silent_s, 1),
            silence_s=view.silence_s,
            on_air_s=round(view.on_air_s, 1),
            left_s=round(view.left_s, 1),
            speakers=view.speakers,
            sounding=view.sounding,
            interrupted=view.interrupted,
            delay_ms=view.delay_ms,
            frames_a_packet=view.frames_a_packet,
            deliveries_per_s=view.deliveries_per_s,
            packets=view.packets,
            lost=view.lost,
            **more,
        )


class StateOut(MicrophoneOut):
    """The same over its socket: on every change, and five times a second.

    `late`: frames of this connection that came too late to be of use and were dropped.
    """

    type: Literal["state"] = "state"
    late: int = 0


class RecordingOut(BaseModel):
    """What went out of one run of a live broadcast; `url` is null while it is being recorded, or when nothing was.

    `lost`: packets that the broker was not there to take; they are silence in the recording.
    """

    begins: str
    ends: str | None
    sound_ms: int
    size_bytes: int
    sha256: str | None
    url: str | None
    packets: int
    lost: int
    why: str

    @classmethod
    def of(cls, record: LiveRecord) -> "RecordingOut":
        sha256 = record.sha256.hex() or None
        return cls(
            begins=rfc3339(record.from_ms),
            ends=rfc3339(record.to_ms) if record.to_ms else None,
            sound_ms=record.sound_ms,
            size_bytes=record.size_bytes,
            sha256=sha256,
            url=sha256 and f"/assets/{sha256}",
            packets=record.packets,
            lost=record.lost,
            why=record.why,
        )
