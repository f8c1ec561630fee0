"""A long Ogg Opus file read piece by piece from the disk, from any sample on: a programme of an hour needs no memory.

It sounds exactly as `codec.decode` of the whole file would, also from the middle: a decoder that starts anywhere needs 80 ms to
agree with one that heard everything before (RFC 7845 §4.6), so it starts that much earlier and what it says until then is dropped.
libav reads the file itself and decodes without Python's lock: the thread that feeds the sound card goes on meanwhile.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import av

from audio_assets.codec import open_ogg, samples_of
from audio_assets.ogg import NoOggOpus, duration_samples
from audio_assets.pcm import RATE_HZ, SAMPLE_BYTES
from audio_assets.rendering import UnsupportedAudio

# RFC 7845 §4.6: at least 80 ms, which leaves errors of up to 632; 320 ms leave 1
PREROLL_SAMPLES = 320 * RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class OpusFile:
    """A sound on the disk.

    :param samples: its length as the file states it; `read` gives as many unless the file is damaged inside.
    """

    path: Path
    samples: int

    @classmethod
    def at(cls, path: Path) -> "OpusFile":
        """:raises UnsupportedAudio: no whole Ogg Opus file. :raises OSError: it can't be read."""
        try:
            return cls(path, duration_samples(path))
        except NoOggOpus as err:
            raise UnsupportedAudio(str(err)) from err

    def read(self, from_sample: int = 0) -> Generator[bytes, None, None]:
        """Its samples from there on, in pieces of about 20 ms.

        :raises UnsupportedAudio: while it is read: damaged, or another format. :raises OSError: the disk does not give it.
        """
        try:
            with open_ogg(self.path) as (file, stream):
                if from_sample > PREROLL_SAMPLES:
                    file.seek(from_sample - PREROLL_SAMPLES, stream=stream, backward=True)
                resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
                at: int | None = None
                for frame in file.decode(stream):
                    for piece in resampler.resample(frame):
                        if at is None:  # pages of a second: this is where the seek came down
                            at = (frame.pts or 0) - (stream.start_time or 0)
                        data = samples_of(piece)
                        start, at = at, at + piece.samples
                        if at > from_sample:
                            yield data[max(0, from_sample - start) * SAMPLE_BYTES :]
        except av.FFmpegError as err:
            raise UnsupportedAudio(f"the file cannot be read: {err.strerror}") from err
