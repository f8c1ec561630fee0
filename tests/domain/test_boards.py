from dataclasses import replace

from broadcast.domain.boards import ROOM_BYTES, for_scope, is_full, orders_on, scopes_of, size_of
from broadcast.domain.broadcasts import Broadcast, Life
from endpoints.protocol import (
    MAX_BOARD_BYTES,
    MAX_ORDERS,
    Band,
    Board,
    Kind,
    Level,
    Order,
    Part,
    Severity,
    decode_board,
    encode_board,
)

CITY, TOWN, OTHER, VILLAGE = "130281000000", "130281001000", "130281002000", "130281001001"


def an_order(number: int = 1, **changed: object) -> Order:
    order = Order(
        id=f"ORDER{number:04d}",
        revision=1,
        kind=Kind.EMERGENCY,
        band=Band.EMERGENCY,
        severity=Severity.RED,
        level=Level.CITY,
        exercise=False,
        issued_at_ms=1_800_000_000_000 + number,
        not_before_ms=1_800_000_000_000,
        not_after_ms=1_800_000_600_000,
        areas=(CITY,),
    )
    return replace(order, **changed)  # type: ignore[arg-type]


def a_broadcast(number: int = 1, life: Life = Life.LIVE, **changed: object) -> Broadcast:
    return Broadcast(an_order(number, **changed), "h", "t", "duty", life)


def test_an_order_for_many_areas_is_a_small_order_on_the_board_of_each() -> None:
    order = an_order(areas=(TOWN, OTHER), excluded=(VILLAGE,), speakers=("s-1-1",))
    assert scopes_of(order) == (TOWN, OTHER, "s-1-1")
    assert for_scope(order, TOWN) == replace(order, areas=(TOWN,), speakers=())
    assert for_scope(order, OTHER) == replace(order, areas=(OTHER,), excluded=(), speakers=())
    assert for_scope(order, "s-1-1") == replace(order, areas=(), excluded=())


def test_everything_live_stands_on_the_board_and_what_has_ended_as_far_as_there_is_room() -> None:
    live = [a_broadcast(n) for n in range(3)]
    past = [a_broadcast(n, Life.ENDED) for n in range(100, 200)]
    orders = orders_on([*past, *live], CITY, exercise=False)
    assert len(orders) == MAX_ORDERS
    assert {one.order for one in live} <= set(orders)
    newest = {one.order.id for one in past[-(MAX_ORDERS - 3) :]}
    assert {order.id for order in orders} == newest | {one.id for one in live}
    assert list(orders) == sorted(orders, key=lambda order: order.id)


def test_a_board_holds_live_orders_or_exercise_orders_and_never_both() -> None:
    both = [a_broadcast(1), a_broadcast(2, exercise=True)]
    assert [order.id for order in orders_on(both, CITY, exercise=False)] == ["ORDER0001"]
    assert [order.id for order in orders_on(both, CITY, exercise=True)] == ["ORDER0002"]


def test_a_board_that_is_not_full_can_be_written_and_read() -> None:
    wide = [an_order(n, excluded=tuple(f"1302810010{k:02d}" for k in range(1, 60))) for n in range(MAX_ORDERS)]
    fitting: list[Order] = []
    for order in wide:
        if is_full([*fitting, order], CITY):
            break
        fitting.append(order)
    assert 10 < len(fitting) <= MAX_ORDERS
    frame = encode_board(Board(CITY, 1, 1, 1_800_000_000_000, tuple(fitting)))
    assert len(frame) <= MAX_BOARD_BYTES
    assert len(decode_board(frame).orders) == len(fitting)
    assert sum(map(size_of, fitting)) <= ROOM_BYTES


def test_the_size_of_an_order_is_never_less_than_its_bytes() -> None:
    for order in (an_order(), an_order(excluded=(TOWN, OTHER)), an_order(areas=(), speakers=("s-" + "a" * 30,) * 3)):
        alone = len(encode_board(Board(CITY, 1, 1, 1_800_000_000_000, (order,))))
        assert size_of(order) >= alone - 40


def test_no_order_is_longer_on_a_board_than_it_is_taken_for() -> None:
    late = 2**53 - 1
    longest = an_order(
        id="P" * 40, revision=2**31, issued_at_ms=late, not_before_ms=late - 1, not_after_ms=late, areas=("1" * 18,),
        excluded=("130281001001001001",), speakers=("s" * 32,), asset=bytes(32), asset_bytes=2**24, asset_ms=86_400_000,
        repeats=100, gap_ms=600_000, volume_percent=100, more=(Part(bytes(32), 2**24, 86_400_000),) * 99,
        start_by_ms=late, hard_at_ms=late, fade_ms=60_000, kind=Kind.ROUTINE, band=Band.LOCAL_ROUTINE,
    )  # fmt: skip
    assert size_of(longest) >= len(encode_board(Board(CITY, 1, 1, 0, (longest,)))) - 30
