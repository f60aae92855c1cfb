"""Train checkpoints, preview training runs, mine hard negatives, and average or center checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babelrank.api.inputs import encoder_options, watched_by
from babelrank.files import as_path, optional_path
from babelrank.observer import Observer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from babelrank.training.dry_run import ScheduleSummary
    from babelrank.training.mining import MiningSummary
    from babelrank.training.schedule import Schedule

_BATCHES_SHOWN = 5  # of a preview


def train(
    config: str | Path,
    *,
    data: str | Path | None = None,
    trust_remote_code: bool = False,
    observer: Observer | None = None,
) -> Path:
    """Train a checkpoint, or continue an interrupted run; return its folder.

    Parameters
    ----------
    config
        Configuration of the run in TOML; see experiments/README.md.
    data
        Folder of the test collections. Training texts that occur in them are left out.
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
    """The plan of a training run.

    Attributes
    ----------
    output
        Folder of the checkpoint.
    done
        Whether the checkpoint exists already, trained with this configuration.
    schedule
        Schedule of the batches.
    summary
        Numbers of batches, and of pairs of languages in them.
    steps
        Number of optimiser steps.
    seconds_per_step
        Time of a step, measured here, without validation.
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
        there = [f"{self.output}: exists already, trained with this configuration."] if self.done else []
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
    """Read all inputs of a training run, plan its batches, and time a few steps. Nothing is written.

    Parameters
    ----------
    config, data, trust_remote_code, observer
        As for `train`.

    Raises
    ------
    TrainingError
        The configuration, a model or the data is not valid.
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
    """Average the weights of checkpoints, or of a checkpoint and its base model; return the new checkpoint.

    All checkpoints have the same weight (model soups, arXiv 2203.05482).

    Parameters
    ----------
    checkpoints
        Checkpoints of `train` that share one base model.
    out
        Folder for the new checkpoint.
    base_share
        Weight of the base model, from 0 to below 1; above 0 for a single checkpoint.
    trust_remote_code
        Whether code that comes with the models may run.

    Raises
    ------
    TrainingError
        A folder is not a checkpoint of `train`, the base models differ, a model cannot be loaded, or `out` exists or
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
    """Write a checkpoint that subtracts the model's mean embedding by a linear module; return its folder.

    Nothing is trained.

    Parameters
    ----------
    model
        A sentence-transformers model that ends with Normalize: its folder, or its name on the Hub.
    examples
        Files of parallel examples (JSONL) from which the mean is estimated.
    out
        Folder for the new checkpoint.
    share
        Share of the mean to subtract, above 0 and at most 1.
    query_prompt, document_prompt
        Prompts to put before each text; by default the model's.
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


def mine_negatives(
    examples: str | Path,
    model: object,
    out: str | Path,
    *,
    count: int = 4,
    margin: float = 0.95,
    depth: int = 64,
    across: bool = True,
    adapter: str | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> "MiningSummary":
    """Find hard negatives for parallel examples, by language and across languages, and write them with the examples.

    A passage is left out if its cosine with the question is at least `margin` times that of the true passage, since it
    may also answer the question (NV-Retriever, arXiv 2407.15831). Set `[objectives.info_nce] hard_negatives` to train
    with the mined passages.

    Parameters
    ----------
    examples
        File of parallel examples (JSONL).
    model
        As `evaluate` takes it; it must return dense vectors.
    out
        File for the examples with their negatives.
    count
        Negatives per example and language: this many for the question in that language, and this many for the
        question in other languages.
    margin
        Share of the true passage's cosine, above 0 and at most 1.
    depth
        Number of nearest passages per language to choose from.
    across
        Whether to also mine with questions in other languages than the passages.
    adapter
        Adapter that loads a name or folder; found automatically by default.
    observer
        Receives the progress; None shows it on standard error.
    options
        Fields of `EncoderOptions`, as `evaluate` takes them.

    Returns
    -------
    MiningSummary

    Raises
    ------
    BabelrankError
        The model, an example or a number is not valid, or `out` exists or cannot be written.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import babelrank
    >>> import numpy as np
    >>> def letters(texts):
    ...     return np.array([[text.count(letter) + 0.1 for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])
    >>> words = ["moon", "sun", "noon"]
    >>> lines = [{"id": word, "query": {"en": f"{word}?"}, "passage": {"en": f"{word}!"}} for word in words]
    >>> with TemporaryDirectory() as folder:
    ...     with Path(folder, "examples.jsonl").open("w") as file:
    ...         for line in lines:
    ...             print(json.dumps(line), file=file)
    ...     summary = babelrank.mine_negatives(file.name, letters, f"{folder}/mined.jsonl", margin=0.99)
    >>> summary.negatives["en"], summary.without
    (4, 0)
    """
    from babelrank.encoding.objects import wrap_encoder
    from babelrank.training.indexing import read_examples
    from babelrank.training.mining import MiningSettings
    from babelrank.training.mining import mine_negatives as mine

    settings = MiningSettings(count, margin, depth, across)
    read = read_examples(as_path(examples))
    encoder = wrap_encoder(model, encoder_options(options), adapter=adapter)
    with watched_by(observer) as watching:
        return mine(read, encoder, as_path(out), settings, watching)
