"""A programme as one JSON text: what is asked for by SQL has columns of its own, the rest is read whole and shown.

A field that is added tomorrow has its default in the texts of today, so nothing is migrated.
"""

import json
from collections.abc import Callable
from datetime import date, time
from typing import Any

from broadcast.domain.programmes import (
    BEIJING,
    LATEST_START_S,
    DayRule,
    EndPolicy,
    File,
    LineIn,
    Pattern,
    Playlist,
    Programme,
    Source,
    Speech,
    StartPolicy,
    Stream,
)
from endpoints.protocol import Resume, Tone

Json = dict[str, Any]


def text_of(programme: Programme) -> str:
    """Sorted keys: the same programme is the same text."""
    body: Json = {
        "pattern": _pattern_out(programme.pattern),
        "source": _source_out(programme.source),
        "length_min": programme.length_min,
        "areas": list(programme.areas),
        "excluded": list(programme.excluded),
        "speakers": list(programme.speakers),
        "zone": programme.zone,
        "loop": programme.loop,
        "start": programme.start.value,
        "grace_s": programme.grace_s,
        "end": programme.end.value,
        "resume": None if programme.resume is None else programme.resume.name,
        "volume_percent": programme.volume_percent,
        "ceiling_percent": programme.ceiling_percent,
        "latest_start_s": programme.latest_start_s,
        "opening": programme.opening.name,
        "closing": programme.closing.name,
        "created_at_ms": programme.created_at_ms,
    }
    return json.dumps(body, ensure_ascii=False, sort_keys=True)


def programme_of(text: str, *, id: str, title: str, owner: str, paused: bool, revision: int) -> Programme:  # noqa: A002
    """What `text_of` wrote, with what stands in columns."""
    body: Json = json.loads(text)
    resume = body.get("resume")
    return Programme(
        id=id,
        title=title,
        owner=owner,
        pattern=_pattern_in(body["pattern"]),
        source=_source_in(body["source"]),
        length_min=body["length_min"],
        areas=tuple(body.get("areas", ())),
        excluded=tuple(body.get("excluded", ())),
        speakers=tuple(body.get("speakers", ())),
        zone=body.get("zone", BEIJING),
        loop=body.get("loop", False),
        start=StartPolicy(body.get("start", StartPolicy.HARD)),
        grace_s=body.get("grace_s", 0),
        end=EndPolicy(body.get("end", EndPolicy.FADE)),
        resume=None if resume is None else Resume[resume],
        volume_percent=body.get("volume_percent", 0),
        ceiling_percent=body.get("ceiling_percent", 100),
        latest_start_s=body.get("latest_start_s", LATEST_START_S),
        opening=Tone[body.get("opening", "NONE")],
        closing=Tone[body.get("closing", "NONE")],
        paused=paused,
        revision=revision,
        created_at_ms=body.get("created_at_ms", 0),
    )


def _pattern_out(pattern: Pattern) -> Json:
    return {
        "times": [at.isoformat() for at in pattern.times],
        "first": pattern.first.isoformat(),
        "last": None if pattern.last is None else pattern.last.isoformat(),
        "weekdays": sorted(pattern.weekdays),
        "rule": pattern.rule.value,
        "dates_out": sorted(day.isoformat() for day in pattern.dates_out),
        "dates_in": sorted(day.isoformat() for day in pattern.dates_in),
    }


def _pattern_in(body: Json) -> Pattern:
    last = body.get("last")
    return Pattern(
        times=tuple(time.fromisoformat(at) for at in body["times"]),
        first=date.fromisoformat(body["first"]),
        last=None if last is None else date.fromisoformat(last),
        weekdays=frozenset(body["weekdays"]),
        rule=DayRule(body.get("rule", DayRule.EVERY)),
        dates_out=frozenset(map(date.fromisoformat, body.get("dates_out", ()))),
        dates_in=frozenset(map(date.fromisoformat, body.get("dates_in", ()))),
    )


def _source_out(source: Source) -> Json:
    match source:
        case File(asset):
            return {"kind": "file", "asset": asset.hex()}
        case Playlist(assets):
            return {"kind": "playlist", "assets": [asset.hex() for asset in assets]}
        case Speech(text, voice, rate):
            return {"kind": "speech", "text": text, "voice": voice, "rate": rate}
        case Stream(url):
            return {"kind": "stream", "url": url}
        case LineIn(device):
            return {"kind": "line-in", "device": device}


_SOURCES: dict[str, Callable[[Json], Source]] = {
    "file": lambda body: File(bytes.fromhex(body["asset"])),
    "playlist": lambda body: Playlist(tuple(map(bytes.fromhex, body["assets"]))),
    "speech": lambda body: Speech(body["text"], body.get("voice", ""), body.get("rate", 0)),
    "stream": lambda body: Stream(body["url"]),
    "line-in": lambda body: LineIn(body.get("device", "")),
}


def _source_in(body: Json) -> Source:
    return _SOURCES[body["kind"]](body)
