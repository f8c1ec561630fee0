"""Invitations (邀请): a code that works once and expires; whoever is invited chooses the password."""

from collections.abc import Sequence

from broadcast.clock import Clock
from broadcast.domain.accounts import CONSOLE, UnknownInvitation
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import holds, may
from broadcast.service.officers import OfficerExists, Officers
from broadcast.service.passwords import Hasher, faults_of
from broadcast.service.ports import Account, ActRow, InvitationRow, Store, Tx
from broadcast.service.sessions import digest_of

LONGEST_CODE = 200


class Invitations:
    """Those that were confirmed; how one is asked for stands in `account_changes.py`."""

    def __init__(self, *, clock: Clock, store: Store, hasher: Hasher, officers: Officers) -> None:
        self._clock, self._store, self._hasher, self._officers = clock, store, hasher, officers

    async def all(self, *, by: Officer) -> Sequence[InvitationRow]:
        """Those that are open, inside the administrator's area."""
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_OFFICERS, now_ms=now_ms)
        rows = await self._store.read(lambda tx: tx.invitations.all())
        mine = [row for row in rows if holds(by, Verb.MANAGE_OFFICERS, areas=[row.officer.area])]
        return [row for row in mine if now_ms < row.expires_ms]

    async def withdraw(self, invitation: str, *, by: Officer) -> None:
        """Its code opens nothing any more. :raises UnknownInvitation: there is none of that id in the own area."""
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_OFFICERS, now_ms=now_ms)

        def work(tx: Tx) -> None:
            row = next((one for one in tx.invitations.all() if one.id == invitation), None)
            if row is None or not holds(by, Verb.MANAGE_OFFICERS, areas=[row.officer.area]):
                raise UnknownInvitation
            tx.invitations.drop(invitation)
            tx.acts.add(ActRow(now_ms, by.name, "withdraw invitation", row.officer.name, invitation))

        await self._store.write(work)

    async def look(self, code: str, *, address: str) -> InvitationRow:
        """What one is invited to. :raises UnknownInvitation, TooManyTries: nothing is told."""
        tried = self._officers.door.stranger(address)
        row = await self._store.read(lambda tx: self._find(tx, code))
        tried.worked()
        return row

    async def accept(self, code: str, password: str, *, address: str) -> Officer:
        """Make the account, with the password that is chosen; the code is used up.

        :raises UnknownInvitation, TooManyTries, InvalidRequest, OfficerExists: there is no account.
        """
        tried = self._officers.door.stranger(address)
        row = await self._store.read(lambda tx: self._find(tx, code))
        tried.worked()
        if faults := faults_of(password, row.officer.name):
            raise InvalidRequest(faults)
        hashed = await self._hasher.hash(password)

        def work(tx: Tx) -> Officer:
            found = self._find(tx, code)  # another may have used it while we hashed
            tx.invitations.drop(found.id)
            if tx.accounts.get(found.officer.name) is not None:
                raise OfficerExists(found.officer.name)
            tx.accounts.add(Account(found.officer, hashed))
            name = found.officer.name
            tx.acts.add(ActRow(self._clock.now_ms(), name, "accept invitation", name, f"{address} by {found.by}"))
            return found.officer

        return await self._store.write(work)

    def _find(self, tx: Tx, code: str) -> InvitationRow:
        row = tx.invitations.get(digest_of(code.strip())) if len(code) <= LONGEST_CODE else None
        if row is None or self._clock.now_ms() >= row.expires_ms:
            raise UnknownInvitation
        inviter = tx.accounts.get(row.by)
        if not row.by.endswith(CONSOLE) and (inviter is None or inviter.disabled):
            raise UnknownInvitation
        return row
