"""Session descriptions from outside: bounded and read before any engine sees them, and held to what the link may.

Grammar: RFC 8866; what WebRTC puts in: RFC 8829, 8841, 5763.
"""

import re
from collections.abc import Sequence

from broadcast.domain.conference.media import MOST_PANES, BadSdp, Link

MOST_BYTES = 24 * 1024  # Chromium's largest offer of one medium is under 8 kB
MOST_LINES = 600
MOST_LINE = 1_024
MOST_CANDIDATES = 32
MOST_CANDIDATE = 400
LINE = re.compile(r"[a-z]=[\x20-\x7e]*")
MEDIA = re.compile(r"m=(audio|video) \d{1,5} UDP/TLS/RTP/SAVPF( \d{1,3}){1,64}")
CANDIDATE = re.compile(
    r"(a=)?candidate:[A-Za-z0-9+/]{1,32} [12] (udp|UDP|tcp|TCP) \d{1,10} [0-9A-Za-z.:-]{1,253} \d{1,5} typ"
    r" (host|srflx|prflx|relay)( [\x21-\x7e]{1,64}){0,24}"
)
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
FORBIDDEN = ("a=crypto:", "a=simulcast:", "a=rid:", "a=sctp", "a=ssrc-group:SIM", "k=")
WANTED = ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:")
CODECS = {"audio": ("opus/48000",), "video": ("vp8/90000", "h264/90000")}


def must_be_fine(sdp: str, link: Link, *, speaks: bool) -> None:
    """:param speaks: False for who may only see and hear: it offers no media of its own.

    :raises BadSdp: with the code of what is wrong; nothing of it reaches an engine.
    """
    sections = _sections(sdp)
    if link is Link.VIEW:
        if not 0 < len(sections) <= MOST_PANES or any(one[0].split()[0] != "m=video" for one in sections):
            raise BadSdp("not-allowed", "a view answers with video alone")
        allowed: tuple[str, ...] = ("recvonly", "inactive")
    else:
        kind = "audio" if link is Link.AUDIO else "video"
        if len(sections) != 1 or not sections[0][0].startswith(f"m={kind} "):
            raise BadSdp("not-allowed", f"a link {link.value} is one m={kind}")
        if not speaks and link is not Link.AUDIO:
            raise BadSdp("not-allowed", "this site sends nothing")
        allowed = ("sendonly",) if link is not Link.AUDIO else ("sendrecv", "recvonly") if speaks else ("recvonly",)
    for section in sections:
        direction = next((line[2:] for line in section if line[2:] in DIRECTIONS), "sendrecv")
        if direction not in allowed:
            raise BadSdp("not-allowed", f"{direction}, and not {' or '.join(allowed)}")
        _must_have_codec(section)


def must_be_candidate(candidate: str | None) -> None:
    """:raises BadSdp."""
    if candidate and (len(candidate) > MOST_CANDIDATE or not CANDIDATE.fullmatch(candidate)):
        raise BadSdp("malformed", "no ICE candidate")


def _sections(sdp: str) -> list[list[str]]:
    """The lines of each medium; what holds for all of them is checked on the way."""
    if len(sdp) > MOST_BYTES:
        raise BadSdp("too-large", f"{len(sdp)} characters; {MOST_BYTES} at most")
    lines = sdp.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) > MOST_LINES or any(len(line) > MOST_LINE for line in lines):
        raise BadSdp("too-large", f"{len(lines)} lines")
    if lines[0] != "v=0" or not all(map(LINE.fullmatch, lines)):
        raise BadSdp("malformed", "no session description")
    if any(line.startswith(FORBIDDEN) for line in lines):
        raise BadSdp("not-allowed", "keys in the clear, layers or data channels")
    if sum(line.startswith("a=candidate:") for line in lines) > MOST_CANDIDATES:
        raise BadSdp("too-large", "too many candidates")
    for line in lines:
        if line.startswith("a=candidate:"):
            must_be_candidate(line)
    if missing := [want for want in WANTED if not any(line.startswith(want) for line in lines)]:
        raise BadSdp("malformed", f"no {' '.join(missing)}")
    starts = [at for at, line in enumerate(lines) if line.startswith("m=")]
    if not starts:
        raise BadSdp("malformed", "no medium")
    sections = [lines[at:until] for at, until in zip(starts, [*starts[1:], len(lines)], strict=True)]
    for section in sections:
        if not MEDIA.fullmatch(section[0]):
            raise BadSdp("not-allowed", "a medium that is neither audio nor video over DTLS")
    return sections


def _must_have_codec(section: Sequence[str]) -> None:
    kind = section[0].split()[0][2:]
    maps = [line.split(" ", 1)[1].lower() for line in section if line.startswith("a=rtpmap:") and " " in line]
    if not any(one.startswith(CODECS[kind]) for one in maps):
        raise BadSdp("no-codec", f"none of {', '.join(CODECS[kind])}")
