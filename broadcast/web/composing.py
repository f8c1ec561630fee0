"""Announcements over the API: a broadcast as it would sound, before it is sent."""

from pydantic import BaseModel

from broadcast.domain.officers import AreaNotGranted, RoleNotGranted
from broadcast.domain.rights import PRACTISING
from broadcast.service.announcer import Rehearsal
from broadcast.service.broadcasts import BoardFull
from broadcast.service.ports import SpeechFailed
from broadcast.service.previews import TooManyPreviews
from broadcast.web.models import NewBroadcast
from broadcast.web.openapi import Api, Call
from broadcast.web.speech import SpeechNote, notes_out, words_of
from broadcast.web.words import Words, rfc3339

api = Api()


class AnnouncementOut(BaseModel):
    """A broadcast as it would sound.

    `asset`: the file that its order would carry; send it along as `heard`, and no other one is sent. `whole`: one file of all that
    a speaker sounds, from the tone to the closing; null when it is too long to be made. `fits`: whether it has come to its end by
    `ends`. `words`: what is said as it is read aloud; empty for a recorded sound.
    """

    asset: str
    asset_ms: int
    url: str | None
    whole: str | None
    whole_url: str | None
    sound_ms: int
    ends: str
    fits: bool
    text: str
    words: str
    voice: str
    notes: list[SpeechNote]

    @classmethod
    def of(cls, one: Rehearsal, words: Words) -> "AnnouncementOut":
        order, made = one.order, one.made
        whole = one.whole.asset.hex() if one.whole else None
        return cls(
            asset=order.asset.hex(),
            asset_ms=order.asset_ms,
            url=f"/assets/{order.asset.hex()}" if order.asset else None,
            whole=whole,
            whole_url=whole and f"/assets/{whole}",
            sound_ms=order.sound_ms,
            ends=rfc3339(order.not_after_ms),
            fits=one.fits,
            text=made.text if made else "",
            words=made.words if made else "",
            voice=made.voice if made else "",
            notes=notes_out(made.notes, words) if made else [],
        )


@api.post(
    "/announcements/preview",
    errors=(AreaNotGranted, RoleNotGranted, BoardFull, TooManyPreviews, SpeechFailed),
    verb=PRACTISING,
)
async def preview_announcement(call: Call, body: NewBroadcast) -> AnnouncementOut:
    """The whole of a broadcast, to be heard before it is sent. Nothing is stored but sound files.

    A text is spoken, an exercise is put between the words that say so, music is put under the words. The same body gives the same
    files.
    """
    found = await call.services.previews.announcement(body.command(), by=call.officer, whole=True)
    return AnnouncementOut.of(found, words_of(call))
