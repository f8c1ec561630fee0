"""What `lianbo doctor` looks for on the machine: programs, speech, sound, the clock."""

import asyncio
import ctypes
import importlib.util
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from audio_assets import speech
from audio_assets.rendering import SpeechUnavailable
from audio_assets.sandbox import Sandbox, SandboxBroken
from broadcast.cli.finding import Finding, failure, ok, warning
from broadcast.transport.broker import AMQTT_LIMITS
from config.settings import Settings

OLDEST_PYTHON = (3, 11)
OLDEST_MOSQUITTO = (2, 0)
YEARS = range(2026, 2070)  # before this program was written, or after its dates were thought of
CLOCK_LOOK_S = 0.5
STEP_S = 0.05
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


def python() -> Iterator[Finding]:
    """The interpreter that runs this."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        yield ok("Python", version)
    else:
        yield failure("Python", f"{version} is too old", "install Python 3.11 or newer")


def broker(settings: Settings, *, binary: str | None) -> Iterator[Finding]:
    """Whether the engine of the settings can be had.

    :param binary: Mosquitto's program; None where there is none.
    """
    engine = settings.broker.engine
    if engine == "external":
        yield _external(settings.broker.host, settings.broker.port)
        return
    if engine in ("auto", "mosquitto") and binary is not None:
        yield _mosquitto(binary)
        return
    if engine == "mosquitto":
        yield failure("broker", "broker.engine = mosquitto, and it is not installed", "apt install mosquitto")
        return
    if importlib.util.find_spec("amqtt") is None:
        yield failure(
            "broker", "no MQTT broker on this machine", "apt install mosquitto, or pip install 'lianbo[amqtt]'"
        )
        return
    found = f"amqtt, in Python, takes the place of Mosquitto; {AMQTT_LIMITS[0]}"
    yield warning("broker", found, "apt install mosquitto" if engine == "auto" else "set broker.engine = auto")


def voice() -> Iterator[Finding]:
    """A word is really spoken: a machine may have the engine without the voice."""
    install = "apt install espeak-ng"
    engine = shutil.which(speech.ENGINE)
    if engine is None:
        yield warning("speech", "espeak-ng is not installed: alerts go out with their signal and no words", install)
        return
    try:
        spoken = speech.phonemes("测试")
    except SpeechUnavailable as err:
        yield warning("speech", f"{err}: alerts go out with their signal and no words", f"{install} espeak-ng-data")
        return
    yield ok("speech", f"{engine} says 测试 as {spoken}")


def sound() -> Iterator[Finding]:
    """Only a machine that is itself a speaker needs it."""
    subject = "sound card"
    if importlib.util.find_spec("pyaudio") is None:
        how = "apt install portaudio19-dev gcc python3-dev && pip install 'lianbo[sound]'"
        yield ok(subject, f"no PyAudio; a server needs none. For a real speaker with a sound card: {how}")
        return
    try:
        importlib.import_module("pyaudio")
    except ImportError as err:
        yield warning(subject, f"PyAudio is there and can't be used: {err}", "apt install libportaudio2")
        return
    yield ok(subject, "PyAudio and PortAudio are there; a server needs neither")


def sandbox() -> Iterator[Finding]:
    """An empty run of the process that takes uploaded sounds apart, in which it tries to get out."""
    try:
        held = asyncio.run(Sandbox().confinement())
    except SandboxBroken as err:
        yield failure(
            "sandbox", f"no sound can be taken in: {err}", "pip install lianbo again: PyAV or numpy is missing"
        )
        return
    if held.bubblewrap:
        yield ok("sandbox", "uploaded sounds are taken apart by bubblewrap, without network, files or other processes")
        return
    found = f"uploaded sounds are taken apart under resource limits alone: {held.why}"
    how = "apt install bubblewrap" if "not installed" in held.why else "allow unprivileged user namespaces for bwrap"
    yield warning("sandbox", found, how)


def clock() -> Iterator[Finding]:
    """Orders carry times: a clock that is wrong lets speakers refuse them."""
    now = datetime.now(UTC)
    if now.year not in YEARS:
        yield failure("clock", f"it says {now:%Y-%m-%d}", "apt install chrony, or set it by hand: date -s")
        return
    wall, steady = time.time(), time.monotonic()
    time.sleep(CLOCK_LOOK_S)
    step_s = (time.time() - wall) - (time.monotonic() - steady)
    if abs(step_s) > STEP_S:
        yield warning(
            "clock", f"it was set by {step_s:+.2f} s while we looked", "see what sets it: timedatectl, chronyc"
        )
    elif _synchronised() is False:
        yield warning("clock", f"{now:%Y-%m-%d %H:%M} UTC, and no time service keeps it right", "apt install chrony")
    else:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M} UTC, steady")


def _mosquitto(binary: str) -> Finding:
    try:
        said = subprocess.run([binary, "-h"], capture_output=True, timeout=5, check=False).stdout.decode()  # noqa: S603 no shell
    except (OSError, subprocess.TimeoutExpired) as err:
        return failure("broker", f"{binary} can't be run: {err}", "apt install --reinstall mosquitto")
    version = re.search(r"version (\d+)\.(\d+)\.(\d+)", said)
    if version is None:
        return warning("broker", f"{binary} does not say its version")
    numbers = tuple(map(int, version.groups()))
    if numbers < OLDEST_MOSQUITTO:
        return failure("broker", f"Mosquitto {version[0]} is too old", "apt install mosquitto of Debian 12 or newer")
    return ok("broker", f"Mosquitto {'.'.join(version.groups())} at {binary}")


def _external(host: str, port: int) -> Finding:
    try:
        with socket.create_connection((host, port), timeout=3):
            return ok("broker", f"{host}:{port} takes connections")
    except OSError as err:
        remedy = "start it, or correct broker.host and broker.port"
        return failure("broker", f"no connection to {host}:{port}: {err.strerror or err}", remedy)


def _synchronised() -> bool | None:
    """What the kernel knows of its clock; None where it can't be asked."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # modes = 0: only reads
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR
