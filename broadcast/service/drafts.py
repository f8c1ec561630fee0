"""Drafts (草稿): what an officer was typing, saved while it is typed; a session that ends loses nothing."""

from collections.abc import Sequence

from broadcast.clock import Clock
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.drafts import KEPT_MS, MAX_DRAFTS, Draft, DraftChanged, UnknownDraft, draft_faults
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.service.ports import Store, Tx


class Drafts:
    """Of each officer; nobody else sees them."""

    def __init__(self, *, clock: Clock, store: Store) -> None:
        self._clock, self._store = clock, store

    async def all(self, *, by: Officer) -> Sequence[Draft]:
        """Newest first."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        return await self._store.read(lambda tx: tx.drafts.of(by.name))

    async def get(self, name: str, *, by: Officer) -> Draft:
        """:raises UnknownDraft:"""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        found = await self._store.read(lambda tx: tx.drafts.get(by.name, name))
        if found is None:
            raise UnknownDraft(name)
        return found

    async def save(self, name: str, body: str, *, by: Officer, revision: int) -> Draft:
        """:param revision: it starts from; 0 for a new one.

        :raises DraftChanged: another window of the same officer has gone on. InvalidRequest: too long.
        """
        now_ms = self._clock.now_ms()
        may(by, Verb.READ, now_ms=now_ms)
        if faults := draft_faults(name, body):
            raise InvalidRequest(faults)
        draft = Draft(by.name, name, revision + 1, now_ms, body)

        def work(tx: Tx) -> None:
            was = tx.drafts.get(by.name, name)
            if (was.revision if was else 0) != revision:
                raise DraftChanged(name, was.revision, by.name, was.saved_at_ms) if was else DraftChanged(name, 0)
            for old in tx.drafts.of(by.name)[MAX_DRAFTS - 1 :] if was is None else ():
                tx.drafts.drop(by.name, old.name)
            tx.drafts.save(draft)

        await self._store.write(work)
        return draft

    async def drop(self, name: str, *, by: Officer) -> None:
        """It was sent or given up (作废). :raises UnknownDraft:"""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        if not await self._store.write(lambda tx: tx.drafts.drop(by.name, name)):
            raise UnknownDraft(name)

    async def housekeep(self) -> None:
        """Forget what nobody has touched for a month."""
        before_ms = self._clock.now_ms() - KEPT_MS
        await self._store.write(lambda tx: tx.drafts.forget_before(before_ms))
