"""The programme boards (节目单): the coming 48 hours of every area, signed and retained, rolled on every hour and after each edit.

The plan in the tables is the truth; rows of occurrences follow from it, and boards from these. What is published stays good while
this server is dead: the speakers play by what they hold.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from broadcast.clock import Clock
from broadcast.domain.areas import AreaTree
from broadcast.domain.boards import scopes_of
from broadcast.domain.broadcasts import LINGER_MS, Broadcast, Life, ended
from broadcast.domain.calendar import Announced, Calendar
from broadcast.domain.occurrences import LONGEST_MS
from broadcast.domain.officers import Officer
from broadcast.domain.programme_boards import HOUR_MS, Content, Derived, Plan, contents, derive, horizon_ms
from broadcast.service.estate import Estate
from broadcast.service.feed import Feed
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder
from broadcast.service.ports import ActRow, Store, Tx, Wire
from broadcast.service.retained import Frame, Name, Retained
from endpoints.protocol import LIVE_ROOT, Held, ProgrammeBoard, encode_programme, programme_topic
from endpoints.sealing import Message, Signer, seal

log = logging.getLogger(__name__)

UNTIL = "programmes_until_ms"  # a fact of the installation: up to when occurrences have rows
BACK_AT_MOST_MS = 7 * 24 * HOUR_MS  # of a longer time without a server no record is made
ROWS_AT_ONCE = 100  # a trigger waits for no more than that

_EMPTY = Content((), 0)


@dataclass(frozen=True, slots=True)
class _Computed:
    derived: Derived
    rows: Mapping[str, Broadcast]
    contents: Mapping[str, Content]


def _compute(plan: Plan, rows: Mapping[str, Broadcast], now_ms: int, since_ms: int, scopes: Sequence[str]) -> _Computed:
    derived = derive(plan, rows.values(), now_ms, since_ms=since_ms)
    after = {**rows, **{one.id: one for one in (*derived.fresh, *derived.changed)}}
    return _Computed(derived, after, contents(after.values(), plan, now_ms, scopes=scopes))


class ProgrammeBoards:
    """Every programme board, its version and what stands on it.

    :param signer: of live boards; an exercise has no programme.
    :param epoch: of this server; above every earlier one.
    :param announced: the public holidays that are known.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        wire: Wire,
        ladder: Ladder,
        feed: Feed,
        health: Health,
        signer: Signer,
        epoch: int,
        announced: Announced,
    ) -> None:
        self._clock, self._store, self._estate, self._ladder = clock, store, estate, ladder
        self._feed, self._health, self._signer, self._epoch, self._announced = feed, health, signer, epoch, announced
        self.plan = Plan({}, Calendar(announced), {}, AreaTree())
        self._rows: Mapping[str, Broadcast] = {}
        self._contents: dict[str, Content] = {}
        self._frames: dict[str, tuple[int, bytes]] = {}
        self._since_ms = 0
        self._derived_for: tuple[int, AreaTree] | None = None  # hour, tree
        self._is_owed = False  # what was saved is not on the boards yet
        self._changing = asyncio.Lock()
        self._retained = Retained(
            "programmes",
            clock=clock,
            store=store,
            wire=wire,
            health=health,
            epoch=epoch,
            frame=self._frame,
            raise_version=lambda tx, name: tx.programmes.raise_versions([name[1]])[name[1]],
            in_slices=True,
        )

    async def load(self) -> None:
        """Derive everything anew; `republish` puts it on the broker."""
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> tuple[int, Sequence[Broadcast], Mapping[str, int]]:
            since_ms = max(int(tx.facts.get(UNTIL) or now_ms), now_ms - BACK_AT_MOST_MS)
            from_ms = min(since_ms, now_ms) - LONGEST_MS - LINGER_MS
            return since_ms, tx.broadcasts.occurrences(from_ms, now_ms + LONGEST_MS * 4), tx.programmes.board_versions()

        self._since_ms, rows, versions = await self._store.read(work)
        self._rows = {row.id: row for row in rows}
        self._retained.take({(False, scope): version for scope, version in versions.items()})
        await self.renew()

    # ---- what is asked --------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> Mapping[str, Broadcast]:
        """The occurrences of the coming two days and of the last hours, by id."""
        return self._rows

    def find(self, occurrence: str) -> Broadcast | None:
        return self._rows.get(occurrence)

    def running(self) -> list[Broadcast]:
        """Those whose window it is, newest first."""
        now_ms = self._clock.now_ms()
        live = [one for one in self._rows.values() if one.is_live(now_ms) and one.order.not_before_ms <= now_ms]
        return sorted(live, key=lambda one: (one.order.not_before_ms, one.id), reverse=True)

    def content(self, scope: str) -> Content:
        """What the board of that scope says; an empty one where there is none."""
        return self._contents.get(scope, _EMPTY)

    @property
    def pending(self) -> int:
        """How many boards the broker does not have in their newest version."""
        return self._retained.pending

    def is_pending(self, broadcast: Broadcast) -> bool:
        """Whether one of the boards of this occurrence is not yet on the broker."""
        return self._retained.is_pending((False, scope) for scope in scopes_of(broadcast.order))

    def compare(self, scopes: Iterable[str], held: Mapping[str, Held]) -> bool:
        """What a speaker says it holds against what it should; publishes again what it lacks.

        :returns: whether it holds the newest of each.
        """
        return not self._retained.lacks(((False, scope) for scope in scopes), held)

    # ---- what happens ---------------------------------------------------------------------------------------------------

    async def renew(self) -> None:
        """The plan may have changed, or the hour: derive, commit, publish what says something else now.

        :raises StoreUnavailable: it is tried again by `housekeep`; what is on the boards stays.
        """
        self._is_owed = True
        async with self._changing:
            plan = await self._read_plan()
            now_ms, known = self._clock.now_ms(), [scope for _, scope in self._retained.versions]
            since_ms = self._since_ms or now_ms
            computed = await asyncio.to_thread(_compute, plan, self._rows, now_ms, since_ms, known)
            fresh, changed = computed.derived.fresh, computed.derived.changed
            await self._write_rows((*fresh, *changed))
            wanted = [
                scope for scope, content in computed.contents.items() if self._must_be_written(scope, content, now_ms)
            ]
            until_ms = horizon_ms(now_ms)

            def work(tx: Tx) -> Mapping[str, int]:
                tx.facts.set(UNTIL, str(until_ms))
                return tx.programmes.raise_versions(wanted) if wanted else {}

            versions = await self._store.write(work)
            self.plan, self._rows, self._since_ms = plan, computed.rows, until_ms
            self._take(computed.contents, versions, known)
            self._derived_for, self._is_owed = (now_ms // HOUR_MS, plan.tree), False
        self._watch_for_room(now_ms)
        for one in changed:
            self._ladder.change(one)
        await self._retained.publish_all([(False, scope) for scope in versions])

    async def silence(self, chosen: Callable[[str], bool], *, by: Officer, verb: str) -> tuple[str, ...]:
        """Take occurrences off the boards, whether they sound or not; absence is the cancel.

        :param chosen: says of an id whether that one is meant; those that are over are not.
        :raises StoreUnavailable: nothing was changed.
        """
        async with self._changing:
            now_ms = self._clock.now_ms()
            live = [one for one in self._rows.values() if one.is_live(now_ms) and chosen(one.id)]
            over = [ended(one, Life.STOPPED, by=by.name, now_ms=now_ms) for one in live]
            if not over:
                return ()
            rows = {**self._rows, **{one.id: one for one in over}}
            scopes = {scope for one in over for scope in scopes_of(one.order)}
            there = [one for one in rows.values() if not scopes.isdisjoint(scopes_of(one.order))]
            found = contents(there, self.plan, now_ms, scopes=scopes)

            def work(tx: Tx) -> Mapping[str, int]:
                for one in over:
                    tx.broadcasts.save(one)
                    tx.acts.add(ActRow(now_ms, by.name, verb, one.id, one.headline))
                return tx.programmes.raise_versions(scopes)

            versions = await self._store.write(work)
            self._rows = rows
            self._take({scope: found[scope] for scope in scopes}, versions, [])
        for scope in versions:
            self._retained.publish((False, scope))
        for one in over:
            self._ladder.change(one)
            self._feed.changed(one.id)
        return tuple(one.id for one in over)

    def republish(self) -> None:
        """The broker is there (again) and may have lost everything."""
        self._retained.republish()

    def lost(self) -> None:
        """The broker is gone; what it has is not known."""
        self._retained.lost()

    def tick(self) -> None:
        """Publish again what speakers said they lack; call every second."""
        self._retained.tick()

    async def housekeep(self) -> None:
        """Note what has come to its end, let go of what is long over, roll on every hour; call every few seconds."""
        now_ms = self._clock.now_ms()
        async with self._changing:
            over = [
                replace(one, life=Life.ENDED, ended_at_ms=one.order.not_after_ms)
                for one in self._rows.values()
                if one.life is Life.LIVE and now_ms >= one.order.not_after_ms
            ]
            if over:
                await self._write_rows(over)
                self._rows = {**self._rows, **{one.id: one for one in over}}
        for one in over:
            self._ladder.note(one)
            self._feed.changed(one.id)
        if self._is_owed or self._derived_for != (now_ms // HOUR_MS, self._estate.tree):
            self._rows = {
                name: one for name, one in self._rows.items() if one.order.not_after_ms > now_ms - LINGER_MS - HOUR_MS
            }
            await self.renew()

    async def close(self) -> None:
        """End what is under way."""
        await self._retained.close()

    # ---- inside ---------------------------------------------------------------------------------------------------------

    async def _read_plan(self) -> Plan:
        versions, days, plans = await self._store.read(
            lambda tx: (tx.programmes.newest(), tx.programmes.days(), tx.programmes.plans())
        )
        return Plan(
            {one.programme.id: one for one in versions},
            Calendar(self._announced, days),
            {one.plan.area: one.plan for one in plans},
            self._estate.tree,
        )

    async def _write_rows(self, rows: Sequence[Broadcast]) -> None:
        for at in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[at : at + ROWS_AT_ONCE]

            def work(tx: Tx, some: Sequence[Broadcast] = some) -> None:
                _keep_all(tx, some)

            await self._store.write(work)

    def _must_be_written(self, scope: str, content: Content, now_ms: int) -> bool:
        old = self._contents.get(scope)
        if old is None:  # after a start the new epoch alone makes it newer than all before
            return (False, scope) not in self._retained.versions
        return content.says_more_than(old, now_ms)

    def _take(self, found: Mapping[str, Content], versions: Mapping[str, int], known: Iterable[str]) -> None:
        """What the boards of these versions say; of those known from before a start too."""
        for scope in (*versions, *(scope for scope in known if scope not in self._contents)):
            self._contents[scope] = found.get(scope, _EMPTY)
            self._frames.pop(scope, None)
        self._retained.take({(False, scope): version for scope, version in versions.items()})

    def _watch_for_room(self, now_ms: int) -> None:
        full = [scope for scope, one in self._contents.items() if one.orders and one.until_ms < now_ms + HOUR_MS]
        if full:
            self._health.raise_("programme-board-full", boards=str(len(full)), scope=min(full))
        else:
            self._health.clear("programme-board-full")

    def _frame(self, name: Name, version: int) -> Frame:
        """Kept: what a version says never changes, and a broker that comes back gets hundreds of them."""
        _, scope = name
        kept = self._frames.get(scope)
        if kept is None or kept[0] != version:
            content = self._contents.get(scope, _EMPTY)
            board = ProgrammeBoard(
                scope,
                self._epoch,
                version,
                self._clock.now_ms(),
                content.orders,
                content.until_ms,
                content.volume_by_hour,
                content.budget_min,
                content.fallback,
            )
            frame = seal(encode_programme(board), Message.PROGRAMME, exercise=False, signer=self._signer)
            kept = self._frames[scope] = version, frame
        return programme_topic(LIVE_ROOT, scope), kept[1]


def _keep_all(tx: Tx, rows: Sequence[Broadcast]) -> None:
    """Some may be there already: an earlier try got so far before the database was lost."""
    there = {one.id for one in tx.broadcasts.get_all(one.id for one in rows)}
    tx.broadcasts.add_all([one for one in rows if one.id not in there])
    for one in rows:
        if one.id in there:
            tx.broadcasts.save(one)
