"""`check`: a quick test of a model."""

from typing import Annotated, Any

import typer

import babelrank
from babelrank.cli.common import show
from babelrank.cli.option_groups import encoder_options, takes


@takes(encoder=encoder_options)
def check(model: Annotated[str, typer.Argument(help="A model, as for `submit`.")], encoder: dict[str, Any]) -> None:
    """Load a model, encode a few texts, and show the settings. Exits with 1 if something looks wrong."""
    found = babelrank.check_model(model, **encoder)
    show(*found.lines())
    if found.problems:
        raise typer.Exit(1)
