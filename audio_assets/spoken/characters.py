"""The first and the last step: all of Unicode brought to the few characters that the rules know, and these to what is said."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from audio_assets.spoken.letters import LETTERS
from audio_assets.spoken.numbers import cardinal

SIGNS = {
    "+": "加", "=": "等于", "&": "和", "×": "乘", "÷": "除以", "±": "正负", "≥": "大于等于", "≤": "小于等于", "≈": "约等于",
    "≠": "不等于", "≮": "不小于", "≯": "不大于", "≡": "恒等于", "@": "艾特", "∞": "无穷大", "Ω": "欧姆", "α": "阿尔法",
    "β": "贝塔", "γ": "伽马", "δ": "德尔塔", "ε": "伊普西龙", "θ": "西塔", "λ": "兰姆达", "π": "派", "ρ": "柔", "σ": "西格玛",
    "φ": "斐", "ω": "欧米伽", "μ": "缪", "′": "分", "″": "秒", "℃": "摄氏度", "°": "度", "○": "零", "〇": "零", "№": "第",
}  # fmt: skip
_KEPT = "，；！？。：、（）℃°′″μ—×÷±≥≤≈≠≮≯∞·→€£¥№‰"  # NFKC would change some of them into what means something else
_FOLDED = {
    **dict.fromkeys("‐‑‒–−﹣－⁃", "-"),
    **dict.fromkeys("―⸺─━", "—"),
    **dict.fromkeys("≧⩾≳", "≥"),
    **dict.fromkeys("≦⩽≲", "≤"),
    **dict.fromkeys("‹˂﹤", "<"),
    **dict.fromkeys("›˃﹥", ">"),
    **dict.fromkeys("≒≅≃", "≈"),
    **dict.fromkeys("⇒➡➔➜➝➞➙⟶⟹⇨⮕￫", "→"),
    **dict.fromkeys("∼〜～", "~"),
    **dict.fromkeys("…⋯", "，"),
    **dict.fromkeys("〇○", "○"),
    **dict.fromkeys("º˚", "°"),
    "℉": "°F", "µ": "μ", "⁄": "/", "Ø": "φ", "⌀": "φ", "ø": "φ", "Φ": "φ", "ϕ": "φ", "∆": "δ",
    "∕": "/", "￥": "¥", "：": ":", "（": "(", "）": ")", "．": ".", "∶": ":", "\t": " ",
    "▪": "，", "●": "，", "■": "，", "◆": "，", "★": "，", "\u2028": "\n", "\u2029": "\n", "\x85": "\n",
    "½": "二分之一", "⅓": "三分之一", "⅔": "三分之二", "¼": "四分之一", "¾": "四分之三",
}  # fmt: skip
_RARE, _BEYOND = "\U00020000", "\U00040000"  # two planes of Chinese characters; new ones come with every Unicode
_UNSEEN = ("Cc", "Cf", "Mn", "Me", "Mc", "Cs", "Co", "Cn")
_POWER = re.compile("[⁰¹²³⁴-⁹⁻]+")
_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_GROUPED = re.compile(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9,])(?![室号房栋路楼])")
# Groups of three digits, as books write them: parted by a thin or unbreakable space always, by a plain one before a measure word
# only, since 119 120 are two numbers.
_NARROW = re.compile(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:[\u00a0\u2007\u2009\u202f][0-9]{3})+(?![0-9])")
_SPACED = re.compile(
    r"(?<![0-9.,])(?<![0-9] )(?!1(?:10|14|19|20|22) )[1-9][0-9]{0,2}(?: [0-9]{3})+"
    r"(?= ?(?:[人名元万户亩米吨个只头台辆件套公斤千立平]|(?:km|kg|m|t|kW|L)(?![A-Za-z])))"
)
_MARKUP = re.compile(r"</?[A-Za-z][^<>]{0,200}>|<!--|&(?:[A-Za-z]{2,8}|#[0-9]{1,6});")
_ENDS = re.compile(r"[。！!？?；;\n]+")
_CALL = re.compile("(?:电话)?[☎☏✆📞📱℡]+")
_LOOSE = re.compile(
    r"(?<=[0-9]) (?=[年月日时])(?:(?<=(?<![0-9])(?:19|20)[0-9]{2} )|(?<=(?<![0-9])[0-9]{2} )|(?<=(?<![0-9])[0-9] ))"
    r"|(?<=[年月日]) (?=[0-9]{1,2} ?[月日时])|(?<=[0-9]) (?=: [0-5][0-9](?![0-9]))|(?<=[0-9] :) (?=[0-5][0-9](?![0-9]))"
)  # 2026 年 11 月, 10 : 30
_DIAMETER = re.compile("φ(?= ?[0-9])")
_NAMELESS = ("Co", "Cn", "Cs")  # private use among them: there fonts of old keep characters of village names
_ORNAMENTS = ("\uf000", "\uf0ff")  # and bullets, in Wingdings
_MISSED = "<>→%‰^$¥€£§¶"  # of what becomes a pause or nothing, what may have meant something
_HARMLESS = "~|+=" + "".join(map(chr, range(0x2500, 0x2600))) + "★☆✦✧✩✪✫✬✭✮✯✰❖❀✿❤☀☞☛➤➢►▸"
_PAUSES = re.compile(r"[，、,：:（）()\[\]【】〔〕{}<>—·/|_\\→.-]+")
_BETWEEN_FIGURES = re.compile("(?<=[零一二三四五六七八九十两幺])\0+(?=[零一二三四五六七八九十两幺])")
_STOPS = re.compile(r"[，。]*。[，。]*")


def plain(text: str) -> str:
    """Full width, small forms, circled and Roman numerals, foreign digits and look-alikes to ASCII, hanzi and a few signs.

    What is not seen (control characters, joiners, marks) goes. A power is written with ^.
    """
    text = _CALL.sub("电话", text)
    text = _POWER.sub(lambda found: "^" + found[0].translate(_POWERS), text)
    text = _NARROW.sub(_without_spaces, text)
    text = "".join(map(_plain_char, text)).replace("°C", "℃")
    text = re.sub(r"[^\S\n]+", " ", text)
    text = _LOOSE.sub("", text)
    text = _DIAMETER.sub("直径", _SPACED.sub(_without_spaces, text))
    return _GROUPED.sub(lambda found: found[0].replace(",", ""), text)


def _without_spaces(found: re.Match[str]) -> str:
    return re.sub(r"\s", "", found[0])


def sayable(text: str) -> str:
    """What the rules have left: letters by their names, signs by theirs, pauses as ， and 。, everything else away."""
    text = _PAUSES.sub("，", _ENDS.sub("。", text))
    text = _BETWEEN_FIGURES.sub("，", "".join(_sayable(text))).replace("\0", "")
    return _STOPS.sub("。", re.sub("，+", "，", text)).strip("，。")


def unsayable(written: str, left: str) -> str:
    """The characters that go without a word and may have meant something, each once: signs, arrows, foreign letters, emoji.

    Marks that end, part, quote or adorn are not among them.

    :param written: the text as it came.
    :param left: what the rules have left of it, before `sayable`.
    """
    nameless = [char for char in written if _is_nameless(char)]
    return "".join(dict.fromkeys([*(char for char in left if _is_missed(char)), *nameless]))


def _is_nameless(char: str) -> bool:
    return unicodedata.category(char) in _NAMELESS and not is_hanzi(char) and not _ORNAMENTS[0] <= char <= _ORNAMENTS[1]


@lru_cache(8192)
def _is_missed(char: str) -> bool:
    if char in _MISSED:
        return True
    if char in SIGNS or char.upper() in LETTERS or is_hanzi(char) or char in _HARMLESS:
        return False
    return unicodedata.category(char) in ("Sm", "Sc", "So", "No", "Nl", "Ll", "Lu", "Lt", "Lo", "Lm")


def holds_markup(text: str) -> bool:
    """Whether somebody pasted tags or entities of HTML: they would be spelled out, and never do anything."""
    return _MARKUP.search(text) is not None


@lru_cache(8192)
def is_hanzi(char: str) -> bool:
    """Whether it is a Chinese character, of any block of Unicode."""
    if char >= _RARE:
        return char < _BEYOND
    return unicodedata.name(char, "").startswith(("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH"))


def _sayable(text: str) -> Iterator[str]:
    for char in text:
        if char in "，。" or is_hanzi(char):
            yield char
        else:
            yield LETTERS.get(char.upper()) or SIGNS.get(char, "\0")


@lru_cache(8192)
def _plain_char(char: str) -> str:
    if char in _FOLDED:
        return _FOLDED[char]
    rare = _RARE <= char < _BEYOND and not unicodedata.decomposition(char)
    if rare or char in _KEPT or "\x20" <= char < "\x7f" or char == "\n":
        return char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category in ("No", "Nl"):
        return _numeral(char)
    if category in _UNSEEN:
        return ""
    latin = category in ("Lu", "Ll") and unicodedata.name(char, "").startswith("LATIN")
    plainer = unicodedata.normalize("NFKD", char) if latin else unicodedata.normalize("NFKC", char)  # ā → a
    return "".join(one for one in plainer if unicodedata.category(one) not in _UNSEEN)


def _numeral(char: str) -> str:
    """Ⅳ → 四 (a level), ① → 一 between pauses (a point of a list)."""
    value = unicodedata.numeric(char, -1.0)
    if value < 0 or value != int(value) or unicodedata.decomposition(char).startswith("<su"):
        return unicodedata.normalize("NFKC", char)
    said = cardinal(str(int(value)))
    return said if "ROMAN" in unicodedata.name(char, "") else f"，{said}，"
