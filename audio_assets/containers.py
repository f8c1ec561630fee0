"""What a file is, by its first bytes. Its name says nothing here, and libav is never asked to guess.

Taken are the containers that a county really has: recordings of telephones (M4A, 3GP, AMR), of studios (WAV, FLAC), of the
internet (MP3, Ogg, AAC) and of the old radio station (WMA). Each is opened with its own demuxer and the codecs named here; all
others, and all that name further files (playlists, SDP, HLS, DASH, concat scripts), are never opened at all.
"""

from dataclasses import dataclass
from typing import BinaryIO

_HEAD_BYTES = 4096
_ID3_HEAD_BYTES = 10
_MOST_TAGS = 8  # ID3 tags one after the other; writers append a second one
_PCM = ("u8", "s16le", "s24le", "s32le", "f32le", "f64le", "alaw", "mulaw")


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of file that is taken.

    :param name: stable; what the officer is told.
    :param demuxer: libav's name for it, the only one that may open the file.
    :param codecs: libav's decoders that may be used inside.
    :param tells_its_length: a shorter sound than its head says was cut off.
    """

    name: str
    demuxer: str
    codecs: tuple[str, ...]
    tells_its_length: bool = False


_AAC, _AMR = ("aac", "aac_latm"), ("amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb")
_MP3 = ("mp3float", "mp3", "mp2float", "mp2")
WAV = Container("wav", "wav", tuple(f"pcm_{kind}" for kind in _PCM), tells_its_length=True)
MP3 = Container("mp3", "mp3", _MP3)
FLAC = Container("flac", "flac", ("flac",), tells_its_length=True)
OGG = Container("ogg", "ogg", ("opus", "libopus", "vorbis", "flac"))
MP4 = Container(
    "mp4",
    "mov",
    (*_AAC, *_AMR, "alac", "mp3float", "mp3", "flac", "opus", "libopus"),
    tells_its_length=True,
)
AAC = Container("aac", "aac", _AAC)
AMR = Container("amr", "amr", _AMR)
WMA = Container("wma", "asf", ("wmav1", "wmav2", "wmapro", "wmalossless"), tells_its_length=True)
CONTAINERS = (WAV, MP3, FLAC, OGG, MP4, AAC, AMR, WMA)

_SIGNS: tuple[tuple[int, bytes, Container], ...] = (
    (0, b"fLaC", FLAC),
    (0, b"OggS", OGG),
    (4, b"ftyp", MP4),
    (0, b"#!AMR", AMR),
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), WMA),
)
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1aE\xdf\xa3", "video"),
    (0, b"FLV\1", "video"),
    (0, b"\0\0\1\xba", "video"),
    (0, b"\0\0\1\xb3", "video"),
    (0, b"G@", "video"),
    (8, b"AVI ", "video"),
    (0, b"\x89PNG", "picture"),
    (0, b"\xff\xd8\xff", "picture"),
    (0, b"GIF8", "picture"),
    (8, b"WEBP", "picture"),
    (0, b"%PDF", "document"),
    (0, b"\xd0\xcf\x11\xe0", "document"),
    (0, b"PK\3\4", "archive"),
    (0, b"Rar!", "archive"),
    (0, b"\x1f\x8b", "archive"),
    (0, b"7z\xbc\xaf", "archive"),
    (0, b"MThd", "midi"),
)
_PLAYLISTS = (
    *(b"#ext", b"[playlist]", b"[reference]", b"ffconcat", b"v=0", b"<asx", b"<smil", b"<mpd", b"file ", b"file:"),
    *(b"http:", b"https:", b"rtsp:", b"rtmp:", b"concat:", b"mms:"),
)


class NoSound(Exception):
    """A file that is not taken; `looks_like` says what it is: playlist, video, picture, document, archive, midi, text, tag (a
    tag and nothing behind it), nothing (zeros) or unknown."""

    def __init__(self, looks_like: str) -> None:
        super().__init__(f"the file looks like {looks_like}")
        self.looks_like = looks_like


def recognise(file: BinaryIO) -> Container:
    """What the file holds; it is left at its beginning.

    :raises NoSound: nothing that is taken.
    """
    try:
        at = _after_tags(file)
        file.seek(at)
        found = _by_sign(file.read(_HEAD_BYTES), tagged=at > 0)
    finally:
        file.seek(0)
    return found


def _after_tags(file: BinaryIO) -> int:
    """Where the sound begins behind ID3v2 tags (id3.org, ID3v2.4 §3.1): a tag with a picture may be megabytes long."""
    at = 0
    for _ in range(_MOST_TAGS):
        file.seek(at)
        head = file.read(_ID3_HEAD_BYTES)
        if len(head) < _ID3_HEAD_BYTES or head[:3] != b"ID3" or max(head[6:10]) > 127:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        at += _ID3_HEAD_BYTES + size + (_ID3_HEAD_BYTES if head[5] & 0x10 else 0)
    return at


def _by_sign(head: bytes, *, tagged: bool) -> Container:
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return WAV
    for at, sign, container in _SIGNS:
        if head[at : at + len(sign)] == sign:
            return container
    for at, sign, what in _OTHERS:
        if head[at : at + len(sign)] == sign:
            raise NoSound(what)
    if (found := _by_frames(head, tagged=tagged)) is not None:
        return found
    if (tagged and not head.strip(b"\0")) or (head[:3] == b"ID3" and len(head) <= _ID3_HEAD_BYTES):
        raise NoSound("tag")
    raise NoSound(_named(head))


def _by_frames(head: bytes, *, tagged: bool) -> Container | None:
    """MPEG audio has no head of its own: two frames, one right behind the other, are no accident. Behind a tag one will do,
    after the padding that some writers leave."""
    start = len(head) - len(head.lstrip(b"\0")) if tagged else 0
    for at in range(start, min(len(head) - 7, start + (2048 if tagged else 1))):
        if head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:
            continue
        adts = head[at + 1] & 0xF6 == 0xF0
        size = _adts_bytes(head[at : at + 7]) if adts else _mpeg_bytes(head[at : at + 4])
        behind = head[at + size : at + size + 2]
        if size and (tagged or len(behind) < 2 or (behind[0] == 0xFF and behind[1] & 0xE0 == 0xE0)):
            return AAC if adts else MP3
    return None


_KBITS = {  # ISO/IEC 11172-3 and 13818-3: by whether it is MPEG-1, and layer
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mpeg_bytes(head: bytes) -> int:
    """Length of an MPEG audio frame of layer 2 or 3; 0 when the four bytes are none."""
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbit_index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer not in (2, 3) or rate_index == 3 or kbit_index in (0, 15):
        return 0
    rate_hz = (44_100, 48_000, 32_000)[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * _KBITS[version == 3, layer][kbit_index] * 1000 // rate_hz + (head[2] >> 1 & 1)


def _adts_bytes(head: bytes) -> int:
    """Length of an ADTS frame; 0 when the seven bytes are none."""
    if len(head) < 7 or head[2] >> 2 & 15 > 12:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else 0


def _named(head: bytes) -> str:
    if not head.strip(b"\0"):
        return "nothing"
    text = head[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_PLAYLISTS) or b"<playlist" in text or b"xspf" in text:
        return "playlist"
    try:
        head[:512].decode("utf-8", "strict" if len(head) < 512 else "ignore")
    except UnicodeDecodeError:
        return "unknown"
    return "text" if b"\0" not in head[:512] and min(head[:512]) >= 9 else "unknown"
