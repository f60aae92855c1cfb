"""`leaderboard`, `site`, `plot`, `compare`, `export` and `schema`: all that follows from reports alone."""

from pathlib import Path
from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import (
    DataOption,
    JsonOption,
    MissingOption,
    ReportsOption,
    parse_count,
    show,
    show_error,
    show_json,
)
from babelrank.cli.runs import SplitOption, SubsetOption

ModelsArgument = Annotated[list[str], typer.Argument(help="Names or folders of reports.", metavar="MODEL…")]
CollectionsOption = Annotated[
    list[str] | None,
    typer.Option("--collection", "-c", help="May be repeated [default: all that the reports have]."),
]
MarginOption = Annotated[
    float, typer.Option(min=0, help="Difference that does not matter in practice, such as 0.005: tests go beyond it.")
]


def leaderboard(
    reports: ReportsOption = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if a page is not current.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Change nothing; print the scores as JSON.")] = False,
    margin: MarginOption = 0.001,
) -> None:
    """Regenerate the leaderboard, experiments' pages, and the pages of each report, where they are not current."""
    if as_json:
        show_json(babelrank.leaderboard(reports))
        return
    if not check:
        show(*babelrank.refresh_pages(reports, margin=margin))
        return
    current = True
    for path in babelrank.check_pages(reports, margin=margin):
        current = False
        show_error(f"not current: {path}")
    if not current:
        show_error("`babelrank leaderboard` regenerates pages and heatmaps, `babelrank submit` a rank table.")
        raise typer.Exit(1)
    show("The leaderboard and all reports are current.")


def remove(
    models: ModelsArgument,
    reports: ReportsOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove reports, given by their full names, and refresh the leaderboard."""
    if not yes:
        try:
            agreed = typer.confirm(f"Remove the reports {', '.join(models)}?")
        except typer.Abort as error:
            raise babelrank.BabelrankError("nobody answers; --yes removes reports without asking.") from error
        if not agreed:
            raise typer.Exit(1)
    show(*(f"removed: {folder}" for folder in babelrank.remove_reports(*models, reports=reports)))


def rename(
    model: Annotated[str, typer.Argument(help="Full name of a report.")],
    name: Annotated[str, typer.Argument(help="Its new name in reports and leaderboard.")],
    reports: ReportsOption = None,
) -> None:
    """Give a report another name, and refresh the leaderboard."""
    show(f"report: {babelrank.rename_report(model, name, reports)}")


def site(
    folder: Annotated[Path, typer.Argument(help="Where the site goes.", metavar="DIR")], reports: ReportsOption = None
) -> None:
    """Build a static site of the leaderboard, all reports and experiments, for any host."""
    show(f"site: {babelrank.build_site(folder, reports)}")


def publish(
    name: Annotated[str, typer.Argument(help="Name of the Space and of the data set.", metavar="ORG/NAME")],
    reports: ReportsOption = None,
    title: Annotated[str | None, typer.Option(help="Title of both [default: NAME].")] = None,
    private: Annotated[bool, typer.Option("--private", help="Make private repositories.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files; upload nothing.")] = False,
) -> None:
    """Publish the site as a static Space on the Hub, and results with rank tables as a data set."""
    found = babelrank.publish(name, reports, title=title, private=private, dry_run=dry_run)
    for each in found:
        show(str(each), *(each.files if dry_run else ()))


def plot(
    models: ModelsArgument,
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
    show(*babelrank.plot(*models, kinds=kind or "heatmaps", out=out, size=size, formats=formats or (), reports=reports))


def compare(
    models: Annotated[
        list[str] | None, typer.Argument(help="Two or more reports, by name or folder.", metavar="A B [C…]")
    ] = None,
    collection: CollectionsOption = None,
    measure: Annotated[
        str | None,
        typer.Option(
            help="mAP, R@1, R@10, R@100, MRR@10 or nDCG@10 [default: as reports show it first; nDCG@10 for runs]."
        ),
    ] = None,
    margin: MarginOption = 0.0,
    reports: ReportsOption = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--run",
            metavar="FILE",
            help="Compare runs instead of reports: two or more, as `evaluate` takes them; with --collection.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Name of a run, once for each --run [default: as the file says].")
    ] = None,
    missing: MissingOption = "count",
    subset: SubsetOption = None,
    split: SplitOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test, question by question, whether models differ: every pair of them, with intervals and corrected p-values."""
    if runs:
        if models or len(collection or ()) != 1:
            raise babelrank.BabelrankError("compare --run takes runs, no reports, and one --collection.")
        found = babelrank.compare_runs(
            *runs,
            collection=(collection or [""])[0],
            names=name or (),
            measure=measure,
            margin=margin,
            missing=missing,
            subset=subset,
            split=split,
            data=data,
        )
    else:
        found = babelrank.compare(
            *models or (), collections=collection or (), measure=measure, margin=margin, reports=reports
        )
    if as_json:
        show_json(found.to_frame())
    else:
        show(found)


def recommend(
    languages: Annotated[str, typer.Option(metavar="LANG,…", help="Languages of queries and passages, as de,tr,ar.")],
    max_parameters: Annotated[
        str | None, typer.Option(metavar="N", help="Only models with at most so many parameters, such as 200M.")
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option("--collection", "-c", help="Compare on this one [default: the first with all languages]."),
    ] = None,
    setting: Annotated[
        str | None,
        typer.Option(
            help="pairs (all pairs of the languages), monolingual, cross_lingual, or multilingual (passages in all "
            "languages) [default: pairs; monolingual for one language]."
        ),
    ] = None,
    measure: Annotated[str | None, typer.Option(help="As for `compare`.")] = None,
    margin: Annotated[
        float, typer.Option(min=0, help="Difference that does not matter in practice, such as 0.005.")
    ] = 0.0,
    reports: ReportsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the models that do not differ significantly from the best for your languages, and why."""
    found = babelrank.recommend(
        languages,
        collection=collection,
        setting=setting,
        measure=measure,
        max_parameters=parse_count(max_parameters),
        margin=margin,
        reports=reports,
    )
    if as_json:
        show_json(found.to_frame())
    else:
        show(found)


def export(
    models: ModelsArgument,
    format_name: Annotated[
        str, typer.Option("--format", "-f", metavar="FORMAT", help="csv, latex, trec, mteb or model-card.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")] = Path("export"),
    collection: CollectionsOption = None,
    reports: ReportsOption = None,
    depth: Annotated[int, typer.Option(min=1, help="Passages per query of TREC runs.")] = 100,
    pairs: Annotated[bool, typer.Option("--pairs", help="Also runs, or tables, of every pair of languages.")] = False,
    intervals: Annotated[bool, typer.Option("--intervals", help="Intervals next to values in LaTeX tables.")] = False,
) -> None:
    """Write reports as CSV, LaTeX tables, TREC runs with qrels, MTEB results, or model-card metadata."""
    show(
        *babelrank.export_reports(
            *models,
            format_name=format_name,
            out=out,
            collections=collection or (),
            depth=depth,
            pairs=pairs,
            intervals=intervals,
            reports=reports,
        )
    )


def schema() -> None:
    """Print the JSON Schema of results.json."""
    show_json(babelrank.results_schema())
