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
    str, typer.Argument(help="use-multilingual-v3, a model's name on the Hub, or its folder.", metavar="MODEL")
]
TransformOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Applied to the vectors: center[:p], center-roles[:p], whiten[:k], abtt:k, truncate:k, int8 or binary; "
        "may be repeated. NAME@COLLECTION learns from the passages of another collection."
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
            help="xquad-r, mlqa-r or sample, as xquad-r:paragraph or mlqa-r:sentence+context:de,en; or as `babelrank "
            "data list` shows, such as miracl:sw,te, beir:scifact, hf:ORG/NAME or local:DIR; may be repeated "
            "[default: xquad-r and mlqa-r].",
        ),
    ] = None,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the report here, without a leaderboard."),
    ] = None,
    reports: ReportsOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the model in reports and leaderboard.")] = None,
    transform: TransformOption = None,
    seen: Annotated[
        str | None,
        typer.Option(
            metavar="LANG,…", help="Languages it was trained on [default: as a checkpoint of `babelrank train` says]."
        ),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Model that it is a variant of; the leaderboard groups them [default: as a checkpoint of `babelrank "
            "train` says].",
        ),
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="Models of one recipe in several sizes, for scaling laws.")
    ] = None,
    texts: Annotated[
        bool, typer.Option(help="Put the texts of the worst questions into the report, if the licence is known.")
    ] = True,
    store: StoreOption = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the top 100 of the multilingual pool here, as TREC runs with qrels."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the scores that a report has for other files of the same name.")
    ] = False,
    missing: MissingOption = "count",
) -> None:
    """Evaluate a model, write its report, and refresh the leaderboard."""
    if out is not None and reports is not None:
        raise babelrank.BabelrankError("--out and --reports both name a folder for the report; give one of them.")
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
            help="Queries and a corpus in several languages, such as local:DIR, of which qrels.tsv is not read; or any "
            "that `submit` takes.",
        ),
    ],
    data: DataOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the model in the output.")] = None,
    transform: TransformOption = None,
    store: StoreOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write the shares here, too, as CSV.")
    ] = None,
) -> None:
    """Show which languages a model ranks first, against their share of the corpus; no qrels are needed."""
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
    """List the adapters, the models that each loads, and what it needs installed."""
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
            help="Delete the least recently used until this much is left; what the last 10 minutes used stays.",
        ),
    ] = None,
) -> None:
    """Show the stored vectors by model and role, or prune them."""
    show(babelrank.list_store(store) if limit is None else babelrank.prune_store(limit * _GIB, store))
