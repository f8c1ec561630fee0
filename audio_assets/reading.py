"""From words to syllables: what stands in the lexicon first, then pypinyin, then the tone changes of 一 and 不.

The engines get syllables only, so that a place name sounds the same in every voice. Loads pypinyin: not for the server's process.
"""

from dataclasses import dataclass

from pypinyin import Style, lazy_pinyin
from pypinyin.seg.mmseg import seg

try:
    from rjieba import cut  # comes with the extra tts-neural; only its voices ask where a word begins
except ImportError:

    def cut(text: str, hmm: bool = True) -> list[str]:
        """pypinyin's own dictionary knows fewer words."""
        return list(seg.cut(text))


from audio_assets.lexicon import Lexicon
from audio_assets.pinyin import is_syllable
from audio_assets.spoken import DIGITS

_AFTER_NUMBERS = DIGITS + "十百千万亿点第幺初周期"  # 一 keeps its tone after these
_BEFORE_ORDINALS = DIGITS + "十点月日号级楼组队区班村社，。"  # and before these
_FALLING = "4"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text is read.

    :param words: what is said, a pause is ， or 。
    :param syllables: one for each character of words; a pause is itself, a character that nobody knows is empty.
    :param begins: where a word begins, likewise one for each; finer or coarser with the dictionary that is installed.
    """

    words: str
    syllables: tuple[str, ...]
    begins: tuple[bool, ...]

    @property
    def unknown(self) -> str:
        """The characters that have no reading and are not heard."""
        return "".join(char for char, syllable in zip(self.words, self.syllables, strict=True) if not syllable)

    @property
    def spoken(self) -> int:
        """How many syllables are heard."""
        return sum(is_syllable(syllable) for syllable in self.syllables)


def read(words: str, lexicon: Lexicon) -> Reading:
    """The syllables of what `spoken` made: 不去一个 → bu2 qu4 yi2 ge4."""
    syllables: list[str] = []
    begins: list[bool] = []
    fixed: set[int] = set()
    for piece, known in _pieces(words, lexicon):
        if known is not None:
            fixed.update(range(len(syllables), len(syllables) + len(piece)))
            syllables += known
            begins += [index == 0 for index in range(len(piece))]
        else:
            syllables += _looked_up(piece)
            begins += [index == 0 for word in cut(piece) for index in range(len(word))]
    changed = [one if index in fixed else _changed(words, syllables, index) for index, one in enumerate(syllables)]
    return Reading(words, tuple(changed), tuple(begins))


def _pieces(words: str, lexicon: Lexicon) -> list[tuple[str, tuple[str, ...] | None]]:
    """The text cut into entries of the lexicon and what lies between them."""
    pieces: list[tuple[str, tuple[str, ...] | None]] = []
    start = index = 0
    while index < len(words):
        found = lexicon.at(words, index)
        if found is None:
            index += 1
            continue
        if start < index:
            pieces.append((words[start:index], None))
        word, entry = found
        pieces.append((word, entry.syllables))
        start = index = index + len(word)
    if start < len(words):
        pieces.append((words[start:], None))
    return pieces


def _looked_up(piece: str) -> list[str]:
    # errors=list: what has no reading stays one entry a character; the stub of pypinyin knows of strings only
    found = lazy_pinyin(piece, style=Style.TONE3, neutral_tone_with_five=True, errors=list)  # type: ignore[arg-type]
    return [one if is_syllable(one) or one in "，。" else "" for one in found]


def _changed(words: str, syllables: list[str], index: int) -> str:
    char = words[index]
    before, after = words[index - 1] if index else "。", words[index + 1] if index + 1 < len(words) else "。"
    tone_after = syllables[index + 1][-1:] if index + 1 < len(words) else ""
    match char:
        case "一" if before in _AFTER_NUMBERS or after in _BEFORE_ORDINALS:
            return "yi1"
        case "一":
            return "yi2" if tone_after == _FALLING else "yi4"
        case "不":
            return "bu2" if tone_after == _FALLING else "bu4"
        case _:
            return syllables[index]
