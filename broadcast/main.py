"""`lianbo`: the command line. Each subject has its module in `broadcast.cli`; here they are hung together.

A command's module is imported when that command is called: `lianbo speaker` runs on a box without a database, and `--help` must
not wait a second for the whole server.
"""

from importlib import import_module
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

COMMANDS = {  # name: (where it is, its sentence); a test compares the sentence with that of the command itself
    "serve": ("broadcast.cli.serving:serve", "Run the control server."),
    "demo": (
        "broadcast.cli.serving:demo",
        "Run the server and a county of simulated speakers on this machine; prints where the desk is and how to sign in.",
    ),
    "speaker": ("broadcast.cli.speaker:speaker", "Be one speaker, until SIGTERM."),
    "simulate": ("broadcast.cli.speaker:simulate", "Be all the speakers of a file, until SIGTERM."),
    "fault": ("broadcast.cli.speaker:fault", "Break simulated speakers, and make them whole again."),
    "trigger": ("broadcast.cli.triggers:trigger", "Start a broadcast (播发), after showing whom it reaches."),
    "update": (
        "broadcast.cli.triggers:update",
        "Correct a live broadcast (更正): the new one takes its place in one step.",
    ),
    "live": (
        "broadcast.cli.live:live",
        "Speak live (现场喊话) from this machine's microphone, after hearing how loud it is.",
    ),
    "stop": ("broadcast.cli.broadcasts:stop", "Take a broadcast off the air (停播), or everything of one's own level."),
    "all-clear": (
        "broadcast.cli.broadcasts:all_clear",
        "End an alert (解除), whole or in some areas, and say so there.",
    ),
    "broadcasts": ("broadcast.cli.broadcasts:broadcasts", "List the broadcasts of one's own area, newest first."),
    "ladder": (
        "broadcast.cli.ladder:ladder",
        "How far a broadcast got (回执): per township, and who is missing, by name.",
    ),
    "approvals": (
        "broadcast.cli.approvals:app",
        "What waits for a second person (审批): list, show, approve, reject, return, withdraw, break the glass.",
    ),
    "plans": ("broadcast.cli.plans:app", "The saved plans (预案): list, start."),
    "assets": ("broadcast.cli.assets:app", "The library of sounds (音频素材): send, look, approve, delete."),
    "programmes": (
        "broadcast.cli.programmes:app",
        "The plan (节目): list, add, remove, conflicts, as-run log, staging.",
    ),
    "areas": ("broadcast.cli.areas:app", "The county's areas: townships, villages, grids."),
    "speakers": (
        "broadcast.cli.speakers:app",
        "The speaker estate (终端): list, enrol, retire, hand out what a box needs.",
    ),
    "voices": (
        "broadcast.cli.voices:voices",
        "Who can speak on this machine; and whether the file of readings is in order.",
    ),
    "users": ("broadcast.cli.users:app", "The officers' accounts, for the technician at this machine."),
    "keys": ("broadcast.cli.keys:app", "The signing keys: how long they last, and their public halves."),
    "audit": ("broadcast.cli.audit:app", "The audit trail: verify it, hand it out, hold it against a copy."),
    "backup": (
        "broadcast.cli.backups:backup",
        "Make a backup (备份) now, beside a running server; it counts when it has been read back and verified.",
    ),
    "restore": (
        "broadcast.cli.backups:restore",
        "Put a backup in the place of this machine's data. No server may run; everything is checked before anything is touched.",
    ),
    "db": ("broadcast.cli.database:app", "The database: bring its tables up, look whether it is whole."),
    "config": ("broadcast.cli.configuration:app", "The settings: check a file, show what is in force."),
    "doctor": ("broadcast.cli.doctor:doctor", "Say what is missing on this machine and how to get it."),
}


def load(name: str) -> Any:
    """The command itself, as typer's class."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command = typer.main.get_command(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command


class Lazy(TyperGroup):
    """Lists commands by their sentence and imports only the one that is called."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for name, (_, sentence) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=sentence))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name in COMMANDS else command, rest


cli = typer.Typer(name="lianbo", cls=Lazy, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@cli.callback()
def lianbo() -> None:
    """Lianbo (联播): emergency broadcast and video conference of a county."""


if __name__ == "__main__":
    cli()
