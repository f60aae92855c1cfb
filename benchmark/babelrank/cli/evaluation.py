"""`submit`, `adapters` and `cache`: from a model to its report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import (
    AdapterOption,
    DataOption,
    DeviceOption,
    DocumentPromptOption,
    MemoryOption,
    QueryPromptOption,
    ReportsOption,
    StoreOption,
    parse_size,
    show,
)

_DEFAULT_COLLECTIONS = ("xquad-r", "mlqa-r")
_GIB = 2**30

EngineOption = Annotated[str | None, typer.Option(help="What encodes streamed texts: local or ray [default: local].")]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Number of worker processes [default: this process; with ray: one for each core]."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Ray cluster to use [default: one is started on this machine]."),
]


def submit(
    model: Annotated[str, typer.Argument(help="use-multilingual-v3, a model's name on the Hub, or its folder.")],
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
    adapter: AdapterOption = None,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the report here, and leave the leaderboard alone."),
    ] = None,
    reports: ReportsOption = None,
    name: Annotated[str | None, typer.Option(help="Name in reports and leaderboard.")] = None,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
    query_prompt_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this one of the model's own prompts for queries.")
    ] = None,
    document_prompt_name: Annotated[str | None, typer.Option(metavar="NAME", help="The same for passages.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Cut texts after this many tokens.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the weights: auto, float32, bfloat16 or float16.")] = None,
    similarity: Annotated[str | None, typer.Option(help="cosine, dot or euclidean [default: the model's own].")] = None,
    device: DeviceOption = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Texts that the model sees at once, if it takes batches.")
    ] = 32,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a model on the Hub.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of the adapter, see adapters/README.md; may be repeated."),
    ] = None,
    transform: Annotated[
        list[str] | None,
        typer.Option(
            help="Applied to the vectors: center, center-roles, whiten[:k], abtt:k, truncate:k, int8 or binary; may be "
            "repeated."
        ),
    ] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Run the model's own code, if you trust it.")] = False,
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
        bool, typer.Option(help="Put the texts of the worst questions into the report, where the licence is known.")
    ] = True,
    store: StoreOption = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the multilingual setting's top 100 here, as TREC runs with qrels."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace figures of other files by the same collection's name.")
    ] = False,
    memory: MemoryOption = None,
    engine: EngineOption = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
) -> None:
    """Evaluate a model, write its report, and refresh the leaderboard."""
    if out is not None and reports is not None:
        raise babelrank.BabelrankError("--out and --reports both name a folder for the report; give one of them.")
    result = babelrank.submit(
        model,
        collection or _DEFAULT_COLLECTIONS,
        reports=out or reports,
        leaderboard=None if out is None else False,
        adapter=adapter,
        transforms=transform or (),
        name=name,
        data=data,
        store=store,
        runs=run,
        streaming=babelrank.Streaming(parse_size(memory), engine, workers, address),
        seen=seen,
        base_model=base_model,
        family=family,
        texts=texts,
        replace=replace,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        query_prompt_name=query_prompt_name,
        document_prompt_name=document_prompt_name,
        max_length=max_length,
        dtype=dtype,
        similarity=similarity,
        device=device,
        batch_size=batch_size,
        revision=revision,
        trust_remote_code=trust_remote_code,
        options=read_pairs(option or ()),
    )
    show(result, f"report: {result.page}")


def adapters() -> None:
    """List the adapters: how each names a model, and what it needs installed."""
    show(*babelrank.list_adapters())


def cache(
    store: StoreOption = None,
    limit: Annotated[
        float | None,
        typer.Option(
            "--prune",
            metavar="GIB",
            min=0,
            help="Delete what was used longest ago until this much is left; what the last 10 minutes used stays.",
        ),
    ] = None,
) -> None:
    """Show the stored vectors by model and role, or prune them."""
    show(babelrank.list_store(store) if limit is None else babelrank.prune_store(limit * _GIB, store))


def read_pairs(texts: Sequence[str]) -> dict[str, str]:
    """Read texts such as NAME=VALUE."""
    for text in texts:
        if "=" not in text:
            raise babelrank.BabelrankError(f"--option {text}: expected NAME=VALUE.")
    return dict(text.split("=", 1) for text in texts)
