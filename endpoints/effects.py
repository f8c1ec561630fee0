"""Who a speaker is, and what its machine tells the outside to do. What carries it out is a `Box`, or a test."""

from dataclasses import dataclass

from endpoints.arbitration import EMERGENCY_PERCENT, QuietHours
from endpoints.area_codes import ancestors
from endpoints.kept import Kept
from endpoints.protocol import Order, Part
from endpoints.sealing import Message


@dataclass(frozen=True, slots=True)
class Make:
    """What a box is made of, as its maker calls it; each at most 40 characters, empty when nobody knows.

    :param ear: what hears it (`endpoints.proof.Ear`); 0: nothing.
    """

    model: str = ""
    firmware: str = ""
    ear: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this speaker is, and by which settings it goes.

    :param key: its secret for reports.
    :param volume_percent: its own volume; 0 is muted. An order may raise it while it sounds.
    :param ceiling_percent, floor_percent, muted_until_ms: see `endpoints.setup.Setup`.
    :param generation: of its secrets.
    """

    id: str
    area: str
    key: bytes
    exercise: bool = False
    volume_percent: int = 70
    quiet: QuietHours = QuietHours()
    ceiling_percent: int = 100
    floor_percent: int = EMERGENCY_PERCENT
    muted_until_ms: int = 0
    generation: int = 1
    make: Make = Make()

    @property
    def scopes(self) -> tuple[str, ...]:
        """Whose boards it follows: its own, its area's, and those above."""
        return (self.id, self.area, *ancestors(self.area))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that may have to sound, and from when on.

    :param urgent: it goes before all others whenever it is needed: what is no routine.
    """

    part: Part
    needed_at_ms: int
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class OnHand:
    """What a speaker has of the files that are wanted of it.

    :param lacking: what is not here, that needed first first.
    """

    held: int
    held_bytes: int
    free_bytes: int
    lacking: tuple[Wanted, ...] = ()


@dataclass(frozen=True, slots=True)
class Play:
    """Hand this to the sound card from `from_ms` on; say `started`, then `finished` or `failed`.

    :param at_ms: the server's time when `from_ms` should leave the loudspeaker, so that neighbours are in step; it comes a moment
        before that. None: at once, and in step with nobody.
    :param fallback: what to sound when the order's own file is not here or is silent; routine alone has one.
    """

    order: Order
    from_ms: int
    volume_percent: int
    at_ms: int | None = None
    fallback: Part | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """What sounds goes on louder or softer, without beginning anew."""

    order: str
    percent: int


@dataclass(frozen=True, slots=True)
class NewEnd:
    """What sounds has another end, or fades otherwise before it; it goes on."""

    order: Order


@dataclass(frozen=True, slots=True)
class Stop:
    """Fade it out now, and say no more of it: what `started` and `finished` name is what was put on last."""

    order: str


@dataclass(frozen=True, slots=True)
class TakeStock:
    """Look what is here of the files that are wanted, and say `stock`."""


@dataclass(frozen=True, slots=True)
class Send:
    """Publish this frame: a REPORT with QoS 1, everything else with QoS 0. It may get lost; what matters comes again."""

    message: Message
    frame: bytes


@dataclass(frozen=True, slots=True)
class Keep:
    """Write this where it survives a power cut, before anything that follows it in the list is done.

    When that fails say `fault(Fault.DISK, present=True)` and go on: a full disk silences no emergency.
    """

    kept: Kept


Effect = Play | Volume | NewEnd | Stop | TakeStock | Send | Keep
