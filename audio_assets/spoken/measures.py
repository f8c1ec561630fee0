"""Quantities with their units: lengths, flows, money, shares, temperatures, angles; single, as spans, below zero."""

import re

from audio_assets.spoken.numbers import NUMBER, START, cardinal, counted, number, one_by_one
from audio_assets.spoken.units import COMPOUND, MONEY, PER_UNIT, UNIT, UNITS, name_of

_TO = r" ?(?:[~—–\-至到]|——) ?"
_SIGN = r"(?:(?<![0-9A-Za-z%℃])-)?"
_EITHER = r"(?:(?<![0-9A-Za-z%℃])[-+])?"


def _signed(sign: str | None, digits: str, *, unit: str) -> str:
    """Degrees lie below and above zero (零下, 零上), everything else is negative or positive."""
    words = {"-": "零下", "+": "零上"} if unit == "℃" else {"-": "负", "+": "正"}
    return words.get(sign or "", "") + number(digits)


def _measured(found: re.Match[str]) -> str:
    low, high, unit = found["low"], found["high"], found["unit"]
    said, lower, sign = (found.groupdict().get("times") or "") + name_of(unit), found["lower"], found["sign"]
    if not low:
        return (_signed(sign, high, unit=unit) if sign else counted(high)) + said
    last = _signed(found["below"], high, unit=unit) + said
    if lower and lower != unit:
        return f"{_signed(sign, low, unit=unit)}{name_of(lower)}到{last}"
    if sign == "-" or (
        sign and not found["below"]
    ):  # 零下五到三摄氏度 would leave open on which side of zero the three lies
        return f"{_signed(sign, low, unit=unit)}{said}到{last}"
    return f"{_signed(sign, low, unit=unit)}到{last}"


def _share(found: re.Match[str]) -> str:
    lead = "百分之" if found["unit"] == "%" else "千分之"
    last = found["below"] if found["low"] else found["sign"]
    parts = [(found["sign"], found["low"]), (last, found["high"])]
    return "到".join(("负" if sign else "") + lead + number(part) for sign, part in parts if part)


def _money(found: re.Match[str]) -> str:
    spans = [found["low"], found["high"]] if found["high"] else [found["low"]]
    return "到".join(map(number, spans)) + (found["times"] or "") + MONEY[found["sign"]]


def _degrees(found: re.Match[str]) -> str:
    minutes = f"{number(found['m'])}分" if found["m"] else ""
    return f"{number(found['d'])}度{minutes}" + (f"{number(found['s'])}秒" if found["s"] else "")


def _below_zero(found: re.Match[str]) -> str:
    """-5度, -5～+8度: what is written as degrees in Chinese."""
    words = {"-": "零下", "+": "零上"}
    low = f"{words[found['sign']]}{number(found['low'])}度"
    return f"{low}到{words.get(found['below'] or '', '')}{number(found['high'])}度" if found["high"] else low


def _power(found: re.Match[str]) -> str:
    power = found[1].removeprefix("-")
    return f"的{'负' if found[1].startswith('-') else ''}{cardinal(power) if power else ''}次方"


def _per(found: re.Match[str]) -> str:
    return "每"


def _per_unit(found: re.Match[str]) -> str:
    """元/kWh → 元每千瓦时."""
    return "每" + UNITS[found["unit"]]


def _hours(found: re.Match[str]) -> str:
    """1h30min: a unit with a number straight behind it."""
    return counted(found[1]) + UNITS[found[2]]


_N = rf"{START}(?P<low>{NUMBER})"
_SIDES = {"E": "东经", "W": "西经", "N": "北纬", "S": "南纬"}
_EACH = (
    "瓶袋箱桶盒罐包株棵头只台辆套例支生班日吨斤公千克升度平立人户天月年次小分秒亩"  # of which a price or a dose is told
)
_CURRENT = "空开|空气开关|开关|断路器|漏电|漏保|保险|熔断|熔丝|插座|插头|电流|电表|充电|以[上下内]?的?电|的电"
MEASURES = (
    (r"(?<=[g克])/(?=100 ?(?:毫升|m[lL]))", _per),
    (r"(?<![A-Za-z])[EWNS](?=[0-9]{1,3}(?:\.[0-9]+)?°)", lambda found: _SIDES[found[0]]),
    (rf"{START}(?<![A-Za-z])([1-4]?[0-9])F(?![A-Za-z0-9])", lambda found: f"{found[1]}层"),
    (rf"{START}([0-9]+) ?\+ ?([岁人户个名元天次])", lambda found: f"{found[1]}{found[2]}以上"),
    (r"(?<=[0-9]%)\+(?![0-9])", lambda _: "以上"),
    (r"(?<=[0-9]) ?[wW](?=元|块|多|余|人)", lambda _: "万"),
    (rf"(?<=[0-9]) ?[kK](?=元|块|[-~—]{NUMBER}[kK][元块])", lambda _: "千"),
    (rf"(?<=10)\^(-?[0-9]{{1,2}}) ?(?P<unit>{COMPOUND})", lambda found: _power(found) + name_of(found["unit"])),
    (
        rf"(?<![A-WYZa-wyz0-9.])({NUMBER} ?(?:(?:{UNIT}|米|厘米|毫米|公里) ?)?)[xX✕✖╳] ?(?=[0-9])",
        lambda found: f"{found[1].strip()}×",
    ),
    (rf"{START}({NUMBER}) ?(h|d|min)(?= ?{NUMBER} ?(?:h|min|s)(?![A-Za-z/]))", _hours),
    (rf"{START}({NUMBER}) ?(d)(?=[后内前]|以[内后前]|之[内后前]|左右|累计|降雨)", _hours),
    (rf"(?<=[一-鿿])({NUMBER}(?:[-~—]{NUMBER})?) ?d(?=[，。；、)）:,;\n]|(?![\s\S]))", lambda found: found[1] + "天"),
    (rf"{START}(?<![A-Za-z])({NUMBER}) ?(A)(?={_CURRENT})", _hours),
    (rf"(?:(?<=[流定])|(?<=[Vv]/))({NUMBER}) ?(A)(?![A-Za-z级])", _hours),
    (rf"(?P<sign>US\$|HK\$|[¥$€£]) ?{_N}(?:{_TO}(?:[¥$€£] ?)?(?P<high>{NUMBER}))? ?(?P<times>[万亿千百]*)元?", _money),
    (rf"{START}(?P<d>{NUMBER})°(?:(?P<m>{NUMBER})[′'])(?:(?P<s>{NUMBER})(?:″|\"|''|′′))?", _degrees),
    (rf"(?P<sign>{_EITHER}){_N}(?: ?(?P<lower>℃))?{_TO}(?P<below>[-+])?(?P<high>{NUMBER}) ?(?P<unit>℃)", _measured),
    (rf"(?P<low>)(?P<lower>)(?P<sign>(?<![0-9A-Za-z%℃])\+)(?P<below>)(?P<high>{NUMBER}) ?(?P<unit>℃)", _measured),
    (rf"(?P<sign>(?<![0-9A-Za-z%])[-+]){_N}(?: ?度)?(?:{_TO}(?P<below>[-+])?(?P<high>{NUMBER}))? ?度(?!假)", _below_zero),
    (
        rf"(?P<sign>{_SIGN}){START}(?:(?P<low>{NUMBER}) ?[%‰]?{_TO}(?P<below>-)?)?(?P<high>{START}{NUMBER}) ?(?P<unit>[%‰])",
        _share,
    ),
    (
        rf"(?P<sign>{_SIGN}){START}(?:(?P<low>{NUMBER}) ?(?P<lower>{COMPOUND})?{_TO}(?P<below>[-+])?)?"
        rf"(?P<high>{START}{NUMBER}) ?(?P<times>[百千万亿]{{1,2}})? ?(?P<unit>{COMPOUND})",
        _measured,
    ),
    (r"(?<=[0-9]米)[0-9]{2}(?![0-9.])", lambda found: one_by_one(found[0])),  # 1米68
    (rf"(?<=[元角分吨斤克升里米瓦人次辆户台头只])/(?=[{_EACH}])", _per),
    (rf"(?<=[元角分吨斤人次辆台车户升])/(?P<unit>{PER_UNIT})(?![A-Za-z0-9^])", _per_unit),
    (rf"{START}({NUMBER}) ?([万亿千百]*)([¥$€£])(?![0-9])", lambda found: number(found[1]) + found[2] + MONEY[found[3]]),
    (r"(?<=元)/(?=[一-鿿]|[0-9]{1,3} ?(?:h|小时|分钟|天|个|斤|公斤|千克|吨|度|立方))", _per),
    (r"(?<=每[人户天亩台辆])[/·](?=[年月日天次])", _per),
    (r"(?<=每平方米)[/·](?=供暖|采暖|[年月日天季])", _per),
    (r"\^(-?[0-9]+)", _power),
)  # fmt: skip
