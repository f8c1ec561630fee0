"""Numbers that name something and count nothing: plates, roads, trains, rooms, codes. One is 幺 in them."""

import re

from audio_assets.spoken.numbers import START, called, number, one_by_one, plain_int
from audio_assets.spoken.units import MEASURE_AHEAD

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_ROOM = r"(?:[1-9]|[12][0-9]|3[0-9])(?:0[1-9]|[12][0-9]|3[0-9])"  # a floor and a door
_STAKE = r"[Kk](?P<km>[0-9]{1,4})(?:\+(?P<m>[0-9]{1,4}(?:\.[0-9]+)?))?"
_AT_HOME = "室|号|住户|房|户主|业主|居民|家"


def _plate(found: re.Match[str]) -> str:
    return found["province"] + found["letter"].upper() + _letters_and_digits(found["rest"]) + found["kind"]


def _letters_and_digits(text: str) -> str:
    return "".join(called(char) if char.isdigit() else char for char in text)


def _road(found: re.Match[str]) -> str:
    """G1 is 一, from two digits on a one is 幺: G102 → 幺零二."""
    digits = found["digits"]
    return found["letter"].upper() + (one_by_one(digits) if len(digits) == 1 else called(digits))


def _stake(found: re.Match[str]) -> str:
    return _stake_of(found["km"], found["m"])


def _stakes(found: re.Match[str]) -> str:
    joint = found["joint"].strip()
    joint = joint if joint in "至到" else "到"
    return _stake_of(found["km"], found["m"]) + joint + _stake_of(found["to_km"], found["to_m"])


def _stake_of(km: str, m: str | None) -> str:
    return f"K{number(plain_digits(km))}" + (f"加{number(plain_digits(m))}" if m else "")


def plain_digits(digits: str) -> str:
    """Without leading zeros."""
    return digits.lstrip("0") or "0"


def _called(found: re.Match[str]) -> str:
    return called(found[0])


def _dashed(found: re.Match[str]) -> str:
    """3-2-501: building, entrance, room."""
    return "杠".join(called(part) if len(part) > 2 else plain_int(part) for part in found[0].split("-"))


def _dotted(found: re.Match[str]) -> str:
    return "点".join(one_by_one(part) if len(part) > 3 else number(plain_digits(part)) for part in found[0].split("."))


def _code(found: re.Match[str]) -> str:
    """Letters with three and more digits behind them, such as MH370: digit by digit."""
    return found["letters"] + called(found["digits"])


PLATES = (
    (
        rf"(?P<province>[{_PROVINCES}])(?P<letter>[A-Za-z]) ?[·.-]? ?"
        r"(?P<rest>(?=[A-Z]{0,5}[0-9])[A-HJ-NP-Z0-9]{4,6})(?P<kind>[挂学警领港澳]?)(?![A-Za-z0-9])",
        _plate,
    ),
)
NAMES = (
    (r"(?<=[0-9])#-(?=[0-9]{1,4}(?![0-9#]))", lambda _: "-"),
    (r"(?<=[kK][Vv]) ?(?=[0-9]{3,4}线)", lambda _: "，"),
    (rf"(?<![A-Za-z0-9]){_STAKE}(?P<joint> ?(?:[-~—]{{1,2}}|[至到]) ?){_STAKE.replace('P<', 'P<to_')}(?![0-9])", _stakes),
    (rf"(?<![A-Za-z0-9]){_STAKE}(?=公里|段|处|路段|附近|[东南西北]侧|桩)", _stake),
    (r"(?<![A-Za-z0-9])[Kk](?P<km>[0-9]{1,4})\+(?P<m>[0-9]{1,4}(?:\.[0-9]+)?)", _stake),
    (r"(?<![A-Za-z0-9])(?P<letter>[GSXYCDZTK])(?P<digits>[0-9]{1,4})(?=次)", _road),
    (
        r"(?<![A-Za-z0-9])(?P<letter>[GSXYCgsxyc])"
        r"(?P<digits>[0-9]{2,4}|[0-9](?= ?[一-鿿]{0,6}?(?:高速|国道|线)))(?![0-9A-Za-z.%])",
        _road,
    ),
    (rf"{START}[0-9]{{2,4}}(?=国道|省道|县道|乡道)", _called),
    (rf"{START}(?<=[一-鿿，])[0-9]{{3,4}}(?=线(?![上下性索]))", _called),
    (r"(?<=第)0[0-9]{3,}(?=号)", _called),
    (rf"{START}[0-9]{{3}}(?=路(?:公交|车|汽车|线))", _called),
    (r"(?<![0-9A-Za-z-])[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,4}(?![0-9-])", _dashed),
    (
        rf"{START}(?<![为达约在到量温率值—/.:A-Za-z~-])[0-9]{{1,2}}-{_ROOM}(?![0-9-])"
        rf"(?:(?={_AT_HOME})|(?!{MEASURE_AHEAD}|[~—:%+]))",
        _dashed,
    ),
    (rf"{START}[0-9]{{3,4}}(?=室|号房|号室|房(?!间|屋|子))", _called),
    (r"(?<=单元)[0-9]{3,4}(?![0-9])", _called),
    (rf"(?:(?<=[0-9A-Z][栋幢座])|(?<=号楼)){_ROOM}(?![0-9]|{MEASURE_AHEAD})", _called),
    (rf"{START}(?<!第)[0-9]{{3,4}}(?=号(?:院|楼|门|商铺))", _called),
    (r"#([0-9]{1,4})(?![0-9])", lambda found: number(plain_digits(found[1])) + "号"),
    (rf"{START}([0-9]{{1,4}})#(?![0-9A-Za-z])", lambda found: number(plain_digits(found[1])) + "号"),
    (rf"{START}[0-9]{{17}}[0-9Xx](?![0-9A-Za-z])", lambda found: _letters_and_digits(found[0])),
    (rf"{START}[0-9]+(?:\.[0-9]+){{2,}}", _dotted),
    (r"(?<![A-Za-z0-9])(?P<letters>(?!AQI|PM|pH|PH|FM|AM)[A-Za-z]{1,5})-?(?P<digits>[0-9]{3,12})(?![0-9.%])", _code),
    (r"(?<![0-9])[0-9]0(?=后)", lambda found: one_by_one(found[0])),
)  # fmt: skip
