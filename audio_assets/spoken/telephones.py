"""Telephone numbers, with whatever dashes, spaces and brackets, and the codes that are read out in the same way."""

import re

from audio_assets.spoken.numbers import called
from audio_assets.spoken.units import MEASURE_AHEAD

ALONE = r"(?<![0-9A-Za-z.+¥$€£])(?<![0-9][:-])"
_DASH = r"(?: ?[-—~]{1,2} ?| )"  # Word makes a Chinese dash of a hyphen; plain() has left two kinds of it
_MOBILE = rf"1[3-9][0-9]{_DASH}?[0-9]{{4}}{_DASH}?[0-9]{{4}}"
_LANDLINE = rf"[(\[]?0[0-9]{{2,3}}[)\]]?{_DASH}?[0-9]{{3,4}}{_DASH}?[0-9]{{4}}"
_SERVICE = rf"[48]00{_DASH}?[0-9]{{3,4}}{_DASH}?[0-9]{{3,4}}"
_SHORT = r"11[0-9]|12[02]|12[123][0-9]{2}|96[0-9]{3,4}|95[0-9]{3}|100(?:10|86)"
_KEYWORD = r"电话|拨打|拨|致电|热线|手机|号码|来电|呼叫|短号|传真|客服"
_CONTACT = r"联系|咨询|举报|求助|报名|预约|值班|报修|抢修|服务|监督|投诉"
_KEYED = (
    "QQ|微信|公众号|账号|帐号|卡号|编号|编码|代码|邮编|邮政编码|验证码|取件码|核销码|密码|口令|户号|单号|证号|学号|工号|票号|批号|"
    "序列号|会议号|房间号|群号|税号|车架号|许可证"
)
_AMOUNT_BEFORE = r"(?<![到达超过约共为至破近仅第足加少升降均有计在了是比增减占于])"
_FIGURE = "[零一二三四五六七八九幺]"


def _telephone(found: re.Match[str]) -> str:
    """In the groups in which people write numbers down: 138，幺二三四，五六七八."""
    before, digits = found.groupdict().get("before") or "", found["digits"]
    return before + "，".join(group for run in re.findall("[0-9]+", digits) for group in _grouped(run))


def _grouped(digits: str) -> list[str]:
    if re.fullmatch("1[3-9][0-9]{9}", digits):
        return [called(digits[:3]), called(digits[3:7]), called(digits[7:])]
    if re.fullmatch("0[0-9]{9,11}", digits):
        area = 3 if digits[1] in "12" else 4
        return [called(digits[:area]), called(digits[area:])]
    return [called(digits)]


def _abroad(found: re.Match[str]) -> str:
    """+86 stands before numbers that lose the nought of their area."""
    country = "加八十六，" if found["country"].startswith("+") else "零零八六，"
    return country + _telephone(found)


def _masked(found: re.Match[str]) -> str:
    """138****5678: whoever wrote it wants the stars heard."""
    return "，星号，".join(map(called, re.split(r"\*+", found[0])))


def _extension(found: re.Match[str]) -> str:
    return f"{found[1]}{called(found[2])}"


def _code(found: re.Match[str]) -> str:
    """What has to be typed or written down: digit by digit, with its dashes."""
    code = found["code"]
    longest = max(map(len, re.findall("[0-9]+", code)), default=0)
    if longest < 3 or (code.isdigit() and longest < 5 and re.match(MEASURE_AHEAD, found.string[found.end() :])):
        return found[0]
    said = re.sub(" ", "，", code).replace("-", "杠").replace("_", "下划线")
    return found["before"] + re.sub("[0-9]", lambda one: called(one[0]), said)


TELEPHONES = (
    (
        rf"(?<![0-9A-Za-z.])(?P<country>\+ ?86|0086){_DASH}?(?:\(0\))?"
        rf"(?P<digits>{_MOBILE}|[(\[]?0?[1-9][0-9]{{1,2}}[)\]]?{_DASH}?[0-9]{{3,4}}{_DASH}?[0-9]{{4}})(?![0-9])",
        _abroad,
    ),
    (
        rf"(?P<before>(?:{_KEYWORD})[^0-9，。；\n]{{0,4}}?)"
        rf"(?P<digits>[(\[]?[0-9](?:[0-9)\]]|{_DASH}\(?(?=[0-9])){{1,20}})(?![0-9]|{MEASURE_AHEAD})",
        _telephone,
    ),
    (
        rf"(?P<before>(?i:{_KEYED})[号码群]{{0,2}}[是为]?[ :]{{0,2}})"
        r"(?P<code>[A-Za-z0-9]{1,40}(?:[_-][A-Za-z0-9]{1,40}| [0-9]{1,40}){0,7})(?![A-Za-z0-9])",
        _code,
    ),
    (
        rf"(?P<before>(?:{_CONTACT})[^0-9，。；\n]{{0,8}}?)(?P<digits>[2-9][0-9]{{6,7}})(?![0-9.]|{MEASURE_AHEAD})",
        _telephone,
    ),
    (rf"{ALONE}[0-9]{{3}}\*{{3,6}}[0-9]{{2,4}}(?![0-9])", _masked),
    (rf"{ALONE}(?P<digits>\(?0[1-9][0-9]{{1,2}}(?:\){_DASH}?|{_DASH})(?:{_SHORT}))(?![0-9]|{MEASURE_AHEAD})", _telephone),
    (rf"{ALONE}(?P<digits>(?:{_MOBILE}|{_LANDLINE}|{_SERVICE}))(?![0-9])", _telephone),
    (rf"(?<={_FIGURE}{{4}}[、/或和，,；])(?P<digits>[0-9]{{7,8}})(?![0-9]|{MEASURE_AHEAD})", _telephone),
    (r"([转机] ?)([0-9]{2,5})(?![0-9]|" + MEASURE_AHEAD + ")", _extension),
    (rf"(?<={_FIGURE}{{7}})(?: ?[-—] ?|(?i: ?ext\.? ?))([0-9]{{2,5}})(?![0-9])", lambda found: "转" + called(found[1])),
    (rf"{ALONE}{_AMOUNT_BEFORE}(?P<digits>{_SHORT})(?!\.?[0-9]|{MEASURE_AHEAD}|[~—–:%])", _telephone),
)  # fmt: skip
