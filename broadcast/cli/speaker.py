"""`lianbo speaker` and `lianbo simulate`: one real speaker, or thousands in software; `lianbo fault` breaks some of those."""

import asyncio
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from endpoints.effects import Make
from endpoints.enrolling import FILE, NotEnrolled
from endpoints.provisioning import BadProvisioning, Provisioning, read_provisioning, read_single
from endpoints.real_time import BESIDE_IT, real_time
from endpoints.setup import MAX_LABEL
from endpoints.simulator_control import FAULTS, BadCommand, ask
from endpoints.simulator_program import TooFewFiles, run_simulator
from endpoints.speaker import FolderInUse, log_for_a_service, run_speaker
from endpoints.speaker import enrol as enrol_box

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say every connection and refusal.")]
Control = Annotated[Path, typer.Option(help="The socket of the running simulator.")]


def speaker(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="What the server exported for this box.")
    ] = None,
    *,
    enrol: Annotated[
        str, typer.Option(help="A code from the desk, or the text of its QR code: get the file first.")
    ] = "",
    server: Annotated[str, typer.Option(help="Where the desk is, for a code alone: http://10.0.0.1:8710.")] = "",
    model: Annotated[str, typer.Option(help="What this box is, for the desk's list.")] = "",
    firmware: Annotated[str, typer.Option(help="Its version; else that of this program.")] = "",
    amplifier: Annotated[Path | None, typer.Option(help="A file that holds `ok` while the amplifier is well.")] = None,
    state: Annotated[Path, typer.Option(help="Folder that survives a power cut.")] = Path("/var/lib/lianbo-speaker"),
    sound: Annotated[str, typer.Option(help="auto, null, wav:PATH, pyaudio or pyaudio:DEVICE.")] = "auto",
    ear: Annotated[
        str, typer.Option(help="What proves what was played: sink, monitor:DEVICE or microphone:DEVICE.")
    ] = "",
    verbose: Verbose = False,
) -> None:
    """Be one speaker, until SIGTERM.

    Without a file it is the one that was enrolled here before: `lianbo speaker --enrol ABCD-2345 --server http://10.0.0.1:8710`.
    """
    log_for_a_service(verbose=verbose)
    make = Make(model[:MAX_LABEL], firmware[:MAX_LABEL] or f"lianbo {version('lianbo')}")
    try:
        if enrol:
            file = asyncio.run(enrol_box(enrol, server=server, folder=state, make=make))
        file = file or state / FILE
        provisioning = read_single(file)
        with real_time(BESIDE_IT):
            asyncio.run(
                run_speaker(provisioning, state=state, sink=sound, ear=ear, make=make, amplifier=amplifier, file=file)
            )
    except FileNotFoundError as err:
        _refuse(err, "; this box was never enrolled: get a code from the desk and start it with --enrol")
    except (BadProvisioning, FolderInUse, NotEnrolled, OSError, ValueError) as err:
        _refuse(err)


def simulate(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What the server exported: speakers.json.")],
    control: Annotated[Path | None, typer.Option(help="Listen here for `lianbo fault`: a Unix socket.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Simulate this speaker; may be repeated. Else all.")] = None,
    over_s: Annotated[float, typer.Option(min=0, help="Switch them on spread over so many seconds.")] = 0.0,
    verbose: Verbose = False,
) -> None:
    """Be all the speakers of a file, until SIGTERM."""
    log_for_a_service(verbose=verbose)
    try:
        provisioning = read_provisioning(file)
        _know(provisioning, only or [])
        asyncio.run(run_simulator(provisioning, control=control, only=only or None, over_s=over_s))
    except (BadProvisioning, TooFewFiles, OSError) as err:
        _refuse(err)


def fault(
    name: Annotated[str, typer.Argument(help=f"What breaks: {', '.join(FAULTS)}.")],
    speakers: Annotated[list[str], typer.Argument(help="Ids of simulated speakers, or * for all.")],
    control: Control,
    off: Annotated[bool, typer.Option("--off", help="Make it whole again.")] = False,
) -> None:
    """Break simulated speakers, and make them whole again."""
    who = "*" if speakers == ["*"] else speakers
    try:
        answer = asyncio.run(ask(control, {"speaker": who, "fault": name, "on": not off}))
    except (BadCommand, OSError) as err:
        _refuse(err)
    typer.echo(f"{name} {'off' if off else 'on'} at {answer['changed']}")


def _know(provisioning: Provisioning, only: list[str]) -> None:
    unknown = set(only) - {one.id for one in provisioning.speakers}
    if unknown:
        raise BadProvisioning("speakers", f"no {', '.join(sorted(unknown))} in the file")


def _refuse(err: Exception, remedy: str = "") -> NoReturn:
    typer.echo(f"{err}{remedy}", err=True)
    raise typer.Exit(1)
