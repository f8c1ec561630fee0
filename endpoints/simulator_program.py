"""`lianbo simulate`: the simulator as a program of its own, so that its work is not the server's."""

import asyncio
import gc
import logging
import resource
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from endpoints.enrolling import NotEnrolled, renew
from endpoints.provisioning import Provisioning
from endpoints.simulator import Simulator
from endpoints.simulator_control import SimulatorControl

SPARE_FILES = 64  # beside the sockets
SETTLE_S = 10.0
RENEW_EVERY_S = 5.0
_YOUNG, _MIDDLE, _OLD = 50_000, 50, 1_000

log = logging.getLogger(__name__)


class TooFewFiles(Exception):
    """The system lets this process open fewer files than there are speakers."""

    def __init__(self, limit: int, needed: int) -> None:
        self.limit, self.needed = limit, needed
        super().__init__(f"{needed} open files are needed and {limit} allowed; raise `ulimit -n` or LimitNOFILE")


def make_room_for(speakers: int) -> None:
    """Raise the soft limit of open files as far as needed. :raises TooFewFiles: the hard limit is lower."""
    needed = speakers + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (resource.RLIM_INFINITY,) and hard < needed:
        raise TooFewFiles(hard, needed)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@asynccontextmanager
async def running_simulator(
    provisioning: Provisioning, *, control: Path | None = None, only: Iterable[str] | None = None, over_s: float = 0.0
) -> AsyncIterator[Simulator]:
    """The speakers, switched on, and the socket at `control` to switch faults. :raises TooFewFiles:"""
    simulator = Simulator(provisioning, only=only)
    make_room_for(len(simulator.speakers))
    socket = SimulatorControl(simulator, control) if control is not None else None
    if socket is not None:
        await socket.start()
    simulator.start(over_s=over_s)
    renewing = asyncio.create_task(_renew(simulator, provisioning), name="newer secrets")
    try:
        yield simulator
    finally:
        renewing.cancel()
        if socket is not None:
            await socket.stop()
        await simulator.stop()


async def _renew(simulator: Simulator, provisioning: Provisioning) -> None:
    """Fetch newer secrets for those that the server wants to have some, as boxes do."""
    while provisioning.assets_url:
        await asyncio.sleep(RENEW_EVERY_S)
        wanting = [one for one in simulator.speakers.values() if one.player is not None and one.player.wants_secrets]
        if not wanting:
            continue
        async with aiohttp.ClientSession() as session:
            for one in wanting:
                try:
                    given = await renew(session, one.config, provisioning.assets_url)
                except NotEnrolled as err:
                    log.warning("%s: no newer secrets: %s", one.config.id, err)
                    break  # the others have no better luck
                (config,) = given.provisioning.speakers
                one.takes_secrets(config, provisioning.broker_for(config))


async def run_simulator(
    provisioning: Provisioning, *, control: Path | None, only: Iterable[str] | None, over_s: float
) -> None:
    """Until SIGTERM or SIGINT; then every speaker says goodbye."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)  # by default the collector takes half the time of 12,000 speakers
    async with running_simulator(provisioning, control=control, only=only, over_s=over_s) as simulator:
        log.info("%d speakers, broker %s:%d", len(simulator.speakers), provisioning.host, provisioning.port)
        said = -1
        while not ended.is_set():
            said = _say_if_changed(simulator, said)
            try:
                await asyncio.wait_for(ended.wait(), SETTLE_S)
            except TimeoutError:
                continue
        log.info("ends: %d speakers leave", simulator.connected)


def _say_if_changed(simulator: Simulator, said: int) -> int:
    """A line when the number of connections has changed. What lives long is then taken out of the collector's sight."""
    connected = simulator.connected
    if connected != said:
        log.info("%d of %d connected", connected, len(simulator.speakers))
        gc.collect()
        gc.freeze()
    return connected
