"""An announcement: spoken, trimmed, brought to one loudness, an Ogg Opus file with its content hash.

The attention signal is not in the file. It is built into every speaker, which sounds it while the file is still on its way.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from audio_assets import composer
from audio_assets.codec import decode, encode, measure, normalise
from audio_assets.levels import BIT_RATE, CEILING_DBTP, SPEECH_LUFS
from audio_assets.pcm import Pcm
from audio_assets.rendering import Rendered, UnsupportedAudio
from audio_assets.speech import DEFAULT_RATE, Said, Speech, shipped
from audio_assets.voices import DEFAULT_VOICE

EXERCISE_HEAD = "演练，演练。"
EXERCISE_TAIL = "以上是演练。演练，演练。"
_STOPS = "。！？；!?;…"
ROOM_DB = 0.7  # under the ceiling, for what the codec adds
CLOSE_ENOUGH_LU = 0.8  # what the limiter may have taken
TRIES = 3


@dataclass(frozen=True, slots=True)
class Bed:
    """Music under the words.

    :param take: so many milliseconds of it from its beginning, or as much as there is.
    """

    take: Callable[[int], Pcm]
    lead_ms: int
    tail_ms: int


def compose(
    text: str,
    *,
    exercise: bool,
    rate: int = DEFAULT_RATE,
    voice: str = DEFAULT_VOICE,
    speech: Speech | None = None,
    bed: Bed | None = None,
) -> Rendered:
    """Render an announcement. An exercise (演练) says so before and after: the text alone cannot be had then.

    :raises TextTooLong, SpeechTooLong, TextEmpty, TextHasMarkup, SpeechUnavailable: see `Speech.speak`.
    :raises UnsupportedAudio: there is nothing to be heard in the bed.
    """
    texts = [EXERCISE_HEAD, text, EXERCISE_TAIL] if exercise else [text]
    said = [(speech or shipped()).speak(part, voice=voice, rate=rate) for part in texts]
    words = composer.join([composer.trimmed(part.pcm) for part in said])
    return _told(finish(words.pcm if bed is None else _over(words, bed), text=_in_sentences(texts)), said)


def exercise_of(
    sound: Pcm, *, rate: int = DEFAULT_RATE, voice: str = DEFAULT_VOICE, speech: Speech | None = None
) -> Rendered:
    """A recorded sound as an exercise: with the same words before and after it, and as loud as they are.

    :raises SpeechUnavailable: then there is nothing; it cannot be had without the words.
    """
    texts = [EXERCISE_HEAD, EXERCISE_TAIL]
    said = [(speech or shipped()).speak(part, voice=voice, rate=rate) for part in texts]
    head, tail = (normalise(composer.trimmed(part.pcm), lufs=SPEECH_LUFS) for part in said)
    sound = normalise(sound, lufs=SPEECH_LUFS)
    return _told(finish(composer.join([head, sound, tail]).pcm, text="".join(texts)), said)


def finish(pcm: Pcm, *, text: str = "", lufs: float = SPEECH_LUFS) -> Rendered:
    """Bring a sound to a loudness and make its file. A codec adds peaks of its own: what it decodes to again is measured, and
    while that is above the ceiling the file is made again with more room."""
    room_db, aim = ROOM_DB, lufs
    for _ in range(TRIES):
        data = encode(normalise(pcm, lufs=aim, ceiling_dbtp=CEILING_DBTP - room_db))
        heard = measure(decode(data))
        over_db, short_lu = heard.peak_dbtp - CEILING_DBTP, lufs - heard.lufs
        if over_db <= 0 and short_lu <= CLOSE_ENOUGH_LU:
            break
        room_db += over_db + 0.1 if over_db > 0 else 0
        aim += short_lu if short_lu > CLOSE_ENOUGH_LU else 0
    return Rendered(hashlib.sha256(data).digest(), data, pcm.duration_ms, heard.lufs, text)


def kept(pcm: Pcm) -> Rendered:
    """The file of a sound as loud as it is. Nobody sends it: it may cost more than what is put together in it has cost."""
    data = encode(pcm, bit_rate=2 * BIT_RATE)
    return Rendered(hashlib.sha256(data).digest(), data, pcm.duration_ms, measure(pcm).lufs, "")


def _in_sentences(texts: list[str]) -> str:
    """As it is heard: what ends without a stop gets one before the next begins."""
    ended = [one if not one.rstrip() or one.rstrip()[-1] in _STOPS else one.rstrip() + "。" for one in texts[:-1]]
    return "".join([*ended, texts[-1]])


def _over(words: composer.Joined, bed: Bed) -> Pcm:
    music = bed.take(composer.bed_ms(words, lead_ms=bed.lead_ms, tail_ms=bed.tail_ms))
    if not music.peak:
        raise UnsupportedAudio("there is nothing to be heard in the music")
    return composer.with_bed(words, music, lead_ms=bed.lead_ms, tail_ms=bed.tail_ms)


def _told(made: Rendered, said: list[Said]) -> Rendered:
    """With who speaks, what was read, and what the officer should know about it."""
    notes = dict.fromkeys(note for part in said for note in part.notes)
    return replace(made, words="。".join(part.words for part in said), voice=said[0].voice, notes=tuple(notes))
