"""Readings of words that the dictionary gets wrong (读音词典): place names, surnames, words of warnings. Pure.

The file is a table that an operator edits: what is written, a numbered syllable for each character, "?" when it is assumed.
Where a beginning such as 曾* meets an end such as *家庄, whatever file they stand in, the word is an entry too: 曾家庄.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from audio_assets.pinyin import is_syllable
from audio_assets.spoken import is_hanzi

SHORTEST, LONGEST = 2, 16  # characters of an entry: a single one would change every text
OPEN = "*"  # where a beginning or an end is to be continued
MOST_OPEN = 160  # beginnings and ends of a file: together they make some thousand words
MOST_BYTES = 256 * 1024
MOST_ERRORS = 20
ASSUMED = "?"


class BadLexicon(ValueError):
    """A file of readings can't be used.

    :param errors: number of the line and what is wrong with it.
    """

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"line {number}: {sentence}" for number, sentence in errors))


@dataclass(frozen=True, slots=True)
class Entry:
    """One word and its syllables, one for each character."""

    syllables: tuple[str, ...]
    assumed: bool = False


class Lexicon:
    """Words with their readings; the longest that fits is taken.

    :param entries: from what is written.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = dict(entries)
        self._words = _joined(self.entries) | {word: one for word, one in self.entries.items() if OPEN not in word}
        self._longest = max(map(len, self._words), default=0)
        self._begins = frozenset(word[:SHORTEST] for word in self._words)

    def __add__(self, other: "Lexicon") -> "Lexicon":
        """Both; where they differ, what stands on the right wins."""
        return Lexicon({**self.entries, **other.entries})

    def at(self, text: str, start: int) -> tuple[str, Entry] | None:
        """The longest word that begins there."""
        if text[start : start + SHORTEST] not in self._begins:
            return None
        for length in range(min(self._longest, len(text) - start), SHORTEST - 1, -1):
            word = text[start : start + length]
            if word in self._words:
                return word, self._words[word]
        return None


def parse(text: str) -> Lexicon:
    """The entries of a file.

    :raises BadLexicon: with every wrong line, the first MOST_ERRORS of them.
    """
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise BadLexicon([(0, f"the file is larger than {MOST_BYTES // 1024} KiB")])
    entries: dict[str, Entry] = {}
    lines: dict[str, int] = {}
    errors: list[tuple[int, str]] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        word, *syllables = line.partition("#")[0].split() or [""]
        if not word:
            continue
        assumed = syllables[-1:] == [ASSUMED]
        syllables = syllables[:-1] if assumed else syllables
        wrong = list(_faults(word, syllables))
        if OPEN in word and sum(OPEN in other for other in entries) >= MOST_OPEN:
            wrong.append(f"more than {MOST_OPEN} beginnings and ends")
        if word in lines:
            wrong.append(f"{word} stands in line {lines[word]} already")
        if wrong:
            errors += [(number, sentence) for sentence in wrong]
        else:
            entries[word], lines[word] = Entry(tuple(syllables), assumed), number
    if errors:
        raise BadLexicon(errors[:MOST_ERRORS])
    return Lexicon(entries)


def shipped() -> str:
    """The file that comes with the program."""
    return resources.files("config").joinpath("readings.txt").read_text(encoding="utf-8")


def digest(*texts: str) -> str:
    """Changes with any of the files: what was rendered with other readings is rendered anew."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:16]


def _joined(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Every beginning with every end."""
    ends = [(word[1:], one) for word, one in entries.items() if word.startswith(OPEN)]
    return {
        word[:-1] + end: Entry(begun.syllables + ended.syllables, begun.assumed or ended.assumed)
        for word, begun in entries.items()
        if word.endswith(OPEN)
        for end, ended in ends
        if len(word) - 1 + len(end) <= LONGEST
    }


def _faults(word: str, syllables: list[str]) -> Iterable[str]:
    if OPEN in word:
        word = word[1:] if word.startswith(OPEN) else word.removesuffix(OPEN)
        shortest = 1
    else:
        shortest = SHORTEST
    if not word or not all(map(is_hanzi, word)):
        yield f"{word!r} has characters that are not Chinese"
    elif not shortest <= len(word) <= LONGEST:
        yield f"{word} has {len(word)} characters; {shortest} to {LONGEST} can be entered"
    elif len(syllables) != len(word):
        yield f"{word} has {len(word)} characters and {len(syllables)} syllables"
    for syllable in syllables:
        if not is_syllable(syllable):
            yield f"{syllable!r} is no syllable with a tone number (ü is written v, no tone is 5)"
