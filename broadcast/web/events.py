"""The wall live, as server-sent events: first the whole, then what changes, numbered, ten times a second at most.

Events: `snapshot` (the whole wall; after a reconnect only when too much was missed), `change` (cells, counts, who is in trouble),
`state` (what is on air, conditions), `tick` (nothing happened; whoever hears none for 20 s shows the wall as stale).
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Iterable
from typing import Any

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from broadcast.domain.broadcasts import Broadcast, UnknownBroadcast
from broadcast.domain.officers import Officer, RoleNotGranted
from broadcast.domain.rights import PasswordChangeNeeded, verbs_of
from broadcast.service.feed import Batch
from broadcast.service.officers import NotSignedIn
from broadcast.service.wall import WallView
from broadcast.web.errors import TooManyStreams
from broadcast.web.models import BroadcastOut, In, MissingOut, counts_out
from broadcast.web.openapi import Api, Call
from broadcast.web.services import Services
from broadcast.web.session import officer_of
from broadcast.web.words import rfc3339
from endpoints.delivery import State

TICK_S = 10.0
PENDING_LOOK_S = 1.0  # a board reaches the broker without any event of ours
MOST_STREAMS = 8  # an officer; a browser opens six to one host
SEND_WITHIN_S = 5.0  # a reader that takes longer is dropped and comes back for a snapshot
MOST_MISSING = 60  # by name in one event; the page says how many more there are
RUN = secrets.token_hex(3)  # numbers of an earlier run of this process mean nothing

api = Api()


class Streams:
    """The open streams, so that they can be counted and ended."""

    def __init__(self) -> None:
        self._open: dict[str, dict[asyncio.Task[Any], web.Request]] = {}

    def enter(self, officer: str, request: web.Request) -> asyncio.Task[Any]:
        """:raises TooManyStreams: this officer has enough of them. One whose window has closed counts no more."""
        mine = self._open.setdefault(officer, {})
        for old, its_request in list(mine.items()):  # it would notice by itself when it writes: up to TICK_S later
            if its_request.transport is None or its_request.transport.is_closing():
                del mine[old]
                old.cancel()
        if len(mine) >= MOST_STREAMS:
            raise TooManyStreams(MOST_STREAMS)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("not in a task")
        mine[task] = request
        return task

    def leave(self, officer: str, task: asyncio.Task[Any]) -> None:
        mine = self._open.get(officer, {})
        mine.pop(task, None)
        if not mine:
            self._open.pop(officer, None)

    @property
    def count(self) -> int:
        return sum(len(tasks) for tasks in self._open.values())

    async def close(self) -> None:
        tasks = [task for tasks in self._open.values() for task in tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2)


STREAMS = web.AppKey("streams", Streams)


class EventsQuery(In):
    """:param broadcast: the one to follow; without it, the newest live one, and who is there while none is."""

    broadcast: str | None = None


@api.get("/events", media="text/event-stream", errors=(UnknownBroadcast, TooManyStreams))
async def follow(call: Call, query: EventsQuery) -> web.StreamResponse:
    """Follow the wall as server-sent events: `snapshot`, then `change`, `state` and `tick`.

    `Last-Event-ID` goes on where a broken stream ended, or starts with a new snapshot when too much was missed.
    """
    services, officer = call.services, call.officer
    chosen = await services.wall.get(query.broadcast, by=officer) if query.broadcast else None
    streams = call.request.app[STREAMS]
    task = streams.enter(officer.name, call.request)
    answer: web.StreamResponse = web.Response()  # of a window that closed before its stream was open
    try:
        async with sse_response(call.request, send_timeout=SEND_WITHIN_S, ping_interval=15) as stream:
            answer = stream
            await _Follower(services, officer, call.request, stream, chosen).run(
                call.request.headers.get("Last-Event-ID")
            )
    except (ConnectionError, TimeoutError):  # gone, or too slow
        pass
    finally:
        streams.leave(officer.name, task)
    return answer


class _Follower:
    """One open window."""

    def __init__(
        self,
        services: Services,
        officer: Officer,
        request: web.Request,
        stream: EventSourceResponse,
        chosen: Broadcast | None,
    ) -> None:
        self._services, self._officer, self._request, self._stream = services, officer, request, stream
        self._chosen = chosen.id if chosen else ""
        self._state: dict[str, Any] = {}

    async def run(self, last_id: str | None) -> None:
        view = await self._fresh()
        missed = self._missed(view, last_id)
        if missed is None:
            await self._send_snapshot(view)
        else:
            await self._send_cells(view, missed)
        await self._send_state()
        while True:
            timeout_s = PENDING_LOOK_S if self._services.boards.pending else TICK_S
            news = await self._services.feed.wait(view.seq, timeout_s=timeout_s)
            try:
                officer = await officer_of(self._request, touch=False)
            except (NotSignedIn, RoleNotGranted, PasswordChangeNeeded):
                await self._stream.send("{}", event="signed-out")
                return
            if officer != self._officer:
                view, self._officer = await self._as(officer, view), officer
            if news:
                view = await self._follow(view)
            state_sent = await self._send_state()
            if not news and not state_sent:
                await self._send("tick", {"now": rfc3339(self._services.clock.now_ms())})

    async def _as(self, officer: Officer, view: WallView) -> WallView:
        """The wall of who may see something else now. :raises UnknownBroadcast: not even what was followed."""
        if officer.area == self._officer.area:
            return view
        self._officer = officer
        fresh = await self._fresh()
        await self._send_snapshot(fresh)
        return fresh

    async def _follow(self, view: WallView) -> WallView:
        batches = self._services.feed.since(view.seq)
        if batches is None or any(batch.broadcasts for batch in batches):
            fresh = await self._fresh()
            if batches is None or fresh.broadcast is None or view.broadcast is None:
                await self._send_snapshot(fresh)
                return fresh
            if fresh.broadcast.id != view.broadcast.id or fresh.layout is not view.layout:
                await self._send_snapshot(fresh)
                return fresh
            view.broadcast = fresh.broadcast
        view.seq = batches[-1].seq if batches else view.seq
        changed = self._services.wall.update(view, self._touched(view, batches))
        await self._send("change", self._change(view, changed), seq=view)
        return view

    def _touched(self, view: WallView, batches: Iterable[Batch]) -> set[str]:
        names: set[str] = set()
        for batch in batches:
            names |= batch.speakers
            if view.broadcast is not None:
                names |= batch.deliveries.get(view.broadcast.id, set())
                if view.broadcast.id in batch.broadcasts:  # it ended or was cut: presence may count no more
                    names |= view.speakers.keys()
        return names

    def _missed(self, view: WallView, last_id: str | None) -> set[int] | None:
        """The cells to look at again after a short break; None when only a snapshot helps."""
        mark, _, number = (last_id or "").rpartition(".")
        if mark != self._mark(view) or not number.isascii() or not number.isdigit() or len(number) > 12:
            return None
        batches = self._services.feed.since(int(number))
        if batches is None or any(batch.broadcasts for batch in batches):
            return None
        names = self._touched(view, batches)
        return {view.layout.cell_of[name] for name in names if name in view.layout.cell_of}

    async def _fresh(self) -> WallView:
        seq = self._services.feed.seq
        wall = self._services.wall
        broadcast = await wall.get(self._chosen, by=self._officer) if self._chosen else wall.newest(self._officer)
        return await wall.view(by=self._officer, broadcast=broadcast, seq=seq)

    def _mark(self, view: WallView) -> str:
        """Numbers only go on for the same run, wall and broadcast."""
        what = f"{self._officer.area} {len(view.layout.cells)} {len(view.layout.cell_of)}"
        wall = hashlib.sha256(what.encode()).hexdigest()[:6]
        return f"{RUN}.{wall}.{view.broadcast.id if view.broadcast else '-'}"

    async def _send_snapshot(self, view: WallView) -> None:
        cells = [[cell.code, cell.name, look.value] for cell, look in zip(view.layout.cells, view.looks, strict=True)]
        panels = [{"code": panel.code, "name": panel.name, "cells": list(panel.cells)} for panel in view.layout.panels]
        body = {"broadcast": self._broadcast(view), "cells": cells, "panels": panels, **self._sums(view)}
        await self._send("snapshot", body, seq=view)

    async def _send_cells(self, view: WallView, cells: set[int]) -> None:
        body = {"cells": [[index, view.looks[index].value] for index in sorted(cells)], **self._sums(view)}
        await self._send("change", body, seq=view)

    def _change(self, view: WallView, changed: list[tuple[int, Any]]) -> dict[str, Any]:
        cells = [[index, look.value] for index, look in changed]
        return {"cells": cells, "broadcast": self._broadcast(view), **self._sums(view)}

    def _sums(self, view: WallView) -> dict[str, Any]:
        missing = self._services.wall.missing(view)
        townships = {panel.code: counts_out(view.counts_of(panel)) for panel in view.layout.panels}
        return {
            "counts": counts_out(view.counts),
            "townships": townships,
            "missing": [MissingOut.of(one).model_dump() for one in missing[:MOST_MISSING]],
            "missing_total": len(missing),
        }

    def _broadcast(self, view: WallView) -> dict[str, Any] | None:
        one = view.broadcast
        if one is None:
            return None
        pending = one.id in self._services.boards.carried and self._services.boards.is_pending(one)
        return BroadcastOut.of(one, pending=pending).model_dump()

    async def _send_state(self) -> bool:
        state = state_of(self._services, self._officer)
        if state == self._state:
            return False
        self._state = state
        await self._send("state", state)
        return True

    async def _send(self, event: str, body: dict[str, Any], *, seq: WallView | None = None) -> None:
        number = f"{self._mark(seq)}.{seq.seq}" if seq is not None else None
        await self._stream.send(json.dumps(body, ensure_ascii=False, separators=(",", ":")), event=event, id=number)


def _heard_of(services: Services, one: Broadcast) -> dict[str, int]:
    """What its speakers say: an order is on the air where one of them reports so, and nowhere else."""
    counts = services.wall.heard_of(one.id)
    silent = counts.get(State.EXPECTED, 0) + counts.get(State.UNREACHED, 0)
    meant = sum(counts.values())
    return {"meant": meant, "answered": meant - silent, "sounding": counts.get(State.SOUNDING, 0)}


def _ringing(services: Services, officer: Officer) -> dict[str, Any]:
    """How many alarms nobody has answered for, and how the highest of them sounds."""
    now = services.watch.alarms.ringing(officer.area)
    rank = now.rank.name.lower() if now.rank else None
    return {"sounding": now.sounding, "open": now.open, "rank": rank, "newest": now.newest}


def mark_of(officer: Officer, *, now_ms: int) -> str:
    """Another text whenever who asks may do something else than before: the page then asks `/me` again."""
    held = sorted((verb.value, areas) for verb, areas in verbs_of(officer, now_ms=now_ms).items())
    flags = (officer.exercise_only, officer.must_drill, officer.locked, officer.step_up, officer.must_change)
    what = (officer.title, officer.role.value, officer.area, officer.grants, flags, held)
    return hashlib.sha256(repr(what).encode()).hexdigest()[:12]


def state_of(services: Services, officer: Officer) -> dict[str, Any]:
    """What stands in the head of every page."""
    live = [one for one in services.broadcasts.live() if services.wall.sees(one, by=officer)]
    live += services.wall.running(officer)[:1]  # dozens of townships may have one of their own
    presence = {"online": 0, "offline": 0, "unknown": 0}
    for speaker in services.estate.inside(officer.area):
        presence[services.speakers.status(speaker.id).presence.value] += 1
    return {
        "on_air": [
            {
                "id": one.id,
                "headline": one.headline,
                "exercise": one.order.exercise,
                "routine": bool(one.programme),
                "kind": one.order.kind.name.lower(),
                "severity": one.order.severity.name.lower(),
                **_heard_of(services, one),
                "begins": one.order.not_before_ms,
                "ends": one.order.not_after_ms,
                "pending": (services.planning.boards if one.programme else services.boards).is_pending(one),
            }
            for one in live
        ],
        "presence": presence,
        "conditions": [
            {"name": one.name, "since": one.since_ms, "facts": dict(one.facts)} for one in services.health.conditions
        ],
        "me": mark_of(officer, now_ms=services.clock.now_ms()),
        "wire_up": services.wire_up(),
        "approvals": services.approvals.counts(by=officer),
        "alarms": _ringing(services, officer),
        "drills": [
            {"id": one.id, "title": one.script.title, "ends": one.ends_ms}
            for one in services.drills.running(by=officer)
        ],
    }
