"""What an officer sees of the start in step."""

from broadcast.service.ports import ReportRow
from endpoints.protocol import Hello, Reason, Stage
from tests.town import Town, town
from tests.web.browser import machine, order
from tests.web.test_desk import at_the_desk


async def begin(there: Town, broadcast: str, off_ms: dict[str, int]) -> None:
    """These speakers say that they began so much after the order's time."""
    one = await there.services.broadcasts.get(broadcast)
    due_ms, now_ms = one.order.not_before_ms, there.clock.now_ms()
    rows = [
        ReportRow(broadcast, name, Stage.SOUNDING, due_ms + off, 1, Reason.NONE, 1, n + 1, now_ms)
        for n, (name, off) in enumerate(off_ms.items())
    ]
    await there.store.keep_reports(rows)
    there.ladder.take(rows)


async def test_the_skew_of_a_broadcast_is_told_in_all_and_by_village() -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/broadcasts", json=order())
        broadcast = (await answer.json())["id"]
        path = f"/api/v1/broadcasts/{broadcast}/skew"
        assert await (await client.get(path)).json() == {"broadcast": broadcast, "skew": None}
        names = list(there.services.estate.speakers)[:3]
        there.services.speakers.hello(
            Hello(names[0], 1, b"", 1, 1, 1, "", 0, (0, 0, 0, 0), (), there.clock.now_ms(), 420)
        )
        await begin(there, broadcast, dict(zip(names, (12, 30, 18), strict=True)))
        assert (await (await client.get(path)).json())["skew"] == {
            "planned": False,
            "speakers": 3,
            "joined_later": 0,
            "p50_ms": 18,
            "p99_ms": 30,
            "max_ms": 30,
            "spread_ms": 18,
            "villages": [],
            "time_error_us": 420,
        }


async def test_the_page_says_how_precise_that_is_and_nothing_before_somebody_began() -> None:
    async with town() as there, machine(there) as client, at_the_desk(there) as person:
        broadcast = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        page = await person.opens(f"/emergency/broadcasts/{broadcast}")
        assert not page.main.all("h2", id="skew-title")
        names = list(there.services.estate.speakers)[:2]
        await begin(there, broadcast, dict(zip(names, (12, 30), strict=True)))
        page = await person.opens(f"/emergency/broadcasts/{broadcast}")
        assert page.main.all("h2", id="skew-title")
        words = page.main.words
        assert "18 ms" in words
        assert "回执精度为 1 毫秒；终端尚未报告时钟误差" in words
