"""Summarise the schedule of a run before it starts, and time its steps on this machine."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from babelrank.training.assembly import Models, make_trainer
from babelrank.training.config import TrainingConfig
from babelrank.training.plan import TrainingPlan
from babelrank.training.schedule import BatchKind, Schedule

_COUNTED = 10_000  # batches with counted triplets; counting takes seconds
_TIMED = 4  # steps; the first is slower and does not count


@dataclass(frozen=True)
class ScheduleSummary:
    """The contents of a schedule.

    Attributes
    ----------
    batches
        Number by kind, source and language; the language is empty except for X-X.
    pairs
        Triplets by language of the query (row) and the passage (column) in the first `counted` batches; int64.
    counted
        Number of batches in `pairs`.
    """

    batches: Mapping[tuple[BatchKind, str, str], int]
    pairs: np.ndarray
    counted: int


def summarise(schedule: Schedule) -> ScheduleSummary:
    """Count a schedule's batches, and the language pairs of its first ones."""
    size = len(schedule.languages)
    counted = min(len(schedule), _COUNTED)
    pairs = np.zeros((size, size), dtype=np.int64)
    for step in range(counted):
        batch = schedule[step]
        np.add.at(pairs, (batch.query_languages, batch.passage_languages), 1)
    return ScheduleSummary(schedule.count_batches(), pairs, counted)


def time_steps(config: TrainingConfig, models: Models, plan: TrainingPlan) -> float:
    """Return the median seconds of an optimiser step: forward, backward and update.

    The timed steps train the student: load it again for the run.
    """
    moments: list[float] = []
    short = config.model_copy(
        update={
            "schedule": config.schedule.model_copy(update={"steps": _TIMED}),
            "engine": config.engine.model_copy(update={"save_every": 10 * _TIMED, "report_to": ()}),
            "validation": None,
            "curves": None,
        }
    )
    with TemporaryDirectory() as folder:
        trainer = make_trainer(
            short, models, plan, Path(folder), lambda *_: moments.append(time.perf_counter()), resuming=False
        )
        trainer.args.save_strategy = "no"
        trainer.train()
    return median(np.diff(moments[:_TIMED]).tolist())
