"""Machines' tokens (令牌): scoped, expiring, kept as hashes, and listed with their last use. They work without the database."""

import logging
import secrets
from collections.abc import Callable, Sequence

from broadcast.clock import Clock
from broadcast.domain.accounts import TOKEN_MARK, UnknownToken
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import holds, may
from broadcast.service.ports import ActRow, Store, StoreUnavailable, TokenRow, Tx
from broadcast.service.sessions import NotSignedIn, digest_of

log = logging.getLogger(__name__)


class Tokens:
    """Who asks with `Authorization: Bearer lbt_…`, or with a big screen's cookie."""

    def __init__(self, *, clock: Clock, store: Store, on_change: Callable[[], None] = lambda: None) -> None:
        self._clock, self._store, self._on_change = clock, store, on_change
        self._held: dict[bytes, TokenRow] | None = None
        self._used: dict[str, tuple[int, str]] = {}

    async def officer_of(self, token: str, *, cookie: bool, address: str) -> Officer:
        """What the machine may do. :raises NotSignedIn: unknown, revoked, expired, or a cookie that is no screen's."""
        if self._held is None:
            await self._load()
        row = (self._held or {}).get(digest_of(token))
        now_ms = self._clock.now_ms()
        if row is None or now_ms >= row.expires_ms or (cookie and not row.screen):
            raise NotSignedIn
        self._used[row.id] = (now_ms, address[:64])
        return row.officer

    async def all(self, *, by: Officer) -> Sequence[TokenRow]:
        """Those inside the administrator's area, with when each was last used."""
        may(by, Verb.MANAGE_OFFICERS, now_ms=self._clock.now_ms())
        rows = await self._store.read(lambda tx: tx.tokens.all())
        seen = [row._replace(used_ms=when, used_from=where) for row in rows for when, where in [self._last(row)]]
        return [row for row in seen if holds(by, Verb.MANAGE_OFFICERS, areas=[row.officer.area])]

    async def revoke(self, token: str, *, by: Officer) -> None:
        """It opens nothing from now on; one person is enough to take a right away.

        :raises UnknownToken: none of that id. :raises RoleNotGranted, AreaNotGranted: nothing was changed.
        """
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_OFFICERS, now_ms=now_ms)

        def work(tx: Tx) -> None:
            row = next((one for one in tx.tokens.all() if one.id == token), None)
            if row is None:
                raise UnknownToken(token)
            may(by, Verb.MANAGE_OFFICERS, areas=[row.officer.area], now_ms=now_ms)
            if not row.revoked_ms:
                tx.tokens.revoke(token, now_ms)
                tx.acts.add(ActRow(now_ms, by.name, "revoke token", token, row.officer.title))

        await self._store.write(work)
        await self._load()
        self._on_change()

    async def look_again(self) -> None:
        """Notice tokens that were made or revoked, and write when they were used; call every few seconds."""
        used, self._used = self._used, {}
        try:
            if used:
                await self._store.write(lambda tx: tx.tokens.used(used))
            await self._load()
        except StoreUnavailable as err:
            self._used = {**used, **self._used}
            log.warning("when tokens were last used could not be written: %s", err.cause)

    async def _load(self) -> None:
        rows = await self._store.read(lambda tx: tx.tokens.all())
        self._held = {row.token_hash: row for row in rows if not row.revoked_ms}

    def _last(self, row: TokenRow) -> tuple[int, str]:
        return self._used.get(row.id, (row.used_ms, row.used_from))


def new_token() -> str:
    """256 bits, with a mark by which a leaked one is found."""
    return TOKEN_MARK + secrets.token_urlsafe(32)
