"""The library of sounds over the API: send, look, listen, approve, let expire, delete."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from broadcast.domain.assets import (
    MAX_LICENCE,
    MAX_NAME,
    AnotherSound,
    Asset,
    AssetInUse,
    AssetKind,
    AssetState,
    NewAsset,
    OwnUpload,
    SameFile,
    UnknownAsset,
    Use,
    name_of_file,
)
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.officers import AreaNotGranted, Officer, RoleNotGranted, Verb
from broadcast.service.assets import TooManyUploads, Upload
from broadcast.service.ports import NoRoom, UploadTooLarge
from broadcast.service.reach import place_of
from broadcast.web.assets_words import notes, refusal_of
from broadcast.web.bodies import invalid
from broadcast.web.errors import NotFound, TooSlow, UnsupportedBody
from broadcast.web.models import In
from broadcast.web.openapi import PREFIX, Api, Call
from broadcast.web.services import OPTIONS, Services
from broadcast.web.uploads import Incoming, UploadBroken, incoming
from broadcast.web.words import BEIJING, Words, chosen, rfc3339

api = Api()

KindWord = Literal["routine", "notice", "signal"]
SENDING = (
    InvalidRequest,
    UnsupportedBody,
    UploadTooLarge,
    UploadBroken,
    TooSlow,
    NoRoom,
    TooManyUploads,
    SameFile,
    AreaNotGranted,
    RoleNotGranted,
)
CHANGING = (UnknownAsset, AreaNotGranted, RoleNotGranted)


def expiry_of(text: str) -> str:
    """A day, by whose end in Beijing it expires, or an instant with its offset."""
    if text:
        _expires_ms(text)
    return text


Expiry = Annotated[str, Field(max_length=40), AfterValidator(expiry_of)]


class AssetFields(In):
    """What is said of a file; as fields of the form before it, or in the query.

    `licence`: where the sound comes from and under which right it may be played; nothing is taken without.
    `area`: whose it is; one's own when it is empty. `shared`: officers below that area may play it too.
    `expires`: a day (to its end in Beijing time), or an instant with its offset; empty: never.
    """

    name: Annotated[str, Field(max_length=MAX_NAME)] = ""
    licence: Annotated[str, Field(max_length=MAX_LICENCE)] = ""
    kind: KindWord = "routine"
    area: Annotated[str, Field(pattern=r"^([0-9]{12}([0-9]{3}){0,2})?$")] = ""
    shared: bool = True
    expires: Expiry = ""

    def command(self, sent: Incoming, by: Officer) -> NewAsset:
        return NewAsset(
            name=self.name or name_of_file(sent.file_name),
            licence=self.licence,
            kind=AssetKind(self.kind),
            area=self.area or by.area,
            shared=self.shared,
            expires_ms=_expires_ms(self.expires) if self.expires else None,
            file_name=sent.file_name,
        )


class AssetQuery(In):
    """:param before: the cursor `next` of the page before."""

    kind: KindWord | None = None
    before: Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class WaveQuery(In):
    points: Annotated[int, Field(ge=10, le=1_000)] = 1_000


class Approval(In):
    """`sha256`: of the file that was listened to."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ExpiryIn(In):
    """A day, or an instant with its offset; empty: it never expires."""

    expires: Expiry


class ApprovedOut(BaseModel):
    by: str
    at: str
    sha256: str


class RefusalOut(BaseModel):
    """Why a file was not taken: a stable code, its facts, and a sentence in the language asked for."""

    code: str
    facts: dict[str, Any]
    sentence: str


class SoundOut(BaseModel):
    """The finished file (Ogg Opus, mono) and what was measured. LUFS, LU, dBTP; `notes` are sentences for people."""

    sha256: str
    bytes: int
    duration_ms: int
    lufs: float
    lra: float
    peak_dbtp: float
    gain_db: float
    limited: bool
    source_sha256: str
    source_bytes: int
    source_ms: int
    source_lufs: float
    source_peak_dbtp: float
    container: str
    codec: str
    channels: int
    rate_hz: int
    trimmed_head_ms: int
    trimmed_tail_ms: int
    clipped_ms: int
    misnamed: str
    notes: list[str]


class UseOut(BaseModel):
    what: str
    id: str
    name: str

    @classmethod
    def of(cls, one: Use) -> "UseOut":
        return cls(what=one.what, id=one.id, name=one.name)


class AssetOut(BaseModel):
    """A sound, or an upload that is under way (`received`, `probing`) or was `refused`. `uses`: null in lists."""

    id: str
    state: Literal["received", "probing", "ready", "refused"]
    name: str
    licence: str
    kind: KindWord
    area: str
    place: str
    shared: bool
    uploader: str
    uploaded: str
    expires: str | None
    expired: bool
    expires_soon: bool
    approved: ApprovedOut | None
    refusal: RefusalOut | None
    sound: SoundOut | None
    uses: list[UseOut] | None


class AssetPage(BaseModel):
    """`uploads`: of one's own area, not ready. `items`: newest first; `next` is the cursor of the next page."""

    uploads: list[AssetOut]
    items: list[AssetOut]
    next: str | None


class WaveOut(BaseModel):
    """Lowest and highest sample of equal stretches, −127 to 127."""

    duration_ms: int
    pairs: list[tuple[int, int]]


_UPLOAD = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file", "licence"],
            "properties": {
                **{name: {"type": "string"} for name in ("name", "licence", "area", "expires", "shared")},
                "kind": {"enum": ["routine", "notice", "signal"]},
                "file": {"type": "string", "contentMediaType": "application/octet-stream"},
            },
        }
    },
    "application/octet-stream": {"schema": {}},
    "audio/*": {"schema": {}},
}


@api.post("/assets", status=202, takes=_UPLOAD, fields=AssetFields, errors=SENDING, verb=Verb.MANAGE_ASSETS)
async def send_asset(call: Call) -> AssetOut:
    """Send a sound. It has come whole when this answers, and is then taken apart, measured and made.

    How far it got stands under Location. Fields come before the file in the form, or in the query when the file is the body (then
    with `file_name`). Taken are WAV, MP3, FLAC, Ogg, M4A and 3GP, AAC, AMR and WMA, by their content and not by their name.
    """
    sent = await incoming(call.request)
    upload = await take_in(call.services, sent, by=call.officer)
    call.headers["Location"] = f"{PREFIX}/assets/{upload.id}"
    return await _out(call, upload)


@api.get("/assets")
async def list_assets(call: Call, query: AssetQuery) -> AssetPage:
    """The sounds that one may play: those of one's own area, and those that areas above share."""
    assets = call.services.assets
    kind = AssetKind(query.kind) if query.kind else None
    found = assets.page(by=call.officer, kind=kind, before=query.before, limit=query.limit + 1)
    uploads = [] if query.before else assets.uploads(by=call.officer)
    return AssetPage(
        uploads=[_of_upload(call, one) for one in uploads],
        items=[_of_asset(call, one) for one in found[: query.limit]],
        next=found[query.limit - 1].id if len(found) > query.limit else None,
    )


@api.get("/assets/{asset}", errors=(UnknownAsset,))
async def get_asset(call: Call) -> AssetOut:
    """One sound with what was measured and where it is used; or how far an upload got, and why it was refused."""
    return await _out(call, call.services.assets.look(call.path("asset"), by=call.officer))


@api.get("/assets/{asset}/waveform", errors=(UnknownAsset,))
async def get_waveform(call: Call, query: WaveQuery) -> WaveOut:
    """The picture of a sound."""
    measured = call.services.assets.get(call.path("asset"), by=call.officer).measured
    return WaveOut(duration_ms=measured.duration_ms, pairs=measured.pairs(query.points))


@api.get("/assets/{asset}/audio", media="audio/ogg", errors=(UnknownAsset, NotFound))
async def get_audio(call: Call) -> web.StreamResponse:
    """The finished file, as it will sound; ranges are served."""
    asset = call.services.assets.get(call.path("asset"), by=call.officer)
    path = call.services.asset(asset.sha256.hex())
    if path is None:
        raise NotFound
    headers = {"Content-Type": "audio/ogg", "Cache-Control": "private, max-age=3600"}
    return web.FileResponse(path, headers=headers)


@api.post("/assets/{asset}/approve", errors=(*CHANGING, AnotherSound, OwnUpload), verb=Verb.APPROVE_ASSET)
async def approve_asset(call: Call, body: Approval) -> AssetOut:
    """Say that it may be played: of the file with that hash and no other."""
    return await _out(call, await call.services.assets.approve(call.path("asset"), body.sha256, by=call.officer))


@api.post("/assets/{asset}/expire", errors=CHANGING, verb=Verb.MANAGE_ASSETS)
async def expire_asset(call: Call, body: ExpiryIn) -> AssetOut:
    """Until when it may be used anew. What uses it already goes on, with a warning."""
    expires_ms = _expires_ms(body.expires) if body.expires else None
    return await _out(call, await call.services.assets.expire(call.path("asset"), expires_ms, by=call.officer))


@api.delete("/assets/{asset}", status=204, errors=(*CHANGING, AssetInUse), verb=Verb.MANAGE_ASSETS)
async def delete_asset(call: Call) -> None:
    """Delete it, when nothing that is live or planned plays it. An upload under way is given up."""
    await call.services.assets.remove(call.path("asset"), by=call.officer)


async def take_in(services: Services, sent: Incoming, *, by: Officer) -> Upload:
    """Fields checked, then the file; the page uses it too. :raises InvalidRequest: and those of `Assets.receive`."""
    try:
        fields = AssetFields.model_validate(dict(sent.fields))
    except ValidationError as err:
        raise invalid(err) from None
    new = fields.command(sent, by)
    return await services.assets.receive(new, sent.chunks, size_bytes=sent.size_bytes, by=by)


def _expires_ms(text: str) -> int:
    """:raises ValueError: neither a day nor an instant with an offset."""
    if len(text) == 10:
        day = date.fromisoformat(text)
        return int(datetime(day.year, day.month, day.day, tzinfo=BEIJING).timestamp() * 1000) + 86_400_000
    instant = datetime.fromisoformat(text)
    if instant.utcoffset() is None:
        raise ValueError("no offset")
    return round((instant.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def expiry(text: str) -> int | None:
    """Of a form's field. :raises InvalidRequest: it is no time."""
    try:
        return _expires_ms(text) if text else None
    except (ValueError, OverflowError):
        raise InvalidRequest([Fault("expires", "malformed-time")]) from None


async def _out(call: Call, one: Asset | Upload) -> AssetOut:
    if isinstance(one, Upload):
        return _of_upload(call, one)
    uses = await call.services.assets.uses(one)
    return _of_asset(call, one).model_copy(update={"uses": [UseOut.of(use) for use in uses]})


def _words(call: Call) -> Words:
    return Words(chosen(call.request.headers.get("Accept-Language", ""), call.request.app[OPTIONS].language))


def _of_upload(call: Call, one: Upload) -> AssetOut:
    new = one.new
    refused = RefusalOut(code=one.code, facts=dict(one.facts), sentence=refusal_of(_words(call), one))
    return AssetOut(
        id=one.id,
        state=one.state.value,
        name=new.name,
        licence=new.licence,
        kind=new.kind.value,
        area=new.area,
        place=place_of(call.services.estate.tree, new.area),
        shared=new.shared,
        uploader=one.uploader,
        uploaded=rfc3339(one.at_ms),
        expires=rfc3339(new.expires_ms) if new.expires_ms is not None else None,
        expired=False,
        expires_soon=False,
        approved=None,
        refusal=refused if one.state is AssetState.REFUSED else None,
        sound=None,
        uses=None,
    )


def _of_asset(call: Call, one: Asset) -> AssetOut:
    now_ms, approved = call.services.clock.now_ms(), None
    if one.is_approved and one.approved_ms is not None:
        at, sha256 = rfc3339(one.approved_ms), one.approved_sha256.hex()
        approved = ApprovedOut(by=one.approved_by, at=at, sha256=sha256)
    return AssetOut(
        id=one.id,
        state="ready",
        name=one.name,
        licence=one.licence,
        kind=one.kind.value,
        area=one.area,
        place=place_of(call.services.estate.tree, one.area),
        shared=one.shared,
        uploader=one.uploader,
        uploaded=rfc3339(one.uploaded_ms),
        expires=rfc3339(one.expires_ms) if one.expires_ms is not None else None,
        expired=one.is_expired(now_ms),
        expires_soon=one.expires_soon(now_ms),
        approved=approved,
        refusal=None,
        sound=_sound(call, one),
        uses=None,
    )


def _sound(call: Call, one: Asset) -> SoundOut:
    measured = one.measured
    same = {name: getattr(measured, name) for name in SoundOut.model_fields if hasattr(measured, name)}
    return SoundOut(
        **same
        | {
            "sha256": measured.sha256.hex(),
            "bytes": measured.size_bytes,
            "source_sha256": one.source_sha256.hex(),
            "source_bytes": one.source_bytes,
            "misnamed": one.misnamed,
            "notes": notes(_words(call), one),
        }
    )
