"""Exhaustive search of a small world around the real `Player`: whatever a hostile network, a thief of power and a split server do.

One speaker; a programme and an emergency that end at different times, each issued and cancelled by an operator at any moment; a
second server that takes over, and the first that does not notice; a network that delivers any frame ever sent, as often and as late
as it likes, beside forged and foreign ones, and replays old answers for the time; power that goes twice, also between two effects;
a battery clock that lies once. In some worlds the programme stands on a programme board beside the emergency's board. Every state
that can be reached is visited, and in each:

* STALE: nothing sounds outside of the true time of its order;
* ZOMBIE: what sounds stands on the newest board that was ever acted on;
* TWICE: what was played out does not begin again;
* LATE: what has not begun by its latest start does not begin;
* EARLY: what stands on a programme is reported and sounds from its minute on, not before;
* FOREIGN: nothing sounds that was said to others or by others;
* UNSAID: every step is in the journal, and what is over is so in the ledger;
* DIVERGE: after one fresh time and the newest board, it plays what the server wants.

    .venv/bin/python -m tests.endpoints.model
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

from endpoints.effects import Effect, Identity, Keep, Play
from endpoints.kept import Kept, Progress
from endpoints.player import Player
from endpoints.protocol import (
    Board,
    Order,
    OrderRule,
    ProgrammeBoard,
    Resume,
    Stage,
    TimeAnswer,
    encode_board,
    encode_programme,
    encode_time_answer,
)
from endpoints.sealing import Message, NotAuthentic, Opened, TrustedKey, TrustStore, seal
from tests.endpoints.rig import (
    BEGIN,
    COUNTY,
    NEVER_QUIET,
    OTHER_TOWN,
    SERVER,
    TOWN,
    VILLAGE,
    Authority,
    ms,
    order,
    routine,
)

STEP_S = 1_800  # two of them, and the ledger forgets
TOWNSHIP = Authority("town", TOWN)
QUESTION, SPENT = b"question", b"spent..."
LONG = {"asset": b"l" * 32, "asset_bytes": 9, "asset_ms": 86_400_000, "resume": Resume.RESTART}


def at(step: int) -> float:
    return BEGIN + step * STEP_S


def server_ms(step: int) -> int:
    return ms(step * STEP_S)


@dataclass(frozen=True)
class World:
    """What can happen, and how often."""

    name: str = "after a boot silent until one fresh time"
    steps: int = 5
    programme_ends: int = 4
    emergency_ends: int = 2
    cuts: int = 2
    failover: bool = True
    battery_clock: bool = False
    lies_back: int = 0  # steps, once, at a boot
    with_programme: bool = True
    with_emergency: bool = True
    staged: bool = False  # the programme stands on a programme board, begins a step later, and has a latest start

    @property
    def families(self) -> dict[Message, frozenset[str]]:
        """Which orders stand on which board."""
        if not self.staged:
            return {Message.BOARD: frozenset(self.orders)}
        return {Message.BOARD: frozenset(self.orders) - {"r"}, Message.PROGRAMME: frozenset("r")}

    @property
    def orders(self) -> dict[str, Order]:
        programme = routine("r", issued_at_ms=server_ms(0), not_before_ms=server_ms(0))
        emergency = order("e", issued_at_ms=server_ms(0), not_before_ms=server_ms(0))
        both = {
            "r": replace(programme, not_after_ms=server_ms(self.programme_ends), **LONG),  # type: ignore[arg-type]
            "e": replace(emergency, not_after_ms=server_ms(self.emergency_ends), **LONG),  # type: ignore[arg-type]
        }
        if self.staged:
            times = {"not_before_ms": server_ms(1), "start_by_ms": server_ms(1) + 1, "resume": Resume.REJOIN}
            both["r"] = replace(both["r"], **times)  # type: ignore[arg-type]
        wanted = {"r": self.with_programme, "e": self.with_emergency}
        return {name: one for name, one in both.items() if wanted[name]}


Version = tuple[int, int]
History = tuple[str, ...]


@cache
def written(history: History, family: frozenset[str]) -> dict[Version, frozenset[str]]:
    """Every board of a family that the servers have ever written: (epoch, version) and the orders on it.

    :param family: which orders stand on it.

    `+r -e` issue and cancel; `F`: another server takes over with epoch 2; `z`: the first one, that does not know, writes again.
    """
    boards: dict[Version, frozenset[str]] = {(1, 0): frozenset()}
    now: frozenset[str] = frozenset()
    at_failover: frozenset[str] = frozenset()
    epoch, version, old_version = 1, 0, 0
    for act in history:
        if act == "z":
            boards[1, old_version + 1] = at_failover
            continue
        if act == "F":
            epoch, at_failover, old_version = 2, now, version
        elif act[1] not in family:
            continue
        elif act[0] == "+":
            now |= {act[1]}
        else:
            now -= {act[1]}
        version += 1
        boards[epoch, version] = now
    return boards


def newest(history: History, family: frozenset[str]) -> Version:
    return max(written(history, family))


def acts(history: History, orders: Iterable[str], *, failover: bool) -> Iterator[str]:
    for name in orders:
        if "+" + name not in history:
            yield "+" + name
        elif "-" + name not in history:
            yield "-" + name
    if failover and history:
        if "F" not in history:
            yield "F"
        elif "z" not in history:
            yield "z"


class Table:
    """A trust that looks signatures up instead of computing them; the rest of the way is the real one."""

    def __init__(self) -> None:
        self.keys: tuple[TrustedKey, ...] = (SERVER.key, TOWNSHIP.key)
        self.frames: dict[str, bytes] = {}
        self._opened: dict[bytes, Opened] = {}

    def add(self, name: str, payload: bytes, by: Authority = SERVER) -> bytes:
        """The frame of that name, whose first word is what kind of message it is."""
        self.frames[name] = frame = self._signed(name, payload, by)
        return frame

    def _signed(self, name: str, payload: bytes, by: Authority) -> bytes:
        frame = name.encode()
        self._opened[frame] = Opened(by.key, payload)
        return frame

    def open(self, frame: bytes, message: Message, *, exercise: bool) -> Opened:
        opened = self._opened.get(frame)
        if opened is None or not frame.startswith(message.value.encode()) or exercise:
            raise NotAuthentic("not in the table")
        return opened


class Signed(Table):
    """The same with real signatures, fifty times as slow."""

    def __init__(self) -> None:
        super().__init__()
        self._store = TrustStore(self.keys)

    def _signed(self, name: str, payload: bytes, by: Authority) -> bytes:
        return seal(payload, Message(name.split(maxsplit=1)[0]), exercise=False, signer=by.signer)

    def open(self, frame: bytes, message: Message, *, exercise: bool) -> Opened:
        return self._store.open(frame, message, exercise=exercise)


class Dice:
    """Every question has the same nonce: the model lets no answer be kept for a later one, since real nonces differ."""

    def randbytes(self, _: int) -> bytes:
        return QUESTION

    def uniform(self, _low: float, _high: float) -> float:
        return 1.0


class Violation(AssertionError):
    """A rule was broken; the shortest way there is not promised, a way is."""

    def __init__(self, rule: str, trace: Iterable[str]) -> None:
        self.rule, self.trace = rule, tuple(trace)
        super().__init__(f"{rule}: {' | '.join(self.trace)}")


Copied = TypeVar("Copied")


def twin(one: Copied) -> Copied:
    """`copy.copy` for a class of slots, five times as fast."""
    other = object.__new__(type(one))
    for name in one.__slots__:  # type: ignore[attr-defined]
        object.__setattr__(other, name, getattr(one, name))
    return other


def fork(player: Player) -> Player:
    """A copy that shares only what never changes."""
    other: Any = twin(player)
    other._shelf, other._ledger, other._journal = twin(player._shelf), twin(player._ledger), twin(player._journal)
    other._air, other._time = twin(player._air), twin(player._time)
    other._mine, other._out = dict(player._mine), []
    other._shelf._held = {scope: twin(held) for scope, held in player._shelf._held.items()}
    other._shelf._epochs, other._shelf._early = dict(player._shelf._epochs), dict(player._shelf._early)
    other._ledger._progress, other._ledger._journal = dict(player._ledger._progress), other._journal
    other._journal._waiting = []  # emptied after every act
    other._budget = other._air._budget = twin(player._budget)
    other._air._ledger, other._air.out = other._ledger, []
    if player._air._on_air is not None:
        other._air._on_air = twin(player._air._on_air)
    other._time._asked = list(player._time._asked)
    return other  # type: ignore[no-any-return]


def _life(progress: Iterable[Progress]) -> tuple[object, ...]:
    """Of an order only what decides whether it may sound: over, sounding (it matters when the power goes), or neither."""
    return tuple((p.order, "over" if p.terminal else p.stage is Stage.SOUNDING) for p in progress)


def key_of(player: Player, now: float, *, with_floor: bool) -> tuple[object, ...]:
    """All of a player that decides what will sound; not what it says, and not where in a sound it is."""
    held = tuple((h.frame, h.proven, h.void) for h in player._shelf._held.values())
    held += tuple(frame for frame, _ in player._shelf._early.values())
    floor = player._time.floor_ms(now) if with_floor else 0
    ledger, epochs = _life(player._ledger), tuple(player._shelf.epochs.values())
    return player.time_ms(now), held, ledger, player.on_air, player._air.change_at, epochs, floor


def key_of_disk(disk: Kept, *, with_floor: bool) -> tuple[object, ...]:
    floor = disk.time_floor_ms if with_floor else 0
    return disk.boards, _life(disk.progress.values()), tuple(disk.epochs.values()), floor


@dataclass(slots=True)
class Node:
    """One state of the world.

    :param seen: the newest board of each family that was ever acted on.
    :param finished: what was played out, and said so.
    :param begun: what has ever sounded.
    """

    step: int
    history: History
    cuts: int
    lies: int
    seen: tuple[Version, ...]
    finished: frozenset[str]
    begun: frozenset[str]
    player: Player
    disk: Kept
    trace: tuple[object, ...] = ()


def asks_and_is_told(player: Player, answer: bytes, now: float) -> list[Effect]:
    """What the answer leads to; of the question nothing has to be remembered."""
    player.connected(now)
    return player.time(answer, now)


class Search:
    """Visits every state of a world once."""

    def __init__(self, world: World, trust: Table | None = None) -> None:
        self.world, self.trust = world, trust or Table()
        self.states = self.transitions = 0
        self._orders, self._families = world.orders, world.families
        self._made: dict[tuple[Message, Version, frozenset[str]], bytes] = {}
        who = Identity("v-001", VILLAGE, bytes(32), quiet=NEVER_QUIET)
        self._who = who
        stranger = replace(order("x"), not_after_ms=server_ms(9), **LONG)  # type: ignore[arg-type]
        foreign = routine("y", not_before_ms=server_ms(0), not_after_ms=server_ms(9))
        self._hostile = (
            b"board forged",
            self.trust.add("board of others", encode_board(Board(OTHER_TOWN, 1, 99, server_ms(0), (stranger,)))),
            self.trust.add(
                "board by a township",
                encode_board(Board(COUNTY, 1, 99, server_ms(0), (replace(stranger, areas=(TOWN,)),))),
                TOWNSHIP,
            ),
        )
        self._hostile_programmes = (
            self.trust.add(
                "programme of others",
                encode_programme(ProgrammeBoard(OTHER_TOWN, 1, 99, server_ms(0), (foreign,), server_ms(9))),
            ),
            self.trust.add(
                "programme by a township",
                encode_programme(ProgrammeBoard(COUNTY, 1, 99, server_ms(0), (foreign,), server_ms(9))),
                TOWNSHIP,
            ),
        )

    def run(self) -> "Search":
        """:raises Violation: with the way that led there."""
        world = self.world
        seen = ((0, 0),) * len(self._families)
        first = Node(0, (), world.cuts, 1, seen, frozenset(), frozenset(), self._boot(Kept(), 0, 0), Kept())
        self._settle_in(first)
        waiting, known = [first], {self._key(first)}
        while waiting:
            node = waiting.pop()
            self.states += 1
            for after in self._successors(node):
                self.transitions += 1
                name = self._key(after)
                if name not in known:
                    known.add(name)
                    self._check_healing(after)
                    waiting.append(after)
        return self

    def _key(self, node: Node) -> tuple[object, ...]:
        with_floor = self.world.battery_clock
        player = key_of(node.player, at(node.step), with_floor=with_floor)
        disk = key_of_disk(node.disk, with_floor=with_floor) if node.cuts else ()
        lies = node.lies if self.world.lies_back else 0
        begun = node.begun if self.world.staged else ()
        return node.step, node.history, node.cuts, lies, node.seen, node.finished, begun, player, disk

    # ---- what can happen --------------------------------------------------------------------------------------------------

    def _successors(self, node: Node) -> Iterator[Node]:
        now = at(node.step)
        if node.step < self.world.steps:
            yield from self._step(node, "a step of time", lambda p: p.tick(at(node.step + 1)), step=node.step + 1)
        for act in acts(node.history, self._orders, failover=self.world.failover):
            yield replace(node, history=(*node.history, act), player=fork(node.player), trace=(node.trace, act))
        for family, names in self._families.items():
            for version in written(node.history, names):
                if version[1]:
                    frame = self._board(node.history, version, family)
                    deliver = lambda p, f=frame, m=family: p.board(f, now, m)  # noqa: E731
                    yield from self._step(node, f"{family} {version}", deliver)
        for frame in self._hostile:
            self._refuses(node, frame, Message.BOARD)
        for frame in self._hostile_programmes if self.world.staged else ():
            self._refuses(node, frame, Message.PROGRAMME)
        answer = self._answer(node.step, self._epoch(node.history), QUESTION)
        yield from self._step(node, "asks and is told", lambda p: asks_and_is_told(p, answer, now))
        for step in {0, node.step - 1} - {-1, node.step}:
            spent = self._answer(step, 1, SPENT)
            yield from self._step(node, f"the answer of {step} again", lambda p, f=spent: p.time(f, now))  # type: ignore[misc]
        if node.player.on_air:
            yield from self._step(node, "played out", lambda p: p.finished(p.on_air, now), ends=node.player.on_air)
        if node.cuts:
            yield from self._cut(node, node.disk, "the power goes")

    def _refuses(self, node: Node, frame: bytes, message: Message) -> None:
        if node.player.board(frame, at(node.step), message):
            raise self._violation("FOREIGN", replace(node, trace=(node.trace, frame.decode(errors="replace"))))

    def _epoch(self, history: History) -> int:
        return max(newest(history, names)[0] for names in self._families.values())

    def _step(
        self, node: Node, what: str, act: Callable[[Player], list[Effect]], *, step: int | None = None, ends: str = ""
    ) -> Iterator[Node]:
        """Do it, and also have the power go after each effect that changes what is remembered."""
        player = fork(node.player)
        before = {p.order: p.stage for p in player._ledger}
        effects = act(player)
        after = replace(node, step=node.step if step is None else step, player=player, trace=(node.trace, what))
        if ends:
            after.finished |= {ends}
        self._check_said(after, before)
        self._carry_out(after, effects)
        yield after
        if node.cuts and effects:
            kept = next((effect.kept for effect in effects[:1] if isinstance(effect, Keep)), node.disk)
            cut = replace(after, disk=kept)
            yield from self._cut(cut, kept, "the power goes after " + type(effects[0]).__name__)

    def _carry_out(self, node: Node, effects: Iterable[Effect]) -> None:
        shelves = {Message.BOARD: node.player.boards, Message.PROGRAMME: node.player.programmes}
        held = [shelves[family].get(COUNTY) for family in self._families]
        node.seen = tuple(
            seen if one is None else max(seen, (one.epoch, one.version))
            for seen, one in zip(node.seen, held, strict=True)
        )
        for effect in effects:
            match effect:
                case Keep(kept):
                    node.disk = kept
                case Play(what):
                    if what.id in node.finished:
                        raise self._violation("TWICE", node)
                    late = 0 < what.start_by_ms < server_ms(node.step) and not self.world.lies_back
                    if late and what.id not in node.begun:
                        raise self._violation("LATE", node)
        if node.player.on_air:
            node.begun |= {node.player.on_air}
            for more in node.player.started(node.player.on_air, at(node.step)):
                if isinstance(more, Keep):
                    node.disk = more.kept
        node.player._journal._waiting.clear()  # the server confirms everything: what is in doubt here is not the reports
        node.disk = replace(node.disk, journal=())
        self._check(node)

    def _cut(self, node: Node, disk: Kept, what: str) -> Iterator[Node]:
        for lie in {0, min(self.world.lies_back, node.lies * self.world.lies_back)}:
            player = self._boot(disk, node.step, lie)
            after = replace(
                node,
                cuts=node.cuts - 1,
                lies=node.lies - bool(lie),
                player=player,
                disk=disk,
                trace=(node.trace, f"{what}, its clock {lie} back" if lie else what),
            )
            self._settle_in(after)
            yield after

    def _boot(self, disk: Kept, step: int, lie: int) -> Player:
        rtc_ms = server_ms(step - lie) if self.world.battery_clock else None
        return Player(self._who, self.trust, kept=disk, boot=1, random=Dice(), now=at(step), rtc_ms=rtc_ms)  # type: ignore[arg-type]

    def _settle_in(self, node: Node) -> None:
        now = at(node.step)
        self._carry_out(node, [*node.player.start(now), *node.player.connected(now)])

    def _board(self, history: History, version: Version, family: Message) -> bytes:
        what = written(history, self._families[family])[version]
        made = self._made.get((family, version, what))
        if made is None:
            made = self._made[family, version, what] = self._make_board(version, what, family)
        return made

    def _make_board(self, version: Version, what: frozenset[str], family: Message) -> bytes:
        names = sorted(what)
        orders = tuple(self._orders[name] for name in names)
        if family is Message.PROGRAMME:
            payload = encode_programme(ProgrammeBoard(COUNTY, *version, server_ms(0), orders, server_ms(99)))
        else:
            payload = encode_board(Board(COUNTY, *version, server_ms(0), orders))
        return self.trust.add(f"{family} {version} {'+'.join(names)}", payload)

    def _answer(self, step: int, epoch: int, nonce: bytes) -> bytes:
        name = f"time {step} {epoch} {nonce.decode()}"
        answer = TimeAnswer(
            "v-001", nonce, epoch, server_ms(step) * 1000, server_ms(step) * 1000, 0, 0, OrderRule.SEVERITY_FIRST
        )
        return self.trust.frames.get(name) or self.trust.add(name, encode_time_answer(answer))

    # ---- what must hold ---------------------------------------------------------------------------------------------------

    def _check(self, node: Node) -> None:
        now_ms, sounds = server_ms(node.step), node.player.on_air
        if sounds and sounds not in self._orders:
            raise self._violation("FOREIGN", node)
        if sounds and not self.world.lies_back and now_ms >= self._orders[sounds].not_after_ms:
            raise self._violation("STALE", node)
        for names, seen in zip(self._families.values(), node.seen, strict=True):
            if sounds in names and sounds not in written(node.history, names)[seen]:
                raise self._violation("ZOMBIE", node)
        if self.world.staged and not self.world.lies_back:
            early = {
                name for name in node.player._ledger.as_dict() if now_ms < self._orders[name].not_before_ms - 60_000
            }
            if early & self._families[Message.PROGRAMME]:
                raise self._violation("EARLY", node)
        known_ms = node.player.time_ms(at(node.step))
        for one in node.player.orders:
            if known_ms is not None and known_ms >= one.not_after_ms and not node.player._ledger[one.id].terminal:
                raise self._violation("UNSAID", node)

    def _check_said(self, node: Node, before: dict[str, Any]) -> None:
        said = [(entry.order, entry.stage) for entry in node.player._journal.entries]
        for progress in node.player._ledger:
            if before.get(progress.order) is not progress.stage and (progress.order, progress.stage) not in said:
                raise self._violation("UNSAID", node)

    def _check_healing(self, node: Node) -> None:
        """Let the network work for a moment."""
        player, now = fork(node.player), at(node.step)
        player.connected(now)
        player.time(self._answer(node.step, self._epoch(node.history), QUESTION), now)
        on_boards: frozenset[str] = frozenset()
        for family, names in self._families.items():
            last = newest(node.history, names)
            on_boards |= written(node.history, names)[last]
            if last[1]:
                player.board(self._board(node.history, last, family), now, family)
        wanted = [
            name for name in ("e", "r") if name in on_boards - node.finished and self._may_sound(player, name, node)
        ]
        if player.on_air != (wanted[0] if wanted else "") and not self.world.lies_back:
            raise self._violation("DIVERGE", node)

    def _may_sound(self, player: Player, name: str, node: Node) -> bool:
        """What began and was cut off before that was written has not begun, as far as the speaker can know."""
        one, now_ms = self._orders[name], server_ms(node.step)
        known = player._ledger.get(name)
        in_time = not one.start_by_ms or now_ms <= one.start_by_ms or (known is not None and known.first_started_ms > 0)
        return one.not_before_ms <= now_ms < one.not_after_ms and in_time

    def _violation(self, rule: str, node: Node) -> Violation:
        way: list[str] = []
        trace: Any = node.trace
        while trace:
            trace, what = trace
            way.append(what)
        return Violation(rule, reversed(way))


STAGED: Any = {"staged": True, "programme_ends": 3, "emergency_ends": 2}
ALONE: Any = {**STAGED, "with_emergency": False}
LYING: Any = {"failover": False, "battery_clock": True, "lies_back": 2}
SMALL = (
    World("one server, power that goes twice", steps=2, programme_ends=2, emergency_ends=1, failover=False),
    World("an emergency until it is forgotten", steps=5, emergency_ends=1, with_programme=False, failover=False),
    World("two servers", steps=2, emergency_ends=1, with_programme=False),
    World("a right battery clock", steps=3, programme_ends=2, emergency_ends=1, failover=False, battery_clock=True),
    World("a lying one", steps=3, with_programme=False, failover=False, battery_clock=True, lies_back=2),
    World("a programme that an emergency takes the air from", **STAGED, steps=1, cuts=1, failover=False),
    World("a programme by two servers", **ALONE, steps=1, cuts=1),
    World("a programme over its latest start", **ALONE, steps=4, failover=False),
    World("a programme at a lying clock", **ALONE, steps=4, **LYING),
)
LARGE = (
    World("one server, power that goes twice", steps=3, programme_ends=2, emergency_ends=1, failover=False),
    World("two servers, power that goes once", steps=2, programme_ends=2, emergency_ends=1, cuts=1),
    World("two servers, power that goes twice, one order", steps=4, emergency_ends=2, with_programme=False),
    World("a right battery clock", programme_ends=3, emergency_ends=1, failover=False, battery_clock=True),
    World("a lying one", steps=3, programme_ends=2, emergency_ends=1, failover=False, battery_clock=True, lies_back=2),
    World("a programme and an emergency, power that goes once", **STAGED, steps=3, cuts=1, failover=False),
    World("a programme by two servers, power that goes twice", **ALONE, steps=2),
    World("a programme and an emergency by two servers", **STAGED, steps=1, cuts=0),
)


def main() -> None:
    """The large worlds take minutes."""
    for world in LARGE:
        began = time.perf_counter()
        search = Search(world).run()
        took = time.perf_counter() - began
        print(f"{world.name}: {search.states:,} states, {search.transitions:,} transitions, {took:.1f} s", flush=True)


if __name__ == "__main__":
    main()
