"""Warning templates (预警模板): locked text with gaps. Pure.

What is said comes in one order: who, what level, where, when, what to do, until when; place and time are compulsory. (Los Angeles
2025 sent an alert that named neither, to everyone.) A template that breaks the order is refused when it is read, so an officer at
three in the morning can't leave anything out, and can't be led to.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from string import Formatter

from broadcast.domain.broadcasts import MAX_TEXT, Broadcast, Fault
from broadcast.domain.said_times import instant_of, is_time
from endpoints.protocol import Kind, Severity

MAX_TEMPLATES, MAX_GAPS, MAX_ACTIONS = 100, 8, 12
MAX_PLACE, MAX_WHEN = 60, 40

FIXED = ("issuer", "level", "place", "when", "actions", "until")
COMPULSORY = ("issuer", "place", "when", "actions", "until")
LEVELS = {Severity.RED: "红色", Severity.ORANGE: "橙色", Severity.YELLOW: "黄色", Severity.BLUE: "蓝色"}

_ID = re.compile(r"[a-z][a-z0-9-]{1,39}")
_PHONE = re.compile(r"[0-9][0-9 -]{2,19}")
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,2})?([-~至到]\d{1,6}(\.\d{1,2})?)?")
_ENDS_A_SENTENCE = ("。", "！", "？")
# What would make another sentence of a gap, or turn the locked one into its opposite.
_NO_PART_OF_A_GAP = re.compile(
    r"[。！？；!?;{}<>\n\r]|作废|解除|演练|演习|取消|撤销|撤回|更正|误报|谣言|失效|无效|测试|试播|不要执行|停止执行"
)


class GapKind(StrEnum):
    """What may stand in a gap."""

    TEXT = "text"
    NUMBER = "number"
    PHONE = "phone"


Words = tuple[str, str]
"""zh-CN and en."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A place in the text that the officer fills.

    :param most: characters of a text, or the largest number.
    :param unit: spoken after a number.
    """

    name: str
    kind: GapKind
    title: Words
    required: bool = True
    most: int = 40
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """One template.

    :param body: with a placeholder in braces for each gap.
    :param severities: those it may be given with; none for a notice without a level.
    :param actions: whole sentences; at least one is chosen, they are said in this order.
    """

    id: str
    event: Words
    kind: Kind
    body: str
    severities: tuple[Severity, ...] = ()
    actions: tuple[Words, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Filling:
    """What the officer chose and wrote.

    :param actions: indices into the template's list.
    :param when, until: in words of a clock (`moment`), or the officer's own; `until` may be empty only where nothing ends.
    """

    severity: Severity = Severity.UNKNOWN
    place: str = ""
    when: str = ""
    until: str = ""
    actions: tuple[int, ...] = (0,)
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Worded:
    """The text that will be spoken, and its headline."""

    headline: str
    text: str


class BadTemplate(ValueError):
    """A template that can't be used; `where` names it."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"template {where}: {why}")


def read_templates(tables: Mapping[str, object]) -> list[Template]:
    """All of templates.toml. :raises BadTemplate: with the first that is not right."""
    if len(tables) > MAX_TEMPLATES:
        raise BadTemplate("file", f"more than {MAX_TEMPLATES} templates")
    return [read_template(name, table) for name, table in tables.items()]


def read_template(name: str, table: object) -> Template:
    """One table of templates.toml.

    :raises BadTemplate: a field is missing, foreign or of the wrong kind, or the order of the text is broken.
    """
    try:
        fields = dict(_table(table))
        template = Template(
            id=name,
            event=_words(fields.pop("event")),
            kind={"emergency": Kind.EMERGENCY, "notice": Kind.NOTICE}[str(fields.pop("kind"))],
            body=_text(fields.pop("body")),
            severities=tuple(Severity[str(one).upper()] for one in _items(fields.pop("severities", []))),
            actions=tuple(_words(one) for one in _items(fields.pop("actions", []))),
            gaps=tuple(_gap(key, value) for key, value in _table(fields.pop("gaps", {})).items()),
        )
    except (KeyError, TypeError, ValueError) as err:
        raise BadTemplate(name, f"{type(err).__name__}: {err}") from err
    if fields:
        raise BadTemplate(name, f"there is no field {', '.join(sorted(fields))}")
    for why in _objections(template):
        raise BadTemplate(name, why)
    return template


def _objections(template: Template) -> Iterator[str]:
    """What is wrong with a template."""
    if not _ID.fullmatch(template.id):
        yield "the id is 2 to 40 of a-z, 0-9 and '-', a letter first"
    if len(template.gaps) > MAX_GAPS or len(template.actions) > MAX_ACTIONS:
        yield f"more than {MAX_GAPS} gaps or {MAX_ACTIONS} actions"
    try:
        holes = [hole for hole in Formatter().parse(template.body) if hole[1] is not None]
    except ValueError as err:
        yield f"the braces of the body do not fit: {err}"
        return
    named = [name or "" for _, name, _, _ in holes]
    own = [gap.name for gap in template.gaps]
    if any(spec or conversion for _, _, spec, conversion in holes) or len(named) != len(set(named)):
        yield "a placeholder is a name in braces, each once"
    if missing := [name for name in (*COMPULSORY, *own) if name not in named]:
        yield f"the body does not say {', '.join(missing)}"
    if foreign := [name for name in named if name not in (*FIXED, *own)]:
        yield f"there is no gap {', '.join(foreign)}"
    order = [name for name in named if name in FIXED]
    if order != [name for name in FIXED if name in order]:
        yield "the order is who, what level, where, when, what to do, until when"
    if bool(template.severities) is not ("level" in named):
        yield "a template with levels says the level, and one without does not"
    if template.kind is Kind.EMERGENCY and not template.severities:
        yield "an emergency has a level"
    if not template.actions:
        yield "it does not say what to do"
    if any(not zh.endswith(_ENDS_A_SENTENCE) for zh, _ in template.actions):
        yield "an action is a whole sentence"


def fill(template: Template, filling: Filling, *, issuer: str, now: datetime) -> Worded | list[Fault]:
    """The text as it will be spoken, or every field that is not right.

    :param now: local time, by which `when` and `until` are read.
    """
    faults = [*_faults(template, filling), *_time_faults(filling, now)]
    values = dict(filling.values)
    said = {
        "issuer": issuer,
        "level": LEVELS.get(filling.severity, ""),
        "place": filling.place.strip(),
        "when": filling.when.strip(),
        "actions": "".join(template.actions[i][0] for i in sorted(set(filling.actions)) if i < len(template.actions)),
        "until": f"以上至{filling.until.strip()}有效。",
        **{gap.name: values.get(gap.name, "").strip() + gap.unit for gap in template.gaps},
    }
    if faults:
        return faults
    text = "".join(
        before + said[name or ""] if name else before for before, name, _, _ in Formatter().parse(template.body)
    )
    if len(text) > MAX_TEXT:
        return [Fault("text", "too-long", (("most", str(MAX_TEXT)), ("length", str(len(text)))))]
    level = said["level"]
    return Worded(f"{template.event[0].removesuffix('预警')}{level}预警" if level else template.event[0], text)


def _faults(template: Template, filling: Filling) -> Iterable[Fault]:
    if template.severities and filling.severity not in template.severities:
        offered = ", ".join(one.name.lower() for one in template.severities)
        yield Fault("severity", "not-offered", (("offered", offered),))
    for name, value, most in (
        ("place", filling.place, MAX_PLACE),
        ("when", filling.when, MAX_WHEN),
        ("until", filling.until, MAX_WHEN),
    ):
        yield from _text_faults(name, value, most, required=True)
    if not filling.actions:
        yield Fault("actions", "missing")
    for index in filling.actions:
        if not 0 <= index < len(template.actions):
            yield Fault("actions", "out-of-range", (("low", "0"), ("high", str(len(template.actions) - 1))))
    known = {gap.name for gap in template.gaps}
    for name in filling.values.keys() - known:
        yield Fault(f"values.{name}", "unknown-field")
    for gap in template.gaps:
        yield from _gap_faults(gap, filling.values.get(gap.name, ""))


def _time_faults(filling: Filling, now: datetime) -> Iterable[Fault]:
    """Both are times; the end is neither past nor before the beginning, as far as the words say which they are."""
    said: dict[str, datetime | None] = {}
    for name, words in (("when", filling.when), ("until", filling.until)):
        if words.strip() and len(words) <= MAX_WHEN:
            if not is_time(words):
                yield Fault(name, "not-a-time")
            said[name] = instant_of(words, now=now)
    begins, until = said.get("when"), said.get("until")
    if until is not None and until + timedelta(minutes=1) <= now:
        yield Fault("until", "in-the-past")
    elif until is not None and begins is not None and until <= begins:
        yield Fault("until", "before-start")


def _gap_faults(gap: Gap, value: str) -> Iterable[Fault]:
    name, value = f"values.{gap.name}", value.strip()
    if not value:
        if gap.required:
            yield Fault(name, "missing")
        return
    match gap.kind:
        case GapKind.TEXT:
            yield from _text_faults(name, value, gap.most, required=gap.required)
        case GapKind.PHONE:
            if not _PHONE.fullmatch(value):
                yield Fault(name, "malformed")
        case GapKind.NUMBER:
            if not _NUMBER.fullmatch(value):
                yield Fault(name, "malformed")
            elif max(float(one) for one in re.findall(r"\d+(?:\.\d+)?", value)) > gap.most:
                yield Fault(name, "out-of-range", (("low", "0"), ("high", str(gap.most))))


def _text_faults(name: str, value: str, most: int, *, required: bool) -> Iterable[Fault]:
    if required and not value.strip():
        yield Fault(name, "missing")
    elif len(value) > most:
        yield Fault(name, "too-long", (("most", str(most)), ("length", str(len(value)))))
    elif any(ord(char) < 32 for char in value):
        yield Fault(name, "control-characters")
    elif found := _NO_PART_OF_A_GAP.search(value):
        yield Fault(name, "not-in-a-gap", (("found", found[0]),))


def moment(at: datetime, *, now: datetime) -> str:
    """An instant in the words of a person who speaks now: 今天20时30分; further away with its date. Both in local time."""
    days = (at.date() - now.date()).days
    day = {0: "今天", 1: "明天", 2: "后天", -1: "昨天"}.get(days, f"{at.month}月{at.day}日")
    if at.year != now.year and abs(days) > 2:
        day = f"{at.year}年{day}"
    return f"{day}{at.hour}时{at.minute}分" if at.minute else f"{day}{at.hour}时"


# ---- the ends of an alert, made before they are needed --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ending:
    """What is said when an alert ends or was wrong; both are ready before anybody asks (Hawaii 2018: 38 minutes without one)."""

    all_clear: Worded
    correction: Worded


def ending_of(broadcast: Broadcast, *, issuer: str, place: str, utc_offset: timedelta) -> Ending:
    """The all-clear (解除) and the correction (更正) of an alert, in the order of every other text.

    :param place: where it sounded, in words.
    """
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001  local time as words
    sent = epoch + timedelta(milliseconds=broadcast.order.issued_at_ms) + utc_offset
    at = f"{sent.month}月{sent.day}日{sent.hour}时{sent.minute}分"
    what = _named(broadcast)
    return Ending(
        Worded(f"解除：{what}"[:80], f"{issuer}通知。{place}，{at}发布的{what}，现在解除。请大家恢复正常生产生活。"),
        Worded(
            f"更正：{what}"[:80],
            f"{issuer}更正。{place}，{at}发布的{what}有误，现予更正。请大家不要惊慌，不要按原内容行动，请等待新的通知。",
        ),
    )


def _named(broadcast: Broadcast) -> str:
    """What it was, without any of what it asked for: a correction must not say again what it corrects."""
    if broadcast.headline and not broadcast.text.strip().startswith(broadcast.headline):
        return broadcast.headline
    severity, kind = broadcast.order.severity, broadcast.order.kind
    return f"{LEVELS.get(severity, '')}{'警报' if kind is Kind.EMERGENCY else '通知'}"


# ---- reading ------------------------------------------------------------------------------------------------------------------


def _gap(name: str, value: object) -> Gap:
    fields = dict(_table(value))
    gap = Gap(
        name=name,
        kind=GapKind(str(fields.pop("kind"))),
        title=_words(fields.pop("title")),
        required=fields.pop("required", True) is True,
        most=_whole(fields.pop("most", 40)),
        unit=_text(fields.pop("unit", "")),
    )
    if fields or not name.isidentifier() or name in FIXED:
        raise ValueError(f"gap {name}: there is no field {', '.join(sorted(fields)) or 'of that name'}")
    return gap


def _words(value: object) -> Words:
    zh, en = _items(value)
    return _text(zh), _text(en)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or not 0 < value <= 1_000_000:
        raise ValueError(f"{value!r} is no whole number from 1")
    return value


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no table")
    return value
