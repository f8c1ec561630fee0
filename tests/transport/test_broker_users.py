"""Accounts and access lists, as text and as rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.transport.broker_users import (
    BadBrokerUser,
    BrokerUser,
    acl_lines,
    as_json,
    check_password,
    covers,
    hash_password,
    password_lines,
    server_user,
    speaker_user,
)

SPEAKER = speaker_user("s-1", "secret", ("130281000000",))


def test_a_speaker_costs_one_line_for_each_area() -> None:
    assert acl_lines([SPEAKER]).splitlines()[-2:] == ["user s-1", "topic read +/v1/+/130281000000"]


def test_what_is_everybodys_own_is_written_once_for_all() -> None:
    assert acl_lines([]).splitlines() == [
        "pattern read eb/v1/board/%u",
        "pattern read eb/v1/programme/%u",
        "pattern read eb/v1/time/%u",
        "pattern read eb/v1/setup/%u",
        "pattern read ex/v1/board/%u",
        "pattern read ex/v1/programme/%u",
        "pattern read ex/v1/time/%u",
        "pattern read ex/v1/setup/%u",
        "pattern read eb/v1/live/#",
        "pattern read ex/v1/live/#",
        "pattern write eb/v1/report/%u",
        "pattern write eb/v1/hello/%u",
        "pattern write eb/v1/gone/%u",
        "pattern write eb/v1/ping/%u",
        "pattern write eb/v1/stock/%u",
        "pattern write eb/v1/proof/%u",
        "pattern write eb/v1/about/%u",
        "pattern write ex/v1/report/%u",
        "pattern write ex/v1/hello/%u",
        "pattern write ex/v1/gone/%u",
        "pattern write ex/v1/ping/%u",
        "pattern write ex/v1/stock/%u",
        "pattern write ex/v1/proof/%u",
        "pattern write ex/v1/about/%u",
    ]


def test_the_server_reads_and_writes_both_roots_and_reads_the_brokers_own_numbers() -> None:
    assert acl_lines([server_user("lianbo", "x")]).splitlines()[-4:] == [
        "user lianbo",
        "topic readwrite eb/#",
        "topic readwrite ex/#",
        "topic read $SYS/#",
    ]


def test_amqtt_gets_the_same_rules_with_the_name_filled_in() -> None:
    rules = as_json([SPEAKER])["s-1"]
    assert rules["write"] == [
        f"{root}/v1/{kind}/s-1"
        for root in ("eb", "ex")
        for kind in ("report", "hello", "gone", "ping", "stock", "proof", "about")
    ]
    assert rules["read"] == [
        "eb/v1/board/s-1",
        "eb/v1/programme/s-1",
        "eb/v1/time/s-1",
        "eb/v1/setup/s-1",
        "ex/v1/board/s-1",
        "ex/v1/programme/s-1",
        "ex/v1/time/s-1",
        "ex/v1/setup/s-1",
        "eb/v1/live/#",
        "ex/v1/live/#",
        "+/v1/+/130281000000",
    ]


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a\nuser lianbo", "-x", "名", "x" * 65, "+", "s/1"])
def test_a_name_that_would_break_the_files_is_refused(name: str) -> None:
    with pytest.raises(BadBrokerUser):
        BrokerUser(name, "x")


@pytest.mark.parametrize("one", ["", "eb/#\ntopic readwrite #", "a b", "\0"])
def test_a_filter_that_would_break_the_files_is_refused(one: str) -> None:
    with pytest.raises(BadBrokerUser):
        BrokerUser("s-1", "x", read=(one,))


def test_a_password_is_recognised_and_another_is_not() -> None:
    hashed = hash_password("secret")
    assert check_password("secret", hashed)
    assert not check_password("Secret", hashed)
    assert not check_password("secret", "secret")


def test_a_password_that_is_hashed_already_is_kept_as_it_is() -> None:
    hashed = hash_password("secret")
    assert password_lines([BrokerUser("s-1", hashed)]) == f"s-1:{hashed}\n"


def test_no_password_stands_in_a_repr() -> None:
    assert "secret" not in repr(SPEAKER)


@pytest.mark.parametrize(
    ("allowed", "wanted", "good"),
    [
        ("eb/#", "eb/v1/board/1", True),
        ("eb/#", "eb/#", True),
        ("eb/#", "eb", True),
        ("eb/#", "#", False),
        ("eb/#", "ex/v1", False),
        ("eb/v1/board/1", "eb/v1/board/1", True),
        ("eb/v1/board/1", "eb/v1/board/+", False),
        ("eb/v1/board/1", "eb/v1/board/1/2", False),
        ("eb/v1/board/1", "eb/v1/board", False),
        ("+/v1/board/1", "+/v1/board/1", True),
        ("+/v1/board/1", "#", False),
        ("#", "$SYS/broker", False),
        ("+/broker", "$SYS/broker", False),
        ("$SYS/#", "$SYS/broker/#", True),
    ],
)
def test_a_filter_is_allowed_when_all_it_matches_is(allowed: str, wanted: str, good: bool) -> None:
    assert covers(allowed, wanted) is good


levels = st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=4)


@given(levels, levels, st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4))
def test_what_an_allowed_filter_matches_its_rule_matches_too(
    rule: list[str], wanted: list[str], topic: list[str]
) -> None:
    if covers("/".join(rule), "/".join(wanted)) and _matches(wanted, topic):
        assert _matches(rule, topic)


def _matches(levels: list[str], topic: list[str]) -> bool:
    return len(levels) == len(topic) and all(one in ("+", other) for one, other in zip(levels, topic, strict=True))
