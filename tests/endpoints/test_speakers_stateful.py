"""Several speakers, a server that signs for real, and everybody who means ill, in any order.

The invariants are numbered as in research/reliability.md §6.4.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from endpoints.arbitration import EMERGENCY_PERCENT, QuietHours, rank
from endpoints.area_codes import covers
from endpoints.protocol import BANDS_OF, Band, Kind, Level, Order, OrderRule, Resume, Severity, Stage
from endpoints.sealing import Message
from tests.endpoints.rig import COUNTY, NEVER_QUIET, OTHER_TOWN, SERVER, TOWN, VILLAGE, Authority, Rig, ms, order

THIEF = Authority("thief")
WEAK = Authority("weak", TOWN, Band.NOTICE)
OLD = Authority("old", not_after_ms=ms(-3_600))
DRILL = Authority("drill", exercise=True)
KEYS = (SERVER.key, WEAK.key, OLD.key, DRILL.key)
TEA_TIME = QuietHours(16 * 60 + 2, 16 * 60 + 4)  # the story begins at 16:00 in Beijing

PLACES = {
    "v-001": VILLAGE,
    "v-0011": "130281001010",  # "130281001001" and this one begin alike
    "v-101": "130281010001",  # 130281001… and 130281010…, too
    "v-111": "130281011001",
    "x-001": VILLAGE,  # locked in an exercise
}
SCOPES = (COUNTY, COUNTY, COUNTY, TOWN, TOWN, VILLAGE, "130281001010", "130281010000", OTHER_TOWN, *PLACES)
SOUNDS: dict[Kind, dict[str, object]] = {
    Kind.ROUTINE: {"asset": b"r" * 32, "asset_bytes": 9, "asset_ms": 30_000},
    Kind.NOTICE: {"asset": b"n" * 32, "asset_bytes": 9, "asset_ms": 20_000},
    Kind.EMERGENCY: {"repeats": 3},
    Kind.LIVE: {},
}


Where = tuple[Message, str]  # of which family of boards, and whose


@dataclass
class Written:
    """A board or programme that the server has written."""

    where: Where
    epoch: int
    version: int
    orders: dict[str, Order]
    frame: bytes
    exercise: bool

    @property
    def scope(self) -> str:
        return self.where[1]


class Speakers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.seconds, self.epoch, self.made = 0.0, 1, 0
        self.orders: dict[str, Order] = {}
        self.revisions: dict[str, list[Order]] = defaultdict(list)
        self.staged: set[str] = set()  # those that stand on a programme
        self.versions: dict[tuple[Where, bool], int] = defaultdict(int)
        self.newest: dict[tuple[Where, bool], Written] = {}
        self.frames: list[Written] = []
        self.answers: list[bytes] = []
        self.rigs = {
            name: Rig(
                id=name,
                area=area,
                keys=KEYS,
                exercise=name.startswith("x"),
                quiet=TEA_TIME if name == "v-0011" else NEVER_QUIET,
                volume_percent=0 if name == "v-101" else 70,
            )
            for name, area in PLACES.items()
        }
        self.held: dict[str, dict[Where, Written]] = {name: {} for name in PLACES}  # the newest that it was ever given
        self.early: dict[str, dict[Where, Written]] = {name: {} for name in PLACES}  # given before it knew the time
        self.lowest: dict[str, dict[Where, tuple[int, int]]] = {name: {} for name in PLACES}
        self.broker_works = True
        for rig in self.rigs.values():
            self._tell_time(rig)

    # ---- the server ---------------------------------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(Kind),
        scope=st.sampled_from(SCOPES),
        severity=st.sampled_from(Severity),
        level=st.sampled_from(Level),
        resume=st.sampled_from(Resume),
        delay_s=st.sampled_from([0, 0, 0, 30, 90]),
        lasting_s=st.sampled_from([20, 120, 600]),
        loud=st.sampled_from([0, 90]),
        exercise=st.sampled_from([False, False, False, True]),
        high=st.booleans(),
        staged=st.booleans(),
        start_by_s=st.sampled_from([0, 0, 10]),
        hard=st.booleans(),
    )
    def issue(  # noqa: PLR0917  hypothesis names them
        self,
        kind: Kind,
        scope: str,
        severity: Severity,
        level: Level,
        resume: Resume,
        delay_s: int,
        lasting_s: int,
        loud: int,
        exercise: bool,
        high: bool,
        staged: bool,
        start_by_s: int,
        hard: bool,
    ) -> None:
        self.made += 1
        if staged and kind is Kind.ROUTINE:
            self.staged.add(f"o-{self.made}")
        bands = sorted(BANDS_OF[kind])
        begin_s = self.seconds + delay_s
        target = {"areas": (), "speakers": (scope,)} if scope in PLACES else {"areas": (scope,)}
        made = order(
            f"o-{self.made}",
            kind=kind,
            band=bands[-1 if high else 0],
            severity=severity,
            level=level,
            resume=resume,
            exercise=exercise,
            issued_at_ms=ms(self.seconds),
            not_before_ms=ms(begin_s),
            not_after_ms=ms(begin_s + lasting_s),
            volume_percent=loud,
            start_by_ms=ms(begin_s + start_by_s) if start_by_s and kind is Kind.ROUTINE else 0,
            hard_at_ms=ms(begin_s) if hard else 0,
            **target,
            **SOUNDS[kind],
        )
        self._save(made)

    def _save(self, made: Order) -> None:
        self.orders[made.id] = made
        self.revisions[made.id].append(made)
        self._write(self._where(made), exercise=made.exercise)

    def _where(self, one: Order) -> Where:
        return Message.PROGRAMME if one.id in self.staged else Message.BOARD, scope_of(one)

    def _write(self, where: Where, *, exercise: bool) -> None:
        name = where, exercise
        self.versions[name] += 1
        there = [one for one in self.orders.values() if self._where(one) == where and one.exercise is exercise]
        by, (family, scope) = DRILL if exercise else SERVER, where
        write = by.programme if family is Message.PROGRAMME else by.board
        frame = write(self.versions[name], *there, scope=scope, epoch=self.epoch, at_s=self.seconds)
        carried = {one.id: one for one in there}
        self.newest[name] = Written(where, self.epoch, self.versions[name], carried, frame, exercise)
        self.frames.append(self.newest[name])
        for speaker, rig in self.rigs.items():
            if self.broker_works and rig.online and scope in rig.who.scopes:
                self._give(speaker, self.newest[name])

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        gone = self.orders.pop(data.draw(st.sampled_from(sorted(self.orders))))
        self._write(self._where(gone), exercise=gone.exercise)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), excluded=st.sampled_from([TOWN, VILLAGE, OTHER_TOWN]), longer=st.booleans())
    def revise(self, data: st.DataObject, excluded: str, longer: bool) -> None:
        was = self.orders[data.draw(st.sampled_from(sorted(self.orders)))]
        if longer:
            self._save(replace(was, revision=was.revision + 1, not_after_ms=was.not_after_ms + 60_000))
        else:
            self._save(replace(was, revision=was.revision + 1, excluded=(excluded,)))

    @rule()
    def another_server_takes_over(self) -> None:
        self.epoch += 1
        for where, exercise in list(self.newest):
            self._write(where, exercise=exercise)

    # ---- the network, the mains, the clock --------------------------------------------------------------------------------------

    @precondition(lambda self: self.frames)
    @rule(data=st.data(), name=st.sampled_from(sorted(PLACES)))
    def deliver_any_frame_ever_sent(self, data: st.DataObject, name: str) -> None:
        self._give(name, self.frames[data.draw(st.integers(0, len(self.frames) - 1))])

    @rule(name=st.sampled_from(sorted(PLACES)), data=st.data())
    def heal(self, name: str, data: st.DataObject) -> None:
        """I17: after the time and the newest boards, in whatever order, it sounds what the server wants."""
        rig = self.rigs[name]
        boards = [one for one in self.newest.values() if one.exercise is rig.exercise]
        steps: list[Written | None] = data.draw(st.permutations([None, *boards]))
        for written in steps:
            if written is None:
                self._tell_time(rig)
            else:
                self._give(name, written)
        live = [one for one in self.orders.values() if may_sound(one, rig, ms(self.seconds))]
        open_ = [one for one in live if not rig.player._ledger[one.id].terminal]
        sounds = self.orders.get(rig.sounds)
        assert (sounds is None) is (not open_)
        if sounds is not None:
            assert sounds in open_
            best = max(rank(one, OrderRule.SEVERITY_FIRST) for one in open_)
            assert rank(sounds, OrderRule.SEVERITY_FIRST) == best
            if sounds.band in {Band.EMERGENCY, Band.LIFE_SAFETY}:  # I8: of equal ones the newest
                equal = [one for one in open_ if rank(one, OrderRule.SEVERITY_FIRST) == best]
                assert began(sounds) == max(map(began, equal))

    def _tell_time(self, rig: Rig) -> None:
        rig.connects()
        by = DRILL if rig.exercise else SERVER
        answer = by.time(rig.id, rig.nonce, ms(self.seconds), epoch=self.epoch)
        self.answers.append(answer)
        rig.time(answer)
        early, self.early[rig.id] = self.early[rig.id], {}
        floor = self.epoch
        for written in early.values():
            self._holds(rig.id, written, floor)

    def _give(self, name: str, written: Written) -> None:
        rig = self.rigs[name]
        refused_before = rig.player.refusals.as_tuple()
        if written.where[0] is Message.PROGRAMME:
            rig.programme(written.frame)
        else:
            rig.board(written.frame)
        if written.exercise is not rig.exercise or written.scope not in rig.who.scopes:
            assert rig.player.refusals.as_tuple() != refused_before
            return
        if rig.player.time_ms(rig.now) is None:
            before = self.early[name].get(written.where)
            if before is None or number(before) < number(written):
                self.early[name][written.where] = written
        else:
            self._holds(name, written, max(rig.player._shelf.epochs.values(), default=0))

    def _holds(self, name: str, written: Written, floor: int) -> None:
        held = self.held[name].get(written.where)
        if written.epoch >= floor and (held is None or number(held) < number(written)):
            self.held[name][written.where] = written

    @rule(seconds=st.sampled_from([1, 5, 25, 70]))
    def time_goes_by(self, seconds: int) -> None:
        self.seconds += seconds
        for rig in self.rigs.values():
            rig.after(self.seconds)

    @rule(name=st.sampled_from(sorted(PLACES)))
    def the_power_goes_and_comes(self, name: str) -> None:
        self.rigs[name].power()
        self.early[name] = {}

    @rule()
    def the_broker_stops_or_works_again(self) -> None:
        self.broker_works = not self.broker_works

    @rule(name=st.sampled_from(sorted(PLACES)), on=st.booleans())
    def the_line_breaks_or_is_there(self, name: str, on: bool) -> None:
        rig = self.rigs[name]
        _ = rig.connects() if on else rig.disconnects()

    # ---- who means ill ----------------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(sorted(PLACES)), by=st.sampled_from([THIEF, WEAK, OLD]), scope=st.sampled_from(SCOPES))
    def forge_an_order(self, name: str, by: Authority, scope: str) -> None:
        """I1, I2: an unknown key, one of a township without emergencies, one that has run out."""
        self.made += 1
        forged = order(
            f"f-{self.made}", areas=(COUNTY,), not_before_ms=ms(0), not_after_ms=ms(90_000), band=Band.LIFE_SAFETY
        )
        if (
            by is not WEAK or scope == COUNTY
        ):  # on its own township's boards the weak key may write: what, is tested elsewhere
            self.rigs[name].board(by.board(10_000 + self.made, forged, scope=scope, epoch=99))

    @precondition(lambda self: self.frames)
    @rule(data=st.data(), name=st.sampled_from(sorted(PLACES)))
    def damage_a_frame(self, data: st.DataObject, name: str) -> None:
        frame = bytearray(self.frames[data.draw(st.integers(0, len(self.frames) - 1))].frame)
        frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
        before = self.rigs[name].sounds
        self.rigs[name].board(bytes(frame))
        assert self.rigs[name].sounds == before

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), name=st.sampled_from(sorted(PLACES)))
    def replay_an_answer_for_the_time(self, data: st.DataObject, name: str) -> None:
        rig = self.rigs[name]
        before = rig.player.time_ms(rig.now)
        rig.time(data.draw(st.sampled_from(self.answers)))
        assert rig.player.time_ms(rig.now) == before

    # ---- what must always hold --------------------------------------------------------------------------------------------------

    @invariant()
    def what_sounds_was_ordered_here_and_now(self) -> None:
        now_ms = ms(self.seconds)
        for name, rig in self.rigs.items():
            if not rig.sounds:
                continue
            assert rig.sounds in self.revisions, "I1, I2: nobody ordered that"
            fits = [one for one in self.revisions[rig.sounds] if may_sound(one, rig, now_ms)]
            assert fits, "I3, I4, I15, I19: not to this speaker, not now, not in this mode"
            on_boards = [one for held in self.held[name].values() for one in held.orders.values()]
            assert any(one.id == rig.sounds for one in on_boards), "I5: its cancel was processed"
            playing = rig.played[-1]
            if playing.order.band >= Band.EMERGENCY:
                assert playing.volume_percent >= EMERGENCY_PERCENT, "I16"
            assert playing.volume_percent >= max(playing.order.volume_percent, rig.volume_percent), "I16"

    @invariant()
    def nothing_lower_sounds_while_a_higher_one_is_held(self) -> None:
        """I7."""
        now_ms = ms(self.seconds)
        for name, rig in self.rigs.items():
            if rig.player.time_ms(rig.now) is None:
                assert not rig.sounds, "nothing before one fresh time"
                continue
            held = [one for board in self.held[name].values() for one in board.orders.values()]
            claims = [one for one in held if may_sound(one, rig, now_ms) and not rig.player._ledger[one.id].terminal]
            sounding = next((one for one in held if one.id == rig.sounds), None)
            if claims:
                assert sounding is not None
                assert rank(sounding, OrderRule.SEVERITY_FIRST) == max(
                    rank(one, OrderRule.SEVERITY_FIRST) for one in claims
                )

    @invariant()
    def what_was_played_out_does_not_begin_again(self) -> None:
        """I6. What was not confirmed is told again after a boot, with the same time."""
        for rig in self.rigs.values():
            ends = {(entry.order, entry.at_ms) for _, entry in rig.reports if entry.stage is Stage.FINISHED}
            assert len(ends) == len({name for name, _ in ends})

    @invariant()
    def versions_and_epochs_never_go_down(self) -> None:
        """I9."""
        for name, rig in self.rigs.items():
            shelves = {Message.BOARD: rig.player.boards, Message.PROGRAMME: rig.player.programmes}
            numbers = {
                (family, scope): (board.epoch, board.version)
                for family, boards in shelves.items()
                for scope, board in boards.items()
            }
            for where, found in numbers.items():
                assert found >= self.lowest[name].get(where, (0, 0))
                self.lowest[name][where] = found
            assert {where: number(one) for where, one in self.held[name].items()} == self.lowest[name] == numbers


def number(written: Written) -> tuple[int, int]:
    return written.epoch, written.version


def scope_of(one: Order) -> str:
    return (*one.areas, *one.speakers)[0]


def began(one: Order) -> int:
    return max(one.issued_at_ms, one.not_before_ms)


def may_sound(one: Order, rig: Rig, now_ms: int) -> bool:
    """Written without the code under test, as far as that goes."""
    named = rig.id in one.speakers
    inside = any(covers(area, rig.area) for area in one.areas) and not any(covers(a, rig.area) for a in one.excluded)
    quiet = one.kind is Kind.ROUTINE and rig.quiet.hold(now_ms)
    in_time = one.not_before_ms <= now_ms < one.not_after_ms
    if 0 < one.start_by_ms < now_ms:
        known = rig.player._ledger.get(one.id)
        in_time = in_time and known is not None and known.first_started_ms > 0
    return one.exercise is rig.exercise and (named or inside) and in_time and not quiet


Speakers.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestSpeakers = Speakers.TestCase
