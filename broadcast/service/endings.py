"""The ends of every alert, ready before anybody asks for them: the all-clear (解除) and the correction (更正), worded and spoken.

Hawaii 2018 took 38 minutes to say that it had been wrong, because nothing was prepared. Here the words are written when the alert
goes out and spoken in the background; giving them is one act, and the voice takes no time.
"""

import asyncio
import logging
from dataclasses import dataclass

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast, InvalidRequest, StartBroadcast
from broadcast.domain.officers import Officer
from broadcast.domain.templates import Worded
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.once import OnceKey
from broadcast.service.outcomes import Cleared, Outcome
from broadcast.service.ports import Speech, SpeechFailed, Spoken
from broadcast.service.wording import Wording
from endpoints.protocol import Band, Kind, Order, Tone

log = logging.getLogger(__name__)

RENEW_AFTER_S = 60.0  # a voice that failed is asked again
LASTS_MIN = 10
PREPARED = Cleared()  # the server's own words: an end waits for nobody


@dataclass(frozen=True, slots=True)
class Prepared:
    """What would be said, and its file once it has been spoken; None while it has not."""

    worded: Worded
    spoken: Spoken | None = None


Target = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def _target(order: Order) -> Target:
    return order.areas, order.excluded, order.speakers


@dataclass(slots=True)
class _Kept:
    """:param target: where the alert stood when these were worded; where it has ended since, they do not speak of any more."""

    target: Target
    all_clear: Prepared
    correction: Prepared
    tried_at: float = float("-inf")

    @property
    def whole(self) -> bool:
        return self.all_clear.spoken is not None and self.correction.spoken is not None


class Endings:
    """Prepares them for every live alert and notice; call `tick` about once a second."""

    def __init__(self, *, clock: Clock, broadcasts: Broadcasts, wording: Wording, speech: Speech) -> None:
        self._clock, self._broadcasts, self._wording, self._speech = clock, broadcasts, wording, speech
        self._kept: dict[str, _Kept] = {}

    async def tick(self) -> None:
        """Word and speak what is not there yet, one after another; forget what is over."""
        live = {one.id: one for one in self._broadcasts.live() if one.order.kind is not Kind.ROUTINE}
        for gone in self._kept.keys() - live.keys():
            del self._kept[gone]
        now = self._clock.monotonic()
        for broadcast in live.values():
            kept = self._words_of(broadcast)
            if kept.whole or now - kept.tried_at < RENEW_AFTER_S:
                continue
            kept.tried_at = now
            kept.all_clear = await self._spoken(broadcast, kept.all_clear)
            kept.correction = await self._spoken(broadcast, kept.correction)

    def of(self, broadcast: Broadcast) -> tuple[Prepared, Prepared]:
        """The all-clear and the correction as they would go out now."""
        kept = self._words_of(broadcast)
        return kept.all_clear, kept.correction

    async def all_clear(
        self, broadcast: str, *, by: Officer, areas: tuple[str, ...] = (), text: str = "", once: OnceKey | None = None
    ) -> Outcome:
        """End an alert, whole or in chosen areas, in the prepared words or the officer's own; see `Broadcasts.all_clear`."""
        was = await self._broadcasts.get(broadcast)
        words = self._wording.ending_of(was, areas=areas) if areas else None
        prepared = words.all_clear if words else self.of(was)[0].worded
        said, cleared = text or prepared.text, None if text else PREPARED
        return await self._broadcasts.all_clear(broadcast, by=by, areas=areas, text=said, once=once, cleared=cleared)

    async def correct(self, broadcast: str, *, by: Officer, text: str = "", once: OnceKey | None = None) -> Outcome:
        """Say that it was wrong (更正), in the same places, as loudly and as urgently as it was said; it takes its place at once.

        Prepared words never wait for a second person.

        :raises ApprovalNeeded: the officer's own words do, by policy; `Approvals.submit` asks for it.
        :raises UnknownBroadcast, AlreadyOver, HigherLevel, AreaNotGranted, RoleNotGranted: see `Broadcasts.update`.
        """
        was = await self._broadcasts.get(broadcast)
        order, prepared = was.order, self.of(was)[1].worded
        command = StartBroadcast(
            kind=order.kind,
            areas=order.areas,
            excluded=order.excluded,
            speakers=order.speakers,
            text=text or prepared.text,
            headline=prepared.headline,
            severity=order.severity,
            minutes=LASTS_MIN,
            repeats=2,
            tone=Tone.CHIME,
            volume_percent=order.volume_percent,
            life_safety=order.band is Band.LIFE_SAFETY,
            exercise=order.exercise,
        )
        return await self._broadcasts.update(broadcast, command, by=by, once=once, cleared=None if text else PREPARED)

    def _words_of(self, broadcast: Broadcast) -> _Kept:
        """Those that are ready, while it stands where it stood."""
        kept = self._kept.get(broadcast.id)
        return kept if kept is not None and kept.target == _target(broadcast.order) else self._word(broadcast)

    def _word(self, broadcast: Broadcast) -> _Kept:
        ending = self._wording.ending_of(broadcast)
        kept = _Kept(_target(broadcast.order), Prepared(ending.all_clear), Prepared(ending.correction))
        if broadcast.is_live(self._clock.now_ms()):
            self._kept[broadcast.id] = kept
        return kept

    async def _spoken(self, broadcast: Broadcast, prepared: Prepared) -> Prepared:
        if prepared.spoken is not None:
            return prepared
        try:
            async with asyncio.timeout(30):
                spoken = await self._speech.speak(prepared.worded.text, exercise=broadcast.order.exercise)
        except (SpeechFailed, InvalidRequest, TimeoutError) as err:  # the act itself still works, its voice comes late
            log.warning("%s: its end is not spoken yet: %s", broadcast.id, err)
            return prepared
        return Prepared(prepared.worded, spoken)
