"""The instant voice: espeak-ng, fed with numbered pinyin. Local, robotic, 20 ms of engine for ten seconds of sound.

Never its voice `cmn`: in Debian 12 it reads Chinese characters as English letters. `cmn-latn-pinyin` is given syllables only.
"""

import shutil
import struct
import subprocess

from audio_assets.codec import resample
from audio_assets.pcm import Pcm
from audio_assets.reading import Reading
from audio_assets.rendering import SpeechUnavailable
from audio_assets.voices import DEFAULT_VOICE, ESPEAK_VOICES

ENGINE = "espeak-ng"
AMPLITUDE = "60"  # of 200; at its default of 100 the engine clips
TIMEOUT_S = 20.0
_PAUSES = {"，": ",", "。": "."}


class Espeak:
    """A process for each text: it holds nothing between them."""

    def say(self, reading: Reading, *, voice: str, rate: int) -> Pcm:
        """:raises SpeechUnavailable: not installed, without this voice, or it failed."""
        wav = _espeak(numbered(reading), voice, "-s", str(rate), "--stdout")
        try:
            rate_hz, samples = _samples_of(wav)
        except (struct.error, ValueError) as err:
            raise SpeechUnavailable(f"{ENGINE} gave no sound") from err
        return resample(samples, rate_hz)


def numbered(reading: Reading) -> str:
    """What the engine is given: syllables with tone numbers, commas and full stops."""
    return " ".join(_PAUSES.get(one, one) for one in reading.syllables if one) + "."


def phonemes(reading: Reading) -> str:
    """What the engine would say, in its own phoneme letters: for tests and `lianbo doctor`, so that the wrong voice is noticed."""
    return " ".join(_espeak(numbered(reading), DEFAULT_VOICE, "-q", "-x").decode().split())


def _espeak(syllables: str, voice: str, *options: str) -> bytes:
    engine = shutil.which(ENGINE)
    if engine is None:
        raise SpeechUnavailable(f"{ENGINE} is not installed; on Debian: apt-get install {ENGINE}")
    command = [engine, "-v", ESPEAK_VOICES[voice], "-a", AMPLITUDE, "--stdin", *options]
    try:
        done = subprocess.run(command, input=syllables.encode(), capture_output=True, timeout=TIMEOUT_S, check=True)  # noqa: S603 no shell, no text in the arguments
    except subprocess.TimeoutExpired as err:
        raise SpeechUnavailable(f"{ENGINE} did not finish within {TIMEOUT_S:.0f} s") from err
    except (subprocess.CalledProcessError, OSError) as err:
        raise SpeechUnavailable(f"{ENGINE} with voice {voice} failed: {err}") from err
    return done.stdout


def _samples_of(wav: bytes) -> tuple[int, bytes]:
    """Rate and samples. On a pipe espeak cannot know the length beforehand: the sizes in its header are wrong."""
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", wav, wav.index(b"fmt ") + 8)
    if (kind, channels, bits) != (1, 1, 16):
        raise ValueError(f"{ENGINE} wrote a WAV of kind {kind} with {channels} channels of {bits} bits")
    start = wav.index(b"data") + 8
    return rate_hz, wav[start : start + (len(wav) - start) // 2 * 2]
