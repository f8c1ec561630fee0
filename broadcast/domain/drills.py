"""Scripted drills (演练): a plan is sent as an exercise, and every township gets points for what came back in time. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from broadcast.domain.broadcasts import Fault
from broadcast.domain.errors import BroadcastError

MAX_TITLE = 40
WAIT_S = range(5, 3_601)
POINTS = {"online": 20, "started": 40, "acknowledged": 20, "proved": 20}
"""What a township can get for each part; a part that does not apply there (no officer, no ear) is left out of the whole."""


class UnknownDrill(BroadcastError):
    """There is no such script, or no such run, or none that this officer may see."""

    def __init__(self, drill: str) -> None:
        self.drill = drill
        super().__init__(f"there is no drill {drill}")


class DrillOver(BroadcastError):
    """It has ended; its result stays."""

    def __init__(self, drill: str) -> None:
        self.drill = drill
        super().__init__(f"drill {drill} has ended")


class DrillReachesNobody(BroadcastError):
    """No speaker there is locked in an exercise: nothing would sound, and nothing could be learned."""

    def __init__(self) -> None:
        super().__init__("no speaker there is locked in an exercise; nothing was sent")


@dataclass(frozen=True, slots=True)
class Script:
    """What a drill does and what it expects.

    :param plan: that is started as an exercise.
    :param areas: a part of the plan's; empty: all of them.
    :param started_within_s: so long after its order a speaker has begun.
    :param acknowledged_within_s: so long after it an officer of each township has said that it was noticed.
    :param least_percent: of all points, to have passed.
    """

    title: str
    plan: str
    areas: tuple[str, ...] = ()
    started_within_s: int = 30
    acknowledged_within_s: int = 300
    least_percent: int = 80

    @property
    def lasts_s(self) -> int:
        return max(self.started_within_s, self.acknowledged_within_s)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An officer has noticed it."""

    officer: str
    area: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What one speaker did.

    :param started_ms: 0: it never said that it sounds.
    :param proved: what its ear heard; None: it has none.
    """

    township: str
    online: bool
    started_ms: int
    proved: bool | None


@dataclass(frozen=True, slots=True)
class Score:
    """One township: how many of how many, and its points of 100."""

    township: str
    speakers: int
    online: int
    started: int
    acknowledged: bool | None
    proved: int | None
    ears: int
    points: int


@dataclass(frozen=True, slots=True)
class Run:
    """One drill that was held. Its script stands in it as it was.

    :param broadcast: the exercise that was sent.
    :param by: who held it.
    :param scores: empty while it runs.
    """

    id: str
    script: Script
    broadcast: str
    by: str
    area: str
    began_ms: int
    ends_ms: int
    acknowledged: tuple[Acknowledged, ...] = ()
    ended_ms: int = 0
    scores: tuple[Score, ...] = ()
    percent: int = 0

    @property
    def is_over(self) -> bool:
        return self.ended_ms > 0

    @property
    def passed(self) -> bool:
        return self.is_over and self.percent >= self.script.least_percent


def script_faults(script: Script) -> list[Fault]:
    """What is wrong with a script beside its plan and areas."""
    faults = []
    if not script.title.strip():
        faults.append(Fault("title", "missing"))
    if len(script.title) > MAX_TITLE:
        faults.append(Fault("title", "too-long", (("most", str(MAX_TITLE)), ("length", str(len(script.title))))))
    for name in ("started_within_s", "acknowledged_within_s"):
        if getattr(script, name) not in WAIT_S:
            faults.append(Fault(name, "out-of-range", (("low", str(WAIT_S[0])), ("high", str(WAIT_S[-1])))))
    if not 0 <= script.least_percent <= 100:
        faults.append(Fault("least_percent", "out-of-range", (("low", "0"), ("high", "100"))))
    return faults


def score(run: Run, seen: Iterable[Seen], officers: Mapping[str, int]) -> tuple[tuple[Score, ...], int]:
    """Points of each township, in order of its code, and those of all in per cent.

    :param officers: how many officers of each township could have acknowledged.
    """
    by_township: dict[str, list[Seen]] = {}
    for one in seen:
        by_township.setdefault(one.township, []).append(one)
    said = {
        one.area for one in run.acknowledged if one.at_ms <= run.began_ms + run.script.acknowledged_within_s * 1_000
    }
    scores = tuple(
        _score(run, township, rows, officers.get(township, 0), township in said)
        for township, rows in sorted(by_township.items())
    )
    speakers = sum(one.speakers for one in scores)
    percent = sum(one.points * one.speakers for one in scores) // speakers if speakers else 0
    return scores, percent


def _score(run: Run, township: str, seen: Sequence[Seen], officers: int, said: bool) -> Score:
    latest_ms = run.began_ms + run.script.started_within_s * 1_000
    started = sum(0 < one.started_ms <= latest_ms for one in seen)
    online = sum(one.online for one in seen)
    ears = [one.proved for one in seen if one.proved is not None]
    shares = {"online": online / len(seen), "started": started / len(seen)}
    if officers:
        shares["acknowledged"] = float(said)
    if ears:
        shares["proved"] = sum(ears) / len(ears)
    most = sum(POINTS[part] for part in shares)
    points = int(100 * sum(POINTS[part] * share for part, share in shares.items()) / most + 1e-9)
    acknowledged = said if officers or said else None
    proved = sum(ears) if ears else None
    return Score(township, len(seen), online, started, acknowledged, proved, len(ears), points)
