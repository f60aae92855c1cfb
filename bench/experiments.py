"""Measure the overhead of the experiment runner over training and submission."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from babelrank.api.evaluation import evaluate
from babelrank.environment import cpu_seconds
from babelrank.observer import Observer
from babelrank.reporting.experiment import write_experiments
from babelrank.training.experiments import check_runs, plan_experiment, run_experiment
from babelrank.training.run import train
from bench import models
from bench.material import sized
from bench.table import Row

_SEEDS = (0, 1)
_STEPS, _PROJECTED = 4, 110  # steps of the run here, and of a usual run
_TARGET = 0.01
_COLLECTION = sized("sample", "sample:de,en")


def measure() -> Iterator[Row]:
    """Run a small experiment, and project training to a run of the usual length; all in processor time."""
    spent = {"train": 0.0, "submit": 0.0}

    def timed(kind: str, call: Any, /, *arguments: Any, **settings: Any) -> Any:
        began = cpu_seconds()
        result = call(*arguments, **settings)
        spent[kind] += cpu_seconds() - began
        return result

    with TemporaryDirectory(prefix="babelrank-bench-") as scratch:
        folder, reports = Path(scratch, "experiments", "bench"), Path(scratch, "reports")
        _write(folder, str(models.minilm(Path(scratch))))
        observer = Observer()
        began = cpu_seconds()
        check_runs(plan_experiment(folder, reports), observer)
        run_experiment(
            folder,
            reports,
            observer,
            train=lambda config: timed("train", train, config, observer),
            submit=lambda model, names, name, transforms, options: (
                timed(
                    "submit",
                    evaluate,
                    model,
                    names,
                    name=name,
                    reports=reports,
                    store=Path(scratch, "store"),
                    observer=observer,
                    transforms=transforms,
                    **options,
                ).results
            ),
        )
        write_experiments(folder.parent, reports)
        total = cpu_seconds() - began
    overhead = (total - sum(spent.values())) / len(_SEEDS)
    run = (spent["train"] * _PROJECTED / _STEPS + spent["submit"]) / len(_SEEDS)
    yield Row(
        f"run an experiment, besides training ({_PROJECTED} steps, projected) and submission to the sample, by run",
        f"{overhead:.1f} CPU s",
        f"{run:.0f} CPU s",
        f"{overhead / run:.3f}",
        f"≤ {_TARGET}",
        overhead / run <= _TARGET,
    )


def _write(folder: Path, model: str) -> None:
    folder.mkdir(parents=True)
    examples = [
        {"id": str(i), "query": {"en": f"what is {i}?"}, "passage": {"en": f"{i} is a number, after {i - 1}"}}
        for i in range(200)
    ]
    (folder / "examples.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in examples), encoding="utf-8")
    (folder / "run.toml").write_text(
        f'output = "out"\n[model]\nbase_model = "{model}"\n[[examples]]\npath = "examples.jsonl"\n'
        f'[schedule]\nbatches = "X-X"\nbatch_size = 32\nsteps = {_STEPS}\n[contamination]\ncollections = []\n',
        encoding="utf-8",
    )
    (folder / "experiment.toml").write_text(
        'title = "Bench"\ntext = "Made up."\nstart = "X-X"\n'
        f'collections = ["{_COLLECTION}"]\nseeds = {list(_SEEDS)}\n'
        '[[runs]]\nlabel = "X-X"\nreport = "x-x"\nconfig = "run.toml"\n',
        encoding="utf-8",
    )
