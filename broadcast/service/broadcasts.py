"""Starting, changing and ending broadcasts (播发). The order of truth: validated, committed, published, answered.

Nothing reaches a speaker before it is on disk. After a crash the boards are derived again from the orders.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.boards import is_full, scopes_of
from broadcast.domain.broadcasts import (
    AlreadyOver,
    Broadcast,
    Fault,
    InvalidRequest,
    Life,
    Sound,
    StartBroadcast,
    UnknownBroadcast,
    as_of_today,
    check,
    compose,
    ended,
    must_be_changeable,
    without,
)
from broadcast.domain.clearing import clear_command, part_faults, within
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import areas_of, may, may_or_drill, start_verb
from broadcast.domain.spoken import Layout
from broadcast.service.announcer import Announcer, Rehearsal, Wording
from broadcast.service.boards import Boards, Name
from broadcast.service.estate import Estate
from broadcast.service.feed import Feed
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder
from broadcast.service.once import OnceKey
from broadcast.service.outcomes import (
    BoardFull,
    Change,
    Cleared,
    Gate,
    Outcome,
    StoppedMeanwhile,
    lie_in,
    raise_versions,
    repeat,
    save_all,
)
from broadcast.service.ports import ActRow, KeptAnswer, Sounds, SpeechFailed, Spoken, Store, Studio, Tx
from broadcast.service.programme_boards import ProgrammeBoards
from endpoints.area_codes import covers
from endpoints.protocol import MAX_ORDERS

__all__ = ["BoardFull", "Broadcasts", "Change", "Cleared", "Outcome", "StoppedMeanwhile"]

log = logging.getLogger(__name__)

KEYS_KEPT_MS = 24 * 3_600_000


class Broadcasts:
    """The use cases of a broadcast's life.

    :param lead_ms: see `compose`.
    :param gate: asked about everything new that nobody has cleared; None lets it pass.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        boards: Boards,
        routine: ProgrammeBoards,
        ladder: Ladder,
        speech: Studio,
        sounds: Sounds,
        feed: Feed,
        health: Health,
        lead_ms: int = 0,
        gate: Gate | None = None,
    ) -> None:
        self._clock, self._store, self._estate, self._boards = clock, store, estate, boards
        self._routine, self._ladder, self._sounds, self._feed, self._health = routine, ladder, sounds, feed, health
        self._gate = gate
        self._announcer = Announcer(speech=speech, sounds=sounds, health=health)
        self._changing = asyncio.Lock()  # two officers at once: the second starts from what the first has left
        self._late_speech: set[asyncio.Task[None]] = set()
        self._forget_keys_at_ms, self._lead_ms = 0, lead_ms
        self._stops: deque[tuple[float, Officer]] = deque(maxlen=32)

    # ---- acts -----------------------------------------------------------------------------------------------------------

    async def start(
        self, command: StartBroadcast, *, by: Officer, once: OnceKey | None = None, cleared: Cleared | None = None
    ) -> Outcome:
        """Put a broadcast on the air; when this returns it is committed and on its way.

        :raises InvalidRequest, AreaNotGranted, RoleNotGranted, KeyReused, BoardFull, StoreUnavailable: nothing was stored.
        :raises ApprovalNeeded: likewise; `Approvals.submit` asks for it.
        """
        self._may_start(command, by)
        if (before := await self.answered(by, once)) is not None:
            return before  # also when its end has passed meanwhile
        self.must_be_right(command, by)
        cleared = self._cleared(command, by, cleared)
        asked_at = self._clock.monotonic() if cleared.asked_at is None else cleared.asked_at
        sound, note, late = await self._sound_of(command, cleared)
        broadcast = self._compose(command, sound, by=by, note=note)

        def change() -> Change:
            self._must_not_be_stopped(broadcast, asked_at)
            return [], [broadcast]

        outcome = await self.commit(change, by=by, verb="start", once=once, also=cleared.also)
        if late is not None and not outcome.repeated:
            self._amend_later(broadcast.id, late)
        return outcome

    async def update(
        self,
        old: str,
        command: StartBroadcast,
        *,
        by: Officer,
        once: OnceKey | None = None,
        cleared: Cleared | None = None,
    ) -> Outcome:
        """Replace a live broadcast by a corrected one (更正), in one step: no gap and no double."""
        self._may_start(command, by)
        if (before := await self.answered(by, once)) is not None:
            return before
        self.must_be_right(command, by)
        await self.must_be_updatable(old, command, by)
        cleared = self._cleared(command, by, cleared)
        sound, note, late = await self._sound_of(command, cleared)
        broadcast = self._compose(command, sound, by=by, note=note, replaces=old)

        def change() -> Change:
            over = ended(self._still(old, by), Life.REPLACED, by=by.name, now_ms=self._clock.now_ms())
            return [over], [broadcast]

        outcome = await self.commit(change, by=by, verb="update", once=once, also=cleared.also)
        if late is not None and not outcome.repeated:
            self._amend_later(broadcast.id, late)
        return outcome

    async def stop(self, broadcast: str, *, by: Officer) -> Outcome:
        """Take a broadcast off the air (停播). Stopping what is over is not an error: it is what was wanted."""
        may_or_drill(by, Verb.STOP, exercise=None, now_ms=self._clock.now_ms())
        was = await self._changeable(broadcast, by, Verb.STOP)
        if not was.is_live(self._clock.now_ms()):
            return Outcome((broadcast,), repeated=True)
        if was.programme:
            ids = await self._routine.silence([broadcast].__contains__, by=by, verb="stop")
            return Outcome(ids or (broadcast,), repeated=not ids)

        def change() -> Change:
            now_ms, now = self._clock.now_ms(), self._boards.carried.get(broadcast)
            live = now is not None and now.is_live(now_ms)
            return [ended(now, Life.STOPPED, by=by.name, now_ms=now_ms)] if now is not None and live else [], []

        outcome = await self.commit(change, by=by, verb="stop")
        return outcome if outcome.ids else Outcome((broadcast,), repeated=True)

    async def stop_all(self, *, by: Officer) -> Outcome:
        """Take everything of one's own level and area off the air, live and exercise; of programmes, what is running."""
        may(by, Verb.STOP, exercise=None, now_ms=self._clock.now_ms())

        def change() -> Change:
            now_ms = self._clock.now_ms()
            self._stops.append((self._clock.monotonic(), by))
            over = [
                ended(one, Life.STOPPED, by=by.name, now_ms=now_ms)
                for one in self._boards.carried.values()
                if one.is_live(now_ms) and self._is_stopped_by(one, by)
            ]
            return over, []

        outcome = await self.commit(change, by=by, verb="stop all")
        ours = [one.id for one in self._routine.running() if self._is_stopped_by(one, by)]
        return Outcome((*outcome.ids, *await self._routine.silence(ours.__contains__, by=by, verb="stop all")))

    async def all_clear(
        self,
        broadcast: str,
        *,
        by: Officer,
        areas: Sequence[str] = (),
        text: str = "",
        once: OnceKey | None = None,
        cleared: Cleared | None = None,
    ) -> Outcome:
        """End an alert (解除), whole or in chosen areas, and say so there: the all-clear tune and a sentence.

        It never ends one that was not chosen. Words of the officer's own are the policy's to let pass, like any others.
        """
        may_or_drill(by, Verb.ALL_CLEAR, exercise=None, now_ms=self._clock.now_ms())
        if (before := await self.answered(by, once)) is not None:
            return before
        was = await self._changeable(broadcast, by, Verb.ALL_CLEAR)
        standing = {one: self._estate.speaker(one).area for one in was.order.speakers if one in self._estate}
        if faults := part_faults(was.order, areas, self._estate.tree, standing.values()):
            raise InvalidRequest(faults)
        areas = (*areas, *self._estate.tree.merged_into(areas))
        chosen = within(was.order, areas) if areas else was.order.areas
        exercise, now_ms = was.order.exercise, self._clock.now_ms()
        single = [one for one, at in standing.items() if not areas or any(covers(area, at) for area in areas)]
        touched = (*chosen, *(standing[one] for one in single))
        may_or_drill(by, Verb.ALL_CLEAR, areas=touched, exercise=exercise, now_ms=now_ms)
        command = clear_command(was, chosen, single, text=text)
        faults = check(command, self._estate.tree, self._estate.speakers.keys(), now_ms=self._clock.now_ms())
        if faults:
            raise InvalidRequest(faults)
        if text:
            self._cleared(command, by, cleared)
        sound, note, late = await self._announcer.clear_of(command)
        clear = self._compose(command, sound, by=by, note=note, replaces=broadcast)
        spoken_of = [] if command.exercise and not sound.asset else [clear]  # never an exercise without its words

        def change() -> Change:
            now = self._still(broadcast, by)  # another officer may have cleared other areas meanwhile
            less = self._less(now, chosen, single)
            if not areas or not self._estate.meant_by(less.order):
                return [ended(now, Life.CLEARED, by=by.name, now_ms=self._clock.now_ms())], spoken_of
            self.must_fit(less)
            return [less], spoken_of

        outcome = await self.commit(change, by=by, verb="all-clear", once=once)
        if late is not None and spoken_of and not outcome.repeated:
            self._amend_later(clear.id, late)
        return outcome

    async def housekeep(self) -> None:
        """Note what has come to its end and take off the boards what has lingered; call every few seconds."""
        now_ms = self._clock.now_ms()
        if now_ms >= self._forget_keys_at_ms:
            await self._store.write(lambda tx: tx.answers.forget_before(now_ms - KEYS_KEPT_MS))
            self._forget_keys_at_ms = now_ms + KEYS_KEPT_MS // 24
        async with self._changing:
            over = [
                replace(one, life=Life.ENDED, ended_at_ms=one.order.not_after_ms)
                for one in self._boards.carried.values()
                if one.life is Life.LIVE and now_ms >= one.order.not_after_ms
            ]
            if over:
                await self._store.write(lambda tx: save_all(tx, over))
                self._boards.renew(over, {})
                for one in over:
                    self._ladder.note(one)
                    self._feed.changed(one.id)
            gone = [one for one in self._boards.carried.values() if not one.on_boards(now_ms)]
            if gone:
                versions = await self._store.write(lambda tx: raise_versions(tx, gone))
                self._boards.renew(gone, versions)

    # ---- questions ------------------------------------------------------------------------------------------------------

    def must_be_right(self, command: StartBroadcast, by: Officer) -> None:
        """:raises InvalidRequest, AreaNotGranted, RoleNotGranted: as `start` would; the confirm page asks before."""
        self._may_start(command, by)
        now_ms = self._clock.now_ms()
        faults = check(command, self._estate.tree, self._estate.speakers.keys(), now_ms=now_ms)
        for field, asset in (("asset", command.asset), ("bed", command.bed.asset if command.bed else b"")):
            if asset and (code := self._sounds.fault(asset)):
                faults.append(Fault(field, code, (("asset", asset.hex()),)))
        if faults:
            raise InvalidRequest(faults)
        self._may_start(command, by, *command.areas, *(self._estate.speaker(one).area for one in command.speakers))

    async def must_be_updatable(self, old: str, command: StartBroadcast, by: Officer) -> None:
        """:raises UnknownBroadcast, AlreadyOver, HigherLevel, AreaNotGranted, InvalidRequest: as `update` would."""
        was = await self._changeable(old, by, start_verb(command.kind, life_safety=command.life_safety))
        if command.exercise is not was.order.exercise or command.kind is not was.order.kind:
            field = "exercise" if command.exercise is not was.order.exercise else "kind"
            raise InvalidRequest([Fault(field, "cannot-change")])

    async def rehearse(self, command: StartBroadcast, *, by: Officer, whole: bool) -> Rehearsal:
        """How it would sound if it began now; nothing is stored but sound files.

        :raises SpeechFailed: it can't be made; and those of `must_be_right`.
        """
        self.must_be_right(command, by)
        sound, made = await self._announcer.preview(command)
        order = self._compose(command, sound, by=by, note="").order
        return Rehearsal(order, made, await self._announcer.whole(Layout.of(order)) if whole else None)

    async def get(self, broadcast: str) -> Broadcast:
        """:raises UnknownBroadcast: there is none of that id."""
        if (carried := self._boards.carried.get(broadcast) or self._routine.find(broadcast)) is not None:
            return carried
        found = await self._store.read(lambda tx: tx.broadcasts.get(broadcast))
        if found is None:
            raise UnknownBroadcast(broadcast)
        return found

    async def page(self, *, before: str | None = None, limit: int = 50) -> Sequence[Broadcast]:
        """Newest first."""
        return await self._store.read(lambda tx: tx.broadcasts.page(before=before, limit=limit))

    def live(self) -> list[Broadcast]:
        """Those that are live now, newest first."""
        now_ms = self._clock.now_ms()
        return sorted((b for b in self._boards.carried.values() if b.is_live(now_ms)), key=lambda b: b.id, reverse=True)

    async def close(self) -> None:
        """End what is still being spoken."""
        for task in self._late_speech:
            task.cancel()
        if self._late_speech:
            await asyncio.wait(self._late_speech)

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _compose(
        self, command: StartBroadcast, sound: Sound, *, by: Officer, note: str, replaces: str = ""
    ) -> Broadcast:
        now_ms = self._clock.now_ms()
        command = as_of_today(command, self._estate.tree)
        names = {"order_id": str(ULID()), "replaces": replaces, "note": note}
        made = compose(command, sound, by=by, now_ms=now_ms, lead_ms=self._lead_ms, **names)
        self.must_fit(made)
        return made

    def must_fit(self, broadcast: Broadcast) -> None:
        """:raises BoardFull: rather than write a board that speakers would refuse, and lose what is live on it."""
        exercise = broadcast.order.exercise
        others = [
            one.order
            for one in self._boards.carried.values()
            if one.life is Life.LIVE and one.order.exercise is exercise and one.id != broadcast.id
        ]
        for scope in scopes_of(broadcast.order):
            if is_full([*(order for order in others if scope in scopes_of(order)), broadcast.order], scope):
                raise BoardFull(scope, MAX_ORDERS)

    async def commit(
        self,
        change: Callable[[], Change],
        *,
        by: Officer,
        verb: str,
        once: OnceKey | None = None,
        also: Callable[[Tx, str], None] | None = None,
    ) -> Outcome:
        """One change at a time: what it starts from, one transaction, then one publish a board. For live sound too.

        :param change: says, from what stands on the boards at that moment, what ends or changes and what begins.
        :param also: see `Cleared`.
        """
        async with self._changing:
            over, fresh = change()
            now_ms = self._clock.now_ms()
            ids = tuple(one.id for one in (*fresh, *over))

            def work(tx: Tx) -> tuple[Mapping[Name, int], Outcome | None]:
                if once is not None:
                    kept = tx.answers.get(by.name, once.key)
                    if kept is not None:
                        return {}, repeat(kept, once)
                    tx.answers.add(by.name, once.key, KeptAnswer(once.body_hash, " ".join(ids), now_ms))
                for one in fresh:
                    tx.broadcasts.add(one)
                save_all(tx, over)
                if also is not None:
                    also(tx, fresh[0].id)
                for one in (*fresh, *over):
                    tx.acts.add(ActRow(now_ms, by.name, verb, one.id, one.headline))
                return raise_versions(tx, (*fresh, *over)), None

            versions, before = await self._store.write(work)
            if before is not None:
                return before
            self._boards.renew((*over, *fresh), versions)
        await asyncio.sleep(0)  # the boards leave the machine before the ladder of 12,000 rungs is set up
        for one in over:
            self._ladder.change(one)
            self._feed.changed(one.id)
        for one in fresh:
            self._ladder.open(one)
            self._feed.changed(one.id)
        return Outcome(ids)

    def _less(self, broadcast: Broadcast, areas: Sequence[str], speakers: Collection[str]) -> Broadcast:
        """Without these areas and without these of its single speakers."""
        less = without(broadcast, areas)
        left = tuple(one for one in less.order.speakers if one not in speakers)
        return replace(less, order=replace(less.order, speakers=left))

    def _must_not_be_stopped(self, fresh: Broadcast, asked_at: float) -> None:
        """:raises StoppedMeanwhile: a stop-all came between the officer's word and the voice."""
        for at, officer in self._stops:
            if at >= asked_at and self._is_stopped_by(fresh, officer):
                raise StoppedMeanwhile(officer.name)

    def _still(self, broadcast: str, by: Officer) -> Broadcast:
        """As it stands on the boards now. :raises AlreadyOver, UnknownBroadcast: it ended while we were busy."""
        now = self._boards.carried.get(broadcast)
        if now is None:
            raise AlreadyOver(broadcast, Life.STOPPED)
        must_be_changeable(now, by, self._clock.now_ms())
        return now

    async def answered(self, by: Officer, once: OnceKey | None) -> Outcome | None:
        """What was answered to this key before. :raises KeyReused: to another request."""
        if once is None:
            return None
        kept = await self._store.read(lambda tx: tx.answers.get(by.name, once.key))
        return None if kept is None else repeat(kept, once)

    async def _changeable(self, broadcast: str, by: Officer, verb: Verb) -> Broadcast:
        """What has ended already may be stopped; who began a broadcast may stop it, also when the grant is over."""
        was = await self.get(broadcast)
        now_ms, over_is_fine = self._clock.now_ms(), verb is Verb.STOP
        if over_is_fine and not was.is_live(now_ms):
            return was
        if was.programme and not over_is_fine:
            raise InvalidRequest([Fault("broadcast", "is-of-programme")])
        must_be_changeable(was, by, now_ms)
        places = () if verb is Verb.STOP and was.officer == by.name else self._places(was)
        tree, grounds = self._estate.tree, areas_of(by, verb, now_ms=now_ms)
        outside = [place for place in places if place not in tree or not lie_in(grounds, tree.successor(place).code)]
        may_or_drill(by, verb, areas=outside, exercise=was.order.exercise, now_ms=now_ms)
        return was

    def _cleared(self, command: StartBroadcast, by: Officer, cleared: Cleared | None) -> Cleared:
        """:raises ApprovalNeeded: nobody has, and the policy wants a second person."""
        if cleared is None and self._gate is not None:
            self._gate.must_be_free(command, by=by)
        return cleared or Cleared()

    async def _sound_of(self, command: StartBroadcast, cleared: Cleared) -> Wording:
        """What was heard, and nothing that comes later; or what can be made in time."""
        if cleared.sound is not None:
            return cleared.sound, cleared.note, None
        return await self._announcer.sound_of(command)

    def _may_start(self, command: StartBroadcast, by: Officer, *areas: str) -> None:
        verb = start_verb(command.kind, life_safety=command.life_safety)
        may_or_drill(by, verb, areas=areas, exercise=command.exercise, now_ms=self._clock.now_ms())

    def _is_stopped_by(self, broadcast: Broadcast, by: Officer) -> bool:
        """Whether this officer's stop-all ends it: of no higher level, as a whole inside, and of the mode of the sign-in."""
        if broadcast.order.level > by.level or (by.exercise_only and not broadcast.order.exercise):
            return False
        tree, grounds = self._estate.tree, areas_of(by, Verb.STOP, now_ms=self._clock.now_ms())
        return all(
            lie_in(grounds, tree.successor(place).code if place in tree else place) for place in self._places(broadcast)
        )

    def _places(self, broadcast: Broadcast) -> list[str]:
        """Its areas, and those of its single speakers."""
        single = [self._estate.speaker(one).area for one in broadcast.order.speakers if one in self._estate]
        return [*broadcast.order.areas, *single]

    def _amend_later(self, broadcast: str, late: "asyncio.Task[Spoken]") -> None:
        task = asyncio.get_running_loop().create_task(self._amend(broadcast, late), name=f"late speech {broadcast}")
        self._late_speech.add(task)
        task.add_done_callback(self._late_speech.discard)

    async def _amend(self, broadcast: str, late: "asyncio.Task[Spoken]") -> None:
        """The words are there now: the next revision of the order carries them."""
        try:
            spoken = await late
        except SpeechFailed as err:
            self._health.raise_("speech-unavailable", cause=err.cause)
            return
        async with self._changing:
            was = self._boards.carried.get(broadcast)
            if was is None or not was.is_live(self._clock.now_ms()):
                return
            order = replace(
                was.order,
                revision=was.order.revision + 1,
                asset=spoken.asset,
                asset_bytes=spoken.asset_bytes,
                asset_ms=spoken.asset_ms,
            )
            now = replace(was, order=order, note="")

            def work(tx: Tx) -> Mapping[Name, int]:
                tx.broadcasts.save(now)
                return raise_versions(tx, [now])

            self._boards.renew([now], await self._store.write(work))
        self._ladder.note(now)
        self._feed.changed(broadcast)
