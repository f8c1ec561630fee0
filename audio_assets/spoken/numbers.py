"""Numbers as Chinese words. Digits here are ASCII; `characters.plain` has seen to that."""

import re

DIGITS = "零一二三四五六七八九"
CALLED = DIGITS.replace("一", "幺")  # one, in the numbers of telephones, roads, rooms and plates
START = r"(?<![0-9])(?<![0-9]\.)"  # where a number begins; with it in front no pattern looks at a run of digits twice
NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_GROUPS = ("亿", "万", "")
_PLACES = ("千", "百", "十", "")
_LONGEST_NUMBER = 12  # digits; what is longer is an identifier


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


def called(digits: str) -> str:
    """119 → 幺幺九."""
    return one_by_one(digits, CALLED)


def number(digits: str) -> str:
    """28.6 → 二十八点六; before 千, 万 and 亿 a leading two is 两."""
    whole, _, fraction = digits.partition(".")
    said = cardinal(whole) + ("点" + one_by_one(fraction) if fraction else "")
    return re.sub(r"^二(?=[千万亿])", "两", said)


def counted(digits: str) -> str:
    """As `number`, before something that is counted: 2 → 两."""
    return "两" if digits == "2" else number(digits)


def plain_int(digits: str) -> str:
    """Of a month, a day or an hour: 08 → 八."""
    return cardinal(digits.lstrip("0") or "0")
