"""Drills (演练): a plan goes out as an exercise, reports and officers answer, and every township gets its points."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Protocol

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.approval import ApprovalNeeded
from broadcast.domain.approval_policy import Demand, Source
from broadcast.domain.broadcasts import InvalidRequest, Sound, as_of_today, compose
from broadcast.domain.drills import (
    Acknowledged,
    DrillOver,
    DrillReachesNobody,
    Run,
    Script,
    Seen,
    UnknownDrill,
    score,
    script_faults,
)
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import holds, may
from broadcast.service.estate import Estate
from broadcast.service.ladder import Ladder
from broadcast.service.once import OnceKey
from broadcast.service.plans import Plans, Start
from broadcast.service.policies import ApprovalPolicy
from broadcast.service.ports import Account, ActRow, DeliveryRow, Store, Tx
from broadcast.service.presence import Presence, Speakers
from broadcast.service.proofs import Proofs
from endpoints.area_codes import TOWNSHIP, covers, depth, padded, significant

log = logging.getLogger(__name__)

Passed = Callable[[str, str], Awaitable[None]]
"""Told the name of an officer who has passed, and the id of the drill."""


async def nobody(officer: str, drill: str) -> None:
    """Nobody keeps a record of who has passed."""


class Stop(Protocol):
    """Takes a broadcast off the air; one that is over already is no error."""

    async def __call__(self, broadcast: str, *, by: Officer) -> object: ...


class Drills:
    """Holds them and keeps the results.

    :param stop: what still sounds of a drill ends with it: nobody is to wonder in the street what goes on.
    :param passed: told of everyone who held a drill or acknowledged it in time, when it was passed.
    :param changed: told when one begins, ends, or somebody acknowledges it.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        plans: Plans,
        policy: ApprovalPolicy,
        ladder: Ladder,
        speakers: Speakers,
        proofs: Proofs,
        stop: Stop,
        passed: Passed = nobody,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock, self._store, self._estate, self._plans, self._policy = clock, store, estate, plans, policy
        self._ladder, self._speakers, self._proofs = ladder, speakers, proofs
        self._passed, self._changed, self._stop = passed, changed, stop
        self._running: dict[str, Run] = {}
        self._last: dict[str, Run] = {}  # of each plan, the last that ended

    async def load(self) -> None:
        """What runs goes on after a restart: its end stands in the table."""

        def work(tx: Tx) -> tuple[list[Run], list[Run]]:
            return list(tx.drills.running()), list(tx.drills.page(before=None, limit=200))

        running, past = await self._store.read(work)
        self._running = {one.id: one for one in running}
        self._last = {one.script.plan: one for one in reversed(past) if one.is_over}

    # ---- acts -----------------------------------------------------------------------------------------------------------

    async def hold(self, script: Script, *, by: Officer, once: OnceKey | None = None) -> Run:
        """Send the plan as an exercise, and watch.

        :raises UnknownPlan, InvalidRequest, RoleNotGranted, AreaNotGranted, DrillReachesNobody: nothing was sent.
        :raises ApprovalNeeded: the policy wants a second person for exercises too; a drill can't wait.
        """
        now_ms = self._clock.now_ms()
        may(by, Verb.DRILL, exercise=True, now_ms=now_ms)
        if faults := script_faults(script):
            raise InvalidRequest(faults)
        version = self._plans.startable(self._plans.get(script.plan, by=by))
        how = Start(exercise=True, areas=script.areas)
        command = self._plans.command_of(version, how, by=by)
        source = Source.PLAN if version.is_approved else Source.TEXT
        if self._policy.rule_for(command, level=by.level, source=source).demand is Demand.SECOND_PERSON:
            raise ApprovalNeeded
        frozen = as_of_today(command, self._estate.tree)
        if not self._estate.meant_by(compose(frozen, Sound(), order_id="drill", by=by, now_ms=now_ms).order):
            raise DrillReachesNobody
        outcome = await self._plans.start(script.plan, how, by=by, once=once)
        if outcome.approval:
            raise ApprovalNeeded
        return await self._begin(script, outcome.ids[0], by)

    async def _begin(self, script: Script, broadcast: str, by: Officer) -> Run:
        known = next((one for one in self._running.values() if one.broadcast == broadcast), None)
        if known is None:
            past = await self._store.read(lambda tx: tx.drills.page(before=None, limit=200))
            known = next((one for one in past if one.broadcast == broadcast), None)
        if known is not None:  # the same request came before
            return known
        now_ms = self._clock.now_ms()
        run = Run(str(ULID()), script, broadcast, by.name, by.area, now_ms, now_ms + script.lasts_s * 1_000)
        await self._keep(run, by=by.name, verb="hold drill", detail=script.title)
        return run

    async def acknowledge(self, drill: str, *, by: Officer) -> Run:
        """This officer has noticed it (收到). A second time says nothing new.

        :raises UnknownDrill, DrillOver, RoleNotGranted:
        """
        may(by, Verb.DRILL, exercise=True, now_ms=self._clock.now_ms())
        run = await self.get(drill, by=by)
        if run.is_over:
            raise DrillOver(drill)
        if any(one.officer == by.name for one in run.acknowledged):
            return run
        said = Acknowledged(by.name, _township(by.area), self._clock.now_ms())
        return await self._keep(
            replace(run, acknowledged=(*run.acknowledged, said)), by=by.name, verb="acknowledge drill", detail=""
        )

    async def end(self, drill: str, *, by: Officer) -> Run:
        """Count the points now; who holds it need not wait for the last minute.

        :raises UnknownDrill, DrillOver, RoleNotGranted, AreaNotGranted:
        """
        run = await self.get(drill, by=by)
        may(by, Verb.DRILL, areas=[run.area], exercise=True, now_ms=self._clock.now_ms())
        if run.is_over:
            raise DrillOver(drill)
        done = await self._finish(run, by=by.name)
        await self._silence(run, by)
        return done

    async def tick(self) -> None:
        """Count the points of those whose time is over; call every second."""
        now_ms = self._clock.now_ms()
        for run in list(self._running.values()):
            if now_ms >= run.ends_ms:
                await self._finish(run, by="")
                if (held_by := await self._account(run.by)) is not None:
                    await self._silence(run, held_by.officer)

    # ---- questions ------------------------------------------------------------------------------------------------------

    async def get(self, drill: str, *, by: Officer) -> Run:
        """:raises UnknownDrill: there is none, or none for this officer's eyes."""
        run = self._running.get(drill) or await self._store.read(lambda tx: tx.drills.get(drill))
        if run is None or not self._sees(run, by):
            raise UnknownDrill(drill)
        return run

    async def page(self, *, by: Officer, before: str | None, limit: int) -> tuple[list[Run], str | None]:
        """Newest first; and where the next page begins."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        rows = await self._store.read(lambda tx: tx.drills.page(before=before, limit=limit))
        return [one for one in rows if self._sees(one, by)], rows[-1].id if len(rows) == limit else None

    def last_of(self, plan: str) -> Run | None:
        """The last drill of a plan that has ended."""
        return self._last.get(plan)

    def running(self, *, by: Officer) -> list[Run]:
        """Those that this officer may acknowledge or look at now."""
        return [one for _, one in sorted(self._running.items()) if self._sees(one, by)]

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _sees(self, run: Run, by: Officer) -> bool:
        places = run.script.areas or (run.area,)
        mine = any(covers(place, by.area) or covers(by.area, place) for place in places)
        return mine and holds(by, Verb.READ, now_ms=self._clock.now_ms())

    async def _keep(self, run: Run, *, by: str, verb: str, detail: str) -> Run:
        at_ms = self._clock.now_ms()

        def work(tx: Tx) -> None:
            tx.drills.save(run)
            tx.acts.add(ActRow(at_ms, by, verb, run.id, detail))

        await self._store.write(work)
        if run.is_over:
            self._running.pop(run.id, None)
            self._last[run.script.plan] = run
        else:
            self._running[run.id] = run
        self._changed()
        return run

    async def _finish(self, run: Run, *, by: str) -> Run:
        rows = self._ladder.rows(run.broadcast)
        if rows is None:
            rows = list(await self._store.read(lambda tx: tx.deliveries.of(run.broadcast)))
        evidence = await self._proofs.of(run.broadcast)
        confirmed = {name: any(one.proof.confirms for one in found) for name, found in evidence.proved.items() if found}
        seen = [self._seen(row, confirmed) for row in rows if row.speaker in self._estate]
        scores, percent = score(run, seen, await self._officers())
        done = replace(run, ended_ms=self._clock.now_ms(), scores=scores, percent=percent)
        await self._keep(done, by=by or run.by, verb="end drill", detail=f"{percent} %")
        if done.passed:
            latest_ms = run.began_ms + run.script.acknowledged_within_s * 1_000
            for name in {run.by, *(one.officer for one in run.acknowledged if one.at_ms <= latest_ms)}:
                await self._passed(name, run.id)
        return done

    async def _account(self, name: str) -> Account | None:
        return await self._store.read(lambda tx: tx.accounts.get(name))

    async def _silence(self, run: Run, by: Officer) -> None:
        """The points are counted; that the sound could not be ended is said, and is no reason to count them again."""
        try:
            await self._stop(run.broadcast, by=by)
        except BroadcastError as err:
            log.warning("the broadcast %s of the drill that ended goes on to its own end: %s", run.broadcast, err)

    def _seen(self, row: DeliveryRow, confirmed: Mapping[str, bool]) -> Seen:
        online = row.started_ms > 0 or self._speakers.status(row.speaker).presence is Presence.ONLINE
        area = self._estate.speaker(row.speaker).area
        return Seen(_township(area), online, row.started_ms, confirmed.get(row.speaker))

    async def _officers(self) -> Counter[str]:
        """How many of each township could have acknowledged."""
        accounts = await self._store.read(lambda tx: tx.accounts.all())
        now_ms = self._clock.now_ms()
        there = [one.officer for one in accounts if not one.disabled and depth(one.officer.area) >= TOWNSHIP]
        return Counter(_township(one.area) for one in there if holds(one, Verb.DRILL, now_ms=now_ms))


def _township(area: str) -> str:
    """The township that it lies in; of the city itself, the city."""
    return padded(significant(area)[:TOWNSHIP])
