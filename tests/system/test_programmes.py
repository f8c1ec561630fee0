"""Programmes whole: plan, boards, sounding, as-run log, on the real server with Mosquitto and simulated speakers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broadcast.domain.as_run import Outcome
from broadcast.domain.programmes import Programme, Speech
from endpoints.delivery import State
from tests.plans import HOUR_MS, once_in
from tests.system.city import CITY, OFFICER, City, city, until

TOWN = "130281001000"
QUIET = {"RULES_QUIET_FROM": "00:00", "RULES_QUIET_UNTIL": "00:00"}  # routine sounds at whatever hour the tests run


@pytest.fixture
async def forty(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path, count=40, BROKER_ENGINE="mosquitto", BROKER_PERSISTENCE="false", **QUIET) as one:
        yield one


def soon(there: City, seconds: float, **other: object) -> Programme:
    """A spoken programme, so many seconds from now."""
    now_ms = there.server.clock.now_ms()
    return once_in(now_ms, seconds, **{"source": Speech("早上好。"), "loop": True, "length_min": 1, **other})


async def planned(there: City, seconds: float = 3, **other: object) -> str:
    """The id of its one occurrence."""
    saved = await there.server.programmes.add(soon(there, seconds, **other), by=OFFICER)
    return next(one.id for one in there.server.planning.boards.rows.values() if one.programme == saved.programme)


async def outcomes(there: City, order: str) -> dict[Outcome, int]:
    now_ms = there.server.clock.now_ms()
    record = there.server.planning.as_run
    runs = await record.runs(by=OFFICER, area=CITY, from_ms=now_ms - HOUR_MS, until_ms=now_ms + HOUR_MS)
    return next(dict(run.counts) for run in runs if run.broadcast.id == order)


async def test_what_is_planned_sounds_at_its_time_everywhere_and_is_in_the_record(forty: City) -> None:
    order = await planned(forty)
    await until(lambda: forty.simulator.sounding == 40, "40 sound")
    await forty.all_in(order, State.SOUNDING)
    assert await outcomes(forty, order) == {Outcome.ON_TIME: 40}
    due_ms = forty.server.planning.boards.rows[order].order.not_before_ms
    started = [row.started_ms - due_ms for row in forty.server.ladder.rows(order) or ()]
    assert max(started) < 500
    await asyncio.sleep(0)
