"""From broadcasts to boards (播发板): which orders stand where. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from broadcast.domain.broadcasts import Broadcast
from endpoints.area_codes import covers
from endpoints.protocol import Order, is_speaker_id


def for_scope(order: Order, scope: str) -> Order:
    """The order as the board of that scope carries it: only the part of its frozen target that lies there.

    A thousand villages chosen one by one are a thousand small boards, not a thousand copies of the list.
    """
    if is_speaker_id(scope):
        return replace(order, areas=(), excluded=(), speakers=(scope,))
    inside = tuple(code for code in order.excluded if covers(scope, code) or covers(code, scope))
    return replace(order, areas=(scope,), excluded=inside, speakers=())


def scopes_of(order: Order) -> tuple[str, ...]:
    """Whose boards carry this order."""
    return (*order.areas, *order.speakers)


def orders_on(broadcasts: Iterable[Broadcast], scope: str, *, exercise: bool) -> tuple[Order, ...]:
    """What the board of that scope says when these broadcasts stand on boards; by id, so that it is always the same bytes."""
    carried = [b.order for b in broadcasts if b.order.exercise is exercise and scope in scopes_of(b.order)]
    return tuple(for_scope(order, scope) for order in sorted(carried, key=lambda order: order.id))
