"""What the conference core needs of a media engine. Two pass one contract suite: tests/conference/contract.py."""

from collections.abc import Callable, Sequence
from typing import Protocol

from broadcast.domain.conference.media import (
    EngineCaps,
    EngineEvent,
    EngineStats,
    FedAt,
    Feed,
    Link,
    Play,
    Quality,
    Recorded,
    RecordSpec,
    RoomSpec,
    RtpTarget,
    SiteAudio,
    View,
)

ENGINE_WITHIN_S = 5.0  # every call answers or raises EngineTimeout within this


class Engine(Protocol):
    """Moves media; the server says what is wanted, the engine holds no truth.

    - Every call is idempotent: said twice it does nothing more, and it may be said in any order once the room is open.
    - Every call ends within `ENGINE_WITHIN_S`, if only with EngineTimeout; EngineDown while there is no engine.
    - Every call but `open_room`, `close_room`, `kick`, `start`, `stop`, `caps` and `stats` raises UnknownRoom for a room that is
      not open; the caller opens it and says everything again.
    - `set_audio`, `set_view` and `set_quality` are taken before the site has any link and hold until `kick` or `close_room`: a
      site that negotiates late, or again, is at once as it should be. Without a word of the server a site LISTENs, sees nothing.
    - Events go to `hear` in order, on the event loop of the caller, and carry the generation; those of an older one are dropped
      by the core. A browser that vanishes is MediaLost, then MediaLeft; the settings of the site stay.
    """

    @property
    def caps(self) -> EngineCaps: ...

    async def start(self, hear: Callable[[EngineEvent], None]) -> None:
        """Have it run from now on, and again after it died; each time `Started` is heard with a higher generation.

        :raises EngineDown: it can't be started on this machine at all.
        """

    async def stop(self) -> None:
        """End it and everything of it."""

    # Rooms --------------------------------------------------------------------------------------------------------------------

    async def open_room(self, spec: RoomSpec) -> None:
        """:raises EngineFull: no more rooms."""

    async def close_room(self, room: str) -> None:
        """All its links, forwards and recordings end (finished files stay); one that is not there is no error."""

    # Negotiation: SDP and ICE only ever pass through the server ----------------------------------------------------------------

    async def offer(self, room: str, site: str, link: Link, sdp: str) -> str:
        """A site's offer for AUDIO, CAMERA or CONTENT; the answer. A link that stood is renegotiated, or replaced.

        :param sdp: checked by the core (`domain.conference.sdp`).
        :raises BadSdp, EngineFull: the link is as before.
        """

    async def offer_to(self, room: str, site: str) -> str:
        """The engine's offer for VIEW, with as many pictures as the site's view has panes; `answer` completes it.

        :raises EngineFull.
        """

    async def answer(self, room: str, site: str, sdp: str) -> None:
        """The site's answer to the newest `offer_to`. :raises BadSdp, UnknownLink."""

    async def trickle(self, room: str, site: str, link: Link, candidate: str | None, *, mid: str, mline: int) -> None:
        """A candidate of the site; None: no more. One that comes before its description waits. :raises UnknownLink."""

    async def hang_up(self, room: str, site: str, link: Link) -> None:
        """End one link, such as the second stream of who lost its token; one that is not there is no error."""

    # What is wanted -------------------------------------------------------------------------------------------------------------

    async def set_view(self, room: str, site: str, view: View) -> bool:
        """What the site sees. A pane switches at the next key frame (asked for), which is heard as KeyFrameShown.

        :returns: whether the site has to negotiate VIEW again (`offer_to`), as more panes are wanted than it has.
        """

    async def set_audio(self, room: str, site: str, audio: SiteAudio) -> None: ...

    async def set_quality(self, room: str, site: str, quality: Quality) -> None:
        """Cap what the site sends and gets."""

    async def mute_room(self, room: str, on: bool, exempt: frozenset[str] = frozenset()) -> None:
        """Nobody but the exempt is in the mix, whatever `set_audio` says; a second lock beside it, at once for everybody."""

    async def kick(self, room: str, site: str) -> None:
        """All its links end and its settings are forgotten; who is not there is no error. It does not ban: the core does."""

    # Sources and sinks that are no browsers -------------------------------------------------------------------------------------

    async def feed(self, room: str, site: str, feed: Feed | None) -> FedAt:
        """A camera or a plain-RTP site; None lets it go. :raises NotCapable."""

    async def forward_audio(self, room: str, forward: str, group: str, target: RtpTarget | None) -> None:
        """The mix of a group (`podium` or `floor`) as even RTP, silence too; None ends that forward. :raises NotCapable."""

    async def play(self, room: str, play: str, what: Play | None) -> None:
        """Heard by everyone; None stops it. Its end is heard as PlayEnded; a play of that id is not begun again."""

    async def record(self, room: str, recording: str, spec: RecordSpec | None) -> Sequence[Recorded]:
        """Begin, or with None end: then its finished files, the same when asked again. :raises NotCapable."""

    async def stats(self) -> EngineStats:
        """What is really there."""
