"""Passkeys (通行密钥): WebAuthn level 2, for a console that comes over TLS under a name. With one, no password is asked.

The authenticator has checked its owner itself (user verification is demanded), and signs for this very origin: what a false page
was told opens nothing here. Challenges are not kept but signed by us, so a flood of strangers can't push the duty room's out.
"""

import hashlib
import hmac
import ipaddress
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.service.door import Door
from broadcast.service.ports import Account, ActRow, PasskeyRow, Store, StoreRefused, Tx

MOST_OF_ONE = 10
LONGEST_TITLE = 60
TIMEOUT_MS = 120_000
PRODUCT = "联播 Lianbo"


class PasskeysNeedTls(BroadcastError):
    """Browsers give passkeys only to a page that came over TLS under a name (WebAuthn §5.1.3), or from their own machine."""

    def __init__(self) -> None:
        super().__init__("passkeys need https and a host name; an IP address has none")


class PasskeyRefused(BroadcastError):
    """It opens nothing here: unknown, of another place, answered too late or twice, or not signed by its key."""

    def __init__(self) -> None:
        super().__init__("this passkey opens nothing here; ask for a new challenge, or use the password")


class UnknownPasskey(BroadcastError):
    """This officer has none of that name."""

    def __init__(self, passkey: str) -> None:
        self.passkey = passkey
        super().__init__(f"you have no passkey {passkey}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the browser says it is: `https://desk.example`, and its name, which passkeys are bound to (relying party)."""

    origin: str
    name: str

    @classmethod
    def of(cls, scheme: str, host: str) -> "Origin":
        """:param host: with its port. :raises PasskeysNeedTls: no browser would do it there."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.lower()
        if scheme != "https" and name != "localhost":
            raise PasskeysNeedTls
        if not name or name.startswith("[") or _is_address(name):
            raise PasskeysNeedTls
        return cls(f"{scheme}://{host.lower()}", name)


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
        from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415  0.2 s that no start needs
        from webauthn.helpers import structs  # noqa: PLC0415

        options = generate_registration_options(
            rp_id=where.name,
            rp_name=PRODUCT,
            user_name=officer.name,
            user_display_name=officer.title,
            user_id=hashlib.sha256(f"lianbo passkey\n{officer.name}".encode()).digest(),
            challenge=self._challenges.make(officer.name, where),
            timeout=TIMEOUT_MS,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=one.id) for one in kept],
        )
        return options_to_json(options)

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
        from webauthn import verify_registration_response  # noqa: PLC0415
        from webauthn.helpers import parse_registration_credential_json  # noqa: PLC0415

        with _refusing():
            answer = parse_registration_credential_json(dict(credential))
            found = verify_registration_response(
                credential=answer,
                expected_challenge=self._challenges.of(answer.response.client_data_json, officer.name, where),
                expected_rp_id=where.name,
                expected_origin=where.origin,
                require_user_verification=True,
            )
        now_ms = self._clock.now_ms()
        row = PasskeyRow(
            found.credential_id, officer.name, title, where.name, found.credential_public_key, found.sign_count, now_ms
        )

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
        from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415
        from webauthn.helpers import structs  # noqa: PLC0415

        options = generate_authentication_options(
            rp_id=where.name,
            challenge=self._challenges.make("", where),
            timeout=TIMEOUT_MS,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options)

    async def admit(self, where: Origin, credential: Mapping[str, Any], *, address: str) -> Account:
        """Whose passkey it is. A challenge opens once.

        :raises TooManyTries, PasskeyRefused: it opens nothing.
        """
        tried = self._door.stranger(address)
        from webauthn import verify_authentication_response  # noqa: PLC0415
        from webauthn.helpers import parse_authentication_credential_json  # noqa: PLC0415

        with _refusing():
            answer = parse_authentication_credential_json(dict(credential))
            row = await self._store.read(lambda tx: tx.passkeys.get(answer.raw_id))
            if row is None or row.name != where.name:
                raise PasskeyRefused
            challenge = self._challenges.of(answer.response.client_data_json, "", where)
            found = verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=where.name,
                expected_origin=where.origin,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
            self._challenges.spend(challenge)
        used = row._replace(sign_count=found.new_sign_count, used_ms=self._clock.now_ms())

        def work(tx: Tx) -> Account:
            account = tx.accounts.get(row.officer)
            if account is None or account.disabled or tx.passkeys.get(row.id) != row:
                raise PasskeyRefused
            tx.passkeys.save(used)
            return account

        account = await self._store.write(work)
        tried.worked()
        return account


class Challenges:
    """Challenges that say themselves when they end and what they are for; only those that opened are remembered, until they end."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._key = secrets.token_bytes(32)
        self._spent: dict[bytes, float] = {}

    def make(self, officer: str, where: Origin) -> bytes:
        """:param officer: whose passkey is being made; empty: somebody signs in."""
        until = int(self._monotonic() + TIMEOUT_MS / 1_000)
        head = secrets.token_bytes(16) + until.to_bytes(8, "big")
        return head + self._mark(head, officer, where)

    def of(self, client_data: bytes, officer: str, where: Origin) -> bytes:
        """The challenge that was answered there. :raises PasskeyRefused: it is not ours, for something else, over or spent."""
        from webauthn.helpers import parse_client_data_json  # noqa: PLC0415

        challenge = parse_client_data_json(client_data).challenge
        head, mark = challenge[:24], challenge[24:]
        if not hmac.compare_digest(mark, self._mark(head, officer, where)):
            raise PasskeyRefused
        if self._monotonic() > int.from_bytes(head[16:], "big") or challenge in self._spent:
            raise PasskeyRefused
        return challenge

    def spend(self, challenge: bytes) -> None:
        """It opens nothing any more. :raises PasskeyRefused: somebody else was quicker."""
        now = self._monotonic()
        self._spent = {one: until for one, until in self._spent.items() if until >= now}
        if challenge in self._spent:
            raise PasskeyRefused
        self._spent[challenge] = int.from_bytes(challenge[16:24], "big") + 1.0

    def _mark(self, head: bytes, officer: str, where: Origin) -> bytes:
        return hmac.digest(self._key, head + json.dumps([officer, where.name]).encode(), "sha256")


class _refusing:  # noqa: N801  read as a phrase: `with _refusing():`
    """Whatever the library finds wrong with what a stranger sent is one refusal; which it was helps only the stranger."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, err: BaseException | None, trace: object) -> None:
        from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

        if isinstance(err, WebAuthnException | ValueError | TypeError | KeyError | AttributeError | LookupError):
            raise PasskeyRefused from err


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
