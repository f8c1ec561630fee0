"""Tests of the estate (终端巡检): the silent one at night with its list in the morning, and a tone that somebody asks for.

A silent test asks every speaker for an answer that proves the way there and back, the signature, its program, its disk and its
own look at card, amplifier, files and clock; nothing is heard. A tone is an order like any other, soft and short: it shows on the
ladder, and is proven where there is an ear.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta, timezone

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast, Sound, StartBroadcast, compose
from broadcast.domain.estate_tests import (
    ANSWER_WITHIN_MS,
    Finding,
    SaidOf,
    SilentTest,
    UnknownTest,
    is_due,
    judged,
    tally,
)
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, may
from broadcast.domain.speakers import Speaker
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.caretaking import Caretaking
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.once import OnceKey
from broadcast.service.places import told_by_township
from broadcast.service.ports import ActRow, Store, Tx
from broadcast.service.presence import Presence, Speakers
from broadcast.service.setups import Setups
from endpoints.area_codes import covers
from endpoints.protocol import Kind, Resume, Tone

TONE_PERCENT = 25  # heard below the pole, not in the houses
TONE_MINUTES = 2
IN_ONE_ORDER = 256  # speakers that an order may name
KEEP_DAYS = 400
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Morning:
    """The newest test that has ended, as somebody may see it: counts of the own townships, and who failed there.

    :param running: another one is under way.
    """

    test: SilentTest | None
    findings: tuple[Finding, ...] = ()
    running: bool = False


@dataclass(slots=True)
class _Running:
    """:param waiting: who was asked and has not answered."""

    test: SilentTest
    asked: tuple[Speaker, ...]
    waiting: set[str]


class EstateTests:
    """
    :param at_min: minute of the local day at which the silent test begins; None: no hour does.
    :param utc_offset_min: local time, minutes east of UTC.
    :param is_near_change: whether a shift changes about now; nothing begins then by itself.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        speakers: Speakers,
        setups: Setups,
        caretaking: Caretaking,
        broadcasts: Broadcasts,
        health: Health,
        at_min: int | None,
        utc_offset_min: int,
        is_near_change: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._clock, self._store, self._estate, self._speakers = clock, store, estate, speakers
        self._setups, self._caretaking, self._broadcasts, self._health = setups, caretaking, broadcasts, health
        self._at_min, self._offset_min, self._is_near_change = at_min, utc_offset_min, is_near_change
        self._running: _Running | None = None
        self._newest: SilentTest | None = None
        self._newest_nightly_ms = 0

    async def load(self) -> None:
        """What the last run left; a test that was under way then is as if it had not been, and begins again if it is due."""
        newest = await self._store.read(lambda tx: tx.silent_tests.newest(limit=30))
        self._newest = newest[0] if newest else None
        self._newest_nightly_ms = max((one.at_ms for one in newest if not one.by), default=0)

    # ---- silent ---------------------------------------------------------------------------------------------------------

    async def start(self, *, by: Officer, speakers: Sequence[str] = ()) -> SilentTest:
        """Ask these speakers, or all of the officer's area; one that is under way is answered instead of a second one."""
        now_ms = self._clock.now_ms()
        may(by, Verb.TEST_SPEAKER, now_ms=now_ms)
        inside = self._estate.inside(by.area)
        chosen = self._caretaking.chosen(speakers, Verb.TEST_SPEAKER, by=by) if speakers else inside
        if self._running is not None:
            return self._running.test
        test = await self._begin(chosen, by=by.name, now_ms=now_ms)
        await self._store.write(
            lambda tx: tx.acts.add(ActRow(now_ms, by.name, "silent test", test.id, f"{len(chosen)} speakers"))
        )
        return test

    async def begin_the_nights(self) -> None:
        """Begin the test of the night now, whatever the hour, unless one is under way."""
        if self._running is None:
            self._newest_nightly_ms = now_ms = self._clock.now_ms()
            await self._begin(list(self._estate.speakers.values()), by="", now_ms=now_ms)

    def heard(self, said: SaidOf) -> None:
        """A speaker said something of itself; perhaps in answer to the test."""
        running = self._running
        if running is not None and said.check_ms == running.test.at_ms:
            running.waiting.discard(said.speaker)

    async def tick(self) -> None:
        """Begin what is due and end what has run its time; call every second or so."""
        now_ms = self._clock.now_ms()
        running = self._running
        if running is not None:
            if not running.waiting or now_ms >= running.test.at_ms + ANSWER_WITHIN_MS:
                await self._end(running, now_ms)
            return
        at_min = self._at_min
        if at_min is None or self._is_near_change(now_ms):
            return
        last_ms = self._newest_nightly_ms
        if is_due(now_ms, at_min=at_min, utc_offset_min=self._offset_min, last_ms=last_ms) and len(self._estate):
            await self.begin_the_nights()

    async def morning(self, *, by: Officer, test: str = "") -> Morning:
        """A test as this officer may see it; without a name that of the night. :raises UnknownTest, RoleNotGranted:"""
        may(by, Verb.READ, now_ms=self._clock.now_ms())

        def work(tx: Tx) -> tuple[SilentTest | None, Sequence[Finding]]:
            found = tx.silent_tests.get(test) if test else _of_the_night(tx.silent_tests.newest(limit=30))
            return found, () if found is None else tx.silent_tests.findings(found.id)

        found, findings = await self._store.read(work)
        if found is None and test:
            raise UnknownTest(test)
        running = self._running is not None
        if found is None:
            return Morning(None, running=running)
        own = {
            code: counts for code, counts in found.townships.items() if covers(by.area, code) or covers(code, by.area)
        }
        seen = tuple(one for one in findings if covers(by.area, one.area))
        return Morning(replace(found, townships=own), seen, running)

    async def tests(self, *, by: Officer, limit: int = 60) -> Sequence[SilentTest]:
        """The last ones, newest first."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        return await self._store.read(lambda tx: tx.silent_tests.newest(limit=limit))

    async def _begin(self, speakers: Sequence[Speaker], *, by: str, now_ms: int) -> SilentTest:
        test = SilentTest(str(ULID()), now_ms, 0, by)
        asked = tuple(one for one in speakers if not one.revoked)
        self._running = _Running(test, tuple(speakers), {one.id for one in asked})
        await self._setups.ask(asked, check_ms=now_ms)
        return test

    async def _end(self, running: _Running, now_ms: int) -> None:
        """Judge all, keep it, and show it where somebody looks in the morning."""
        there = [self._estate.speakers[one.id] for one in running.asked if one.id in self._estate]
        judgements = [self._judge(one, running.test.at_ms, now_ms) for one in there]
        findings = [one for one in judgements if one is not None]
        test = replace(running.test, ended_ms=now_ms, townships=tally(there, findings))
        await self._store.write(lambda tx: _keep(tx, test, findings, now_ms))
        self._running, self._newest = None, test
        if test.by:
            return
        if findings:
            self._health.raise_(
                "silent-test-failed", **told_by_township(self._estate, [one.speaker for one in findings])
            )
        else:
            self._health.clear("silent-test-failed")

    def _judge(self, speaker: Speaker, check_ms: int, now_ms: int) -> Finding | None:
        status, said = self._speakers.status(speaker.id), self._setups.said(speaker.id)
        return judged(
            speaker,
            said,
            check_ms=check_ms,
            online=status.presence is Presence.ONLINE,
            faults=status.faults,
            boards_whole=status.boards_whole,
            heard_ms=max(status.heard_ms, said.heard_ms if said else 0),
            county=self._setups.county,
            now_ms=now_ms,
        )

    # ---- a tone ---------------------------------------------------------------------------------------------------------

    async def tone(self, speakers: Sequence[str], *, by: Officer, once: OnceKey | None = None) -> tuple[str, ...]:
        """Sound a soft chime at these (试音); the broadcasts, of which each has its ladder and proofs. Live ones and those of an
        exercise are orders of their own.

        :raises InvalidRequest: with every speaker that it can't be done for; nothing sounds.
        """
        chosen = self._caretaking.chosen(speakers, Verb.TEST_SPEAKER, by=by)
        now_ms = self._clock.now_ms()
        made: list[Broadcast] = []
        for exercise in (False, True):
            names = [one.id for one in chosen if one.exercise is exercise]
            for at in range(0, len(names), IN_ONE_ORDER):
                made.append(_tone(tuple(names[at : at + IN_ONE_ORDER]), exercise=exercise, by=by, now_ms=now_ms))

        def change() -> tuple[Sequence[Broadcast], Sequence[Broadcast]]:
            for one in made:
                self._broadcasts.must_fit(one)
            return [], made

        outcome = await self._broadcasts.commit(change, by=by, verb="test speakers", once=once)
        return outcome.ids


def _tone(speakers: tuple[str, ...], *, exercise: bool, by: Officer, now_ms: int) -> Broadcast:
    """Routine, so it takes the air from nothing and keeps the quiet hours; with a ceiling, so it is soft wherever it hangs."""
    command = StartBroadcast(
        kind=Kind.ROUTINE,
        areas=(),
        speakers=speakers,
        headline="终端试音",
        minutes=TONE_MINUTES,
        repeats=1,
        tone=Tone.CHIME,
        closing=Tone.NONE,
        resume=Resume.DROP,
        exercise=exercise,
    )
    made = compose(command, Sound(), order_id=str(ULID()), by=by, now_ms=now_ms)
    order = replace(made.order, volume_percent=TONE_PERCENT, ceiling_percent=TONE_PERCENT)
    return replace(made, order=order)


def _of_the_night(tests: Sequence[SilentTest]) -> SilentTest | None:
    """The newest that no officer asked for; where there is none, the newest."""
    return next((one for one in tests if not one.by), next(iter(tests), None))


def _keep(tx: Tx, test: SilentTest, findings: Sequence[Finding], now_ms: int) -> None:
    tx.silent_tests.add(test, findings)
    tx.silent_tests.forget_before(now_ms - KEEP_DAYS * DAY_MS)


def zone_of(utc_offset_min: int) -> timezone:
    """Local time at the speakers, for the rules of shifts."""
    return timezone(timedelta(minutes=utc_offset_min))
