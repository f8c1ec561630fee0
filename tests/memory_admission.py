"""Second factors, invitations, tokens and changes of accounts in memory: the twin of `store/admission.py`."""

from collections.abc import Mapping, Sequence

from broadcast.domain.accounts import AccountChange
from broadcast.service.ports import FactorRow, InvitationRow, PasskeyRow, StoreRefused, TokenRow


class Factors:
    def __init__(self) -> None:
        self.rows: dict[str, FactorRow] = {}

    def get(self, officer: str) -> FactorRow | None:
        return self.rows.get(officer)

    def save(self, factor: FactorRow) -> None:
        self.rows[factor.officer] = factor

    def drop(self, officer: str) -> None:
        self.rows.pop(officer, None)

    def active(self) -> frozenset[str]:
        return frozenset(name for name, row in self.rows.items() if row.active)


class Passkeys:
    def __init__(self) -> None:
        self.rows: dict[bytes, PasskeyRow] = {}

    def add(self, passkey: PasskeyRow) -> None:
        if passkey.id in self.rows:
            raise StoreRefused("taken")
        self.rows[passkey.id] = passkey

    def save(self, passkey: PasskeyRow) -> None:
        kept = self.rows[passkey.id]
        self.rows[passkey.id] = kept._replace(sign_count=passkey.sign_count, used_ms=passkey.used_ms)

    def get(self, passkey: bytes) -> PasskeyRow | None:
        return self.rows.get(passkey)

    def of(self, officer: str) -> Sequence[PasskeyRow]:
        return sorted((row for row in self.rows.values() if row.officer == officer), key=lambda row: row.created_ms)

    def drop(self, passkey: bytes) -> None:
        self.rows.pop(passkey, None)

    def drop_of(self, officer: str) -> None:
        self.rows = {name: row for name, row in self.rows.items() if row.officer != officer}


class Invitations:
    def __init__(self) -> None:
        self.rows: dict[str, InvitationRow] = {}

    def add(self, invitation: InvitationRow) -> None:
        if invitation.id in self.rows or self.get(invitation.code_hash):
            raise StoreRefused("taken")
        self.rows[invitation.id] = invitation

    def get(self, code_hash: bytes) -> InvitationRow | None:
        return next((row for row in self.rows.values() if row.code_hash == code_hash), None)

    def all(self) -> Sequence[InvitationRow]:
        return [row for _, row in sorted(self.rows.items())]

    def drop(self, invitation: str) -> bool:
        return self.rows.pop(invitation, None) is not None


class Tokens:
    def __init__(self) -> None:
        self.rows: dict[str, TokenRow] = {}

    def add(self, token: TokenRow) -> None:
        if token.id in self.rows or any(row.token_hash == token.token_hash for row in self.rows.values()):
            raise StoreRefused("taken")
        self.rows[token.id] = token

    def all(self) -> Sequence[TokenRow]:
        return [row for _, row in sorted(self.rows.items())]

    def used(self, at_ms: Mapping[str, tuple[int, str]]) -> None:
        for name, (when, where) in at_ms.items():
            if name in self.rows:
                self.rows[name] = self.rows[name]._replace(used_ms=when, used_from=where)

    def revoke(self, token: str, at_ms: int) -> None:
        if token in self.rows:
            self.rows[token] = self.rows[token]._replace(revoked_ms=at_ms)


class Changes:
    def __init__(self) -> None:
        self.rows: dict[str, AccountChange] = {}

    def add(self, change: AccountChange) -> None:
        if change.id in self.rows:
            raise StoreRefused("taken")
        self.rows[change.id] = change

    def save(self, change: AccountChange) -> None:
        if change.id not in self.rows:
            raise LookupError(change.id)
        self.rows[change.id] = change

    def get(self, change: str) -> AccountChange | None:
        return self.rows.get(change)

    def page(self, *, limit: int) -> Sequence[AccountChange]:
        return [row for _, row in sorted(self.rows.items(), reverse=True)][:limit]
