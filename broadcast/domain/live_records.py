"""What is kept of live sound (现场录音): a row for each run of a stream, and the recording that it names."""

from typing import NamedTuple

RELAY_LOST = "relay-lost"  # its source gave nothing for so long that speakers had to give it up


class LiveRecord(NamedTuple):
    """What went out of one run of a stream. `sha256` is empty, and `to_ms` 0, while it is being recorded.

    :param packets: that were handed to the broker; of the rest, `lost`, it was not there to take them.
    :param why: it ended; a word of LiveEnd, or `crash`. RELAY_LOST is said as soon as it is known, and stays.
    """

    order: str
    from_ms: int
    stream: int
    to_ms: int = 0
    sha256: bytes = b""
    size_bytes: int = 0
    sound_ms: int = 0
    packets: int = 0
    lost: int = 0
    why: str = ""

    @property
    def nothing_went_out(self) -> bool:
        """It is over, and no packet of it was handed to the broker; of what crashed nobody counted them."""
        return bool(self.to_ms) and not self.packets and self.why != "crash"


class Taped(NamedTuple):
    """A finished recording, in the library."""

    sha256: bytes
    size_bytes: int
    sound_ms: int
