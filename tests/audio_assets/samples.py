"""Real small sound files of every kind that is taken, made here: a voice-like sound, so that levels mean something."""

import io
import struct
from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

# How each kind is made: libav's muxer, coder, rate, coder's options.
KINDS: dict[str, tuple[str, str, int, dict[str, str]]] = {
    "mp3": ("mp3", "libmp3lame", 44_100, {}),
    "wav": ("wav", "pcm_s16le", 44_100, {}),
    "wav24": ("wav", "pcm_s24le", 48_000, {}),
    "wavf": ("wav", "pcm_f32le", 48_000, {}),
    "flac": ("flac", "flac", 44_100, {}),
    "opus": ("ogg", "libopus", 48_000, {}),
    "vorbis": ("ogg", "vorbis", 44_100, {"strict": "-2"}),
    "oggflac": ("ogg", "flac", 44_100, {}),
    "m4a": ("ipod", "aac", 44_100, {}),
    "alac": ("ipod", "alac", 44_100, {}),
    "aac": ("adts", "aac", 44_100, {}),
    "amr": ("amr", "libopencore_amrnb", 8_000, {"b": "12200"}),
    "3gp": ("3gp", "libopencore_amrnb", 8_000, {"b": "12200"}),
    "wma": ("asf", "wmav2", 44_100, {"b": "128000"}),
}
CONTAINER_OF = {
    "wav24": "wav",
    "wavf": "wav",
    "opus": "ogg",
    "vorbis": "ogg",
    "oggflac": "ogg",
    "m4a": "mp4",
    "alac": "mp4",
    "3gp": "mp4",
}
MONO_ONLY = ("amr", "3gp")


def voice(seconds: float, *, rate_hz: int = 44_100, peak: float = 0.3, seed: int = 1) -> Samples:
    """Harmonics in the rhythm of syllables, with a little breath: about −20 LUFS at the default peak."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    rng = np.random.default_rng(seed)
    pitch = 140 + 25 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
    tone = sum(np.sin(n * phase + n) / n for n in range(1, 12) if n * 170 < rate_hz / 2.2)
    syllables = 0.15 + 0.85 * np.clip(np.sin(2 * np.pi * 3.7 * t + 0.3), 0, 1) ** 0.7
    sound = (tone + 0.05 * rng.standard_normal(len(t))) * syllables
    return np.asarray(sound / np.abs(sound).max() * peak, np.float32)


def quiet(seconds: float, *, rate_hz: int = 44_100) -> Samples:
    return np.zeros(round(seconds * rate_hz), np.float32)


def made(sound: Samples, kind: str = "wav", *, rate_hz: int = 44_100, channels: int = 2) -> bytes:
    """The file. Every channel holds the same sound, unless it comes with a channel a row."""
    muxer, coder, coded_hz, options = KINDS[kind]
    rows = sound if sound.ndim == 2 else np.tile(sound, (1 if kind in MONO_ONLY else channels, 1))
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(rows)]
    out = io.BytesIO()
    with av.open(out, "w", format=muxer) as file:
        stream = file.add_stream(coder, rate=coded_hz, layout=layout, options=options)
        context = stream.codec_context
        assert isinstance(stream, av.AudioStream) and isinstance(context, av.AudioCodecContext)
        context.open()
        resampler = av.AudioResampler(
            format=context.format.name, layout=layout, rate=coded_hz, frame_size=context.frame_size or 4_096
        )
        step = 8_192
        for start in range(0, rows.shape[1], step):
            packed = np.ascontiguousarray(rows[:, start : start + step].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
            frame.sample_rate, frame.pts = rate_hz, start
            for piece in resampler.resample(frame):
                file.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


@cache
def sample(kind: str) -> bytes:
    """Three seconds of the voice."""
    return made(voice(3.0), kind)


@cache
def long_sample(minutes: int = 3) -> bytes:
    """FLAC that takes seconds to make into a sound."""
    return made(np.tile(voice(10.0), 6 * minutes), "flac")


def wav(samples: bytes, *, rate_hz: int = 48_000, channels: int = 1, bits: int = 16, kind: int = 1) -> bytes:
    """A WAV written by hand, so that its head may say anything."""
    align = channels * bits // 8
    head = struct.pack("<HHIIHH", kind, channels, rate_hz, rate_hz * align % 2**32, align % 65_536, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def id3(picture: bytes, *, mime: bytes = b"image/png") -> bytes:
    """A tag with a cover, to stand before an MP3."""
    frame = b"\0" + mime + b"\0\3\0" + picture
    body = b"APIC" + struct.pack(">I", len(frame)) + b"\0\0" + frame
    size = len(body)
    return b"ID3\3\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + body
