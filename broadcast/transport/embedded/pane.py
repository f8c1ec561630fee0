"""One picture that a site sees: packets of whichever camera it shows, numbered as one stream without a break. Pure."""

from dataclasses import dataclass

from broadcast.domain.conference.media import Source

CLOCK_HZ = 90_000
GAP = 3_000  # ticks of the clock between the last picture of one source and the first of the next: 1/30 s


@dataclass(frozen=True, slots=True)
class Piece:
    """A packet as it goes out."""

    sequence: int
    timestamp: int
    payload: bytes
    marker: int


class Pane:
    """:ivar wanted: what it should show; :ivar shown: what it does, since a key frame of it went by."""

    def __init__(self, sequence: int, timestamp: int) -> None:
        self.wanted: Source | None = None
        self.shown: Source | None = None
        self._sequence, self._timestamp = sequence, timestamp  # of the newest that went out
        self._add_sequence = self._add_timestamp = 0
        self._from = 0  # the sequence number of the source with which it was begun

    def want(self, source: Source | None) -> None:
        """Until the new one's key frame the old one stays; nothing is shown at once."""
        self.wanted = source
        if source is None:
            self.shown = None

    def gone(self, source: Source) -> None:
        """It sends no more; when it comes again it begins with a key frame."""
        if self.shown == source:
            self.shown = None

    def take(
        self, source: Source, sequence: int, timestamp: int, payload: bytes, marker: int
    ) -> tuple[Piece | None, bool]:
        """:returns: what goes out, and whether from this moment the pane shows another source."""
        begins = False
        if self.shown != self.wanted and source == self.wanted and begins_key_frame(payload):
            self._add_sequence = self._sequence + 1 - sequence
            self._add_timestamp = self._timestamp + GAP - timestamp
            self._from, self.shown, begins = sequence, source, True
        if source != self.shown or (sequence - self._from) & 0xFFFF >= 0x8000:
            return None, False
        piece = Piece(
            (sequence + self._add_sequence) & 0xFFFF,
            (timestamp + self._add_timestamp) & 0xFFFFFFFF,
            without_numbers(payload),
            marker,
        )
        if (piece.sequence - self._sequence) & 0xFFFF < 0x8000:
            self._sequence, self._timestamp = piece.sequence, piece.timestamp
        return piece, begins


def _descriptor(payload: bytes) -> int:
    """Length of VP8's payload descriptor (RFC 7741 §4.2); 0 when it is cut off."""
    if not payload:
        return 0
    size = 1
    if payload[0] & 0x80:
        if len(payload) < 2:
            return 0
        extra, size = payload[1], 2
        if extra & 0x80:
            if len(payload) <= size:
                return 0
            size += 2 if payload[size] & 0x80 else 1
        size += (1 if extra & 0x40 else 0) + (1 if extra & 0x30 else 0)
    return size if len(payload) > size else 0


def begins_key_frame(payload: bytes) -> bool:
    """The first packet of a frame that needs no other: S set, partition 0, and P clear in the frame's header (RFC 7741 §4.3)."""
    size = _descriptor(payload)
    return bool(size) and payload[0] & 0x1F == 0x10 and not payload[size] & 1


def without_numbers(payload: bytes) -> bytes:
    """Picture ids of two sources would run against each other; without them a browser goes by the sequence numbers."""
    size = _descriptor(payload)
    return bytes([payload[0] & 0x37]) + payload[size:] if size else payload
