"""Statistics: the online rate from what was observed, how fast broadcasts began, why they failed, for whom."""

import io
from typing import Any

import pytest
from openpyxl import load_workbook

from broadcast.domain.statistics import SpeakerDay
from broadcast.server.governance import PresenceHistory
from endpoints.protocol import Reason, Stage
from tests.town import CITY, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, Town, town
from tests.web.browser import machine, order

API = "/api/v1/statistics"


def history_of(there: Town) -> PresenceHistory:
    services = there.services
    return PresenceHistory(clock=there.clock, store=there.store, speakers=services.speakers, estate=services.estate)


def rows_of(there: Town) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for (_, name), row in there.store.tables.speaker_days.rows.items():
        known, online = found.get(name, (0, 0))
        found[name] = known + row.known_s, online + row.online_s
    return found


async def test_what_is_unknown_is_not_observed_and_what_is_offline_is_not_online() -> None:
    async with town() as there:
        first, second, third = sorted(there.services.estate.speakers)[:3]
        history = history_of(there)
        there.hello(first, second)
        there.services.speakers.gone(second)
        await history.tick()
        for _ in range(5):
            there.clock.advance(60)
            await history.tick()
        seen = rows_of(there)
        assert (seen[first], seen[second]) == ((300, 300), (300, 0)) and third not in seen


async def test_a_sleep_of_the_machine_and_a_lost_database_are_not_made_up() -> None:
    async with town() as there:
        first = min(there.services.estate.speakers)
        history = history_of(there)
        there.hello(first)
        await history.tick()
        there.clock.advance(7_200)
        await history.tick()
        assert rows_of(there) == {}
        for n in range(5):
            there.clock.advance(60)
            if n == 4:
                there.store.goes_away("disk full")
                with pytest.raises(Exception, match="disk full"):
                    await history.tick()
                there.store.comes_back()
            else:
                await history.tick()
        there.clock.advance(60)
        await history.tick()
        assert rows_of(there) == {first: (360, 360)}


async def filled(there: Town, client: Any) -> str:
    own = there.services.estate.inside(TOWNSHIP)
    other = there.services.estate.inside(OTHER_TOWNSHIP)
    day = there.clock.now().date().isoformat()
    rows = [SpeakerDay(day, one.id, 1_000, 900) for one in own] + [SpeakerDay(day, one.id, 1_000, 500) for one in other]
    await there.store.write(lambda tx: tx.speaker_days.add(rows))
    body = order(areas=[TOWNSHIP, OTHER_TOWNSHIP], headline="=1+1<b>")
    answer = await client.post("/api/v1/broadcasts", json=body, headers={"Idempotency-Key": "k"})
    one = str((await answer.json())["id"])
    names = sorted(s.id for s in (*own, *other))
    await there.report(one, names[1:], Stage.SOUNDING, Stage.FINISHED)
    await there.report(one, names[:1], Stage.REFUSED, reason=Reason.MUTED)
    await client.post(f"/api/v1/broadcasts/{one}/stop")
    await there.ladder.write_behind(at_once=True)
    return one


async def test_figures_are_those_of_the_asked_area_and_the_spreadsheet_says_the_same() -> None:
    async with town() as there, machine(there, DUTY) as client:
        one = await filled(there, client)
        found = await (await client.get(API)).json()
        own, other = (len(there.services.estate.inside(area)) for area in (TOWNSHIP, OTHER_TOWNSHIP))
        percent = round(100 * (own * 900 + other * 500) / (1_000 * (own + other)), 2)
        assert (found["area"], found["online"]["percent"]) == (CITY, percent)
        assert [(t["name"], t["percent"]) for t in found["townships"]] == [(TOWNSHIP, 90.0), (OTHER_TOWNSHIP, 50.0)]
        (broadcast,) = found["broadcasts"]
        assert (broadcast["broadcast"], broadcast["meant"], broadcast["began"]) == (one, own + other, own + other - 1)
        assert broadcast["ninety_ms"] is not None
        assert found["failures"] == [{"state": "refused", "reason": "muted", "count": 1}]
        part = await (await client.get(API, params={"area": OTHER_TOWNSHIP})).json()
        assert (part["online"]["percent"], part["broadcasts"][0]["meant"], part["failures"]) == (50.0, other, [])
        sheet = await client.get(f"{API}.xlsx?language=en")
        book = load_workbook(io.BytesIO(await sheet.read()))
        values = [cell.value for sheet in book for row in sheet for cell in row]
        assert percent in values and "'=1+1<b>" in values and "refused" in values


async def test_statistics_of_another_area_and_of_nonsense_are_refused() -> None:
    async with town() as there:
        async with machine(there, TOWN_DUTY) as client:
            for path in (API, f"{API}.xlsx"):
                assert (await client.get(path, params={"area": OTHER_TOWNSHIP})).status == 403
                assert (await client.get(path, params={"area": "999999999999"})).status == 404
                assert (await client.get(path, params={"from": "yesterday"})).status == 422
                long = {"from": "2026-01-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}
                assert (await client.get(path, params=long)).status == 422
            assert (await (await client.get(API)).json())["online"]["percent"] is None
        async with machine(there, None) as client:
            assert (await client.get(API)).status == 401
