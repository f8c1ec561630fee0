"""What is wrong with an audit trail, and with which act: changed, missing, put in, moved, written anew.

`Walk` goes through the acts in the order of their numbers. While each proves itself and follows the one before, that is one hash an
act. Where one does not, the acts around it are gathered until three in a row are right again, and from there the chain is followed
back by the links that the acts kept: what lies on it is genuine, and what is wrong with the rest shows.

What only a checkpoint or a copy elsewhere can tell (a tail that was written anew with all its links, or cut off) is in `compare`.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from broadcast.domain.audit import Checkpoint, Entry, Head, encoded_text, encoded_whole, fits, text_head

SEARCH = 64  # numbers by which an act may have been moved and still be recognised at once
IN_A_ROW = 3
REGION = 2_000  # acts that are looked at together at most
MOST_FINDINGS = 100  # a trail with more is worthless as a whole
_KNOWN_WORDS = 50_000


Raw = tuple[Any, ...]  # as `Entry`, from a database that may hold anything


class Wrong(StrEnum):
    """What happened to an act."""

    CHANGED = "changed"  # it says something else than when it was written
    RELINKED = "relinked"  # likewise, and its link was made anew; perhaps those right before it too
    MISSING = "missing"
    INSERTED = "inserted"
    MOVED = "moved"  # it stands in another place
    REWRITTEN = "rewritten"  # a checkpoint, or a copy kept elsewhere, knows another act under this number
    CUT_OFF = "cut-off"  # a checkpoint or a copy knows acts after the last one
    UNSIGNED = "unsigned"  # a checkpoint whose signature is not by a key of ours


@dataclass(frozen=True, slots=True)
class Finding:
    """:param first, last: by the numbers that the acts were written under; of inserted ones, under which they stand.
    :param place: where a moved act stands now; 0 otherwise.
    """

    wrong: Wrong
    first: int
    last: int
    place: int = 0


class Walk:
    """One pass through a trail, batch by batch.

    :param after: what was verified before; the first batch begins with the act after it.
    """

    def __init__(self, after: Head = Head()) -> None:  # noqa: B008  frozen
        self.head = after
        self.rows = 0
        self.findings: list[Finding] = []
        self._before = after  # the head before the last right act
        self._last: Entry | None = None
        self._shift = 0  # the number that an act was written under, less the one under which it stands
        self._gathering = False
        self._region: list[Entry] = []
        self._origins: list[int | None] = []
        self._strays: list[Entry] = []  # which may belong somewhere else
        self._words: dict[str, bytes] = {}

    @property
    def is_hopeless(self) -> bool:
        """There is so much wrong that the rest is not looked at."""
        return len(self.findings) >= MOST_FINDINGS

    def take(self, batch: Sequence[Raw]) -> None:
        """The next acts, as tuples in the order of `Entry`."""
        self.rows += len(batch)
        at = 0
        while at < len(batch) and not self.is_hopeless:
            at = self._gather(batch, at) if self._gathering else self._run(batch, at)

    def end(self) -> list[Finding]:
        """There are no more acts: everything that was found, in the order of the numbers."""
        if self._gathering and not self.is_hopeless:
            self._resolve(None)
        self._bring_home()
        self.findings.sort(key=lambda one: (one.first, one.last))
        return self.findings

    def _run(self, batch: Sequence[Raw], at: int) -> int:
        """The quick way, a hash an act; where it ends."""
        sha256, words, heads, shift = hashlib.sha256, self._words, _TEXT_HEADS, self._shift
        if len(words) > _KNOWN_WORDS:
            words.clear()
        expected, link = self.head
        good = at
        try:
            for row in batch[at:] if at else batch:
                seq, at_ms, officer, verb, subject, detail, previous, claimed = row
                expected += 1
                if (who := words.get(officer)) is None:
                    who = words[officer] = encoded_text(officer)
                if (what := words.get(verb)) is None:
                    what = words[verb] = encoded_text(verb)
                to, why = subject.encode(), detail.encode()
                parts = (
                    b"\x87",
                    encoded_whole(expected),
                    encoded_whole(at_ms),
                    who,
                    what,
                    heads[len(to)] if len(to) < 256 else text_head(len(to)),
                    to,
                    heads[len(why)] if len(why) < 256 else text_head(len(why)),
                    why,
                    b"\x58\x20",
                    link,
                )
                if seq + shift != expected or previous != link or sha256(b"".join(parts)).digest() != claimed:
                    break
                good, link = good + 1, claimed
        except (UnicodeEncodeError, OverflowError, TypeError, AttributeError):
            pass  # no act of ours has such values: looked at more closely below
        if good > at:
            self._last = Entry(*batch[good - 1])
            self._before = Head(self._last.seq + shift - 1, bytes(self._last.previous))
            self.head = Head(self._last.seq + shift, bytes(self._last.link))
        if good < len(batch):
            self._open_region()
        return good

    def _open_region(self) -> None:
        """Looked at more closely from the last right act on: it is the one that may have been made anew with its link."""
        self._gathering = True
        if self._last is not None:
            self._region, self._origins = [self._last], [self.head.seq]

    def _gather(self, batch: Sequence[Raw], at: int) -> int:
        for index in range(at, len(batch)):
            entry = Entry(*batch[index])
            self._region.append(entry)
            self._origins.append(self._origin(entry))
            if self._is_right_again():
                self._resolve(len(self._region) - IN_A_ROW)
                return index + 1
            if len(self._region) >= REGION:
                self._resolve(None)
                return index + 1
        return len(batch)

    def _origin(self, entry: Entry) -> int | None:
        """The number under which it was written; None when it says something else than then."""
        numbers = [entry.seq + self._shift, entry.seq, self.head.seq + 1]
        numbers += [entry.seq + self._shift + way * n for n in range(1, SEARCH + 1) for way in (1, -1)]
        return next((one for one in numbers if one > 0 and fits(entry._replace(seq=one))), None)

    def _is_right_again(self) -> bool:
        if len(self._region) <= IN_A_ROW:
            return False
        rows, origins = self._region[-IN_A_ROW:], self._origins[-IN_A_ROW:]
        shift = None if origins[0] is None else origins[0] - rows[0].seq
        return all(one is not None and one - row.seq == shift for one, row in zip(origins, rows, strict=True)) and all(
            after.previous == before.link for before, after in pairwise(rows)
        )

    def _resolve(self, anchor: int | None) -> None:
        """Say what is wrong in the region.

        :param anchor: the index of the first act that is right again; None: there is none.
        """
        rows, origins = self._region, self._origins
        self._gathering, self._region, self._origins = False, [], []
        base = self._before if self._last is not None else self.head
        inner = rows if anchor is None else rows[:anchor]
        story = _Story(base, inner, origins[: len(inner)], self._shift)
        if anchor is not None:
            story.follow_back(rows[anchor].previous, (origins[anchor] or 0) - 1)
        else:
            story.follow_back_from_the_last()
        self.findings += story.findings[: MOST_FINDINGS - len(self.findings)]
        self._strays += story.strays[: MOST_FINDINGS - len(self._strays)]
        last, origin = rows[-1], origins[-1]
        if anchor is not None and origin is not None:
            self._shift = origin - last.seq
        number = last.seq + self._shift
        self._last, self.head, self._before = last, Head(number, last.link), Head(number - 1, last.previous)

    def _bring_home(self) -> None:
        """An act that seems changed or put in, and fits where one seems changed or missing, was moved."""
        for entry in self._strays:
            for wrong in (Wrong.CHANGED, Wrong.MISSING):
                for lost in [one for one in self.findings if one.wrong is wrong and one.first == one.last]:
                    if lost.first != entry.seq and fits(entry._replace(seq=lost.first)):
                        self.findings.remove(lost)
                        put_in = Finding(Wrong.INSERTED, entry.seq, entry.seq)
                        if put_in in self.findings:
                            self.findings.remove(put_in)
                        self.findings.append(Finding(Wrong.MOVED, lost.first, lost.first, place=entry.seq))


class _Story:
    """What happened to a few acts, by following the chain back from a genuine one.

    :param base: the head before them.
    :param origins: of each, the number under which it was written; None: it was changed.
    """

    def __init__(self, base: Head, rows: Sequence[Entry], origins: Sequence[int | None], shift: int) -> None:
        self.base, self.rows, self.origins, self.shift = base, rows, origins, shift
        self.findings: list[Finding] = []
        self.strays: list[Entry] = []
        self._by_link = {row.link: index for index, row in reversed(list(enumerate(rows)))}
        # of two that were written under one number the later is genuine: what was put in before it has pushed it on
        self._by_origin = {one: index for index, one in enumerate(origins) if one is not None}
        self._by_seq = {
            row.seq + shift: index for index, row in reversed(list(enumerate(rows))) if origins[index] is None
        }
        self._used: dict[int, int] = {}  # index: number

    def follow_back_from_the_last(self) -> None:
        """Without a genuine act behind them, the one written last counts as one; changed ones may stand behind it."""
        highest = max((one for one in self.origins if one is not None), default=self.base.seq)
        for number in sorted((one for one in self._by_seq if one > highest), reverse=True):
            self._take(self._by_seq[number], number, Wrong.CHANGED)
        link = self.rows[self._by_origin[highest]].link if highest in self._by_origin else self.base.link
        self.follow_back(link, highest)

    def follow_back(self, link: bytes | None, number: int) -> None:
        """:param link: that of the act of this number, as the one after it says."""
        missing: list[int] = []
        while number > self.base.seq:
            index, wrong = self._find(link, number)
            if index is None:
                missing.append(number)
                link = None
            else:
                self._take(index, number, wrong)
                link = self.rows[index].previous
                known = Head(number - 1, link) == self.base or link in self._by_link
                if wrong is Wrong.CHANGED and not known:
                    link = None  # it lies about that too
            number -= 1
        if link is not None and link != self.base.link and not missing and self._used:
            self._report(Wrong.RELINKED, max(self.base.seq, 1), max(self.base.seq, 1))
        for first, last in _runs(missing):
            self._report(Wrong.MISSING, first, last)
        self._report_others()

    def _find(self, link: bytes | None, number: int) -> tuple[int | None, Wrong | None]:
        """Which of the rows is this act, and what is wrong with it."""
        index = self._by_link.get(link) if link is not None else None
        if index is not None and index not in self._used:
            if self.origins[index] == number:
                return index, None
            if self.origins[index] is None:
                return index, Wrong.CHANGED
        index = self._by_origin.get(number)
        if index is not None and index not in self._used:
            return index, None if link is None else Wrong.RELINKED
        index = self._by_seq.get(number)
        return (index, Wrong.CHANGED) if index is not None and index not in self._used else (None, None)

    def _take(self, index: int, number: int, wrong: Wrong | None) -> None:
        self._used[index] = number
        if wrong is not None:
            self._report(wrong, number, number)
            if wrong is Wrong.CHANGED:
                self.strays.append(self.rows[index])

    def _report_others(self) -> None:
        extra = [row for index, row in enumerate(self.rows) if index not in self._used]
        self.strays += extra
        for row in extra:
            self._report(Wrong.INSERTED, row.seq, row.seq)
        placed = [(self._used[index], self.rows[index].seq) for index in range(len(self.rows)) if index in self._used]
        in_order = _longest_rising([number for number, _ in placed])
        for at, (number, place) in enumerate(placed):
            if at not in in_order:
                self._report(Wrong.MOVED, number, number, place=place)

    def _report(self, wrong: Wrong, first: int, last: int, *, place: int = 0) -> None:
        self.findings.append(Finding(wrong, first, last, place))


def compare(
    checkpoints: Iterable[Checkpoint], links: Mapping[int, bytes], head: Head, *, forged: Iterable[Checkpoint] = ()
) -> Iterator[Finding]:
    """What checkpoints know better than the trail that they are held against.

    :param links: of the trail, at least at the numbers of the checkpoints.
    :param head: of the trail.
    :param forged: those whose signature is not by a key of ours; they prove nothing but that somebody wrote them.
    """
    for one in forged:
        yield Finding(Wrong.UNSIGNED, one.seq, one.seq)
    agreed = 0
    for one in sorted(checkpoints, key=lambda one: one.seq):
        if one.seq > head.seq:
            yield Finding(Wrong.CUT_OFF, head.seq + 1, one.seq)
            return
        if links.get(one.seq) != one.link:
            yield Finding(Wrong.REWRITTEN, agreed + 1, one.seq)
            return
        agreed = one.seq


def first_difference(copy: Iterable[Entry], links: Mapping[int, bytes]) -> int | None:
    """The first act of a copy kept elsewhere that the trail has otherwise, or not at all."""
    return next((one.seq for one in copy if links.get(one.seq) != one.link), None)


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Rising numbers in a row, as first and last."""
    run: list[int] = []
    for number in sorted(numbers):
        if run and number != run[-1] + 1:
            yield run[0], run[-1]
            run = []
        run.append(number)
    if run:
        yield run[0], run[-1]


def _longest_rising(numbers: Sequence[int]) -> frozenset[int]:
    """The indices of a longest rising part: what stands outside of it was moved."""
    tails: list[int] = []  # by length, the smallest number at which such a part ends
    at: list[int] = []
    before: list[int] = []
    for index, number in enumerate(numbers):
        length = bisect_left(tails, number)
        before.append(at[length - 1] if length else -1)
        if length == len(tails):
            tails.append(number)
            at.append(index)
        else:
            tails[length], at[length] = number, index
    found: list[int] = []
    index = at[-1] if at else -1
    while index >= 0:
        found.append(index)
        index = before[index]
    return frozenset(found)


_TEXT_HEADS = [text_head(length) for length in range(256)]
