"""`train`, `average` and `center`: from a configuration, checkpoints or a model to a checkpoint."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babelrank.cli.common import INTERRUPTED, DataOption, DocumentPromptOption, QueryPromptOption, console, errors, tell

if TYPE_CHECKING:
    from babelrank.training.config import TrainingConfig

_BATCHES_SHOWN = 5  # of a training run that is not run


def train(
    config: Annotated[Path, typer.Argument(help="Configuration of the run, see experiments/.", metavar="CONFIG.toml")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained on, and how long.")] = False,
    data: DataOption = None,
) -> None:
    """Train a checkpoint on hybrid batches, or go on with the run that was begun."""
    from babelrank.reporting.terminal import ProgressBars
    from babelrank.training.config_file import load_config
    from babelrank.training.run import train as run_training

    settings = load_config(config)
    if dry_run:
        _show_plan(settings, data)
        return
    try:
        with ProgressBars(errors) as bars:
            folder = run_training(settings, bars, data)
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on from the last checkpoint.")
        raise typer.Exit(INTERRUPTED) from None
    tell(f"checkpoint: {folder}")


def _show_plan(settings: "TrainingConfig", data: Path | None) -> None:
    """Print what a run would train on, and how long it would take here."""
    from babelrank.reporting.terminal import ProgressBars, schedule_tables
    from babelrank.training.dry_run import summarise, time_steps
    from babelrank.training.run import prepare

    with ProgressBars(errors) as bars:
        prepared = prepare(settings, bars, data)
        bars.announce("timing a few steps")
        seconds = time_steps(settings, prepared, data)
    for table in schedule_tables(prepared.schedule, summarise(prepared.schedule)):
        console.print(table)
    for batch in islice(prepared.schedule, _BATCHES_SHOWN):
        tell(prepared.schedule.describe(batch))
    minutes = seconds * settings.schedule.steps / 60
    console.print(f"{settings.schedule.steps:,} steps of {seconds:.2f} s: {minutes:,.1f} minutes, validation aside.")


def average(
    checkpoints: Annotated[list[Path], typer.Argument(help="Folders that `babelrank train` wrote, of one start.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The new checkpoint.")],
    share: Annotated[
        float, typer.Option("--start", metavar="SHARE", help="Weight of the start, from 0 to below 1.")
    ] = 0.0,
) -> None:
    """Average checkpoints with one another, or with the start they were trained from: most of the gain, less loss."""
    from babelrank.training.averaging import average_checkpoints

    tell(f"checkpoint: {average_checkpoints(checkpoints, out, start_share=share)}")


def center(
    model: Annotated[str, typer.Argument(help="A model of sentence-transformers: its folder, or its name.")],
    units: Annotated[list[Path], typer.Argument(help="Parallel units, as JSONL, from which the means are estimated.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The new checkpoint.")],
    share: Annotated[float, typer.Option(help="Of the mean that is taken off, above 0 and at most 1.")] = 0.5,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
) -> None:
    """Take off what all vectors of a model share, by a linear module in the checkpoint: nothing is trained."""
    from babelrank.reporting.terminal import ProgressBars
    from babelrank.training.centering import center_model
    from babelrank.training.config import ModelConfig
    from babelrank.training.units import JsonlUnits

    config = ModelConfig(start=model, query_prompt=query_prompt, document_prompt=document_prompt)
    with ProgressBars(errors) as bars:
        count = bars.counting("texts read", unit="texts")
        folder = center_model(config, [JsonlUnits(path) for path in units], out, share=share, on_progress=count)
    tell(f"checkpoint: {folder}")
