"""`lianbo speaker`: the program of a real box, a small Linux machine with a sound card and an amplifier."""

import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

import aiohttp

from audio_assets.cache import AssetCache
from audio_assets.pcm import FRAME_BYTES
from endpoints.box import Box
from endpoints.ear import hearing_with
from endpoints.effects import Make
from endpoints.enrolling import Asking, Given, NotEnrolled, Refused, invitation_of, print_of, redeem, renew
from endpoints.fetch import AssetFetcher
from endpoints.kept import KeptFile
from endpoints.live_output import LiveOutput
from endpoints.proof import Ear
from endpoints.proving import Proving
from endpoints.provisioning import Provisioning, read_single
from endpoints.sealing import asset_pass
from endpoints.sinks import NoSoundCard, NullSink, Sink, open_sink
from endpoints.voice import Voice
from endpoints.voice_output import OnError, OnTime, VoiceOutput

ASSET_CACHE_BYTES = 512 * 1024 * 1024  # 46 hours of speech at 24 kbit/s
REOPEN_EVERY_FRAMES = 250  # 5 s
RENEW_FIRST_S, RENEW_AT_MOST_S = 2.0, 600.0
REFUSALS = ("broker refused: bad user or password", "broker refused: not authorised")
EARS = {"sink": Ear.MONITOR, "monitor": Ear.MONITOR, "microphone": Ear.MICROPHONE}
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

log = logging.getLogger(__name__)


class FolderInUse(Exception):
    """Another speaker runs with the same state folder; two of one identity throw each other off the broker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"another speaker runs with the folder {folder}")


class AwaitedSink:
    """Stands in for a sound card that is not there when the speaker starts, and opens it when it comes.

    :param spec: see `open_sink`.
    """

    def __init__(self, spec: str) -> None:
        self._spec, self._pace, self._frames = spec, NullSink(), 0
        self._sink: Sink | None = None

    @property
    def latency_s(self) -> float:
        return self._sink.latency_s if self._sink else 0.0

    @property
    def lost(self) -> bool:
        return self._sink is None or self._sink.lost

    @property
    def starved(self) -> int:
        return self._sink.starved if self._sink else 0

    @property
    def ran_dry(self) -> int:
        return self._sink.ran_dry if self._sink else 0

    def write(self, frame: bytes) -> None:
        """:raises SinkLost: once, when the device goes away after it had come."""
        if self._sink is not None:
            self._sink.write(frame)
            return
        self._pace.write(bytes(FRAME_BYTES))
        self._frames += 1
        if self._frames % REOPEN_EVERY_FRAMES == 0:
            self._try_to_open()

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()

    def _try_to_open(self) -> None:
        try:
            self._sink = open_sink(self._spec)
        except NoSoundCard as err:
            log.debug("%s", err)
        else:
            log.warning("the sound card is there now")


def open_or_await(spec: str) -> Sink:
    """The sink of a setting, now or as soon as its sound card is there. :raises ValueError: no such kind of sink."""
    try:
        return open_sink(spec)
    except NoSoundCard as err:
        log.error("%s", err)
        return AwaitedSink(spec)


@asynccontextmanager
async def running_speaker(
    provisioning: Provisioning,
    *,
    state: Path,
    sink: Sink,
    ear: str = "",
    make: Make = Make(),  # noqa: B008  frozen
    amplifier: Path | None = None,
) -> AsyncIterator[Box]:
    """A real speaker, from switching on to an orderly leave.

    :param provisioning: of this one box; its first speaker is meant.
    :param state: what survives a power cut, and the cache of sound files.
    :param sink: closed at the end.
    :param ear: what proves what was played: `sink`, `monitor:DEVICE` or `microphone:DEVICE`; empty for none.
    :param make: what it says of itself.
    :param amplifier: a file in which whatever drives the amplifier keeps `ok` or anything else; None: nobody looks.
    :raises FolderInUse: another process runs with it.
    :raises OSError: the folder can't be used.
    """
    config, loop, random = provisioning.speakers[0], asyncio.get_running_loop(), SystemRandom()
    with _locked(state), ExitStack() as opened:
        library = AssetCache(state / "assets", max_bytes=ASSET_CACHE_BYTES)
        shown = {"Lianbo-Speaker": asset_pass(config.key, config.id)}
        async with aiohttp.ClientSession(headers=shown) as session:
            sink, hearing = opened.enter_context(hearing_with(ear, sink))
            url = provisioning.assets_url
            fetcher = AssetFetcher(session, url, library, random=random) if url else None

            def make_voice(started: OnTime, finished: OnTime, failed: OnError) -> Voice:
                post, trim_s = loop.call_soon_threadsafe, config.latency_trim_ms / 1000
                return Voice(sink, post=post, on_started=started, on_finished=finished, on_failed=failed, trim_s=trim_s)

            live = LiveOutput(provisioning.trust, area=config.area)
            output = VoiceOutput(make_voice, library, fetcher, live=live)
            proving = None if hearing is None else Proving(output, hearing, library, now=time.monotonic)
            await output.start()
            try:
                box = Box(
                    config.identity_as(replace(make, ear=int(EARS.get(ear.partition(":")[0], 0)))),
                    provisioning.trust,
                    broker=provisioning.broker_for(config),
                    disk=KeptFile(state / "kept.cbor"),
                    output=proving or output,
                    random=random,
                    pings=True,
                    amplifier=lambda: amplifier is None or is_well(amplifier),
                )
                live.attach(box)
                if proving is not None:
                    proving.attach(box)
                box.start()
                try:
                    yield box
                finally:
                    await box.stop()
            finally:
                if proving is not None:
                    await proving.close()
                await output.close()


async def run_speaker(
    provisioning: Provisioning,
    *,
    state: Path,
    sink: str,
    ear: str = "",
    make: Make = Make(),  # noqa: B008  frozen
    amplifier: Path | None = None,
    file: Path | None = None,
) -> None:
    """Until SIGTERM or SIGINT; then fades out, says goodbye to the broker and returns.

    :param sink: auto, null, wav:PATH, pyaudio[:DEVICE].
    :param ear, make, amplifier: see `running_speaker`.
    :param file: where the provisioning stands: newer secrets are kept there. None: it fetches none.
    :raises FolderInUse, OSError, ValueError: it can't start.
    """
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    while not ended.is_set():
        out = open_or_await(sink)
        async with running_speaker(provisioning, state=state, sink=out, ear=ear, make=make, amplifier=amplifier) as box:
            log.info("%s: speaks for %s; broker %r", box.player.who.id, box.player.who.area, box.link.address)
            tell_systemd("READY=1")
            renewing = asyncio.create_task(newer_secrets(box, provisioning), name="newer secrets")
            ending = asyncio.create_task(ended.wait(), name="end")
            await asyncio.wait([renewing, ending] if file else [ending], return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            if not ended.is_set() and file is not None:
                given = renewing.result()
                provisioning = read_single(given.save(file.parent, file.name))
                log.info("%s: has newer secrets, generation %s", box.player.who.id, provisioning.speakers[0].generation)
                continue
            renewing.cancel()
            tell_systemd("STOPPING=1")
            log.info("%s: ends", box.player.who.id)


async def newer_secrets(box: Box, provisioning: Provisioning) -> Given:
    """Wait until the server has some for this box or the broker refuses those that it has; fetch them while nothing sounds."""
    config, pause_s = provisioning.speakers[0], RENEW_FIRST_S
    while True:
        await asyncio.sleep(pause_s)
        refused = not box.link.connected and box.link.last_reason in REFUSALS
        if not provisioning.assets_url or not (box.player.wants_secrets or refused) or box.player.on_air:
            pause_s = RENEW_FIRST_S
            continue
        try:
            async with aiohttp.ClientSession() as session:
                given = await renew(session, config, provisioning.assets_url)
        except NotEnrolled as err:
            log.warning("%s: no newer secrets: %s", config.id, err)
        else:
            if given.provisioning.speakers[0] != config:
                return given
        pause_s = min(2 * pause_s, RENEW_AT_MOST_S)


def is_well(amplifier: Path) -> bool:
    """What the amplifier's driver says; a file that is gone says that the driver is."""
    try:
        return amplifier.read_text(encoding="ascii", errors="replace")[:16].strip().lower() == "ok"
    except OSError:
        return False


async def enrol(text: str, *, server: str, folder: Path, make: Make) -> Path:
    """Trade a code, or what a QR code says, for this box's provisioning file in that folder; the file.

    :raises NotEnrolled: with a sentence for who stands before the box.
    :raises OSError: it can't be kept; the same code can be tried again by nobody else, so make room first.
    """
    invitation = invitation_of(text, server)
    asking = Asking()
    async with aiohttp.ClientSession() as session:
        for wait_s in (1, 3, 0):
            try:
                given = await redeem(session, invitation, asking=asking, make=make)
                break
            except Refused:
                raise
            except NotEnrolled:
                if not wait_s:
                    raise
                await asyncio.sleep(wait_s)  # the answer may have got lost: the same box gets it again
    path = given.save(folder)
    if not invitation.keys:
        log.warning("the server's keys: %s; compare this with the desk", print_of(given.provisioning.keys))
    return path


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(folder) from None
        yield


def tell_systemd(what: str) -> None:
    """One line to the service manager (sd_notify(3)), if there is one that wants to know."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        try:
            line.sendto(what.encode(), address.replace("@", "\0", 1))
        except OSError as err:
            log.warning("systemd not told %s: %s", what, err)


def log_for_a_service(*, verbose: bool = False) -> None:
    """To standard error: with the priority that the journal reads (sd-daemon(3)) under systemd, with the time elsewhere."""
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_ForJournal("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)


class _ForJournal(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).replace("\n", " | ")
        return f"<{_PRIORITY.get(record.levelno, 6)}>{text}"
