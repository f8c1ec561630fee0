"""A private PulseAudio with sound cards that nobody hears: for tests of PyAudio in real time, without hardware.

It runs as root too, speaks over one Unix socket in a folder of its own, touches no other sound server and ends with the test.
PyAudio sees each card under its name through an ALSA configuration that is set before the process under test starts.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

TOOLS = ("pulseaudio", "pactl", "parec")
missing = [tool for tool in TOOLS if shutil.which(tool) is None]
needs_pulse = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")

_READY_WITHIN_S = 5.0
_ALSA = """\
pcm_type.pulse {{ lib "libasound_module_pcm_pulse.so" }}
ctl_type.pulse {{ lib "libasound_module_ctl_pulse.so" }}
pcm.!default {{ type pulse server "unix:{socket}" device "{first}" }}
{cards}
"""
_CARD = 'pcm.{name} {{ type pulse server "unix:{socket}" device "{name}" hint {{ show on description "{name}" }} }}'


_ALL = "all"


class Pulse:
    """The running server.

    :param together: the cards are channels of one sink: what they play can be recorded against one clock, to the sample.
    :param microphone: an input of this name hears what the first card plays; with `together` only.
    """

    def __init__(
        self, folder: Path, cards: Sequence[str], *, together: bool = False, microphone: str | None = None
    ) -> None:
        self.folder, self.cards, self.together, self.microphone = folder, tuple(cards), together, microphone
        self.socket = folder / "native"

    @property
    def environment(self) -> dict[str, str]:
        """For the process that shall play on its cards."""
        return {
            **os.environ,
            "ALSA_CONFIG_PATH": f"/usr/share/alsa/alsa.conf:{self.folder / 'asound.conf'}",
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_COOKIE": str(self.folder / "cookie"),
            "XDG_RUNTIME_DIR": str(self.folder),
            "HOME": str(self.folder),
        }

    @contextmanager
    def recording(self, folder: Path) -> Iterator[None]:
        """Write what each card plays, from now on, into a file of its name: raw mono s16 of 48 kHz."""
        files = {card: folder / card for card in self.cards}
        recorders = [self._recorder(card, path) for card, path in files.items()]
        try:
            deadline = time.monotonic() + _READY_WITHIN_S
            while not all(path.stat().st_size for path in files.values()):
                assert time.monotonic() < deadline, "parec records nothing"
                time.sleep(0.02)
            yield
        finally:
            for recorder in recorders:
                recorder.terminate()
                recorder.wait()

    @contextmanager
    def recording_together(self, path: Path) -> Iterator[None]:
        """Write what all cards play into one file: raw s16 of 48 kHz, a channel a card."""
        assert self.together
        channels = ",".join(_channel(n) for n in range(len(self.cards)))
        recorder = self._recorder(_ALL, path, f"--channels={len(self.cards)}", f"--channel-map={channels}")
        try:
            deadline = time.monotonic() + _READY_WITHIN_S
            while not path.stat().st_size:
                assert time.monotonic() < deadline, "parec records nothing"
                time.sleep(0.02)
            yield
        finally:
            recorder.terminate()
            recorder.wait()

    def _recorder(self, card: str, path: Path, *form: str) -> "subprocess.Popen[bytes]":
        form = form or ("--channels=1",)
        command = ["parec", f"--device={card}.monitor", "--rate=48000", "--format=s16le", *form, "--no-remix", "--raw"]
        with path.open("wb") as file:
            return subprocess.Popen([*command, "--latency-msec=20"], stdout=file, env=self.environment)


@contextmanager
def pulse(cards: Sequence[str], *, together: bool = False, microphone: str | None = None) -> Iterator[Pulse]:
    """Start it with these cards, end it afterwards."""
    with tempfile.TemporaryDirectory(prefix="pulse-") as name:  # a socket's path must be short
        server = Pulse(Path(name), cards, together=together, microphone=microphone)
        _write(server)
        with (server.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    "pulseaudio",
                    "-n",
                    "-F",
                    str(server.folder / "script.pa"),
                    "--exit-idle-time=-1",
                    "--daemonize=no",
                ],
                env=server.environment,
                stdout=log,
                stderr=log,
            )
        try:
            _wait_for(server, process)
            _put_before_others(process)
            yield server
        finally:
            process.terminate()
            process.wait()


def _put_before_others(process: "subprocess.Popen[bytes]") -> None:
    """It stands for hardware, which waits for no process. Its threads see to that themselves, but for the one that talks."""
    with suppress(OSError):
        os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(5))


def _write(server: Pulse) -> None:
    if server.together:
        script = _one_sink(server.cards)
    else:
        form = "format=s16le rate=48000 channels=1"
        script = [f"load-module module-null-sink sink_name={card} {form}" for card in server.cards]
    if server.microphone:
        hears = f"master={_ALL}.monitor channels=1 channel_map=mono master_channel_map={_channel(0)} remix=no"
        script.append(f"load-module module-remap-source source_name={server.microphone} {hears}")
    script.append(f"load-module module-native-protocol-unix socket={server.socket} auth-anonymous=1")
    (server.folder / "script.pa").write_text("\n".join(script) + "\n")
    named = (*server.cards, *filter(None, [server.microphone]))
    cards = "\n".join(_CARD.format(name=card, socket=server.socket) for card in named)
    alsa = _ALSA.format(socket=server.socket, first=server.cards[0], cards=cards)
    (server.folder / "asound.conf").write_text(alsa)


def _one_sink(cards: Sequence[str]) -> list[str]:
    channels = [_channel(n) for n in range(len(cards))]
    form = f"format=s16le rate=48000 channels={len(cards)} channel_map={','.join(channels)}"
    return [f"load-module module-null-sink sink_name={_ALL} {form}"] + [
        f"load-module module-remap-sink sink_name={card} master={_ALL} remix=no"
        f" channels=1 channel_map=mono master_channel_map={channel}"
        for card, channel in zip(cards, channels, strict=True)
    ]


def _channel(n: int) -> str:
    return f"aux{n}"


def _wait_for(server: Pulse, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        seen = subprocess.run(
            ["pactl", "list", "short", "sinks"], env=server.environment, capture_output=True, text=True, check=False
        )
        if all(card in seen.stdout for card in server.cards):
            return
        time.sleep(0.05)
    raise AssertionError(f"PulseAudio did not come up: {(server.folder / 'log').read_text()}")


@pytest.fixture
def three_cards() -> Iterator[Pulse]:
    """Three boxes' worth of sound cards."""
    with pulse(["box1", "box2", "box3"]) as server:
        yield server
