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
    """Show what collections there are, where they come from, and which are here."""
    published, sources = babelrank.list_collections(data), babelrank.list_collection_sources()
    if as_json:
        show_json({"collections": [*map(asdict, published)], "sources": [*map(asdict, sources)]})
    else:
        show(*published, *sources)


def init_collection(
    folder: Annotated[Path, typer.Argument(help="Where the files go; they are never overwritten.")],
) -> None:
    """Write a small collection in the layout of your own, to begin from."""
    show(*babelrank.init_collection(folder), f"`babelrank data check local:{folder}` says whether it can be evaluated.")


def check_collection(
    collection: Annotated[str, typer.Argument(help="As `submit --collection` takes it.")],
    data: DataOption = None,
) -> None:
    """Read a collection and say what it holds, or everything that is wrong with it."""
    show(*babelrank.describe_collection(collection, data))


def fetch_collections(
    names: NamesArgument = None,
    data: DataOption = None,
    mirror: Annotated[
        str | None, typer.Option(metavar="URL", help="Folder that holds xquad-r/, ntrex/ and so on, instead of GitHub.")
    ] = None,
) -> None:
    """Download what is missing or differs, each file checked against its pinned SHA-256."""
    show(*babelrank.fetch_collections(names or (), data=data, mirror=mirror))


def export_collection(
    collection: Annotated[str, typer.Argument(help="As `submit --collection` takes it.")],
    folder: Annotated[Path, typer.Argument(help="Where queries.jsonl and passages.jsonl go.")],
    data: DataOption = None,
) -> None:
    """Write a collection's texts with their ids, to be encoded elsewhere and submitted as vectors."""
    show(*babelrank.export_collection(collection, folder, data=data))


def verify_collections(names: NamesArgument = None, data: DataOption = None) -> None:
    """Check local files against their pinned SHA-256; fail unless all are complete."""
    files = babelrank.verify_collections(names or (), data=data)
    show(*files)
    if not all(file.complete for file in files):
        show_error("`babelrank data fetch` downloads what is missing or differs.")
        raise typer.Exit(1)
