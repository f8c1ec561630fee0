"""`lianbo`: the command line. Each subject has its module in `broadcast.cli`; here they are hung together."""

import typer

from broadcast.cli import areas, serving

cli = typer.Typer(
    name="lianbo",
    help="Lianbo (联播): emergency broadcast and video conference of a county.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command()(serving.serve)
cli.command()(serving.demo)
cli.add_typer(areas.app, name="areas")

if __name__ == "__main__":
    cli()
