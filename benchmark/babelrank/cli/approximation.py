"""`approximate`: what an approximate index costs a model on a collection."""

from pathlib import Path
from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import DataOption, MemoryOption, StoreOption, parse_size, show
from babelrank.cli.encoder_options import AdapterOption


def approximate(
    model: Annotated[str, typer.Argument(help="As `submit` takes it; with dense vectors.")],
    index: Annotated[
        str, typer.Option("--index", metavar="FACTORY", help='FAISS\'s name of it, such as "IVF64,Flat" or HNSW32.')
    ],
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="One collection, as `submit --collection` takes it.")
    ] = "xquad-r",
    parameters: Annotated[
        str, typer.Option(metavar="NAME=VALUE,…", help="Of the search, such as nprobe=16 or efSearch=64.")
    ] = "",
    top: Annotated[int, typer.Option(metavar="K", min=10, help="Passages per list; nDCG@10 needs ten.")] = 100,
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Compare on this many queries [default: all].")
    ] = None,
    adapter: AdapterOption = None,
    data: DataOption = None,
    store: StoreOption = None,
    memory: MemoryOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write it there too, as Markdown.")
    ] = None,
) -> None:
    """Measure what an approximate search costs: time, memory, recall, nDCG and rank distance by language."""
    show(
        babelrank.approximate(
            model,
            index,
            collection,
            parameters=parameters,
            top=top,
            sample=sample,
            adapter=adapter,
            data=data,
            store=store,
            memory=parse_size(memory),
            out=out,
        )
    )
    if out is not None:
        show(f"written: {out}")
