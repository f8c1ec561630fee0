"""Planning (编排): programmes, areas' plans and the operator's days, each edit a new version with who and when.

The order of truth: checked, its sound made, committed, and then the next version of the boards concerned, live.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.boards import ROOM_BYTES
from broadcast.domain.broadcasts import Fault, InvalidRequest, day_of
from broadcast.domain.calendar import MAX_ENTRIES, DayEntry, check_entries
from broadcast.domain.conflicts import Preview, preview
from broadcast.domain.day_grid import Slot, day_slots
from broadcast.domain.day_heard import Piece, day_heard
from broadcast.domain.errors import BroadcastError, Overtaken
from broadcast.domain.occurrences import LONGEST_MS, is_over, next_start_ms
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.programme_boards import Overfull, Plan, overfull
from broadcast.domain.programme_checks import check_area_plan, check_programme
from broadcast.domain.programme_versions import PlanVersion, Version
from broadcast.domain.programmes import (
    NOTHING_YET,
    AreaPlan,
    Content,
    Programme,
    ProgrammeChanged,
    Speech,
    Stream,
    UnknownProgramme,
    as_of_today,
)
from broadcast.domain.rights import may
from broadcast.domain.wall_time import instant_ms
from broadcast.service.boards import Boards
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.live_ports import SourceRules
from broadcast.service.once import OnceKey
from broadcast.service.own_days import days_revision, next_days
from broadcast.service.ports import ActRow, KeptAnswer, SpeechFailed, Store, StoreUnavailable, Tx
from broadcast.service.programme_boards import ProgrammeBoards
from broadcast.service.programme_sounds import MissingFile, ProgrammeSounds
from broadcast.service.relaying import address_of
from endpoints.arbitration import QuietHours
from endpoints.area_codes import covers
from endpoints.protocol import MAX_SLOTS, OrderRule, Part

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
PREVIEW_DAYS = 366  # a whole year from its first time on, whichever year it is


class PlanChanged(Overtaken):
    """Someone else has saved the plan of this area since it was read."""

    def __init__(self, area: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.area = area
        super().__init__(f"the plan of {area} has been changed", revision, by, at_ms)


class ProgrammeBoardFull(BroadcastError):
    """With it a speaker would get more for its 48 hours than one board carries."""

    def __init__(self, found: Overfull) -> None:
        self.scope, self.from_ms, self.slots, self.size_bytes = found.scope, found.from_ms, found.slots, found.bytes
        self.most_slots, self.most_bytes = MAX_SLOTS, ROOM_BYTES
        super().__init__(
            f"the programme of {found.scope} would have {found.slots} slots and {found.bytes} bytes within 48 hours;"
            f" a speaker takes {MAX_SLOTS} and {ROOM_BYTES}"
        )


@dataclass(frozen=True, slots=True)
class Saved:
    """What an edit led to.

    :param on_air: ids of occurrences that have begun by the old version and go on; stopping is an act of its own.
    :param repeated: the same request came before; nothing was done again.
    """

    programme: str
    revision: int
    on_air: tuple[str, ...] = ()
    repeated: bool = False


class Programmes:
    """The use cases of the plan.

    :param quiet, rule: as at the speakers, for the preview.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        boards: ProgrammeBoards,
        live: Boards,
        sounds: ProgrammeSounds,
        sources: SourceRules,
        health: Health,
        quiet: QuietHours,
        rule: OrderRule,
    ) -> None:
        self._clock, self._store, self._estate, self._boards = clock, store, estate, boards
        self._live, self._sounds, self._health, self._quiet, self._rule = live, sounds, health, quiet, rule
        self._sources = sources

    # ---- programmes -----------------------------------------------------------------------------------------------------

    async def add(self, draft: Programme, *, by: Officer, once: OnceKey | None = None) -> Saved:
        """Put a new programme into the plan; its id, revision and date are given here.

        :raises InvalidRequest, AreaNotGranted, RoleNotGranted, SpeechFailed, ProgrammeBoardFull, KeyReused, StoreUnavailable:
            nothing was stored.
        """
        self._may_plan(by)
        if (before := await self._answered(by, once)) is not None:
            return before
        made = replace(draft, id=str(ULID()), revision=1, created_at_ms=self._clock.now_ms())
        return await self._save(made, None, by=by, verb="plan programme", once=once)

    async def change(
        self, programme: str, draft: Programme, *, by: Officer, revision: int, once: OnceKey | None = None
    ) -> Saved:
        """The next version of a programme; what has begun already stays as it was announced.

        :param revision: that the officer has read.
        :raises ProgrammeChanged: it is at another one now; and as `add`.
        """
        self._may_plan(by)
        if (before := await self._answered(by, once)) is not None:
            return before
        was = self._plannable(programme, by)
        made = replace(draft, id=programme, revision=revision + 1, created_at_ms=was.programme.created_at_ms)
        return await self._save(made, revision, by=by, verb="change programme", once=once)

    async def pause(self, programme: str, *, on: bool, by: Officer, revision: int) -> Saved:
        """It has no occurrences until it goes on (暂停, 恢复)."""
        self._may_plan(by)
        was = self._plannable(programme, by)
        made = replace(was.programme, paused=on, revision=revision + 1)
        version = Version(made, self._clock.now_ms(), by.name, was.content)
        if not on:
            await self._must_fit(version)
        return await self._commit(version, revision, by=by, verb="pause programme" if on else "resume programme")

    async def retire(self, programme: str, *, by: Officer, revision: int) -> Saved:
        """Take it out of the plan (删除). Its record stays, and what has begun already goes on to its end."""
        self._may_plan(by)
        was = self._plannable(programme, by)
        made = replace(was.programme, revision=revision + 1)
        version = Version(made, self._clock.now_ms(), by.name, was.content, retired=True)
        return await self._commit(version, revision, by=by, verb="retire programme")

    async def preview(self, draft: Programme, *, by: Officer, replaces: str = "", days: int = PREVIEW_DAYS) -> Preview:
        """What it would meet: who wins, where and why. Nothing is stored.

        :param replaces: id of the programme that it is the next version of.
        :param days: so many are looked at from its first time on, or from now on when it has begun.
        :raises InvalidRequest, AreaNotGranted, RoleNotGranted, ProgrammeBoardFull: as saving it would.
        """
        self._may_plan(by)
        now_ms, plan = self._clock.now_ms(), self._boards.plan
        made = replace(draft, id=replaces or str(ULID()), created_at_ms=now_ms)
        await self._must_be_right(made, by)
        content = await self._content_if_it_can(made)
        await self._must_fit(Version(made, now_ms, by.name, content))
        others = [one for one in plan.in_force() if one.id != made.id]
        contents: dict[str, Content] = {name: one.content for name, one in plan.versions.items()}
        contents[made.id] = content
        speakers = self._named((*others, made))
        live = [one.order for one in self._live.carried.values() if one.is_live(now_ms)]

        def work() -> Preview:
            first_ms = next_start_ms(made, plan.calendar, now_ms) or max(now_ms, _begin_ms(made))
            found = preview(
                as_of_today(made, plan.tree),
                others,
                tree=plan.tree,
                calendar=plan.calendar,
                from_ms=max(now_ms, first_ms - LONGEST_MS),  # with what sounds already when it begins
                until_ms=first_ms + days * DAY_MS,
                contents=contents,
                plans=plan.plans.values(),
                live=live,
                speakers=speakers,
                quiet=self._quiet,
                rule=self._rule,
            )
            return replace(found, over=is_over(made, plan.calendar, now_ms))

        return await asyncio.to_thread(work)

    # ---- plans of areas, and days ---------------------------------------------------------------------------------------

    async def save_plan(self, plan: AreaPlan, *, fallback: bytes, by: Officer, revision: int) -> int:
        """What holds for all routine of an area from now on; the new revision.

        :param fallback: hash of a file of the library; empty: none.
        :param revision: that was read, 0 when there was none.
        :raises InvalidRequest, AreaNotGranted, RoleNotGranted, PlanChanged, StoreUnavailable: nothing was stored.
        """
        self._may_plan(by)
        faults = check_area_plan(plan, self._estate.tree)
        if fallback and (code := self._sounds.fault(fallback)):
            faults.append(Fault("fallback", code, (("asset", fallback.hex()),)))
        if faults:
            raise InvalidRequest(faults)
        part: Part | None = None
        try:
            part = self._sounds.part(fallback) if fallback else None
        except MissingFile as err:  # deleted this instant
            raise InvalidRequest([Fault("fallback", "unknown-asset", (("asset", err.asset.hex()),))]) from None
        self._may_plan(by, plan.area)
        now_ms = self._clock.now_ms()
        version = PlanVersion(replace(plan, fallback=part), revision + 1, now_ms, by.name)

        def work(tx: Tx) -> None:
            newest = {one.plan.area: one for one in tx.programmes.plans()}.get(plan.area)
            if newest is None and revision != 0:
                raise PlanChanged(plan.area, 0)
            if newest is not None and newest.revision != revision:
                raise PlanChanged(plan.area, newest.revision, newest.saved_by, newest.saved_at_ms)
            tx.programmes.add_plan(version)
            tx.acts.add(ActRow(now_ms, by.name, "plan area", plan.area, f"revision {version.revision}"))

        await self._store.write(work)
        await self._renew()
        return version.revision

    async def plans(self) -> Mapping[str, PlanVersion]:
        """The newest of each area."""
        return {one.plan.area: one for one in await self._store.read(lambda tx: tx.programmes.plans())}

    async def set_days(self, entries: Sequence[DayEntry], *, by: Officer, revision: int) -> int:
        """The operator's own holidays and make-up workdays, the whole table; it stands above what was announced.

        :return: its new revision.
        :raises DaysChanged, InvalidRequest, AreaNotGranted, RoleNotGranted, StoreUnavailable: nothing was stored.
        """
        self._may_plan(by, *(city.code for city in self._estate.tree.cities))
        if faults := check_entries(entries):
            raise InvalidRequest(faults)
        now_ms, wanted = self._clock.now_ms(), {entry.day: entry for entry in entries}

        def work(tx: Tx) -> None:
            next_days(tx, revision, by=by.name, now_ms=now_ms)
            there = {entry.day: entry for entry in tx.programmes.days()}
            for day in there.keys() - wanted.keys():
                tx.programmes.drop_day(day)
            for day, entry in wanted.items():
                if there.get(day) != entry:
                    tx.programmes.save_day(entry)
            tx.acts.add(ActRow(now_ms, by.name, "change the calendar", "", f"{len(wanted)} days"))

        await self._store.write(work)
        await self._renew()
        return revision + 1

    async def set_day(self, day: date, entry: DayEntry | None, *, by: Officer) -> None:
        """What the operator says of one day, None: nothing; what stands of other days stays. :raises: as `set_days`."""
        self._may_plan(by, *(city.code for city in self._estate.tree.cities))
        if entry is not None and (faults := check_entries([entry])):
            raise InvalidRequest([Fault(one.field.rpartition(".")[2], one.code, one.facts) for one in faults])
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> None:
            next_days(tx, days_revision(tx), by=by.name, now_ms=now_ms)  # who has the whole table open learns of it
            if entry is None:
                tx.programmes.drop_day(day)
            elif len({one.day for one in tx.programmes.days()} | {day}) > MAX_ENTRIES:
                raise InvalidRequest([Fault("day", "too-many", (("most", str(MAX_ENTRIES)),))])
            else:
                tx.programmes.save_day(entry)
            said = f"{entry.kind.value} {entry.name}" if entry else "as announced"
            tx.acts.add(ActRow(now_ms, by.name, "change the calendar", "", f"{day} {said}"))

        await self._store.write(work)
        await self._renew()

    async def days(self) -> tuple[Sequence[DayEntry], int]:
        """The operator's own, in order, and the revision of the table."""
        return await self._store.read(lambda tx: (tx.programmes.days(), days_revision(tx)))

    # ---- questions ------------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """As the boards were derived from it."""
        return self._boards.plan

    def seen(self, by: Officer, *, retired: bool = False) -> list[Version]:
        """The programmes that concern the officer's area, by level and title."""
        found = [one for one in self.plan.versions.values() if (retired or not one.retired) and self.sees(one, by=by)]
        return sorted(found, key=lambda one: (-one.programme.level, one.programme.owner, one.programme.title))

    def sees(self, version: Version, *, by: Officer) -> bool:
        programme = version.programme
        places = [programme.owner, *programme.areas]
        places += [self._estate.speaker(name).area for name in programme.speakers if name in self._estate]
        return any(covers(by.area, place) or covers(place, by.area) for place in places)

    def get(self, programme: str, *, by: Officer) -> Version:
        """:raises UnknownProgramme: there is none, or none that this officer may see."""
        found = self.plan.versions.get(programme)
        if found is None or not self.sees(found, by=by):
            raise UnknownProgramme(programme)
        return found

    async def day(self, area: str, day: date, *, by: Officer) -> tuple[tuple[Piece, ...], tuple[Slot, ...]]:
        """What is heard there on that day, span by span, and why; and every slot by the plan. Its wall time is Beijing's.

        :raises UnknownArea, AreaNotGranted: the area is none that this officer may see.
        """
        plan, here = self._boards.plan, self._estate.tree.area(area).code
        may(by, Verb.READ, areas=[here], now_ms=self._clock.now_ms())
        contents: dict[str, Content] = {name: one.content for name, one in plan.versions.items()}
        programmes = plan.in_force()
        speakers = self._named(programmes)

        def work() -> tuple[tuple[Piece, ...], tuple[Slot, ...]]:
            asked = here, day, programmes, plan.calendar
            heard = day_heard(*asked, contents=contents, speakers=speakers, quiet=self._quiet, rule=self._rule)
            return heard, day_slots(*asked, contents=contents, speakers=speakers)

        return await asyncio.to_thread(work)

    async def history(self, programme: str, *, by: Officer) -> Sequence[Version]:
        """All its versions, oldest first. :raises UnknownProgramme: as `get`."""
        self.get(programme, by=by)
        return await self._store.read(lambda tx: tx.programmes.history(programme))

    # ---- what happens ---------------------------------------------------------------------------------------------------

    async def watch_files(self) -> None:
        """A file that the coming days need and that is gone: an alarm, and a spoken text is made again. Call every minute."""
        due = {one.programme for one in self._boards.rows.values() if one.is_live(self._clock.now_ms())}
        versions = [one for name, one in self.plan.versions.items() if name in due and one.in_force]
        gone = await asyncio.to_thread(self._sounds.missing, [one.content for one in versions])
        lost = [one for one in versions if any(part.asset in gone for part in one.content.parts)]
        left = [one for one in lost if not await self._made_again(one)]
        if len(left) < len(lost):
            await self._renew()
        if left:
            titles = ", ".join(one.programme.title for one in left[:5])
            self._health.raise_("programme-file-missing", programmes=str(len(left)), titles=titles)
        else:
            self._health.clear("programme-file-missing")

    async def _made_again(self, version: Version) -> bool:
        programme = version.programme
        if not isinstance(programme.source, Speech):
            return False
        try:
            content = await self._sounds.content(programme.source, programme=programme.id)
        except (SpeechFailed, InvalidRequest) as err:
            log.warning("programme %s is not spoken again: %s", programme.id, err)
            return False
        if content != version.content:
            await self._store.write(lambda tx: tx.programmes.keep_content(programme.id, programme.revision, content))
        return True

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _named(self, programmes: Iterable[Programme]) -> dict[str, str]:
        """The area of every speaker that one of them names by itself."""
        names = {name for one in programmes for name in one.speakers}
        return {name: self._estate.speaker(name).area for name in names if name in self._estate}

    def _may_plan(self, by: Officer, *areas: str) -> None:
        may(by, Verb.PLAN_PROGRAMME, areas=areas, now_ms=self._clock.now_ms())

    async def _must_be_right(self, programme: Programme, by: Officer) -> None:
        """:raises InvalidRequest, AreaNotGranted: every fault at once; rights are asked of what is right."""
        areas = {name: one.area for name, one in self._estate.speakers.items()}
        today = day_of(self._clock.now_ms())
        known = self._sounds.known(programme.source)
        faults = check_programme(programme, self._estate.tree, areas, known, today=today)
        if faults := [*faults, *await self._source_faults(programme, faults)]:
            raise InvalidRequest(faults)
        self._may_plan(by, programme.owner, *programme.areas, *(areas[name] for name in programme.speakers))

    async def _source_faults(self, programme: Programme, before: Sequence[Fault]) -> list[Fault]:
        """What a relay's source rules say against it; nothing is asked of an address that is none."""
        address = address_of(programme.source)
        if not address or any(fault.field.startswith("source.") for fault in before):
            return []
        field = "source.url" if isinstance(programme.source, Stream) else "source.device"
        fault = await self._sources.fault(address, field=field)
        return [] if fault is None else [fault]

    async def _must_fit(self, version: Version) -> None:
        """:raises ProgrammeBoardFull: rather than leave out slots later, when nobody looks."""
        plan = self._boards.plan
        made = as_of_today(version.programme, plan.tree)
        versions = {**plan.versions, made.id: replace(version, programme=made)}
        wanted, scopes, now_ms = replace(plan, versions=versions), (*made.areas, *made.speakers), self._clock.now_ms()

        def work() -> Overfull | None:
            first_ms = next_start_ms(made, plan.calendar, now_ms) or max(now_ms, _begin_ms(made))
            return overfull(wanted, now_ms, first_ms + PREVIEW_DAYS * DAY_MS, scopes=scopes)

        found = await asyncio.to_thread(work)
        if found is not None:
            raise ProgrammeBoardFull(found)

    async def _content_if_it_can(self, programme: Programme) -> Content:
        """For the preview. How long a text is when it is spoken, only a voice can say; when there is none now, nobody does."""
        try:
            return await self._content(programme)
        except SpeechFailed as err:
            log.warning("a preview goes without its words: %s", err)
            return NOTHING_YET

    async def _content(self, programme: Programme) -> Content:
        try:
            return await self._sounds.content(programme.source, programme=programme.id)
        except MissingFile as err:  # deleted this instant
            raise InvalidRequest([Fault("source.asset", "unknown-asset", (("asset", err.asset.hex()),))]) from None

    async def _save(
        self, made: Programme, revision: int | None, *, by: Officer, verb: str, once: OnceKey | None
    ) -> Saved:
        await self._must_be_right(made, by)
        if is_over(made, self._boards.plan.calendar, self._clock.now_ms()):
            raise InvalidRequest([Fault("pattern.last" if made.pattern.last else "pattern.dates_in", "is-over")])
        version = Version(made, self._clock.now_ms(), by.name, await self._content(made))
        await self._must_fit(version)
        return await self._commit(version, revision, by=by, verb=verb, once=once)

    async def _commit(
        self, version: Version, revision: int | None, *, by: Officer, verb: str, once: OnceKey | None = None
    ) -> Saved:
        programme = version.programme

        def work(tx: Tx) -> Saved | None:
            if once is not None:
                kept = tx.answers.get(by.name, once.key)
                if kept is not None:
                    return _repeat(kept, once)
                answer = f"{programme.id} {programme.revision}"
                tx.answers.add(by.name, once.key, KeptAnswer(once.body_hash, answer, version.saved_at_ms))
            newest = tx.programmes.get(programme.id)
            if newest is not None and newest.programme.revision != revision:
                at = newest.programme.revision
                raise ProgrammeChanged(programme.id, at, newest.saved_by, newest.saved_at_ms)
            tx.programmes.add(version)
            tx.acts.add(ActRow(version.saved_at_ms, by.name, verb, programme.id, programme.title))
            return None

        if (before := await self._store.write(work)) is not None:
            return before
        await self._renew()
        on_air = tuple(one.id for one in self._boards.running() if one.programme == programme.id)
        return Saved(programme.id, programme.revision, on_air)

    async def _renew(self) -> None:
        """What was committed goes on the boards; when the database is away now, the next housekeeping does it."""
        try:
            await self._boards.renew()
        except StoreUnavailable as err:
            log.warning("the programme boards follow later: %s", err.cause)

    def _plannable(self, programme: str, by: Officer) -> Version:
        """:raises UnknownProgramme, AreaNotGranted: who may change a programme is who holds its owner's area."""
        was = self.get(programme, by=by)
        if was.retired:
            raise UnknownProgramme(programme)
        self._may_plan(by, was.programme.owner)
        return was

    async def _answered(self, by: Officer, once: OnceKey | None) -> Saved | None:
        if once is None:
            return None
        kept = await self._store.read(lambda tx: tx.answers.get(by.name, once.key))
        return None if kept is None else _repeat(kept, once)


def _begin_ms(programme: Programme) -> int:
    """The first day on which it may sound; nobody knows yet on which it will."""
    return instant_ms(programme.zone, programme.pattern.first, time()) or 0


def _repeat(kept: KeptAnswer, once: OnceKey) -> Saved:
    name, revision = once.words(kept)
    return Saved(name, int(revision), repeated=True)
