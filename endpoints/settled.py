"""By which settings a speaker goes: the newest setup that it has heard, over what its provisioning says. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from endpoints.arbitration import QuietHours
from endpoints.area_codes import covers
from endpoints.effects import Identity
from endpoints.fields import BadMessage
from endpoints.sealing import Message, NotAuthentic, TrustedKey
from endpoints.server_time import TIME_BAND
from endpoints.setup import About, Setup, decode_setup
from endpoints.shelf import Trust, Verdict, reaches

IsBelowFloor = Callable[[TrustedKey, int], bool]


@dataclass(frozen=True, slots=True)
class _Held:
    frame: bytes
    setup: Setup
    key: TrustedKey


class Settled:
    """One speaker's settings; the rules are those of a board that only this speaker follows.

    A key may set a speaker that may also give emergencies there: who can turn a speaker down can silence one.

    :param who: as provisioned.
    """

    __slots__ = ("_early", "_held", "_provisioned", "_trust")

    def __init__(self, who: Identity, trust: Trust) -> None:
        self._provisioned, self._trust = who, trust
        self._held: _Held | None = None
        self._early: _Held | None = None

    @property
    def frame(self) -> bytes:
        """As it came, for keeping; empty while there is none."""
        return self._held.frame if self._held else b""

    @property
    def setup(self) -> Setup | None:
        """The one that counts, or None: it goes by its provisioning."""
        return self._held.setup if self._held else None

    @property
    def wants_secrets(self) -> bool:
        """Whether the server has newer secrets for it than those that it uses."""
        return self._held is not None and self._held.setup.generation > self._provisioned.generation

    @property
    def who(self) -> Identity:
        """Who it is with the settings that count now."""
        who, setup = self._provisioned, self.setup
        if setup is None:
            return who
        return replace(
            who,
            volume_percent=setup.volume_percent,
            ceiling_percent=setup.ceiling_percent,
            floor_percent=setup.floor_percent,
            quiet=QuietHours(setup.quiet_from_min, setup.quiet_until_min, who.quiet.utc_offset_min),
            muted_until_ms=setup.muted_until_ms,
        )

    def about(self, *, boot: int, at_ms: int, faults: int) -> About:
        """What it says of itself."""
        who, setup = self.who, self.setup
        return About(
            speaker=who.id,
            boot=boot,
            at_ms=at_ms,
            model=who.make.model,
            firmware=who.make.firmware,
            version=setup.version if setup else 0,
            check_ms=setup.check_ms if setup else 0,
            volume_percent=who.volume_percent,
            ceiling_percent=who.ceiling_percent,
            floor_percent=who.floor_percent,
            quiet_from_min=who.quiet.from_min,
            quiet_until_min=who.quiet.until_min,
            muted_until_ms=who.muted_until_ms,
            generation=who.generation,
            faults=faults,
            ear=who.make.ear,
        )

    def take_up(self, frame: bytes, *, floor_ms: int) -> None:
        """The setup of the last run; the disk is believed no more than the wire."""
        read = self._read(frame) if frame else None
        if isinstance(read, _Held) and read.key.in_force(max(floor_ms, read.setup.written_at_ms)):
            self._held = read

    def offer(self, frame: bytes, now_ms: int | None, is_below_floor: IsBelowFloor) -> Verdict:
        """A setup that came over the network, from whomever.

        :param now_ms: None while no time is trusted; until then the newest is put aside for `prove`.
        """
        if frame == self.frame:
            return Verdict.KNOWN
        read = self._read(frame)
        if isinstance(read, Verdict):
            return read
        if now_ms is not None:
            return self._place(read, now_ms, is_below_floor)
        if self._early is None or self._early.setup.number < read.setup.number:
            self._early = read
        return Verdict.EARLY

    def prove(self, now_ms: int, is_below_floor: IsBelowFloor) -> bool:
        """A time is trusted: place what was put aside; whether that was news."""
        early, self._early = self._early, None
        return early is not None and self._place(early, now_ms, is_below_floor) is Verdict.TAKEN

    def _read(self, frame: bytes) -> "_Held | Verdict":
        who = self._provisioned
        try:
            opened = self._trust.open(frame, Message.SETUP, exercise=who.exercise)
            setup = decode_setup(opened.payload)
        except NotAuthentic:
            return Verdict.NOT_AUTHENTIC
        except BadMessage:
            return Verdict.UNREADABLE
        may = setup.speaker == who.id and covers(opened.key.area, who.area) and opened.key.highest_band >= TIME_BAND
        return _Held(frame, setup, opened.key) if may else Verdict.FOREIGN

    def _place(self, new: _Held, now_ms: int, is_below_floor: IsBelowFloor) -> Verdict:
        held = self._held
        if not new.key.in_force(now_ms) or (held is not None and not reaches(new.key, held.key)):
            return Verdict.FOREIGN
        if is_below_floor(new.key, new.setup.epoch):
            return Verdict.OLD
        if held is not None and reaches(held.key, new.key) and new.setup.number <= held.setup.number:
            same = replace(held.setup, written_at_ms=new.setup.written_at_ms) == new.setup
            return Verdict.KNOWN if same else Verdict.OLD
        self._held = new
        return Verdict.TAKEN
