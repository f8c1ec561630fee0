"""What an order consists of when it is sounded (节目单段落): its tone, its files as often as it says, its closing."""

from collections.abc import Callable

from audio_assets.pcm import Pcm
from audio_assets.tones import ToneId, tone
from endpoints.effects import Play
from endpoints.orders import Order, Part
from endpoints.track import Await, Get, Segment, Slot, sequence
from endpoints.vocabulary import TONE_MS, Kind


def is_urgent(order: Order) -> bool:
    """Whether it sounds at once, file or not."""
    return order.kind in (Kind.EMERGENCY, Kind.LIVE)


def segments_of(order: Order, get: Callable[[bytes], Get]) -> tuple[Segment, ...]:
    """What sounds one after the other.

    A programme keeps its time, whatever of it is missing; an emergency waits for its words, with the attention signal; a notice
    waits for them in silence. Of an empty slot nothing is there, all the time.
    """

    def segment(part: Part) -> Segment:
        if order.kind is Kind.ROUTINE:
            return Slot(get(part.asset), part.asset_ms)
        return Await(get(part.asset), tone(ToneId.ATTENTION) if is_urgent(order) else Pcm(b""))

    if order.is_empty:
        return (Slot(lambda: None, order.sound_ms),)
    return sequence(
        tone(ToneId(order.tone)),
        [segment(part) for part in order.parts],
        repeats=order.repeats,
        gap_ms=order.gap_ms,
        closing=tone(ToneId(order.closing)),
    )


def part_due(play: Play) -> Part | None:
    """The file that sounds first from where it begins, after its tone if that has not sounded; None when none does any more."""
    order, left_ms = play.order, play.from_ms - TONE_MS[play.order.tone]
    once_ms = sum(part.asset_ms for part in order.parts) + order.gap_ms
    if not order.parts or left_ms >= once_ms * order.repeats - order.gap_ms:
        return None
    left_ms = max(0, left_ms) % once_ms
    for part in order.parts:
        left_ms -= part.asset_ms
        if left_ms < 0:
            return part
    return order.parts[0]  # in a gap
