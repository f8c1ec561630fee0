from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.said_times import instant_of, is_time
from broadcast.domain.templates import moment

NOW = datetime(2026, 11, 23, 22, 5)  # noqa: DTZ001  local time as words


@pytest.mark.parametrize(
    "words",
    [
        "今天20时", "明天8时30分", "11月24日8时", "2027年1月1日0时", "今晚8点半", "明日上午", "现在", "即日起", "未来3小时内",
        "今天20时至明天8时", "11月24日8时30分至12时", "今天、明天20时", "两小时后", "3小时内", "20:30",
        "周六下午3点", "下周一8时前", "每天6时到22时", "另行通知", "今天　20时", "２０时", "10月1日至7日",
        "八点一刻", "半小时内", "今天夜间到明天白天", "24日20时起", "刚才",
    ],
)  # fmt: skip
def test_what_people_write_for_a_time_is_one(words: str) -> None:
    assert is_time(words)


@pytest.mark.parametrize(
    "words",
    ["尽快", "沙河", "至", "，", "起", "", " ", "今天20时作废", "请转移", "20", "明天8时。请不要转移", "{when}", "<b>今天</b>",
     "soon",
     "长" * 40, "不会", "今天20时请听从指挥"],
)  # fmt: skip
def test_what_is_no_time_is_none(words: str) -> None:
    assert not is_time(words)


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("今天20时", NOW.replace(hour=20, minute=0)),
        ("20时30分", NOW.replace(hour=20, minute=30)),
        ("昨天8时", NOW.replace(day=22, hour=8, minute=0)),
        ("今晚8点半", NOW.replace(hour=20, minute=30)),
        ("明天下午3:15", NOW.replace(day=24, hour=15, minute=15)),
        ("今天24时", NOW.replace(day=24, hour=0, minute=0)),
        ("1月2日8时", datetime(2027, 1, 2, 8)),  # noqa: DTZ001
        ("9月1日8时", datetime(2026, 9, 1, 8)),  # noqa: DTZ001
        ("2026年1月2日8时", datetime(2026, 1, 2, 8)),  # noqa: DTZ001
        ("2月30日8时", None),
        ("25时", None),
        ("今天20时至明天8时", None),
        ("未来3小时内", None),
        ("另行通知", None),
    ],
)
def test_one_instant_is_read_as_it_is_meant(words: str, at: datetime | None) -> None:
    assert instant_of(words, now=NOW) == at


@given(st.integers(-180 * 24 * 60, 180 * 24 * 60))
def test_what_the_clock_says_for_an_instant_is_that_instant(minutes: int) -> None:
    at = NOW + timedelta(minutes=minutes)
    assert is_time(moment(at, now=NOW))
    assert instant_of(moment(at, now=NOW), now=NOW) == at


@given(st.text(max_size=60))
def test_whatever_is_typed_gets_an_answer(words: str) -> None:
    is_time(words)
    instant_of(words, now=NOW)


def test_a_long_run_of_figures_takes_no_long_time() -> None:
    assert not is_time("1" * 40 + "x") and not is_time("十" * 40 + "x") and not is_time("1时" * 20 + "x")
