"""The private names of aiortc that we use, all in one place: aiortc is pinned for them, and the contract of the engines tests them.

aiortc decodes what it receives and encodes what it sends; it has no way to pass a packet on (aiortc/aiortc#449, #544, #627). So
the receiver's packets are taken before its jitter buffer, and the sender's are written past its encoder.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aioice import ice
from aiortc import MediaStreamTrack, RTCPeerConnection, clock, rtcrtpreceiver
from aiortc.codecs import is_rtx
from aiortc.rtp import RTCP_PSFB_APP, RTP_HISTORY_SIZE, RtcpPsfbPacket, RtpPacket, pack_remb_fci, unwrap_rtx

Take = Callable[[RtpPacket], Awaitable[None]]


CONSENT_EVERY_S, CONSENT_FAILURES = (
    4,
    3,
)  # a link that is down for 4 s comes back; one that is gone is over after 14 s, not 36


def prepare() -> None:
    """No thread of a decoder is kept, as nothing is ever given to one; who is gone is noticed sooner (RFC 7675 §5.1)."""
    rtcrtpreceiver.decoder_worker = lambda *_: None
    ice.CONSENT_INTERVAL, ice.CONSENT_FAILURES = CONSENT_EVERY_S, CONSENT_FAILURES


class Idle(MediaStreamTrack):
    """A track that keeps a sender waiting: what it sends is written by `Outlet`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    async def recv(self) -> Any:
        await asyncio.Event().wait()


class Inlet:
    """What comes in on one receiver, packet by packet, in the order of arrival.

    :param alive: called for every packet, of RTCP too.
    """

    def __init__(self, receiver: Any, take: Take, alive: Callable[[], None]) -> None:
        self._receiver, self._take, self._alive = receiver, take, alive
        self._ssrc: int | None = None
        self._rtcp = receiver._handle_rtcp_packet
        self.most_bps = 0
        self.bytes = 0
        self.packets = 0
        receiver._handle_rtp_packet = self._packet
        receiver._handle_rtcp_packet = self._report

    def _of(self, name: str) -> Any:
        return getattr(self._receiver, f"_RTCRtpReceiver__{name}")

    async def _report(self, packet: Any) -> None:
        self._alive()
        await self._rtcp(packet)

    async def _packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        self._alive()
        codec = self._of("codecs").get(packet.payload_type)
        if codec is None:
            return
        self.bytes += len(packet.payload)
        self.packets += 1
        streams = self._of("remote_streams")
        if packet.ssrc not in streams:
            if len(streams) >= 4:  # one, its retransmission, and each once anew
                return
            streams[packet.ssrc] = rtcrtpreceiver.StreamStatistics(codec.clockRate)
        streams[packet.ssrc].add(packet)
        await self._estimate(packet, arrival_time_ms)
        if is_rtx(codec):
            original, apt = self._of("rtx_ssrc").get(packet.ssrc), codec.parameters.get("apt")
            if original is None or len(packet.payload) < 2 or apt not in self._of("codecs"):
                return
            packet = unwrap_rtx(packet, payload_type=apt, ssrc=original)
        nacks = self._of("nack_generator")
        if nacks is not None and nacks.add(packet):
            await self._receiver._send_rtcp_nack(packet.ssrc, sorted(nacks.missing))
        self._ssrc = packet.ssrc
        if packet.payload:
            await self._take(packet)

    async def _estimate(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        estimator = self._of("remote_bitrate_estimator")
        if estimator is None or packet.extensions.abs_send_time is None:
            return
        found = estimator.add(
            abs_send_time=packet.extensions.abs_send_time,
            arrival_time_ms=arrival_time_ms,
            payload_size=len(packet.payload) + packet.padding_size,
            ssrc=packet.ssrc,
        )
        if found is not None:
            bps, ssrcs = found
            await self._remb(min(bps, self.most_bps or bps), ssrcs)

    async def cap(self, bps: int) -> None:
        """Let the sender know at once that it may send no more than this."""
        if bps != self.most_bps and self._ssrc is not None:
            self.most_bps = bps
            await self._remb(bps, [self._ssrc])

    async def _remb(self, bps: int, ssrcs: list[int]) -> None:
        own = self._of("rtcp_ssrc")
        if own is not None:
            await self._receiver._send_rtcp(
                RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=own, media_ssrc=0, fci=pack_remb_fci(bps, ssrcs))
            )

    async def ask_key_frame(self) -> None:
        if self._ssrc is not None:
            await self._receiver._send_rtcp_pli(self._ssrc)

    def lost_percent(self) -> float | None:
        streams = list(self._of("remote_streams").values())
        expected = sum(one.packets_expected for one in streams)
        return 100.0 * max(0, sum(one.packets_lost for one in streams)) / expected if expected else None


class Outlet:
    """Packets out on one sender, as they are.

    :param wanted: called when the other end asks for a key frame.
    """

    def __init__(self, transceiver: Any, alive: Callable[[], None], wanted: Callable[[], None] = lambda: None) -> None:
        self._transceiver, self._sender, self._alive = transceiver, transceiver.sender, alive
        self._rtcp = self._sender._handle_rtcp_packet
        self._sender._handle_rtcp_packet = self._report
        self._sender._send_keyframe = wanted
        self.bytes = 0

    def _set(self, name: str, value: object) -> None:
        setattr(self._sender, f"_RTCRtpSender__{name}", value)

    def _of(self, name: str) -> Any:
        return getattr(self._sender, f"_RTCRtpSender__{name}")

    async def _report(self, packet: Any) -> None:
        self._alive()
        await self._rtcp(packet)

    @property
    def rtt_ms(self) -> float | None:
        rtt = self._of("rtt")
        return None if rtt is None else rtt * 1000

    async def send(self, sequence: int, timestamp: int, payload: bytes, *, marker: int, keep: bool = False) -> None:
        """:param keep: to be sent again when asked (NACK)."""
        codecs = self._transceiver._codecs
        if not self._of("started") or not codecs:
            return
        packet = RtpPacket(codecs[0].payloadType, marker, sequence, timestamp, self._sender._ssrc, payload)
        packet.extensions.mid = self._transceiver.mid
        packet.extensions.abs_send_time = (clock.current_ntp_time() >> 14) & 0x00FFFFFF
        if keep:
            self._of("rtp_history")[sequence % RTP_HISTORY_SIZE] = packet
        try:
            await self._sender.transport._send_rtp(packet.serialize(self._of("rtp_header_extensions_map")))
        except ConnectionError:
            return
        self.bytes += len(payload)
        self._set("ntp_timestamp", clock.current_ntp_time())
        self._set("rtp_timestamp", timestamp)
        self._set("octet_count", self._of("octet_count") + len(payload))
        self._set("packet_count", self._of("packet_count") + 1)


def fresh_session(sdp: str) -> str:
    """With a session id that no other description has: aiortc's are the seconds of the clock.

    A page that sees another id than before makes a new PeerConnection.
    """
    lines = sdp.split("\r\n")
    return "\r\n".join(f"o=- {time.time_ns()} 1 IN IP4 0.0.0.0" if one.startswith("o=") else one for one in lines)


def connected(pc: RTCPeerConnection) -> bool:
    return bool(pc.connectionState == "connected")
