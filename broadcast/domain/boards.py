"""From broadcasts to boards (播发板): which orders stand where. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from broadcast.domain.broadcasts import Broadcast, Life
from endpoints.area_codes import covers
from endpoints.protocol import MAX_BOARD_BYTES, MAX_ORDERS, Order, is_speaker_id

ROOM_BYTES = MAX_BOARD_BYTES - 1_024


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
    """What the board of that scope says when these broadcasts stand on boards; by id, so that it is always the same bytes.

    Everything live is on it; what has ended lingers for those who were off, the newest first, as far as there is room.
    """
    carried = [b for b in broadcasts if b.order.exercise is exercise and scope in scopes_of(b.order)]
    carried.sort(key=lambda one: (one.life is not Life.LIVE, -one.order.issued_at_ms))
    chosen: list[Order] = []
    room = ROOM_BYTES
    for one in carried:
        order = for_scope(one.order, scope)
        room -= size_of(order)
        if one.life is not Life.LIVE and (room < 0 or len(chosen) >= MAX_ORDERS):
            break
        chosen.append(order)
    return tuple(sorted(chosen, key=lambda order: order.id))


def is_full(orders: Iterable[Order], scope: str) -> bool:
    """Whether these, all live, are more than the board of that scope can carry."""
    carried = [for_scope(order, scope) for order in orders]
    return len(carried) > MAX_ORDERS or sum(map(size_of, carried)) > ROOM_BYTES


def size_of(order: Order) -> int:
    """Bytes of the order on a board, rounded up: 28 fields; 20 for each code, 34 for each speaker, 46 for each further file."""
    return 210 + 20 * (len(order.areas) + len(order.excluded)) + 34 * len(order.speakers) + 46 * len(order.more)
