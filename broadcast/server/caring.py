"""Composition of what looks after the speakers: services, what they are handed, and their loops."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from broadcast.clock import Clock
from broadcast.domain.expiry import Ending
from broadcast.domain.speakers import Speaker
from broadcast.keyring import Keyring
from broadcast.provisioning import provision, quiet_hours
from broadcast.server.certificates import BadCertificate, endings_in
from broadcast.server.loops import Loops
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.care import Care
from broadcast.service.caretaking import Caretaking
from broadcast.service.enrolments import Enrolments
from broadcast.service.estate import Estate
from broadcast.service.estate_tests import EstateTests
from broadcast.service.expiry import Expiry
from broadcast.service.groups import Groups
from broadcast.service.health import Health
from broadcast.service.ports import Store, Wire
from broadcast.service.presence import Speakers
from broadcast.service.registering import Registering
from broadcast.service.setups import Setups
from broadcast.service.troubles import Troubles
from config.settings import Settings
from endpoints.enrolling import CA_FILE, Invitation, print_of, sealed_for
from endpoints.mqtt_dial import BrokerAddress, TlsFiles

EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  addresses to listen on, not to be reached at

log = logging.getLogger(__name__)


class Caring:
    """Makes them in two steps: what the speakers' word needs, then what needs the broadcasts.

    :param broker: as clients on this machine reach it.
    :param on_change: the estate has changed; see `Caretaking`.
    :param is_near_change: of shifts: no test begins by itself then.
    """

    care: Care

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        wire: Wire,
        estate: Estate,
        speakers: Speakers,
        health: Health,
        settings: Settings,
        keyring: Keyring,
        epoch: int,
        broker: Callable[[], BrokerAddress],
        on_change: Callable[[], None],
        is_near_change: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._clock, self._store, self._estate, self._speakers, self._health = clock, store, estate, speakers, health
        self._settings, self._keyring, self._broker = settings, keyring, broker
        self._on_change, self._is_near_change = on_change, is_near_change
        self.caretaking = Caretaking(clock=clock, estate=estate, on_change=on_change)
        self.setups = Setups(
            clock=clock,
            store=store,
            wire=wire,
            estate=estate,
            health=health,
            signers=keyring.signers,
            epoch=epoch,
            county=quiet_hours(settings.rules),
        )

    def complete(self, broadcasts: Broadcasts) -> Care:
        """The rest."""
        clock, store, estate, health = self._clock, self._store, self._estate, self._health
        settings, keyring, setups = self._settings, self._keyring, self.setups
        tests = EstateTests(
            clock=clock,
            store=store,
            estate=estate,
            speakers=self._speakers,
            setups=setups,
            caretaking=self.caretaking,
            broadcasts=broadcasts,
            health=health,
            at_min=_minute_of(settings.estate.silent_test_at),
            utc_offset_min=settings.rules.utc_offset_min,
            is_near_change=self._is_near_change,
        )
        setups.on_said = tests.heard
        enrolments = Enrolments(
            clock=clock,
            store=store,
            estate=estate,
            caretaking=self.caretaking,
            health=health,
            secret=keyring.master,
            hand_out=_HandOut(settings, keyring, self._broker),
            on_change=self._on_change,
        )
        self.care = Care(
            setups=setups,
            caretaking=self.caretaking,
            enrolments=enrolments,
            groups=Groups(clock=clock, store=store, estate=estate),
            registering=Registering(clock=clock, store=store, estate=estate, on_change=self._on_change),
            tests=tests,
            troubles=Troubles(clock=clock, estate=estate, speakers=self._speakers, setups=setups),
            expiry=Expiry(health=health, endings=lambda: endings(settings, keyring)),
            keys_print=print_of(keyring.trusted),
            invite=lambda server, code: Invitation(server, code, print_of(keyring.trusted)).text,
        )
        return self.care

    async def load(self) -> None:
        """Read what stands in the tables; the estate is loaded."""
        await self.setups.load()
        await self.care.tests.load()

    def follow(self) -> None:
        """The estate has changed: setups go out, and whose secrets are revoked is not there any more, whatever the broker says."""
        for one in self._estate.speakers.values():
            if one.revoked:
                self._speakers.gone(one.id)
        self.setups.follow()

    def start_loops(self, loops: Loops) -> None:
        """Keep them going."""
        loops.every("speaker-keys", 1.0, self.caretaking.tick)
        loops.every("speakers-said", 2.0, self.setups.keep)
        loops.every("silent-test", 1.0, self.care.tests.tick)
        loops.every("enrolments", 10.0, self.care.enrolments.watch)
        loops.every("expiry", 60.0, self._watch_ends)

    async def _watch_ends(self) -> None:
        self.care.expiry.look(self._clock.now_ms())


def endings(settings: Settings, keyring: Keyring) -> Iterator[Ending]:
    """All that has a last day: signing keys, and the certificates of the settings. Speakers' secrets have none: they are rolled."""
    for key in keyring.trusted:
        yield Ending("key", f"{'exercise' if key.exercise else 'live'} {key.key_id.hex()}", key.not_after_ms)
    asked = settings.broker
    for file in (asked.tls_certificate, asked.tls_ca):
        if file:
            try:
                yield from endings_in("certificate", Path(file))
            except BadCertificate as err:
                log.warning("%s", err)


class _HandOut:
    """What a box is told, sealed to it."""

    def __init__(self, settings: Settings, keyring: Keyring, broker: Callable[[], BrokerAddress]) -> None:
        self._settings, self._keyring, self._broker = settings, keyring, broker

    def __call__(self, speaker: Speaker, box: str, host: str) -> str:
        """:param host: by which the box reached the desk; it finds a broker there that listens everywhere."""
        local, asked = self._broker(), self._settings.broker
        where = asked.host if asked.engine == "external" or asked.host not in EVERYWHERE else host
        ca_pem = local.tls.ca.read_text(encoding="ascii") if local.tls is not None else ""
        tls = TlsFiles(Path(CA_FILE), check_hostname=local.tls.check_hostname) if local.tls is not None else None
        told = provision(
            [speaker],
            keyring=self._keyring,
            rules=self._settings.rules,
            broker=BrokerAddress(where, local.port, tls=tls),
            assets_url="",
        )
        return sealed_for(box, replace(told, host=told.host or local.host), ca_pem)


def _minute_of(clock: str) -> int | None:
    if not clock:
        return None
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
