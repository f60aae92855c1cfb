"""`data`: list, make, check, fetch, verify and export collections."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import DataOption, JsonOption, show, show_error, show_json

NamesArgument = Annotated[
    list[str] | None, typer.Argument(help="Collections [default: all that can be downloaded].", metavar="[NAME…]")
]


def list_collections(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the collections, where they come from, and which are on this machine."""
    published, sources = babelrank.list_collections(data), babelrank.list_collection_sources()
    if as_json:
        show_json({"collections": [*map(asdict, published)], "sources": [*map(asdict, sources)]})
    else:
        show(*published, *sources)


def init_collection(
    folder: Annotated[Path, typer.Argument(help="Folder for the files; none is overwritten.")],
) -> None:
    """Write a small collection as a template for your own."""
    show(*babelrank.init_collection(folder), f"`babelrank data check local:{folder}` says whether it can be evaluated.")


def check_collection(
    collection: Annotated[str, typer.Argument(help="A collection, as for `submit`.")],
    data: DataOption = None,
) -> None:
    """Read a collection; show what it holds, or everything that is wrong with it."""
    show(*babelrank.describe_collection(collection, data))


def fetch_collections(
    names: NamesArgument = None,
    data: DataOption = None,
    mirror: Annotated[
        str | None, typer.Option(metavar="URL", help="Folder that holds xquad-r/, ntrex/ and so on, instead of GitHub.")
    ] = None,
) -> None:
    """Download files that are missing or differ, and check them against their pinned SHA-256."""
    show(*babelrank.fetch_collections(names or (), data=data, mirror=mirror))


def export_collection(
    collection: Annotated[str, typer.Argument(help="A collection, as for `submit`.")],
    folder: Annotated[Path, typer.Argument(help="Folder for queries.jsonl and passages.jsonl.")],
    data: DataOption = None,
) -> None:
    """Write a collection's texts with their ids, to encode them elsewhere."""
    show(*babelrank.export_collection(collection, folder, data=data))


def verify_collections(names: NamesArgument = None, data: DataOption = None) -> None:
    """Check local files against their pinned SHA-256; fail if one is missing or differs."""
    files = babelrank.verify_collections(names or (), data=data)
    show(*files)
    if not all(file.complete for file in files):
        show_error("`babelrank data fetch` downloads what is missing or differs.")
        raise typer.Exit(1)
