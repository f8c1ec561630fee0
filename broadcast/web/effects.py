"""What a broadcast would do, over the API: the panel that is read before anything is confirmed."""

from pydantic import BaseModel

from broadcast.domain.approval_policy import Source
from broadcast.domain.broadcasts import Sound, StartBroadcast
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted
from broadcast.domain.rights import PRACTISING, ExerciseOnly
from broadcast.domain.spoken import Layout
from broadcast.service.broadcasts import BoardFull
from broadcast.service.effects import Cut, Expected
from broadcast.web.desk_sound import listen_url, rehearsed
from broadcast.web.grouped import command_of
from broadcast.web.models import NamedOut, NewBroadcast, ReachOut
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339

api = Api()


class CutOut(BaseModel):
    """Something that it cuts, or that it waits for (`waits_for`); `effect` is what becomes of whoever loses.

    `back`: when the loser has the air (back), null for never. `townships`: how many speakers in each.
    """

    broadcast: str
    headline: str
    programme: bool
    waits_for: bool
    effect: str
    cut_at: str
    back: str | None
    speakers: int
    townships: dict[str, int]

    @classmethod
    def of(cls, one: Cut) -> "CutOut":
        return cls(
            broadcast=one.broadcast,
            headline=one.headline,
            programme=one.programme,
            waits_for=one.waits_for,
            effect=one.effect.value,
            cut_at=rfc3339(one.from_ms),
            back=rfc3339(one.until_ms) if one.until_ms else None,
            speakers=one.speakers,
            townships=dict(one.townships),
        )


class EffectOut(BaseModel):
    """Whom it would reach, what it would cut, how long it sounds, when it ends, and who has to agree.

    `demand`: `none`, `second-person` or `auto-start`, by the policy. `heard`: the file that would sound, to be sent along; null
    when it is not spoken yet, and then the length is a guess (`estimated`). `whole_url` plays all that a speaker sounds.
    """

    demand: str
    headline: str
    text: str
    first_words: str
    reach: ReachOut
    muted: list[NamedOut]
    in_maintenance: list[NamedOut]
    cuts: list[CutOut]
    sound_ms: int
    estimated: bool
    sounds_until: str
    ends: str
    fits: bool
    heard: str | None
    url: str | None
    whole_url: str | None


@api.post("/broadcasts/effect", errors=(AreaNotGranted, RoleNotGranted, ExerciseOnly, BoardFull), verb=PRACTISING)
async def effect_of_broadcast(call: Call, body: NewBroadcast) -> EffectOut:
    """What would happen if it were sent now, from the live state and by the speakers' own rule. Nothing is stored but a sound."""
    return await effect_of(call, await command_of(call, body), source=Source.TEXT)


async def effect_of(call: Call, command: StartBroadcast, *, source: Source) -> EffectOut:
    """:raises InvalidRequest, AreaNotGranted, RoleNotGranted: as starting it would."""
    services, by = call.services, call.officer
    services.broadcasts.must_be_right(command, by)
    rehearsal = await rehearsed(services, command, by)
    order = rehearsal.order if rehearsal else None
    sound = Sound(order.asset, order.asset_bytes, order.asset_ms) if order else None
    expected = services.effects.of(command, by=by, sound=sound)
    demand = services.policy.rule_for(command, level=by.level, source=source).demand
    heard = order.asset.hex() if order and order.asset else None
    return effect_out(
        expected, command, demand.value, heard=heard, whole=listen_url(Layout.of(order)) if order else None
    )


def effect_out(
    one: Expected, command: StartBroadcast, demand: str, *, heard: str | None, whole: str | None
) -> EffectOut:
    return EffectOut(
        demand=demand,
        headline=command.headline or command.text.strip()[:30],
        text=command.text,
        first_words=one.first_words,
        reach=ReachOut.of(one.reached),
        muted=[NamedOut.of(name) for name in one.muted],
        in_maintenance=[NamedOut.of(name) for name in one.in_maintenance],
        cuts=[CutOut.of(cut) for cut in one.cuts],
        sound_ms=one.sound_ms,
        estimated=one.estimated,
        sounds_until=rfc3339(one.sounds_until_ms),
        ends=rfc3339(one.ends_ms),
        fits=one.reached.begins_ms + one.sound_ms <= one.ends_ms,
        heard=heard,
        url=heard and f"/assets/{heard}",
        whole_url=whole,
    )
