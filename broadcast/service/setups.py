"""The setups (终端设置) of all speakers, signed and retained at the broker, and what the speakers say of themselves in answer.

Derived from the estate like boards from orders: whoever changed a speaker, and however, what is wanted of it goes out at the next
look. A setup is asked for again with a new `check_ms` for a silent test.
"""

from collections.abc import Callable, Iterable, Mapping

from broadcast.clock import Clock
from broadcast.domain.estate_tests import SaidOf, quiet_of
from broadcast.domain.speakers import Speaker
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ports import Store, Wire
from broadcast.service.retained import Frame, Name, Retained
from endpoints.arbitration import QuietHours
from endpoints.protocol import root_of
from endpoints.sealing import Message, Signer, seal
from endpoints.setup import About, Setup, encode_setup, setup_topic


class Setups:
    """
    :param county: quiet hours of speakers that have none of their own.
    :param on_said: told of each speaker that has said something of itself.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        wire: Wire,
        estate: Estate,
        health: Health,
        signers: Mapping[bool, Signer],
        epoch: int,
        county: QuietHours,
        on_said: Callable[[SaidOf], None] = lambda _: None,
    ) -> None:
        self._clock, self._store, self._estate, self._signers = clock, store, estate, signers
        self._epoch, self.county, self.on_said = epoch, county, on_said
        self._said: dict[str, SaidOf] = {}
        self._unkept: set[str] = set()
        self._checks: dict[str, int] = {}  # when each was last asked for a silent test, in this run
        self._retained = Retained(
            "setups",
            clock=clock,
            store=store,
            wire=wire,
            health=health,
            epoch=epoch,
            frame=self._frame,
            raise_version=lambda _, name: self._estate.speaker(name[1]).revision,
            in_slices=True,
        )

    async def load(self) -> None:
        """What speakers said in earlier runs; the estate is loaded."""
        self._said = dict(await self._store.read(lambda tx: tx.abouts.all()))
        self._retained.take({_name(one): one.revision for one in self._estate.speakers.values()})

    async def close(self) -> None:
        """End what is under way, and keep what was said."""
        await self._retained.close()
        await self.keep()

    @property
    def pending(self) -> int:
        """How many setups the broker does not have in their newest version."""
        return self._retained.pending

    def said(self, speaker: str) -> SaidOf | None:
        """What it said of itself last; None: nothing yet, or it can't."""
        return self._said.get(speaker)

    def follow(self) -> None:
        """The estate has changed: what is wanted anew of speakers goes out."""
        versions = self._retained.versions
        changed = [one for one in self._estate.speakers.values() if versions.get(_name(one), 0) < one.revision]
        for one in changed:
            self._retained.take({_name(one): one.revision})
            self._retained.publish(_name(one))

    async def ask(self, speakers: Iterable[Speaker], *, check_ms: int) -> None:
        """Ask these for a silent test: their setups go out again, and each answers with that `check_ms`."""
        names = [_name(one) for one in speakers]
        self._checks |= {speaker: check_ms for _, speaker in names}
        await self._retained.publish_all(names)

    def republish(self) -> None:
        """The broker is there (again) and may have lost everything."""
        self._retained.republish()

    def lost(self) -> None:
        """The broker is gone; what it has is not known."""
        self._retained.lost()

    def take(self, about: About) -> None:
        """A speaker said this of itself; it was verified."""
        values = {name: getattr(about, name) for name in SaidOf.__slots__ if name != "heard_ms"}
        said = SaidOf(heard_ms=self._clock.now_ms(), **values)
        self._said[about.speaker] = said
        self._unkept.add(about.speaker)
        self.on_said(said)

    async def keep(self) -> None:
        """Write what was said since the last time; call every few seconds."""
        names, self._unkept = self._unkept, set()
        if not names:
            return
        rows = [self._said[name] for name in names]
        try:
            await self._store.write(lambda tx: tx.abouts.keep(rows))
        except BaseException:
            self._unkept |= names
            raise

    def _frame(self, name: Name, version: int) -> Frame:
        exercise, speaker = name
        one = self._estate.speakers.get(speaker)
        if one is None:  # taken down since: nobody shall be set by it
            return setup_topic(root_of(exercise), speaker), b""
        quiet_from_min, quiet_until_min = quiet_of(one, self.county)
        setup = Setup(
            speaker=speaker,
            epoch=self._epoch,
            version=version,
            written_at_ms=self._clock.now_ms(),
            check_ms=self._checks.get(speaker, 0),
            volume_percent=one.volume_percent,
            ceiling_percent=one.ceiling_percent,
            floor_percent=one.floor_percent,
            quiet_from_min=quiet_from_min,
            quiet_until_min=quiet_until_min,
            muted_until_ms=one.muted_until_ms,
            generation=one.generation,
        )
        frame = seal(encode_setup(setup), Message.SETUP, exercise=exercise, signer=self._signers[exercise])
        return setup_topic(root_of(exercise), speaker), frame


def _name(one: Speaker) -> Name:
    return one.exercise, one.id
