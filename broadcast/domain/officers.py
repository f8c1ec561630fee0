"""Officers (值班人员): who may do what, where. Checked in the service, never only on the screen."""

from dataclasses import dataclass
from enum import StrEnum

from broadcast.domain.errors import BroadcastError
from endpoints.area_codes import TOWNSHIP, VILLAGE, covers, depth
from endpoints.protocol import Level


class Role(StrEnum):
    """What a person is here for."""

    DUTY = "duty"  # 值班员: starts and stops broadcasts in the own area
    VIEWER = "viewer"  # looks on
    ADMINISTRATOR = "administrator"  # looks after accounts and areas, and may do what duty may


class AreaNotGranted(BroadcastError):
    """This officer may not act on that area."""

    def __init__(self, officer: str, area: str) -> None:
        self.officer, self.area = officer, area
        super().__init__(f"{officer} may not act on area {area}")


class RoleNotGranted(BroadcastError):
    """The officer's role does not hold this."""

    def __init__(self, officer: str, role: Role, verb: str) -> None:
        self.officer, self.role, self.verb = officer, role.value, verb
        super().__init__(f"{officer} is {role.value} and may not {verb}")


def level_of(area: str) -> Level:
    """The level of command that an area belongs to; a grid's is its village's."""
    digits = depth(area)
    if digits >= VILLAGE:
        return Level.VILLAGE
    if digits >= TOWNSHIP:
        return Level.TOWNSHIP
    return Level.CITY if digits >= 6 else Level.PREFECTURE if digits >= 4 else Level.PROVINCE


@dataclass(frozen=True, slots=True)
class Officer:
    """Someone who has signed in.

    :param area: acts here and in what lies inside.
    """

    name: str
    title: str
    role: Role
    area: str

    @property
    def level(self) -> Level:
        return level_of(self.area)

    def must_command(self, verb: str) -> None:
        """:raises RoleNotGranted: a viewer starts and stops nothing."""
        if self.role is Role.VIEWER:
            raise RoleNotGranted(self.name, self.role, verb)

    def must_administer(self, verb: str) -> None:
        """:raises RoleNotGranted: accounts and areas are the administrator's."""
        if self.role is not Role.ADMINISTRATOR:
            raise RoleNotGranted(self.name, self.role, verb)

    def must_hold(self, *areas: str) -> None:
        """:raises AreaNotGranted: with the first area that is not inside the officer's."""
        for area in areas:
            if not covers(self.area, area):
                raise AreaNotGranted(self.name, area)
