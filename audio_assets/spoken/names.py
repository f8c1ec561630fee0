"""Numbers that name something and count nothing: telephones, plates, roads, trains, rooms, codes. One is 幺 in them."""

import re

from audio_assets.spoken.numbers import START, called, number, one_by_one, plain_int
from audio_assets.spoken.units import MEASURE_AHEAD

_ALONE = r"(?<![0-9A-Za-z.+¥$€£])(?<![0-9][:-])"
_MOBILE = r"1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}"
_LANDLINE = r"\(?0[0-9]{2,3}\)?[- ]?[0-9]{7,8}"
_SERVICE = r"[48]00[- ]?[0-9]{3,4}[- ]?[0-9]{3,4}"
_SHORT = r"11[0-9]|12[02]|12[123][0-9]{2}|96[0-9]{3,4}|95[0-9]{3}|100(?:10|86)"
_KEYWORD = r"电话|拨打|拨|致电|热线|手机|号码|来电|呼叫|短号|传真|客服"
_AMOUNT_BEFORE = r"(?<![到达超过约共为至破近仅第足加少升降均有计在了是比增减占])"
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_MOST_GROUP = 4


def _telephone(found: re.Match[str]) -> str:
    """In the groups in which people write numbers down: 138，幺二三四，五六七八."""
    before, digits = found.groupdict().get("before") or "", found["digits"]
    groups = re.findall("[0-9]+", digits)
    if len(groups) == 1 and re.fullmatch("1[3-9][0-9]{9}", groups[0]):
        groups = [digits[:3], digits[3:7], digits[7:]]
    if len(groups) == 1 and re.fullmatch("0[0-9]{9,11}", groups[0]):
        area = 3 if digits[1] in "12" else 4
        groups = [digits[:area], digits[area:]]
    return before + "，".join(map(called, groups))


def _masked(found: re.Match[str]) -> str:
    """138****5678: whoever wrote it wants the stars heard."""
    return "，星号，".join(map(called, re.split(r"\*+", found[0])))


def _extension(found: re.Match[str]) -> str:
    return f"{found[1]}{called(found[2])}"


def _plate(found: re.Match[str]) -> str:
    return found["province"] + found["letter"].upper() + _letters_and_digits(found["rest"]) + found["kind"]


def _letters_and_digits(text: str) -> str:
    return "".join(called(char) if char.isdigit() else char for char in text)


def _road(found: re.Match[str]) -> str:
    """G1 is 一, from two digits on a one is 幺: G102 → 幺零二."""
    digits = found["digits"]
    return found["letter"].upper() + (one_by_one(digits) if len(digits) == 1 else called(digits))


def _stake(found: re.Match[str]) -> str:
    return f"K{number(plain_digits(found['km']))}加{number(plain_digits(found['m']))}"


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


NAMES = (
    (
        rf"(?P<province>[{_PROVINCES}])(?P<letter>[A-Za-z]) ?[·.-]? ?"
        r"(?P<rest>(?=[A-Z]{0,5}[0-9])[A-HJ-NP-Z0-9]{4,6})(?P<kind>[挂学警领港澳]?)(?![A-Za-z0-9])",
        _plate,
    ),
    (
        rf"(?P<before>(?:{_KEYWORD})[^0-9，。；\n]{{0,4}})"
        rf"(?P<digits>\(?[0-9](?:[0-9)]|[- ](?=[0-9])){{1,18}})(?![0-9]|{MEASURE_AHEAD})",
        _telephone,
    ),
    (rf"(?<=[零一二三四五六七八九幺]{{4}}[、/或和])(?P<digits>[0-9]{{7,8}})(?![0-9]|{MEASURE_AHEAD})", _telephone),
    (rf"{_ALONE}[0-9]{{3}}\*{{3,6}}[0-9]{{2,4}}(?![0-9])", _masked),
    (rf"{_ALONE}(?P<digits>(?:{_MOBILE}|{_LANDLINE}|{_SERVICE}))(?![0-9])", _telephone),
    (r"(?<=86[- ])(?P<digits>1[3-9][0-9]{9})(?![0-9])", _telephone),
    (r"([转机] ?)([0-9]{2,5})(?![0-9]|" + MEASURE_AHEAD + ")", _extension),
    (rf"{_ALONE}{_AMOUNT_BEFORE}(?P<digits>{_SHORT})(?!\.?[0-9]|{MEASURE_AHEAD}|[~—–:%])", _telephone),
    (r"(?<![A-Za-z0-9])[Kk](?P<km>[0-9]{1,4})\+(?P<m>[0-9]{1,4}(?:\.[0-9]+)?)", _stake),
    (r"(?<![A-Za-z0-9])(?P<letter>[GSXYCDZTK])(?P<digits>[0-9]{1,4})(?=次)", _road),
    (
        r"(?<![A-Za-z0-9])(?P<letter>[GSXYCgsxyc])"
        r"(?P<digits>[0-9]{2,4}|[0-9](?= ?[一-鿿]{0,6}?(?:高速|国道|线)))(?![0-9A-Za-z.%])",
        _road,
    ),
    (rf"{START}[0-9]{{2,4}}(?=国道|省道|县道|乡道)", _called),
    (rf"{START}[0-9]{{3}}(?=路(?:公交|车|汽车|线))", _called),
    (r"(?<![0-9A-Za-z-])[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,4}(?![0-9-])", _dashed),
    (rf"{START}[0-9]{{3,4}}(?=室|号房|号室|房(?!间|屋|子))", _called),
    (r"(?<=单元)[0-9]{3,4}(?![0-9])", _called),
    (rf"{START}(?<!第)[0-9]{{3,4}}(?=号(?:院|楼|门|商铺))", _called),
    (r"#([0-9]{1,4})(?![0-9])", lambda found: number(plain_digits(found[1])) + "号"),
    (rf"{START}([0-9]{{1,4}})#(?=[一-鿿])", lambda found: number(plain_digits(found[1])) + "号"),
    (rf"{START}[0-9]{{17}}[0-9Xx](?![0-9A-Za-z])", lambda found: _letters_and_digits(found[0])),
    (rf"{START}[0-9]+(?:\.[0-9]+){{2,}}", _dotted),
    (r"(?<![A-Za-z0-9])(?P<letters>(?!AQI|PM|pH|PH)[A-Za-z]{1,5})-?(?P<digits>[0-9]{3,12})(?![0-9.%])", _code),
    (r"(?<![0-9])[0-9]0(?=后)", lambda found: one_by_one(found[0])),
)  # fmt: skip
