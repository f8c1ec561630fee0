"""Recordings (录音) of a room: Ogg Opus, page by page as it sounds, so that a crash loses a second at most."""

import re
import time
from pathlib import Path

from audio_assets.ogg_pages import NOTHING, OpusPages
from audio_assets.pcm import RATE_HZ
from broadcast.domain.conference.media import Recorded, RecordSpec

PAGE_FRAMES = 50  # one second
MOST_FRAME_BYTES = 255
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Tape:
    """One file. :raises OSError: it can't be written."""

    def __init__(self, path: Path, site: str, serial: int) -> None:
        self._path, self._site = path, site
        self._pages = OpusPages(serial, title=site or "conference")
        self._frames: list[bytes] = []
        self._from_ms = time.time_ns() // 1_000_000
        self._file = path.open("wb")
        self._file.write(self._pages.begin())

    def take(self, frame: bytes | None) -> None:
        self._frames.append(frame if frame and len(frame) <= MOST_FRAME_BYTES else NOTHING)
        if len(self._frames) >= PAGE_FRAMES:
            self._flush(last=False)

    def _flush(self, *, last: bool) -> None:
        self._file.write(self._pages.page(self._frames, last=last))
        self._file.flush()
        self._frames = []

    def end(self) -> Recorded:
        if not self._file.closed:
            self._flush(last=True)
            self._file.close()
        sound_ms = self._pages.samples * 1_000 // RATE_HZ
        return Recorded(str(self._path), self._site, self._from_ms, sound_ms)


class Recording:
    """The mix, and sites by name: a site that is not heard is silence on its tape, for it may be speaking to its own people."""

    def __init__(self, spec: RecordSpec) -> None:
        folder = Path(spec.folder)
        self.mix = Tape(folder / "mix.opus", "", 1) if spec.mix else None
        self.sites = {
            site: Tape(folder / f"{site if _PLAIN.fullmatch(site) else f'site-{number}'}.opus", site, number + 2)
            for number, site in enumerate(spec.sites)
        }

    def end(self) -> list[Recorded]:
        return [one.end() for one in (*([self.mix] if self.mix else []), *self.sites.values())]
