"""`data`: list, fetch, verify and export collections."""

from pathlib import Path
from typing import Annotated

import typer

from babelrank.cli.common import DataOption, console, errors, tell


def list_collections(data: DataOption = None) -> None:
    """Show what collections there are, where they come from, and which are here."""
    from babelrank.data.catalog import SOURCES, source_folder
    from babelrank.data.download import FileState, verify

    for source in SOURCES.values():
        states = list(verify(source, data).values())
        whole = states.count(FileState.WHOLE)
        here = "ships with babelrank" if source.ships_with_package else f"{whole} of {len(states)} files whole"
        lines = (
            f"{source.name}: {source.description}",
            f"  {source.licence}; {source.citation}",
            *([f"  from {source.url}/"] if source.url else []),
            f"  {here}, in {source_folder(source, data)}",
        )
        tell("\n".join(lines))


def fetch_collections(
    names: Annotated[list[str] | None, typer.Argument(help="Collections; all by default.", metavar="[NAME…]")] = None,
    data: DataOption = None,
    mirror: Annotated[
        str | None, typer.Option(metavar="URL", help="Folder that holds xquad-r/ and mlqa-r/, in place of GitHub.")
    ] = None,
) -> None:
    """Download what is missing or differs, each file checked against its pinned SHA-256."""
    from babelrank.data.catalog import find_sources, source_folder
    from babelrank.data.download import fetch

    for source in find_sources(names):
        folder = source_folder(source, data)
        fetched = fetch(source, data, mirror=mirror, on_file=console.print)
        tell(f"{source.name}: {len(fetched)} downloaded, whole in {folder}")


def export_collection(
    collection: Annotated[str, typer.Argument(help="As `submit --collection` takes it.")],
    folder: Annotated[Path, typer.Argument(help="Where queries.jsonl and passages.jsonl go.")],
    data: DataOption = None,
) -> None:
    """Write a collection's texts with their ids, to be encoded elsewhere and submitted as vectors."""
    from babelrank.data.export import export_texts
    from babelrank.data.loading import load_collection

    for path in export_texts(load_collection(collection, data), folder):
        tell(str(path))


def verify_collections(
    names: Annotated[list[str] | None, typer.Argument(help="Collections; all by default.", metavar="[NAME…]")] = None,
    data: DataOption = None,
) -> None:
    """Check local files against their pinned SHA-256; fail unless all are whole."""
    from babelrank.data.catalog import find_sources, source_folder
    from babelrank.data.download import FileState, verify

    damaged = False
    for source in find_sources(names):
        for lang, state in verify(source, data).items():
            tell(f"{state:8}{source_folder(source, data) / lang}.json")
            damaged |= state is not FileState.WHOLE
    if damaged:
        errors.print("`babelrank data fetch` brings what is missing or differs.")
        raise typer.Exit(1)
