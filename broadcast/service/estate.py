"""The speakers and areas as the services use them: in memory, from the store, with the questions asked on each trigger."""

from collections.abc import Iterable

from broadcast.domain.areas import AreaTree
from broadcast.domain.officers import Officer
from broadcast.domain.speakers import Speaker, UnknownSpeaker
from broadcast.service.ports import Store
from endpoints.area_codes import significant
from endpoints.protocol import Order
from endpoints.sealing import speaker_key


class Estate:
    """Which speakers there are, where, and with which key.

    :param master: the secret from which every speaker's key is derived.
    """

    def __init__(self, *, store: Store, master: bytes) -> None:
        self._store, self._master = store, master
        self.tree = AreaTree()
        self._speakers: dict[str, Speaker] = {}
        self._digits: dict[str, str] = {}
        self._keys: dict[str, bytes] = {}

    async def load(self) -> None:
        """Read areas and speakers; call again after a change."""
        self.tree, speakers = await self._store.read(lambda tx: (tx.areas.tree(), tx.speakers.all()))
        self._speakers = {one.id: one for one in speakers if not one.retired}
        self._digits = {one.id: significant(one.area) for one in self._speakers.values()}
        self._keys = {}

    async def enrol(self, speakers: Iterable[Speaker], *, by: Officer) -> None:
        """Take speakers in; those that are there already stay as they are."""
        by.must_administer("enrol speakers")
        fresh = [one for one in speakers if one.id not in self._speakers]
        await self._store.write(lambda tx: tx.speakers.add(fresh))
        await self.load()

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
        """The secret with which this speaker seals its reports; None for a speaker that we do not have."""
        key = self._keys.get(speaker)
        if key is None and speaker in self._speakers:
            key = self._keys[speaker] = speaker_key(self._master, speaker)
        return key

    def inside(self, *areas: str) -> list[Speaker]:
        """The speakers in these areas."""
        prefixes = tuple(significant(area) for area in areas)
        return [self._speakers[name] for name, digits in self._digits.items() if digits.startswith(prefixes)]

    def meant_by(self, order: Order) -> list[Speaker]:
        """The frozen target as speakers: those in the areas less those taken out, and the single ones, of the order's mode."""
        areas = tuple(significant(area) for area in order.areas)
        gone = tuple(significant(area) for area in order.excluded)
        single = frozenset(order.speakers)
        return [
            self._speakers[name]
            for name, digits in self._digits.items()
            if (name in single or (digits.startswith(areas) and not digits.startswith(gone)))
            and self._speakers[name].exercise is order.exercise
        ]
