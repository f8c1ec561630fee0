"""A command as text, to be kept and to be compared: JSON with sorted names, so that the same command is the same text. Pure.

It outlives the program that wrote it: a field that is not there yet takes its default, and one that is there no more is refused.
"""

import json
from dataclasses import fields
from typing import Any

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.spoken import Bed
from endpoints.protocol import Kind, Resume, Severity, Tone

_NAMES = frozenset(field.name for field in fields(StartBroadcast))


def command_map(command: StartBroadcast) -> dict[str, Any]:
    """With nothing in it but what JSON can carry. `heard` is not kept: it belongs to a moment, not to what is asked."""
    bed = command.bed
    return {
        **{name: getattr(command, name) for name in sorted(_NAMES - {"heard"})},
        "kind": int(command.kind),
        "severity": int(command.severity),
        "areas": list(command.areas),
        "excluded": list(command.excluded),
        "speakers": list(command.speakers),
        "resume": None if command.resume is None else int(command.resume),
        "tone": None if command.tone is None else int(command.tone),
        "closing": None if command.closing is None else int(command.closing),
        "asset": command.asset.hex(),
        "bed": None if bed is None else [bed.asset.hex(), bed.lead_ms, bed.tail_ms],
    }


def command_text(command: StartBroadcast) -> str:
    return json.dumps(command_map(command), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def command_from(found: dict[str, Any]) -> StartBroadcast:
    """:raises ValueError, TypeError, KeyError: it is no command of ours."""
    if unknown := found.keys() - _NAMES:
        raise ValueError(f"a command has no {', '.join(sorted(unknown))}")
    kept = dict(found)
    kept["kind"], kept["severity"] = Kind(kept["kind"]), Severity(kept["severity"])
    for name in ("areas", "excluded", "speakers"):
        kept[name] = tuple(kept[name])
    for name, kind in (("resume", Resume), ("tone", Tone), ("closing", Tone)):
        kept[name] = None if kept.get(name) is None else kind(kept[name])
    kept["asset"] = bytes.fromhex(kept.get("asset", ""))
    bed = kept.get("bed")
    kept["bed"] = None if bed is None else Bed(bytes.fromhex(bed[0]), bed[1], bed[2])
    return StartBroadcast(**kept)


def command_of(text: str) -> StartBroadcast:
    """What `command_text` wrote. :raises ValueError, TypeError, KeyError: it is no command of ours."""
    return command_from(json.loads(text))
