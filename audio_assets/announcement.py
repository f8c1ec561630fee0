"""An announcement: spoken, trimmed, brought to one loudness, an Ogg Opus file with its content hash.

The attention signal is not in the file. It is built into every speaker, which sounds it while the file is still on its way.
"""

import hashlib
import warnings
from dataclasses import replace

from audio_assets.codec import encode, measure, normalise
from audio_assets.levels import CEILING_DBTP, SPEECH_LUFS
from audio_assets.pcm import RATE_HZ, SAMPLE_BYTES, Pcm
from audio_assets.rendering import Rendered
from audio_assets.speech import DEFAULT_RATE, Speech, shipped
from audio_assets.voices import DEFAULT_VOICE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pydub misses ffmpeg, which it is never asked to use: it gets samples, never files
    from pydub import AudioSegment
    from pydub.silence import detect_leading_silence

EXERCISE_HEAD = "演练，演练。"
EXERCISE_TAIL = "以上是演练。演练，演练。"
PART_GAP_MS = 600
EDGE_MS = 40  # kept before the first and after the last sound of a part
SILENCE_DBFS = -50.0


def compose(
    text: str, *, exercise: bool, rate: int = DEFAULT_RATE, voice: str = DEFAULT_VOICE, speech: Speech | None = None
) -> Rendered:
    """Render an announcement. An exercise (演练) says so before and after: the text alone cannot be had then.

    :raises TextTooLong, SpeechTooLong, TextEmpty, TextHasMarkup, SpeechUnavailable: see `Speech.speak`.
    """
    texts = [EXERCISE_HEAD, text, EXERCISE_TAIL] if exercise else [text]
    parts = [(speech or shipped()).speak(part, voice=voice, rate=rate) for part in texts]
    whole = _trimmed(_segment(parts[0].pcm))
    for part in parts[1:]:
        whole += AudioSegment.silent(PART_GAP_MS, RATE_HZ) + _trimmed(_segment(part.pcm))
    made = finish(Pcm(whole.raw_data), text="".join(texts))
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return replace(made, words="。".join(part.words for part in parts), voice=parts[0].voice, notes=tuple(notes))


def finish(pcm: Pcm, *, text: str = "", lufs: float = SPEECH_LUFS) -> Rendered:
    """Bring a sound to a loudness and make its file."""
    levelled = normalise(pcm, lufs=lufs, ceiling_dbtp=CEILING_DBTP)
    data = encode(levelled)
    return Rendered(hashlib.sha256(data).digest(), data, levelled.duration_ms, measure(levelled).lufs, text)


def _segment(pcm: Pcm) -> AudioSegment:
    return AudioSegment(data=pcm.data, sample_width=SAMPLE_BYTES, frame_rate=RATE_HZ, channels=1)


def _trimmed(sound: AudioSegment) -> AudioSegment:
    """Without the engine's silence before and after; the edges do not click."""
    before = detect_leading_silence(sound, silence_threshold=SILENCE_DBFS, chunk_size=5)
    after = detect_leading_silence(sound.reverse(), silence_threshold=SILENCE_DBFS, chunk_size=5)
    kept = sound[max(0, before - EDGE_MS) : len(sound) - max(0, after - EDGE_MS)]
    return kept.fade_in(5).fade_out(5)
