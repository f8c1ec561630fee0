"""Versions of the plan: an edit never overwrites, it adds a revision with who made it and when. Pure."""

from dataclasses import dataclass

from broadcast.domain.programmes import NOTHING_YET, AreaPlan, Content, Programme


@dataclass(frozen=True, slots=True)
class Version:
    """A programme as it was saved once (节目版本).

    :param content: what its source became when it was saved: nothing goes into the plan that can't sound.
    :param retired: it was taken out of the plan with this revision (删除); its record stays.
    """

    programme: Programme
    saved_at_ms: int
    saved_by: str
    content: Content = NOTHING_YET
    retired: bool = False

    @property
    def in_force(self) -> bool:
        """Whether it can have occurrences."""
        return not self.retired and not self.programme.paused


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """An area's plan as it was saved once."""

    plan: AreaPlan
    revision: int
    saved_at_ms: int
    saved_by: str
