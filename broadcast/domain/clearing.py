"""The all-clear (解除) of a part of an alert: what that part is, and what is said there. Pure."""

from collections.abc import Collection, Iterable, Sequence

from broadcast.domain.areas import AreaTree, minimal_cover
from broadcast.domain.broadcasts import Broadcast, Fault, StartBroadcast
from endpoints.area_codes import covers
from endpoints.protocol import Kind, Order, Tone

MINUTES = 10


def within(order: Order, areas: Sequence[str]) -> tuple[str, ...]:
    """The part of the order's target that lies in these areas: an all-clear is not heard where the alert was not."""
    inside = [area for area in areas if any(covers(target, area) for target in order.areas)]
    inside += [target for target in order.areas if any(covers(area, target) for area in areas)]
    return minimal_cover(inside)


def part_faults(order: Order, chosen: Iterable[str], tree: AreaTree, standing: Collection[str] = ()) -> list[Fault]:
    """The chosen areas that are no part of the order's target.

    :param standing: where the speakers stand that the order names singly; the township of one is a part of it too.
    """
    faults = []
    for index, area in enumerate(chosen):
        if area not in tree:
            faults.append(Fault(f"areas.{index}", "unknown-area", (("area", area),)))
        elif any(covers(area, one) for one in standing):
            continue
        elif not any(covers(target, area) or covers(area, target) for target in order.areas) or any(
            covers(gone, area) for gone in order.excluded
        ):
            faults.append(Fault(f"areas.{index}", "not-in-broadcast", (("area", area),)))
    return faults


def clear_command(was: Broadcast, areas: Sequence[str], speakers: Sequence[str], *, text: str) -> StartBroadcast:
    """The tune and a sentence, as loud as the alert was, in the mode of the alert."""
    return StartBroadcast(
        kind=Kind.NOTICE,
        areas=tuple(areas),
        excluded=was.order.excluded,
        speakers=tuple(speakers),
        text=text or f"{was.headline}，警报解除。",
        headline=f"解除：{was.headline}"[:80],
        minutes=MINUTES,
        tone=Tone.ALL_CLEAR,
        closing=Tone.NONE,
        volume_percent=was.order.volume_percent,
        exercise=was.order.exercise,
    )
