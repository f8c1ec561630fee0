"""The form of the desk: what comes in becomes a command, and what was typed is never lost on the way to the confirm page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from multidict import MultiDictProxy

from broadcast.domain.broadcasts import Broadcast, Fault, StartBroadcast
from broadcast.domain.templates import Filling
from broadcast.service.reach import Reached
from endpoints.protocol import Kind, Severity

KINDS = {"emergency": Kind.EMERGENCY, "notice": Kind.NOTICE, "routine": Kind.ROUTINE}
SEVERITIES = {
    "red": Severity.RED,
    "orange": Severity.ORANGE,
    "yellow": Severity.YELLOW,
    "blue": Severity.BLUE,
    "unknown": Severity.UNKNOWN,
}
GAP = "gap-"  # before the name of a template's own gap
CHARACTERS_PER_S = 4.0  # Mandarin at 160 words a minute; only for the estimate on the page


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields as they were typed.

    :param update: the broadcast that this one corrects, or empty.
    :param template: whose words it has, made anew from the gaps at every step: what is locked can't be changed on the way.
    :param gaps: what stands in its gaps, as pairs of field and value.
    :param heard: the file that the confirm page offered to be listened to, in hexadecimal.
    """

    kind: str = "emergency"
    severity: str = "unknown"
    areas: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    headline: str = ""
    text: str = ""
    minutes: str = "30"
    repeats: str = "2"
    exercise: bool = False
    asset: str = ""
    update: str = ""
    template: str = ""
    gaps: tuple[tuple[str, str], ...] = ()
    heard: str = ""
    faults: list[Fault] = field(default_factory=list)

    @classmethod
    def read(cls, fields: MultiDictProxy[str]) -> "Draft":
        def one(name: str, default: str = "") -> str:
            return str(fields.get(name, default))

        return cls(
            kind=one("kind", "emergency"),
            severity=one("severity", "unknown"),
            areas=tuple(map(str, fields.getall("areas", []))),
            speakers=tuple(map(str, fields.getall("speakers", []))),
            excluded=tuple(map(str, fields.getall("excluded", []))),
            headline=one("headline").strip(),
            text=one("text").replace("\r\n", "\n").strip(),
            minutes=one("minutes", "30").strip(),
            repeats=one("repeats", "2").strip(),
            exercise=one("exercise") == "1",
            asset=one("asset"),
            update=one("update"),
            template=one("template")[:40],
            gaps=tuple((name, str(value).strip()) for name, value in fields.items() if is_gap(name)),
            heard=one("heard"),
        )

    @classmethod
    def of(cls, broadcast: Broadcast, now_ms: int) -> "Draft":
        """A correction starts from what is on the air, with the time that is left."""
        order = broadcast.order
        kinds = {kind: word for word, kind in KINDS.items()}
        severities = {severity: word for word, severity in SEVERITIES.items()}
        return cls(
            kind=kinds.get(order.kind, "emergency"),
            severity=severities[order.severity],
            areas=order.areas,
            speakers=order.speakers,
            excluded=order.excluded,
            headline=broadcast.headline,
            text=broadcast.text,
            minutes=str(max(1, -(-(order.not_after_ms - now_ms) // 60_000))),
            repeats=str(order.repeats),
            exercise=order.exercise,
            asset="" if broadcast.text else order.asset.hex(),
            update=broadcast.id,
        )

    def command(self) -> tuple[StartBroadcast, list[Fault]]:
        """What it asks for, and what can't even be asked; the service checks the rest."""
        faults = []
        if self.kind not in KINDS:
            faults.append(Fault("kind", "not-offered"))
        if self.severity not in SEVERITIES:
            faults.append(Fault("severity", "not-offered"))
        is_asset = re.fullmatch("[0-9a-f]{64}", self.asset) is not None
        if self.asset and not is_asset:
            faults.append(Fault("asset", "malformed"))
        command = StartBroadcast(
            kind=KINDS.get(self.kind, Kind.EMERGENCY),
            areas=self.areas,
            excluded=self.excluded,
            speakers=self.speakers,
            text=self.text,
            headline=self.headline,
            severity=SEVERITIES.get(self.severity, Severity.UNKNOWN),
            minutes=_number(self.minutes),
            repeats=_number(self.repeats),
            exercise=self.exercise,
            asset=bytes.fromhex(self.asset) if is_asset else b"",
            heard=bytes.fromhex(self.heard) if re.fullmatch("[0-9a-f]{64}", self.heard) else b"",
        )
        return command, faults

    def hidden(self) -> list[tuple[str, str]]:
        """The fields once more, for the confirm page to send along."""
        pairs = [("areas", code) for code in self.areas]
        pairs += [("speakers", name) for name in self.speakers]
        pairs += [("excluded", code) for code in self.excluded]
        pairs += [("kind", self.kind), ("severity", self.severity), ("headline", self.headline), ("text", self.text)]
        pairs += [("minutes", self.minutes), ("repeats", self.repeats), ("update", self.update), ("asset", self.asset)]
        pairs += [("template", self.template), *self.gaps] if self.template else []
        return [*pairs, ("exercise", "1")] if self.exercise else pairs

    def gap(self, name: str, default: str = "") -> str:
        """What was typed into a gap."""
        return dict(self.gaps).get(name, default)

    def filling(self) -> Filling:
        """What stands in the gaps; what is no number of an action is one that is not offered."""
        return Filling(
            SEVERITIES.get(self.severity, Severity.UNKNOWN),
            self.gap("place"),
            self.gap("when"),
            self.gap("until"),
            tuple(_number(value) for name, value in self.gaps if name == "actions"),
            {name.removeprefix(GAP): value for name, value in self.gaps if name.startswith(GAP) and value},
        )

    @property
    def seconds(self) -> int:
        """About how long the text takes to say, once."""
        return round(len(self.text) / CHARACTERS_PER_S)


def is_gap(name: str) -> bool:
    """Whether a field of the form belongs to a template."""
    return name in ("place", "when", "until", "actions") or name.startswith(GAP)


def must_type_number(command: StartBroadcast, reached: Reached) -> bool:
    """Red, orange, or more than one township, and in earnest: the hand has to do what the eye should have done."""
    grave = command.severity in (Severity.RED, Severity.ORANGE) or reached.townships > 1
    return grave and not command.exercise and reached.villages > 0


def by_field(faults: list[dict[str, str]]) -> Mapping[str, str]:
    """The first sentence of each field, lists by their name."""
    found: dict[str, str] = {}
    for fault in faults:
        found.setdefault(fault["field"].partition(".")[0], fault["detail"])
    return found


def _number(text: str) -> int:
    """-1, which no field takes, for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else -1
