"""What is written, as it is said: numbers, times, telephone numbers, units and letters become Chinese words.

Every Mandarin front end tried reads 119 as 一百一十九, loses the unit of 28.6mm and spells K3+200 as if it were pinyin
(research/audio §5); so nothing but Chinese characters and two pauses leaves this module.
"""

import re
import unicodedata
from collections.abc import Callable

DIGITS = "零一二三四五六七八九"
_CALLED = DIGITS.replace("一", "幺")  # one, in telephone and road numbers
_GROUPS = ("亿", "万", "")
_PLACES = ("千", "百", "十", "")
_LONGEST_NUMBER = 12  # digits; what is longer is an identifier

_UNITS = {
    "mm/h": "毫米每小时", "km/h": "公里每小时", "m³/s": "立方米每秒", "m3/s": "立方米每秒", "m/s": "米每秒", "mm": "毫米",
    "cm": "厘米", "km²": "平方公里", "km2": "平方公里", "km": "公里", "m³": "立方米", "m3": "立方米", "m²": "平方米",
    "m2": "平方米", "m": "米", "kg": "公斤", "hPa": "百帕", "kV": "千伏", "kW": "千瓦", "ml": "毫升", "mL": "毫升",
    "L": "升", "t": "吨", "min": "分钟", "h": "小时", "s": "秒", "℃": "摄氏度", "°C": "摄氏度", "°": "度",
}  # fmt: skip
_LETTERS = {
    "A": "诶", "B": "必", "C": "西", "D": "弟", "E": "衣", "F": "艾弗", "G": "吉", "H": "艾尺", "I": "爱", "J": "杰",
    "K": "开", "L": "艾勒", "M": "艾姆", "N": "恩", "O": "欧", "P": "批", "Q": "丘", "R": "阿尔", "S": "艾丝", "T": "提",
    "U": "优", "V": "维", "W": "达布溜", "X": "艾克斯", "Y": "歪", "Z": "资",
}  # fmt: skip
_SIGNS = {"+": "加", "=": "等于", "&": "和", "~": "到", "×": "乘", "÷": "除以", "№": "第", "¥": "元"}
_COUNTED = "个人户名辆台次天周条处间栋座位起万亿千小公毫厘米吨秒分"  # after these, two is 两

_NUMBER = r"\d+(?:\.\d+)?"
_TO = r"\s*[~～—–\-至到]\s*"
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_NO_LETTER = r"(?![A-Za-z])"
_COUNTING = rf"(?!\s*(?:(?:{_UNIT}){_NO_LETTER}|[%‰.年月日号级{_COUNTED}度元亩斤头只棵层楼时余多]))"
_ALONE = r"(?<![\dA-Za-z.+])"


def spoken(text: str) -> str:
    """The text as Chinese characters with the pauses ， and 。; what cannot be said is left out."""
    text = _plain(text)
    for pattern, say in _RULES:
        text = pattern.sub(say, text)
    text = "".join(_LETTERS.get(char.upper(), _SIGNS.get(char, char)) for char in text)
    text = re.sub(r"[。！？!?；;\n]+", "。", text)
    text = re.sub(r"[，、,：:（）()《》“”\"—…·/\-.]+", "，", text)
    text = "".join(char for char in text if char in "，。" or is_hanzi(char))
    return re.sub(r"[，。]*。[，。]*", "。", re.sub("，+", "，", text)).strip("，。")


def is_hanzi(char: str) -> bool:
    """Whether it is a Chinese character, of any block of Unicode."""
    return char == "〇" or unicodedata.name(char, "").startswith("CJK ")


def cardinal(digits: str) -> str:
    """28 → 二十八, 10500 → 一万零五百. Leading zeros or more than 12 digits: digit by digit."""
    if len(digits) > _LONGEST_NUMBER or (len(digits) > 1 and digits[0] == "0"):
        return one_by_one(digits)
    padded = digits.zfill(-(-len(digits) // 4) * 4)
    groups = [padded[start : start + 4] for start in range(0, len(padded), 4)]
    said = ""
    for group, name in zip(groups, _GROUPS[-len(groups) :], strict=True):
        said += "".join(
            "零" if digit == "0" else DIGITS[int(digit)] + place for digit, place in zip(group, _PLACES, strict=True)
        )
        said = said.rstrip("零") + name if group != "0000" else said + "零"
    said = re.sub("零+", "零", said).strip("零") or "零"
    return said.removeprefix("一") if said.startswith("一十") else said


def one_by_one(digits: str, names: str = DIGITS) -> str:
    """2026 → 二零二六; what is no digit is left out."""
    return "".join(names[int(digit)] for digit in digits if digit.isdecimal())


def _number(digits: str) -> str:
    whole, _, fraction = digits.replace(",", "").partition(".")
    return cardinal(whole) + ("点" + one_by_one(fraction) if fraction else "")


def _plain(text: str) -> str:
    """Full-width letters, digits and signs to ASCII; Chinese punctuation stays."""
    wide = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code) not in "，：；！？（）"}
    text = text.translate(wide | {0x3000: " ", ord("㎜"): "mm", ord("㎝"): "cm", ord("㎞"): "km", ord("㎡"): "m²"})
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)


def _clock(found: re.Match[str]) -> str:
    minute = found["minute"]
    if minute == "00":
        return cardinal(str(int(found["hour"]))) + "点"
    return f"{cardinal(str(int(found['hour'])))}点{'零' if minute[0] == '0' else ''}{cardinal(str(int(minute)))}分"


def _date(found: re.Match[str]) -> str:
    month, day = cardinal(str(int(found["month"]))), cardinal(str(int(found["day"])))
    return f"{one_by_one(found['year'])}年{month}月{day}日"


def _called(found: re.Match[str]) -> str:
    return found.groupdict().get("before", "") + "，".join(
        one_by_one(run, _CALLED) for run in re.split("[- ]", found["digits"])
    )


def _road(found: re.Match[str]) -> str:
    return found["letter"] + one_by_one(found["digits"], _CALLED)


def _stake(found: re.Match[str]) -> str:
    return f"K{cardinal(found['km'])}加{_number(str(int(found['m'])))}"


def _measured(found: re.Match[str]) -> str:
    low, high, unit = found["low"], found["high"], found["unit"]
    if unit in "%‰":
        lead = "百分之" if unit == "%" else "千分之"
        return "到".join(lead + _number(part) for part in (low, high) if part)
    minus = "零下" if unit in ("℃", "°C") else "负"
    if low and found["sign"]:  # 零下五到三摄氏度 would leave open on which side of zero the three lies
        second = (minus if found["below"] else "") + _number(high)
        return f"{minus}{_number(low)}{_UNITS[unit]}到{second}{_UNITS[unit]}"
    if low:
        return f"{_number(low)}到{_number(high)}{_UNITS[unit]}"
    return (minus if found["sign"] else "") + ("两" if high == "2" else _number(high)) + _UNITS[unit]


def _span(found: re.Match[str]) -> str:
    return f"{_number(found['low'])}到{_number(found['high'])}"


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), say)
    for pattern, say in (
        (r"(?<!\d)(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})日?(?!\d)", _date),
        (r"(?<!\d)(?P<hour>[01]?\d|2[0-4])[:：](?P<minute>[0-5]\d)(?:[:：][0-5]\d)?(?!\d)", _clock),
        (r"(?<!\d)\d{4}(?=年)", lambda found: one_by_one(found[0])),
        (r"(?P<before>(?:电话|拨打|致电|热线|手机|号码)[^\d，。；]{0,4})(?P<digits>\d[\d\- ]{1,18}\d)", _called),
        (rf"{_ALONE}(?P<digits>1\d{{10}}|0\d{{2,3}}[- ]\d{{7,8}}|400[- ]?\d{{3}}[- ]?\d{{4}})(?!\d)", _called),
        (rf"{_ALONE}(?P<digits>11[09]|12[02]|12[123]\d\d|95\d{{3}})(?!\d){_COUNTING}", _called),
        (r"(?<![A-Za-z])(?P<letter>[GSXYC])(?P<digits>\d{2,4})(?!\d)", _road),
        (r"(?<![A-Za-z])[Kk](?P<km>\d+)\+(?P<m>\d{1,4})", _stake),
        (
            rf"(?:(?<![\dA-Za-z])(?P<sign>-))?(?:(?P<low>{_NUMBER})\s*[%‰]?{_TO}(?P<below>-)?)?(?P<high>{_NUMBER})\s*(?P<unit>[%‰]|(?:{_UNIT}){_NO_LETTER})",
            _measured,
        ),
        (rf"(?P<low>{_NUMBER})\s*[~～—–\-]\s*(?P<high>{_NUMBER})", _span),
        (rf"(?<![\d.])2(?=[{_COUNTED}])", lambda _: "两"),
        (_NUMBER, lambda found: _number(found[0])),
    )
)
