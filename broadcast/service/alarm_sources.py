"""Where alarms come from: conditions of the server, speakers in trouble, broadcasts that did not arrive, approvals that wait."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from broadcast.domain.alarms import Cause, Rank, Signal
from broadcast.domain.approval import Request, Stage
from broadcast.domain.broadcasts import Broadcast
from broadcast.service.estate import Estate
from broadcast.service.health import Condition, Health
from broadcast.service.presence import Presence, Speakers
from endpoints.delivery import State
from endpoints.protocol import Band

U, H, L = Rank.URGENT, Rank.HIGH, Rank.LOW
SPEAKER = "speaker-"  # with the cause behind it: speaker-offline, speaker-sound, …
_AT_SPEAKERS = Cause(H, apart=2)
_SAID = Cause(L, apart=2)
CAUSES: Mapping[str, Cause] = {
    # the server itself; whatever else is a condition is LOW
    "broker-down": Cause(U),
    "store-unavailable": Cause(U),
    "fenced-off": Cause(U),
    "audit-broken": Cause(U),
    "live-lost": Cause(U),
    "boards-pending": Cause(H),
    "broker-dropped": Cause(H),
    "broker-taken-over": Cause(H),
    "speech-unavailable": Cause(H),
    "live-not-recorded": Cause(H),
    "ear-contradicts": Cause(H),
    "programme-board-full": Cause(H),
    "backup-failed": Cause(H),
    "backup-old": Cause(H),
    "login-flood": Cause(H),
    "stock-lacking": Cause(L),
    # speakers
    SPEAKER + "offline": _AT_SPEAKERS,
    SPEAKER + "sound": _AT_SPEAKERS,
    SPEAKER + "amplifier": _AT_SPEAKERS,
    SPEAKER + "silence": _AT_SPEAKERS,
    SPEAKER + "disk": _SAID,
    SPEAKER + "clock": _SAID,
    SPEAKER + "no_time": _SAID,
    SPEAKER + "files": _SAID,
    SPEAKER + "drift": _SAID,
    SPEAKER + "revoked": _SAID,
    # what officers do
    "fault-reported": Cause(H, apart=5, lasts=False),
    "broadcast-failures": Cause(H, apart=5),
    "approval-waiting": Cause(H, apart=5),
    "glass-broken": Cause(U),
    "shift-taken": Cause(H, lasts=False),
}
WHOSE_OWN = frozenset(
    {"glass-broken", "review-overdue"}
)  # conditions that a source of their own tells request by request
APART = {"live-lost": ("headline",), "approval-expired": ("headline", "officer"), "relay-lost": ("source",)}
ENDS = "-ends"  # a key or certificate: each stage of its warning is an alarm of its own


class Conditions:
    """Each condition that holds is one; where facts tell them apart, one for each."""

    def __init__(self, health: Health, county: str) -> None:
        self._health, self._county = health, county

    def signals(self, now_ms: int) -> Iterator[Signal]:
        for one in self._health.conditions:
            if one.name not in WHOSE_OWN:
                yield Signal(one.name, self._key(one), self._county, "", _rank(one), one.facts)

    def is_unsure(self, kind: str, key: str) -> bool:
        return False

    def _key(self, one: Condition) -> str:
        names = ("stage", "subject") if one.name.endswith(ENDS) else APART.get(one.name, ())
        return " ".join([one.name, *(one.facts.get(name, "") for name in names)])


def _rank(one: Condition) -> Rank | None:
    if one.name.startswith("loop-"):
        return Rank.HIGH
    said = one.facts.get("rank", "")
    return Rank(int(said)) if said in ("1", "2", "3") else None


class Ill(Protocol):
    """One speaker in trouble; `service.troubles` makes them."""

    @property
    def speaker(self) -> str: ...
    @property
    def area(self) -> str: ...
    @property
    def cause(self) -> str: ...


class SpeakerTroubles:
    """Every speaker and cause is one; `domain.alarms` gathers them by township."""

    def __init__(self, *, estate: Estate, speakers: Speakers, troubles: Callable[[], Iterable[Ill]]) -> None:
        self._estate, self._speakers, self._troubles = estate, speakers, troubles

    def signals(self, now_ms: int) -> Iterator[Signal]:
        for one in self._troubles():
            found = self._estate.speakers.get(one.speaker)
            yield Signal(SPEAKER + one.cause, one.speaker, one.area, found.name if found else one.speaker)

    def is_unsure(self, kind: str, key: str) -> bool:
        """Whoever has not been heard since the connection came back is neither well nor gone."""
        if not kind.startswith(SPEAKER) or key not in self._estate:
            return False
        return self._speakers.status(key).presence is Presence.UNKNOWN


LOST = (State.FAILED, State.UNREACHED, State.MISSED, State.REFUSED, State.UNFINISHED)


class BroadcastFailures:
    """A live broadcast that did not arrive everywhere is one."""

    def __init__(
        self,
        *,
        live: Callable[[], Sequence[Broadcast]],
        counts: Callable[[str], Mapping[State, int] | None],
        county: str,
    ) -> None:
        self._live, self._counts, self._county = live, counts, county

    def signals(self, now_ms: int) -> Iterator[Signal]:
        for one in self._live():
            counts = self._counts(one.id)
            if one.order.exercise or not counts:
                continue
            lost = sum(counts.get(state, 0) for state in LOST)
            if lost:
                facts = {"headline": one.headline, "lost": str(lost), "all": str(sum(counts.values()))}
                rank = Rank.HIGH if one.order.band >= Band.EMERGENCY else Rank.LOW
                area = one.order.areas[0] if len(one.order.areas) == 1 else self._county
                yield Signal("broadcast-failures", one.id, area, one.headline, rank, facts)

    def is_unsure(self, kind: str, key: str) -> bool:
        return False


class ApprovalsWaiting:
    """A request that waits too long is one, and every glass that was broken, until somebody has looked at it."""

    def __init__(self, *, requests: Callable[[], Iterable[Request]], county: str, wait_min: int) -> None:
        self._requests, self._county, self._wait_ms = requests, county, wait_min * 60_000

    def signals(self, now_ms: int) -> Iterator[Signal]:
        for one in self._requests():
            facts = {"headline": one.headline, "officer": one.author}
            if one.exercise:
                continue
            if one.wants_review:
                yield Signal("glass-broken", one.id, self._county, one.headline, None, facts)
            elif one.stage is Stage.WAITING and now_ms - one.asked_ms >= self._wait_ms:
                yield Signal("approval-waiting", one.id, self._county, one.headline, None, facts)

    def is_unsure(self, kind: str, key: str) -> bool:
        return False
