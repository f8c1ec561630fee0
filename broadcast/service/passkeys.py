"""Passkeys (通行密钥): WebAuthn level 2, for a console that comes over TLS under a name. With one, no password is asked.

The authenticator has checked its owner itself (user verification is demanded), and signs for this very origin: what a false page
was told opens nothing here. Challenges are not kept but signed by us, so a flood of strangers can't push the duty room's out.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.service.challenges import Challenges, Origin, PasskeyRefused
from broadcast.service.door import Door
from broadcast.service.ports import Account, ActRow, PasskeyRow, Store, StoreRefused, Tx

if TYPE_CHECKING:
    from broadcast.service.ceremonies import Ceremonies

MOST_OF_ONE = 10
LONGEST_TITLE = 60


class UnknownPasskey(BroadcastError):
    """This officer has none of that name."""

    def __init__(self, passkey: str) -> None:
        self.passkey = passkey
        super().__init__(f"you have no passkey {passkey}")


class Passkeys:
    """Those of officers, and who shows one.

    :param monotonic: seconds; challenges live by it, so a clock that is set back lengthens none.
    """

    def __init__(
        self, *, clock: Clock, store: Store, door: Door, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._store, self._door = clock, store, door
        self._challenges = Challenges(monotonic)

    async def begin(self, officer: Officer, where: Origin) -> str:
        """What the browser needs to make one (`PublicKeyCredentialCreationOptions`, JSON). Ask for the password before.

        :raises InvalidRequest: this officer has too many already.
        """
        kept = await self.of(officer)
        if len(kept) >= MOST_OF_ONE:
            raise InvalidRequest([Fault("title", "too-many", (("most", str(MOST_OF_ONE)),))])
        return self._ceremonies.creation_options(officer, where, kept)

    async def add(self, officer: Officer, where: Origin, title: str, credential: Mapping[str, Any]) -> PasskeyRow:
        """Keep what the browser made.

        :raises PasskeyRefused: it is not the answer to our challenge. :raises InvalidRequest: its title.
        """
        title = title.strip()
        if not title:
            raise InvalidRequest([Fault("title", "missing")])
        if len(title) > LONGEST_TITLE:
            faults = (("most", str(LONGEST_TITLE)), ("length", str(len(title))))
            raise InvalidRequest([Fault("title", "too-long", faults)])
        found = self._ceremonies.created(credential, officer, where)
        now_ms = self._clock.now_ms()
        row = PasskeyRow(found.id, officer.name, title, where.name, found.public_key, found.sign_count, now_ms)

        def work(tx: Tx) -> None:
            if len(tx.passkeys.of(officer.name)) >= MOST_OF_ONE:
                raise InvalidRequest([Fault("title", "too-many", (("most", str(MOST_OF_ONE)),))])
            tx.passkeys.add(row)
            tx.acts.add(ActRow(now_ms, officer.name, "add passkey", officer.name, title))

        try:
            await self._store.write(work)
        except StoreRefused as err:
            raise PasskeyRefused from err
        return row

    async def of(self, officer: Officer) -> Sequence[PasskeyRow]:
        """This officer's, the oldest first."""
        return await self._store.read(lambda tx: tx.passkeys.of(officer.name))

    async def drop(self, officer: Officer, passkey: str) -> None:
        """:param passkey: its id in hexadecimal. :raises UnknownPasskey: it is not this officer's."""

        def work(tx: Tx) -> None:
            row = next((one for one in tx.passkeys.of(officer.name) if one.id.hex() == passkey), None)
            if row is None:
                raise UnknownPasskey(passkey)
            tx.passkeys.drop(row.id)
            tx.acts.add(ActRow(self._clock.now_ms(), officer.name, "remove passkey", officer.name, row.title))

        await self._store.write(work)

    async def ask(self, where: Origin) -> str:
        """What the browser needs to show one (`PublicKeyCredentialRequestOptions`, JSON); whose it is, the passkey says."""
        return self._ceremonies.request_options(where)

    async def admit(self, where: Origin, credential: Mapping[str, Any], *, address: str) -> Account:
        """Whose passkey it is. A challenge opens once.

        :raises TooManyTries, PasskeyRefused: it opens nothing.
        """
        tried = self._door.stranger(address)
        passkey = self._ceremonies.shown_id(credential)
        row = await self._store.read(lambda tx: tx.passkeys.get(passkey))
        if row is None or row.name != where.name:
            raise PasskeyRefused
        sign_count = self._ceremonies.shown(credential, row, where)
        used = row._replace(sign_count=sign_count, used_ms=self._clock.now_ms())

        def work(tx: Tx) -> Account:
            account = tx.accounts.get(row.officer)
            if account is None or account.disabled or tx.passkeys.get(row.id) != row:
                raise PasskeyRefused
            tx.passkeys.save(used)
            return account

        account = await self._store.write(work)
        tried.worked()
        return account

    @cached_property
    def _ceremonies(self) -> "Ceremonies":
        from broadcast.service.ceremonies import Ceremonies  # noqa: PLC0415  0.2 s that no start needs

        return Ceremonies(self._challenges)
