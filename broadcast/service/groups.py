"""Named sets of speakers (终端分组): kept, changed, and told as areas and speakers when something is sent to them."""

from collections.abc import Sequence
from dataclasses import replace

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Fault, InvalidRequest, StartBroadcast
from broadcast.domain.groups import MAX_GROUPS, Group, GroupChanged, UnknownGroup, check_group, expanded
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, may
from broadcast.service.changers import changer_of
from broadcast.service.estate import Estate
from broadcast.service.ports import ActRow, Store, Tx
from endpoints.area_codes import covers


class Groups:
    """A group belongs to an area; whoever holds that may use it, and who looks after speakers there may change it."""

    def __init__(self, *, clock: Clock, store: Store, estate: Estate) -> None:
        self._clock, self._store, self._estate = clock, store, estate

    async def all(self, *, by: Officer) -> list[Group]:
        """Those that the officer may use, by name."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        return [one for one in await self._store.read(lambda tx: tx.groups.all()) if covers(by.area, one.owner)]

    async def get(self, group: str, *, by: Officer) -> Group:
        """:raises UnknownGroup: none of that id that the officer may use."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        return _seen(await self._store.read(lambda tx: tx.groups.get(group)), group, by)

    async def add(self, group: Group, *, by: Officer) -> Group:
        """A new one; id and revision are ours. :raises InvalidRequest, RoleNotGranted, AreaNotGranted:"""
        made = replace(group, id=str(ULID()), revision=1)
        self._check(made, by)
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> None:
            if len(tx.groups.all()) >= MAX_GROUPS:
                raise InvalidRequest([Fault("name", "too-many", (("most", str(MAX_GROUPS)),))])
            tx.groups.add(made)
            tx.acts.add(ActRow(now_ms, by.name, "add group", made.id, made.name))

        await self._store.write(work)
        return made

    async def change(self, group: Group, *, by: Officer) -> Group:
        """`revision` is that from which the change starts. :raises UnknownGroup, GroupChanged, and those of `add`:"""
        self._check(group, by)
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> Group:
            was = _seen(tx.groups.get(group.id), group.id, by)
            may(by, Verb.MANAGE_ESTATE, areas=[was.owner], now_ms=now_ms)
            if was.revision != group.revision:
                raise _overtaken(tx, was, now_ms)
            now = replace(group, revision=was.revision + 1)
            tx.groups.save(now)
            tx.acts.add(ActRow(now_ms, by.name, "change group", now.id, now.name))
            return now

        return await self._store.write(work)

    async def drop(self, group: str, *, by: Officer, revision: int) -> None:
        """:raises UnknownGroup, GroupChanged, RoleNotGranted, AreaNotGranted:"""
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_ESTATE, now_ms=now_ms)

        def work(tx: Tx) -> None:
            was = _seen(tx.groups.get(group), group, by)
            may(by, Verb.MANAGE_ESTATE, areas=[was.owner], now_ms=now_ms)
            if was.revision != revision:
                raise _overtaken(tx, was, now_ms)
            tx.groups.drop(group)
            tx.acts.add(ActRow(now_ms, by.name, "drop group", group, was.name))

        await self._store.write(work)

    async def expand(self, command: StartBroadcast, groups: Sequence[str], *, by: Officer) -> StartBroadcast:
        """The command with what these groups hold now; from here on it does not change with them.

        :raises InvalidRequest: there is no such group, or together they hold too much.
        """
        if not groups:
            return command
        known = {one.id: one for one in await self.all(by=by)}
        faults = [Fault(f"groups.{n}", "unknown-group") for n, name in enumerate(groups) if name not in known]
        if faults:
            raise InvalidRequest(faults)
        chosen = [known[name] for name in dict.fromkeys(groups)]
        there = self._estate.speakers
        areas, speakers, faults = expanded(chosen, there, areas=command.areas, speakers=command.speakers)
        if not (areas or speakers):
            faults.append(Fault("groups", "empty-target"))
        if faults:
            raise InvalidRequest(faults)
        return replace(command, areas=areas, speakers=speakers)

    def _check(self, group: Group, by: Officer) -> None:
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_ESTATE, now_ms=now_ms)
        may(by, Verb.MANAGE_ESTATE, areas=[group.owner], now_ms=now_ms)
        homes = {name: one.area for name, one in self._estate.speakers.items()}
        if group.owner not in self._estate.tree:
            raise InvalidRequest([Fault("owner", "unknown-area", (("area", group.owner),))])
        if faults := check_group(group, self._estate.tree, homes, now_ms=now_ms):
            raise InvalidRequest(faults)


def _overtaken(tx: Tx, was: Group, now_ms: int) -> GroupChanged:
    return GroupChanged(was.id, was.revision, *changer_of(tx, was.id, "add group", "change group", now_ms=now_ms))


def _seen(found: Group | None, group: str, by: Officer) -> Group:
    if found is None or not covers(by.area, found.owner):
        raise UnknownGroup(group)
    return found
