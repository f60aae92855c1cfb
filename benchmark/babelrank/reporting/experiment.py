"""The page of an experiment: it compares reports of several checkpoints and tests the experiment's claims.

Input: ``experiments/<name>/experiment.toml`` and the rank tables of the reports that it names. Output:
``reports/<name>.md``, and the same page in HTML.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from markdown_it import MarkdownIt

from babelrank.analysis.comparison import holm
from babelrank.files import atomic_write
from babelrank.observer import Progress, no_progress
from babelrank.reporting.cache import Cache, open_cache
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.experiment_comparison import CLAIM_COLUMNS, Comparison, Judgement
from babelrank.reporting.experiment_cost import cost_section
from babelrank.reporting.experiment_file import Experiment, complete_experiments, read_experiment
from babelrank.reporting.html_page import render_page
from babelrank.reporting.html_report import REPORT_PAGE
from babelrank.reporting.markdown import Markdown, render_template
from babelrank.reporting.measures import measures_of
from babelrank.reporting.names import LEADERBOARD_PAGE, collection_stem, short_collection
from babelrank.reporting.pages import REPORT_NAME
from babelrank.reporting.report import find_report, find_stored_ranks, lock_reports
from babelrank.reporting.results import ModelResults, find_collections
from babelrank.reporting.scatter import scatter_svg
from babelrank.reporting.sections import Section
from babelrank.reporting.stored_tables import StoredRanks
from babelrank.reporting.tables import Column, Entry, Link, Table

_NOTE = (
    "Values are macro averages of uncut mAP, and the rank distance (spread). In brackets are 95 % bootstrap intervals "
    "over groups of questions that share an article, if the collection says which do, else over questions with their "
    "translations (1,000 resamples). They describe these checkpoints. Differences from the base model are "
    "paired."
)
_CLAIMS = (
    "Intervals of claims account for other questions and other seeds. The variance between seeds is pooled over all "
    "runs with several seeds. p tests whether the difference equals the claimed one, corrected over all claims of this "
    "page (Holm). A claim holds if p is below 0.05 and the difference is larger than claimed, in each comparison. With "
    "only one seed of a run, a claim stays open unless p shows that it does not hold. Gains are above 0 where the run "
    "is better, also in measures of bias, of which lower values are better. A share of another run's value is not "
    "defined if the interval of that value reaches 0 or less."
)

_PLOT = "Accuracy and language bias"
QUESTIONS = "questions"  # the page of all experiments that answer a question, without suffix
_QUESTIONS = (
    "What the experiments say about training and evaluating encoders that retrieve across languages. Each answer is "
    "about one base model and one set of training data. The experiment's own page has all figures."
)


@dataclass(frozen=True)
class Plot:
    """A plot as SVG, with the name of its file."""

    file: str
    svg: str


@dataclass(frozen=True)
class ExperimentPage:
    """A page about experiments.

    Attributes
    ----------
    title, note
        Heading, and an explanation of the values.
    text
        Introduction in Markdown.
    sections
        One section per collection, or per question.
    plots
        Scatter plots by the title of their section.
    answer
        Section of the page of all questions; None if the experiment does not answer one.
    """

    title: str
    text: str
    note: str
    sections: Sequence[Section]
    plots: Mapping[str, Plot] = field(default_factory=dict)
    answer: Section | None = None


def make_page(folder: Path, reports: Path, estimates: Estimates, report_name: str = REPORT_NAME) -> ExperimentPage:
    """Return the page of the experiment in a folder.

    Parameters
    ----------
    report_name
        Name of a report's page, for links.

    Raises
    ------
    ReportError
        The experiment cannot be read, a report or a rank table is missing, or a report has other questions or files
        than that of the run in ``start``.
    """
    experiment = read_experiment(folder)
    results = {name: find_report(name, reports) for run in experiment.runs for name in run.reports}
    comparisons = []
    for name in experiment.collections:
        of_reports = dict(zip(results, find_collections(list(results.values()), name), strict=True))
        shown = measures_of(name, next(iter(of_reports.values())))
        table_of = cache(partial(_find, name, reports))
        comparisons.append(Comparison(experiment, name, folder, of_reports, shown, table_of, estimates, report_name))
    found = [comparison.differences() for comparison in comparisons]
    p_values = iter(holm([each.p for claims in found for claim in claims for each in claim]).tolist())
    judgements = {
        each.collection: each.judge([[(difference, next(p_values)) for difference in claim] for claim in claims])
        for each, claims in zip(comparisons, found, strict=True)
    }
    models = {run.label: results[run.report].model for run in experiment.runs}
    sections = [each.section(judgements[each.collection]) for each in comparisons]
    points = {each.collection: each.points() for each in comparisons}
    return ExperimentPage(
        experiment.title,
        experiment.text.strip(),
        f"{_NOTE} {_CLAIMS}" if experiment.claims else _NOTE,
        [*sections, _training(experiment, folder.name, models), cost_section(experiment, results)],
        {
            name: Plot(f"{folder.name}.{collection_stem(name)}.svg", scatter_svg(f"{_PLOT}: {name}", found))
            for name, found in points.items()
            if found
        },
        _answer(experiment, judgements) if experiment.answer else None,
    )


def make_questions(pages: Mapping[str, ExperimentPage], suffix: str = ".md") -> ExperimentPage:
    """Return the page of all experiments that answer a question, by the name of their folder.

    Parameters
    ----------
    suffix
        Suffix of the experiments' pages.
    """
    answered = {name: page for name, page in pages.items() if page.answer}
    links = "\n".join(f"- [{page.title}]({name}{suffix})" for name, page in answered.items())
    sections = [page.answer for page in answered.values() if page.answer]
    return ExperimentPage("Questions and answers", f"{_QUESTIONS}\n\n{links}", _CLAIMS, sections)


def render_markdown_page(page: ExperimentPage) -> str:
    """Return a page in Markdown, with links to its plots."""
    return render_template("experiment.md.j2", page=page, text=Markdown(page.text))


def render_html_page(page: ExperimentPage) -> str:
    """Return a page in HTML, including its plots."""
    return render_page(
        "experiment.html.j2",
        styles=("base.css", "site.css"),
        scripts=(),
        page=page,
        text=MarkdownIt("js-default").render(page.text),
        leaderboard=f"../{LEADERBOARD_PAGE}",
    )


def experiment_pages(
    experiments: Path,
    reports: Path,
    estimates: Estimates | None = None,
    *,
    as_html: bool = False,
    on_progress: Progress = no_progress,
) -> dict[str, str]:
    """Return the pages of the complete experiments, with their plots, by file name.

    Parameters
    ----------
    on_progress
        Receives the number of experiments whose page is made, and of all.

    Raises
    ------
    ReportError
        See `make_page`.
    """
    estimates = estimates or Estimates()
    report_name, suffix, render = (
        (REPORT_PAGE, ".html", render_html_page) if as_html else (REPORT_NAME, ".md", render_markdown_page)
    )
    pages: dict[str, ExperimentPage] = {}
    complete = complete_experiments(experiments, reports)
    for folder in complete:
        on_progress(len(pages), len(complete))
        pages[folder.name] = make_page(folder, reports, estimates, report_name)
        on_progress(len(pages), len(complete))
    files = {plot.file: plot.svg for page in pages.values() for plot in page.plots.values()}
    files |= {f"{name}{suffix}": render(page) for name, page in pages.items()}
    if any(page.answer for page in pages.values()):
        files[f"{QUESTIONS}{suffix}"] = render(make_questions(pages, suffix))
    return files


def write_experiments(experiments: Path, reports: Path, on_progress: Progress = no_progress) -> list[Path]:
    """Write the page of every experiment; return the files that changed.

    Parameters
    ----------
    on_progress
        See `experiment_pages`.

    Raises
    ------
    ReportError
        An experiment or a report cannot be read, or a page cannot be written.
    """
    changed = []
    with lock_reports(reports), open_cache(reports) as known:
        for path, content in _changed(experiments, reports, known, known.saving(on_progress)):
            atomic_write(path, content)
            changed.append(path)
    return changed


def check_experiments(
    experiments: Path, reports: Path, known: Cache | None = None, on_progress: Progress = no_progress
) -> list[str]:
    """Return the pages that are missing or do not match the reports."""
    return [str(path) for path, _ in _changed(experiments, reports, known, on_progress)]


def _changed(
    experiments: Path, reports: Path, known: Cache | None, on_progress: Progress
) -> Iterator[tuple[Path, str]]:
    for name, content in experiment_pages(experiments, reports, Estimates(known), on_progress=on_progress).items():
        path = reports / name
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            yield path, content


def _find(collection: str, reports: Path, report: str) -> StoredRanks:
    return find_stored_ranks(report, collection, reports)


def _answer(experiment: Experiment, judgements: Mapping[str, Sequence[Judgement]]) -> Section:
    """Return the answer of an experiment, with the results of its claims on all collections."""
    rows: list[list[Entry]] = [
        [short_collection(name), *each.row] for name, judged in judgements.items() for each in judged
    ]
    limits = f"Not shown: {experiment.limits.strip()}" if experiment.limits else ""
    table = Table("", [Column("collection"), *CLAIM_COLUMNS], rows, note=limits)
    return Section(experiment.title, experiment.answer.strip(), tables=[table])


def _training(experiment: Experiment, name: str, models: dict[str, ModelResults]) -> Section:
    return Section(
        "What was trained",
        "",
        tables=[
            Table(
                "",
                [Column("run"), Column("how"), Column("configuration")],
                [
                    [
                        run.label,
                        models[run.label].notes.get("training", "") or "not trained by babelrank",
                        Link(run.config, f"../experiments/{name}/{run.config}") if run.config else None,
                    ]
                    for run in experiment.runs
                ],
            )
        ],
    )
