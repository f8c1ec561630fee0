"""Whom an order means, found by searching and by asking each speaker: the same."""

from dataclasses import replace
from random import Random

from endpoints.arbitration import is_meant
from tests.store.rows import ORDER
from tests.town import town


async def test_whom_an_order_means_is_found_without_asking_everybody() -> None:
    async with town() as there:
        estate, random = there.services.estate, Random(7)
        areas, names = [area.code for area in estate.tree], list(estate.speakers)
        for _ in range(300):
            order = replace(
                ORDER,
                areas=tuple(random.sample(areas, random.randint(0, 6))),
                excluded=tuple(random.sample(areas[1:], random.randint(0, 4))),
                speakers=tuple(random.sample(names, random.randint(0, 3))),
            )
            found = [one.id for one in estate.meant_by(order)]
            assert len(found) == len(set(found))
            assert set(found) == {one.id for one in estate.speakers.values() if is_meant(order, one.id, one.area)}
            inside = [one.id for one in estate.inside(*order.areas)]
            everywhere = replace(order, excluded=(), speakers=())
            assert sorted(inside) == sorted(one.id for one in estate.meant_by(everywhere))
