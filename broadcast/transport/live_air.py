"""Live streams on their way to the speakers: the signed head, retained, and signed packets behind it."""

import logging
from collections.abc import Mapping, Sequence

from broadcast.service.ports import Wire, WireDown
from endpoints.live_packets import LAST, SILENCE, Packet, StreamHead, head_topic, live_topic, seal_head, seal_packet
from endpoints.protocol import Order, root_of
from endpoints.sealing import Signer

log = logging.getLogger(__name__)


# Mosquitto: three quarters of where it collapses (research/audio §3.1). amqtt writes to one listener after another, 0.3 ms each:
# 300 of them have a packet within 64 ms (p99), 718 within 294 ms, and the play-out delay leaves 140 (bench/live.py).
DELIVERIES_PER_S = {"mosquitto": 45_000, "amqtt": 1_500}


def most_deliveries_per_s(engine: str) -> int:
    """What a broker is given at most; an external one counts as a Mosquitto."""
    return DELIVERIES_PER_S.get(engine, DELIVERIES_PER_S["mosquitto"])


class SignedStream:
    """One run of one stream."""

    def __init__(self, order: Order, *, started_us: int, epoch: int, wire: Wire, signer: Signer) -> None:
        self._order, self._started_us, self._epoch = order, started_us, epoch
        self._wire, self._signer = wire, signer
        self._seq = self._revision = 0
        root = root_of(order.exercise)
        self._head, self._packets = head_topic(root, order.stream), live_topic(root, order.stream)

    def head(self, *, frames: int, delay_ms: int, ended: bool = False) -> None:
        """Publish what it is now; said again when the broker has come back."""
        self._revision += 1
        order = self._order
        head = StreamHead(
            order.id, order.stream, frames, delay_ms, self._started_us, self._epoch, self._revision, ended
        )
        self._publish(self._head, seal_head(head, exercise=order.exercise, signer=self._signer), retain=True)

    def send(self, frames: Sequence[bytes], media_us: int, *, silence: bool = False, last: bool = False) -> bool:
        """One packet. Whether the broker got it; what it did not get is lost, live sound does not wait."""
        flags = (SILENCE if silence else 0) | (LAST if last else 0)
        packet = Packet(self._order.stream, self._seq, media_us, tuple(frames), flags)
        self._seq += 1
        return self._publish(
            self._packets, seal_packet(packet, exercise=self._order.exercise, signer=self._signer), retain=False
        )

    def clear(self) -> None:
        """The broker forgets the head."""
        self._publish(self._head, b"", retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        try:
            self._wire.publish(topic, payload, qos=0, retain=retain)
        except WireDown:
            return False
        return True


class SignedAir:
    """The `LiveAir` port over the server's connection.

    :param signers: by mode, as for boards.
    :param epoch: of this server.
    """

    def __init__(self, *, wire: Wire, signers: Mapping[bool, Signer], epoch: int) -> None:
        self._wire, self._signers, self._epoch = wire, signers, epoch

    def open(self, order: Order, *, started_us: int) -> SignedStream:
        signer = self._signers[order.exercise]
        return SignedStream(order, started_us=started_us, epoch=self._epoch, wire=self._wire, signer=signer)

    def forget(self, order: Order) -> None:
        self.open(order, started_us=0).clear()
