"""Points of a drill, and what is wrong with scripts, plans and drafts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.drafts import MAX_BYTES, draft_faults
from broadcast.domain.drills import POINTS, Acknowledged, Run, Script, Seen, score, script_faults
from broadcast.domain.plans import OwnPlan, Plan, PlanVersion, approved, cards, lies_inside
from endpoints.protocol import Kind

A, B = "130281100000", "130281101000"
RUN = Run("r", Script("演练", "p", started_within_s=30, acknowledged_within_s=60), "b", "wang", A, 1_000, 61_000)
GOOD = Seen(A, True, 2_000, None)


def points(*seen: Seen, run: Run = RUN, officers: dict[str, int] | None = None) -> dict[str, int]:
    return {one.township: one.points for one in score(run, seen, officers or {})[0]}


def test_a_township_in_which_everything_came_back_has_all_points_and_one_in_which_nothing_did_has_none() -> None:
    assert points(GOOD, Seen(B, False, 0, None)) == {A: 100, B: 0}
    assert score(RUN, [], {}) == ((), 0)


def test_too_late_is_not_in_time() -> None:
    assert points(replace(GOOD, started_ms=31_000)) == {A: 100}
    assert points(replace(GOOD, started_ms=31_001)) == {A: 100 * POINTS["online"] // 60}
    late = replace(RUN, acknowledged=(Acknowledged("li", A, 61_001),))
    in_time = replace(RUN, acknowledged=(Acknowledged("li", A, 61_000),))
    assert points(GOOD, run=late, officers={A: 1}) == {A: 75}
    assert points(GOOD, run=in_time, officers={A: 1}) == {A: 100}


def test_an_ear_that_heard_something_else_costs_points_and_none_costs_nothing() -> None:
    assert points(replace(GOOD, proved=True)) == {A: 100}
    assert points(replace(GOOD, proved=False)) == {A: 75}


@given(
    st.lists(
        st.builds(
            Seen,
            township=st.sampled_from([A, B]),
            online=st.booleans(),
            started_ms=st.integers(0, 70_000),
            proved=st.sampled_from([None, True, False]),
        ),
        max_size=20,
    ),
    st.dictionaries(st.sampled_from([A, B]), st.integers(0, 3)),
)
def test_points_stay_between_nothing_and_all_and_count_every_speaker_once(
    seen: list[Seen], officers: dict[str, int]
) -> None:
    scores, percent = score(RUN, seen, officers)
    assert all(0 <= one.points <= 100 for one in scores)
    assert 0 <= percent <= 100
    assert sum(one.speakers for one in scores) == len(seen)
    assert not replace(RUN, scores=scores, percent=100).passed  # it has not ended


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "字" * 41}, "title"),
        ({"started_within_s": 4}, "started_within_s"),
        ({"acknowledged_within_s": 3_601}, "acknowledged_within_s"),
        ({"least_percent": 101}, "least_percent"),
    ],
)
def test_a_script_is_refused_at_its_field(change: dict[str, object], field: str) -> None:
    assert [fault.field for fault in script_faults(replace(RUN.script, **change))] == [field]  # type: ignore[arg-type]


def test_the_approved_version_is_started_until_the_plan_is_retired() -> None:
    plan = Plan("p", "洪水", A, StartBroadcast(kind=Kind.EMERGENCY, areas=(A,)))
    one = PlanVersion(plan, 1, 0, "wang", 5, "li")
    two = PlanVersion(plan, 2, 6, "wang")
    assert cards([two, one])["p"].approved == one
    assert cards([one, two, replace(two, revision=3, retired=True)])["p"].approved is None
    assert approved(two, by="li", at_ms=9) == replace(two, approved_by="li", approved_at_ms=9)
    assert approved(one, by="zhao", at_ms=9) == one
    with pytest.raises(OwnPlan):
        approved(two, by="wang", at_ms=9)


def test_a_part_of_a_plan_lies_inside_it() -> None:
    plan = Plan("p", "x", A, StartBroadcast(kind=Kind.EMERGENCY, areas=(A,)))
    assert lies_inside((), plan)
    assert lies_inside(("130281100201",), plan)
    assert not lies_inside((A, B), plan)
    assert not lies_inside(("130281000000",), plan)


@pytest.mark.parametrize(
    ("name", "body", "fields"),
    [
        ("emergency", "{}", []),
        ("Emergency", "{}", ["draft"]),
        ("../x", "{}", ["draft"]),
        ("a", "字" * (MAX_BYTES // 3 + 1), ["body"]),
        ("a", "x" * MAX_BYTES, []),
    ],
)
def test_a_draft_has_a_name_and_an_end(name: str, body: str, fields: list[str]) -> None:
    assert [fault.field for fault in draft_faults(name, body)] == fields
