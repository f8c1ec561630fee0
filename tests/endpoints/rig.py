"""One speaker on the bench, without I/O: its machine, a disk, a sound card, a clock, and a server that signs for real."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random

from endpoints.arbitration import QuietHours
from endpoints.effects import Effect, Identity, Keep, OnHand, Play, Send, Stop, TakeStock, Volume
from endpoints.kept import Kept
from endpoints.player import Player
from endpoints.protocol import (
    Band,
    Board,
    Entry,
    Fault,
    Hello,
    Kind,
    Level,
    Order,
    OrderRule,
    Part,
    ProgrammeBoard,
    Reason,
    Resume,
    Severity,
    Stage,
    Stock,
    TimeAnswer,
    Tone,
    decode_hello,
    decode_report,
    decode_stock,
    encode_board,
    encode_programme,
    encode_time_answer,
)
from endpoints.sealing import (
    Algorithm,
    Ed25519Signer,
    Message,
    TrustedKey,
    TrustStore,
    open_from_speaker,
    seal,
    speaker_key,
)
from endpoints.setup import About, Setup, decode_about, encode_setup

T0 = 1_800_000_000_000  # 2027-01-15, 16:00 in Beijing
BEGIN = 1_000.0  # the monotonic clock then
FOREVER = 2**53 - 1
COUNTY, TOWN, VILLAGE = "130281000000", "130281001000", "130281001001"
OTHER_TOWN = "130281011000"  # "130281001" is no prefix of it, "1302810" is
NEVER_QUIET = QuietHours(0, 0)


def ms(seconds: float) -> int:
    """Server time so many seconds after the beginning."""
    return T0 + int(seconds * 1000)


@dataclass(frozen=True)
class Authority:
    """Somebody who signs: the county's server, a township's, a thief with an old key."""

    name: str
    area: str = COUNTY
    highest_band: Band = Band.LIFE_SAFETY
    exercise: bool = False
    not_before_ms: int = 0
    not_after_ms: int = FOREVER

    @property
    def signer(self) -> Ed25519Signer:
        return Ed25519Signer(self.name.encode().ljust(32, b"."))

    @property
    def key(self) -> TrustedKey:
        dates = self.not_before_ms, self.not_after_ms
        return TrustedKey(Algorithm.ED25519, self.signer.public, self.area, self.highest_band, self.exercise, *dates)

    def board(self, version: int, *orders: Order, scope: str = COUNTY, epoch: int = 1, at_s: float = 0) -> bytes:
        payload = encode_board(Board(scope, epoch, version, ms(at_s), orders))
        return seal(payload, Message.BOARD, exercise=self.exercise, signer=self.signer)

    def programme(
        self,
        version: int,
        *orders: Order,
        scope: str = COUNTY,
        epoch: int = 1,
        at_s: float = 0,
        until_s: float = 48 * 3_600,
        volume_by_hour: tuple[int, ...] = (),
        budget_min: int = 0,
        fallback: Part | None = None,
    ) -> bytes:
        terms = volume_by_hour, budget_min, fallback
        board = ProgrammeBoard(scope, epoch, version, ms(at_s), orders, ms(until_s), *terms)
        return seal(encode_programme(board), Message.PROGRAMME, exercise=self.exercise, signer=self.signer)

    def setup(self, version: int, *, speaker: str = "v-001", epoch: int = 1, at_s: float = 0, **other: int) -> bytes:
        quiet = {"quiet_from_min": 0, "quiet_until_min": 0}
        payload = encode_setup(Setup(speaker, epoch, version, ms(at_s), **{**quiet, **other}))
        return seal(payload, Message.SETUP, exercise=self.exercise, signer=self.signer)

    def time(
        self,
        speaker: str,
        nonce: bytes,
        server_ms: int,
        *,
        epoch: int = 1,
        confirmed: tuple[int, int] = (0, 0),
        rule: OrderRule = OrderRule.SEVERITY_FIRST,
    ) -> bytes:
        payload = encode_time_answer(
            TimeAnswer(speaker, nonce, epoch, server_ms * 1000, server_ms * 1000, *confirmed, rule)
        )
        return seal(payload, Message.TIME, exercise=self.exercise, signer=self.signer)


SERVER = Authority("county")


def order(name: str = "o-1", **other: object) -> Order:
    """An emergency for the whole county: the attention signal, 4 s, once, in the first minute."""
    made = Order(
        id=name,
        revision=1,
        kind=Kind.EMERGENCY,
        band=Band.EMERGENCY,
        severity=Severity.RED,
        level=Level.CITY,
        exercise=False,
        issued_at_ms=T0,
        not_before_ms=T0,
        not_after_ms=ms(60),
        areas=(COUNTY,),
        tone=Tone.ATTENTION,
    )
    return replace(made, **other)  # type: ignore[arg-type]


def routine(name: str = "r-1", **other: object) -> Order:
    """A programme of the county, 30 s, in the first ten minutes."""
    asset = {"asset": b"r" * 32, "asset_bytes": 1_000, "asset_ms": 30_000, "tone": Tone.NONE}
    what = {"kind": Kind.ROUTINE, "band": Band.ROUTINE, "severity": Severity.UNKNOWN, "not_after_ms": ms(600)}
    return order(name, **{**what, **asset, **other})


def slot(name: str, at_s: float, *, lasting_s: float = 600, **other: object) -> Order:
    """An occurrence of a programme as the server plans it: 30 s of sound, five minutes to begin, in step with the neighbours."""
    begin = ms(at_s)
    times = {"issued_at_ms": T0 - 1, "not_before_ms": begin, "not_after_ms": ms(at_s + lasting_s)}
    what = {"start_by_ms": begin + 300_000, "resume": Resume.REJOIN}
    return routine(name, **{**times, **what, **other})


def notice(name: str = "n-1", **other: object) -> Order:
    return routine(name, **{"kind": Kind.NOTICE, "band": Band.NOTICE, **other})


def live(name: str = "l-1", **other: object) -> Order:
    """Somebody at a microphone: no file, no length."""
    what = {"kind": Kind.LIVE, "band": Band.LIVE_COMMAND, "tone": Tone.NONE, "not_after_ms": ms(600)}
    return order(name, **{**what, **other})


@dataclass
class Rig:
    """A speaker that does what its machine says. The sound card starts at once and takes as long as the sound is; what comes
    before its time waits for that. The moment in which neighbours wait for each other takes no time here.

    :param keys: whom it trusts.
    :param sound_card: False: it says nothing by itself.
    :param waits: what the sound card was given before its time.
    :param on_hand: what it finds when it looks for its files.
    """

    id: str = "v-001"
    area: str = VILLAGE
    keys: tuple[TrustedKey, ...] = (SERVER.key,)
    volume_percent: int = 70
    quiet: QuietHours = NEVER_QUIET
    exercise: bool = False
    rtc_ms: int | None = None
    sound_card: bool = True
    online: bool = True
    disk: Kept = field(default_factory=Kept)
    disk_full: bool = False
    now: float = BEGIN
    effects: list[Effect] = field(default_factory=list)
    reports: list[tuple[int, Entry]] = field(default_factory=list)
    hellos: list[Hello] = field(default_factory=list)
    stocks: list[Stock] = field(default_factory=list)
    abouts: list[About] = field(default_factory=list)
    played: list[Play] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    sounds: str = ""
    waits: str = ""
    on_hand: OnHand = OnHand(0, 0, 0)
    boots: int = 0
    confirm: bool = False

    def __post_init__(self) -> None:
        self._starts_at = self._ends_at = self._asked_at = float("inf")
        self.power()

    @property
    def who(self) -> Identity:
        secret = speaker_key(bytes(32), self.id)
        return Identity(self.id, self.area, secret, self.exercise, self.volume_percent, self.quiet)

    def power(self) -> "Rig":
        """It boots on its old disk, as after a power cut."""
        self.boots += 1
        self._falls_silent()
        self.player = Player(
            self.who,
            TrustStore(self.keys),
            kept=Kept.from_bytes(self.disk.to_bytes()),
            boot=self.boots,
            random=Random(self.boots),
            now=self.now,
            rtc_ms=self.rtc_ms,
        )
        self._do(self.player.start(self.now))
        if self.online:
            self._do(self.player.connected(self.now))
        return self

    def told(self, server_ms: int | None = None, *, by: Authority = SERVER, **other: object) -> "Rig":
        """It asks, and the server answers at once."""
        if self._asked_at != self.now:
            self.connects()
        at_ms = ms(self.now - BEGIN) if server_ms is None else server_ms
        confirmed = (self.boots, self.player._journal.next_n - 1) if self.confirm else (0, 0)
        frame = by.time(self.id, self.nonce, at_ms, **{"confirmed": confirmed, **other})  # type: ignore[arg-type]
        return self.time(frame)

    @property
    def nonce(self) -> bytes:
        """Of its last question."""
        return next(hello.nonce for hello in reversed(self.hellos) if hello.nonce)

    def time(self, frame: bytes) -> "Rig":
        self._do(self.player.time(frame, self.now))
        return self

    def programme(self, *frames: bytes) -> "Rig":
        for frame in frames:
            self._do(self.player.board(frame, self.now, Message.PROGRAMME))
        return self

    def settings(self, *frames: bytes) -> "Rig":
        for frame in frames:
            self._do(self.player.settings(frame, self.now))
        return self

    def board(self, *frames: bytes) -> "Rig":
        for frame in frames:
            self._do(self.player.board(frame, self.now))
        return self

    def connects(self) -> "Rig":
        self.online = True
        self._do(self.player.connected(self.now))
        return self

    def disconnects(self) -> "Rig":
        self.online = False
        self.player.disconnected()
        return self

    def after(self, seconds: float) -> "Rig":
        """Time goes by; the machine is woken when it asked to be."""
        until = BEGIN + seconds
        while (next_at := min(self._starts_at, self._ends_at, self.player.wake_at)) <= until:
            self.now = max(self.now, next_at)
            if self.now >= self._starts_at:
                self._starts(self.played[-1])
                self._do([])
            elif self.now >= self._ends_at:
                ended = self.sounds
                self._falls_silent()
                self._do(self.player.finished(ended, self.now))
            else:
                self._do(self.player.tick(self.now))
        self.now = max(self.now, until)
        return self

    def stages(self, name: str = "o-1") -> list[tuple[Stage, Reason]]:
        """What it said of an order, each step once."""
        steps: list[tuple[Stage, Reason]] = []
        seen: set[tuple[int, int]] = set()
        for boot, entry in self.reports:
            if entry.order == name and (boot, entry.n) not in seen:
                seen.add((boot, entry.n))
                steps.append((entry.stage, entry.reason))
        return steps

    def last(self, name: str = "o-1") -> tuple[Stage, Reason]:
        return self.stages(name)[-1]

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self.effects.append(effect)
            match effect:
                case Keep(kept) if self.disk_full:
                    self.player.fault(Fault.DISK, present=True)
                case Keep(kept):
                    self.disk = kept
                case Stop(name):
                    has = self.sounds or self.waits
                    assert name == has, f"stops {name} while {has or 'nothing'} sounds"
                    self._falls_silent()
                case Play(what):
                    assert not self.sounds + self.waits, f"plays {what.id} over {self.sounds}{self.waits}"
                    self.played.append(effect)
                    starts_at = self.player.when(what.not_before_ms)
                    if starts_at is not None and starts_at > self.now:
                        self.waits, self._starts_at = what.id, starts_at
                    else:
                        self._starts(effect)
                case Volume(name):
                    assert name in {self.sounds, self.waits}
                    self.volumes.append(effect)
                case TakeStock():
                    self._do(self.player.stock(self.on_hand, self.now))
                case Send(message, frame):
                    self._say(message, frame)
        if self.sound_card and self.sounds:
            again = self.player.started(self.sounds, self.now)
            if again:
                self._do(again)

    def _starts(self, play: Play) -> None:
        self.sounds, self.waits, self._starts_at = play.order.id, "", float("inf")
        if self.sound_card and play.order.kind is not Kind.LIVE:
            self._ends_at = self.now + (play.order.sound_ms - play.from_ms) / 1000

    def _falls_silent(self) -> None:
        self.sounds = self.waits = ""
        self._starts_at = self._ends_at = float("inf")

    def _say(self, message: Message, frame: bytes) -> None:
        payload = open_from_speaker(frame, message, exercise=self.exercise, key=self.who.key)
        if message is Message.HELLO:
            self.hellos.append(decode_hello(payload))
            self._asked_at = self.now if self.hellos[-1].nonce else self._asked_at
        elif message is Message.STOCK:
            self.stocks.append(decode_stock(payload))
        elif message is Message.ABOUT:
            self.abouts.append(decode_about(payload))
        else:
            report = decode_report(payload)
            self.reports.extend((report.boot, entry) for entry in report.entries)
