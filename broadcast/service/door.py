"""The door (登录): is it who it says? Password, then second factor, behind rate limits that a flood can't turn on the duty room.

A flood of wrong passwords must neither slow a trigger nor lock the duty room out. So the rate limit stands before the hash, and
whoever comes from a place that has signed in before, or from the server's own machine, is counted apart from strangers.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace

from broadcast.clock import Clock
from broadcast.domain.accounts import LONGEST_NAME, name_faults
from broadcast.domain.errors import BroadcastError
from broadcast.service.guessing import Bell, Guessing
from broadcast.service.passwords import Hasher
from broadcast.service.ports import Account, Store, Tx
from broadcast.service.rate_limits import Buckets
from broadcast.service.second_factors import SecondFactorNeeded, SecondFactors

MOST_WAITING = 16  # strangers' passwords that wait for the one thread: 0.4 s of work
LOOPBACK = frozenset({"127.0.0.1", "::1"})
DEVICE_SECRET = "device-secret"  # noqa: S105  the name of a fact


class WrongPassword(BroadcastError):
    """No such officer, or not this password; which of the two is not said."""

    def __init__(self) -> None:
        super().__init__("the name or the password is wrong")


class TooManyTries(BroadcastError):
    """Too many wrong passwords for this account or from this address."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"too many tries; wait {retry_after_s} s")


class Door:
    """Passwords and codes.

    :param duty_rooms: addresses that are trusted like the server's own machine.
    :param bell: told while somebody guesses.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        hasher: Hasher,
        factors: SecondFactors,
        duty_rooms: Iterable[str] = (),
        bell: Bell | None = None,
    ) -> None:
        self._store, self._hasher, self._factors = store, hasher, factors
        self.guessing = Guessing(clock=clock, bell=bell)
        self._own_addresses = LOOPBACK | frozenset(duty_rooms)
        self._strangers_by_name = Buckets(clock.monotonic)
        self._strangers_by_address = Buckets(clock.monotonic)
        self._known = Buckets(clock.monotonic)
        self._waiting = 0
        self._decoy = ""
        self._secret = b""

    async def admit(self, name: str, password: str, code: str, *, address: str, device: str) -> tuple[Account, str]:
        """The account, and what proves later that it signed in from here (OWASP device cookie).

        :raises WrongPassword, TooManyTries: with the same work done whether or not there is such an officer.
        :raises SecondFactorNeeded, WrongCode: the password was right.
        """
        secret = self._secret or await self._load_secret()
        known = _is_device(secret, name, device)
        if known or address in self._own_addresses:
            keys = [(self._known, f"{name}\n{device if known else address}")]
        else:
            keys = [(self._strangers_by_name, name), (self._strangers_by_address, network_of(address))]
            if self._waiting >= MOST_WAITING:
                self.guessing.wrong(network_of(address))
                raise TooManyTries(1)
        try:
            _take(keys)
        except TooManyTries:
            self.guessing.wrong(network_of(address))
            raise
        self._waiting += 1
        try:
            account = await self._checked(name, password)
        except WrongPassword:
            self.guessing.wrong(network_of(address))
            raise
        finally:
            self._waiting -= 1
        try:
            await self._check_code(name, code)
        except SecondFactorNeeded:
            _put_back(keys)  # a first step, not a wrong try
            raise
        _put_back(keys)
        return account, device if known else _new_device(secret, name)

    async def prove(self, name: str, *, password: str = "", code: str = "", session: bytes) -> None:
        """Somebody who is signed in says again who it is: by code where there is a second factor, else by password.

        :raises WrongPassword, WrongCode, SecondFactorNeeded, TooManyTries: it is not shown.
        """
        with_code = await self._factors.is_active(name)
        if with_code and not code:
            raise SecondFactorNeeded
        keys = [(self._known, f"{name}\n{session.hex()}")]
        _take(keys)
        if with_code:
            await self._factors.take(name, code)
        else:
            await self._checked(name, password)
        _put_back(keys)

    async def check_password(self, name: str, password: str, *, session: bytes) -> None:
        """:raises WrongPassword, TooManyTries: it is not this officer's."""
        keys = [(self._known, f"{name}\n{session.hex()}")]
        _take(keys)
        await self._checked(name, password)
        _put_back(keys)

    def stranger(self, address: str) -> "Try":
        """A try of somebody who has no account yet. :raises TooManyTries: too many came from there."""
        keys = [(self._strangers_by_address, network_of(address))]
        if address in self._own_addresses:
            keys = [(self._known, address)]
        _take(keys)
        return Try(keys)

    async def new_device(self, name: str) -> str:
        """What proves later that this officer signed in from here."""
        return _new_device(self._secret or await self._load_secret(), name)

    async def _check_code(self, name: str, code: str) -> None:
        if await self._factors.is_active(name):
            if not code:
                raise SecondFactorNeeded
            await self._factors.take(name, code)

    async def _checked(self, name: str, password: str) -> Account:
        if not self._decoy:
            self._decoy = await self._hasher.hash(secrets.token_hex(16))
        takeable = not name_faults(name)
        account = await self._store.read(lambda tx: tx.accounts.get(name)) if takeable else None
        usable = account is not None and not account.disabled
        kept = account.password_hash if account is not None and usable else self._decoy
        right = await self._hasher.verify(kept, password[: LONGEST_NAME * 16])
        if not right or account is None or not usable:
            raise WrongPassword
        if self._hasher.is_outdated(account.password_hash):
            return await self._hash_anew(account, password)
        return account

    async def _hash_anew(self, account: Account, password: str) -> Account:
        """With today's parameters; unless somebody has set another password meanwhile."""
        hashed = await self._hasher.hash(password)

        def work(tx: Tx) -> Account:
            now = tx.accounts.get(account.officer.name)
            if now is None or now.password_hash != account.password_hash or now.disabled:
                raise WrongPassword
            tx.accounts.save(replace(now, password_hash=hashed))
            return replace(now, password_hash=hashed)

        return await self._store.write(work)

    async def _load_secret(self) -> bytes:
        """What device cookies are signed with; made once for this installation."""
        fresh = secrets.token_hex(32)

        def work(tx: Tx) -> str:
            kept = tx.facts.get(DEVICE_SECRET)
            if kept is None:
                tx.facts.set(DEVICE_SECRET, fresh)
            return kept or fresh

        self._secret = bytes.fromhex(await self._store.write(work))
        return self._secret


Keys = Sequence[tuple[Buckets, str]]


class Try:
    """One token that was taken; `worked` gives it back."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def worked(self) -> None:
        _put_back(self._keys)


def _take(keys: Keys) -> None:
    wait_s = max(bucket.wait_s(key) for bucket, key in keys)
    if wait_s > 0:
        raise TooManyTries(int(wait_s) + 1)
    for bucket, key in keys:
        bucket.take(key)


def _put_back(keys: Keys) -> None:
    for bucket, key in keys:
        bucket.put_back(key)


def network_of(address: str) -> str:
    """Who has one IPv6 address has a /64 of them."""
    return ":".join(address.split(":")[:4]) if ":" in address else address


def _device_mark(secret: bytes, name: str, nonce: str) -> str:
    return hmac.new(secret, f"{nonce}\n{name}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _new_device(secret: bytes, name: str) -> str:
    nonce = secrets.token_hex(16)
    return f"{nonce}.{_device_mark(secret, name, nonce)}"


def _is_device(secret: bytes, name: str, device: str) -> bool:
    nonce, _, mark = device.partition(".")
    return bool(mark) and hmac.compare_digest(
        mark.encode("utf-8", "replace"), _device_mark(secret, name, nonce).encode()
    )
