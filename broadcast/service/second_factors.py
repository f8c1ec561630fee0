"""Second factors (动态码): TOTP of RFC 6238, no code taken twice, and codes on paper for the day when the telephone is lost."""

import hashlib
import logging
import secrets

import pyotp

from broadcast.clock import Clock
from broadcast.domain.errors import BroadcastError
from broadcast.service.ports import ActRow, FactorRow, Sealing, Store, Tx

log = logging.getLogger(__name__)

STEP_MS = 30_000
WINDOW = 1  # a clock that is half a minute off is no reason to keep the duty room out (RFC 6238 §5.2)
RECOVERY_CODES = 10
ISSUER = "联播 Lianbo"
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what is misread: i l o 0 1


class SecondFactorNeeded(BroadcastError):
    """The password was right; a code is asked for."""

    def __init__(self) -> None:
        super().__init__("the code of the second factor is needed too")


class WrongCode(BroadcastError):
    """Not the code of now, or one that was used already."""

    def __init__(self) -> None:
        super().__init__("the code is wrong or was used already; wait for the next one")


class NoSecondFactor(BroadcastError):
    """There is none to confirm, or to take away."""

    def __init__(self, officer: str) -> None:
        self.officer = officer
        super().__init__(f"{officer} has no second factor")


class SecondFactors:
    """Codes of officers; what was taken is written before it opens anything.

    :param sealing: how their secrets are kept; None where none is made or read: at the command line.
    """

    def __init__(self, *, clock: Clock, store: Store, sealing: Sealing | None = None) -> None:
        self._clock, self._store, self._sealing = clock, store, sealing or _Unsealed()

    async def is_active(self, officer: str) -> bool:
        """Whether a code is asked of this officer."""
        row = await self._store.read(lambda tx: tx.factors.get(officer))
        return row is not None and row.active

    async def take(self, officer: str, code: str) -> None:
        """Use a code, once: of the application, or one from paper.

        :raises WrongCode: it opens nothing.
        """
        now_step = self._clock.now_ms() // STEP_MS
        if not await self._store.write(lambda tx: self._taken(tx, officer, code, now_step)):
            raise WrongCode

    async def begin(self, officer: str) -> tuple[str, str]:
        """A new secret, and the URI of its QR code. It is asked for once its first code was right.

        :raises WrongCode: there is one in use; it has to be taken away first.
        """
        secret = pyotp.random_base32()

        def work(tx: Tx) -> bool:
            kept = tx.factors.get(officer)
            if kept is not None and kept.active:
                return False
            tx.factors.save(FactorRow(officer, self._sealing.seal(secret, of=officer), False, 0, ()))
            return True

        if not await self._store.write(work):
            raise WrongCode
        return secret, pyotp.TOTP(secret, name=officer, issuer=ISSUER).provisioning_uri()

    async def confirm(self, officer: str, code: str) -> list[str]:
        """Put it to use; the codes for paper are told once and kept as hashes.

        :raises NoSecondFactor: none was begun. :raises WrongCode: it is not the application's.
        """
        now_step, now_ms = self._clock.now_ms() // STEP_MS, self._clock.now_ms()
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]

        def work(tx: Tx) -> bool | None:
            row = tx.factors.get(officer)
            if row is None or row.active:
                return None
            step = self._step_of(row, code, now_step)
            if step is not None:
                hashes = tuple(_hash(code) for code in codes)
                tx.factors.save(row._replace(active=True, last_step=step, recovery=hashes))
                tx.acts.add(ActRow(now_ms, officer, "begin second factor", officer, ""))
            return step is not None

        done = await self._store.write(work)
        if done is None:
            raise NoSecondFactor(officer)
        if not done:
            raise WrongCode
        return codes

    async def seal_all(self) -> None:
        """Those that were kept readable by an older version are sealed; call at the start."""

        def work(tx: Tx) -> None:
            for officer in tx.factors.active():
                row = tx.factors.get(officer)
                if row is not None and (secret := self._sealing.open(row.secret, of=officer)) == row.secret:
                    tx.factors.save(row._replace(secret=self._sealing.seal(secret, of=officer)))

        await self._store.write(work)

    def _taken(self, tx: Tx, officer: str, code: str, now_step: int) -> bool:
        row = tx.factors.get(officer)
        if row is None or not row.active:
            return False
        if (step := self._step_of(row, code, now_step)) is not None:
            tx.factors.save(row._replace(last_step=step))
            return True
        hashed = _hash(code)
        if hashed in row.recovery:
            tx.factors.save(row._replace(recovery=tuple(one for one in row.recovery if one != hashed)))
            return True
        return False

    def _step_of(self, row: FactorRow, code: str, now_step: int) -> int | None:
        """The step whose code it is, if it is one that was not used."""
        code = "".join(code.split())
        if not (len(code) == 6 and code.isascii() and code.isdigit()):
            return None
        secret = self._sealing.open(row.secret, of=row.officer)
        if secret is None:  # restored without its keys: the codes on paper still open
            log.warning("the second factor of %s can't be opened with the keys of this server", row.officer)
            return None
        totp = pyotp.TOTP(secret)
        steps = range(max(now_step - WINDOW, row.last_step + 1), now_step + WINDOW + 1)
        found = [step for step in steps if secrets.compare_digest(totp.generate_otp(step), code)]
        return found[0] if found else None


class _Unsealed:
    def seal(self, text: str, *, of: str) -> str:
        return text

    def open(self, kept: str, *, of: str) -> str | None:
        return kept


def _recovery_code() -> str:
    """99 bits, so that a plain hash is enough."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def _hash(code: str) -> str:
    plain = "".join(char for char in code.lower() if char.isalnum())
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()
