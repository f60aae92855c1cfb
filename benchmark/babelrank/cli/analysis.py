"""`plot`, `compare`, `recommend`, `export` and `schema`: use what the reports hold."""

from pathlib import Path
from typing import Annotated, Any

import typer

import babelrank
from babelrank.cli.common import (
    JsonOption,
    MarginOption,
    ReportsOption,
    parse_count,
    show,
    show_json,
)
from babelrank.cli.option_groups import run_options, takes

ModelsArgument = Annotated[list[str], typer.Argument(help="Names or folders of reports.", metavar="MODEL…")]
CollectionsOption = Annotated[
    list[str] | None,
    typer.Option("--collection", "-c", help="Collection; may be repeated [default: all that the reports share]."),
]


def plot(
    models: ModelsArgument,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            "-k",
            help="heatmaps (or one of them: pairs, mean-rank, share-first), difference (A − B), distance "
            "(distributions), scatter (accuracy and bias), scaling, bars, radar, map; may be repeated "
            "[default: heatmaps].",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Width of the figures: column, text (of a paper) or slide [default: text; heatmaps: as in reports]."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="svg, pdf or png; may be repeated [default: all three].")
    ] = None,
    reports: ReportsOption = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the figures.")] = Path("plots"),
) -> None:
    """Draw figures of one or more models. Heatmaps share one colour scale."""
    show(*babelrank.plot(*models, kinds=kind or "heatmaps", out=out, size=size, formats=formats or (), reports=reports))


@takes(reading=run_options)
def compare(
    reading: dict[str, Any],
    models: Annotated[
        list[str] | None, typer.Argument(help="Two or more reports: names or folders.", metavar="A B [C…]")
    ] = None,
    collection: CollectionsOption = None,
    measure: Annotated[
        str | None,
        typer.Option(
            help="mAP, R@1, R@10, R@100, MRR@10 or nDCG@10 [default: the first in the report; nDCG@10 for runs]."
        ),
    ] = None,
    margin: MarginOption = 0.0,
    reports: ReportsOption = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--run",
            metavar="FILE",
            help="Run file, as for `evaluate`. Two or more, with --collection, are compared instead of reports.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Name of a run, once for each --run [default: from the file].")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Test whether models differ. Tests are paired, with intervals and corrected p-values."""
    if runs:
        if models or len(collection or ()) != 1:
            raise babelrank.BabelrankError("compare --run needs one --collection and takes no reports.")
        found = babelrank.compare_runs(
            *runs,
            collection=(collection or [""])[0],
            names=name or (),
            measure=measure,
            margin=margin,
            **reading,
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
    languages: Annotated[
        str, typer.Option(metavar="LANG,…", help="Languages of queries and passages, such as de,tr,ar.")
    ],
    max_parameters: Annotated[
        str | None, typer.Option(metavar="N", help="Maximum number of parameters, such as 200M.")
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option("--collection", "-c", help="Collection to compare on [default: the first with all languages]."),
    ] = None,
    setting: Annotated[
        str | None,
        typer.Option(
            help="pairs (all pairs of these languages), monolingual, cross_lingual, or multilingual (a pool of all "
            "languages) [default: pairs; monolingual for one language]."
        ),
    ] = None,
    measure: Annotated[str | None, typer.Option(help="As for `compare`.")] = None,
    margin: MarginOption = 0.0,
    reports: ReportsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recommend models for your languages. They do not differ significantly from the best."""
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
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.")] = Path("export"),
    collection: CollectionsOption = None,
    reports: ReportsOption = None,
    depth: Annotated[int, typer.Option(min=1, help="Passages per query in TREC runs.")] = 100,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also write a run or table for every pair of languages.")
    ] = False,
    intervals: Annotated[bool, typer.Option("--intervals", help="Show intervals in LaTeX tables.")] = False,
) -> None:
    """Export reports to other formats: CSV, LaTeX, TREC, MTEB. Also metadata for model cards."""
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
