"""A relay runs in its slot and at no other time."""

from broadcast.domain.live import LiveOverBudget
from broadcast.domain.programmes import LineIn, Source, Stream
from broadcast.service.relaying import Relaying
from endpoints.protocol import Order
from tests.plans import once_in
from tests.town import CHIEF, DUTY, Town, town

URL = "https://radio.example/live"


class Radio:
    """Relays that only say what they were asked for."""

    def __init__(self) -> None:
        self.on_air: dict[str, str] = {}
        self.full = False

    @property
    def running(self) -> frozenset[str]:
        return frozenset(self.on_air)

    async def start(self, order: Order, address: str) -> None:
        if self.full:
            raise LiveOverBudget(718, 11_967, 40_000, 45_000)
        assert order.stream
        self.on_air[order.id] = address

    async def stop(self, order: str) -> None:
        del self.on_air[order]


def relaying(there: Town, radio: Radio) -> Relaying:
    services = there.services
    return Relaying(clock=there.clock, boards=services.planning.boards, relays=radio, health=services.health)


async def plan(there: Town, seconds: float, source: Source) -> None:
    draft = once_in(there.clock.now_ms(), seconds, source=source, loop=False, length_min=1)
    await there.services.programmes.add(draft, by=DUTY)


async def test_it_is_opened_a_moment_before_its_slot_and_closed_at_the_end() -> None:
    async with town() as there:
        radio = Radio()
        loop = relaying(there, radio)
        await plan(there, 20, Stream(URL))
        await loop.tick()
        assert radio.on_air == {}
        there.clock.advance(14)
        await loop.tick()
        await loop.tick()
        assert list(radio.on_air.values()) == [URL]
        there.clock.advance(60 + 8)
        await loop.tick()
        assert radio.on_air == {}


async def test_the_line_input_is_named_and_a_stop_closes_it() -> None:
    async with town() as there:
        radio = Radio()
        loop = relaying(there, radio)
        await plan(there, 1, LineIn("Line In"))
        await plan(there, 2, LineIn())
        there.clock.advance(3)
        await loop.tick()
        assert sorted(radio.on_air.values()) == ["card", "card:Line In"]
        await there.services.broadcasts.stop_all(by=CHIEF)
        await loop.tick()
        assert radio.on_air == {}


async def test_what_the_broker_can_not_carry_is_an_alarm_while_its_slot_lasts() -> None:
    async with town() as there:
        radio = Radio()
        loop = relaying(there, radio)
        radio.full = True
        await plan(there, 1, Stream(URL))
        await loop.tick()
        assert [one.name for one in there.services.health.conditions] == ["relay-refused"]
        radio.full = False
        await loop.tick()
        assert there.services.health.conditions == () and radio.on_air
