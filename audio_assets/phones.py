"""Syllables in the phonetic letters that the Kokoro model was trained with (those of misaki's Mandarin front end). Pure.

Checked against misaki 0.9.4: all 2,070 syllables with their tones are the same.
"""

from collections.abc import Iterator

from audio_assets.pinyin import parts_of
from audio_assets.reading import Reading

# Numbers of the letters in the vocabulary of Kokoro-82M v1.0 (Apache-2.0); those that Mandarin needs
VOCABULARY = {
    ",": 3, ".": 4, " ": 16, "ʦ": 20, "ʨ": 21, "ꭧ": 23, "a": 43, "e": 47, "f": 48, "i": 51, "j": 52, "k": 53, "l": 54, "m": 55,
    "n": 56, "o": 57, "p": 58, "t": 62, "u": 63, "w": 65, "x": 66, "y": 67, "ɔ": 76, "ɕ": 77, "s": 61, "ə": 83, "ɚ": 85, "ɛ": 86,
    "ɥ": 99, "ɨ": 101, "ŋ": 112, "ɻ": 126, "ʂ": 130, "ʊ": 135, "ɤ": 140, "ʰ": 162, "↓": 169, "→": 171, "↗": 172, "↘": 173,
}  # fmt: skip
_INITIALS = {
    "": "", "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k", "k": "kʰ", "h": "x",
    "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "r": "ɻ", "z": "ʦ", "c": "ʦʰ", "s": "s",
}  # fmt: skip
_FINALS = {  # 0 is where the tone stands
    "a": "a0", "ai": "ai0", "an": "a0n", "ang": "a0ŋ", "ao": "au0", "e": "ɤ0", "ei": "ei0", "en": "ə0n", "eng": "ə0ŋ", "er": "ɚ0",
    "i": "i0", "ia": "ja0", "ian": "jɛ0n", "iang": "ja0ŋ", "iao": "jau0", "ie": "je0", "in": "i0n", "iou": "jou0", "ing": "i0ŋ",
    "iong": "jʊ0ŋ", "ong": "ʊ0ŋ", "ou": "ou0", "u": "u0", "uei": "wei0", "ua": "wa0", "uai": "wai0", "uan": "wa0n", "uen": "wə0n",
    "uang": "wa0ŋ", "ueng": "wə0ŋ", "uo": "wo0", "o": "wo0", "io": "wo0", "ü": "y0", "üe": "ɥe0", "üan": "ɥɛ0n", "ün": "y0n",
}  # fmt: skip
_BUZZING = ("zh", "ch", "sh", "r", "z", "c", "s")  # their i is another vowel
_TONES = {1: "→", 2: "↗", 3: "↓", 4: "↘", 5: ""}


def phones_of(syllable: str) -> str:
    """chong2 → ꭧʰʊ↗ŋ. ValueError when it is no syllable."""
    initial, final, tone = parts_of(syllable)
    if final == "i" and initial in _BUZZING:
        said = "ɨ0"
    elif final == "o" and not initial:
        said = "ɔ0"
    else:
        said = _FINALS[final]
    return _INITIALS[initial] + said.replace("0", _TONES[tone])


def phones(reading: Reading) -> Iterator[str]:
    """The text in pieces that end with a pause: words apart, a comma or a full stop behind them."""
    piece = ""
    for char, syllable, begins in zip(reading.words, reading.syllables, reading.begins, strict=True):
        if char in "，。":
            if piece:
                yield piece + ("," if char == "，" else ".")
            piece = ""
        elif syllable:
            piece += (" " if begins and piece else "") + phones_of(syllable)
    if piece:
        yield piece + "."
