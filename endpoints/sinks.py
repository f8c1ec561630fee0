"""Where sound goes: a sound card by PyAudio, a WAV file, or nowhere; each takes frames of 20 ms at the pace of real time.

A sink is kept warm: the voice writes silence when there is nothing to say. "Open, then play" starts 2 to 32 ms late at
random, cuts 50 to 110 ms off the first and the last word, and a speaker box would click (research/audio §2.4, §4.3).
"""

import logging
import os
import struct
import time
from pathlib import Path
from typing import Protocol

from audio_assets.pcm import FRAME_BYTES, FRAME_MS, RATE_HZ, SAMPLE_BYTES

log = logging.getLogger(__name__)

FRAME_S = FRAME_MS / 1000
_BEHIND_S = 0.2  # later than this the clock was stopped, not the writer slow: begin anew instead of catching up
_WAV_HEADER_BYTES = 44
_WAV_REFRESH_FRAMES = 50  # the file is a valid WAV of all but the last second at any moment
_WAV_MAX_BYTES = 2**31 - 1 - _WAV_HEADER_BYTES  # 6 h; many readers take the size as signed


class NoSoundCard(Exception):
    """There is no device to play on; the sentence says what to do."""


class SinkLost(Exception):
    """The device went away while it played. The sink goes on, silent, and takes it back when it returns."""


class Timer(Protocol):
    """Real time, or a test's. Seconds."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class Sink(Protocol):
    """Takes frames of FRAME_BYTES. `write` returns when there is room for the next one: it sets the pace."""

    @property
    def latency_s(self) -> float:
        """From now until what was written last begins to be heard; negative when it has begun. Ask right after `write`."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the device is away and frames go nowhere."""
        ...

    @property
    def starved(self) -> int:
        """Frames of silence that were put between ours because we were late with one: what comes after is heard so much later."""
        ...

    @property
    def ran_dry(self) -> int:
        """Times that the device itself had nothing more to play: what comes after is heard later, by how much only it knows."""
        ...

    def write(self, frame: bytes) -> None:
        """:raises SinkLost: once, when the device goes away."""
        ...

    def close(self) -> None: ...


class Pace:
    """Lets one frame pass every 20 ms, without drift."""

    def __init__(self, timer: Timer) -> None:
        self.ran_dry = 0  # times that it began anew
        self._timer = timer
        self._due = timer.monotonic()

    def wait(self) -> None:
        now = self._timer.monotonic()
        if now - self._due > _BEHIND_S:
            self._due = now
            self.ran_dry += 1
        elif now < self._due:
            self._timer.sleep(self._due - now)
        self._due += FRAME_S

    @property
    def latency_s(self) -> float:
        """From now back to when the frame that passed last began to be heard: it was, while the writer waited."""
        return self._due - 2 * FRAME_S - self._timer.monotonic()


class NullSink:
    """Plays to nobody, in real time."""

    lost = False
    starved = 0

    def __init__(self, *, timer: Timer = time) -> None:
        self._pace = Pace(timer)

    @property
    def latency_s(self) -> float:
        return self._pace.latency_s

    @property
    def ran_dry(self) -> int:
        return self._pace.ran_dry

    def write(self, frame: bytes) -> None:
        whole(frame)
        self._pace.wait()

    def close(self) -> None:
        """Nothing to let go."""


class WavSink:
    """Plays into a WAV file, in real time; an old file is overwritten. Killed at any moment, it leaves a valid file."""

    lost = False
    starved = 0

    def __init__(self, path: Path, *, timer: Timer = time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._written_bytes = 0
        self._frames = 0
        self._pace = Pace(timer)
        self._write_header()

    @property
    def latency_s(self) -> float:
        return self._pace.latency_s

    @property
    def ran_dry(self) -> int:
        return self._pace.ran_dry

    def write(self, frame: bytes) -> None:
        whole(frame)
        if self._written_bytes + FRAME_BYTES <= _WAV_MAX_BYTES:
            self._file.write(frame)
            self._written_bytes += FRAME_BYTES
            self._frames += 1
            if self._frames % _WAV_REFRESH_FRAMES == 0:
                self._write_header()
        self._pace.wait()

    def close(self) -> None:
        if not self._file.closed:
            self._write_header()
            self._file.close()

    def _write_header(self) -> None:
        """The sample data first, then the sizes that claim it: what the header promises is there."""
        self._file.flush()
        self._file.seek(0)
        self._file.write(wav_header(self._written_bytes))
        self._file.flush()
        self._file.seek(0, os.SEEK_END)


def open_sink(spec: str, *, timer: Timer = time) -> Sink:
    """The sink of a setting: `auto`, `null`, `wav:PATH`, `pyaudio` or `pyaudio:DEVICE`.

    `auto` is the system's sound card where there is one, else nothing, with a warning.

    :raises NoSoundCard: a card was asked for and there is none.
    :raises ValueError: no such kind of sink.
    """
    from endpoints.sound_card import PyAudioSink  # noqa: PLC0415 it builds on what stands here

    kind, _, argument = spec.partition(":")
    match kind:
        case "auto":
            try:
                return PyAudioSink(timer=timer)
            except NoSoundCard as err:
                log.warning("no sound will be heard here: %s", err)
                return NullSink(timer=timer)
        case "null":
            return NullSink(timer=timer)
        case "wav" if argument:
            return WavSink(Path(argument), timer=timer)
        case "pyaudio":
            return PyAudioSink(argument or None, timer=timer)
        case _:
            raise ValueError(f"a sound output is auto, null, wav:PATH or pyaudio[:DEVICE], not {spec!r}")


def wav_header(data_bytes: int) -> bytes:
    """The 44 bytes before mono 16-bit samples at RATE_HZ."""
    byte_rate = RATE_HZ * SAMPLE_BYTES
    form = struct.pack("<HHIIHH", 1, 1, RATE_HZ, byte_rate, SAMPLE_BYTES, 8 * SAMPLE_BYTES)
    size = _WAV_HEADER_BYTES - 8 + data_bytes
    return struct.pack("<4sI8sI16s4sI", b"RIFF", size, b"WAVEfmt ", len(form), form, b"data", data_bytes)


def whole(frame: bytes) -> None:
    """:raises ValueError: it is not a frame."""
    if len(frame) != FRAME_BYTES:
        raise ValueError(f"a frame has {FRAME_BYTES} bytes, not {len(frame)}")
