"""What is left of the numbers: spans, ordinals, what is counted, below zero, and bare figures."""

import re

from audio_assets.spoken.numbers import NUMBER, START, counted, number, one_by_one
from audio_assets.spoken.units import COUNTED_AHEAD

_N = rf"{START}{NUMBER}"
_HYPHEN_IS_MINUS = r"(?:(?<=[温到为低至是约降达于，,、:(=~\s。])|(?<![\s\S]))"

_HANZI = "[一二三四五六七八九十]"
_HANZI_NUMBER = "[一二三四五六七八九十百]{1,5}"
_LATER = (
    "次日|翌日|翌晨|次晨|当日|当天|当晚|今日|今天|今晚|明日|明天|明早|明晨|明晚|后天|后日|第[二三]天|凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|"
    "晚上|晚间|夜间|午夜|次年|翌年|下午|次月|下月|二零[零一二三四]|一九[零一二三四五六七八九]"
)


def _span(found: re.Match[str]) -> str:
    """3-5个 → 三到五个. Joined by a hyphen and not rising (12-1号楼), it is no span."""
    low, high, joint = found["low"], found["high"], found["joint"].strip()
    if joint == "-" and float(low) >= float(high):
        return f"{number(low)}杠{number(high)}"
    say = counted if found["counted"] is not None else number
    return f"{say(low)}到{say(high)}"


COUNTING = (
    (r"(?<=[0-9%‰℃度]) +(?=[0-9])", lambda _: "，"),
    (r"\(([0-9]{1,2})\)(?=[班组])", lambda found: number(found[1])),
    (r"(?<=第)([0-9]+)", lambda found: number(found[1].lstrip("0") or "0")),
    (r"(?m)^ ?([0-9]{1,2})[.、)](?=[^0-9])", lambda found: number(found[1]) + "，"),
    (r"(?<=[日月年时点分号级度周一二三四五六天楼层元米龄岁斤吨亩期百千万亿%]) ?[~—–-]+ ?(?=[0-9周])", lambda _: "到"),
    (rf"(?<=[号级度]) ?[~—–-]+ ?(?={_HANZI_NUMBER}[号级度])|(?<={_HANZI}) ?[~—–-] ?(?={_HANZI_NUMBER}[级度类])", lambda _: "到"),
    (r"(?<=[0-9%米斤吨]) ?\+(?![0-9A-Za-z一-鿿])", lambda _: "以上"),
    (rf"(?<=[0-9零一二三四五六七八九十两][日月年时点分号]) ?[~—–-]+ ?(?={_LATER})", lambda _: "到"),
    (rf"{_HYPHEN_IS_MINUS}-(?={NUMBER})", lambda _: "负"),
    (r"(?<=[0-9]) ?[~—–] ?-(?=[0-9])", lambda _: "到负"),
    (rf"(?P<low>{_N})(?P<joint> ?(?:——|[~—–-]) ?)(?P<high>{_N})(?P<counted>{COUNTED_AHEAD})?", _span),
    (rf"({_N})(?= ?[至到] ?{NUMBER}(?:{COUNTED_AHEAD}))", lambda found: counted(found[1])),
    (r"(?<=[0-9]) ?\* ?(?=[0-9])", lambda _: "乘"),
    (rf"({_N})(?P<counted>{COUNTED_AHEAD})", lambda found: counted(found[1])),
    (_N, lambda found: number(found[0])),
    (r"[0-9]+", lambda found: one_by_one(found[0])),  # no digit is lost
)  # fmt: skip
