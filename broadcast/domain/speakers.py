"""The speaker estate (终端): which loudspeakers there are and where, how each is to be set, and which secrets it has. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import Fault, day_of
from broadcast.domain.errors import BroadcastError, Overtaken
from endpoints.arbitration import EMERGENCY_PERCENT
from endpoints.area_codes import is_area_code

MAX_NAME, MAX_NOTE, MAX_CONTACTS = 40, 400, 200
LONGEST_MUTE_MS = 24 * 3_600_000  # a horn that somebody forgot to switch on again is a village without warnings
COUNTY_RULE = (-1, -1)  # quiet hours are those of the installation
LAST_MINUTE = 1_439


class UnknownSpeaker(BroadcastError):
    """No speaker has this id."""

    def __init__(self, speaker: str) -> None:
        self.speaker = speaker
        super().__init__(f"there is no speaker {speaker}")


class SpeakerChanged(Overtaken):
    """Somebody has changed it meanwhile; nothing was overwritten."""

    def __init__(self, speaker: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.speaker = speaker
        super().__init__(f"speaker {speaker} has been changed", revision, by, at_ms)


@dataclass(frozen=True, slots=True)
class Speaker:
    """One loudspeaker with its box. Its secrets are derived from the server's master secret and never stored.

    :param area: the village (or township, or city) it stands in.
    :param exercise: locked in an exercise: it follows the exercise boards and refuses live ones.
    :param revision: of what people may change of it; also the version of its setup on the wire.
    :param ceiling_percent, floor_percent, muted_until_ms: see `endpoints.setup.Setup`.
    :param quiet_from_min, quiet_until_min: minutes after local midnight; COUNTY_RULE: as everywhere.
    :param note: where exactly it hangs, and what to know there.
    :param contacts: who has the key to the cabinet, and the telephone number.
    :param generation: of its secrets, the newest that was made.
    :param older_until_ms: until then the generation before is taken too; 0: it is not.
    :param handed_out: the newest has been fetched; until then the broker knows the one before.
    :param revoked: none of its secrets is taken.
    """

    id: str
    area: str
    name: str
    exercise: bool = False
    volume_percent: int = 70
    retired: bool = False
    revision: int = 1
    ceiling_percent: int = 100
    floor_percent: int = EMERGENCY_PERCENT
    quiet_from_min: int = -1
    quiet_until_min: int = -1
    muted_until_ms: int = 0
    note: str = ""
    contacts: str = ""
    generation: int = 1
    older_until_ms: int = 0
    handed_out: bool = True
    revoked: bool = False

    # ---- secrets --------------------------------------------------------------------------------------------------------

    def generations(self, now_ms: int) -> tuple[int, ...]:
        """Of which secrets its messages are taken, the newest first; none when it is revoked or taken down."""
        if self.revoked or self.retired:
            return ()
        return (self.generation, self.generation - 1) if now_ms < self.older_until_ms else (self.generation,)

    def broker_generation(self, now_ms: int) -> int:
        """Of which secrets the broker knows the password; 0: it has no account there."""
        if self.revoked or self.retired:
            return 0
        waits = not self.handed_out and now_ms < self.older_until_ms
        return self.generation - 1 if waits else self.generation

    def is_rolling(self, now_ms: int) -> bool:
        """Newer secrets were made, and it has not been heard with them yet."""
        return now_ms < self.older_until_ms

    def rolled(self, *, until_ms: int) -> "Speaker":
        """With newer secrets (换钥), which it will fetch; the older ones hold until then or `until_ms`."""
        return replace(
            self,
            generation=self.generation + 1,
            older_until_ms=until_ms,
            handed_out=False,
            revision=self.revision + 1,
        )

    def with_new_box(self) -> "Speaker":
        """A box was enrolled for it, with secrets that no other box has ever had."""
        counted_on = replace(self, generation=self.generation + 1, older_until_ms=0, handed_out=True)
        return replace(counted_on, revoked=False, revision=self.revision + 1)


def default_id(area: str, number: int = 1) -> str:
    """`s-130281001001-1`: safe as MQTT client id, user name, topic level and file name."""
    return f"s-{area}-{number}"


# ---- changes ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants changed at speakers; None leaves it as it is.

    :param quiet_min: from and until, minutes after local midnight; COUNTY_RULE: as everywhere; the same twice: never.
    :param muted_until_ms: 0 ends the work at the horn (检修静音).
    :param area: it was moved there; it keeps its id.
    """

    name: str | None = None
    note: str | None = None
    contacts: str | None = None
    volume_percent: int | None = None
    ceiling_percent: int | None = None
    floor_percent: int | None = None
    quiet_min: tuple[int, int] | None = None
    muted_until_ms: int | None = None
    area: str | None = None

    def applied(self, speaker: Speaker) -> Speaker:
        """The speaker as wanted; the same object when that changes nothing."""
        names = (
            "name",
            "note",
            "contacts",
            "volume_percent",
            "ceiling_percent",
            "floor_percent",
            "muted_until_ms",
            "area",
        )
        wanted = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.quiet_min is not None:
            wanted["quiet_from_min"], wanted["quiet_until_min"] = self.quiet_min
        if all(getattr(speaker, name) == value for name, value in wanted.items()):
            return speaker
        return replace(speaker, **wanted, revision=speaker.revision + 1)

    @property
    def said(self) -> str:
        """For the duty log: what was asked for, in the order of the fields."""
        return ", ".join(f"{name}={value}" for name in self.__slots__ if (value := getattr(self, name)) is not None)


def check_wish(wish: Wish, tree: AreaTree, *, now_ms: int) -> list[Fault]:
    """Every field that is wrong whichever speaker is meant."""
    faults: list[Fault] = []
    for name, most in (("name", MAX_NAME), ("note", MAX_NOTE), ("contacts", MAX_CONTACTS)):
        faults += _check_text(name, getattr(wish, name), most)
    for name, low in (("volume_percent", 0), ("ceiling_percent", 0), ("floor_percent", EMERGENCY_PERCENT)):
        value = getattr(wish, name)
        if value is not None and not low <= value <= 100:
            faults.append(Fault(name, "out-of-range", (("low", str(low)), ("high", "100"))))
    quiet = wish.quiet_min
    if quiet is not None and quiet != COUNTY_RULE and not all(0 <= minute <= LAST_MINUTE for minute in quiet):
        faults.append(Fault("quiet", "not-a-time-of-day"))
    if wish.muted_until_ms and wish.muted_until_ms <= now_ms:
        faults.append(Fault("muted_until", "in-the-past"))
    elif wish.muted_until_ms and wish.muted_until_ms > now_ms + LONGEST_MUTE_MS:
        faults.append(Fault("muted_until", "muted-too-long", (("hours", str(LONGEST_MUTE_MS // 3_600_000)),)))
    if wish.area is not None:
        faults += check_place(wish.area, tree, now_ms=now_ms)
    return faults


def check_place(area: str, tree: AreaTree, *, now_ms: int) -> list[Fault]:
    """What is wrong with an area as the place of a speaker."""
    if not is_area_code(area) or area not in tree:
        return [Fault("area", "unknown-area", (("area", area),))]
    if not tree.area(area).in_use(day_of(now_ms)):
        return [Fault("area", "retired-area", (("area", area), ("into", tree.successor(area).name)))]
    return []


def check_result(speaker: Speaker) -> list[Fault]:
    """What is wrong with a speaker as it would be."""
    if speaker.floor_percent > max(speaker.ceiling_percent, EMERGENCY_PERCENT):
        return [Fault("floor_percent", "above-ceiling", (("ceiling", str(speaker.ceiling_percent)),))]
    return []


def _check_text(name: str, value: str | None, most: int) -> Sequence[Fault]:
    if value is None:
        return ()
    if len(value) > most:
        return (Fault(name, "too-long", (("most", str(most)),)),)
    if not value.replace("\n", "").isprintable() or (name == "name" and "\n" in value):
        return (Fault(name, "control-characters"),)
    return (Fault(name, "missing"),) if name == "name" and not value.strip() else ()
