"""Putting an announcement together (编排) out of samples: its parts with gaps, music ducked under its words, and the whole as a
speaker will sound it. pydub cuts and joins; it is given samples, never files.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from audio_assets.codec import measure
from audio_assets.pcm import FRAME_MS, MAX_MS, RATE_HZ, SAMPLE_BYTES, SAMPLES_PER_MS, Pcm, amplify, mix, slope
from audio_assets.rendering import AudioTooLong

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pydub misses ffmpeg, which it is never asked to use
    from pydub import AudioSegment
    from pydub.silence import detect_leading_silence

PART_GAP_MS = 600
EDGE_MS = FRAME_MS  # every part begins and ends with a ramp of this length
KEPT_MS = 40  # of the silence before the first and after the last sound of a part
SILENCE_DBFS = -50.0

BED_UNDER_DB = 18.0  # so much below the words while they are said (research/audio §2.3)
BED_CLEAR_DB = 6.0  # likewise before, between and after them
DUCK_MS = 200  # over which it comes down before a word, and up again after it
BED_IN_MS = 500
LOOP_OVER_MS = 1_000  # a bed that is too short follows itself, one over the other

WHOLE_MOST_MS = MAX_MS // 2  # of a whole announcement that is made to be listened to


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts one after the other.

    :param spans: where each part lies, milliseconds.
    """

    pcm: Pcm
    spans: tuple[tuple[int, int], ...]


def trimmed(pcm: Pcm) -> Pcm:
    """Without the silence before and after it."""
    sound = _segment(pcm)
    before = detect_leading_silence(sound, silence_threshold=SILENCE_DBFS, chunk_size=5)
    after = detect_leading_silence(sound.reverse(), silence_threshold=SILENCE_DBFS, chunk_size=5)
    return _pcm(sound[max(0, before - KEPT_MS) : len(sound) - max(0, after - KEPT_MS)])


def join(parts: Sequence[Pcm], *, gap_ms: int = PART_GAP_MS) -> Joined:
    """Each part between soft edges, with gaps between them."""
    pieces: list[Pcm] = []
    spans: list[tuple[int, int]] = []
    at_ms = 0
    for part in parts:
        if pieces:
            pieces.append(Pcm.silence(gap_ms))
            at_ms += gap_ms
        soft = _whole_ms(part).faded(in_ms=EDGE_MS, out_ms=EDGE_MS)
        pieces.append(soft)
        spans.append((at_ms, at_ms + soft.duration_ms))
        at_ms += soft.duration_ms
    return Joined(Pcm.join(pieces), tuple(spans))


def bed_ms(words: Joined, *, lead_ms: int, tail_ms: int) -> int:
    """How much music is needed."""
    return lead_ms + words.pcm.duration_ms + tail_ms


def with_bed(words: Joined, bed: Pcm, *, lead_ms: int, tail_ms: int) -> Pcm:
    """Words over music (配乐): it leads in, goes down under every part, comes up between them, and fades away after the last.

    :param bed: not empty; what is too short follows itself.
    """
    starts = [(start + lead_ms, end + lead_ms) for start, end in words.spans]
    length_ms = bed_ms(words, lead_ms=lead_ms, tail_ms=tail_ms)
    music = _long_enough(bed, length_ms)
    said = Pcm.join(words.pcm.slice_ms(start, end) for start, end in words.spans)
    under = Pcm.join(music.slice_ms(start, end) for start, end in starts)
    db = measure(said).lufs - BED_CLEAR_DB - measure(under).lufs
    ducked = _shaped(music.gain(db), _bends(starts, length_ms, tail_ms))
    voice = Pcm.join([Pcm.silence(lead_ms), words.pcm, Pcm.silence(tail_ms)])
    return Pcm(mix(voice.data, ducked))


def whole(file: Pcm | None, *, tone: Pcm, repeats: int, gap_ms: int, closing: Pcm) -> Pcm:
    """What a speaker sounds of an order from its first sample to its last, at full volume: the same layout as `endpoints.score`,
    which a test holds against this.

    :raises AudioTooLong: beyond WHOLE_MOST_MS.
    """
    repeated = tone if file is None else file
    ms = tone.duration_ms + (repeated.duration_ms + gap_ms) * repeats + closing.duration_ms
    if ms > WHOLE_MOST_MS:
        raise AudioTooLong(WHOLE_MOST_MS)
    gap = Pcm.silence(gap_ms)
    first = [] if file is None else [tone]
    return Pcm.join([*first, repeated, *[gap, repeated] * (repeats - 1), closing])


Bend = tuple[int, float]
"""From this millisecond on, this factor; between two bends it goes straight from one to the other."""


def _bends(spans: Sequence[tuple[int, int]], length_ms: int, tail_ms: int) -> list[Bend]:
    """How the bed goes up and down. What lies closer together than it can come up and go down again stays down."""
    low = 10 ** ((BED_CLEAR_DB - BED_UNDER_DB) / 20)
    bends: list[Bend] = []
    first = spans[0][0]
    if first > DUCK_MS:
        in_ms = min(BED_IN_MS, first - DUCK_MS)
        bends += [(0, 0.0), (in_ms, 1.0), (first - DUCK_MS, 1.0), (first, low)]
    else:
        bends += [(0, 0.0), (first, low)] if first else [(0, low)]
    for (_, end), (start, _) in pairwise(spans):
        bends.append((end, low))
        if start - end > 2 * DUCK_MS:
            bends += [(end + DUCK_MS, 1.0), (start - DUCK_MS, 1.0)]
        bends.append((start, low))
    end = spans[-1][1]
    up_ms = min(DUCK_MS, tail_ms // 3)
    bends += [(end, low), (end + up_ms, 1.0)] if up_ms else [(end, low)]
    return [*bends, (length_ms, 0.0)]


def _shaped(sound: Pcm, bends: Sequence[Bend]) -> bytes:
    out = bytearray()
    for (start, before), (end, after) in pairwise(bends):
        piece = sound.slice_ms(start, end).data
        out += slope(piece, before, after) if before != after else amplify(piece, _db(before)) if before < 1 else piece
    return bytes(out)


def _long_enough(bed: Pcm, length_ms: int) -> Pcm:
    music = _segment(bed)
    over_ms = min(LOOP_OVER_MS, len(music) // 4)
    long = music
    while len(long) < length_ms:
        long = long.append(music, crossfade=over_ms)
    return Pcm(_pcm(long).data[: length_ms * SAMPLES_PER_MS * SAMPLE_BYTES])


def _whole_ms(pcm: Pcm) -> Pcm:
    """Filled up to a millisecond, so that all that follows lies on one."""
    return Pcm(pcm.data.ljust(pcm.duration_ms * SAMPLES_PER_MS * SAMPLE_BYTES, b"\0"))


def _segment(pcm: Pcm) -> AudioSegment:
    return AudioSegment(data=pcm.data, sample_width=SAMPLE_BYTES, frame_rate=RATE_HZ, channels=1)


def _pcm(sound: AudioSegment) -> Pcm:
    return Pcm(sound.raw_data)


def _db(factor: float) -> float:
    return 20 * math.log10(factor)
