"""Starting, changing and ending broadcasts (播发). The order of truth: validated, committed, published, answered.

Nothing reaches a speaker before it is on disk. After a crash the boards are derived again from the orders.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.areas import minimal_cover
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
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import areas_of, may, start_verb
from broadcast.domain.spoken import Layout
from broadcast.service.announcer import Announcer, Rehearsal
from broadcast.service.boards import Boards, Name
from broadcast.service.estate import Estate
from broadcast.service.feed import Feed
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder
from broadcast.service.once import OnceKey
from broadcast.service.ports import ActRow, KeptAnswer, Sounds, SpeechFailed, Spoken, Store, Studio, Tx
from broadcast.service.programme_boards import ProgrammeBoards
from endpoints.area_codes import covers
from endpoints.protocol import MAX_ORDERS, Kind, Order, Tone

log = logging.getLogger(__name__)

KEYS_KEPT_MS = 24 * 3_600_000


class BoardFull(BroadcastError):
    """Too many orders live in one area at once."""

    def __init__(self, scope: str, most: int) -> None:
        self.scope, self.most = scope, most
        super().__init__(f"the board of {scope} already carries {most} orders")


Change = tuple[Sequence[Broadcast], Sequence[Broadcast]]
"""What ends or changes, and what begins."""


class StoppedMeanwhile(BroadcastError):
    """Everything was stopped there while this was being prepared; who still wants it starts it again."""

    def __init__(self, officer: str) -> None:
        self.officer = officer
        super().__init__(f"{officer} stopped everything there while this was being prepared; nothing was sent")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act led to.

    :param repeated: the same request came before; this is its first result, and nothing was done again.
    """

    ids: tuple[str, ...]
    repeated: bool = False


class Broadcasts:
    """The use cases of a broadcast's life.

    :param lead_ms: see `compose`.
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
    ) -> None:
        self._clock, self._store, self._estate, self._boards = clock, store, estate, boards
        self._routine, self._ladder, self._sounds, self._feed, self._health = routine, ladder, sounds, feed, health
        self._announcer = Announcer(speech=speech, sounds=sounds, health=health)
        self._changing = asyncio.Lock()  # two officers at once: the second starts from what the first has left
        self._late_speech: set[asyncio.Task[None]] = set()
        self._forget_keys_at_ms, self._lead_ms = 0, lead_ms
        self._stops: deque[tuple[float, Officer]] = deque(maxlen=32)

    # ---- acts -----------------------------------------------------------------------------------------------------------

    async def start(self, command: StartBroadcast, *, by: Officer, once: OnceKey | None = None) -> Outcome:
        """Put a broadcast on the air; when this returns it is committed and on its way.

        :raises InvalidRequest, AreaNotGranted, RoleNotGranted, KeyReused, BoardFull, StoreUnavailable: nothing was stored.
        """
        self._may_start(command, by)
        if (before := await self._answered(by, once)) is not None:
            return before  # also when its end has passed meanwhile
        self.must_be_right(command, by)
        asked_at = self._clock.monotonic()
        sound, note, late = await self._announcer.sound_of(command)
        broadcast = self._compose(command, sound, by=by, note=note)

        def change() -> Change:
            self._must_not_be_stopped(broadcast, asked_at)
            return [], [broadcast]

        outcome = await self.commit(change, by=by, verb="start", once=once)
        if late is not None and not outcome.repeated:
            self._amend_later(broadcast.id, late)
        return outcome

    async def update(self, old: str, command: StartBroadcast, *, by: Officer, once: OnceKey | None = None) -> Outcome:
        """Replace a live broadcast by a corrected one (更正), in one step: no gap and no double."""
        self._may_start(command, by)
        if (before := await self._answered(by, once)) is not None:
            return before
        self.must_be_right(command, by)
        was = await self._changeable(old, by, start_verb(command.kind, life_safety=command.life_safety))
        if command.exercise is not was.order.exercise or command.kind is not was.order.kind:
            field = "exercise" if command.exercise is not was.order.exercise else "kind"
            raise InvalidRequest([Fault(field, "cannot-change")])
        sound, note, late = await self._announcer.sound_of(command)
        broadcast = self._compose(command, sound, by=by, note=note, replaces=old)

        def change() -> Change:
            over = ended(self._still(old, by), Life.REPLACED, by=by.name, now_ms=self._clock.now_ms())
            return [over], [broadcast]

        outcome = await self.commit(change, by=by, verb="update", once=once)
        if late is not None and not outcome.repeated:
            self._amend_later(broadcast.id, late)
        return outcome

    async def stop(self, broadcast: str, *, by: Officer) -> Outcome:
        """Take a broadcast off the air (停播). Stopping what is over is not an error: it is what was wanted."""
        may(by, Verb.STOP, exercise=None, now_ms=self._clock.now_ms())
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
        self, broadcast: str, *, by: Officer, areas: Sequence[str] = (), text: str = "", once: OnceKey | None = None
    ) -> Outcome:
        """End an alert (解除), whole or in chosen areas, and say so there: the all-clear tune and a sentence.

        It never ends one that was not chosen.
        """
        may(by, Verb.ALL_CLEAR, exercise=None, now_ms=self._clock.now_ms())
        if (before := await self._answered(by, once)) is not None:
            return before
        was = await self._changeable(broadcast, by, Verb.ALL_CLEAR)
        self._must_be_part_of(was, areas)
        areas = (*areas, *self._estate.tree.merged_into(areas))
        chosen = _within(was.order, areas) if areas else was.order.areas
        may(by, Verb.ALL_CLEAR, areas=chosen, exercise=was.order.exercise, now_ms=self._clock.now_ms())
        command = StartBroadcast(
            kind=Kind.NOTICE,
            areas=tuple(chosen),
            excluded=was.order.excluded,
            speakers=tuple(one for one in was.order.speakers if not areas or self._stands_in(one, chosen)),
            text=text or f"{was.headline}，警报解除。",
            headline=f"解除：{was.headline}"[:80],
            minutes=10,
            tone=Tone.ALL_CLEAR,
            closing=Tone.NONE,
            volume_percent=was.order.volume_percent,
            exercise=was.order.exercise,
        )
        faults = check(command, self._estate.tree, self._estate.speakers.keys(), now_ms=self._clock.now_ms())
        if faults:
            raise InvalidRequest(faults)
        sound, note, late = await self._announcer.clear_of(command)
        clear = self._compose(command, sound, by=by, note=note, replaces=broadcast)
        spoken_of = [] if command.exercise and not sound.asset else [clear]  # never an exercise without its words

        def change() -> Change:
            now = self._still(broadcast, by)  # another officer may have cleared other areas meanwhile
            less = self._less(now, chosen)
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
                await self._store.write(lambda tx: _save_all(tx, over))
                self._boards.renew(over, {})
                for one in over:
                    self._ladder.note(one)
                    self._feed.changed(one.id)
            gone = [one for one in self._boards.carried.values() if not one.on_boards(now_ms)]
            if gone:
                versions = await self._store.write(lambda tx: _raise_versions(tx, gone))
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
        self, change: Callable[[], Change], *, by: Officer, verb: str, once: OnceKey | None = None
    ) -> Outcome:
        """One change at a time: what it starts from, one transaction, then one publish a board. For live sound too.

        :param change: says, from what stands on the boards at that moment, what ends or changes and what begins.
        """
        async with self._changing:
            over, fresh = change()
            now_ms = self._clock.now_ms()
            ids = tuple(one.id for one in (*fresh, *over))

            def work(tx: Tx) -> tuple[Mapping[Name, int], Outcome | None]:
                if once is not None:
                    kept = tx.answers.get(by.name, once.key)
                    if kept is not None:
                        return {}, _repeat(kept, once)
                    tx.answers.add(by.name, once.key, KeptAnswer(once.body_hash, " ".join(ids), now_ms))
                for one in fresh:
                    tx.broadcasts.add(one)
                _save_all(tx, over)
                for one in (*fresh, *over):
                    tx.acts.add(ActRow(now_ms, by.name, verb, one.id, one.headline))
                return _raise_versions(tx, (*fresh, *over)), None

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

    def _less(self, broadcast: Broadcast, areas: Sequence[str]) -> Broadcast:
        """Without these areas and without the single speakers that stand in them."""
        less = without(broadcast, areas)
        left = tuple(one for one in less.order.speakers if not self._stands_in(one, areas))
        return replace(less, order=replace(less.order, speakers=left))

    def _stands_in(self, speaker: str, areas: Sequence[str]) -> bool:
        return speaker in self._estate and any(covers(area, self._estate.speaker(speaker).area) for area in areas)

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

    async def _answered(self, by: Officer, once: OnceKey | None) -> Outcome | None:
        if once is None:
            return None
        kept = await self._store.read(lambda tx: tx.answers.get(by.name, once.key))
        return None if kept is None else _repeat(kept, once)

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
        outside = [place for place in places if place not in tree or not _lie_in(grounds, tree.successor(place).code)]
        may(by, verb, areas=outside, exercise=was.order.exercise, now_ms=now_ms)
        return was

    def _may_start(self, command: StartBroadcast, by: Officer, *areas: str) -> None:
        verb = start_verb(command.kind, life_safety=command.life_safety)
        may(by, verb, areas=areas, exercise=command.exercise, now_ms=self._clock.now_ms())

    def _is_stopped_by(self, broadcast: Broadcast, by: Officer) -> bool:
        """Whether this officer's stop-all ends it: of no higher level, as a whole inside, and of the mode of the sign-in."""
        if broadcast.order.level > by.level or (by.exercise_only and not broadcast.order.exercise):
            return False
        tree, grounds = self._estate.tree, areas_of(by, Verb.STOP, now_ms=self._clock.now_ms())
        return all(
            _lie_in(grounds, tree.successor(place).code if place in tree else place)
            for place in self._places(broadcast)
        )

    def _places(self, broadcast: Broadcast) -> list[str]:
        """Its areas, and those of its single speakers."""
        single = [self._estate.speaker(one).area for one in broadcast.order.speakers if one in self._estate]
        return [*broadcast.order.areas, *single]

    def _must_be_part_of(self, broadcast: Broadcast, chosen: Iterable[str]) -> None:
        faults = []
        for index, area in enumerate(chosen):
            if area not in self._estate.tree:
                faults.append(Fault(f"areas.{index}", "unknown-area", (("area", area),)))
            elif not any(covers(target, area) or covers(area, target) for target in broadcast.order.areas) or any(
                covers(gone, area) for gone in broadcast.order.excluded
            ):
                faults.append(Fault(f"areas.{index}", "not-in-broadcast", (("area", area),)))
        if faults:
            raise InvalidRequest(faults)

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
                return _raise_versions(tx, [now])

            self._boards.renew([now], await self._store.write(work))
        self._ladder.note(now)
        self._feed.changed(broadcast)


def _lie_in(grounds: Iterable[str], area: str) -> bool:
    return any(covers(ground, area) for ground in grounds)


def _within(order: Order, areas: Sequence[str]) -> tuple[str, ...]:
    """The part of the order's target that lies in these areas: an all-clear is not heard where the alert was not."""
    inside = [area for area in areas if any(covers(target, area) for target in order.areas)]
    inside += [target for target in order.areas if any(covers(area, target) for area in areas)]
    return minimal_cover(inside)


def _repeat(kept: KeptAnswer, once: OnceKey) -> Outcome:
    return Outcome(tuple(once.words(kept)), repeated=True)


def _save_all(tx: Tx, broadcasts: Iterable[Broadcast]) -> None:
    for one in broadcasts:
        tx.broadcasts.save(one)


def _raise_versions(tx: Tx, broadcasts: Iterable[Broadcast]) -> Mapping[Name, int]:
    """The next version of every board that carries one of these."""
    scopes: dict[bool, set[str]] = {False: set(), True: set()}
    for one in broadcasts:
        scopes[one.order.exercise].update(scopes_of(one.order))
    return {
        (exercise, scope): version
        for exercise, names in scopes.items()
        if names
        for scope, version in tx.boards.raise_versions(sorted(names), exercise=exercise).items()
    }
