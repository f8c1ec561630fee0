"""What looks after the speakers, with keys of a test."""

from collections.abc import Callable

from broadcast.clock import Clock
from broadcast.keyring import Keyring, SigningKey
from broadcast.server.caring import Caring
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.care import Care
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ports import Store, Wire
from broadcast.service.presence import Speakers
from config.settings import load
from endpoints.mqtt_dial import BrokerAddress
from endpoints.protocol import Band
from endpoints.sealing import Algorithm, Ed25519Signer, TrustedKey

COUNTY = "130281000000"
FOREVER = 2**53 - 1


def keyring_of(master: bytes) -> Keyring:
    """Keys that never end, of the county."""

    def key(seed: bytes, *, exercise: bool) -> SigningKey:
        signer = Ed25519Signer(seed)
        trusted = TrustedKey(Algorithm.ED25519, signer.public, COUNTY, Band.LIFE_SAFETY, exercise, 0, FOREVER)
        return SigningKey(signer, trusted)

    return Keyring(key(b"l" * 32, exercise=False), key(b"e" * 32, exercise=True), master, "broker")


async def care_for(
    *,
    clock: Clock,
    store: Store,
    wire: Wire,
    estate: Estate,
    speakers: Speakers,
    health: Health,
    broadcasts: Broadcasts,
    master: bytes,
    on_change: Callable[[], None],
    is_near_change: Callable[[int], bool] = lambda _: False,
    silent_test_at: str = "",
) -> Care:
    """Loaded; its loops are the test's to turn.

    :param master: the same that the estate has.
    :param silent_test_at: of the settings; by default no hour starts a test.
    """

    def changed() -> None:
        on_change()
        caring.follow()

    caring = Caring(
        clock=clock,
        store=store,
        wire=wire,
        estate=estate,
        speakers=speakers,
        health=health,
        settings=load(environment={"LIANBO_ESTATE_SILENT_TEST_AT": silent_test_at}),
        keyring=keyring_of(master),
        epoch=1,
        broker=lambda: BrokerAddress("127.0.0.1", 1883),
        on_change=changed,
        is_near_change=is_near_change,
    )
    care = caring.complete(broadcasts)
    await caring.load()
    return care
