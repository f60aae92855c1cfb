"""`leaderboard`, `plot`, `compare`, `export` and `schema`: all that follows from reports alone."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from babelrank.cli.common import ReportsOption, console, errors, reports_folder, tell
from babelrank.errors import ReportError, unknown_choice

_EXPERIMENTS = "experiments"
_HEATMAPS = "heatmaps"


def leaderboard(
    reports: ReportsOption = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Change nothing; fail if a page is not current.",
        ),
    ] = False,
) -> None:
    """Regenerate leaderboard.md, experiments' pages, and what each report shows, from reports alone."""
    from babelrank.reporting.experiment import check_experiments, write_experiments
    from babelrank.reporting.leaderboard import check_leaderboard, write_leaderboard
    from babelrank.reporting.report import check_reports, refresh_reports

    folder = reports_folder(reports)
    root = folder.parent
    if not check:
        # The leaderboard comes first, as reports link to it if it is there.
        for path in [*write_leaderboard(folder, root), *write_experiments(root / _EXPERIMENTS, folder)]:
            tell(f"{path}")
        for path in refresh_reports(folder):
            tell(f"{path}")
        return
    current = True
    # Reports come first: a rank table that is missing or damaged is listed before it stops what is made of it.
    for find_stale in (
        partial(check_reports, folder),
        partial(check_leaderboard, folder, root),
        partial(check_experiments, root / _EXPERIMENTS, folder),
    ):
        for name in find_stale():
            current = False
            errors.print(f"not current: {name}", highlight=False, soft_wrap=True)
    if not current:
        errors.print("`babelrank leaderboard` makes pages and heatmaps anew, `babelrank submit` a rank table.")
        raise typer.Exit(1)
    console.print("The leaderboard and all reports are current.")


def plot(
    models: Annotated[list[str], typer.Argument(help="Names or folders of reports.", metavar="MODEL…")],
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            "-k",
            help="heatmaps, difference (A − B), distance (distributions), scatter (accuracy and bias), scaling, bars "
            "or radar; may be repeated [default: heatmaps].",
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="column or text of a paper, or slide [default: text; heatmaps: as in reports].")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", "-f", help="svg, pdf or png; may be repeated [default: all]."),
    ] = None,
    reports: ReportsOption = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the figures go.")] = Path("plots"),
) -> None:
    """Draw figures of one model or several: heatmaps are on one scale."""
    from babelrank.reporting import plots
    from babelrank.reporting.report import find_ranks, find_report

    folder = reports_folder(reports)
    found = [find_report(model, folder) for model in models]
    material = plots.Material(found, lambda i, collection: find_ranks(models[i], collection, folder))
    if size is not None and size not in plots.SIZES:
        raise ReportError(unknown_choice("size", size, plots.SIZES))
    for name in kind or [_HEATMAPS]:
        if name == _HEATMAPS:
            chosen = plots.SIZES[size] if size else None
            drawn: Iterable[Path] = plots.plot_models(found, out, size=chosen, formats=formats or plots.FORMATS)
        elif name not in plots.KINDS:
            raise ReportError(unknown_choice("kind of figure", name, [_HEATMAPS, *plots.KINDS]))
        else:
            drawn = plots.plot(name, material, out, size=plots.SIZES[size or "text"], formats=formats or plots.FORMATS)
        for path in drawn:
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
    from babelrank.reporting.figures import figures_of
    from babelrank.reporting.report import find_ranks, find_report
    from babelrank.reporting.results import find_collections
    from babelrank.reporting.terminal import comparison_tables

    if len(models) < 2:
        raise ReportError("compare takes two models or more.")
    folder = reports_folder(reports)
    found = [find_report(model, folder) for model in models]
    shared = [name for name in found[0].collections if all(name in each.collections for each in found)]
    if not shared and not collection:
        raise ReportError(f"{', '.join(models)}: have no collection in common.")
    for name in collection or shared:
        tables = [find_ranks(model, name, folder) for model in models]
        shown = figures_of(name, find_collections(found, name)[0])
        figures = [question_figures(table, shown.headline[0]) for table in tables]
        for (first, second), comparison in compare_figures(figures, shown.macro).items():
            names = found[first].model.name, found[second].model.name
            for table in comparison_tables(*names, name, shown.headline[0], comparison):
                console.print(table)


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
    intervals: Annotated[bool, typer.Option("--intervals", help="In LaTeX tables, intervals beside figures.")] = False,
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
