"""What an experiment cost: processor time of training and evaluation, as far as the reports have it."""

from collections.abc import Mapping, Sequence

from babelrank.reporting.experiment_file import Experiment
from babelrank.reporting.formatting import show_significant
from babelrank.reporting.provenance import Cost, TrainingCost
from babelrank.reporting.results import Results
from babelrank.reporting.sections import Section
from babelrank.reporting.tables import Column, Entry, Table

_NOTE = (
    "Processor time of all threads and processes, of all seeds together. Interrupted parts of training are included. "
    "Vectors that were already stored cost nothing in an evaluation. Reports that several experiments share are on the "
    "page of each."
)


def cost_section(experiment: Experiment, results: Mapping[str, Results]) -> Section:
    """Return the processor hours of each run and their sum, and which are not recorded.

    Parameters
    ----------
    results
        Results by report.
    """
    rows: list[list[Entry]] = []
    seconds: list[float | None] = []
    for run in experiment.runs:
        found = [results[name] for name in run.reports]
        trained = [each.model.training_cost for each in found if "training" in each.model.notes]
        evaluated = [each.collections[name].cost for each in found for name in experiment.collections]
        hardware = dict.fromkeys(each.hardware for each in (*trained, *evaluated) if each and each.cpu_seconds)
        spent = [list(map(_seconds, costs)) for costs in (trained, evaluated)]
        seconds += [*spent[0], *spent[1]]
        rows.append([run.label, *(_describe(each) if each else "not trained" for each in spent), "; ".join(hardware)])
    known = [each for each in seconds if each is not None]
    caption = f"The sum of what was recorded is {_hours(known)} CPU hours."
    if not known:
        caption = "The versions that made these reports did not record their cost."
    elif len(known) == len(seconds):
        caption = f"All runs together took {_hours(known)} CPU hours."
    columns = [Column("run"), Column("training, CPU hours"), Column("evaluation, CPU hours"), Column("hardware")]
    return Section("Cost", caption, tables=[Table("", columns, rows, note=_NOTE)] if known else [])


def _seconds(cost: Cost | TrainingCost | None) -> float | None:
    return cost.cpu_seconds if cost else None


def _describe(seconds: Sequence[float | None]) -> str:
    """Return the sum, and how many reports it is of unless all have it."""
    known = [each for each in seconds if each is not None]
    if not known:
        return "not recorded"
    return _hours(known) if len(known) == len(seconds) else f"{_hours(known)} ({len(known)} of {len(seconds)} recorded)"


def _hours(seconds: Sequence[float]) -> str:
    hours = sum(seconds) / 3600
    return "< 0.001" if 0 < hours < 0.001 else show_significant(hours)
