"""What is written, as it is said: numbers, times, telephone numbers, units and letters become Chinese words.

Every Mandarin front end tried reads 119 as 一百一十九, loses the unit of 28.6mm and spells K3+200 as if it were pinyin
(research/audio §5); so nothing but Chinese characters and two pauses leaves this package. Markup is never interpreted.
"""

import re
from collections.abc import Callable

from audio_assets.spoken.characters import is_hanzi, plain, sayable, unsayable
from audio_assets.spoken.comparing import COMPARING
from audio_assets.spoken.counting import COUNTING
from audio_assets.spoken.letters import ADDRESSES, WORDS
from audio_assets.spoken.measures import MEASURES
from audio_assets.spoken.names import NAMES, PLATES
from audio_assets.spoken.numbers import DIGITS, cardinal, one_by_one
from audio_assets.spoken.telephones import TELEPHONES
from audio_assets.spoken.times import TIMES

__all__ = ["DIGITS", "cardinal", "is_hanzi", "one_by_one", "spoken", "unsaid"]

Say = Callable[[re.Match[str]], str]

_FIGURES = frozenset("0123456789零一二三四五六七八九十幺")


def _kept_apart(say: Say) -> Say:
    """57%19 must not become 百分之五十七十九: between two figures there is a pause."""

    def replace(found: re.Match[str]) -> str:
        said, begin, end = say(found), found.start(), found.end()
        before, after = found.string[max(0, begin - 1) : begin], found.string[end : end + 1]
        if (before in _FIGURES or before == "两") and said[:1] in _FIGURES:
            said = "，" + said
        if after in _FIGURES and said[-1:] in _FIGURES:
            said += "，"
        return said

    return replace


_RULES: tuple[tuple[re.Pattern[str], Say], ...] = tuple(
    (re.compile(pattern), _kept_apart(say))
    for pattern, say in (*ADDRESSES, *COMPARING, *TIMES, *PLATES, *TELEPHONES, *NAMES, *MEASURES, *WORDS, *COUNTING)
)


def spoken(text: str) -> str:
    """The text as Chinese characters with the pauses ， and 。; what cannot be said is left out, see `unsaid`."""
    return sayable(_worded(text))


def unsaid(text: str) -> str:
    """The characters of a text that `spoken` leaves out and that may have meant something, each once."""
    return unsayable(text, _worded(text))


def _worded(text: str) -> str:
    text = plain(text)
    for pattern, say in _RULES:
        text = pattern.sub(say, text)
    return text
