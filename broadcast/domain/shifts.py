"""Shifts (值班): who has the watch, and that nothing is handed over unseen.

Hawaii 2018 and Pickering 2020 both went wrong at a change of shift, both during a routine test: so a hand-over has a checklist that
both officers go through, and no scheduled test runs within ten minutes of a change.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum

from broadcast.domain.broadcasts import Fault
from broadcast.domain.errors import BroadcastError

CLEAR_MIN = 10  # of tests on both sides of a change
OFFER_MS = 3_600_000  # a hand-over that nobody takes in this time is off
MOST_NOTE = 1_000


class Item(StrEnum):
    """What both look at; the console has a sentence for `check.<item>`."""

    ALERTS = "alerts"  # 正在播发的警报
    ALARMS = "alarms"  # 未确认的告警
    APPROVALS = "approvals"  # 待审批
    FAULTS = "faults"  # 故障终端
    BACKUP = "backup"  # 最近一次备份
    SOUND = "sound"  # 告警声自检: both have heard it


class ShiftTaken(BroadcastError):
    """Somebody has the watch: it goes on by hand-over."""

    def __init__(self, officer: str) -> None:
        self.officer = officer
        super().__init__(f"{officer} has the watch")


class NotOnDuty(BroadcastError):
    """Only who has the watch hands it over."""

    def __init__(self, officer: str, on_duty: str) -> None:
        self.officer, self.on_duty = officer, on_duty
        super().__init__(f"{officer} does not have the watch")


class NotOffered(BroadcastError):
    """No hand-over waits for this officer."""

    def __init__(self, officer: str) -> None:
        self.officer = officer
        super().__init__(f"no hand-over waits for {officer}")


@dataclass(frozen=True, slots=True)
class Shift:
    """One watch.

    :param relieved: whom this officer took over from; empty: nobody had the watch, or nobody handed it over (`reason` says why).
    :param offered_ms: when it was offered; 0: it was not.
    :param began_ms: None: offered and not taken yet.
    :param checked: what stood on the checklist when it was handed over, by item.
    """

    id: str
    officer: str
    relieved: str = ""
    offered_ms: int = 0
    began_ms: int | None = None
    ended_ms: int | None = None
    reason: str = ""
    note: str = ""
    checked: Mapping[Item, str] | None = None

    def waits(self, now_ms: int) -> bool:
        """It was offered, and can be taken."""
        return self.began_ms is None and self.ended_ms is None and now_ms - self.offered_ms < OFFER_MS

    @property
    def is_current(self) -> bool:
        return self.began_ms is not None and self.ended_ms is None


def check_list(checked: Collection[Item], note: str) -> list[Fault]:
    """What is wrong with a checklist as it was sent: every item is looked at by name."""
    faults = [Fault("checked", "not-checked", (("item", item.value),)) for item in Item if item not in checked]
    if len(note) > MOST_NOTE:
        faults.append(Fault("note", "too-long", (("most", str(MOST_NOTE)), ("length", str(len(note))))))
    return faults


def taken(offered: Shift, now_ms: int) -> Shift:
    return replace(offered, began_ms=now_ms)


def parse_times(words: Iterable[str]) -> tuple[time, ...]:
    """`08:00` and the like. :raises ValueError: one is no time of day."""
    return tuple(sorted({datetime.strptime(word, "%H:%M").time() for word in words}))  # noqa: DTZ007  a time of day


def near_change(now_ms: int, times: Sequence[time], tz: tzinfo, *, within_min: int = CLEAR_MIN) -> bool:
    """Whether a shift changes within so many minutes before or after: no scheduled test begins then.

    :param times: of day, at which shifts change; none: never near.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    within = timedelta(minutes=within_min)
    days = [(now.astimezone(tz) + timedelta(days=days)).date() for days in (-1, 0, 1)]
    return any(abs(datetime.combine(day, at, tz) - now) <= within for day in days for at in times)


def next_clear_ms(now_ms: int, times: Sequence[time], tz: tzinfo, *, within_min: int = CLEAR_MIN) -> int:
    """The first full minute, from now on, that is not near a change: where a test that came too close is put.

    :raises ValueError: shifts change so often that there is none within a day.
    """
    first = -(-now_ms // 60_000) * 60_000
    for minutes in range(1_440):
        at_ms = now_ms if minutes == 0 else first + (minutes - 1) * 60_000
        if not near_change(at_ms, times, tz, within_min=within_min):
            return at_ms
    raise ValueError("shifts change so often that no minute of the day is clear of it")
