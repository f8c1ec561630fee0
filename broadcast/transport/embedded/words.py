"""What the server and its engine's process say to each other: one JSON object a line, both ways, of bounded length.

`{"n": 1, "call": "set_audio", "args": […]}` is answered by `{"n": 1, "is": …}` or `{"n": 1, "refused": class, "facts": {…}}`;
`{"event": class, "is": {…}}` comes by itself. Both ends are of one release: nothing here is kept or read by another version.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from broadcast.domain.conference import media
from broadcast.domain.conference.media import (
    EngineEvent,
    EngineStats,
    FedAt,
    Feed,
    Link,
    Play,
    Quality,
    Recorded,
    RecordSpec,
    RoomSpec,
    RtpTarget,
    SiteAudio,
    View,
)
from broadcast.domain.errors import BroadcastError

MOST_LINE_BYTES = 1 << 20  # the stats of some hundred sites; an SDP is 24 KiB at most
EVENTS: Mapping[str, Any] = {one.__name__: one for one in EngineEvent.__args__}
REFUSALS: Mapping[str, tuple[type[BroadcastError], tuple[str, ...]]] = {
    "UnknownRoom": (media.UnknownRoom, ("room",)),
    "UnknownLink": (media.UnknownLink, ("room", "site", "link")),
    "BadSdp": (media.BadSdp, ("fault", "cause")),
    "EngineFull": (media.EngineFull, ("what", "most")),
    "NotCapable": (media.NotCapable, ("engine", "cap")),
    "EngineDown": (media.EngineDown, ("cause",)),
}
CALLS: Mapping[str, tuple[Any, Any]] = {  # arguments, result
    "open_room": (tuple[RoomSpec], None),
    "close_room": (tuple[str], None),
    "offer": (tuple[str, str, Link, str], str),
    "offer_to": (tuple[str, str], str),
    "answer": (tuple[str, str, str], None),
    "trickle": (tuple[str, str, Link, str | None, str, int], None),
    "hang_up": (tuple[str, str, Link], None),
    "set_view": (tuple[str, str, View], bool),
    "set_audio": (tuple[str, str, SiteAudio], None),
    "set_quality": (tuple[str, str, Quality], None),
    "mute_room": (tuple[str, bool, frozenset[str]], None),
    "kick": (tuple[str, str], None),
    "feed": (tuple[str, str, Feed | None], FedAt),
    "forward_audio": (tuple[str, str, str, RtpTarget | None], None),
    "play": (tuple[str, str, Play | None], None),
    "record": (tuple[str, str, RecordSpec | None], list[Recorded]),
    "stats": (tuple[()], EngineStats),
}


class Garbled(Exception):
    """A line that the other end would never write."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def line(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def read(raw: bytes) -> dict[str, Any]:
    """:raises Garbled."""
    try:
        said = json.loads(raw)
    except ValueError as err:
        raise Garbled(raw[:100].decode(errors="replace")) from err
    if not isinstance(said, dict):
        raise Garbled(raw[:100].decode(errors="replace"))
    return said


def call_line(n: int, call: str, args: tuple[object, ...]) -> bytes:
    return line({"n": n, "call": call, "args": _adapter(CALLS[call][0]).dump_python(args, mode="json")})


def call_of(said: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """:raises Garbled."""
    try:
        call = str(said["call"])
        return call, tuple(_adapter(CALLS[call][0]).validate_python(said["args"], strict=False))
    except (KeyError, ValidationError) as err:
        raise Garbled(str(err)) from err


def result_line(n: int, call: str, result: object) -> bytes:
    kind = CALLS[call][1]
    return line({"n": n, "is": None if kind is None else _adapter(kind).dump_python(result, mode="json")})


def result_of(call: str, said: Mapping[str, Any]) -> Any:
    """:raises BroadcastError: what the engine refused."""
    if "refused" in said:
        raise _refusal(str(said["refused"]), said.get("facts", {}))
    kind = CALLS[call][1]
    return None if kind is None else _adapter(kind).validate_python(said["is"])


def refusal_line(n: int, err: BroadcastError) -> bytes:
    name = type(err).__name__ if type(err).__name__ in REFUSALS else "EngineDown"
    facts = {"cause": str(err), **{key: str(value) for key, value in vars(err).items()}}
    return line({"n": n, "refused": name, "facts": facts})


def _refusal(name: str, facts: Mapping[str, Any]) -> BroadcastError:
    kind, wanted = REFUSALS[name]
    values = [facts.get(key, "") for key in wanted]
    if kind is media.UnknownLink:
        values[2] = Link(values[2])
    if kind is media.EngineFull:
        values[1] = int(values[1])
    return kind(*values)


def event_line(event: EngineEvent) -> bytes:
    return line(
        {"event": type(event).__name__, "is": _adapter(EVENTS[type(event).__name__]).dump_python(event, mode="json")}
    )


def event_of(said: Mapping[str, Any]) -> EngineEvent:
    """:raises Garbled."""
    try:
        event: EngineEvent = _adapter(EVENTS[said["event"]]).validate_python(said["is"])
    except (KeyError, ValidationError) as err:
        raise Garbled(str(err)) from err
    return event
