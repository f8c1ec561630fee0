"""Requests, policies, plans, drafts and drills: the fake and both engines."""

from dataclasses import replace

import pytest

from broadcast.domain.approval import Request, Stage, UnknownApproval
from broadcast.domain.approval_policy import AtDeadline, Source
from broadcast.domain.broadcasts import Sound, StartBroadcast
from broadcast.domain.drafts import Draft
from broadcast.domain.drills import Acknowledged, Run, Score, Script
from broadcast.domain.plans import Plan, PlanVersion, UnknownPlan
from broadcast.domain.spoken import Bed
from broadcast.domain.templates import Filling
from broadcast.service.ports import PolicyRow, Store, StoreRefused
from endpoints.protocol import Kind, Level, Resume, Severity, Tone

COMMAND = StartBroadcast(
    kind=Kind.EMERGENCY,
    areas=("130281100000", "130281101000"),
    text='“洪水”\n<b>"转移"',
    severity=Severity.RED,
    resume=Resume.DROP,
    tone=Tone.ATTENTION,
    volume_percent=0,
    bed=Bed(b"\3" * 32, 1, 2),
    asset=b"\0" * 32,
    exercise=True,
)
REQUEST = Request(
    id="01J" + "0" * 23,
    command=COMMAND,
    sound=Sound(b"\1" * 32, 4_000, 9_000),
    digest=b"\2" * 32,
    headline="洪水",
    source=Source.PLAN,
    author="王芳",
    area="130281000000",
    level=Level.CITY,
    asked_ms=5,
    deadline_ms=9,
    at_deadline=AtDeadline.RELEASE,
    break_glass=True,
    replaces="b-1",
    plan="p-1",
    note="speech-late",
)
BROKEN = replace(
    REQUEST,
    id="01J" + "1" * 23,
    stage=Stage.BROKEN_GLASS,
    decided_by="王芳",
    decided_ms=7,
    reason="来不及",
    broadcast="b-2",
    review_by_ms=8,
)
PLAN = Plan(
    id="01J" + "2" * 23,
    title="洪水红色",
    owner="130281000000",
    command=replace(COMMAND, exercise=False, text=""),
    hotkey=1,
    template="flood",
    filling=Filling(Severity.RED, "", "", "", (0, 2), {"river": "沙河"}),
    note="沿河村庄",
)
VERSION = PlanVersion(PLAN, 1, 5, "王芳")
RUN = Run(
    id="01J" + "3" * 23,
    script=Script("汛期演练", PLAN.id, ("130281100000",), 20, 60, 90),
    broadcast="b-3",
    by="王芳",
    area="130281000000",
    began_ms=5,
    ends_ms=65,
    acknowledged=(Acknowledged("李强", "130281100000", 9),),
)


async def test_a_request_is_kept_as_it_is_and_as_it_becomes(store: Store) -> None:
    await store.write(lambda tx: (tx.approvals.add(REQUEST), tx.approvals.add(BROKEN)))
    assert await store.read(lambda tx: tx.approvals.get(REQUEST.id)) == REQUEST
    assert await store.read(lambda tx: tx.approvals.open()) == [REQUEST, BROKEN]
    seen = replace(BROKEN, reviewed_by="赵", reviewed_ms=8, review="属实", justified=True)
    done = replace(REQUEST, stage=Stage.RETURNED, decided_by="赵", decided_ms=6, reason="写清楚地点")
    await store.write(lambda tx: (tx.approvals.save(seen), tx.approvals.save(done)))
    assert await store.read(lambda tx: tx.approvals.open()) == []
    assert await store.read(lambda tx: tx.approvals.page(before=None, limit=9)) == [seen, done]
    assert await store.read(lambda tx: tx.approvals.page(before=BROKEN.id, limit=9)) == [done]
    assert await store.read(lambda tx: tx.approvals.get("x")) is None


async def test_a_request_is_added_once_and_saved_only_when_it_is_there(store: Store) -> None:
    await store.write(lambda tx: tx.approvals.add(REQUEST))
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.approvals.add(REQUEST))
    with pytest.raises(UnknownApproval):
        await store.write(lambda tx: tx.approvals.save(BROKEN))


async def test_a_policy_has_versions_that_stay(store: Store) -> None:
    one, two = PolicyRow("approval", 1, 5, "王芳", "{}"), PolicyRow("approval", 2, 6, "赵", '{"rules":[]}')
    assert await store.read(lambda tx: tx.policies.newest("approval")) is None
    await store.write(lambda tx: (tx.policies.add(one), tx.policies.add(two), tx.policies.add(one._replace(name="x"))))
    assert await store.read(lambda tx: tx.policies.newest("approval")) == two
    assert await store.read(lambda tx: tx.policies.history("approval")) == [one, two]
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.policies.add(two))


async def test_a_plan_has_versions_of_which_only_the_approval_is_written(store: Store) -> None:
    two = replace(VERSION, revision=2, plan=replace(PLAN, template="", filling=None), retired=True)
    await store.write(lambda tx: (tx.plans.add(VERSION), tx.plans.add(two)))
    seen = replace(VERSION, approved_by="赵", approved_at_ms=9)
    await store.write(lambda tx: tx.plans.approve(seen))
    assert await store.read(lambda tx: tx.plans.of(PLAN.id)) == [seen, two]
    assert await store.read(lambda tx: tx.plans.all()) == [seen, two]
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.plans.add(VERSION))
    with pytest.raises(UnknownPlan):
        await store.write(lambda tx: tx.plans.approve(replace(VERSION, revision=3)))


async def test_drafts_are_each_officer_s_own_and_the_newest_stands_first(store: Store) -> None:
    old, new, other = (
        Draft("王芳", "emergency", 1, 5, '{"a":"字"}'),
        Draft("王芳", "notice", 1, 6, "{}"),
        Draft("李强", "emergency", 1, 7, "[]"),
    )
    await store.write(lambda tx: [tx.drafts.save(one) for one in (old, new, other)])
    assert await store.read(lambda tx: tx.drafts.of("王芳")) == [new, old]
    later = replace(old, revision=2, saved_at_ms=8, body="{}")
    await store.write(lambda tx: tx.drafts.save(later))
    assert await store.read(lambda tx: tx.drafts.get("王芳", "emergency")) == later
    assert await store.write(lambda tx: tx.drafts.drop("王芳", "emergency"))
    assert not await store.write(lambda tx: tx.drafts.drop("王芳", "emergency"))
    await store.write(lambda tx: tx.drafts.forget_before(7))
    assert await store.read(lambda tx: (tx.drafts.of("王芳"), tx.drafts.of("李强"))) == ([], [other])


async def test_a_drill_runs_until_it_has_scores(store: Store) -> None:
    score = Score("130281100000", 3, 3, 2, True, None, 0, 87)
    await store.write(lambda tx: tx.drills.save(RUN))
    assert await store.read(lambda tx: tx.drills.running()) == [RUN]
    done = replace(RUN, ended_ms=70, scores=(score,), percent=87)
    await store.write(lambda tx: tx.drills.save(done))
    assert await store.read(lambda tx: (tx.drills.running(), tx.drills.get(RUN.id))) == ([], done)
    assert await store.read(lambda tx: tx.drills.page(before=None, limit=5)) == [done]
    assert await store.read(lambda tx: tx.drills.page(before=RUN.id, limit=5)) == []
