"""Quantities with their units: lengths, flows, money, shares, temperatures, angles; single, as spans, below zero."""

import re

from audio_assets.spoken.numbers import NUMBER, START, cardinal, counted, number, one_by_one
from audio_assets.spoken.units import COMPOUND, MONEY, name_of

_TO = r" ?(?:[~—–\-至到]|——) ?"
_SIGN = r"(?:(?<![0-9A-Za-z%℃])-)?"


def _signed(sign: str | None, digits: str, *, below: str) -> str:
    return below + number(digits) if sign else number(digits)


def _measured(found: re.Match[str]) -> str:
    low, high, unit = found["low"], found["high"], found["unit"]
    below = "零下" if unit == "℃" else "负"
    said, lower = (found.groupdict().get("times") or "") + name_of(unit), found["lower"]
    if not low:
        return (below + number(high) if found["sign"] else counted(high)) + said
    if lower and lower != unit:
        return f"{_signed(found['sign'], low, below=below)}{name_of(lower)}到{_signed(found['below'], high, below=below)}{said}"
    if found["sign"]:  # 零下五到三摄氏度 would leave open on which side of zero the three lies
        return f"{below}{number(low)}{said}到{_signed(found['below'], high, below=below)}{said}"
    return f"{number(low)}到{_signed(found['below'], high, below=below)}{said}"


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
    """-5度, -5～8度: what is written as degrees in Chinese."""
    if found["high"]:
        return f"零下{number(found['low'])}度到{'零下' if found['below'] else ''}{number(found['high'])}度"
    return f"零下{number(found['low'])}度"


def _power(found: re.Match[str]) -> str:
    power = found[1].removeprefix("-")
    return f"的{'负' if found[1].startswith('-') else ''}{cardinal(power) if power else ''}次方"


def _per(found: re.Match[str]) -> str:
    return "每"


_N = rf"{START}(?P<low>{NUMBER})"
MEASURES = (
    (rf"(?P<sign>US\$|HK\$|[¥$€£]) ?{_N}(?:{_TO}(?:[¥$€£] ?)?(?P<high>{NUMBER}))? ?(?P<times>[万亿千百]*)元?", _money),
    (rf"{START}(?P<d>{NUMBER})°(?:(?P<m>{NUMBER})[′'])(?:(?P<s>{NUMBER})(?:″|\"|''|′′))?", _degrees),
    (rf"(?P<sign>{_SIGN}){_N}(?: ?(?P<lower>℃))?{_TO}(?P<below>-)?(?P<high>{NUMBER}) ?(?P<unit>℃)", _measured),
    (rf"(?P<sign>(?<![0-9A-Za-z%])-){_N}(?: ?度)?(?:{_TO}(?P<below>-)?(?P<high>{NUMBER}))? ?度(?!假)", _below_zero),
    (
        rf"(?P<sign>{_SIGN}){START}(?:(?P<low>{NUMBER}) ?[%‰]?{_TO}(?P<below>-)?)?(?P<high>{START}{NUMBER}) ?(?P<unit>[%‰])",
        _share,
    ),
    (
        rf"(?P<sign>{_SIGN}){START}(?:(?P<low>{NUMBER}) ?(?P<lower>{COMPOUND})?{_TO}(?P<below>-)?)?"
        rf"(?P<high>{START}{NUMBER}) ?(?P<times>[百千万亿]{{1,2}})? ?(?P<unit>{COMPOUND})",
        _measured,
    ),
    (r"(?<=[0-9]米)[0-9]{2}(?![0-9.])", lambda found: one_by_one(found[0])),  # 1米68
    (r"(?<=[元角分吨斤克升里米瓦])/(?=[吨斤公千克升度平立人户天月年次小分秒亩])", _per),
    (r"(?<=每[人户天])[/·](?=[年月日天次])", _per),
    (r"\^(-?[0-9]+)", _power),
)  # fmt: skip
