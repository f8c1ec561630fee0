"""Who a speaker is, and what its machine tells the outside to do. What carries it out is a `Box`, or a test."""

from dataclasses import dataclass

from endpoints.arbitration import QuietHours
from endpoints.area_codes import ancestors
from endpoints.kept import Kept
from endpoints.protocol import Order
from endpoints.sealing import Message


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this speaker is.

    :param key: its secret for reports.
    :param volume_percent: its own volume; 0 is muted. An order may raise it while it sounds.
    """

    id: str
    area: str
    key: bytes
    exercise: bool = False
    volume_percent: int = 70
    quiet: QuietHours = QuietHours()

    @property
    def scopes(self) -> tuple[str, ...]:
        """Whose boards it follows: its own, its area's, and those above."""
        return (self.id, self.area, *ancestors(self.area))


@dataclass(frozen=True, slots=True)
class Play:
    """Hand this to the sound card from `from_ms` on; say `started`, then `finished` or `failed`."""

    order: Order
    from_ms: int
    volume_percent: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Fade it out now, and say no more of it: what `started` and `finished` name is what was put on last."""

    order: str


@dataclass(frozen=True, slots=True)
class Send:
    """Publish this frame as HELLO (QoS 0) or REPORT (QoS 1). It may get lost; what matters comes again."""

    message: Message
    frame: bytes


@dataclass(frozen=True, slots=True)
class Keep:
    """Write this where it survives a power cut, before anything that follows it in the list is done.

    When that fails say `fault(Fault.DISK, present=True)` and go on: a full disk silences no emergency.
    """

    kept: Kept


Effect = Play | Stop | Send | Keep
