"""Mandarin speech: text → words (spoken) → numbered pinyin (pypinyin) → espeak-ng → samples. Instant, local, robotic.

Never espeak's voice `cmn`: in Debian 12 it reads Chinese characters as English letters. Characters become pinyin here,
where polyphones come out right (重庆 chóng, 银行 háng), and the voice `cmn-latn-pinyin` is given syllables only.
"""

import shutil
import struct
import subprocess
from collections.abc import Sequence

from pypinyin import Style, lazy_pinyin

from audio_assets.codec import resample
from audio_assets.pcm import Pcm
from audio_assets.rendering import SpeechUnavailable, TextEmpty, TextTooLong
from audio_assets.spoken import DIGITS, is_hanzi, spoken

ENGINE = "espeak-ng"
VOICE = "cmn-latn-pinyin"
MAX_CHARACTERS = 600  # two and a half minutes: longer than anyone listens to a warning
DEFAULT_RATE = 175  # espeak's words a minute: three to four characters a second, for horns and echoes
AMPLITUDE = "60"  # of 200; at its default of 100 the engine clips
SLOWEST, FASTEST = 100, 250
TIMEOUT_S = 20.0
_AFTER_NUMBERS = DIGITS + "十百千万亿点第幺初周期"  # 一 keeps its tone after these
_BEFORE_ORDINALS = DIGITS + "十点月日号级楼组队区班，。"  # and before these


def say(text: str, rate: int = DEFAULT_RATE) -> Pcm:
    """Speak a text. It takes about 20 ms of engine for ten seconds of sound; call it off the event loop.

    :param rate: espeak's words a minute, held between SLOWEST and FASTEST.
    :raises TextTooLong: more than MAX_CHARACTERS.
    :raises TextEmpty: nothing to say.
    :raises SpeechUnavailable: no engine.
    """
    rate = min(max(rate, SLOWEST), FASTEST)
    wav = _espeak(pinyin(text), "-s", str(rate), "--stdout")
    try:
        rate_hz, samples = _samples_of(wav)
    except (struct.error, ValueError) as err:
        raise SpeechUnavailable(f"{ENGINE} gave no sound") from err
    return resample(samples, rate_hz)


def phonemes(text: str) -> str:
    """What the engine would say, in its own phoneme letters: for tests, so that the wrong voice is noticed."""
    return " ".join(_espeak(pinyin(text), "-q", "-x").decode().split())


def pinyin(text: str) -> str:
    """Syllables with tone numbers, tone changes of 一 and 不 applied: 不去一个 → bu2 qu4 yi2 ge4.

    :raises TextTooLong, TextEmpty: see `say`.
    """
    if len(text) > MAX_CHARACTERS:
        raise TextTooLong(len(text), MAX_CHARACTERS)
    words = spoken(text)
    if not any(map(is_hanzi, words)):
        raise TextEmpty
    # errors=list: a run of pauses stays one entry a character; the stub of pypinyin knows of strings only
    syllables = lazy_pinyin(words, style=Style.TONE3, neutral_tone_with_five=True, errors=list)  # type: ignore[arg-type]
    return " ".join(_syllable(words, syllables, index) for index in range(len(words))) + "."


def _syllable(words: str, syllables: Sequence[str], index: int) -> str:
    char, syllable = words[index], syllables[index]
    before, after = words[index - 1] if index else "。", words[index + 1] if index + 1 < len(words) else "。"
    tone_after = syllables[index + 1][-1] if index + 1 < len(words) else ""
    match char:
        case "，" | "。":
            return "," if char == "，" else "."
        case "一" if before in _AFTER_NUMBERS or after in _BEFORE_ORDINALS:
            return "yi1"
        case "一":
            return "yi2" if tone_after == "4" else "yi4"
        case "不":
            return "bu2" if tone_after == "4" else "bu4"
        case _:
            return syllable if syllable.isascii() else ""  # a character that pypinyin does not know


def _espeak(syllables: str, *options: str) -> bytes:
    engine = shutil.which(ENGINE)
    if engine is None:
        raise SpeechUnavailable(f"{ENGINE} is not installed; on Debian: apt-get install {ENGINE}")
    command = [engine, "-v", VOICE, "-a", AMPLITUDE, "--stdin", *options]
    try:
        done = subprocess.run(command, input=syllables.encode(), capture_output=True, timeout=TIMEOUT_S, check=True)  # noqa: S603 no shell, no text in the arguments
    except subprocess.TimeoutExpired as err:
        raise SpeechUnavailable(f"{ENGINE} did not finish within {TIMEOUT_S:.0f} s") from err
    except (subprocess.CalledProcessError, OSError) as err:
        raise SpeechUnavailable(f"{ENGINE} with voice {VOICE} failed: {err}") from err
    return done.stdout


def _samples_of(wav: bytes) -> tuple[int, bytes]:
    """Rate and samples. On a pipe espeak cannot know the length beforehand: the sizes in its header are wrong."""
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", wav, wav.index(b"fmt ") + 8)
    if (kind, channels, bits) != (1, 1, 16):
        raise ValueError(f"{ENGINE} wrote a WAV of kind {kind} with {channels} channels of {bits} bits")
    start = wav.index(b"data") + 8
    return rate_hz, wav[start : start + (len(wav) - start) // 2 * 2]
