"""No path leads from an exercise (演练) to a live topic: a whole session on a real server and broker, every publish looked at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from broadcast.domain.approval_policy import Demand, Policy, Rule
from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.drills import Script
from broadcast.domain.live import OpenLive
from broadcast.domain.officers import Officer, Role
from broadcast.domain.plans import Plan
from broadcast.domain.rights import ExerciseOnly
from broadcast.domain.templates import Filling
from broadcast.service.plans import Start
from broadcast.service.ports import Account, Tx
from endpoints.delivery import State
from endpoints.live_packets import open_packet
from endpoints.protocol import EXERCISE_ROOT, LIVE_ROOT, Kind, Severity
from endpoints.sealing import Message, NotAuthentic, TrustStore
from tests.system.city import CITY, OFFICER, City, city, until

AUTHOR = Officer("trainee", "新人", Role.DUTY, CITY, exercise_only=True, must_drill=True)
SECOND = Officer("second", "审批", Role.APPROVER, CITY, must_drill=True)
EXERCISE = StartBroadcast(
    kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,), text="洪水", minutes=5, repeats=1, exercise=True
)
EVERYTHING_BY_TWO = Policy((Rule(Demand.SECOND_PERSON),))
PLAN = Plan(
    "",
    "洪水演练",
    "",
    StartBroadcast(kind=Kind.EMERGENCY, areas=(CITY,), minutes=5, repeats=1),
    template="flood",
    filling=Filling(Severity.RED, values={"river": "沙河"}),
)
# clocks are told the time and boxes their settings whenever they come; neither is an order
TOLD_TO_BOXES = {"time", "setup"}
MESSAGES = {"board": Message.BOARD, "time": Message.TIME, "head": Message.STREAM, "setup": Message.SETUP}


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path, count=3, exercise=4, RULES_SECOND_PERSON="true") as found:
        accounts = [Account(officer, "x") for officer in (AUTHOR, SECOND)]

        def furnish(tx: Tx) -> None:
            for account in accounts:
                tx.accounts.add(account)

        await found.server.store.write(furnish)
        yield found


async def session(there: City) -> set[str]:
    """Everything that can be done in an exercise, by two who may do nothing live; the ids of what sounded."""
    server = there.server
    approvals, plans, drills = server.governance.approvals, server.governance.plans, server.governance.drills
    sounded: set[str] = set()

    async def agreed(approval: str) -> str:
        request = await approvals.get(approval, by=SECOND)
        outcome = await approvals.approve(approval, heard=request.sound.asset, digest=request.digest, by=SECOND)
        sounded.add(outcome.ids[0])
        return outcome.ids[0]

    # approvals, in an exercise too: approved, corrected, cleared; broken; returned
    one = await agreed((await approvals.submit(EXERCISE, by=AUTHOR)).approval)
    await there.all_in(one, State.SOUNDING, State.DONE)
    update = await approvals.submit(replace(EXERCISE, text="更正后的洪水"), by=AUTHOR, replaces=one)
    two = await agreed(update.approval)
    correction = await server.endings.correct(two, by=AUTHOR)
    clear = await server.endings.all_clear(correction.ids[0], by=AUTHOR, areas=("130281100000",))
    rest = await server.endings.all_clear(correction.ids[0], by=AUTHOR)
    sounded.update((correction.ids[0], clear.ids[0], rest.ids[0]))
    asked = (await approvals.submit(replace(EXERCISE, text="破例"), by=AUTHOR)).approval
    glass = (await approvals.break_glass(asked, reason="演练破例", by=AUTHOR)).ids[0]
    await approvals.review(asked, justified=True, note="演练", by=SECOND)
    back = (await approvals.submit(replace(EXERCISE, text="退回"), by=AUTHOR)).approval
    await approvals.send_back(back, reason="写清地点", by=SECOND)
    # plans and drills, with the policy that asks nobody in an exercise
    await server.governance.policy.save(Policy((Rule(Demand.NONE),)), by=OFFICER, revision=1)
    plan = (await plans.add(PLAN, by=AUTHOR)).plan.id
    started = (await plans.start(plan, Start(exercise=True), by=AUTHOR)).ids[0]
    run = await drills.hold(Script("汛期演练", plan), by=AUTHOR)
    await there.all_in(run.broadcast, State.SOUNDING, State.DONE, State.INTERRUPTED)
    await drills.acknowledge(run.id, by=SECOND)
    await drills.end(run.id, by=AUTHOR)
    sounded.update((glass, started, run.broadcast))
    await server.broadcasts.stop(started, by=AUTHOR)
    # a microphone
    view = await server.live.prepare(OpenLive((CITY,), minutes=1, exercise=True), by=AUTHOR)
    view = await server.live.open(view.id, by=AUTHOR)
    for _ in range(20):
        server.live.feed_pcm(view.id, b"\1\0" * 960, by=AUTHOR)
        await asyncio.sleep(0.02)
    await server.broadcasts.stop_all(by=AUTHOR)
    await until(lambda: not server.live.all(), "the microphone is closed")
    return sounded


async def test_a_whole_session_stays_under_the_exercise_s_root_and_its_key(there: City) -> None:
    server, told = there.server, list[tuple[str, bytes]]()
    await server.governance.policy.save(EVERYTHING_BY_TWO, by=OFFICER, revision=0)
    publish = server.wire.publish

    def looked_at(topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> "asyncio.Future[None]":
        told.append((topic, payload))
        return publish(topic, payload, qos, retain)

    server.wire.publish = looked_at  # type: ignore[method-assign]
    sounded = await session(there)
    exercise = [(topic, frame) for topic, frame in told if topic.startswith(f"{EXERCISE_ROOT}/")]
    live = [topic for topic, _ in told if not topic.startswith(f"{EXERCISE_ROOT}/")]
    assert {topic.split("/")[2] for topic in live} <= TOLD_TO_BOXES
    kinds = {topic.split("/")[2] for topic, _ in exercise}
    assert {"board", "live"} <= kinds
    trust = TrustStore(server.provisioning().keys)
    (key,) = [one for one in trust.keys if one.exercise]
    for topic, frame in exercise:
        if not frame:
            continue  # a head that is taken back
        levels = topic.split("/")
        if levels[2] == "live" and levels[-1] != "head":
            open_packet(frame, exercise=True, key=key)
            continue
        message = MESSAGES[levels[-1] if levels[2] == "live" else levels[2]]
        assert trust.open(frame, message, exercise=True).key == key, topic
        with pytest.raises(NotAuthentic):
            trust.open(frame, message, exercise=False)
    # and nobody of the live speakers has ever heard of it
    names = {one.id for one in server.estate.speakers.values() if not one.exercise}
    for broadcast in sounded:
        rows = await server.store.read(lambda tx, name=broadcast: tx.reports.of(name))
        assert not names & {row.speaker for row in rows}
        kept = await server.store.read(lambda tx, name=broadcast: tx.broadcasts.get(name))
        assert kept is not None
        assert kept.order.exercise
    passed = await server.store.read(lambda tx: tx.accounts.get(AUTHOR.name))
    assert passed is not None
    assert not passed.officer.must_drill  # the drill was passed


async def test_who_is_here_for_exercises_begins_nothing_live_by_any_way(there: City) -> None:
    server = there.server
    approvals, plans = server.governance.approvals, server.governance.plans
    live = replace(EXERCISE, exercise=False)
    plan = (await plans.add(PLAN, by=AUTHOR)).plan.id
    told = list[str]()
    publish = server.wire.publish

    def looked_at(topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> "asyncio.Future[None]":
        told.append(topic)
        return publish(topic, payload, qos, retain)

    server.wire.publish = looked_at  # type: ignore[method-assign]
    one = (await approvals.submit(EXERCISE, by=AUTHOR)).ids[0]
    for attempt in (
        lambda: approvals.submit(live, by=AUTHOR),
        lambda: approvals.submit(live, by=AUTHOR, replaces=one),
        lambda: server.broadcasts.start(live, by=AUTHOR),
        lambda: server.broadcasts.update(one, live, by=AUTHOR),
        lambda: plans.start(plan, Start(), by=AUTHOR),
        lambda: server.live.prepare(OpenLive((CITY,)), by=AUTHOR),
    ):
        with pytest.raises(ExerciseOnly):
            await attempt()
    with suppress(ExerciseOnly):
        await server.broadcasts.stop_all(by=AUTHOR)
    assert {topic.split("/")[2] for topic in told if topic.startswith(f"{LIVE_ROOT}/")} <= TOLD_TO_BOXES
