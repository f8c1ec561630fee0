"""A speaker registered by form (登记): known to the estate before, or without, an enrolment code; its box comes by one later."""

from collections.abc import Callable

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, may
from broadcast.domain.speakers import Speaker, Wish, check_place, check_wish
from broadcast.service.enrolments import free_id
from broadcast.service.estate import Estate, touched
from broadcast.service.once import OnceKey
from broadcast.service.ports import ActRow, KeptAnswer, Store, Tx
from endpoints.protocol import is_speaker_id


class Registering:
    """:param on_change: called after each; the broker's accounts have to follow."""

    def __init__(self, *, clock: Clock, store: Store, estate: Estate, on_change: Callable[[], None]) -> None:
        self._clock, self._store, self._estate, self._on_change = clock, store, estate, on_change

    async def register(
        self, area: str, *, speaker: str, name: str, exercise: bool, by: Officer, once: OnceKey | None = None
    ) -> Speaker:
        """A new one, as yet without a box.

        :param speaker: its id; empty: the next free one of its area.
        :param name: empty: that of its area.
        :raises InvalidRequest, RoleNotGranted, AreaNotGranted, KeyReused: nothing was stored.
        """
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_ESTATE, now_ms=now_ms)
        faults = [*check_place(area, self._estate.tree, now_ms=now_ms)]
        faults += check_wish(Wish(name=name), self._estate.tree, now_ms=now_ms) if name else []
        if speaker and not is_speaker_id(speaker):
            faults.append(Fault("id", "malformed"))
        if faults:
            raise InvalidRequest(faults)
        may(by, Verb.MANAGE_ESTATE, areas=[area], now_ms=now_ms)
        named = name.strip() or self._estate.tree.area(area).short_name

        def work(tx: Tx) -> str:
            if once is not None and (kept := tx.answers.get(by.name, once.key)) is not None:
                return once.words(kept)[0]
            taken = {one.id for one in tx.speakers.all()}  # those that were taken down too: old records name them
            waiting = {one.speaker for one in tx.enrolments.since(0) if not one.replaces}
            if speaker in taken | waiting:
                raise InvalidRequest([Fault("id", "taken", (("value", speaker),))])
            made = Speaker(speaker or free_id(area, taken | waiting), area, named, exercise)
            if once is not None:
                tx.answers.add(by.name, once.key, KeptAnswer(once.body_hash, made.id, now_ms))
            tx.speakers.add([made])
            tx.acts.add(ActRow(now_ms, by.name, "register speaker", made.id, f"{area} {named}"))
            touched(tx)
            return made.id

        name_of = await self._store.write(work)
        await self._estate.load()
        self._on_change()
        return self._estate.speaker(name_of)
