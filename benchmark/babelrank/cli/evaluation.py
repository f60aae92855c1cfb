"""`submit`, `diagnose`, `adapters` and `cache`: from a model to its report."""

from pathlib import Path
from typing import Annotated, Any

import typer

import babelrank
from babelrank.cli.common import DataOption, JsonOption, ReportsOption, StoreOption, show, show_json
from babelrank.cli.option_groups import MissingOption, encoder_options, streaming_options, takes

_DEFAULT_COLLECTIONS = ("xquad-r", "mlqa-r")
_GIB = 2**30

ModelArgument = Annotated[
    str, typer.Argument(help="Name on the Hub, folder, or a name that `babelrank adapters` lists.", metavar="MODEL")
]
TransformOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Transform of the vectors: center[:p], center-roles[:p], whiten[:k], abtt:k, truncate:k, int8 or binary; "
        "may be repeated. NAME@COLLECTION fits it to another collection."
    ),
]


@takes(streaming=streaming_options, encoder=encoder_options)
def submit(
    model: ModelArgument,
    streaming: "babelrank.Streaming",
    encoder: dict[str, Any],
    collection: Annotated[
        list[str] | None,
        typer.Option(
            "--collection",
            "-c",
            metavar="NAME[:CANDIDATES][:LANG,…]",
            help="Collection, such as xquad-r, mlqa-r:de,en, xquad-r:paragraph, miracl:sw,te, beir:scifact, "
            "hf:ORG/NAME or local:DIR (`babelrank data list` shows all); may be repeated "
            "[default: xquad-r and mlqa-r].",
        ),
    ] = None,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the report to this folder, without a leaderboard."),
    ] = None,
    reports: ReportsOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the model in reports and leaderboard.")] = None,
    transform: TransformOption = None,
    seen: Annotated[
        str | None,
        typer.Option(
            metavar="LANG,…",
            help="Languages that the model was trained on [default: as a checkpoint of `babelrank train` records].",
        ),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Model that this one is a variant of; the leaderboard groups them [default: as a checkpoint of "
            "`babelrank train` records].",
        ),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Family of models that differ only in size; scaling laws are fitted per family."
        ),
    ] = None,
    texts: Annotated[
        bool, typer.Option(help="Quote the worst questions in the report, if the collection's licence is known.")
    ] = True,
    store: StoreOption = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for TREC runs (top 100 of the multilingual pool) with qrels."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace scores that the report holds for a different version of the collection."
        ),
    ] = False,
    missing: MissingOption = None,
) -> None:
    """Evaluate a model and write its report. Refresh the leaderboard."""
    if out is not None and reports is not None:
        raise babelrank.BabelrankError("give --out or --reports, not both.")
    result = babelrank.submit(
        model,
        collection or _DEFAULT_COLLECTIONS,
        reports=out or reports,
        leaderboard=None if out is None else False,
        transforms=transform or (),
        name=name,
        data=data,
        store=store,
        runs=run,
        streaming=streaming,
        seen=seen,
        base_model=base_model,
        family=family,
        texts=texts,
        replace=replace,
        missing=missing,
        **encoder,
    )
    show(result, f"report: {result.page}")


@takes(streaming=streaming_options, encoder=encoder_options)
def diagnose(
    model: ModelArgument,
    streaming: "babelrank.Streaming",
    encoder: dict[str, Any],
    collection: Annotated[
        str,
        typer.Option(
            "--collection",
            "-c",
            metavar="NAME",
            help="Queries and passages in several languages, such as local:DIR (its qrels.tsv is not read), or any "
            "collection as for `submit`.",
        ),
    ],
    data: DataOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the model in the output.")] = None,
    transform: TransformOption = None,
    store: StoreOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Also write the shares to this CSV file.")
    ] = None,
) -> None:
    """Show which languages a model ranks first, without qrels. Their shares are compared with those of the corpus."""
    found = babelrank.diagnose(
        model,
        collection,
        name=name,
        transforms=transform or (),
        data=data,
        store=store,
        streaming=streaming,
        out=out,
        **encoder,
    )
    show(found, *([] if out is None else [f"written: {out}"]))


def adapters(as_json: JsonOption = False) -> None:
    """List the adapters: the models and the extras of each."""
    found = babelrank.list_adapters()
    if as_json:
        show_json(found)
    else:
        show(*found)


def cache(
    store: StoreOption = None,
    limit: Annotated[
        float | None,
        typer.Option(
            "--prune",
            metavar="GIB",
            min=0,
            help="Delete the least recently used vectors until this size is left. Vectors of the last 10 minutes stay.",
        ),
    ] = None,
) -> None:
    """List the stored vectors, or delete old ones."""
    show(babelrank.list_store(store) if limit is None else babelrank.prune_store(limit * _GIB, store))
