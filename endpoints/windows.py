"""Which parts of an order's sound are listened to, to prove that it was played: beginning, middle and end. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from endpoints.orders import Order, Part
from endpoints.proof import Place
from endpoints.vocabulary import TONE_MS, Tone

WINDOW_MS = 4_000  # 3 to 6 s: less is uncertain, and in more two crystals drift apart (research/audio §6.1)
SHORTEST_MS = 800
MIDDLE_FROM_MS = 12_000  # a shorter sound is known by its beginning and its end


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of an order's sound that is one tone or one file.

    :param at_ms: where in the order it begins.
    """

    at_ms: int
    length_ms: int
    source: Tone | Part


@dataclass(frozen=True, slots=True)
class Listen:
    """Listen here.

    :param at_ms: where in the order's sound the window begins.
    :param from_ms: where in its source.
    """

    place: Place
    at_ms: int
    length_ms: int
    source: Tone | Part
    from_ms: int


def stretches(order: Order) -> Iterator[Stretch]:
    """What sounds when, in the order of `Order.sound_ms`: tone, the files as often as it says, closing. Gaps are left out."""
    at_ms = 0
    if order.parts and TONE_MS[order.tone]:
        yield Stretch(0, TONE_MS[order.tone], order.tone)
        at_ms = TONE_MS[order.tone]
    for repeat in range(order.repeats):
        at_ms += order.gap_ms if repeat else 0
        for part in order.parts:
            yield Stretch(at_ms, part.asset_ms, part)
            at_ms += part.asset_ms
        if not order.parts and TONE_MS[order.tone]:
            yield Stretch(at_ms, TONE_MS[order.tone], order.tone)
            at_ms += TONE_MS[order.tone]
    if TONE_MS[order.closing]:
        yield Stretch(at_ms, TONE_MS[order.closing], order.closing)


def windows_of(order: Order, *, from_ms: int = 0) -> tuple[Listen, ...]:
    """What to listen to of an order that sounds from a position on; nothing of a stream, whose sound nobody knows beforehand."""
    if order.stream:
        return ()
    whole = [part for one in stretches(order) if (part := _after(one, from_ms)) is not None]
    if not whole:
        return ()
    found = [_window(Place.START, whole[0], whole[0].at_ms)]
    end_ms = whole[-1].at_ms + whole[-1].length_ms
    if end_ms - from_ms >= MIDDLE_FROM_MS:
        middle_ms = (from_ms + end_ms) // 2
        one = min(whole, key=lambda stretch: abs(stretch.at_ms + stretch.length_ms // 2 - middle_ms))
        holding = next((s for s in whole if s.at_ms <= middle_ms < s.at_ms + s.length_ms), one)
        found.append(_window(Place.MIDDLE, holding, middle_ms - WINDOW_MS // 2))
    found.append(_window(Place.END, whole[-1], end_ms - WINDOW_MS))
    return tuple(found)


def _after(stretch: Stretch, from_ms: int) -> Listen | None:
    """What is left of it from a position on, when that is enough to know it by."""
    gone_ms = max(0, from_ms - stretch.at_ms)
    length_ms = stretch.length_ms - gone_ms
    if length_ms < SHORTEST_MS:
        return None
    return Listen(Place.START, stretch.at_ms + gone_ms, length_ms, stretch.source, gone_ms)


def _window(place: Place, left: Listen, at_ms: int) -> Listen:
    """A window at that place, moved and shortened until it lies inside the stretch."""
    length_ms = min(WINDOW_MS, left.length_ms)
    at_ms = min(max(at_ms, left.at_ms), left.at_ms + left.length_ms - length_ms)
    return Listen(place, at_ms, length_ms, left.source, left.from_ms + at_ms - left.at_ms)
