"""`leaderboard`, `remove`, `rename`, `site` and `publish`: the folder of reports and its pages."""

from pathlib import Path
from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import MarginOption, ReportsOption, show, show_error, show_json

_CURRENT = "The leaderboard and all reports are up to date."


def leaderboard(
    reports: ReportsOption = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if a page is out of date.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Change nothing; print the scores as JSON.")] = False,
    margin: MarginOption = 0.001,
) -> None:
    """Regenerate the leaderboard and all outdated pages."""
    if as_json:
        show_json(babelrank.leaderboard(reports))
        return
    if not check:
        show(*babelrank.refresh_pages(reports, margin=margin) or (_CURRENT,))
        return
    current = True
    for path in babelrank.check_pages(reports, margin=margin):
        current = False
        show_error(f"out of date: {path}")
    if not current:
        show_error(
            "`babelrank leaderboard` regenerates pages and heatmaps; `babelrank submit` regenerates a rank table."
        )
        raise typer.Exit(1)
    show(_CURRENT)


def remove(
    models: Annotated[list[str], typer.Argument(help="Full names of reports.", metavar="MODEL…")],
    reports: ReportsOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove reports and refresh the leaderboard."""
    if not yes:
        try:
            agreed = typer.confirm(f"Remove the reports {', '.join(models)}?")
        except typer.Abort as error:
            raise babelrank.BabelrankError(
                "cannot ask for confirmation without a terminal; --yes removes reports without asking."
            ) from error
        if not agreed:
            raise typer.Exit(1)
    show(*(f"removed: {folder}" for folder in babelrank.remove_reports(*models, reports=reports)))


def rename(
    model: Annotated[str, typer.Argument(help="Full name of a report.")],
    name: Annotated[str, typer.Argument(help="New name.")],
    reports: ReportsOption = None,
) -> None:
    """Rename a report and refresh the leaderboard."""
    show(f"report: {babelrank.rename_report(model, name, reports)}")


def site(
    folder: Annotated[Path, typer.Argument(help="Folder for the site.", metavar="DIR")], reports: ReportsOption = None
) -> None:
    """Build a static website of all reports and experiments."""
    show(f"site: {babelrank.build_site(folder, reports)}")


def publish(
    name: Annotated[str, typer.Argument(help="Name of the Space and of the data set.", metavar="ORG/NAME")],
    reports: ReportsOption = None,
    title: Annotated[str | None, typer.Option(help="Title of both [default: NAME].")] = None,
    private: Annotated[bool, typer.Option("--private", help="Make both repositories private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files without uploading them.")] = False,
) -> None:
    """Upload the website and the results to the Hub. The website becomes a static Space, the results a data set."""
    found = babelrank.publish(name, reports, title=title, private=private, dry_run=dry_run)
    for each in found:
        show(str(each), *(each.files if dry_run else ()))
