"""The form of a programme: what was typed becomes the same request that the API takes, and is never lost on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multidict import MultiDictProxy
from pydantic import ValidationError

from broadcast.domain.programme_versions import Version
from broadcast.domain.programmes import (
    BEIJING,
    LATEST_START_S,
    DayRule,
    EndPolicy,
    File,
    LineIn,
    Playlist,
    Programme,
    Speech,
    StartPolicy,
    Stream,
)
from broadcast.web.bodies import invalid
from broadcast.web.programme_models import ProgrammeIn, source_in
from endpoints.protocol import Tone

SOURCES = ("speech", "file", "playlist", "stream", "line-in")
RULES = tuple(rule.value for rule in DayRule)
STARTS = tuple(start.value for start in StartPolicy)
ENDS = tuple(end.value for end in EndPolicy)
RESUMES = ("", "continue", "rejoin", "restart", "drop")
LISTS = ("weekdays", "areas", "excluded", "speakers", "assets")
KEPT = ("programme", "revision", "paused")  # not offered, and not lost
MORE = (
    "owner",
    "excluded",
    "speakers",
    "resume",
    "latest_start_s",
    "zone",
)  # behind a word, since they are seldom changed
TYPED = (
    *("title", "source", "text", "url", "device", "times", "first", "last", "rule", "dates_out", "dates_in"),
    *("length_min", "loop", "start", "grace_s", "end", "opening", "closing", "volume_percent", "ceiling_percent"),
    *("owner", "zone", "resume", "latest_start_s"),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields as they were typed.

    :param one: by name; a box that is not ticked is not there.
    :param many: by name, the chosen ones.
    """

    one: Mapping[str, str]
    many: Mapping[str, tuple[str, ...]]

    @classmethod
    def empty(cls, *, area: str, today: str) -> "Draft":
        one = {"source": "speech", "first": today, "rule": "every", "length_min": "10", "start": "hard", "end": "fade"}
        one |= {"grace_s": "60", "volume_percent": "0", "ceiling_percent": "100", "opening": "1", "owner": area}
        one |= {"zone": BEIJING, "latest_start_s": str(LATEST_START_S)}
        return cls(one, {"weekdays": tuple("1234567")})

    @classmethod
    def of(cls, version: Version) -> "Draft":
        """The next version starts from this one."""
        programme = version.programme
        pattern, source = programme.pattern, programme.source
        one = {
            "programme": programme.id,
            "revision": str(programme.revision),
            "owner": programme.owner,
            "zone": programme.zone,
            "resume": "" if programme.resume is None else programme.resume.name.lower(),
            "latest_start_s": str(programme.latest_start_s),
            "title": programme.title,
            "source": source_in(source).kind,
            "times": " ".join(at.isoformat("auto").removesuffix(":00") for at in pattern.times),
            "first": pattern.first.isoformat(),
            "last": "" if pattern.last is None else pattern.last.isoformat(),
            "rule": pattern.rule.value,
            "dates_out": " ".join(sorted(day.isoformat() for day in pattern.dates_out)),
            "dates_in": " ".join(sorted(day.isoformat() for day in pattern.dates_in)),
            "length_min": str(programme.length_min),
            "start": programme.start.value,
            "grace_s": str(programme.grace_s or 60),
            "end": programme.end.value,
            "volume_percent": str(programme.volume_percent),
            "ceiling_percent": str(programme.ceiling_percent),
            **_source_fields(programme),
        }
        ticked = {"loop": programme.loop, "paused": programme.paused}
        ticked |= {"opening": programme.opening is not Tone.NONE, "closing": programme.closing is not Tone.NONE}
        one |= {name: "1" for name, on in ticked.items() if on}
        assets = _assets(programme)
        many = {"weekdays": tuple(map(str, sorted(pattern.weekdays))), "assets": assets}
        many |= {"areas": programme.areas, "excluded": programme.excluded, "speakers": programme.speakers}
        return cls(one, many)

    @classmethod
    def read(cls, fields: MultiDictProxy[str]) -> "Draft":
        one = {name: str(fields[name]).replace("\r\n", "\n").strip() for name in (*TYPED, *KEPT) if name in fields}
        many = {name: tuple(map(str, fields.getall(name, []))) for name in LISTS}
        many["assets"] = _in_order(many["assets"], tuple(map(str, fields.getall("position", []))))
        for name in ("excluded", "speakers"):  # typed into one line, or one field each
            many[name] = tuple(
                word for line in many[name] for word in line.replace(",", " ").replace("，", " ").split()
            )
        return cls(one, many)

    def __getitem__(self, name: str) -> str:
        return self.one.get(name, "")

    def chosen(self, name: str) -> tuple[str, ...]:
        return self.many.get(name, ())

    @property
    def replaces(self) -> str:
        """Id of the programme that it is the next version of; empty for a new one."""
        return self["programme"]

    @property
    def revision(self) -> int:
        return int(self["revision"]) if self["revision"].isdigit() and len(self["revision"]) < 10 else 0

    def hidden(self) -> list[tuple[str, str]]:
        """The fields once more, for the page that asks again."""
        return [*self.one.items(), *((name, value) for name, values in self.many.items() for value in values)]

    def programme(self, own_area: str) -> Programme:
        """:raises InvalidRequest: with every field that can't even be read; the service checks the rest."""
        try:
            return ProgrammeIn.model_validate(self._body()).programme(own_area)
        except ValidationError as err:
            raise invalid(err) from None

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "title": self["title"],
            "owner": self["owner"] or None,
            "pattern": {
                "times": self["times"].replace(",", " ").replace("，", " ").split(),
                "first": self["first"],
                "last": self["last"] or None,
                "weekdays": [day for day in self.chosen("weekdays") if day.isdigit()],
                "rule": self["rule"] or "every",
                "dates_out": self["dates_out"].split(),
                "dates_in": self["dates_in"].split(),
            },
            "source": self._source(),
            "length_min": self["length_min"] or 0,
            "areas": list(self.chosen("areas")),
            "excluded": list(self.chosen("excluded")),
            "speakers": list(self.chosen("speakers")),
            "zone": self["zone"] or BEIJING,
            "loop": self["loop"] == "1",
            "start": self["start"],
            "grace_s": self["grace_s"] or 0 if self["start"] == "grace" else 0,
            "end": self["end"],
            "resume": self["resume"] or None,
            "volume_percent": self["volume_percent"] or 0,
            "ceiling_percent": self["ceiling_percent"] or 100,
            "latest_start_s": self["latest_start_s"] or LATEST_START_S,
            "opening": "chime" if self["opening"] == "1" else "none",
            "closing": "chime" if self["closing"] == "1" else "none",
            "paused": self["paused"] == "1",
        }
        return body

    def _source(self) -> dict[str, Any]:
        kind, assets = self["source"], list(self.chosen("assets"))
        match kind:
            case "file":
                return {"kind": kind, "asset": assets[0] if assets else ""}
            case "playlist":
                return {"kind": kind, "assets": assets}
            case "stream":
                return {"kind": kind, "url": self["url"]}
            case "line-in":
                return {"kind": kind, "device": self["device"]}
            case _:
                return {"kind": kind, "text": self["text"]}


def by_place(faults: list[dict[str, str]]) -> Mapping[str, str]:
    """The first sentence of each field of the form: `pattern.times.0` and `source.file.asset` stand at `times` and `source`."""
    found: dict[str, str] = {}
    for fault in faults:
        parts = fault["field"].split(".")
        name = parts[1] if parts[0] == "pattern" and len(parts) > 1 else parts[0]
        found.setdefault(name, fault["detail"])
    return found


def _in_order(assets: tuple[str, ...], positions: tuple[str, ...]) -> tuple[str, ...]:
    """By the numbers beside them: 0 takes one out, none puts it last. Without numbers, as they are."""
    if len(positions) != len(assets):
        return tuple(filter(None, assets))
    rows = [(_number(position), asset) for position, asset in zip(positions, assets, strict=True) if asset]
    return tuple(asset for number, asset in sorted(rows, key=lambda row: row[0]) if number > 0)


def _number(text: str) -> float:
    return float(text) if text.strip().isdecimal() and len(text) < 7 else float("inf")


def _source_fields(programme: Programme) -> dict[str, str]:
    match programme.source:
        case Speech(text, _, _):
            return {"text": text}
        case Stream(url):
            return {"url": url}
        case LineIn(device):
            return {"device": device}
        case _:
            return {}


def _assets(programme: Programme) -> tuple[str, ...]:
    match programme.source:
        case File(asset):
            return (asset.hex(),)
        case Playlist(assets):
            return tuple(asset.hex() for asset in assets)
        case _:
            return ()
