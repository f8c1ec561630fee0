"""paho-mqtt as a codec: its packets, message ids and keepalive, without its threads and its byte-by-byte socket calls.

Plain paho reads a packet in three or more `recv` calls and sends each PUBACK by itself: 40-70 µs a report, against 20-25 µs
here (research/mqtt.md §3). All the private names of paho that we rely on stand in this module and nowhere else; paho is pinned
below 2.3 and `tests/transport/test_mqtt_link.py` fails with a sentence when one of them goes or changes its meaning.
"""

import errno
import socket
import ssl
import struct
import time
from typing import Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

PRIVATE_HOOKS = (
    "_packet_read",
    "_packet_queue",
    "_sock_recv",
    "_sock_close",
    "_create_socket",
    "_handle_on_message",
    "_handle_connack",
    "_check_keepalive",
)
"""What a paho upgrade must keep for this module to work (methods; the attributes are checked by use)."""


class Owner(Protocol):
    """Who drives the wire: the link."""

    def heard_connack(self, code: int, *, session_present: bool) -> None: ...
    def heard_message(self, message: paho.MQTTMessage) -> None: ...
    def heard_puback(self, mid: int) -> None: ...
    def heard_suback(self, mid: int, granted: list[bool]) -> None: ...
    def wants_to_write(self) -> None: ...


class PahoWire(paho.Client):
    """One MQTT 3.1.1 connection after another, fed with bytes, filling `outbox`; it never waits for the network.

    :param max_packet_bytes: an incoming packet announcing more ends the connection before it is read.
    """

    def __init__(self, owner: Owner, *, client_id: str, clean: bool, manual_ack: bool, max_packet_bytes: int) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,  # or a refusal would make paho dial by itself, blocking
            manual_ack=manual_ack,
        )
        self.outbox = bytearray()
        self.max_inflight_messages = 0  # the link counts; paho must not queue behind our back
        self._owner = owner
        self._max_packet_bytes = max_packet_bytes
        self._inbox, self._at = b"", 0
        self._next_socket: socket.socket | None = None
        self.on_publish = lambda client, userdata, mid, reason, properties: owner.heard_puback(mid)
        self.on_subscribe = lambda client, userdata, mid, reasons, properties: owner.heard_suback(
            mid, [not reason.is_failure for reason in reasons]
        )

    @property
    def is_open(self) -> bool:
        return self._sock is not None

    def open(self, sock: socket.socket, *, keepalive_s: int) -> None:
        """Take over a connected (and, with TLS, authenticated) socket and queue CONNECT."""
        self.outbox.clear()
        self._next_socket = sock
        self.connect_async("given-socket", 1, keepalive_s)
        self.reconnect()

    def feed(self, data: bytes) -> MQTTErrorCode:
        """Handle every packet in data; a rest without its end is kept. Anything but success ends the connection."""
        self._inbox, self._at = data, 0
        while self._at < len(data) and self.is_open:
            code = self._packet_read()
            if code is MQTTErrorCode.MQTT_ERR_AGAIN:
                break
            if code:
                return code
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def sent(self, count: int) -> None:
        """The first count bytes of the outbox have gone to the socket."""
        del self.outbox[:count]
        self._last_msg_out = time.monotonic()

    def puback(self, mids: list[int]) -> None:
        """Acknowledge many messages at once: PUBACK is 0x40 0x02 and the id, big-endian (MQTT 3.1.1 §3.4)."""
        ids = struct.pack(f">{len(mids)}H", *mids)
        packets = bytearray(b"\x40\x02\x00\x00" * len(mids))
        packets[2::4], packets[3::4] = ids[0::2], ids[1::2]
        self.outbox += packets
        self._owner.wants_to_write()

    def still_alive(self) -> bool:
        """Send PINGREQ where it is due; False when the last one stayed unanswered for a keepalive: the peer is gone."""
        self._check_keepalive()
        return self.is_open

    def next_check_s(self) -> float:
        """Seconds until `still_alive` has work."""
        return min(self._last_msg_out, self._last_bytes_received) + self.keepalive - time.monotonic()

    def close(self) -> None:
        """Close the socket as it stands, without DISCONNECT, and forget what was under way."""
        self._sock_close()
        self.drop_out_messages()
        self.outbox.clear()

    # What paho calls ----------------------------------------------------------------------------------------------------

    def _create_socket(self) -> socket.socket:
        if self._next_socket is None:
            raise OSError(errno.ENOTCONN, "paho tried to dial by itself")
        sock, self._next_socket = self._next_socket, None
        return sock

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > self._max_packet_bytes:
            raise OSError(errno.EMSGSIZE, f"packet of more than {self._max_packet_bytes} bytes")
        chunk = self._inbox[self._at : self._at + bufsize]
        if not chunk:
            raise BlockingIOError
        self._at += len(chunk)
        return chunk

    def _packet_queue(
        self, command: int, packet: bytes | bytearray, mid: int, qos: int, info: paho.MQTTMessageInfo | None = None
    ) -> MQTTErrorCode:
        self.outbox += packet
        self._owner.wants_to_write()
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_on_message(self, message: paho.MQTTMessage) -> None:
        self._owner.heard_message(message)

    def _handle_connack(self) -> MQTTErrorCode:
        flags, code = self._in_packet["packet"][:2]
        result = super()._handle_connack()
        self._owner.heard_connack(code, session_present=bool(flags & 1))
        return result


def read_some(sock: socket.socket, scratch: memoryview) -> bytes | None:
    """What has arrived, at most one scratch full; empty at the end of the stream, None when nothing is there.

    :raises OSError: the connection is broken.
    """
    try:
        if not isinstance(sock, ssl.SSLSocket):
            return bytes(scratch[: sock.recv_into(scratch)])
        have = sock.recv_into(scratch)
        while have and (
            pending := min(sock.pending(), len(scratch) - have)
        ):  # epoll does not see what TLS has read ahead
            have += sock.recv_into(scratch[have:], pending)
        return bytes(scratch[:have])
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None


def write_some(sock: socket.socket, outbox: bytearray) -> int:
    """How many bytes the socket took; 0 when it takes none now.

    :raises OSError: the connection is broken.
    """
    try:
        with memoryview(outbox) as view, view[:262_144] as chunk:
            return sock.send(chunk)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return 0
