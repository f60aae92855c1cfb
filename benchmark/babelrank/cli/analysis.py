"""`leaderboard`, `site`, `plot`, `compare`, `export` and `schema`: all that follows from reports alone."""

import json
from pathlib import Path
from typing import Annotated

import typer

from babelrank.cli.common import ReportsOption, console, errors, reports_folder, tell
from babelrank.errors import ReportError, unknown_choice

_EXPERIMENTS = "experiments"


def leaderboard(
    reports: ReportsOption = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if a page is not current.")] = False,
) -> None:
    """Regenerate the leaderboard, experiments' pages, and the pages of each report, as far as they are not current."""
    from babelrank.reporting.cache import FILE_NAME, Cache
    from babelrank.reporting.experiment import check_experiments, write_experiments
    from babelrank.reporting.leaderboard import check_leaderboard, write_leaderboard
    from babelrank.reporting.report import check_reports, refresh_reports

    folder = reports_folder(reports)
    root = folder.parent
    if not check:
        # The leaderboard comes first, as reports link to it if it is there.
        changed = [*write_leaderboard(folder, root), *write_experiments(root / _EXPERIMENTS, folder)]
        for path in [*changed, *refresh_reports(folder)]:
            tell(path)
        return
    cache = Cache(folder / FILE_NAME)
    # Reports come first: a rank table that is missing or damaged is listed before it stops what is made of it.
    stale = check_reports(folder, cache)
    for name in stale:
        errors.print(f"not current: {name}", highlight=False, soft_wrap=True)
    for name in [*check_leaderboard(folder, root, cache), *check_experiments(root / _EXPERIMENTS, folder, cache)]:
        stale.append(name)
        errors.print(f"not current: {name}", highlight=False, soft_wrap=True)
    if stale:
        errors.print("`babelrank leaderboard` regenerates pages and heatmaps, `babelrank submit` a rank table.")
        raise typer.Exit(1)
    console.print("The leaderboard and all reports are current.")


def site(
    folder: Annotated[Path, typer.Argument(help="Where the site goes.", metavar="DIR")], reports: ReportsOption = None
) -> None:
    """Build a static site of the leaderboard, all reports and experiments, for any host."""
    from babelrank.reporting.site import build_site

    found = reports_folder(reports)
    tell(f"site: {build_site(found, found.parent / _EXPERIMENTS, folder)}")


def plot(
    models: Annotated[list[str], typer.Argument(help="Names or folders of reports.", metavar="MODEL…")],
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            "-k",
            help="heatmaps, or one of them: pairs, mean-rank, share-first; difference (A − B), distance "
            "(distributions), scatter (accuracy and bias), scaling, bars, radar; may be repeated [default: heatmaps].",
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="column or text of a paper, or slide [default: text; heatmaps: as in reports].")
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="svg, pdf or png; may be repeated [default: all].")
    ] = None,
    reports: ReportsOption = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the figures go.")] = Path("plots"),
) -> None:
    """Draw figures of one model or several: heatmaps are on one scale."""
    from babelrank.reporting import plots
    from babelrank.reporting.report import find_ranks, find_report

    folder = reports_folder(reports)
    found = [find_report(model, folder) for model in models]
    inputs = plots.PlotInputs(found, lambda i, collection: find_ranks(models[i], collection, folder))
    if size is not None and size not in plots.SIZES:
        raise ReportError(unknown_choice("size", size, plots.SIZES))
    chosen = plots.SIZES[size] if size else None
    for name in kind or ["heatmaps"]:
        for path in plots.plot(name, inputs, out, size=chosen, formats=formats or plots.FORMATS):
            tell(path)


def compare(
    models: Annotated[list[str], typer.Argument(help="Two or more reports, by name or folder.", metavar="A B [C…]")],
    collection: Annotated[
        list[str] | None, typer.Option("--collection", "-c", help="By default, all that the reports share.")
    ] = None,
    reports: ReportsOption = None,
) -> None:
    """Test, question by question, whether models differ: every pair of them, with intervals and corrected p-values."""
    from babelrank.analysis.bootstrap import question_figures
    from babelrank.analysis.comparison import compare as compare_figures
    from babelrank.reporting.comparison_tables import comparison_tables
    from babelrank.reporting.measures import measures_of
    from babelrank.reporting.report import find_ranks, find_report
    from babelrank.reporting.results import find_collections
    from babelrank.reporting.terminal import table_terminal

    if len(models) < 2:
        raise ReportError("compare takes two models or more.")
    folder = reports_folder(reports)
    found = [find_report(model, folder) for model in models]
    shared = [name for name in found[0].collections if all(name in each.collections for each in found)]
    if not shared and not collection:
        raise ReportError(f"{', '.join(models)}: have no collection in common.")
    for name in collection or shared:
        tables = [find_ranks(model, name, folder) for model in models]
        shown = measures_of(name, find_collections(found, name)[0])
        figures = [question_figures(table, shown.headline[0]) for table in tables]
        for (first, second), comparison in compare_figures(figures, shown.macro).items():
            names = found[first].model.name, found[second].model.name
            for table in comparison_tables(*names, name, shown.headline[0], comparison):
                console.print(table_terminal(table))


def export(
    models: Annotated[list[str], typer.Argument(help="Names or folders of reports.", metavar="MODEL…")],
    format_name: Annotated[
        str, typer.Option("--format", "-f", metavar="FORMAT", help="csv, latex, trec, mteb or model-card.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")] = Path("export"),
    collection: Annotated[
        list[str] | None, typer.Option("--collection", "-c", help="By default, all that the reports have.")
    ] = None,
    reports: ReportsOption = None,
    depth: Annotated[int, typer.Option(min=1, help="Of TREC runs: passages per query.")] = 100,
    pairs: Annotated[bool, typer.Option("--pairs", help="Runs, or tables, of every pair of languages too.")] = False,
    intervals: Annotated[bool, typer.Option("--intervals", help="In LaTeX tables, show intervals.")] = False,
) -> None:
    """Write reports as CSV, LaTeX tables, TREC runs with qrels, MTEB results, or model-card metadata."""
    from babelrank.reporting.export import Options, export_reports

    options = Options(depth, pairs, intervals)
    for path in export_reports(
        models, format_name, out, reports=reports_folder(reports), collections=collection or (), options=options
    ):
        tell(path)


def schema() -> None:
    """Print the JSON Schema of results.json."""
    from babelrank.reporting.results_file import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
