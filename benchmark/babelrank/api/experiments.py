"""Experiments: train and evaluate configurations × seeds, and show the results on a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from babelrank.api.evaluation import evaluate
from babelrank.api.inputs import reports_folder, watched_by
from babelrank.files import as_path, optional_path
from babelrank.observer import Observer
from babelrank.reporting.experiment import write_experiments
from babelrank.reporting.experiment_file import complete_experiments


@dataclass(frozen=True)
class ExperimentPreview:
    """The remaining work of an experiment.

    Attributes
    ----------
    done
        Whether each run is finished, by the name of its report.
    seconds
        Expected time of each remaining run, by the same name; without validation, loading and ranking.
    budget
        Hours that the experiment's file allows; None if it sets no budget.
    """

    done: Mapping[str, bool]
    seconds: Mapping[str, float]
    budget: float | None = None

    def __str__(self) -> str:
        lines = [
            f"{name}: {'done' if done else f'{self.seconds[name] / 60:,.1f} minutes'}"
            for name, done in self.done.items()
        ]
        hours = sum(self.seconds.values()) / 3600
        total = f"total: {60 * hours:,.1f} minutes, without validation, loading and ranking"
        if self.budget is None:
            return "\n".join([*lines, f"{total}."])
        verdict = "within" if hours <= self.budget else "more than"
        return "\n".join([*lines, f"{total}: {verdict} the budget of {self.budget:g} h."])


def run_experiment(
    folder: str | Path,
    *,
    reports: str | Path | None = None,
    data: str | Path | None = None,
    store: str | Path | None = None,
    trust_remote_code: bool = False,
    observer: Observer | None = None,
) -> list[Path]:
    """Train and evaluate all runs of an experiment, and write its page; return the pages that changed.

    Finished runs are skipped, so an interrupted experiment continues where it stopped. Several processes may share an
    experiment: each takes runs that no other has started. The page is complete when the last process ends.

    Parameters
    ----------
    folder
        Folder with an ``experiment.toml``; see experiments/README.md.
    reports, data, store
        As `submit` takes them.
    trust_remote_code
        Whether code that comes with the models may run.
    observer
        Receives the progress; None shows it on standard error.

    Raises
    ------
    BabelrankError
        The experiment, a configuration or its data is not valid, or a run failed.
    """
    from babelrank.training.experiments import check_runs, plan_experiment
    from babelrank.training.experiments import run_experiment as run_all
    from babelrank.training.run import train as run_training

    place, out, collections = as_path(folder), reports_folder(reports), optional_path(data)
    complete_experiments(place.resolve().parent, out)  # their pages are written at the end: refuse a bad file now
    with watched_by(observer) as watching:
        check_runs(plan_experiment(place, out), watching, collections, trust_remote_code=trust_remote_code)
        run_all(
            place,
            out,
            watching,
            train=lambda config: run_training(config, watching, collections, trust_remote_code=trust_remote_code),
            submit=lambda model, collections, name, transforms, options: (
                evaluate(
                    model,
                    collections,
                    name=name,
                    transforms=transforms,
                    data=data,
                    store=store,
                    reports=out,
                    observer=watching,
                    trust_remote_code=trust_remote_code,
                    **options,
                ).results
            ),
        )
    return list(write_experiments(place.resolve().parent, out))


def preview_experiment(
    folder: str | Path,
    *,
    reports: str | Path | None = None,
    data: str | Path | None = None,
    trust_remote_code: bool = False,
    observer: Observer | None = None,
) -> ExperimentPreview:
    """Return the remaining runs of an experiment and their expected time here; see `run_experiment`."""
    from babelrank.training.experiments import estimate_seconds, plan_experiment

    with watched_by(observer) as watching:
        planned = plan_experiment(as_path(folder), reports_folder(reports))
        seconds = estimate_seconds(planned, watching, optional_path(data), trust_remote_code=trust_remote_code)
    done = {step.planned.report: step.done for step in planned.steps}
    return ExperimentPreview(done, seconds, planned.budget)
