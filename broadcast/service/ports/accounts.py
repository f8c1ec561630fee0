"""Accounts with their second factors, sign-ins, invitations, machines' tokens and changes that wait, as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from broadcast.domain.accounts import AccountChange
from broadcast.domain.officers import Officer


class Sealing(Protocol):
    """Keeps secrets in the database that nobody reads there."""

    def seal(self, text: str, *, of: str) -> str: ...
    def open(self, kept: str, *, of: str) -> str | None: ...  # None: it can't be opened here


@dataclass(frozen=True, slots=True)
class Account:
    """An officer, grants included, with what is needed to let them in.

    :param pin_hash: opens a locked screen; empty: the password does.
    :param revision: of what others may change of it.
    """

    officer: Officer
    password_hash: str
    must_change: bool = False
    disabled: bool = False
    pin_hash: str = ""
    revision: int = 1


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A sign-in. Only the hash of the cookie's token is kept.

    :param confirmed_ms: when the officer last said who it is, beside the cookie.
    :param exercise: it is for exercises only.
    :param locked: the screen is locked; `pin_fails`: so many wrong PINs since.
    """

    token_hash: bytes
    officer: str
    created_ms: int
    seen_ms: int
    confirmed_ms: int = 0
    exercise: bool = False
    locked: bool = False
    pin_fails: int = 0


class FactorRow(NamedTuple):
    """A second factor (TOTP, RFC 6238).

    :param active: its first code was right; until then it is asked of nobody.
    :param last_step: of 30 seconds since 1970, of the last code that was taken: none is taken twice.
    :param recovery: SHA-256 of each code for the day when the telephone is lost, in hexadecimal.
    """

    officer: str
    secret: str
    active: bool
    last_step: int
    recovery: tuple[str, ...]


class PasskeyRow(NamedTuple):
    """A passkey (WebAuthn credential).

    :param name: the host name that it is bound to (relying party).
    :param public_key: COSE_Key (RFC 9052). :param sign_count: of its newest use; a lower one later is a copy of it.
    """

    id: bytes
    officer: str
    title: str
    name: str
    public_key: bytes
    sign_count: int
    created_ms: int
    used_ms: int = 0


class InvitationRow(NamedTuple):
    """Somebody may make this account, once.

    :param code_hash: SHA-256 of what the invited person holds.
    """

    id: str
    code_hash: bytes
    officer: Officer
    by: str
    created_ms: int
    expires_ms: int


class TokenRow(NamedTuple):
    """A machine's key to the API.

    :param officer: what it may do; its name is `token:` and the id.
    :param screen: of a big screen, which shows it as a cookie.
    """

    id: str
    token_hash: bytes
    officer: Officer
    screen: bool
    by: str
    created_ms: int
    expires_ms: int
    used_ms: int = 0
    used_from: str = ""
    revoked_ms: int = 0


class Accounts(Protocol):
    def add(self, account: Account) -> None: ...  # StoreRefused: the name is taken
    def save(self, account: Account) -> None: ...  # LookupError; its grants are those of the officer
    def get(self, name: str) -> Account | None: ...
    def all(self) -> Sequence[Account]: ...  # by name


class Sessions(Protocol):
    def add(self, session: SessionRow) -> None: ...
    def save(self, session: SessionRow) -> None: ...  # all but seen_ms; one that is gone stays gone
    def get(self, token_hash: bytes) -> SessionRow | None: ...
    def seen(self, token_hash: bytes, at_ms: int) -> None: ...
    def drop(self, token_hash: bytes) -> None: ...
    def drop_of(self, officer: str) -> None: ...


class Factors(Protocol):
    def get(self, officer: str) -> FactorRow | None: ...
    def save(self, factor: FactorRow) -> None: ...
    def drop(self, officer: str) -> None: ...
    def active(self) -> frozenset[str]: ...  # officers that have one


class Passkeys(Protocol):
    def add(self, passkey: PasskeyRow) -> None: ...  # StoreRefused: the id is taken
    def save(self, passkey: PasskeyRow) -> None: ...  # its count and last use; LookupError
    def get(self, passkey: bytes) -> PasskeyRow | None: ...
    def of(self, officer: str) -> Sequence[PasskeyRow]: ...  # the oldest first
    def drop(self, passkey: bytes) -> None: ...
    def drop_of(self, officer: str) -> None: ...


class Invitations(Protocol):
    def add(self, invitation: InvitationRow) -> None: ...
    def get(self, code_hash: bytes) -> InvitationRow | None: ...
    def all(self) -> Sequence[InvitationRow]: ...  # by id, so the oldest first
    def drop(self, invitation: str) -> bool: ...  # whether it was there


class Tokens(Protocol):
    def add(self, token: TokenRow) -> None: ...
    def all(self) -> Sequence[TokenRow]: ...  # by id
    def used(self, at_ms: Mapping[str, tuple[int, str]]) -> None: ...  # when and from where, by id
    def revoke(self, token: str, at_ms: int) -> None: ...


class Changes(Protocol):
    def add(self, change: AccountChange) -> None: ...
    def save(self, change: AccountChange) -> None: ...  # LookupError
    def get(self, change: str) -> AccountChange | None: ...
    def page(self, *, limit: int) -> Sequence[AccountChange]: ...  # newest first
