"""Proof of play on the server (播出证明): kept as it comes, graded, and an alarm where an ear contradicts its speaker."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Fault, InvalidRequest, UnknownBroadcast
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.proofs import Known, Proved, Witnessed, known_of
from broadcast.domain.rights import may
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.once import OnceKey
from broadcast.service.ports import ActRow, DeliveryRow, KeptAnswer, Store, Tx
from endpoints.proof import Proof

log = logging.getLogger(__name__)

MAX_NOTE = 200


class NotMeant(BroadcastError):
    """The broadcast does not mean this speaker."""

    def __init__(self, broadcast: str, speaker: str) -> None:
        self.broadcast, self.speaker = broadcast, speaker
        super().__init__(f"broadcast {broadcast} does not mean {speaker}")


class Evidence:
    """Everything that is known of one broadcast beside the speakers' own words."""

    def __init__(self, proved: Sequence[Proved], witnessed: Sequence[Witnessed]) -> None:
        self.proved: Mapping[str, list[Proved]] = defaultdict(list)
        self.witnessed: Mapping[str, list[Witnessed]] = defaultdict(list)
        for one in proved:
            self.proved[one.proof.speaker].append(one)
        for said in witnessed:
            self.witnessed[said.speaker].append(said)

    def known(self, row: DeliveryRow) -> Known:
        """The grade at one speaker."""
        return known_of(row.state, self.proved.get(row.speaker, ()), self.witnessed.get(row.speaker, ()))


class Proofs:
    """Keeps them and says what they amount to."""

    def __init__(self, *, clock: Clock, store: Store, estate: Estate, health: Health) -> None:
        self._clock, self._store, self._estate, self._health = clock, store, estate, health
        self._contradicted: dict[str, str] = {}  # speaker to the order of which its ear heard something else

    async def keep(self, proof: Proof) -> None:
        """A verified proof of a speaker. :raises StoreUnavailable: it is not in the table."""
        proved = Proved(proof, self._clock.now_ms())

        def work(tx: Tx) -> bool:
            broadcast = tx.broadcasts.get(proof.order)
            if broadcast is None or not broadcast.means(proof.speaker, self._estate.speaker(proof.speaker).area):
                return False
            tx.proofs.keep([proved])
            return True

        if not await self._store.write(work):
            self._health.count("proofs_unexpected")
            return
        self._health.count("proofs")
        if proof.confirms:
            self._contradicted.pop(proof.speaker, None)
        else:
            log.warning("%s: %s: its ear heard something else", proof.order, proof.speaker)
            self._contradicted[proof.speaker] = proof.order
        if self._contradicted:
            names = sorted(self._contradicted)
            self._health.raise_("ear-contradicts", speakers=str(len(names)), first=", ".join(names[:5]))
        else:
            self._health.clear("ear-contradicts")

    async def witness(
        self, broadcast: str, speaker: str, *, heard: bool, note: str, by: Officer, once: OnceKey | None = None
    ) -> None:
        """An officer of the place says whether it was heard there (人工确认).

        A telephone whose network comes back says it again: with the same key it is said once.

        :raises AreaNotGranted, UnknownSpeaker, UnknownBroadcast, NotMeant, InvalidRequest, KeyReused: nothing was stored.
        """
        where = self._estate.speaker(speaker)
        may(by, Verb.WITNESS, areas=[where.area], exercise=None, now_ms=self._clock.now_ms())
        if len(note) > MAX_NOTE:
            raise InvalidRequest([Fault("note", "too-long", (("most", str(MAX_NOTE)), ("length", str(len(note)))))])
        said = Witnessed(broadcast, speaker, by.name, self._clock.now_ms(), heard, note)

        def work(tx: Tx) -> None:
            found = tx.broadcasts.get(broadcast)
            if found is None:
                raise UnknownBroadcast(broadcast)
            if not found.means(speaker, where.area):
                raise NotMeant(broadcast, speaker)
            if once is not None:
                if (kept := tx.answers.get(by.name, once.key)) is not None:
                    once.words(kept)
                    return
                tx.answers.add(by.name, once.key, KeptAnswer(once.body_hash, "witnessed", said.at_ms))
            tx.proofs.witness(said)
            tx.acts.add(ActRow(said.at_ms, by.name, "heard" if heard else "not heard", broadcast, speaker))

        await self._store.write(work)

    async def of(self, broadcast: str) -> Evidence:
        """What ears and people said of a broadcast."""
        return await self._store.read(lambda tx: Evidence(tx.proofs.of(broadcast), tx.proofs.witnesses(broadcast)))
