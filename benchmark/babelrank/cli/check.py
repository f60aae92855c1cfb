"""The command that looks at a model."""

from typing import Annotated, Any

import typer

import babelrank
from babelrank.cli.common import show
from babelrank.cli.encoder_options import takes_encoder_options


@takes_encoder_options
def check(
    model: Annotated[str, typer.Argument(help="As `babelrank submit` takes it.")], encoder: dict[str, Any]
) -> None:
    """Load a model, encode a few texts, and say what is used; the exit status is 1 if anything looks wrong."""
    found = babelrank.check_model(model, **encoder)
    show(*found.lines())
    if found.problems:
        raise typer.Exit(1)
