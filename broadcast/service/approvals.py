"""Asking for a second person (送审) and deciding (审批): every way of a person's words to the air goes through `submit`.

A request is durable before anybody is told of it. What is approved is the sound that was heard and the targets that were read; it
is sent in the transaction that says so, so a crash leaves it waiting or sent, and never both or twice.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.approval import (
    ApprovalOver,
    AuthorGone,
    NotWhatWaits,
    OwnRequest,
    Request,
    Stage,
    TooManyWaiting,
    UnknownApproval,
    approve,
    break_glass,
    digest_of,
    expire,
    reject,
    review,
    send_back,
    withdraw,
)
from broadcast.domain.approval_policy import Demand, Rule, Source
from broadcast.domain.broadcasts import Sound, StartBroadcast, as_of_today, compose
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Role, Verb
from broadcast.domain.rights import holds, may_or_drill, start_verb
from broadcast.domain.spoken import Layout
from broadcast.service.announcer import SoundChanged
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.estate import Estate
from broadcast.service.once import OnceKey
from broadcast.service.outcomes import ASKED, Cleared, Outcome, repeat
from broadcast.service.policies import ApprovalPolicy
from broadcast.service.ports import ActRow, KeptAnswer, Sounds, SpeechFailed, Store, StoreUnavailable, TokenRow, Tx
from endpoints.protocol import Kind

log = logging.getLogger(__name__)

SPOKEN_WITHIN_S = 10.0  # of an emergency; then its tone alone is asked for
MOST_WAITING = 20  # of one officer
TOLD_S = 600.0  # so long the desk shows that a request ran out
TOKEN = "token:"  # noqa: S105  before a machine's name


class Bell(Protocol):
    """Where leaders hear of it."""

    def raise_(self, name: str, **facts: str) -> None: ...
    def clear(self, name: str) -> None: ...


class Approvals:
    """The requests of this installation.

    :param officer: who has this name today, with today's rights; None: nobody, or not any more.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        broadcasts: Broadcasts,
        sounds: Sounds,
        policy: ApprovalPolicy,
        bell: Bell,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock, self._store, self._estate, self._broadcasts = clock, store, estate, broadcasts
        self._sounds, self.policy, self._bell, self._changed = sounds, policy, bell, changed
        self._open: dict[str, Request] = {}
        self._told_until = float("inf")  # that nobody decided in time

    async def load(self) -> None:
        """Read the policy and what waits."""
        await self.policy.load()
        found = await self._store.read(lambda tx: tx.approvals.open())
        self._open = {one.id: one for one in found}
        self._ring()

    # ---- asking ---------------------------------------------------------------------------------------------------------

    async def submit(
        self,
        command: StartBroadcast,
        *,
        by: Officer,
        once: OnceKey | None = None,
        replaces: str = "",
        source: Source = Source.TEXT,
        plan: str = "",
    ) -> Outcome:
        """Start it, or correct a live one; or ask for it, where the policy wants a second person.

        :param replaces: the live broadcast that it takes the place of.
        :param source: `PLAN` for the approved version of a plan, unchanged: `Plans.start` alone says so.
        :returns: with `approval` when it waits; the same key gives the same answer, whatever became of it.
        :raises: as `Broadcasts.start` and `update`; TooManyWaiting. Nothing was stored or sent.
        """
        if (before := await self._broadcasts.answered(by, once)) is not None:
            return before
        self._broadcasts.must_be_right(command, by)
        if replaces:
            await self._broadcasts.must_be_updatable(replaces, command, by)
        rule = self.policy.rule_for(command, level=by.level, source=source)
        if rule.demand is Demand.SECOND_PERSON:
            return await self._ask(command, rule, by=by, once=once, replaces=replaces, source=source, plan=plan)
        if replaces:
            return await self._broadcasts.update(replaces, command, by=by, once=once, cleared=Cleared())
        return await self._broadcasts.start(command, by=by, once=once, cleared=Cleared())

    async def _ask(
        self,
        command: StartBroadcast,
        rule: Rule,
        *,
        by: Officer,
        once: OnceKey | None,
        replaces: str,
        source: Source,
        plan: str,
    ) -> Outcome:
        if sum(one.author == by.name and one.stage is Stage.WAITING for one in self._open.values()) >= MOST_WAITING:
            raise TooManyWaiting(by.name, MOST_WAITING)
        sound, note = await self._rendered(command, by)
        frozen = replace(as_of_today(command, self._estate.tree), heard=b"")
        now_ms = self._clock.now_ms()
        deadline_ms = now_ms + rule.within_s * 1_000
        request = Request(
            id=str(ULID()),
            command=frozen,
            sound=sound,
            digest=digest_of(frozen, sound, level=by.level, replaces=replaces),
            headline=command.headline or command.text.strip()[:30],
            source=source,
            author=by.name,
            area=by.area,
            level=by.level,
            asked_ms=now_ms,
            deadline_ms=min(deadline_ms, command.not_after_ms or deadline_ms),
            at_deadline=rule.at_deadline,
            break_glass=rule.break_glass,
            replaces=replaces,
            plan=plan,
            note=note,
        )

        def work(tx: Tx) -> Outcome | None:
            if once is not None:
                if (kept := tx.answers.get(by.name, once.key)) is not None:
                    return repeat(kept, once)
                tx.answers.add(by.name, once.key, KeptAnswer(once.body_hash, ASKED + request.id, now_ms))
            tx.approvals.add(request)
            tx.acts.add(ActRow(now_ms, by.name, "ask approval", request.id, request.headline))
            return None

        if (before := await self._store.write(work)) is not None:
            return before
        self._keep(request)
        return Outcome((), approval=request.id)

    async def _rendered(self, command: StartBroadcast, by: Officer) -> tuple[Sound, str]:
        """What would sound. An emergency is asked for with its tone alone rather than not at all.

        :raises SoundChanged: it is not what its author has heard.
        """
        try:
            async with asyncio.timeout(SPOKEN_WITHIN_S if command.kind is Kind.EMERGENCY else None):
                order = (await self._broadcasts.rehearse(command, by=by, whole=False)).order
        except (SpeechFailed, TimeoutError):
            if command.kind is not Kind.EMERGENCY or command.exercise or command.heard:
                raise
            return Sound(), "speech-unavailable"
        if command.heard and command.heard != order.asset:
            raise SoundChanged(command.heard.hex(), order.asset.hex())
        return Sound(order.asset, order.asset_bytes, order.asset_ms), ""

    # ---- deciding -------------------------------------------------------------------------------------------------------

    async def approve(self, approval: str, *, heard: bytes, digest: bytes, by: Officer) -> Outcome:
        """Agree: it is on the air when this returns. Repeated by the same officer, it is the same answer.

        :param heard: SHA-256 of the file that was listened to; empty for a tone alone.
        :param digest: of what was read.
        :raises UnknownApproval, RoleNotGranted, AreaNotGranted, OwnRequest, ApprovalOver, NotWhatWaits: it still waits.
        :raises AuthorGone: and those of `Broadcasts.start`, in the author's name: likewise.
        """
        request = await self._to_decide(approval, by, Verb.APPROVE)
        if request.stage is Stage.APPROVED and request.decided_by == by.name:
            return Outcome((request.broadcast,), repeated=True)
        done = approve(request, by=by.name, heard=heard, digest=digest, now_ms=self._clock.now_ms())
        return await self._send(done, verb="approve", by=by.name, detail=request.sound.asset.hex())

    async def reject(self, approval: str, *, reason: str, by: Officer) -> Request:
        """For good (驳回)."""
        request = await self._to_decide(approval, by, Verb.APPROVE)
        done = reject(request, by=by.name, reason=reason, now_ms=self._clock.now_ms())
        return await self._save(done, verb="reject", by=by.name, detail=done.reason)

    async def send_back(self, approval: str, *, reason: str, by: Officer) -> Request:
        """To be done better (退回); its author makes another request."""
        request = await self._to_decide(approval, by, Verb.APPROVE)
        done = send_back(request, by=by.name, reason=reason, now_ms=self._clock.now_ms())
        return await self._save(done, verb="return", by=by.name, detail=done.reason)

    async def withdraw(self, approval: str, *, by: Officer) -> Request:
        """Its author does not want it any more (撤回)."""
        request = await self.get(approval, by=by)
        done = withdraw(request, by=by.name, now_ms=self._clock.now_ms())
        return await self._save(done, verb="withdraw", by=by.name, detail="")

    async def break_glass(self, approval: str, *, reason: str, by: Officer) -> Outcome:
        """Its author sends it alone (紧急破例): leaders hear of it at once, and somebody looks at it within 30 minutes.

        :raises NotTheAuthor, GlassUnbreakable, RoleNotGranted, ApprovalOver, InvalidRequest: it still waits.
        """
        request = await self._to_decide(approval, by, Verb.BREAK_GLASS)
        if request.stage is Stage.BROKEN_GLASS and request.decided_by == by.name:
            return Outcome((request.broadcast,), repeated=True)
        done = break_glass(request, by=by.name, reason=reason, now_ms=self._clock.now_ms())
        return await self._send(done, verb="break glass", by=by.name, detail=done.reason)

    async def review(self, approval: str, *, justified: bool, note: str, by: Officer) -> Request:
        """Somebody else says whether the glass had to be broken (事后复核)."""
        request = await self._to_decide(approval, by, Verb.APPROVE)
        done = review(request, by=by.name, justified=justified, note=note, now_ms=self._clock.now_ms())
        verdict = "justified" if justified else "not justified"
        return await self._save(
            done, verb="review", by=by.name, detail=f"{verdict}: {done.review}", was=Stage.BROKEN_GLASS
        )

    async def tick(self) -> None:
        """What deadlines make of those that wait; call every second."""
        now_ms = self._clock.now_ms()
        if self._clock.monotonic() >= self._told_until:
            self._told_until = float("inf")
            self._bell.clear("approval-expired")
        for request in list(self._open.values()):
            done = expire(request, now_ms=now_ms)
            if done is request:
                continue
            try:
                await self._expired(done)
            except ApprovalOver:  # decided in this very moment
                self._keep(await self._find(request.id))
        self._ring()

    async def _expired(self, done: Request) -> None:
        if done.stage is Stage.RELEASED:
            try:
                await self._send(done, verb="release", by="", detail="deadline")
                return
            except (StoreUnavailable, ApprovalOver):
                raise
            except BroadcastError as err:  # it can't be sent any more: that is a refusal with a reason
                log.warning("%s is not released: %s", done.id, err)
                done = replace(done, stage=Stage.REFUSED, reason=str(err)[:300])
        await self._save(done, verb="expire", by="", detail=done.reason or "deadline")
        self._bell.raise_("approval-expired", headline=done.headline, officer=done.author)
        self._told_until = self._clock.monotonic() + TOLD_S

    # ---- questions ------------------------------------------------------------------------------------------------------

    async def get(self, approval: str, *, by: Officer) -> Request:
        """:raises UnknownApproval: there is none, or none for this officer's eyes."""
        request = await self._find(approval)
        if not self._sees(request, by):
            raise UnknownApproval(approval)
        return request

    def open(self, *, by: Officer) -> list[Request]:
        """Those that wait for somebody, oldest first, as far as this officer sees them."""
        return [one for _, one in sorted(self._open.items()) if self._sees(one, by)]

    @property
    def requests(self) -> list[Request]:
        """All that wait for a decision or a review, for whoever raises alarms."""
        return list(self._open.values())

    async def page(self, *, by: Officer, before: str | None, limit: int) -> tuple[list[Request], str | None]:
        """All that were ever made, newest first, less those not for this officer's eyes; and where the next page begins."""
        rows = await self._store.read(lambda tx: tx.approvals.page(before=before, limit=limit))
        after = rows[-1].id if len(rows) == limit else None
        return [one for one in rows if self._sees(one, by)], after

    def counts(self, *, by: Officer) -> dict[str, int]:
        """How many wait here, and how many of these this officer could decide."""
        mine = self.open(by=by)
        waiting = [one for one in mine if one.stage is Stage.WAITING]
        return {
            "waiting": len(waiting),
            "to_decide": sum(self.may_decide(one, by=by) for one in waiting),
            "to_review": sum(one.wants_review and self.may_decide(one, by=by) for one in mine),
        }

    def may_decide(self, request: Request, *, by: Officer) -> bool:
        """Whether this officer could be the second person."""
        now_ms, areas = self._clock.now_ms(), self._areas(request)
        verbs = (Verb.APPROVE, Verb.DRILL) if request.exercise else (Verb.APPROVE,)
        return by.name != request.author and any(holds(by, verb, areas=areas, now_ms=now_ms) for verb in verbs)

    def layout_of(self, request: Request) -> Layout:
        """How it would be sounded, to be listened to."""
        author = Officer(request.author, "", Role.DUTY, request.area)
        made = compose(request.command, request.sound, order_id=request.id, by=author, now_ms=request.asked_ms)
        return Layout.of(made.order)

    # ---- inside ---------------------------------------------------------------------------------------------------------

    async def _find(self, approval: str) -> Request:
        request = self._open.get(approval) or await self._store.read(lambda tx: tx.approvals.get(approval))
        if request is None:
            raise UnknownApproval(approval)
        return request

    def _areas(self, request: Request) -> list[str]:
        command = request.command
        single = [self._estate.speaker(one).area for one in command.speakers if one in self._estate]
        return [*command.areas, *single]

    def _sees(self, request: Request, by: Officer) -> bool:
        return by.name == request.author or holds(
            by, Verb.READ, areas=self._areas(request), now_ms=self._clock.now_ms()
        )

    async def _to_decide(self, approval: str, by: Officer, verb: Verb) -> Request:
        request = await self.get(approval, by=by)
        now_ms = self._clock.now_ms()
        may_or_drill(by, verb, areas=self._areas(request), exercise=request.exercise, now_ms=now_ms)
        if verb is Verb.APPROVE:
            await self._must_be_another(request, by)
        return request

    async def author_of(self, request: Request) -> Officer:
        """Who asked, with today's rights; of a pinned source nobody, and its right was checked when it asked."""
        account, token = await self._store.read(
            lambda tx: (tx.accounts.get(request.author), _token(tx, request.author))
        )
        if account is not None and not account.disabled:
            return account.officer
        if token is not None and not token.revoked_ms and self._clock.now_ms() < token.expires_ms:
            return token.officer
        if account is not None or token is not None or request.source is not Source.PINNED:
            raise AuthorGone(request.id, request.author)
        verb = start_verb(request.command.kind, life_safety=request.command.life_safety)
        return Officer(request.author, request.author, Role.DUTY, request.area, verbs=frozenset({verb}))

    async def _must_be_another(self, request: Request, by: Officer) -> None:
        """A machine is whoever made its token. :raises OwnRequest: the same person asked and decides."""

        def person(tx: Tx, name: str) -> str:
            token = _token(tx, name)
            return name if token is None else token.by

        asked, decides = await self._store.read(lambda tx: (person(tx, request.author), person(tx, by.name)))
        if asked == decides:
            raise OwnRequest(request.id, by.name)

    async def _send(self, done: Request, *, verb: str, by: str, detail: str) -> Outcome:
        """On the air and decided, in one transaction."""
        author = await self.author_of(done)
        frozen = as_of_today(done.command, self._estate.tree)
        if digest_of(frozen, done.sound, level=author.level, replaces=done.replaces) != done.digest:
            raise NotWhatWaits(done.id)  # areas were merged, or the author moved: the targets are not what was read
        kept: list[Request] = []

        def also(tx: Tx, broadcast: str) -> None:
            _must_still_be(tx, done.id, Stage.WAITING)
            kept.append(replace(done, broadcast=broadcast))
            tx.approvals.save(kept[-1])
            tx.acts.add(ActRow(done.decided_ms, by, verb, done.id, detail))

        there = not done.sound.asset or self._sounds.find(done.sound.asset) is not None
        command = frozen if there else replace(frozen, heard=done.sound.asset)
        since_s = (self._clock.now_ms() - done.asked_ms) / 1_000 if done.stage is Stage.RELEASED else 0.0
        asked_at = self._clock.monotonic() - since_s  # a person who agrees has seen that everything was stopped
        cleared = Cleared(done.sound if there else None, done.note, asked_at, also)
        if done.replaces:
            outcome = await self._broadcasts.update(done.replaces, command, by=author, cleared=cleared)
        else:
            outcome = await self._broadcasts.start(command, by=author, cleared=cleared)
        self._keep(kept[-1])
        return outcome

    async def _save(self, done: Request, *, verb: str, by: str, detail: str, was: Stage = Stage.WAITING) -> Request:
        at_ms = done.reviewed_ms or done.decided_ms

        def work(tx: Tx) -> None:
            _must_still_be(tx, done.id, was)
            tx.approvals.save(done)
            tx.acts.add(ActRow(at_ms, by, verb, done.id, detail))

        await self._store.write(work)
        self._keep(done)
        return done

    def _keep(self, request: Request) -> None:
        if request.stage is Stage.WAITING or request.wants_review:
            self._open[request.id] = request
        else:
            self._open.pop(request.id, None)
        self._ring()
        self._changed()

    def _ring(self) -> None:
        """Leaders hear of a broken glass until somebody has looked at it, and more so when nobody does."""
        now_ms = self._clock.now_ms()
        broken = [one for one in self._open.values() if one.wants_review and not one.exercise]
        if broken:
            last = broken[-1]
            facts = {"headline": last.headline, "officer": last.author, "reason": last.reason}
            self._bell.raise_("glass-broken", count=str(len(broken)), **facts)
        else:
            self._bell.clear("glass-broken")
        if any(now_ms >= one.review_by_ms for one in broken):
            self._bell.raise_("review-overdue", count=str(sum(now_ms >= one.review_by_ms for one in broken)))
        else:
            self._bell.clear("review-overdue")


def _must_still_be(tx: Tx, approval: str, stage: Stage) -> None:
    """:raises ApprovalOver: somebody else was quicker; what is in the table counts."""
    now = tx.approvals.get(approval)
    if now is None:
        raise UnknownApproval(approval)
    if now.stage is not stage or now.reviewed_by:
        raise ApprovalOver(approval, now.stage)


def _token(tx: Tx, name: str) -> TokenRow | None:
    return next((one for one in tx.tokens.all() if one.officer.name == name), None) if name.startswith(TOKEN) else None
