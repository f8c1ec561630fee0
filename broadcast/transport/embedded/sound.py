"""The sound of one room: who is heard, mixed every 20 ms for each without itself (N-1), for groups, tapes and forwards."""

import contextlib
import logging
import secrets
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from aiortc.codecs.g711 import PcmaEncoder
from av import AudioFrame

from audio_assets.live_codec import LiveDecoder, LiveEncoder
from audio_assets.ogg import NoOggOpus
from audio_assets.ogg_pages import frames_of
from audio_assets.pcm import FRAME_SAMPLES, RATE_HZ
from broadcast.domain.conference.media import AudioMode, Codec, Play, RtpTarget, SiteAudio
from broadcast.transport.embedded.ear import SILENCE, Ear, Samples, clipped
from broadcast.transport.embedded.tape import Recording

log = logging.getLogger(__name__)

PODIUM, FLOOR = "podium", "floor"
FORGET_OWN = 250  # ticks after which the encoder of a site that was silent is let go


class Forward:
    """The mix of a group as even RTP to one address, silence too.

    :raises OSError: the address is none.
    """

    def __init__(self, group: str, target: RtpTarget) -> None:
        self.group, self.target = group, target
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
        family, kind, protocol, _, address = found
        self._address: Any = address
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._sequence, self._timestamp = secrets.randbelow(0x8000), secrets.randbelow(1 << 31)
        self._opus = LiveEncoder(bit_rate=target.bps)
        self._pcma = PcmaEncoder()
        self._position = 0

    def send(self, samples: Samples) -> None:
        step = FRAME_SAMPLES
        if self.target.codec is Codec.OPUS:
            payloads = self._opus.encode(clipped(samples))
        else:
            frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
            frame.planes[0].update(clipped(samples))
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._position, Fraction(1, RATE_HZ)
            self._position += FRAME_SAMPLES
            payloads, step = self._pcma.encode(frame)[0], FRAME_SAMPLES // 6
        for payload in payloads:
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._timestamp = (self._timestamp + step) & 0xFFFFFFFF
            head = struct.pack(
                "!BBHII", 0x80, self.target.payload_type & 0x7F, self._sequence, self._timestamp, self.target.ssrc
            )
            with contextlib.suppress(OSError):  # nobody there, or the buffer is full: a packet is lost, as packets are
                self._socket.sendto(head + payload, self._address)

    def close(self) -> None:
        self._socket.close()


class Playing:
    """A file of the library. :raises OSError, NoOggOpus."""

    def __init__(self, what: Play) -> None:
        self.seize = what.seize
        self._frames = iter(frames_of(Path(what.path).read_bytes()))
        self._decoder = LiveDecoder()

    def pull(self) -> Samples | None:
        frame = next(self._frames, None)
        if frame is None:
            return None
        raw = self._decoder.decode(frame)
        return SILENCE if raw is None else np.frombuffer(raw, dtype=np.int16).astype(np.int32)


@dataclass
class _Own:
    """The encoder of one who speaks: it gets the others alone."""

    encoder: LiveEncoder
    silent: int = 0


@dataclass(frozen=True, slots=True)
class Mixed:
    """What one tick gives. :param out: the frame for each site that hears; :param turned: who begins or stops to be heard."""

    out: Mapping[str, bytes]
    turned: list[tuple[str, bool, float]]
    ended: list[str]


@dataclass
class Sound:
    audio_bps: int
    audio: dict[str, SiteAudio] = field(default_factory=dict)
    muted: bool = False
    exempt: frozenset[str] = frozenset()
    ears: dict[str, Ear] = field(default_factory=dict)
    forwards: dict[str, Forward] = field(default_factory=dict)
    playing: dict[str, Playing] = field(default_factory=dict)
    played: set[str] = field(default_factory=set)
    recordings: dict[str, Recording] = field(default_factory=dict)
    _own: dict[str, _Own] = field(default_factory=dict)
    _common: LiveEncoder | None = None
    _talking: set[str] = field(default_factory=set)

    def audio_of(self, site: str) -> SiteAudio:
        """As it is applied: the lock of the room is in it."""
        wanted = self.audio.get(site, SiteAudio())
        if self.muted and site not in self.exempt and wanted.mode is AudioMode.TALK:
            return SiteAudio(AudioMode.LISTEN, wanted.podium)
        return wanted

    def talks(self, site: str) -> bool:
        return self.audio_of(site).mode is AudioMode.TALK

    def forget(self, site: str) -> None:
        self.ears.pop(site, None)
        self._own.pop(site, None)

    def begin(self, play: str, what: Play) -> bool:
        """Once for each name. :returns: whether it plays."""
        if play in self.played:
            return play in self.playing
        self.played.add(play)
        try:
            self.playing[play] = Playing(what)
        except (OSError, NoOggOpus) as err:
            log.warning("%s is not played: %s", play, err)
            return False
        return True

    # ---- every 20 ms ----------------------------------------------------------------------------------------------------------

    def tick(self, listeners: Iterable[str]) -> Mixed:
        frames = {site: ear.pull() for site, ear in self.ears.items()}
        voices, ended = self._voices(frames), []
        played = SILENCE
        seized = any(one.seize for one in self.playing.values())
        for name, playing in list(self.playing.items()):
            samples = playing.pull()
            if samples is None:
                del self.playing[name]
                ended.append(name)
            else:
                played = played + samples
        if seized:
            voices = {}
        everybody = sum(voices.values(), start=played)
        hearing = [site for site in listeners if self.audio_of(site).mode is not AudioMode.OFF]
        common = self._encode_common(everybody) if hearing or self.recordings else b""
        out = {}
        for site in hearing:
            frame = self._encode_own(site, everybody, voices.get(site), common)
            if frame:
                out[site] = frame
        self._forward(everybody, voices, played)
        self._record(common, frames, voices)
        return Mixed(out, self._turned(voices), ended)

    def _voices(self, frames: Mapping[str, bytes | None]) -> dict[str, Samples]:
        voices = {}
        for site, frame in frames.items():
            ear = self.ears[site]
            if not self.talks(site):
                ear.forget()
                continue
            samples = ear.decode(frame)
            if ear.heard:
                voices[site] = samples
        return voices

    def _encode_common(self, samples: Samples) -> bytes:
        if self._common is None:
            self._common = LiveEncoder(bit_rate=self.audio_bps)
        return b"".join(self._common.encode(clipped(samples))[:1])

    def _encode_own(self, site: str, everybody: Samples, own: Samples | None, common: bytes) -> bytes:
        """Who says nothing shares one encoder: with 27 sites it is two thirds of the work (research/conference.md §5)."""
        mine = self._own.get(site)
        if own is None:
            if mine is not None:
                mine.silent += 1
                if mine.silent > FORGET_OWN:
                    del self._own[site]
            return common
        if mine is None:
            mine = self._own[site] = _Own(LiveEncoder(bit_rate=self.audio_bps))
        mine.silent = 0
        return b"".join(mine.encoder.encode(clipped(everybody - own))[:1])

    def _forward(self, everybody: Samples, voices: Mapping[str, Samples], played: Samples) -> None:
        if not self.forwards:
            return
        podium = sum((one for site, one in voices.items() if self.audio_of(site).podium), start=played)
        for forward in self.forwards.values():
            forward.send(podium if forward.group == PODIUM else everybody)

    def _record(self, common: bytes, frames: Mapping[str, bytes | None], voices: Mapping[str, Samples]) -> None:
        for recording in self.recordings.values():
            if recording.mix is not None:
                recording.mix.take(common)
            for site, tape in recording.sites.items():
                tape.take(frames.get(site) if site in voices else None)

    def _turned(self, voices: Mapping[str, Samples]) -> list[tuple[str, bool, float]]:
        now = set(voices)
        turned = [(site, site in now, self._level(site)) for site in sorted(now ^ self._talking)]
        self._talking = now
        return turned

    def _level(self, site: str) -> float:
        return round(self.ears[site].level_db, 1) if site in self.ears else -90.0

    def close(self) -> None:
        for forward in self.forwards.values():
            forward.close()
        for recording in self.recordings.values():
            recording.end()
