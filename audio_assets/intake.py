"""What is asked of whoever takes an uploaded sound apart, and what comes back. Shared by the server and its child; no decoder.

The answer crosses from a process that may have been taken over by the file it read: it is small, it is JSON, and every field of
it is checked here before anything believes it.
"""

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from audio_assets.levels import BIT_RATE, CEILING_DBTP, ROUTINE_LUFS, SPEECH_LUFS

MOST_ANSWER_BYTES = 64 * 1024
MOST_SPANS = 20  # places in a sound that are named one by one; what is beyond them is only counted
WAVEFORM_PAIRS = 1_000
MOST_RESULT_BYTES = 2**24  # what fits into an order and a speaker fetches: see endpoints.orders.MAX_ASSET_BYTES
MOST_MINUTES = 60  # at 32 kbit/s some 14.6 MB, which still fits

Span = tuple[int, int]
"""From and until, milliseconds from the beginning of the file that was sent."""


class Refusal(StrEnum):
    """Why a sound is not taken; the console has a sentence for each, with its facts."""

    EMPTY = "empty"  # no byte, or no sample
    NOT_A_SOUND = "not-a-sound"  # facts: looks_like
    VIDEO = "video"
    CODEC = "codec"  # facts: container, codec
    SEVERAL_SOUNDS = "several-sounds"
    CHANNELS = "channels"  # facts: channels, most
    RATE = "rate"  # facts: rate_hz
    CHANGES = "changes"  # it changes its rate or channels again and again
    DAMAGED = "damaged"  # facts: spans
    CUT_OFF = "cut-off"  # facts: expected_ms, duration_ms
    TOO_LONG = "too-long"  # facts: most_ms
    TOO_SHORT = "too-short"  # facts: least_ms, duration_ms
    TOO_LARGE = "too-large"  # facts: most_bytes
    SILENT = "silent"  # facts: spans
    TOO_SOFT = "too-soft"  # facts: lufs
    CLIPPED = "clipped"  # facts: spans
    NOT_FINITE = "not-finite"  # samples that are no number; facts: spans
    PEAKS = "peaks"  # the ceiling can't be kept
    TOO_SLOW = "too-slow"  # facts: within_s
    MEMORY = "memory"
    CRASHED = "crashed"  # it crashed the decoder
    UNFINISHED = "unfinished"  # not the file's fault: no room, no process; facts: cause


class Refused(Exception):
    """This sound is not taken. `facts` hold what the sentence needs: whole numbers, words, spans."""

    def __init__(self, code: Refusal, **facts: Any) -> None:
        super().__init__(f"{code.value}: {facts}" if facts else code.value)
        self.code, self.facts = code, facts


class BadAnswer(Exception):
    """The child said something that is no answer."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a sound shall come out.

    :param longest_silence_ms: a silence inside longer than this is refused: after five seconds a speaker takes it for a fault and
        fills it (endpoints.guard).
    """

    lufs: float = SPEECH_LUFS
    ceiling_dbtp: float = CEILING_DBTP
    bit_rate: int = BIT_RATE
    longest_silence_ms: int = 4_500


ROUTINE = Recipe(lufs=ROUTINE_LUFS, bit_rate=32_000)
NOTICE = Recipe()
SIGNAL = Recipe(
    ceiling_dbtp=-3.0, bit_rate=32_000, longest_silence_ms=30_000
)  # sirens have pauses; research/audio §2.2


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost.

    :param samples: decoded, over all channels.
    :param cpu_s: of the child; :param wall_s: until it is killed whatever it says.
    :param memory_bytes: address space of the child.
    """

    source_bytes: int = 700 * 1024 * 1024
    duration_ms: int = MOST_MINUTES * 60_000
    samples: int = 2_500_000_000
    cpu_s: int = 600
    wall_s: float = 1_200.0
    memory_bytes: int = 768 * 1024 * 1024
    result_bytes: int = MOST_RESULT_BYTES


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sound that was taken: how it was, and how it is now. Levels in LUFS, LU and dBTP.

    :param trimmed_head_ms: silence taken away at the beginning, :param trimmed_tail_ms: and at the end.
    :param clipped_ms: how much of it stands at full scale, too little to refuse it.
    :param waveform: up to WAVEFORM_PAIRS times the lowest and the highest sample, −127 to 127 each, of the finished file.
    """

    duration_ms: int
    lufs: float
    lra: float
    peak_dbtp: float
    gain_db: float
    limited: bool
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
    picture: bool
    waveform: bytes


def job_of(recipe: Recipe, limits: Limits) -> str:
    """The question, for the child's command line."""
    return json.dumps({"recipe": asdict(recipe), "limits": asdict(limits)})


def read_job(text: str) -> tuple[Recipe, Limits]:
    """The child's side of `job_of`."""
    job = json.loads(text)
    return Recipe(**job["recipe"]), Limits(**job["limits"])


def answer_of(outcome: Prepared | Refused) -> bytes:
    """The answer, as it goes through the pipe."""
    if isinstance(outcome, Refused):
        return json.dumps({"refused": outcome.code.value, "facts": outcome.facts}).encode()
    made = asdict(outcome)
    return json.dumps({"made": made | {"waveform": base64.b64encode(outcome.waveform).decode()}}).encode()


def read_answer(data: bytes, limits: Limits) -> Prepared:
    """:raises Refused: the sound is not taken. :raises BadAnswer: that is no answer of ours."""
    if len(data) > MOST_ANSWER_BYTES:
        raise BadAnswer(f"more than {MOST_ANSWER_BYTES} bytes")
    try:
        answer = json.loads(data)
        if "refused" in answer:
            refused = Refused(Refusal(answer["refused"]), **_facts(answer["facts"]))
        else:
            return _prepared(answer["made"], limits)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise BadAnswer(repr(err)) from err
    raise refused


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers, short words and spans; nothing else gets through."""
    checked: dict[str, Any] = {}
    for name, value in facts.items():
        if name == "spans":
            checked[name] = [(_whole(start), _whole(end)) for start, end in value[:MOST_SPANS]]
        elif isinstance(value, str):
            checked[name[:20]] = "".join(char for char in value[:60] if char.isprintable())
        else:
            checked[name[:20]] = _number(value) if isinstance(value, float) else _whole(value)
    return checked


def _prepared(made: Mapping[str, Any], limits: Limits) -> Prepared:
    if set(made) != {field.name for field in fields(Prepared)}:
        raise ValueError("other fields than ours")
    waveform = base64.b64decode(made["waveform"], validate=True)
    if not waveform or len(waveform) % 2 or len(waveform) > 2 * WAVEFORM_PAIRS:
        raise ValueError("that is no waveform")
    values: dict[str, Any] = {"waveform": waveform}
    for field in fields(Prepared):
        value = made[field.name]
        if field.type is int:
            values[field.name] = _whole(value)
        elif field.type is float:
            values[field.name] = _number(value)
        elif field.type is bool:
            values[field.name] = value is True
        elif field.type is str:
            values[field.name] = "".join(char for char in str(value)[:20] if char.isalnum() or char in "_-")
    prepared = Prepared(**values)
    if not 0 < prepared.duration_ms <= limits.duration_ms + 1_000:
        raise ValueError("that is no length")
    return prepared


def _whole(value: Any) -> int:
    if type(value) is not int or not -(2**40) < value < 2**40:
        raise ValueError(f"{str(value)[:40]!r} is no whole number")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > 1e6:
        raise ValueError(f"{str(value)[:40]!r} is no level")
    return float(value)
