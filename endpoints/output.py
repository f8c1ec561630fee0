"""What makes an order heard, as the rest of a speaker sees it: the sound side's two halves, an `Output` and whom it answers to."""

from collections.abc import Callable
from typing import Protocol

from endpoints.effects import OnHand, Play, Wanted
from endpoints.time_line import TimeLine
from endpoints.vocabulary import Reason


class Sounding(Protocol):
    """Whom an output tells what became of one `play`. Never from inside `play` or `stop`; after a `stop` nobody listens."""

    def started(self, reason: Reason = Reason.NONE, at: float | None = None) -> None:
        """The sound card took the first frame.

        :param reason: FALLBACK when the fallback sounds in its place; said again, with FALLBACK, when that begins in the middle.
        :param at: when its first sample leaves the loudspeaker, on the box's monotonic clock; None: now.
        """

    def finished(self) -> None:
        """The last sample has left the sound card."""

    def failed(self, reason: Reason) -> None:
        """It can't be sounded, or not any further."""


class Output(Protocol):
    """What makes an order heard. At most one plays; `play` while another fades out follows it."""

    @property
    def broken(self) -> bool:
        """The sound card is known not to work: Fault.SOUND."""

    @property
    def silent(self) -> bool:
        """Something should sound, and what leaves the sound card is silence: Fault.SILENCE."""

    @property
    def short_of_files(self) -> bool:
        """Files of the coming hours are not here and can't be got now: Fault.FILES."""

    def on_change(self, changed: Callable[[], None]) -> None:
        """Have this called, in the loop, whenever one of the three above or the stock has changed."""

    def follow(self, line: Callable[[], TimeLine | None]) -> None:
        """The server's time, to be asked again and again by what has begun at an instant, and from any thread."""

    def play(self, play: Play, sounding: Sounding, *, left_s: float, at: float | None) -> None:
        """Sound this in place of whatever sounds.

        :param left_s: until the order's end, when the player will stop it.
        :param at: `play.at_ms` on the box's monotonic clock: when the first sample should leave the loudspeaker. None: at once.
        """

    def stop(self, order: str) -> None: ...

    def set_volume(self, order: str, percent: int) -> None:
        """What sounds goes on at another loudness; nothing when that order does not sound."""

    def set_end(self, order: str, *, left_s: float, fade_ms: int) -> None:
        """What sounds will be stopped in so long, and fades before that; nothing when that order does not sound."""

    def expect(self, wanted: tuple[Wanted, ...]) -> None:
        """These files may have to sound, sorted by when: get them, those needed first come first, and keep them."""

    def stock(self) -> OnHand:
        """What is here of that."""
