"""Session descriptions as Chromium writes them, cut down to what matters."""

from broadcast.domain.conference.media import Link


def offer(link: Link, direction: str) -> str:
    """One medium in that direction."""
    medium = "audio 9 UDP/TLS/RTP/SAVPF 111 0" if link is Link.AUDIO else "video 9 UDP/TLS/RTP/SAVPF 96 97"
    codec = "a=rtpmap:111 opus/48000/2" if link is Link.AUDIO else "a=rtpmap:96 VP8/90000"
    lines = (
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        f"m={medium}",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:4ZcD",
        "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlaF",
        "a=ice-options:trickle",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:actpass",
        "a=mid:0",
        f"a={direction}",
        "a=rtcp-mux",
        codec,
        "a=candidate:1 1 udp 2113937151 192.0.2.1 54321 typ host generation 0",
    )
    return "\r\n".join(lines) + "\r\n"
