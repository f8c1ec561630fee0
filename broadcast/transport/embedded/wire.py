"""One link: a PeerConnection of the engine with a browser, whether something comes over it, and how it ends."""

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_from_sdp

from broadcast.domain.conference.media import BadSdp, Link, LinkStats
from broadcast.transport.embedded.private_names import Idle, Inlet, Outlet, connected, fresh_session

LOST_S = 2.0
VIEW_LOST_S, LISTENER_LOST_S = 4.0, 10.0  # browsers report on pictures every 0.5 to 1.5 s, on sound every 2.5 to 7.5 s
GIVE_UP_S = 10.0  # so long without anything, a link down for 4 s comes back
CONNECT_WITHIN_S = 20.0
MOST_CANDIDATES = 32
_NAMED = re.compile(
    r"a=candidate:[^\r\n]*\.local [^\r\n]*\r?\n"
)  # found by its packets; looking it up would take seconds


class Wire:
    """
    :param ended: called once, with the cause, when it is over by itself.
    """

    def __init__(self, site: str, link: Link, ended: Callable[["Wire", str], None]) -> None:
        self.site, self.link = site, link
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.inlet: Inlet | None = None
        self.outlets: list[Outlet] = []
        self.sequence, self.timestamp = secrets.randbelow(0x8000), secrets.randbelow(1 << 31)  # of an audio outlet
        self.joined = self.lost = self.over = False
        self._ended = ended
        self._began = self._last = time.monotonic()
        self._in, self._out, self._looked = 0, 0, time.monotonic()
        self._sent = 0
        self._lost_s = VIEW_LOST_S if link is Link.VIEW else LISTENER_LOST_S
        self._early: list[Any] = []
        self.pc.on("connectionstatechange", self._changed)

    def alive(self) -> None:
        self._last = time.monotonic()

    @property
    def up(self) -> bool:
        return self.joined and not self.lost

    def _changed(self) -> None:
        if connected(self.pc):
            self.alive()
        elif self.pc.connectionState in {"failed", "closed"} and not self.over:
            self._ended(self, self.pc.connectionState)

    # ---- negotiation ----------------------------------------------------------------------------------------------------------

    async def take_offer(self, sdp: str, take: Any) -> str:
        """:raises BadSdp."""
        kind = "audio" if self.link is Link.AUDIO else "video"
        try:
            await self.pc.setRemoteDescription(RTCSessionDescription(_NAMED.sub("", sdp), "offer"))
            transceiver = self.pc.getTransceivers()[0]
            _prefer(transceiver, kind)
            if not any(_is_wanted(one.mimeType) for one in transceiver._codecs):
                raise BadSdp("no-codec", f"{'Opus' if kind == 'audio' else 'VP8'} is what is forwarded")
            _keep_wanted(transceiver)
            self.inlet = Inlet(transceiver.receiver, take, self.alive)
            if kind == "audio":
                transceiver.sender.replaceTrack(Idle("audio"))
                transceiver.direction = "sendrecv"
                self.outlets = [Outlet(transceiver, self.alive)]
            else:
                transceiver.direction = "recvonly"
            await self.pc.setLocalDescription(await self.pc.createAnswer())
        except BadSdp:
            raise
        except Exception as err:  # aiortc raises whatever its parser meets
            raise BadSdp("malformed", str(err)[:200] or type(err).__name__) from err
        return fresh_session(self.pc.localDescription.sdp)

    async def make_offer(self, panes: int, wanted: Callable[[int], None]) -> str:
        for number in range(panes):
            transceiver = self.pc.addTransceiver(Idle("video"), direction="sendonly")
            _prefer(transceiver, "video")
            self.outlets.append(Outlet(transceiver, self.alive, partial(wanted, number)))
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return fresh_session(self.pc.localDescription.sdp)

    async def take_answer(self, sdp: str) -> None:
        """:raises BadSdp."""
        try:
            await self.pc.setRemoteDescription(RTCSessionDescription(_NAMED.sub("", sdp), "answer"))
        except Exception as err:
            raise BadSdp("malformed", str(err)[:200] or type(err).__name__) from err

    async def trickle(self, candidate: str | None, mid: str, mline: int) -> None:
        """:raises BadSdp."""
        if candidate and ".local " in candidate:
            return
        found = None
        if candidate:
            try:
                found = candidate_from_sdp(candidate.removeprefix("a=").removeprefix("candidate:"))
            except (ValueError, IndexError, AssertionError) as err:
                raise BadSdp("malformed", "no ICE candidate") from err
            found.sdpMid, found.sdpMLineIndex = mid, mline
        described: object = self.pc.remoteDescription
        if described is None:
            if len(self._early) < MOST_CANDIDATES:
                self._early.append(found)
            return
        await self.pc.addIceCandidate(found)

    async def take_early(self) -> None:
        early, self._early = self._early, []
        for one in early:
            await self.pc.addIceCandidate(one)

    async def close(self) -> None:
        self.over = True
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                await self.pc.close()

    # ---- looked at four times a second ------------------------------------------------------------------------------------------

    def look(self) -> str:
        """What is new: `joined`, `lost`, `left`, or nothing."""
        now = time.monotonic()
        sends_alone = self.link is Link.VIEW or self.pc.getTransceivers()[0].currentDirection == "sendonly"
        here = connected(self.pc) and (sends_alone or (self.inlet is not None and self.inlet.packets > 0))
        if not self.joined:
            if here:
                self.joined = True
                return "joined"
            return "left" if now - self._began > CONNECT_WITHIN_S else ""
        if sends_alone:  # reports answer what is sent; while nothing is, ICE alone tells whether somebody is there
            sent = sum(one.bytes for one in self.outlets)
            if sent == self._sent:
                self._last = max(self._last, now - LOST_S)
            self._sent = sent
        silent_s = now - self._last
        if not self.lost and silent_s > (self._lost_s if sends_alone else LOST_S):
            self.lost = True
            return "lost"
        if self.lost and silent_s < LOST_S:
            self.lost = False
            return "joined"
        return "left" if self.lost and silent_s > GIVE_UP_S + (self._lost_s if sends_alone else 0) else ""

    def stats(self) -> LinkStats:
        now = time.monotonic()
        span_s = max(0.1, now - self._looked)
        got, sent = (self.inlet.bytes if self.inlet else 0), sum(one.bytes for one in self.outlets)
        in_bps, out_bps = (8 * (got - self._in) / span_s, 8 * (sent - self._out) / span_s)
        if span_s > 1:
            self._in, self._out, self._looked = got, sent, now
        return LinkStats(
            up=self.up,
            loss_percent=self.inlet.lost_percent() if self.inlet else None,
            rtt_ms=next((one.rtt_ms for one in self.outlets if one.rtt_ms is not None), None),
            in_bps=round(in_bps),
            out_bps=round(out_bps),
        )


def _is_wanted(mime: str) -> bool:
    return mime.lower() in {"audio/opus", "video/vp8"}


def _is_rtx(codec: Any) -> bool:
    return str(codec.mimeType).lower() == "video/rtx"


def _keep_wanted(transceiver: Any) -> None:
    """Of what both know: our codec, and its retransmission."""
    own = [one for one in transceiver._codecs if _is_wanted(one.mimeType)]
    types = {one.payloadType for one in own}
    again = [one for one in transceiver._codecs if _is_rtx(one) and one.parameters.get("apt") in types]
    transceiver._codecs = [*own, *again]


def _prefer(transceiver: Any, kind: str) -> None:
    """Opus and VP8 alone: what is forwarded is not decoded, so all have to speak one language."""
    known = RTCRtpSender.getCapabilities(kind).codecs
    transceiver.setCodecPreferences([one for one in known if _is_wanted(one.mimeType) or _is_rtx(one)])
