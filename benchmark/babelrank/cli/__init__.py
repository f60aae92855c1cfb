"""The command line: parse, call one public function, print."""

import gc
import io
import logging
import sys
from collections.abc import Callable
from typing import Annotated

import typer

import babelrank
from babelrank.cli import analysis, approximation, check, collections, evaluation, reports, runs, training
from babelrank.cli.common import Warnings
from babelrank.cli.failures import DEBUG_OPTION, DEBUG_VARIABLE, ends_in_a_sentence, finish_output, lossy_errors, report

_SETTINGS = {"help_option_names": ["-h", "--help"]}
_QUIET, _VERBOSE = ("-q", "--quiet"), ("-v", "--verbose")
# Objects until the youngest are collected, and collections until older ones are: libraries make many that stay, and
# looking at them again and again took a twentieth of a submission.
_COLLECTED_EVERY = (100_000, 50, 100)

app = typer.Typer(
    name="babelrank",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=_SETTINGS,
)
# `--help` lists commands in this order. A new command needs a function in one of the modules and a line here.
_COMMANDS: tuple[Callable[..., None], ...] = (
    evaluation.submit,
    evaluation.diagnose,
    check.check,
    training.train,
    training.experiment,
    training.mine,
    training.average,
    training.center,
    runs.evaluate,
    runs.fuse,
    runs.rerank,
    evaluation.adapters,
    evaluation.cache,
    approximation.approximate,
    reports.leaderboard,
    reports.remove,
    reports.rename,
    reports.site,
    reports.publish,
    analysis.plot,
    analysis.compare,
    analysis.recommend,
    analysis.export,
    analysis.schema,
)
for command in _COMMANDS:
    app.command()(ends_in_a_sentence(command))

data_app = typer.Typer(help="List, download and check collections.", no_args_is_help=True)
data_app.command("list")(ends_in_a_sentence(collections.list_collections))
data_app.command("init")(ends_in_a_sentence(collections.init_collection))
data_app.command("check")(ends_in_a_sentence(collections.check_collection))
data_app.command("fetch")(ends_in_a_sentence(collections.fetch_collections))
data_app.command("export")(ends_in_a_sentence(collections.export_collection))
data_app.command("verify")(ends_in_a_sentence(collections.verify_collections))
app.add_typer(data_app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"babelrank {babelrank.__version__}")
        raise typer.Exit


@app.callback(
    help="Measure how well a text encoder retrieves within and across languages, and whether it favours some of them."
)
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(DEBUG_OPTION, help=f"Show tracebacks [{DEBUG_VARIABLE}]."),
    ] = False,
    quiet: Annotated[bool, typer.Option(*_QUIET, help="Print only results and errors, no progress.")] = False,
    verbose: Annotated[
        bool, typer.Option(*_VERBOSE, help="Also print messages of the libraries that run models.")
    ] = False,
) -> None:
    """Declare the options of every command. They may stand anywhere; `main` reads them."""


def main() -> None:
    """Run the command line, and exit with its status.

    Characters that the terminal cannot show are replaced. `failures` says which status an error has.
    """
    gc.set_threshold(*_COLLECTED_EVERY)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    given = sys.argv[1:]
    level = logging.INFO if {*_VERBOSE} & {*given} else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", handlers=[Warnings()])
    logging.getLogger("babelrank").setLevel(logging.ERROR if {*_QUIET} & {*given} else logging.NOTSET)
    with lossy_errors():
        try:
            app([argument for argument in given if argument not in {DEBUG_OPTION, *_QUIET, *_VERBOSE}])
        except SystemExit as stop:
            status = int(stop.code or 0)
        except (Exception, KeyboardInterrupt) as error:
            status = report(error)
        status = finish_output(status)
    sys.exit(status)
