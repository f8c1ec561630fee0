"""The second person's agreement: the policy's table, and every way in which a request can end."""

from contextlib import suppress
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.approval import (
    ON_AIR,
    REVIEW_WITHIN_MS,
    ApprovalOver,
    GlassUnbreakable,
    NothingToReview,
    NotTheAuthor,
    NotWhatWaits,
    OwnRequest,
    Request,
    Stage,
    approve,
    break_glass,
    digest_of,
    expire,
    reject,
    review,
    send_back,
    withdraw,
)
from broadcast.domain.approval_policy import (
    ALONE,
    DEFAULT,
    SAFEST,
    Asked,
    AtDeadline,
    Demand,
    Policy,
    Rule,
    Source,
    asked_of,
    policy_faults,
)
from broadcast.domain.area_import import read_table
from broadcast.domain.broadcasts import Fault, InvalidRequest, Sound, StartBroadcast
from broadcast.domain.commands import command_of, command_text
from broadcast.domain.errors import BroadcastError
from broadcast.domain.spoken import Bed
from config.areas import load_packaged
from endpoints.area_codes import TOWNSHIP, depth
from endpoints.protocol import Kind, Level, Resume, Severity, Tone

CITY, TOWN, VILLAGE = "130281000000", "130281100000", "130281100201"
TREE = read_table(load_packaged("130281"))
RED = StartBroadcast(kind=Kind.EMERGENCY, areas=(CITY,), text="洪水", severity=Severity.RED)
SOUND = Sound(b"\1" * 32, 4_000, 9_000)
ASKED, DEADLINE = 1_000_000, 1_600_000
WAITING = Request(
    id="r",
    command=RED,
    sound=SOUND,
    digest=digest_of(RED, SOUND, level=Level.CITY, replaces=""),
    headline="洪水",
    source=Source.TEXT,
    author="wang",
    area=CITY,
    level=Level.CITY,
    asked_ms=ASKED,
    deadline_ms=DEADLINE,
    at_deadline=AtDeadline.REFUSE,
    break_glass=True,
)
NOW = ASKED + 5_000


def demand(
    command: StartBroadcast, *, level: Level = Level.CITY, source: Source = Source.TEXT, policy: Policy = DEFAULT
) -> Demand:
    return policy.rule_for(asked_of(command, level=level, source=source, tree=TREE, homes=())).demand


# ---- the table ----------------------------------------------------------------------------------------------------------------

ONE = Demand.NONE
TWO = Demand.SECOND_PERSON


@pytest.mark.parametrize(
    ("change", "level", "source", "wanted"),
    [
        ({"kind": Kind.ROUTINE, "severity": Severity.UNKNOWN}, Level.CITY, Source.TEXT, ONE),
        ({"kind": Kind.NOTICE, "severity": Severity.UNKNOWN}, Level.TOWNSHIP, Source.TEXT, ONE),
        ({}, Level.CITY, Source.TEXT, TWO),
        ({"areas": (TOWN,), "severity": Severity.ORANGE}, Level.CITY, Source.TEXT, TWO),
        ({"areas": (TOWN,), "severity": Severity.YELLOW}, Level.CITY, Source.TEXT, ONE),
        ({"areas": (CITY,), "severity": Severity.BLUE}, Level.CITY, Source.TEXT, TWO),
        ({"areas": (TOWN,), "severity": Severity.BLUE}, Level.TOWNSHIP, Source.TEXT, TWO),
        ({"areas": (VILLAGE,), "severity": Severity.BLUE}, Level.VILLAGE, Source.TEXT, TWO),
        ({}, Level.CITY, Source.PLAN, ONE),
        ({}, Level.CITY, Source.PINNED, Demand.AUTO_START),
        ({"exercise": True}, Level.TOWNSHIP, Source.TEXT, ONE),
        ({"exercise": True, "life_safety": True}, Level.CITY, Source.TEXT, ONE),
    ],
)
def test_the_table_as_delivered(change: dict[str, object], level: Level, source: Source, wanted: Demand) -> None:
    assert demand(replace(RED, **change), level=level, source=source) is wanted  # type: ignore[arg-type]


def test_all_but_one_township_is_as_wide_as_all() -> None:
    townships = tuple(one.code for one in TREE if depth(one.code) == TOWNSHIP)
    assert len(townships) == 27
    mild = replace(RED, severity=Severity.BLUE)
    assert demand(replace(mild, areas=townships[1:])) is TWO
    assert demand(replace(mild, areas=townships[:2])) is TWO
    assert demand(replace(mild, areas=townships[:1])) is ONE


def test_single_speakers_count_where_they_stand() -> None:
    mild = replace(RED, severity=Severity.BLUE, areas=(), speakers=("s-1", "s-2"))
    near = asked_of(mild, level=Level.CITY, source=Source.TEXT, tree=TREE, homes=(TOWN, VILLAGE))
    far = asked_of(mild, level=Level.CITY, source=Source.TEXT, tree=TREE, homes=(TOWN, "130281101000"))
    assert (near.wide, far.wide) == (False, True)


asked = st.builds(
    Asked,
    level=st.sampled_from(Level),
    kind=st.sampled_from(Kind),
    severity=st.sampled_from(Severity),
    wide=st.booleans(),
    source=st.sampled_from(Source),
    exercise=st.booleans(),
)
rules = st.builds(
    Rule,
    demand=st.sampled_from(Demand),
    exercise=st.sampled_from([None, True, False]),
    sources=st.lists(st.sampled_from(Source), unique=True).map(tuple),
    kinds=st.lists(st.sampled_from(Kind), unique=True).map(tuple),
    wide=st.sampled_from([None, True, False]),
)


@given(st.lists(rules, max_size=5).map(lambda found: Policy(tuple(found))), asked)
def test_whatever_the_table_says_only_a_pinned_source_starts_itself(policy: Policy, one: Asked) -> None:
    assert policy.rule_for(one).demand is not Demand.AUTO_START or one.source is Source.PINNED


@given(asked)
def test_an_empty_table_opens_nothing(one: Asked) -> None:
    assert Policy(()).rule_for(one) is SAFEST
    assert ALONE.rule_for(one).demand is Demand.NONE


def test_a_table_that_lets_free_text_start_itself_is_refused() -> None:
    bad = Policy((Rule(Demand.AUTO_START), Rule(Demand.NONE, within_s=1)))
    assert [(fault.field, fault.code) for fault in policy_faults(bad)] == [
        ("rules.0.demand", "only-for-pinned"),
        ("rules.1.within_s", "out-of-range"),
    ]
    assert policy_faults(DEFAULT) == []
    assert policy_faults(Policy(())) == [Fault("rules", "missing")]


# ---- the machine --------------------------------------------------------------------------------------------------------------


def test_who_heard_and_read_it_approves() -> None:
    done = approve(WAITING, by="li", heard=SOUND.asset, digest=WAITING.digest, now_ms=NOW)
    assert done == replace(WAITING, stage=Stage.APPROVED, decided_by="li", decided_ms=NOW)


@pytest.mark.parametrize(
    ("heard", "digest"), [(b"", WAITING.digest), (b"\2" * 32, WAITING.digest), (SOUND.asset, b""), (SOUND.asset, b"x")]
)
def test_what_was_not_heard_or_read_is_not_approved(heard: bytes, digest: bytes) -> None:
    with pytest.raises(NotWhatWaits):
        approve(WAITING, by="li", heard=heard, digest=digest, now_ms=NOW)


def test_nobody_is_the_second_person_to_themselves() -> None:
    for act in (
        lambda: approve(WAITING, by="wang", heard=SOUND.asset, digest=WAITING.digest, now_ms=NOW),
        lambda: reject(WAITING, by="wang", reason="不对", now_ms=NOW),
        lambda: send_back(WAITING, by="wang", reason="不对", now_ms=NOW),
    ):
        with pytest.raises(OwnRequest):
            act()


@pytest.mark.parametrize("reason", ["", " ", "x", "字" * 301, "a\0b"])
def test_turning_down_needs_a_reason(reason: str) -> None:
    for act in (reject, send_back):
        with pytest.raises(InvalidRequest):
            act(WAITING, by="li", reason=reason, now_ms=NOW)
    with pytest.raises(InvalidRequest):
        break_glass(WAITING, by="wang", reason=reason, now_ms=NOW)


def test_only_the_author_takes_it_back_or_breaks_the_glass() -> None:
    assert withdraw(WAITING, by="wang", now_ms=NOW).stage is Stage.WITHDRAWN
    with pytest.raises(NotTheAuthor):
        withdraw(WAITING, by="li", now_ms=NOW)
    with pytest.raises(NotTheAuthor):
        break_glass(WAITING, by="li", reason="来不及", now_ms=NOW)
    with pytest.raises(GlassUnbreakable):
        break_glass(replace(WAITING, break_glass=False), by="wang", reason="来不及", now_ms=NOW)


def test_a_broken_glass_is_looked_at_by_somebody_else_within_half_an_hour() -> None:
    broken = break_glass(WAITING, by="wang", reason="河堤正在决口", now_ms=NOW)
    assert (broken.stage, broken.review_by_ms, broken.wants_review) == (
        Stage.BROKEN_GLASS,
        NOW + REVIEW_WITHIN_MS,
        True,
    )
    with pytest.raises(OwnRequest):
        review(broken, by="wang", justified=True, note="应当", now_ms=NOW)
    seen = review(broken, by="li", justified=True, note="情况属实", now_ms=NOW + 60_000)
    assert (seen.wants_review, seen.justified, seen.reviewed_by) == (False, True, "li")
    with pytest.raises(NothingToReview):
        review(seen, by="zhao", justified=False, note="再看", now_ms=NOW)


def test_a_deadline_refuses_or_releases_as_the_policy_says() -> None:
    assert expire(WAITING, now_ms=DEADLINE - 1) is WAITING
    assert expire(WAITING, now_ms=DEADLINE).stage is Stage.REFUSED
    assert expire(replace(WAITING, at_deadline=AtDeadline.RELEASE), now_ms=DEADLINE).stage is Stage.RELEASED
    with pytest.raises(ApprovalOver):
        approve(WAITING, by="li", heard=SOUND.asset, digest=WAITING.digest, now_ms=DEADLINE)


ACTS = st.tuples(
    st.sampled_from(["approve", "reject", "send_back", "withdraw", "break", "expire", "review"]),
    st.sampled_from(["wang", "li", "zhao"]),
    st.integers(0, 700_000),
    st.booleans(),
)


@given(st.lists(ACTS, max_size=12), st.sampled_from(AtDeadline), st.booleans())
def test_nothing_gets_on_the_air_by_its_author_s_own_approval_and_nothing_gets_there_twice(
    acts: list[tuple[str, str, int, bool]], at_deadline: AtDeadline, glass: bool
) -> None:
    one = replace(WAITING, at_deadline=at_deadline, break_glass=glass)
    now, went = ASKED, 0
    for act, by, later, right in acts:
        now, before = now + later, one
        heard = SOUND.asset if right else b"?"
        with suppress(BroadcastError):
            match act:
                case "approve":
                    one = approve(one, by=by, heard=heard, digest=one.digest, now_ms=now)
                case "reject":
                    one = reject(one, by=by, reason="不对", now_ms=now)
                case "send_back":
                    one = send_back(one, by=by, reason="不对", now_ms=now)
                case "withdraw":
                    one = withdraw(one, by=by, now_ms=now)
                case "break":
                    one = break_glass(one, by=by, reason="来不及", now_ms=now)
                case "expire":
                    one = expire(one, now_ms=now)
                case "review":
                    one = review(one, by=by, justified=True, note="属实", now_ms=now)
        went += before.stage is Stage.WAITING and one.stage in ON_AIR
        assert before.stage is Stage.WAITING or one.stage is before.stage
        assert (one.command, one.sound, one.digest, one.author) == (WAITING.command, SOUND, WAITING.digest, "wang")
    assert went <= 1
    if one.stage is Stage.APPROVED:
        assert one.decided_by not in ("", "wang")
        assert one.decided_ms < DEADLINE
    if one.stage is Stage.BROKEN_GLASS:
        assert glass
        assert one.reason
        assert one.review_by_ms
    if one.stage is Stage.RELEASED:
        assert at_deadline is AtDeadline.RELEASE


# ---- what it is bound to ------------------------------------------------------------------------------------------------------

OTHERS: dict[str, object] = {
    "kind": Kind.NOTICE,
    "areas": (TOWN,),
    "text": "别的",
    "headline": "别的",
    "severity": Severity.BLUE,
    "excluded": (TOWN,),
    "speakers": ("s-1",),
    "not_before_ms": 5,
    "not_after_ms": 6,
    "minutes": 31,
    "repeats": 3,
    "gap_ms": 1,
    "resume": Resume.DROP,
    "tone": Tone.CHIME,
    "closing": Tone.CHIME,
    "volume_percent": 50,
    "life_safety": True,
    "exercise": True,
    "asset": b"\7" * 32,
    "voice": "kokoro",
    "rate": 200,
    "bed": Bed(b"\7" * 32),
}


def test_whatever_else_is_asked_has_another_digest() -> None:
    assert OTHERS.keys() == {field.name for field in fields(StartBroadcast)} - {"heard"}
    known = {digest_of(RED, SOUND, level=Level.CITY, replaces="")}
    known |= {
        digest_of(RED, replace(SOUND, asset=b"\2" * 32), level=Level.CITY, replaces=""),
        digest_of(RED, SOUND, level=Level.TOWNSHIP, replaces=""),
        digest_of(RED, SOUND, level=Level.CITY, replaces="b-1"),
    }
    for name, value in OTHERS.items():
        other = replace(RED, **{name: value})  # type: ignore[arg-type]
        known.add(digest_of(other, SOUND, level=Level.CITY, replaces=""))
    assert len(known) == 4 + len(OTHERS)


@pytest.mark.parametrize("name", OTHERS)
def test_a_command_is_kept_as_it_is(name: str) -> None:
    one = replace(RED, **{name: OTHERS[name]})  # type: ignore[arg-type]
    assert command_of(command_text(one)) == one


def test_a_text_that_is_no_command_is_refused() -> None:
    for text in ('{"kind": 3, "areas": [], "severity": 0, "excluded": [], "speakers": [], "more": 1}', "{}", "[]"):
        with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
            command_of(text)
