"""`data`: list, make, check, fetch, verify and export collections."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import babelrank
from babelrank.cli.common import DataOption, JsonOption, show, show_error, show_json

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Names of collections [default: all that can be downloaded].", metavar="[NAME…]"),
]


def list_collections(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the collections, their sources and local files."""
    published, sources = babelrank.list_collections(data), babelrank.list_collection_sources()
    if as_json:
        show_json({"collections": [*map(asdict, published)], "sources": [*map(asdict, sources)]})
    else:
        show(*published, *sources)


def init_collection(
    folder: Annotated[Path, typer.Argument(help="Folder for the files. Existing files are not overwritten.")],
) -> None:
    """Write a small collection to replace with your own data."""
    show(*babelrank.init_collection(folder), f"To check it: `babelrank data check local:{folder}`")


def check_collection(
    collection: Annotated[str, typer.Argument(help="A collection, as for `submit`.")],
    data: DataOption = None,
) -> None:
    """Read a collection. Show its contents, or list all errors in it."""
    show(*babelrank.describe_collection(collection, data))


def fetch_collections(
    names: NamesArgument = None,
    data: DataOption = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Download from this address instead of GitHub; it holds xquad-r/, ntrex/ and so on."
        ),
    ] = None,
) -> None:
    """Download missing or changed files. Check their pinned SHA-256."""
    show(*babelrank.fetch_collections(names or (), data=data, mirror=mirror))


def export_collection(
    collection: Annotated[str, typer.Argument(help="A collection, as for `submit`.")],
    folder: Annotated[Path, typer.Argument(help="Folder for queries.jsonl and passages.jsonl.")],
    data: DataOption = None,
) -> None:
    """Write a collection's texts and ids. Other tools can then encode them."""
    show(*babelrank.export_collection(collection, folder, data=data))


def verify_collections(names: NamesArgument = None, data: DataOption = None) -> None:
    """Check local files against their pinned SHA-256. Fails if one is missing or differs."""
    files = babelrank.verify_collections(names or (), data=data)
    show(*files)
    if not all(file.complete for file in files):
        show_error("`babelrank data fetch` downloads missing and changed files.")
        raise typer.Exit(1)
