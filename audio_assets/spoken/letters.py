"""Latin letters: their names, the words that people say instead, Roman numerals of levels, addresses of the internet."""

import re

from audio_assets.spoken.numbers import called, cardinal

LETTERS = {
    "A": "诶", "B": "必", "C": "西", "D": "弟", "E": "衣", "F": "艾弗", "G": "吉", "H": "艾尺", "I": "爱", "J": "杰",
    "K": "开", "L": "艾勒", "M": "艾姆", "N": "恩", "O": "欧", "P": "批", "Q": "丘", "R": "阿尔", "S": "艾丝", "T": "提",
    "U": "优", "V": "维", "W": "达布溜", "X": "艾克斯", "Y": "歪", "Z": "资",
}  # fmt: skip
_WORDS = {"wifi": "无线网", "wi-fi": "无线网", "no": "第", "vs": "对", "tel": "电话", "rmb": "人民币", "km": "公里"}
_ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "X": 10}
_R = "VIII|VII|III|II|IV|VI|IX|I|V|X"
_IN_ADDRESSES = {
    ".": "点", "/": "斜杠", ":": "冒号", "@": "艾特", "-": "杠", "_": "下划线", "?": "问号", "=": "等于", "&": "和", "#": "井号",
    "%": "百分号",
}  # fmt: skip
_SCHEME = re.compile(r"^[a-z]+://", re.IGNORECASE)
_PIECE = re.compile(r"[0-9]+|.")


def _address(found: re.Match[str]) -> str:
    """Nothing is left out of it: whoever finds that too long takes it out of the text."""
    pieces = _PIECE.findall(_SCHEME.sub("", found[0]).rstrip("/"))
    return "，" + "".join(called(one) if one.isdigit() else _IN_ADDRESSES.get(one, one) for one in pieces) + "，"


def _level(found: re.Match[str]) -> str:
    return re.sub(_R, lambda one: cardinal(str(_ROMAN[one[0]])), found[0])


def _word(found: re.Match[str]) -> str:
    return _WORDS[found[0].lower().rstrip(".")]


ADDRESSES = (
    (r"(?i)(?<![a-z0-9])(?:https?|ftp)://[a-z0-9./_?=&#%:@~+-]{1,2000}", _address),
    (r"(?i)(?<![a-z0-9._%+-])[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,4}", _address),
    (
        r"(?i)(?<![a-z0-9./-])(?:www\.|(?=[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,3}\.(?:com|cn|net|org)(?![a-z0-9-])))"
        r"[a-z0-9./_-]{1,500}",
        _address,
    ),
)
WORDS = (
    (rf"(?<![A-Za-z])(?:{_R})(?:[、/和与及至到~-](?:{_R})){{0,3}}(?=[级类型度期等])", _level),
    (r"(?<![A-Za-z])(?:[Nn][Oo]\.(?= ?[0-9])|[Nn]o(?= ?[0-9])|NO(?= ?[0-9])(?! ?[2x](?![0-9])))", _word),
    (r"(?i)(?<![a-z])(?:wi-?fi|vs\.?|tel\.?|rmb)(?![a-z])", _word),
    (r"(?<![A-Za-z0-9×])(?:×{2,3}|[Xx]{2,3})(?![A-Za-z0-9×])", lambda _: "某某"),
    (r"(?<=[每几数半])km(?![A-Za-z])", _word),
)
