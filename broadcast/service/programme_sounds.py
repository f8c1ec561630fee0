"""What a programme's source becomes (节目内容): files of the library, a text that is spoken ahead, the number of a live stream."""

import zlib
from collections.abc import Collection

from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.programmes import Content, File, LineIn, Playlist, Source, Speech, Stream
from broadcast.service.ports import Sounds, Spoken
from broadcast.service.previews import Voice
from endpoints.protocol import Part


class MissingFile(LookupError):
    """A file of the source is not in the library."""

    def __init__(self, asset: bytes) -> None:
        self.asset = asset
        super().__init__(f"sound {asset.hex()} is not in the library")


class ProgrammeSounds:
    """Resolves sources, and finds out what has got lost since."""

    def __init__(self, *, sounds: Sounds, voice: Voice) -> None:
        self._sounds, self._voice = sounds, voice

    def known(self, source: Source) -> frozenset[bytes]:
        """Those of its files that are in the library and may sound."""
        return frozenset(asset for asset in assets_of(source) if not self._sounds.fault(asset))

    def fault(self, asset: bytes) -> str:
        """Why a file may not be used anew: the code of a field's fault, or nothing."""
        return self._sounds.fault(asset)

    def part(self, asset: bytes) -> Part:
        """:raises MissingFile: it is not in the library."""
        found = self._sounds.find(asset)
        if found is None:
            raise MissingFile(asset)
        return _part(found)

    async def content(self, source: Source, *, programme: str) -> Content:
        """A text is spoken now, so that its file is there long before its time.

        :raises MissingFile, SpeechFailed, InvalidRequest: it can't sound.
        """
        match source:
            case File(asset):
                return Content((self.part(asset),))
            case Playlist(assets):
                return Content(tuple(map(self.part, assets)))
            case Speech(text, voice, rate):
                return Content((await self._spoken(text, voice, rate),))
            case Stream(_) | LineIn(_):
                return Content(stream=stream_of(programme))

    async def _spoken(self, text: str, voice: str, rate: int) -> Part:
        """There is time: a voice that thinks long may be asked, too."""
        try:
            made = await self._voice.preview(text, exercise=False, voice=voice, rate=rate)
        except InvalidRequest as err:
            for fault in err.errors:
                fault["field"] = f"source.{fault['field']}"
            raise
        return Part(made.asset, made.asset_bytes, made.asset_ms)

    def missing(self, contents: Collection[Content]) -> frozenset[bytes]:
        """The files that these contents name and that are not in the library; reads the disk."""
        wanted = {part.asset for content in contents for part in content.parts}
        return frozenset(asset for asset in wanted if self._sounds.find(asset) is None)


def assets_of(source: Source) -> tuple[bytes, ...]:
    """The files that it names."""
    match source:
        case File(asset):
            return (asset,)
        case Playlist(assets):
            return assets
        case _:
            return ()


def stream_of(programme: str) -> int:
    """The number of the live stream that relays a programme: the same on two servers. Never 0, which is no stream."""
    return zlib.crc32(f"relay {programme}".encode()) or 1


def _part(spoken: Spoken) -> Part:
    return Part(spoken.asset, spoken.asset_bytes, spoken.asset_ms)
