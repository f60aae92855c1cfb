"""Train a checkpoint, see what a run would do, and make checkpoints of others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from babelrank.api.inputs import optional_path, watched_by
from babelrank.files import as_path
from babelrank.observer import Observer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from babelrank.training.dry_run import ScheduleSummary
    from babelrank.training.schedule import Schedule

_BATCHES_SHOWN = 5  # of a preview


def train(
    config: str | Path,
    *,
    data: str | Path | None = None,
    trust_remote_code: bool = False,
    observer: Observer | None = None,
) -> Path:
    """Train a checkpoint on hybrid batches, or continue the run that was begun; return its folder.

    Parameters
    ----------
    config
        Configuration of the run in TOML; see experiments/.
    data
        Folder of the test collections, with which training texts are compared.
    trust_remote_code
        Whether code that comes with the models may run.
    observer
        Receives the progress; None shows it on standard error.

    Raises
    ------
    TrainingError
        The configuration or the data is not valid, or training diverged.
    """
    from babelrank.training.config_file import load_config
    from babelrank.training.run import train as run_training

    settings = load_config(as_path(config))
    with watched_by(observer) as watching:
        return run_training(settings, watching, optional_path(data), trust_remote_code=trust_remote_code)


@dataclass(frozen=True)
class TrainingPreview:
    """What a training run would do.

    Attributes
    ----------
    output
        Folder of the checkpoint.
    done
        Whether the checkpoint is there already, trained as the configuration says.
    schedule
        The batches.
    summary
        Counts of the batches, and of pairs of languages in them.
    steps
        Number of optimiser steps.
    seconds_per_step
        Measured here, without validation.
    """

    output: Path
    done: bool
    schedule: "Schedule"
    summary: "ScheduleSummary"
    steps: int
    seconds_per_step: float

    @property
    def minutes(self) -> float:
        """Expected duration, without validation."""
        return self.seconds_per_step * self.steps / 60

    def __rich__(self) -> "RenderableType":
        from rich.console import Group

        from babelrank.reporting.terminal import schedule_tables, text_lines

        time = (
            f"{self.steps:,} steps of {self.seconds_per_step:.2f} s: {self.minutes:,.1f} minutes, without validation."
        )
        there = [f"{self.output}: is there already, trained as this configuration says."] if self.done else []
        batches = map(self.schedule.describe, islice(self.schedule, _BATCHES_SHOWN))
        tables = schedule_tables(self.schedule, self.summary)
        return Group(*text_lines(there), *tables, *text_lines([*batches, time]))


def preview_training(
    config: str | Path,
    *,
    data: str | Path | None = None,
    trust_remote_code: bool = False,
    observer: Observer | None = None,
) -> TrainingPreview:
    """Read all that a training run would read, plan its batches and time a few steps; write nothing.

    Parameters
    ----------
    config, data, trust_remote_code, observer
        As for `train`.

    Raises
    ------
    TrainingError
        What would stop the run: the configuration, a model or the data is not valid.
    """
    from babelrank.training.assembly import load_models
    from babelrank.training.config_file import load_config
    from babelrank.training.dry_run import summarise, time_steps
    from babelrank.training.plan import make_plan
    from babelrank.training.run import is_done

    settings = load_config(as_path(config))
    done = is_done(settings)
    with watched_by(observer) as watching:
        models = load_models(settings, trust_remote_code=trust_remote_code)
        plan = make_plan(settings, watching, optional_path(data))
        watching.log("timing a few steps")
        seconds = time_steps(settings, models, plan)
    schedule, steps = plan.schedule, settings.schedule.steps
    return TrainingPreview(Path(settings.output), done, schedule, summarise(schedule), steps, seconds)


def average_checkpoints(
    checkpoints: Sequence[str | Path], out: str | Path, *, base_share: float = 0.0, trust_remote_code: bool = False
) -> Path:
    """Average the weights of checkpoints with one another, or with their base model; return the new checkpoint.

    Several checkpoints weigh the same (model soups, arXiv 2203.05482).

    Parameters
    ----------
    checkpoints
        Folders that `train` wrote, all of one base model.
    out
        Folder to make.
    base_share
        Weight of the base model, from 0 to below 1; above 0 for a single checkpoint.
    trust_remote_code
        Whether code that comes with the models may run.

    Raises
    ------
    TrainingError
        A folder is no such checkpoint, they have different base models, a model cannot be loaded, or `out` exists or
        cannot be written.
    """
    from babelrank.training.averaging import average_checkpoints as average

    folders = [as_path(checkpoint) for checkpoint in checkpoints]
    return average(folders, as_path(out), base_share=base_share, trust_remote_code=trust_remote_code)


def center_model(
    model: str | Path,
    examples: Sequence[str | Path],
    out: str | Path,
    *,
    share: float = 0.5,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    trust_remote_code: bool = False,
    observer: Observer | None = None,
) -> Path:
    """Subtract a model's mean embedding by a linear module in a new checkpoint; return its folder. Nothing is trained.

    Parameters
    ----------
    model
        A sentence-transformers model that ends with Normalize: its folder, or its name on the Hub.
    examples
        Files of parallel examples (JSONL) from which the means are estimated.
    out
        Folder to make.
    share
        Share of the mean that is subtracted, above 0 and at most 1.
    query_prompt, document_prompt
        Put before each text; by default the model's own.
    trust_remote_code
        Whether code that comes with the model may run.
    observer
        Receives the progress; None shows it on standard error.

    Raises
    ------
    TrainingError
        The share, the model or an example is not valid, or `out` exists or cannot be written.
    """
    from babelrank.training.centering import center_model as center
    from babelrank.training.config import ModelConfig
    from babelrank.training.indexing import read_examples

    config = ModelConfig(base_model=str(model), query_prompt=query_prompt, document_prompt=document_prompt)
    with watched_by(observer) as watching:
        return center(
            config,
            [read_examples(as_path(path)) for path in examples],
            as_path(out),
            share=share,
            trust_remote_code=trust_remote_code,
            on_progress=watching.counting("texts read", "texts"),
        )
