"""What speakers have to be told, from keys, settings and the estate: for a running server and for `lianbo speakers export`."""

from collections.abc import Iterable

from broadcast.domain.estate_tests import quiet_of
from broadcast.domain.speakers import Speaker
from broadcast.keyring import Keyring
from config.settings import Rules
from endpoints.arbitration import QuietHours
from endpoints.mqtt_dial import BrokerAddress
from endpoints.provisioning import Provisioning, SpeakerConfig
from endpoints.sealing import broker_password, speaker_key


def provision(
    speakers: Iterable[Speaker], *, keyring: Keyring, rules: Rules, broker: BrokerAddress, assets_url: str
) -> Provisioning:
    """:param broker: as the speakers reach it; the account in it is not used, each speaker has its own."""
    county = quiet_hours(rules)
    return Provisioning(
        host=broker.host,
        port=broker.port,
        keys=keyring.trusted,
        speakers=tuple(
            SpeakerConfig(
                id=one.id,
                area=one.area,
                key=speaker_key(keyring.master, one.id, one.generation),
                password=broker_password(keyring.master, one.id, one.generation),
                exercise=one.exercise,
                volume_percent=one.volume_percent,
                quiet=QuietHours(*quiet_of(one, county), county.utc_offset_min),
                ceiling_percent=one.ceiling_percent,
                floor_percent=one.floor_percent,
                generation=one.generation,
            )
            for one in speakers
        ),
        assets_url=assets_url,
        tls=broker.tls,
    )


def quiet_hours(rules: Rules) -> QuietHours:
    """As the settings say them, for every speaker."""
    return QuietHours(_minutes(rules.quiet_from), _minutes(rules.quiet_until), rules.utc_offset_min)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
