"""`train`, `average` and `center`: from a configuration, checkpoints or a model to a checkpoint."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babelrank.cli.common import INTERRUPTED, DataOption, DocumentPromptOption, QueryPromptOption, console, errors, tell

if TYPE_CHECKING:
    from babelrank.training.config import TrainingConfig

_BATCHES_SHOWN = 5  # in a dry run

TrustOption = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that comes with the models, if you trust it.")
]


def train(
    config: Annotated[Path, typer.Argument(help="Configuration of the run, see experiments/.", metavar="CONFIG.toml")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read all that the run reads; show the batches and the expected time.")
    ] = False,
    data: DataOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Train a checkpoint on hybrid batches, or go on with the run that was begun."""
    from babelrank.reporting.terminal import ProgressBars
    from babelrank.training.config_file import load_config
    from babelrank.training.run import train as run_training

    settings = load_config(config)
    if dry_run:
        _show_plan(settings, data, trust_remote_code=trust_remote_code)
        return
    try:
        with ProgressBars(errors) as bars:
            folder = run_training(settings, bars, data, trust_remote_code=trust_remote_code)
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on from the last checkpoint.")
        raise typer.Exit(INTERRUPTED) from None
    tell(f"checkpoint: {folder}")


def _show_plan(settings: "TrainingConfig", data: Path | None, *, trust_remote_code: bool) -> None:
    """Print what a run would train on, and how long it would take here."""
    from babelrank.reporting.terminal import ProgressBars, schedule_tables
    from babelrank.training.assembly import load_models
    from babelrank.training.dry_run import summarise, time_steps
    from babelrank.training.plan import make_plan
    from babelrank.training.run import is_done

    if is_done(settings):
        tell(f"{settings.output}: is there already, trained as this configuration says.")
    with ProgressBars(errors) as bars:
        models = load_models(settings, trust_remote_code=trust_remote_code)
        plan = make_plan(settings, bars, data)
        bars.log("timing a few steps")
        seconds = time_steps(settings, models, plan)
    for table in schedule_tables(plan.schedule, summarise(plan.schedule)):
        console.print(table)
    for batch in islice(plan.schedule, _BATCHES_SHOWN):
        tell(plan.schedule.describe(batch))
    minutes = seconds * settings.schedule.steps / 60
    console.print(f"{settings.schedule.steps:,} steps of {seconds:.2f} s: {minutes:,.1f} minutes, without validation.")


def average(
    checkpoints: Annotated[list[Path], typer.Argument(help="Folders that `babelrank train` wrote, of one base model.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The new checkpoint.")],
    share: Annotated[
        float,
        typer.Option("--base-model", "--start", metavar="SHARE", help="Weight of the base model, from 0 to below 1."),
    ] = 0.0,
    trust_remote_code: TrustOption = False,
) -> None:
    """Average checkpoints with one another, or with their base model: most of the gain, less loss."""
    from babelrank.training.averaging import average_checkpoints

    folder = average_checkpoints(checkpoints, out, base_share=share, trust_remote_code=trust_remote_code)
    tell(f"checkpoint: {folder}")


def center(
    model: Annotated[str, typer.Argument(help="A model of sentence-transformers: its folder, or its name.")],
    examples: Annotated[
        list[Path], typer.Argument(help="Parallel examples, as JSONL, from which the means are estimated.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The new checkpoint.")],
    share: Annotated[float, typer.Option(help="Share of the mean that is subtracted, above 0 and at most 1.")] = 0.5,
    query_prompt: QueryPromptOption = None,
    document_prompt: DocumentPromptOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Subtract a model's mean embedding, by a linear module in the checkpoint: nothing is trained."""
    from babelrank.reporting.terminal import ProgressBars
    from babelrank.training.centering import center_model
    from babelrank.training.config import ModelConfig
    from babelrank.training.indexing import read_examples

    config = ModelConfig(base_model=model, query_prompt=query_prompt, document_prompt=document_prompt)
    with ProgressBars(errors) as bars:
        folder = center_model(
            config,
            [read_examples(path) for path in examples],
            out,
            share=share,
            trust_remote_code=trust_remote_code,
            on_progress=bars.counting("texts read", unit="texts"),
        )
    tell(f"checkpoint: {folder}")
