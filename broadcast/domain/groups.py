"""Named sets of speakers (终端分组). Of a broadcast they are no part: when it is sent they become the areas and speakers that they
hold at that moment, and what is on the air does not change with them. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import MAX_AREAS, MAX_SPEAKERS, Fault, check_targets, day_of
from broadcast.domain.errors import BroadcastError, Overtaken
from endpoints.area_codes import covers

MAX_NAME = 40
MAX_GROUPS = 500


class UnknownGroup(BroadcastError):
    """There is no such group, or none that this officer may use."""

    def __init__(self, group: str) -> None:
        self.group = group
        super().__init__(f"there is no group {group}")


class GroupChanged(Overtaken):
    """Somebody has changed it meanwhile; nothing was overwritten."""

    def __init__(self, group: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.group = group
        super().__init__(f"group {group} has been changed", revision, by, at_ms)


@dataclass(frozen=True, slots=True)
class Group:
    """
    :param owner: the area whose group it is; all that it holds lies inside.
    """

    id: str
    name: str
    owner: str
    areas: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    revision: int = 1

    @property
    def excluded(self) -> tuple[str, ...]:
        """A group leaves nothing out: beside other targets nobody could say what that means."""
        return ()


def check_group(group: Group, tree: AreaTree, homes: dict[str, str], *, now_ms: int) -> list[Fault]:
    """Every field that is wrong.

    :param homes: area by id of the speakers that there are.
    """
    faults = list(check_targets(group, tree, homes.keys(), day_of(now_ms)))
    if not group.name.strip():
        faults.append(Fault("name", "missing"))
    elif len(group.name) > MAX_NAME:
        faults.append(Fault("name", "too-long", (("most", str(MAX_NAME)),)))
    elif not group.name.isprintable():
        faults.append(Fault("name", "control-characters"))
    for index, area in enumerate(group.areas):
        if not covers(group.owner, area):
            faults.append(Fault(f"areas.{index}", "outside-owner", (("area", area),)))
    for index, speaker in enumerate(group.speakers):
        if speaker in homes and not covers(group.owner, homes[speaker]):
            faults.append(Fault(f"speakers.{index}", "outside-owner", (("speaker", speaker),)))
    return faults


def expanded(
    groups: Iterable[Group], known: Collection[str], *, areas: tuple[str, ...], speakers: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], list[Fault]]:
    """What stands for the groups beside what was chosen by itself: areas, single speakers, and what is wrong with that.

    :param known: the speakers that there are; one that was taken down since is left out.
    """
    for group in groups:
        areas += group.areas
        speakers += tuple(one for one in group.speakers if one in known)
    areas, speakers = tuple(dict.fromkeys(areas)), tuple(dict.fromkeys(speakers))
    faults = []
    if len(areas) > MAX_AREAS:
        faults.append(Fault("groups", "too-many", (("most", str(MAX_AREAS)),)))
    if len(speakers) > MAX_SPEAKERS:
        faults.append(Fault("groups", "too-many", (("most", str(MAX_SPEAKERS)),)))
    return areas, speakers, faults
