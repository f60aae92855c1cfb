"""`approximate`: what an approximate index costs a model on a collection."""

from pathlib import Path
from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import DataOption, StoreOption, parse_size, show
from babelrank.cli.option_groups import AdapterOption, MemoryOption


def approximate(
    model: Annotated[str, typer.Argument(help="Model with dense vectors, as for `submit`.")],
    index: Annotated[
        str,
        typer.Option("--index", metavar="FACTORY", help='FAISS index factory string, such as "IVF64,Flat" or HNSW32.'),
    ],
    collection: Annotated[str, typer.Option("--collection", "-c", help="Collection, as for `submit`.")] = "xquad-r",
    parameters: Annotated[
        str, typer.Option(metavar="NAME=VALUE,…", help="Search parameters, such as nprobe=16 or efSearch=64.")
    ] = "",
    top: Annotated[int, typer.Option(metavar="K", min=10, help="Passages retrieved per query.")] = 100,
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of queries, drawn at random [default: all].")
    ] = None,
    adapter: AdapterOption = None,
    data: DataOption = None,
    store: StoreOption = None,
    memory: MemoryOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Also write the report to this Markdown file.")
    ] = None,
) -> None:
    """Measure what an approximate index costs. Shown are time, memory, recall, nDCG and rank distance by language."""
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
