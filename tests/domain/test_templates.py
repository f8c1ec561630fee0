"""Warning templates: locked text, gaps in one order, nothing compulsory left out; the ends of an alert, ready beforehand."""

from datetime import datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.broadcasts import MAX_TEXT, Broadcast, Fault
from broadcast.domain.templates import (
    COMPULSORY,
    LEVELS,
    BadTemplate,
    Filling,
    GapKind,
    Template,
    Worded,
    ending_of,
    fill,
    moment,
    read_template,
    read_templates,
)
from config.templates import packaged_templates
from endpoints.protocol import Band, Kind, Level, Order, Severity

TEMPLATES = {one.id: one for one in read_templates(packaged_templates())}
EXAMPLE = {GapKind.TEXT: "沙河", GapKind.NUMBER: "5", GapKind.PHONE: "0315-6612345"}
ISSUER = "遵化市应急指挥部"
NOW = datetime(2026, 11, 23, 22, 5)  # noqa: DTZ001  local time as words
WHOLE = ("issuer", "level", "place", "when", "river", "actions", "until")

FLOOD: dict[str, object] = {
    "event": ["洪水预警", "Flood"],
    "kind": "emergency",
    "severities": ["red"],
    "body": "{issuer}发布洪水{level}预警。{place}，{when}，{river}涨水。{actions}{until}",
    "actions": [["请转移。", "Move."]],
    "gaps": {"river": {"kind": "text", "title": ["河流", "River"], "most": 10}},
}


def filling(template: Template, **change: object) -> Filling:
    whole: dict[str, object] = {
        "severity": template.severities[0] if template.severities else Severity.UNKNOWN,
        "place": "西留村乡",
        "when": "今天20时",
        "until": "明天8时",
        "actions": (0,),
        "values": {gap.name: EXAMPLE[gap.kind] for gap in template.gaps},
    }
    return Filling(**(whole | change))  # type: ignore[arg-type]


def worded(template: Template, chosen: Filling) -> Worded:
    found = fill(template, chosen, issuer=ISSUER, now=NOW)
    assert isinstance(found, Worded), found
    return found


def faults(template: Template, chosen: Filling) -> list[tuple[str, str]]:
    found = fill(template, chosen, issuer=ISSUER, now=NOW)
    assert isinstance(found, list), found
    return [(fault.field, fault.code) for fault in found]


def test_every_warning_that_a_county_gives_has_its_template() -> None:
    wanted = {"flood", "rainstorm", "geological", "forest-fire", "fire", "gas", "earthquake", "air-quality"}
    wanted |= {"school-closure", "water-cut", "road", "missing-person", "test"}
    assert wanted <= TEMPLATES.keys()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_says_who_what_level_where_when_what_to_do_until_when(name: str) -> None:
    template = TEMPLATES[name]
    text = worded(template, filling(template)).text
    level = [LEVELS[template.severities[0]]] if template.severities else []
    said = [ISSUER, *level, "西留村乡", "今天20时", template.actions[0][0], "明天8时"]
    places = [text.index(one) for one in said]
    assert places == sorted(places)


@pytest.mark.parametrize("name", TEMPLATES)
def test_all_actions_and_full_gaps_still_fit_an_announcement(name: str) -> None:
    template = TEMPLATES[name]
    full = {gap.name: "长" * gap.most if gap.kind is GapKind.TEXT else EXAMPLE[gap.kind] for gap in template.gaps}
    chosen = filling(
        template,
        place="长" * 60,
        when="2026年11月24日10时10分至2026年11月25日20时20分",
        until="2026年12月31日10时10分至2027年12月31日20时20分",
        actions=tuple(range(len(template.actions))),
        values=full,
    )
    assert len(worded(template, chosen).text) <= MAX_TEXT


@pytest.mark.parametrize("field", ["place", "when", "until"])
@pytest.mark.parametrize("empty", ["", "  ", "\u3000"])
def test_without_place_or_time_there_is_no_text(field: str, empty: str) -> None:
    for template in TEMPLATES.values():
        assert (field, "missing") in faults(template, filling(template, **{field: empty}))


def test_every_gap_that_is_wrong_is_named_and_not_only_the_first() -> None:
    template = TEMPLATES["missing-person"]
    values = {"person": "", "looks": "长" * 61, "phone": "call me", "extra": "x"}
    assert faults(template, filling(template, place="", values=values)) == [
        ("place", "missing"),
        ("values.extra", "unknown-field"),
        ("values.person", "missing"),
        ("values.looks", "too-long"),
        ("values.phone", "malformed"),
    ]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("50", None),
        ("50-80", None),
        ("0.5", None),
        ("2001", "out-of-range"),
        ("很大", "malformed"),
        ("-5", "malformed"),
    ],
)
def test_a_number_is_a_number_or_a_range_within_what_can_be(value: str, code: str | None) -> None:
    template = TEMPLATES["rainstorm"]
    found = fill(template, filling(template, values={"amount": value}), issuer=ISSUER, now=NOW)
    assert isinstance(found, Worded) if code is None else found == [Fault("values.amount", code, found[0].facts)]  # type: ignore[index]


def test_a_level_that_the_template_does_not_have_is_refused() -> None:
    assert faults(TEMPLATES["heat"], filling(TEMPLATES["heat"], severity=Severity.BLUE)) == [
        ("severity", "not-offered")
    ]
    assert faults(TEMPLATES["flood"], filling(TEMPLATES["flood"], severity=Severity.UNKNOWN)) == [
        ("severity", "not-offered")
    ]


def test_an_action_that_is_not_there_is_refused_and_at_least_one_is_chosen() -> None:
    template = TEMPLATES["flood"]
    assert faults(template, filling(template, actions=())) == [("actions", "missing")]
    assert faults(template, filling(template, actions=(0, 9))) == [("actions", "out-of-range")]
    assert faults(template, filling(template, actions=(-1,))) == [("actions", "out-of-range")]


def may_stand(text: str) -> bool:
    return bool(text.strip()) and all(ord(char) >= 32 and char not in "。！？；!?;{}<>" for char in text)


@pytest.mark.parametrize("field", ["place", "river"])
@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("沙河。请大家不要转移", "。"), ("沙河；", "；"), ("沙河！", "！"), ("沙河?", "?"), ("{until}", "{"), ("沙河}", "}"),
        ("沙河预警作废", "作废"), ("沙河（已解除）", "解除"), ("演练沙河", "演练"), ("以上为误报", "误报"), ("<b>沙河", "<"),
    ],
)  # fmt: skip
def test_what_would_turn_the_locked_words_stands_in_no_gap(field: str, value: str, found: str) -> None:
    template = TEMPLATES["flood"]
    chosen = filling(template, place=value) if field == "place" else filling(template, values={"river": value})
    name = field if field == "place" else f"values.{field}"
    assert fill(template, chosen, issuer=ISSUER, now=NOW) == [Fault(name, "not-in-a-gap", (("found", found),))]


@pytest.mark.parametrize(
    ("when", "until", "wrong"),
    [
        ("今天20时", "明天8时", []),
        ("未来3小时内", "今天23时", []),
        ("今天20时至明天8时", "另行通知", []),
        ("尽快", "明天8时", [("when", "not-a-time")]),
        ("今天20时", "有空的时候", [("until", "not-a-time")]),
        ("今天20时", "明天8时作废", [("until", "not-in-a-gap"), ("until", "not-a-time")]),
        ("今天20时", "昨天8时", [("until", "in-the-past")]),
        ("今天20时", "今天22时4分", [("until", "in-the-past")]),
        ("今天20时", "今天22时5分", []),
        ("明天8时", "今天23时", [("until", "before-start")]),
        ("明天8时", "明天8时", [("until", "before-start")]),
        ("今天20时", "11月1日8时", [("until", "in-the-past")]),
        ("今天20时", "12月1日8时", []),
        ("今天20时", "1月1日8时", []),
    ],
)
def test_a_time_is_one_and_the_end_lies_ahead(when: str, until: str, wrong: list[tuple[str, str]]) -> None:
    for name in ("flood", "water-cut"):
        chosen = filling(TEMPLATES[name], when=when, until=until)
        found = fill(TEMPLATES[name], chosen, issuer=ISSUER, now=NOW)
        told = [] if isinstance(found, Worded) else [(one.field, one.code) for one in found]
        assert told == wrong


@given(st.text(min_size=1, max_size=20).filter(may_stand))
def test_what_stands_in_a_gap_is_taken_as_it_is(value: str) -> None:
    template = TEMPLATES["flood"]
    said = worded(template, filling(template, values={"river": value})).text
    before, after = worded(template, filling(template)).text.split("沙河")
    assert said == before + value.strip() + after


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"body": "{issuer}{level}{when}{place}{river}{actions}{until}"}, "the order is who"),
        ({"body": "{issuer}{level}{place}{river}{actions}{until}"}, "does not say when"),
        ({"body": "{issuer}{level}{place}{when}{river}{actions}"}, "does not say until"),
        ({"body": "{issuer}{level}{place}{when}{actions}{until}"}, "does not say river"),
        ({"body": "{issuer}{level}{place}{place}{when}{river}{actions}{until}"}, "each once"),
        ({"body": "{issuer!r}{level}{place}{when}{river}{actions}{until}"}, "name in braces"),
        ({"body": "{issuer}{level}{place}{when}{river}{sea}{actions}{until}"}, "there is no gap sea"),
        ({"body": "{issuer}{level}{place}{when}{river}{actions}{until"}, "braces"),
        ({"body": "{issuer}{level}{place}{when}{river.__class__}{actions}{until}"}, "does not say river"),
        ({"severities": []}, "an emergency has a level|without does not"),
        ({"actions": []}, "what to do"),
        ({"actions": [["请转移", "Move"]]}, "whole sentence"),
        ({"kind": "routine"}, "KeyError"),
        ({"severities": ["pink"]}, "KeyError"),
        ({"event": "洪水"}, "TypeError"),
        ({"colour": "red"}, "there is no field colour"),
        ({"gaps": {"place": {"kind": "text", "title": ["地点", "Place"]}}}, "ValueError"),
        ({"gaps": {"river": {"kind": "date", "title": ["河流", "River"]}}}, "ValueError"),
        ({"gaps": {"river": {"kind": "text", "title": ["河流", "River"], "most": 0}}}, "ValueError"),
    ],
)
def test_a_template_that_could_mislead_is_refused_when_it_is_read(change: dict[str, object], why: str) -> None:
    assert read_template("flood", FLOOD).id == "flood"
    with pytest.raises(BadTemplate, match=why):
        read_template("flood", FLOOD | change)


@pytest.mark.parametrize("name", ["", "F", "Flood", "a b", "../x", "x" * 41])
def test_an_id_is_safe_in_an_address(name: str) -> None:
    with pytest.raises(BadTemplate, match="the id is"):
        read_template(name, FLOOD)


def test_no_subset_of_the_compulsory_gaps_is_enough() -> None:
    for size in range(len(COMPULSORY)):
        for left in combinations(COMPULSORY, size):
            kept = [name for name in WHOLE if name in {*left, "level", "river"}]
            body = "".join(f"{{{name}}}" for name in kept)
            with pytest.raises(BadTemplate):
                read_template("flood", FLOOD | {"body": body})


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW, "今天22时5分"),
        (NOW + timedelta(hours=2), "明天0时5分"),
        (datetime(2026, 11, 25, 8, 0), "后天8时"),  # noqa: DTZ001
        (datetime(2026, 11, 22, 8, 30), "昨天8时30分"),  # noqa: DTZ001
        (datetime(2026, 12, 1, 8, 0), "12月1日8时"),  # noqa: DTZ001
        (datetime(2027, 1, 1, 8, 0), "2027年1月1日8时"),  # noqa: DTZ001
    ],
)
def test_a_time_is_said_as_a_person_says_it(at: datetime, words: str) -> None:
    assert moment(at, now=NOW) == words


def test_the_end_of_an_alert_and_its_correction_name_what_they_end() -> None:
    at_ms = 1_795_442_700_000
    order = Order(
        "A-1", 1, Kind.EMERGENCY, Band.EMERGENCY, Severity.RED, Level.CITY, False, at_ms, 1, 2, ("130281000000",)
    )
    alert = Broadcast(order, "洪水红色预警", "…", "duty")
    ending = ending_of(alert, issuer=ISSUER, place="西留村乡", utc_offset=timedelta(hours=8))
    for one in (ending.all_clear, ending.correction):
        at = [one.text.index(said) for said in (ISSUER, "西留村乡", "时", "洪水红色预警")]
        assert at == sorted(at)
        assert len(one.headline) <= 80
    assert "解除" in ending.all_clear.text
    assert "更正" in ending.correction.text
    assert "解除" not in ending.correction.text


def test_a_correction_never_says_again_what_it_corrects() -> None:
    order = Order(
        "A-1",
        1,
        Kind.EMERGENCY,
        Band.EMERGENCY,
        Severity.ORANGE,
        Level.CITY,
        False,
        1_795_442_700_000,
        1,
        2,
        ("130281000000",),
    )
    text = "洪水预警，请沿河各村立即转移到高处，不要停留，不要返回取东西"
    alert = Broadcast(order, text[:30], text, "duty")  # as it is named when nobody gave it a headline
    ending = ending_of(alert, issuer=ISSUER, place="西留村乡", utc_offset=timedelta(hours=8))
    for one in (ending.all_clear, ending.correction):
        assert "转移" not in one.text + one.headline
        assert "橙色警报" in one.text
