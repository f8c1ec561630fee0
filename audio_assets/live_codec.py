"""Live sound between samples and Opus frames of 20 ms, and how loud it is. Loads libav: for worker processes alone."""

import audioop
import math

import av
from av.audio.frame import AudioFrame

from audio_assets.pcm import FRAME_BYTES, FRAME_SAMPLES, FULL_SCALE, RATE_HZ, SAMPLE_BYTES

BIT_RATE = 24_000
COMPLEXITY = 5  # a third of the processor time of 10; nobody hears the difference in speech (research/audio §2.3)
MAX_FRAME_BYTES = 255  # what a packet on the wire can hold
FLOOR_DB = -90.0
LEVEL_FRAMES = 5  # a level is said every tenth of a second

av.logging.set_level(None)


class LiveEncoder:
    """Samples of any length in, whole frames out.

    :param voice: libopus's mode for speech; otherwise that for music.
    """

    def __init__(self, *, voice: bool = True, bit_rate: int = BIT_RATE) -> None:
        context = av.CodecContext.create("libopus", "w")
        context.sample_rate, context.layout, context.format, context.bit_rate = RATE_HZ, "mono", "s16", bit_rate
        context.options = {
            "application": "voip" if voice else "audio",
            "vbr": "constrained",
            "frame_duration": "20",
            "compression_level": str(COMPLEXITY),
        }
        context.open()
        self._context = context
        self._samples = bytearray()
        self._position = 0

    def encode(self, samples: bytes) -> list[bytes]:
        """Mono s16le at 48 kHz; what is less than a frame waits for the rest."""
        self._samples += samples
        frames = []
        while len(self._samples) >= FRAME_BYTES:
            frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
            frame.planes[0].update(bytes(self._samples[:FRAME_BYTES]))
            frame.sample_rate, frame.pts = RATE_HZ, self._position
            del self._samples[:FRAME_BYTES]
            self._position += FRAME_SAMPLES
            frames += [bytes(packet) for packet in self._context.encode(frame)]
        return [frame for frame in frames if len(frame) <= MAX_FRAME_BYTES]


class LiveDecoder:
    """Opus frames to samples; one for each stream, it remembers what came before."""

    def __init__(self) -> None:
        self._context = av.CodecContext.create("libopus", "r")
        self._context.sample_rate, self._context.layout = RATE_HZ, "mono"
        self._context.open()
        self.damaged = 0

    def decode(self, frame: bytes) -> bytes | None:
        """20 ms of samples; None for bytes that are no Opus."""
        if not frame:
            return None  # libav would take it for the end
        try:
            decoded = self._context.decode(av.Packet(frame))
        except av.FFmpegError:
            self.damaged += 1
            return None
        samples = b"".join(bytes(piece.planes[0])[: piece.samples * SAMPLE_BYTES] for piece in decoded)
        return samples[:FRAME_BYTES].ljust(FRAME_BYTES, b"\0")


class Meter:
    """Level and peak in dBFS, a tenth of a second at a time."""

    def __init__(self) -> None:
        self._samples = bytearray()

    def hear(self, samples: bytes) -> list[tuple[float, float]]:
        """Each tenth that is full now."""
        self._samples += samples
        levels, size = [], LEVEL_FRAMES * FRAME_BYTES
        while len(self._samples) >= size:
            piece = bytes(self._samples[:size])
            del self._samples[:size]
            levels.append((decibel(audioop.rms(piece, SAMPLE_BYTES)), decibel(audioop.max(piece, SAMPLE_BYTES))))
        return levels


def decibel(value: int) -> float:
    """A sample's value in dBFS, nothing below FLOOR_DB."""
    return max(FLOOR_DB, 20 * math.log10(value / FULL_SCALE)) if value else FLOOR_DB
