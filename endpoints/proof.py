"""Proof of play (播出证明): what a speaker's own ear heard of an order, compared with the files that it names. Message, no I/O.

The ear is a microphone before the horn, or a monitor of the amplifier. Three windows of an order are looked for in what it
heard: the beginning, the middle and the end. Each says how surely it is that sound, how far from its time, and how loud.
"""

from dataclasses import dataclass
from enum import IntEnum

from endpoints import canonical
from endpoints.fields import MAX_COUNTER, MAX_MS, BadMessage, Fields, is_order_id, is_speaker_id, unpack, whole
from endpoints.orders import MAX_REVISION

MAX_PROOF_BYTES = 1_024
MAX_WINDOWS = 3
MAX_ERROR_US = 10_000_000
MAX_SPREAD_US = (
    60_000  # between the windows of one sound: a card that ran dry once; other words shift what follows by more
)
QUIETEST_CB = -1_200  # tenths of a decibel below full scale
THRESHOLD_PERMILLE = 150  # the right sound 270 and more, another one 50 and less (research/audio §6.1)


class Ear(IntEnum):
    """What heard it."""

    MONITOR = 1  # the output of the amplifier, or of the sound card
    MICROPHONE = 2  # the air before the horn


class Place(IntEnum):
    """Which part of an order a window is."""

    START = 1
    MIDDLE = 2
    END = 3


class Grade(IntEnum):
    """How well it is known that an order sounded at a speaker; a higher one takes nothing from a lower one's time."""

    NONE = 0
    REPORTED = 1  # the speaker says so
    MEASURED = 2  # its ear heard the right sound
    HEARD = 3  # a person on the spot says so


@dataclass(frozen=True, slots=True)
class Window:
    """One window as it was heard.

    :param correlation_permille: how surely it is that sound; 0 when it was not found.
    :param start_error_us: how much later than planned it was heard; negative is earlier.
    :param level_cb: mean level in tenths of a decibel below full scale (−1200 is silence).
    """

    place: Place
    correlation_permille: int
    start_error_us: int
    level_cb: int

    @property
    def found(self) -> bool:
        return self.correlation_permille >= THRESHOLD_PERMILLE


@dataclass(frozen=True, slots=True)
class Proof:
    """What one speaker's ear heard of one order.

    :param at_ms: the server's time at the speaker when the order ended there.
    :param clock_us: how wrong that time, and with it each start error, can be.
    :param to_the_end: it was not interrupted or stopped; then its end counts too.
    """

    speaker: str
    boot: int
    order: str
    revision: int
    at_ms: int
    clock_us: int
    ear: Ear
    to_the_end: bool
    windows: tuple[Window, ...]

    @property
    def confirms(self) -> bool:
        """Whether the right sound was heard in every window that was listened to, and there was one, and all were in one piece."""
        errors_us = [window.start_error_us for window in self.windows]
        if not errors_us or max(errors_us) - min(errors_us) > MAX_SPREAD_US:
            return False
        return all(window.found for window in self.windows)

    @property
    def played_out(self) -> bool:
        """Whether its end was heard."""
        return self.to_the_end and any(window.place is Place.END and window.found for window in self.windows)


def proof_topic(root: str, speaker: str) -> str:
    return f"{root}/proof/{speaker}"


def encode_proof(proof: Proof) -> bytes:
    windows = [
        [int(one.place), one.correlation_permille, one.start_error_us + MAX_ERROR_US, one.level_cb - QUIETEST_CB]
        for one in proof.windows
    ]
    return canonical.encode(
        {
            1: proof.speaker,
            2: proof.boot,
            3: proof.order,
            4: proof.revision,
            5: proof.at_ms,
            6: proof.clock_us,
            7: int(proof.ear),
            8: proof.to_the_end,
            9: windows,
        }
    )


def decode_proof(payload: bytes) -> Proof:
    """:raises BadMessage: when it is not as specified."""
    read = Fields.of("proof", unpack("proof", payload, MAX_PROOF_BYTES), 9)
    windows = tuple(map(_window, read.items(9, "windows", MAX_WINDOWS)))
    if len({window.place for window in windows}) != len(windows):
        raise BadMessage("proof.windows", "the same place twice")
    return Proof(
        speaker=read.text(1, "speaker", is_speaker_id),
        boot=read.uint(2, "boot"),
        order=read.text(3, "order", is_order_id),
        revision=read.uint(4, "revision", MAX_REVISION, low=1),
        at_ms=read.uint(5, "at_ms", MAX_MS),
        clock_us=read.uint(6, "clock_us", MAX_COUNTER),
        ear=read.enum(7, "ear", Ear),
        to_the_end=read.flag(8, "to_the_end"),
        windows=windows,
    )


def _window(item: object) -> Window:
    """Numbers that may be negative stand on the wire above their lowest: canonical CBOR here has no negative ones."""
    where = "proof.window"
    if not isinstance(item, list) or len(item) != 4:
        raise BadMessage(where, "not a list of place, correlation, error and level")
    try:
        place = Place(whole(item[0], where, 1, 3))
    except ValueError:
        raise BadMessage(where, "no such place") from None
    return Window(
        place,
        whole(item[1], where, 0, 1_000),
        whole(item[2], where, 0, 2 * MAX_ERROR_US) - MAX_ERROR_US,
        whole(item[3], where, 0, -QUIETEST_CB) + QUIETEST_CB,
    )
