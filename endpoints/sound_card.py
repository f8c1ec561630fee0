"""The sound card, by PyAudio: it asks for a frame when it has room for one, and says when that one will be heard.

How much lies between us and the loudspeaker only the card knows. A blocking write says when there is room, which behind a sound
server is up to a period off, another one for each stream and each start: 5 to 19 ms between four speakers in our measurements. The
card's own word, which comes with each call of PortAudio's callback, is off by less than a millisecond, and its median by 0.1 ms.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from audio_assets.pcm import FRAME_SAMPLES, RATE_HZ, SILENT_FRAME
from endpoints.card_time import CardTime
from endpoints.real_time import real_time
from endpoints.sinks import FRAME_S, NoSoundCard, Pace, SinkLost, Timer, log, whole

_REOPEN_EVERY_S = 1.0
_TAIL_FRAMES = 5  # 100 ms of silence before a card is closed, or it swallows the end
_GIVE_WITHIN_S = 0.015  # the card has another frame or two; what comes later than this finds silence in its place
_LOOK_EVERY_S = 0.25
_LOST_AFTER_S = 5.0  # PulseAudio takes 1.7 s to begin
_AHEAD_S = 0.5  # ALSA's null device takes a thousand times as much as anybody can hear
_FASTEST = 1.05
_LONGEST_DELAY_S = 2.0
_RAN_DRY = 4  # paOutputUnderflow
_GO_ON = 0  # paContinue


class Counter:
    """Where the card's thread asks for frames and the voice's thread hands them over, one at a time."""

    def __init__(self, timer: Timer) -> None:
        self.starved = 0  # frames of silence because the voice got no time
        self.ran_dry = 0  # times that the card had nothing to play because its own thread got none
        self._timer = timer
        self._turn = threading.Condition()
        self._frame: bytes | None = None
        self._waiting = False
        self._card_time = CardTime()
        self._asked_for = 0.0  # when what is asked for now will be heard
        self._heard_at = 0.0  # when what was taken last will be
        self._ahead_s, self._asked_at = 0.0, timer.monotonic()

    def asks(self, _recorded: object, _count: int, times: Mapping[str, float], flags: int) -> tuple[bytes, int]:
        """PortAudio's callback, in its thread."""
        self._keep_pace()
        delay_s = times.get("output_buffer_dac_time", 0.0) - times.get("current_time", 0.0)
        with self._turn:
            delay_s = delay_s if 0 < delay_s < _LONGEST_DELAY_S else 0.0
            if flags & _RAN_DRY:
                self.ran_dry += 1
                self._card_time.ran_dry()
            self._asked_for = self._card_time.asks(self._timer.monotonic(), delay_s)
            self._waiting = True
            self._turn.notify_all()
            in_time = self._turn.wait_for(lambda: self._frame is not None, _GIVE_WITHIN_S)
            self._waiting = False
            frame, self._frame = self._frame, None
            if in_time and frame is not None:
                self._heard_at = self._asked_for
                return frame, _GO_ON
            self.starved += 1
        return SILENT_FRAME, _GO_ON

    def give(self, frame: bytes, *, within_s: float) -> float | None:
        """Hand over a frame and wait until the next one is asked for: when this one will be heard. None: nobody asks."""
        with self._turn:
            self._frame = frame
            self._turn.notify_all()
            asked = self._turn.wait_for(lambda: self._waiting and self._frame is None, within_s)
            return self._heard_at if asked else None

    def wait(self, within_s: float) -> float | None:
        """Likewise, when the frame lies here already."""
        with self._turn:
            asked = self._turn.wait_for(lambda: self._waiting and self._frame is None, within_s)
            return self._heard_at if asked else None

    def _keep_pace(self) -> None:
        now = self._timer.monotonic()
        self._ahead_s = max(0.0, self._ahead_s - (now - self._asked_at) * _FASTEST) + FRAME_S
        self._asked_at = now
        if self._ahead_s > _AHEAD_S:
            self._timer.sleep(self._ahead_s - _AHEAD_S)


class PyAudioSink:
    """Plays on a sound card.

    :param device: its name, or a part of it; None is the system's default.
    :raises NoSoundCard: PyAudio is not installed, or there is no such device.
    """

    def __init__(self, device: str | None = None, *, timer: Timer = time) -> None:
        self._device, self._timer = device, timer
        self._pace = Pace(timer)
        self._reopen_at = 0.0
        self._latency_s = 0.0
        self._open()

    @property
    def latency_s(self) -> float:
        """Of the frame written last, as the card says."""
        return self._latency_s

    @property
    def lost(self) -> bool:
        return self._stream is None

    @property
    def starved(self) -> int:
        """Frames for which the card had to play silence, since it was opened."""
        return self._counter.starved

    @property
    def ran_dry(self) -> int:
        """Likewise, since it was opened."""
        return self._counter.ran_dry

    def write(self, frame: bytes) -> None:
        whole(frame)
        if self._stream is None:
            self._pace.wait()
            self._reopen()
            return
        heard_at = self._counter.give(frame, within_s=_LOOK_EVERY_S)
        waited_s = _LOOK_EVERY_S
        while heard_at is None:
            if waited_s >= _LOST_AFTER_S or not self._is_active():
                self._let_go()
                self._reopen_at = self._timer.monotonic() + _REOPEN_EVERY_S
                raise SinkLost(f"the sound card {self._device or ''} went away")
            heard_at = self._counter.wait(_LOOK_EVERY_S)
            waited_s += _LOOK_EVERY_S
        self._latency_s = heard_at - self._timer.monotonic()

    def close(self) -> None:
        if self._stream is not None:
            with suppress(SinkLost):
                for _ in range(_TAIL_FRAMES):
                    self.write(SILENT_FRAME)
        self._let_go()

    def _is_active(self) -> bool:
        try:
            return self._stream is not None and bool(self._stream.is_active())
        except OSError:
            return False

    def _open(self) -> None:
        self._card = self._stream = None
        self._counter = Counter(self._timer)
        with real_time():  # PortAudio's thread and the sound server's begin here
            self._card, self._stream = open_card(self._device, self._counter)
        self._latency_s = float(self._stream.get_output_latency())

    def _reopen(self) -> None:
        now = self._timer.monotonic()
        if now < self._reopen_at:
            return
        self._reopen_at = now + _REOPEN_EVERY_S
        try:
            self._open()
        except NoSoundCard:
            return
        log.warning("the sound card %s is back", self._device or "")

    def _let_go(self) -> None:
        stream, card = self._stream, self._card
        self._stream = self._card = None
        with suppress(OSError):
            if stream is not None:
                stream.close()
        if card is not None:
            card.terminate()


def open_card(device: str | None, counter: Counter) -> tuple[Any, Any]:
    """PyAudio and a running stream. :raises NoSoundCard: there is none."""
    try:
        import pyaudio  # noqa: PLC0415 an extra; the server and silent speakers do without
    except ImportError:
        raise NoSoundCard("PyAudio is not installed; install lianbo[sound], which needs portaudio19-dev") from None
    with _hushed():
        card = pyaudio.PyAudio()
        try:
            index = _index_of(card, device)
            stream = card.open(
                rate=RATE_HZ,
                channels=1,
                format=pyaudio.paInt16,
                output=True,
                output_device_index=index,
                frames_per_buffer=FRAME_SAMPLES,
                stream_callback=counter.asks,
            )
        except OSError as err:
            card.terminate()
            raise NoSoundCard(f"the sound card {device or ''} cannot be opened: {err}") from err
        except NoSoundCard:
            card.terminate()
            raise
    return card, stream


def _index_of(card: Any, device: str | None) -> int | None:
    names = {}
    for index in range(card.get_device_count()):
        facts = card.get_device_info_by_index(index)
        if facts["maxOutputChannels"]:
            names[index] = str(facts["name"])
    if not names:
        raise NoSoundCard("this machine has no sound card; plug one in, or set the output to null or wav:PATH")
    if device is None:
        return None
    for match in (lambda name: name == device, lambda name: device in name):
        for index, name in names.items():
            if match(name):
                return index
    raise NoSoundCard(f"there is no sound card {device!r}; there are: {', '.join(names.values())}")


@contextmanager
def _hushed() -> Iterator[None]:
    """ALSA and JACK print some 80 lines to file descriptor 2 while PortAudio looks for devices."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
