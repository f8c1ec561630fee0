"""`lianbo serve` and `lianbo demo`: the server in the foreground, until Ctrl-C."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import structlog
import typer

from audio_assets.rendering import RenderError
from broadcast.cli.demo_estate import night
from broadcast.cli.demo_plans import exercise_speakers, plans, waiting
from broadcast.cli.demo_programme import morning
from broadcast.cli.local import ConfigFile, settings_of
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Role
from broadcast.domain.speakers import Speaker, default_id
from broadcast.keyring import BadKeyFile
from broadcast.server import Server
from broadcast.service.presence import Presence
from broadcast.store.recovery import in_words, own_code
from broadcast.transport.child import BrokerError, end_with_parent
from config.settings import Settings
from endpoints.provisioning import write_provisioning

log = logging.getLogger(__name__)

FIRST_OFFICER = "admin"
DEMO_FOLDER = Path("var/demo")


def serve(config: ConfigFile = None) -> None:
    """Run the control server."""
    settings = settings_of(config)
    start_logging(settings)
    run(_serve(settings))


def demo(
    config: ConfigFile = None,
    port: Annotated[
        int | None, typer.Option(help="port of the desk; default 8710, or a free one when that is taken")
    ] = None,
    speakers: Annotated[int, typer.Option(min=1, max=20_000, help="how many simulated speakers")] = 718,
) -> None:
    """Run the server and a county of simulated speakers on this machine; prints where the desk is and how to sign in."""
    environment = dict(os.environ)
    environment.setdefault("LIANBO_SERVER_DATA_FOLDER", str(DEMO_FOLDER))
    environment.setdefault("LIANBO_SERVER_LOG_LEVEL", "warning")
    if config is None:  # its morning programme is on the air at whatever hour it starts
        environment.setdefault("LIANBO_RULES_QUIET_FROM", "00:00")
        environment.setdefault("LIANBO_RULES_QUIET_UNTIL", "00:00")
    if port is not None:
        environment["LIANBO_SERVER_PORT"] = str(port)
    settings = settings_of(config, environment)
    start_logging(settings)
    if port is None and not _is_free(settings.server.host, settings.server.port):
        settings = settings_of(config, {**environment, "LIANBO_SERVER_PORT": "0"})
    run(_demo(settings, speakers))


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError:
            return False
    return True


def start_logging(settings: Settings) -> None:
    """Everything to stderr, as text for people or as JSON for machines."""
    level = getattr(logging, settings.server.log_level.upper())
    if settings.server.log_format == "json":
        renderer: structlog.typing.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            exception_formatter=structlog.dev.plain_traceback,  # the rich one prints local variables, passwords among them
        )
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=False),
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def run(main: Coroutine[None, None, None]) -> None:
    """Run to the end; what a technician can mend ends with its sentence and status 1, not with a traceback."""
    try:
        asyncio.run(main)
    except (BroadcastError, BrokerError, BadKeyFile, OSError) as err:
        typer.echo(f"lianbo: {err}", err=True)
        raise typer.Exit(1) from None


async def _serve(settings: Settings) -> None:
    stopping = stop_signal()
    server = Server(settings)
    await server.start()
    try:
        password = await server.officers.create_first(_first_officer(server), initial=True)
        typer.echo(f"Lianbo: {server.address}  (broker {server.broker.engine}: {server.broker.why})")
        if password is not None:
            typer.echo(f"First start: sign in as {FIRST_OFFICER} with {password} and change it; it is not shown again.")
            code = in_words(own_code(server.folder / "keys"))
            typer.echo(
                f"Write this down for the safe, it opens the keys in backups: {code}  (again: lianbo keys recovery)"
            )
        await _warm_up(server)
        await stopping.wait()
    finally:
        await server.stop()


async def _warm_up(server: Server) -> None:
    """Start the voice, or the first words would take 0.9 s instead of 0.25; a machine without one serves all the same."""
    try:
        await server.worker.warm_up()
    except (RenderError, OSError) as err:
        log.warning("no voice: %s", err)


async def _demo(settings: Settings, count: int) -> None:
    began = time.monotonic()
    stopping = stop_signal()
    server = Server(settings)
    typer.echo(f"Lianbo demo: data in {settings.server.data_folder}")
    await server.start()
    try:
        typer.echo(
            f"  server up after {time.monotonic() - began:.1f} s; broker {server.broker.engine}: {server.broker.why}"
        )
        password = await _first_password(server)
        drilled = exercise_speakers(server)
        await _enrol(server, count, drilled)
        path = settings.server.data_folder / "speakers.json"
        write_provisioning(path, server.provisioning())
        simulator, control = await _start_simulator(settings.server.data_folder, path)
        try:
            whole = count + len(drilled)
            await _until_online(server, whole, stopping)
            online = server.speakers.counts()[Presence.ONLINE]
            typer.echo(f"  {online} of {whole} simulated speakers online after {time.monotonic() - began:.1f} s")
            await _warm_up(server)
            title = await morning(server, _first_officer(server))
            typer.echo(f"  programme: {title}; the plan is at {server.address}/programmes")
            ready = await plans(server, _first_officer(server))
            asked = await waiting(server, _first_officer(server))
            typer.echo(
                f"  plans: {ready} on keys 1 to 9, to be drilled at {len(drilled)} speakers; waits for approval: {asked}"
            )
            broken = await night(server, _first_officer(server), control)
            typer.echo(
                f"  silent test: begun; {broken} has a broken amplifier, {server.address}/api/v1/estate/morning names it"
            )
            if settings.rules.quiet_from == settings.rules.quiet_until:
                typer.echo("  quiet hours are off here, so that its programme is heard at any hour")
            typer.echo(f"  break a speaker: lianbo fault silent s-130281001001-1 --control {control}")
            typer.echo(f"Desk: {server.address}   user: {FIRST_OFFICER}   password: {password}   (Ctrl-C ends it)")
            await stopping.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                simulator.send_signal(signal.SIGTERM)
            await simulator.wait()
    finally:
        await server.stop()
        typer.echo("Lianbo demo: ended")


async def _start_simulator(folder: Path, speakers: Path) -> tuple[asyncio.subprocess.Process, Path]:
    """:returns: the process, and the socket at which its faults are switched."""
    control = folder / "simulator.sock"
    with (folder / "simulator.log").open("ab") as log_file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "broadcast.main", "simulate", str(speakers), "--control", str(control)),
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,  # Ctrl-C is for us: we end it in our own order
            preexec_fn=end_with_parent(os.getpid()) if sys.platform == "linux" else None,
        )
    return process, control


def stop_signal() -> asyncio.Event:
    """Set by Ctrl-C and SIGTERM."""
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def _first_officer(server: Server) -> Officer:
    return Officer(FIRST_OFFICER, "值班管理员", Role.ADMINISTRATOR, server.county)


async def _first_password(server: Server) -> str:
    """Of a demo only, kept in its folder (mode 0600) so that its second start can show it again."""
    path = server.folder / "demo-password"
    password = await server.officers.create_first(_first_officer(server))
    if password is not None:
        path.touch(mode=0o600)
        path.write_text(password)
    try:
        return path.read_text()
    except FileNotFoundError:
        return "(the one you set)"


async def _enrol(server: Server, count: int, more: list[Speaker]) -> None:
    """One speaker in every area of the county, then a second round, until there are as many as asked for; and those beside."""
    areas = list(server.estate.tree)
    wanted = [
        Speaker(default_id(area.code, n // len(areas) + 1), area.code, area.name)
        for n in range(count)
        if (area := areas[n % len(areas)])
    ]
    wanted += more
    if any(one.id not in server.estate for one in wanted):
        await server.estate.enrol(wanted, by=_first_officer(server))
        server.refresh_users()


async def _until_online(server: Server, count: int, stopping: asyncio.Event, *, timeout_s: float = 60.0) -> None:
    ends = time.monotonic() + timeout_s
    while server.speakers.counts()[Presence.ONLINE] < count and time.monotonic() < ends and not stopping.is_set():
        await server.feed.wait(server.feed.seq, timeout_s=0.5)
