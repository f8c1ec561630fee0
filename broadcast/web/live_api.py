"""Open microphones and their recordings over the API; the voice itself goes over the WebSocket of `live`."""

from pydantic import BaseModel

from broadcast.domain.broadcasts import UnknownBroadcast
from broadcast.domain.live import LiveView
from broadcast.web.live_models import MicrophoneOut, RecordingOut
from broadcast.web.openapi import Api, Call

api = Api()


class Microphones(BaseModel):
    items: list[MicrophoneOut]


class Recordings(BaseModel):
    items: list[RecordingOut]


@api.get("/live/microphones")
async def list_microphones(call: Call) -> Microphones:
    """Who speaks now, where this officer looks; and the officer's own microphone, on the air or not."""
    return Microphones(items=[MicrophoneOut.of(one) for one in call.services.live.all() if _is_shown(call, one)])


@api.get("/broadcasts/{broadcast}/recordings", errors=(UnknownBroadcast,))
async def list_recordings(call: Call) -> Recordings:
    """What went out live of a broadcast, as evidence; empty for one that was not live."""
    one = await call.services.wall.get(call.path("broadcast"), by=call.officer)
    return Recordings(items=[RecordingOut.of(record) for record in await call.services.live.recordings(one.id)])


def _is_shown(call: Call, view: LiveView) -> bool:
    if view.officer == call.officer.name:
        return True
    broadcast = call.services.boards.carried.get(view.order)
    return broadcast is not None and call.services.wall.sees(broadcast, by=call.officer)
