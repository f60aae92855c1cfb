"""The command line: parse, call, print."""

import sys
from typing import NoReturn

import typer

from babelrank.cli import analysis, approximation, check, collections, evaluation, runs, training
from babelrank.cli.common import errors
from babelrank.errors import BabelrankError

app = typer.Typer(
    name="babelrank",
    help="How well does a text encoder retrieve within, across and over languages, and does it favour some of them?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    evaluation.submit,
    check.check,
    training.train,
    training.average,
    training.center,
    runs.evaluate,
    runs.fuse,
    runs.rerank,
    evaluation.adapters,
    evaluation.cache,
    approximation.approximate,
    analysis.leaderboard,
    analysis.site,
    analysis.plot,
    analysis.compare,
    analysis.export,
    analysis.schema,
):
    app.command()(command)

data_app = typer.Typer(help="List, download and check collections.", no_args_is_help=True)
data_app.command("list")(collections.list_collections)
data_app.command("fetch")(collections.fetch_collections)
data_app.command("export")(collections.export_collection)
data_app.command("verify")(collections.verify_collections)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line; errors that a user can act on end it with a message and exit code 2.

    Of the operating system's errors these are those about a file, such as a folder in the place of one to be written.
    """
    try:
        app()
    except BabelrankError as error:
        _fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename2 or error.filename}: {error.strerror}.")


def _fail(message: str) -> NoReturn:
    errors.print(f"error: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)
