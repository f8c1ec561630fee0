"""Ogg Opus files page by page, without a codec: written while it sounds, mended after a crash, taken apart into packets.

RFC 3533 (pages), RFC 7845 (Opus in them). The server's process records and reads with this; it never loads libav.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_assets.ogg import NoOggOpus
from audio_assets.pcm import FRAME_SAMPLES, RATE_HZ

PRE_SKIP = 312  # samples that libopus needs to begin, at 48 kHz
VENDOR = b"lianbo"
NOTHING = b"\xfc"  # a 20 ms frame without content: a decoder covers the loss (RFC 7845 §4.1)

_HEAD = struct.Struct("<4sBBqIIIB")
_CRC_AT = 22
_FIRST, _LAST, _CONTINUED = 2, 4, 1
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _crc(page: bytes) -> int:
    """Ogg's CRC has zlib's polynomial, the bits the other way round and nothing inverted."""
    reversed_crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reversed_crc:032b}"[::-1], 2)


class OpusPages:
    """The pages of one file, as bytes to be appended.

    :param serial: of the stream; any number of 32 bits.
    :param title: for whoever opens the file later.
    """

    def __init__(self, serial: int, *, title: str = "") -> None:
        self.samples = 0  # that were written
        self._serial, self._title = serial, title
        self._number = 0

    def begin(self) -> bytes:
        """The two pages before the first sound."""
        head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, PRE_SKIP, RATE_HZ, 0, 0)
        comment = f"TITLE={self._title}".encode()
        tags = struct.pack("<8sI", b"OpusTags", len(VENDOR)) + VENDOR + struct.pack("<II", 1, len(comment)) + comment
        return self._page([head], 0, _FIRST) + self._page([tags], 0, 0)

    def page(self, frames: Sequence[bytes], *, last: bool = False) -> bytes:
        """A page with these frames of 20 ms, at most 60 of up to 255 bytes; without one it only ends the file."""
        self.samples += len(frames) * FRAME_SAMPLES
        return self._page(frames, self.samples, _LAST if last else 0)

    def _page(self, packets: Sequence[bytes], position: int, flags: int) -> bytes:
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
        if len(lacing) > 255:
            raise ValueError(f"{len(lacing)} segments do not fit on a page")
        head = _HEAD.pack(b"OggS", 0, flags, position, self._serial, self._number, 0, len(lacing))
        self._number += 1
        return _with_crc(head + lacing + b"".join(packets))


def _with_crc(page: bytes) -> bytes:
    crc = _crc(page[:_CRC_AT] + bytes(4) + page[_CRC_AT + 4 :])
    return page[:_CRC_AT] + struct.pack("<I", crc) + page[_CRC_AT + 4 :]


@dataclass(frozen=True, slots=True)
class _Page:
    at: int
    end: int
    flags: int
    position: int
    lacing: bytes
    body: bytes


def _pages(data: bytes) -> Iterator[_Page]:
    """The whole pages from the beginning, up to the first that is damaged."""
    at = 0
    while len(data) >= at + _HEAD.size:
        magic, version, flags, position, _, _, crc, segments = _HEAD.unpack_from(data, at)
        body_at = at + _HEAD.size + segments
        lacing = data[at + _HEAD.size : body_at]
        end = body_at + sum(lacing)
        if magic != b"OggS" or version or len(lacing) != segments or len(data) < end:
            return
        page = data[at:end]
        if _crc(page[:_CRC_AT] + bytes(4) + page[_CRC_AT + 4 :]) != crc:
            return
        yield _Page(at, end, flags, position, lacing, data[body_at:end])
        at = end


def mend(path: Path) -> int:
    """Cut off what a crash left half written, and mark the last whole page as the last; the samples that it holds.

    :raises NoOggOpus: there is no sound in it. :raises OSError: it can't be read or written.
    """
    data = path.read_bytes()
    last = None
    for last in _pages(data):  # noqa: B007
        pass
    if last is None or last.position <= 0 or not data[28:].startswith(b"OpusHead"):
        raise NoOggOpus(f"{path.name} holds no sound")
    ended = _with_crc(data[last.at : last.at + 5] + bytes([last.flags | _LAST]) + data[last.at + 6 : last.end])
    with path.open("r+b") as file:
        file.seek(last.at)
        file.write(ended)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    return last.position


def frames_of(data: bytes) -> list[bytes]:
    """The Opus packets of a whole file, without its two headers.

    :raises NoOggOpus: it is something else.
    """
    packets, begun = [], b""
    for page in _pages(data):
        at = 0
        for size in page.lacing:
            begun += page.body[at : at + size]
            at += size
            if size < 255:
                packets.append(begun)
                begun = b""
    if len(packets) < 2 or not packets[0].startswith(b"OpusHead"):
        raise NoOggOpus("no Ogg Opus file")
    return packets[2:]
