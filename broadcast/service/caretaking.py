"""Looking after speakers (终端管理): settings, places, work at the horn, secrets. One or many at once, all of them or none.

Nothing here speaks to a speaker: what is wanted is kept, and `setups.py` and the broker's accounts follow from it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, holds, may
from broadcast.domain.speakers import Speaker, SpeakerChanged, Wish, check_result, check_wish
from broadcast.service.changers import changer_of
from broadcast.service.estate import Estate
from broadcast.service.ports import ActRow, Tx

MOST_AT_ONCE = 1_000
USUAL_ROLL_MIN, LONGEST_ROLL_MIN = 60, 7 * 24 * 60
MAX_REASON = 200
TRIES = 3
ACTS = ("set speaker", "revoke speaker", "enrol", "register speaker")  # by which its revision grows


class Caretaking:
    """Changes of the estate by officers.

    :param on_change: called after each; the broker's accounts and the setups have to follow within seconds.
    """

    def __init__(self, *, clock: Clock, estate: Estate, on_change: Callable[[], None]) -> None:
        self._clock, self._estate, self._on_change = clock, estate, on_change
        self._confirmed: set[str] = set()

    # ---- settings -------------------------------------------------------------------------------------------------------

    async def change(self, speaker: str, wish: Wish, *, by: Officer, revision: int) -> Speaker:
        """One speaker as wanted.

        :param revision: the change starts from this one.
        :raises UnknownSpeaker, InvalidRequest, SpeakerChanged, RoleNotGranted, AreaNotGranted: nothing was changed.
        """
        now_ms = self._clock.now_ms()
        was = self._estate.speaker(speaker)
        may(by, Verb.MANAGE_ESTATE, areas=[was.area], now_ms=now_ms)
        wanted = wish.applied(was)
        if faults := check_wish(wish, self._estate.tree, now_ms=now_ms) or check_result(wanted):
            raise InvalidRequest(faults)
        may(by, Verb.MANAGE_ESTATE, areas=[wanted.area], now_ms=now_ms)
        await self._save([(replace(was, revision=revision), wanted)], wish, by=by, now_ms=now_ms)
        return self._estate.speaker(speaker)

    async def change_all(self, speakers: Sequence[str], wish: Wish, *, by: Officer) -> list[Speaker]:
        """The same of many, whatever revision each is at.

        :raises InvalidRequest: with every speaker that it can't be done for; nothing was changed.
        """
        for _ in range(TRIES):
            try:
                return await self._change_all(speakers, wish, by=by)
            except SpeakerChanged:  # this instant, by somebody else: the same wish on what it is now
                await self._estate.load()
        return await self._change_all(speakers, wish, by=by)

    async def _change_all(self, speakers: Sequence[str], wish: Wish, *, by: Officer) -> list[Speaker]:
        now_ms = self._clock.now_ms()
        chosen = self.chosen(speakers, Verb.MANAGE_ESTATE, by=by)
        if wish.name is not None:
            raise InvalidRequest([Fault("settings.name", "not-for-many")])
        wrong = check_wish(wish, self._estate.tree, now_ms=now_ms)
        faults = [replace(one, field=f"settings.{one.field}") for one in wrong]
        changed = [(one, wish.applied(one)) for one in chosen]
        for index, (_, wanted) in enumerate(changed):
            faults += [Fault(f"speakers.{index}", fault.code, fault.facts) for fault in check_result(wanted)]
        if faults:
            raise InvalidRequest(faults)
        may(by, Verb.MANAGE_ESTATE, areas=[wish.area] if wish.area else [], now_ms=now_ms)
        await self._save(changed, wish, by=by, now_ms=now_ms)
        return [self._estate.speaker(one.id) for one in chosen]

    def chosen(self, speakers: Sequence[str], verb: Verb, *, by: Officer) -> list[Speaker]:
        """The speakers of a selection, each once.

        :raises InvalidRequest: with every one that there is not or that the officer may not touch; also when there are none.
        """
        now_ms = self._clock.now_ms()
        may(by, verb, now_ms=now_ms)
        if not speakers:
            raise InvalidRequest([Fault("speakers", "empty-target")])
        if len(speakers) > MOST_AT_ONCE:
            raise InvalidRequest([Fault("speakers", "too-many", (("most", str(MOST_AT_ONCE)),))])
        faults, found = [], []
        for index, name in enumerate(dict.fromkeys(speakers)):
            one = self._estate.speakers.get(name)
            if one is None:
                faults.append(Fault(f"speakers.{index}", "unknown-speaker", (("speaker", name),)))
            elif not holds(by, verb, areas=[one.area], now_ms=now_ms):
                faults.append(Fault(f"speakers.{index}", "outside-your-area", (("speaker", name),)))
            else:
                found.append(one)
        if faults:
            raise InvalidRequest(faults)
        return found

    # ---- secrets --------------------------------------------------------------------------------------------------------

    async def roll(self, speakers: Sequence[str], *, by: Officer, within_min: int = USUAL_ROLL_MIN) -> list[Speaker]:
        """Newer secrets for these (换钥). Each fetches its own; the older ones end with its first message under the new ones, or
        after `within_min`. One that is rolling already goes on.

        :raises InvalidRequest: with every speaker that it can't be done for; nothing was changed.
        """
        now_ms = self._clock.now_ms()
        chosen = self.chosen(speakers, Verb.MANAGE_ESTATE, by=by)
        faults = [
            Fault(f"speakers.{index}", "is-revoked", (("speaker", one.id),))
            for index, one in enumerate(chosen)
            if one.revoked
        ]
        if not 1 <= within_min <= LONGEST_ROLL_MIN:
            faults.append(Fault("within_min", "out-of-range", (("low", "1"), ("high", str(LONGEST_ROLL_MIN)))))
        if faults:
            raise InvalidRequest(faults)
        fresh = [one.rolled(until_ms=now_ms + within_min * 60_000) for one in chosen if not one.is_rolling(now_ms)]
        acts = [ActRow(now_ms, by.name, "roll key", one.id, f"generation {one.generation}") for one in fresh]
        await self._estate.save(fresh, acts)
        self._on_change()
        return [self._estate.speaker(one.id) for one in chosen]

    async def revoke(self, speaker: str, *, by: Officer, reason: str) -> Speaker:
        """Take none of its secrets any more (吊销), from now on: stolen, or nobody knows where the box is. Twice is no error.

        :raises UnknownSpeaker, RoleNotGranted, AreaNotGranted, InvalidRequest: without a reason.
        """
        now_ms = self._clock.now_ms()
        was = self._manageable(speaker, by, now_ms)
        reason = " ".join(reason.split())
        if not reason or len(reason) > MAX_REASON:
            code, facts = ("too-long", (("most", str(MAX_REASON)),)) if reason else ("missing", ())
            raise InvalidRequest([Fault("reason", code, facts)])
        if was.revoked:
            return was
        gone = replace(was, revoked=True, older_until_ms=0, revision=was.revision + 1)
        await self._estate.save([gone], [ActRow(now_ms, by.name, "revoke speaker", speaker, reason)])
        self._on_change()
        return self._estate.speaker(speaker)

    async def retire(self, speaker: str, *, by: Officer) -> None:
        """Take it down for good; its id stays taken. :raises UnknownSpeaker, RoleNotGranted, AreaNotGranted:"""
        await self._estate.retire(speaker, by=by, at_ms=self._clock.now_ms())
        self._on_change()

    def heard(self, speaker: str) -> None:
        """A message came that was made with its newest secret; older ones end with the next `tick`."""
        one = self._estate.speakers.get(speaker)
        if one is not None and one.older_until_ms:
            self._confirmed.add(speaker)

    async def tick(self) -> None:
        """End older secrets whose speakers were heard with newer ones, or whose time is up; call every second or two."""
        now_ms = self._clock.now_ms()
        heard, self._confirmed = self._confirmed, set()
        ended = {
            name: replace(one, older_until_ms=0, handed_out=True)
            for name, one in self._estate.speakers.items()
            if one.older_until_ms and (name in heard or now_ms >= one.older_until_ms)
        }
        if not ended:
            return
        acts = [
            ActRow(now_ms, "", "end older key", name, "heard with the newer one" if name in heard else "its time is up")
            for name in ended
        ]
        await self._estate.save(ended.values(), acts)
        self._on_change()

    async def handed_out(self, speaker: Speaker) -> None:
        """It has been given its newest secrets; the broker takes their password from now on."""
        if not speaker.handed_out:
            await self._estate.save([replace(speaker, handed_out=True)], [])
            self._on_change()

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _manageable(self, speaker: str, by: Officer, now_ms: int) -> Speaker:
        may(by, Verb.MANAGE_ESTATE, now_ms=now_ms)
        one = self._estate.speaker(speaker)
        may(by, Verb.MANAGE_ESTATE, areas=[one.area], now_ms=now_ms)
        return one

    async def _save(self, changed: Iterable[tuple[Speaker, Speaker]], wish: Wish, *, by: Officer, now_ms: int) -> None:
        pairs = list(changed)
        fresh = [wanted for was, wanted in pairs if wanted.revision != was.revision]

        def first(tx: Tx) -> None:
            for was, _ in pairs:
                if (there := tx.speakers.get(was.id)) is not None and there.revision != was.revision:
                    changer = changer_of(tx, was.id, *ACTS, now_ms=now_ms)
                    raise SpeakerChanged(was.id, there.revision, *changer)

        acts = [ActRow(now_ms, by.name, "set speaker", one.id, wish.said) for one in fresh]
        await self._estate.save(fresh, acts, first=first)
        if fresh:
            self._on_change()
