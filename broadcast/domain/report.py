"""The report of one broadcast (播发报告): how far it got, when, who did what, who did not answer, how well it is known. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.proofs import Known
from endpoints.delivery import State
from endpoints.protocol import Reason

WELL = frozenset({State.SOUNDING, State.INTERRUPTED, State.DONE, State.STOPPED})  # nobody has to look after these
NOT_MEANT_ANY_MORE = State.CANCELLED  # taken off before its time: nothing is missing there


class Moment(StrEnum):
    """Lines of the timeline, in no order: the times say it."""

    BEGINS = "begins"  # its own start
    FIRST = "first"  # the first speaker began
    HALF = "half"  # half of all that were meant had begun
    NINETY = "ninety"  # nine of ten
    LAST = "last"  # the last that ever did
    ENDED = "ended"  # taken off, or its end came


@dataclass(frozen=True, slots=True)
class Stood:
    """Where it stood at one speaker, and who that is.

    :param township: the code of its township, or of the city for the city's own.
    :param started_ms: 0: it never said that it sounds.
    """

    speaker: str
    name: str
    place: str
    township: str
    state: State
    reason: Reason
    started_ms: int
    known: Known

    @property
    def began(self) -> bool:
        return self.started_ms > 0 or self.state in WELL


@dataclass(frozen=True, slots=True)
class Act:
    """Who did what."""

    at_ms: int
    officer: str
    verb: str
    detail: str


@dataclass(frozen=True, slots=True)
class Line:
    """One moment of the timeline; `speakers` had begun by then."""

    at_ms: int
    moment: Moment
    speakers: int


@dataclass(frozen=True, slots=True)
class Part:
    """One township: how many were meant, began, and did not answer or failed."""

    township: str
    meant: int
    began: int
    missing: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on the page.

    :param is_final: it is over; else the report says how it stands at `made_ms`.
    :param ninety_ms: from its start until nine of ten had begun; None: they never did.
    """

    broadcast: Broadcast
    made_ms: int
    is_final: bool
    meant: int
    began: int
    ninety_ms: int | None
    timeline: Sequence[Line]
    parts: Sequence[Part]
    acts: Sequence[Act]
    missing: Sequence[Stood]
    grades: Mapping[Known, int]
    stood: Sequence[Stood]


def gather(broadcast: Broadcast, stood: Sequence[Stood], acts: Iterable[Act], *, now_ms: int) -> Report:
    """The report as of now; what each speaker did is in `stood`, those never heard of included."""
    starts = sorted(one.started_ms for one in stood if one.started_ms)
    missing = [one for one in stood if not one.began and one.state is not NOT_MEANT_ANY_MORE]
    missing += [
        one for one in stood if one.began and one.state not in WELL
    ]  # failed in the middle, or its end is not known
    return Report(
        broadcast=broadcast,
        made_ms=now_ms,
        is_final=not broadcast.is_live(now_ms),
        meant=len(stood),
        began=sum(one.began for one in stood),
        ninety_ms=time_to(90, starts, len(stood), broadcast.order.not_before_ms),
        timeline=_timeline(broadcast, starts, len(stood), now_ms),
        parts=_parts(stood, {one.speaker for one in missing}),
        acts=sorted(acts, key=lambda one: one.at_ms),
        missing=sorted(missing, key=lambda one: (one.township, one.place, one.speaker)),
        grades={grade: count for grade in Known if (count := sum(one.known is grade for one in stood))},
        stood=stood,
    )


def time_to(percent: int, starts: Sequence[int], meant: int, from_ms: int) -> int | None:
    """Milliseconds from then until so many of all that were meant had begun; None: they never did, or nobody was meant.

    :param starts: ascending.
    """
    needed = -(-meant * percent // 100)
    return max(0, starts[needed - 1] - from_ms) if 0 < needed <= len(starts) else None


def _timeline(broadcast: Broadcast, starts: Sequence[int], meant: int, now_ms: int) -> list[Line]:
    begins = broadcast.order.not_before_ms
    lines = [Line(begins, Moment.BEGINS, 0)]
    if starts:
        lines += [Line(starts[0], Moment.FIRST, 1), Line(starts[-1], Moment.LAST, len(starts))]
    for percent, moment in ((50, Moment.HALF), (90, Moment.NINETY)):
        needed = -(-meant * percent // 100)
        if 0 < needed <= len(starts):
            lines.append(Line(starts[needed - 1], moment, needed))
    if not broadcast.is_live(now_ms):
        ended_ms = broadcast.ended_at_ms or broadcast.order.not_after_ms
        lines.append(Line(ended_ms, Moment.ENDED, sum(at <= ended_ms for at in starts)))
    return sorted(lines, key=lambda one: (one.at_ms, one.speakers))


def _parts(stood: Iterable[Stood], missing: set[str]) -> list[Part]:
    meant, began, lacking = Counter[str](), Counter[str](), Counter[str]()
    for one in stood:
        meant[one.township] += 1
        began[one.township] += one.began
        lacking[one.township] += one.speaker in missing
    worst_first = sorted(meant, key=lambda code: (-lacking[code], code))
    return [Part(code, meant[code], began[code], lacking[code]) for code in worst_first]
