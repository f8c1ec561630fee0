"""Texts spoken by the render worker in a process of its own, as the services ask for them."""

from audio_assets.rendering import RenderError
from audio_assets.worker import RenderWorker
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
        except (RenderError, OSError) as err:
            raise SpeechFailed(str(err)) from err
        return Spoken(made.sha256, len(made.data), made.duration_ms)
