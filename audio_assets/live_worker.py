"""One source of live sound in a process of its own: it captures or takes in, measures, encodes, and says each frame with its time.

The server's process never loads libav, and a stream that crashes a decoder takes no microphone with it. Run as
`python -m audio_assets.live_worker SPEC`: SPEC is `pcm` (samples come on stdin and are encoded), `opus` (frames come on stdin and
are measured only), `cards` (it names the inputs that there are, one a line, and ends), or what `live_inputs.open_input` takes.
Everything on the pipes is `kind 1 · length u32 · content`.
"""

import os
import queue
import resource
import struct
import sys
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO

from audio_assets.live_codec import LiveDecoder, LiveEncoder, Meter
from audio_assets.live_inputs import Input, NoInput, Piece, card_names, now_us, open_input
from audio_assets.pcm import FRAME_BYTES, FRAME_MS, RATE_HZ, SAMPLE_BYTES

PREFIX = struct.Struct(">cI")
STAMP = struct.Struct(">Q")
LEVEL = struct.Struct(">ff")
FRAME, LEVELS, ENDED, READY, SAMPLES, OPUS, CARDS = b"F", b"L", b"E", b"R", b"P", b"O", b"C"
MAX_IN = 1 << 20
MAX_NAMES = 4_000  # bytes; the parent takes no more at once
MEMORY_BYTES = 1 << 30
FRAME_S = FRAME_MS / 1000
BUFFER_S, MOST_BUFFER_S = 0.5, 4.0  # of a source that is not paced: where it begins, and where it is made to wait
_BEHIND_S = 0.5


def packed(kind: bytes, content: bytes = b"") -> bytes:
    return PREFIX.pack(kind, len(content)) + content


class Out:
    """The pipe to the server."""

    def __init__(self, file: BinaryIO, *, voice: bool = True) -> None:
        self._file, self._lock = file, threading.Lock()
        self._meter, self._encoder = Meter(), LiveEncoder(voice=voice)

    def say(self, kind: bytes, content: bytes = b"") -> None:
        with self._lock:
            self._file.write(packed(kind, content))
            self._file.flush()

    def measure(self, samples: bytes) -> None:
        for level in self._meter.hear(samples):
            self.say(LEVELS, LEVEL.pack(*level))

    def sound(self, samples: bytes, at_us: int) -> None:
        """Encode and say it; `at_us` is when the last of it was there."""
        self.measure(samples)
        for frame in self._encoder.encode(samples):
            self.say(FRAME, STAMP.pack(at_us) + frame)


def from_stdin(out: Out, file: BinaryIO) -> None:
    """Samples or frames that the server hands over, until it closes the pipe."""
    decoder = LiveDecoder()
    while prefix := file.read(PREFIX.size):
        kind, size = PREFIX.unpack(prefix)
        if size > MAX_IN:
            return
        content = file.read(size)
        if kind == SAMPLES:
            out.sound(content, now_us())
        elif kind == OPUS and (samples := decoder.decode(content)) is not None:
            out.measure(samples)


def from_input(out: Out, source: Input) -> None:
    """:raises NoInput: it has ended."""
    if source.paced:
        for samples, at_us in source.pieces():
            out.sound(samples, at_us)
        return
    for samples in paced(source.pieces()):
        out.sound(samples, now_us())


def paced(pieces: Iterator[Piece]) -> Iterator[bytes]:
    """What comes at the source's whim, 20 ms at a time; nothing while it starves, so that nobody takes its silence for life.

    :raises NoInput: what the source raises, after what it gave has been said.
    """
    waiting: queue.Queue[bytes | NoInput] = queue.Queue(maxsize=64)
    threading.Thread(target=_fill, args=(pieces, waiting), name="source", daemon=True).start()
    ready, filled, due, ended = bytearray(), False, time.monotonic(), None
    while True:
        try:
            while len(ready) < _bytes(MOST_BUFFER_S) and ended is None:
                got = waiting.get_nowait() if filled and ready else waiting.get(timeout=FRAME_S)
                if isinstance(got, NoInput):
                    ended = got
                else:
                    ready += got
        except queue.Empty:
            pass
        filled = bool(ready) and (filled or len(ready) >= _bytes(BUFFER_S) or ended is not None)
        if not filled or len(ready) < FRAME_BYTES:
            if ended is not None:
                raise ended
            filled, due = False, time.monotonic()
            continue
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due + FRAME_S, time.monotonic() - _BEHIND_S)
        yield bytes(ready[:FRAME_BYTES])
        del ready[:FRAME_BYTES]


def _fill(pieces: Iterator[Piece], waiting: "queue.Queue[bytes | NoInput]") -> None:
    try:
        for samples, _ in pieces:
            waiting.put(samples)
    except NoInput as err:
        waiting.put(err)
    except Exception as err:  # a decoder's own fault: the parent hears that it ended, and why
        waiting.put(NoInput(repr(err)))


def _bytes(seconds: float) -> int:
    return round(seconds * RATE_HZ) * SAMPLE_BYTES


def _end_with_parent(file: BinaryIO) -> None:
    """Its end of the pipe closes when it dies, too."""
    file.read()
    os._exit(0)


def main(spec: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the frames
    out = Out(pipe, voice=spec in ("pcm", "opus") or spec.startswith("card"))
    out.say(READY)
    try:
        if spec in ("pcm", "opus"):
            from_stdin(out, sys.stdin.buffer)
            return
        if spec == "cards":
            out.say(CARDS, "\n".join(card_names()).encode()[:MAX_NAMES])
            return
        threading.Thread(target=_end_with_parent, args=(sys.stdin.buffer,), daemon=True).start()
        from_input(out, open_input(spec))
        out.say(ENDED, b"the source has ended")
    except NoInput as err:
        out.say(ENDED, str(err).encode()[:500])
    except BrokenPipeError:
        pass


if __name__ == "__main__":
    main(sys.argv[1])
