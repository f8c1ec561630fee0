"""How long an Ogg Opus file is, read from its first and its last page: the server's process never loads a decoder."""

import struct
from pathlib import Path

from audio_assets.pcm import RATE_HZ

_PAGE = b"OggS"
_PAGE_HEAD = struct.Struct("<4sBBqIIIB")  # RFC 3533 §6
_NO_POSITION = -1  # a page on which no packet ends
_TAIL_BYTES = 65_536 + 300  # a page is at most so long, so the last one begins in here


class NoOggOpus(ValueError):
    """Not a whole Ogg Opus file."""


def duration_ms(path: Path) -> int:
    """Its length in whole milliseconds, rounded down.

    :raises NoOggOpus: it is something else, or cut off. :raises OSError: it can't be read.
    """
    return duration_samples(path) * 1000 // RATE_HZ


def duration_samples(path: Path) -> int:
    """Its length as it sounds: the last position less the samples that a decoder drops at the beginning (RFC 7845 §4.3).

    :raises NoOggOpus: it is something else, or cut off. :raises OSError: it can't be read.
    """
    with path.open("rb") as file:
        head = file.read(512)
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
    at = head.find(b"OpusHead")
    if head[:4] != _PAGE or at < 0 or len(head) < at + 12:
        raise NoOggOpus(f"{path.name} is no Ogg Opus file")
    dropped = int.from_bytes(head[at + 10 : at + 12], "little")
    played = _last_position(tail) - dropped
    if played <= 0:
        raise NoOggOpus(f"{path.name} holds no sound")
    return played


def _last_position(tail: bytes) -> int:
    at = tail.rfind(_PAGE)
    while at >= 0:
        if len(tail) >= at + _PAGE_HEAD.size:
            position: int = _PAGE_HEAD.unpack_from(tail, at)[3]
            if position != _NO_POSITION:
                return position
        at = tail.rfind(_PAGE, 0, at)
    return 0
