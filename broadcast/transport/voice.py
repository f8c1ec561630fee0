"""Texts spoken by the render worker in a process of its own, and the files of its library, as the services ask for them."""

from audio_assets.library import HASH_BYTES, AssetLibrary
from audio_assets.ogg import NoOggOpus, duration_ms
from audio_assets.rendering import RenderError, TextEmpty, TextTooLong
from audio_assets.worker import RenderWorker
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.service.ports import SpeechFailed, Spoken


class WorkerSpeech:
    """The `Speech` port over a `RenderWorker`; the finished file is in its library when `speak` returns.

    :param rate: words a minute of the synthetic voice.
    """

    def __init__(self, worker: RenderWorker, *, rate: int) -> None:
        self._worker, self._rate = worker, rate

    async def speak(self, text: str, *, exercise: bool) -> Spoken:
        """:raises SpeechFailed: no voice on this machine, or it failed."""
        try:
            made = await self._worker.render(text, exercise=exercise, rate=self._rate)
        except (TextEmpty, TextTooLong) as err:  # not the machine's fault: there is nothing in it that can be said
            raise InvalidRequest([Fault("text", "unspeakable")]) from err
        except (RenderError, OSError) as err:
            raise SpeechFailed(str(err)) from err
        return Spoken(made.sha256, len(made.data), made.duration_ms)


class LibrarySounds:
    """The `Sounds` port over an `AssetLibrary`."""

    def __init__(self, library: AssetLibrary) -> None:
        self._library = library

    def find(self, asset: bytes) -> Spoken | None:
        """Reads two pieces of the file, 64 KiB at most. Whether it is whole, each speaker finds out by its hash."""
        if len(asset) != HASH_BYTES:
            return None
        path = self._library.path(asset)
        try:
            return Spoken(asset, path.stat().st_size, duration_ms(path))
        except (OSError, NoOggOpus):
            return None

    def fault(self, asset: bytes) -> str:
        """Files as such have no rules; those of the library of sounds are `broadcast.service.assets`'s."""
        return "unknown-asset" if self.find(asset) is None else ""
