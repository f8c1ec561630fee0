"""The speakers and areas as the services use them: in memory, from the store, with the questions asked on each trigger."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import replace
from uuid import uuid4

from broadcast.domain.areas import AreaTree
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.domain.speakers import Speaker, UnknownSpeaker
from broadcast.service.ports import ActRow, Store, Tx
from endpoints.area_codes import significant
from endpoints.protocol import Order
from endpoints.sealing import speaker_key

PAST_DIGITS = ":"  # sorts right behind "9": prefix + this is where the codes with that prefix end
MARK = "estate-mark"  # a fact of the installation; it changes with areas and speakers, whoever changes them


def touched(tx: Tx) -> None:
    """Areas or speakers change in this transaction: a running server sees it at its next look (`Estate.refresh`)."""
    tx.facts.set(MARK, uuid4().hex)


class Estate:
    """Which speakers there are, where, and with which key.

    :param master: the secret from which every speaker's key is derived.
    """

    def __init__(self, *, store: Store, master: bytes) -> None:
        self._store, self._master = store, master
        self._mark: str | None = None
        self.tree = AreaTree()
        self._speakers: dict[str, Speaker] = {}
        self._digits: list[tuple[str, str]] = []  # of every speaker's area, and its id; sorted
        self._keys: dict[tuple[str, int], bytes] = {}  # by speaker and generation

    async def load(self) -> None:
        """Read areas and speakers; call again after a change."""
        self.tree, speakers, self._mark = await self._store.read(
            lambda tx: (tx.areas.tree(), tx.speakers.all(), tx.facts.get(MARK))
        )
        self._speakers = {one.id: one for one in speakers if not one.retired}
        self._digits = sorted((significant(one.area), one.id) for one in self._speakers.values())
        self._keys = {}

    async def enrol(self, speakers: Iterable[Speaker], *, by: Officer) -> None:
        """Take speakers in; those that are there already stay as they are."""
        speakers = tuple(speakers)
        may(by, Verb.MANAGE_ESTATE, areas={one.area for one in speakers})
        fresh = [one for one in speakers if one.id not in self._speakers]

        def work(tx: Tx) -> None:
            tx.speakers.add(fresh)
            touched(tx)

        await self._store.write(work)
        await self.load()

    async def retire(self, speaker: str, *, by: Officer, at_ms: int) -> None:
        """Take one down for good. Its row and its id stay: the record of old broadcasts names it.

        :raises UnknownSpeaker, RoleNotGranted, AreaNotGranted: nothing was changed.
        """
        may(by, Verb.MANAGE_ESTATE)
        gone = self.speaker(speaker)
        may(by, Verb.MANAGE_ESTATE, areas=[gone.area])

        def work(tx: Tx) -> None:
            tx.speakers.save(replace(gone, retired=True))
            tx.acts.add(ActRow(at_ms, by.name, "retire speaker", speaker, gone.area))
            touched(tx)

        await self._store.write(work)
        await self.load()

    async def save(
        self,
        speakers: Iterable[Speaker],
        acts: Iterable[ActRow],
        also: Callable[[Tx], None] | None = None,
        first: Callable[[Tx], None] | None = None,
    ) -> None:
        """Keep speakers as they are now with the acts that made them so, all in one transaction; who may is settled.

        :param also: what belongs into the same transaction.
        :param first: what is asked in it before anything is kept; what it raises leaves everything as it was.
        :raises UnknownSpeaker: one of them was never taken in; nothing was changed.
        """
        speakers, acts = tuple(speakers), tuple(acts)

        def work(tx: Tx) -> None:
            if first is not None:
                first(tx)
            for one in speakers:
                tx.speakers.save(one)
            for act in acts:
                tx.acts.add(act)
            if also is not None:
                also(tx)
            touched(tx)

        await self._store.write(work)
        await self.load()

    async def refresh(self) -> bool:
        """Load again when a tool beside the server has changed something; whether it had."""
        mark = await self._store.read(lambda tx: tx.facts.get(MARK))
        if mark == self._mark:
            return False
        await self.load()
        return True

    def __contains__(self, speaker: object) -> bool:
        return speaker in self._speakers

    def __len__(self) -> int:
        return len(self._speakers)

    @property
    def speakers(self) -> dict[str, Speaker]:
        """By id; the caller does not change it."""
        return self._speakers

    def speaker(self, speaker: str) -> Speaker:
        """:raises UnknownSpeaker: there is none of that id."""
        try:
            return self._speakers[speaker]
        except KeyError:
            raise UnknownSpeaker(speaker) from None

    def key_of(self, speaker: str) -> bytes | None:
        """The secret with which this speaker seals its reports, the newest; None for one that we do not have, or is revoked."""
        one = self._speakers.get(speaker)
        return None if one is None or one.revoked else self._key(speaker, one.generation)

    def older_key_of(self, speaker: str, now_ms: int) -> bytes | None:
        """The secret before that, while it is still taken."""
        one = self._speakers.get(speaker)
        older = () if one is None else one.generations(now_ms)[1:]
        return self._key(speaker, older[0]) if older else None

    def _key(self, speaker: str, generation: int) -> bytes:
        key = self._keys.get((speaker, generation))
        if key is None:
            key = self._keys[speaker, generation] = speaker_key(self._master, speaker, generation)
        return key

    def inside(self, *areas: str) -> list[Speaker]:
        """The speakers in these areas, each once, in the order of their areas' codes."""
        return [self._speakers[name] for name in self._names({significant(area) for area in areas})]

    def meant_by(self, order: Order) -> list[Speaker]:
        """The frozen target as speakers: those in the areas less those taken out, and the single ones, of the order's mode."""
        gone = tuple(significant(area) for area in order.excluded)
        names = self._names({significant(area) for area in order.areas})
        found = [self._speakers[name] for name in names]
        if gone:
            found = [one for one in found if not significant(one.area).startswith(gone)]
        there = frozenset(one.id for one in found) if order.speakers else frozenset()
        found += [self._speakers[name] for name in order.speakers if name in self._speakers and name not in there]
        return [one for one in found if one.exercise is order.exercise]

    def _names(self, prefixes: Iterable[str]) -> list[str]:
        """Ids by prefixes of their areas; a village costs two searches, however many speakers there are."""
        found: list[str] = []
        last = PAST_DIGITS
        for digits in sorted(prefixes):
            if digits.startswith(last):
                continue  # lies in the one before
            last = digits
            start = bisect_left(self._digits, (digits, ""))
            end = bisect_left(self._digits, (digits + PAST_DIGITS, ""), lo=start)
            found += [name for _, name in self._digits[start:end]]
        return found
