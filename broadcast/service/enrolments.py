"""How a box gets its secrets (终端开通): a code for a new box or one in another's place, and newer secrets for one that has some.

Who asks here has not signed in. A code is looked up by a keyed hash, each address and all of them together may try so often, and
every refusal is the same. What is handed out is sealed to the key of the box that asked.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.enrolments import (
    ALPHABET,
    CODE_LENGTH,
    LONGEST_MIN,
    SHORTEST_MIN,
    USUAL_MIN,
    CodeRefused,
    Enrolment,
    EnrolmentState,
    RenewalRefused,
    UnknownEnrolment,
    tidy,
)
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, holds, may
from broadcast.domain.speakers import MAX_NAME, Speaker, check_place, default_id
from broadcast.service.caretaking import Caretaking
from broadcast.service.estate import Estate, touched
from broadcast.service.health import Health
from broadcast.service.officers import TooManyTries
from broadcast.service.ports import ActRow, Store, StoreRefused, Tx
from broadcast.service.rate_limits import Buckets
from endpoints.protocol import is_speaker_id

ADDRESS_AT_ONCE, ADDRESS_PER_MIN = 10, 10
ALL_AT_ONCE, ALL_PER_MIN = 600, 600  # a county's boxes come back after a roll in a minute or two
MOST_OPEN = 1_000
SHOWN_MS = 30 * 86_400_000  # so long the desk lists what became of a code
_ALL = "all"

HandOut = Callable[[Speaker, str, str], str]
"""What a speaker is to be told, sealed to the box of that public key: speaker, key, and the host by which it reached us."""


@dataclass(frozen=True, slots=True)
class Handed:
    """:param sealed: base64; the box of the key that asked can open it, and nobody else."""

    speaker: str
    sealed: str


class Enrolments:
    """
    :param secret: of this server; codes are kept as its HMAC of them.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        caretaking: Caretaking,
        health: Health,
        secret: bytes,
        hand_out: HandOut,
        on_change: Callable[[], None],
    ) -> None:
        self._clock, self._store, self._estate, self._caretaking = clock, store, estate, caretaking
        self._health, self._secret, self._hand_out, self._on_change = health, secret, hand_out, on_change
        self._of_address = Buckets(clock.monotonic, burst=ADDRESS_AT_ONCE, per_min=ADDRESS_PER_MIN)
        self._of_all = Buckets(clock.monotonic, burst=ALL_AT_ONCE, per_min=ALL_PER_MIN)

    # ---- at the desk ----------------------------------------------------------------------------------------------------

    async def make(
        self,
        *,
        by: Officer,
        speaker: str = "",
        area: str = "",
        name: str = "",
        exercise: bool = False,
        valid_min: int = USUAL_MIN,
    ) -> tuple[Enrolment, str]:
        """A code (开通码), which is seen this once and never again.

        :param speaker: whose box is to be replaced (换机): it keeps its id, place and settings, and the old box is refused from the
            moment in which the new one uses the code. Empty: a new speaker.
        :param area, name, exercise: of a new one; the name of its area when it has none.
        :raises InvalidRequest, UnknownSpeaker, RoleNotGranted, AreaNotGranted: nothing was made.
        """
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_ESTATE, now_ms=now_ms)
        faults = []
        if not SHORTEST_MIN <= valid_min <= LONGEST_MIN:
            facts = (("low", str(SHORTEST_MIN)), ("high", str(LONGEST_MIN)))
            faults.append(Fault("valid_min", "out-of-range", facts))
        if speaker:
            known = self._estate.speaker(speaker)
            area, name, exercise = known.area, known.name, known.exercise
        else:
            faults += check_place(area, self._estate.tree, now_ms=now_ms)
            if len(name) > MAX_NAME:
                faults.append(Fault("name", "too-long", (("most", str(MAX_NAME)),)))
            elif not name.isprintable():
                faults.append(Fault("name", "control-characters"))
        if faults:
            raise InvalidRequest(faults)
        may(by, Verb.MANAGE_ESTATE, areas=[area], now_ms=now_ms)
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))

        def work(tx: Tx) -> Enrolment:
            waiting = [one for one in tx.enrolments.since(now_ms - LONGEST_MIN * 60_000) if _is_open(one, now_ms)]
            if len(waiting) >= MOST_OPEN:
                raise InvalidRequest([Fault("area", "too-many", (("most", str(MOST_OPEN)),))])
            taken = {one.id for one in tx.speakers.all()} | {one.speaker for one in waiting}
            made = Enrolment(
                id=str(ULID()),
                code_hash=self._hashed(code),
                speaker=speaker or free_id(area, taken),
                area=area,
                name=name.strip() or self._estate.tree.area(area).short_name,
                exercise=exercise,
                replaces=bool(speaker),
                by=by.name,
                made_ms=now_ms,
                until_ms=now_ms + valid_min * 60_000,
            )
            for older in waiting:  # of two codes for one place the second counts
                if speaker and older.speaker == speaker:
                    tx.enrolments.save(replace(older, withdrawn=True))
            tx.enrolments.add(made)
            tx.acts.add(ActRow(now_ms, by.name, "make enrolment code", made.speaker, f"good for {valid_min} min"))
            return made

        return await self._store.write(work), code

    async def page(self, *, by: Officer) -> list[Enrolment]:
        """Those of the last month in the officer's area, newest first."""
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_ESTATE, now_ms=now_ms)
        found = await self._store.read(lambda tx: tx.enrolments.since(now_ms - SHOWN_MS))
        return [one for one in found if holds(by, Verb.MANAGE_ESTATE, areas=[one.area], now_ms=now_ms)]

    async def withdraw(self, enrolment: str, *, by: Officer) -> Enrolment:
        """Make the code worthless (作废). Of one that was used it changes nothing. :raises UnknownEnrolment, RoleNotGranted:"""
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_ESTATE, now_ms=now_ms)

        def work(tx: Tx) -> Enrolment:
            one = tx.enrolments.get(enrolment)
            if one is None or not holds(by, Verb.MANAGE_ESTATE, areas=[one.area], now_ms=now_ms):
                raise UnknownEnrolment(enrolment)
            if not _is_open(one, now_ms):
                return one
            gone = replace(one, withdrawn=True)
            tx.enrolments.save(gone)
            tx.acts.add(ActRow(now_ms, by.name, "withdraw enrolment code", one.speaker, ""))
            return gone

        return await self._store.write(work)

    async def watch(self) -> None:
        """Show codes that somebody tried after they were used: they were read off a screen, or a box was not reset."""
        now_ms = self._clock.now_ms()
        recent = await self._store.read(lambda tx: tx.enrolments.since(now_ms - LONGEST_MIN * 60_000))
        tried = [one for one in recent if one.foreign_tries]
        if tried:
            names = ", ".join(dict.fromkeys(one.speaker for one in tried))
            self._health.raise_("code-tried-again", speakers=names, tries=str(sum(one.foreign_tries for one in tried)))
        else:
            self._health.clear("code-tried-again")

    # ---- at the box -----------------------------------------------------------------------------------------------------

    async def redeem(
        self, typed: str, *, box: str, address: str, host: str, model: str = "", firmware: str = ""
    ) -> Handed:
        """What the code stands for. The same box gets it again while the code is good: answers get lost.

        :param box: its public key, 64 hexadecimal digits.
        :param address: from which it asks, for the limits.
        :raises CodeRefused, TooManyTries, StoreUnavailable: nothing was handed out.
        """
        self._may_try(address)
        now_ms = self._clock.now_ms()
        hashed = self._hashed(tidy(typed))

        def work(tx: Tx) -> tuple[Enrolment, bool] | None:
            one = tx.enrolments.by_code(hashed)
            if one is None or one.withdrawn or now_ms >= one.until_ms:
                return None
            if one.box:
                if not hmac.compare_digest(one.box, box):
                    tx.enrolments.save(replace(one, foreign_tries=one.foreign_tries + 1))
                    tx.acts.add(ActRow(now_ms, "", "refuse used enrolment code", one.speaker, f"from {address}"))
                    return None
                return one, False
            generation = self._take_in(tx, one)
            if not generation:
                return None
            used = replace(one, box=box, used_ms=now_ms, model=model, firmware=firmware, generation=generation)
            tx.enrolments.save(used)
            said = " ".join(filter(None, (model, firmware)))
            tx.acts.add(ActRow(now_ms, one.by, "enrol box", one.speaker, f"from {address} {said}".strip()))
            touched(tx)
            return used, True

        try:
            found = await self._store.write(work)
        except StoreRefused:  # the id was given to another in the same moment
            found = None
        if found is None:
            self._health.count("enrolment_codes_refused")
            raise CodeRefused
        enrolment, fresh = found
        if fresh:
            await self._estate.load()
            self._on_change()
        speaker = self._estate.speakers.get(enrolment.speaker)
        if speaker is None or speaker.revoked or speaker.generation != enrolment.generation:
            raise CodeRefused  # it has another box, or newer secrets, since
        return Handed(speaker.id, self._hand_out(speaker, box, host))

    async def renew(self, speaker: str, *, box: str, proof: str, address: str, host: str) -> Handed:
        """Newer secrets for a box that proves the present ones (换钥).

        :param proof: see docs/wire.md §12.
        :raises RenewalRefused, TooManyTries:
        """
        self._may_try(address)
        now_ms = self._clock.now_ms()
        known = is_speaker_id(speaker)
        keys = (self._estate.key_of(speaker), self._estate.older_key_of(speaker, now_ms)) if known else ()
        said = f"lianbo renew {speaker} {box}".encode()
        right = [key for key in keys if key and hmac.compare_digest(hmac.digest(key, said, "sha256").hex(), proof)]
        if not right:
            self._health.count("renewals_refused")
            raise RenewalRefused
        self._give_back(address)
        one = self._estate.speaker(speaker)
        sealed = self._hand_out(one, box, host)
        await self._caretaking.handed_out(one)
        return Handed(speaker, sealed)

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _take_in(self, tx: Tx, one: Enrolment) -> int:
        """Make the speaker, or give the one that is there to the new box: the generation of its secrets; 0: too late for that."""
        there = next((speaker for speaker in tx.speakers.all() if speaker.id == one.speaker), None)
        if not one.replaces:
            if there is None:
                tx.speakers.add([Speaker(one.speaker, one.area, one.name, one.exercise)])
            return 1 if there is None else 0
        if there is None or there.retired:
            return 0
        renewed = there.with_new_box()
        tx.speakers.save(renewed)
        return renewed.generation

    def _hashed(self, code: str) -> bytes:
        return hmac.digest(self._secret, b"lianbo enrolment " + code.encode(), hashlib.sha256)

    def _may_try(self, address: str) -> None:
        wait_s = max(self._of_address.wait_s(address), self._of_all.wait_s(_ALL))
        if wait_s:
            self._health.count("enrolments_too_often")
            raise TooManyTries(int(wait_s) + 1)
        self._of_address.take(address)
        self._of_all.take(_ALL)

    def _give_back(self, address: str) -> None:
        """Boxes behind one address fetch their keys; only guesses count."""
        self._of_address.put_back(address)
        self._of_all.put_back(_ALL)


def _is_open(one: Enrolment, now_ms: int) -> bool:
    return one.state(now_ms) is EnrolmentState.OPEN


def free_id(area: str, taken: set[str]) -> str:
    """The id of the next speaker of this area."""
    number = 1
    while default_id(area, number) in taken:
        number += 1
    return default_id(area, number)
