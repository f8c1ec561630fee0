"""What a broadcast would do if it were sent now (预计效果): who hears it, what it cuts where, when that comes back.

Played through as the speakers would decide it (`domain.contention`, which asks `choose`), once for each group of speakers that
have the same orders. Nothing is stored.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast, Sound, StartBroadcast, as_of_today, compose
from broadcast.domain.contention import Effect, contests, play_through
from broadcast.domain.officers import Officer
from broadcast.domain.speakers import Speaker
from broadcast.service.boards import Boards
from broadcast.service.estate import Estate
from broadcast.service.presence import Presence, Speakers
from broadcast.service.programme_boards import ProgrammeBoards
from broadcast.service.reach import Named, Reach, Reached, place_of
from endpoints.arbitration import Listener, QuietHours, is_meant
from endpoints.area_codes import TOWNSHIP, padded, significant
from endpoints.protocol import TONE_MS, Order, OrderRule, Tone

NEW = "effect"  # the id of an order that does not exist yet
MS_A_CHARACTER = 250  # Mandarin at 160 words a minute; where nothing has been spoken yet
FIRST_WORDS = 30
GUESSED = b"\0" * 32  # stands for the file that is not there yet


@dataclass(frozen=True, slots=True)
class Cut:
    """Something that can't sound because of it, or because of which it can't.

    :param waits_for: true: the new one waits for the other.
    :param effect: what becomes of whoever loses.
    :param until_ms: when the loser has the air (back); 0: never.
    :param townships: speakers by township.
    """

    broadcast: str
    headline: str
    programme: bool
    waits_for: bool
    effect: Effect
    from_ms: int
    until_ms: int
    speakers: int
    townships: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer.

    :param reached: who is there and who is not, by name.
    :param muted: would hear nothing: turned down to 0 and not raised by this order.
    :param in_maintenance: somebody works at the horn, and it is muted for so long.
    :param first_words: with which it begins; empty for a tone or a sound.
    :param sound_ms: of all that is sounded, tones, words and repeats.
    :param estimated: nothing has been spoken yet, and the length is a guess.
    :param ends_ms: when it is taken off the boards; `sounds_until_ms`: when it has sounded, or is cut.
    """

    reached: Reached
    muted: tuple[Named, ...]
    in_maintenance: tuple[Named, ...]
    cuts: tuple[Cut, ...]
    first_words: str
    sound_ms: int
    estimated: bool
    ends_ms: int
    sounds_until_ms: int


@dataclass(slots=True)
class _Cutting:
    from_ms: int
    until_ms: int
    speakers: Counter[str] = field(default_factory=Counter)


class Effects:
    """Answers from memory.

    :param rule, quiet: that the speakers follow.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        estate: Estate,
        boards: Boards,
        routine: ProgrammeBoards,
        speakers: Speakers,
        reach: Reach,
        rule: OrderRule,
        quiet: QuietHours,
    ) -> None:
        self._clock, self._estate, self._boards, self._routine = clock, estate, boards, routine
        self._speakers, self._reach, self._rule, self._quiet = speakers, reach, rule, quiet

    def of(self, command: StartBroadcast, *, by: Officer, sound: Sound | None = None) -> Expected:
        """Of a command that `Broadcasts.must_be_right` has let pass.

        :param by: in whose name it is sent.
        :param sound: that was rendered for it.
        """
        now_ms, estimated = self._clock.now_ms(), sound is None and bool(command.text.strip())
        guess = Sound(GUESSED if estimated else b"", 0, len(command.text.strip()) * MS_A_CHARACTER)
        frozen = as_of_today(command, self._estate.tree)
        order = compose(frozen, sound or guess, order_id=NEW, by=by, now_ms=now_ms).order
        meant = self._estate.meant_by(order)
        reached = self._reach.of(command, by=by)
        return Expected(
            reached=reached,
            muted=tuple(one for one in reached.faulty if "muted" in one.why.split()),
            in_maintenance=self._in_maintenance(meant, now_ms),
            cuts=self._cuts(order, meant),
            first_words=" ".join(command.text.split())[:FIRST_WORDS],
            sound_ms=order.sound_ms,
            estimated=estimated,
            ends_ms=order.not_after_ms,
            sounds_until_ms=min(order.not_before_ms + order.sound_ms, order.not_after_ms),
        )

    def _in_maintenance(self, meant: Sequence[Speaker], now_ms: int) -> tuple[Named, ...]:
        found = []
        for one in meant:
            if now_ms < one.muted_until_ms:
                status = self._speakers.status(one.id)
                since_ms = status.since_ms if status.presence is not Presence.ONLINE else 0
                place = place_of(self._estate.tree, one.area)
                found.append(Named(one.id, one.name, one.area, place, "maintenance", since_ms))
        return tuple(found)

    def _cuts(self, order: Order, meant: Sequence[Speaker]) -> tuple[Cut, ...]:
        """What is in each other's way, with the new one on one side."""
        if not order.asset:  # a tone alone is played through like a file of its length: then the air is free again
            order = replace(order, tone=Tone.NONE, asset=GUESSED, asset_ms=TONE_MS[order.tone])
        others = self._in_the_way(order)
        groups: dict[tuple[int, ...], list[Speaker]] = {}
        for one in meant:
            here = tuple(i for i, other in enumerate(others) if is_meant(other.order, one.id, one.area))
            if here:
                groups.setdefault(here, []).append(one)
        found: dict[tuple[str, bool, Effect], _Cutting] = {}
        for here, speakers in groups.items():
            for key, from_ms, back_ms in self._group(order, [others[i].order for i in here], speakers[0]):
                cutting = found.setdefault(key, _Cutting(from_ms, back_ms))
                cutting.from_ms, cutting.until_ms = min(cutting.from_ms, from_ms), max(cutting.until_ms, back_ms)
                cutting.speakers.update(padded(significant(one.area)[:TOWNSHIP]) for one in speakers)
        by_id = {one.id: one for one in others}
        return tuple(
            Cut(
                broadcast=name,
                headline=by_id[name].headline,
                programme=bool(by_id[name].programme),
                waits_for=waits,
                effect=effect,
                from_ms=cutting.from_ms,
                until_ms=cutting.until_ms,
                speakers=cutting.speakers.total(),
                townships=dict(sorted(cutting.speakers.items())),
            )
            for (name, waits, effect), cutting in sorted(found.items(), key=lambda item: (item[1].from_ms, item[0]))
        )

    def _group(
        self, order: Order, others: Sequence[Order], speaker: Speaker
    ) -> list[tuple[tuple[str, bool, Effect], int, int]]:
        """The same for all speakers that have these orders."""
        orders = [order, *others]
        listener = Listener(speaker.id, speaker.area, speaker.exercise, quiet=self._quiet, rule=self._rule)
        turns = play_through(orders, listener)
        found = []
        for one in contests(orders, turns, self._rule):
            if 0 not in (one.winner, one.loser):
                continue
            other = orders[one.winner if one.loser == 0 else one.loser].id
            comes = one.effect in (Effect.INTERRUPTED, Effect.DELAYED)
            back = next(
                (turn.from_ms for turn in turns if turn.on_air == one.loser and turn.from_ms >= one.until_ms), 0
            )
            found.append(((other, one.loser == 0, one.effect), one.from_ms, back if comes else 0))
        return found

    def _in_the_way(self, order: Order) -> list[Broadcast]:
        """What wants the air while it would sound."""
        now_ms = self._clock.now_ms()
        rows = [*self._boards.carried.values(), *self._routine.rows.values()]
        return [
            one
            for one in rows
            if one.is_live(now_ms)
            and one.order.exercise is order.exercise
            and one.order.not_before_ms < order.not_after_ms
            and one.order.not_after_ms > order.not_before_ms
        ]
