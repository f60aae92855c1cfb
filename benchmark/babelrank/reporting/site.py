"""Build a static website of reports and experiments: index, leaderboard, reports and experiments.

Links are relative, so the site also works from a sub-path and from the disk.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from babelrank.errors import ReportError
from babelrank.files import atomic_write
from babelrank.reporting.boards import Board, make_boards
from babelrank.reporting.cache import FILE_NAME as CACHE_NAME
from babelrank.reporting.cache import Cache
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.experiment import QUESTIONS, experiment_pages
from babelrank.reporting.experiment_file import complete_experiments, read_experiment
from babelrank.reporting.html_page import render_page
from babelrank.reporting.html_report import REPORT_PAGE
from babelrank.reporting.leaderboard import render_leaderboard, render_leaderboard_html
from babelrank.reporting.names import LEADERBOARD, LEADERBOARD_PAGE
from babelrank.reporting.pages import read_estimates
from babelrank.reporting.refresh import draw_report
from babelrank.reporting.report import read_reports
from babelrank.reporting.report_ranks import find_rank, write_ranks
from babelrank.reporting.results import Results
from babelrank.reporting.standings import Standings, read_standings
from babelrank.reporting.summary import verdict
from babelrank.reporting.tables import Column, Entry, Link, Table

INDEX = "index.html"
_HIDDEN = shutil.ignore_patterns(".*", "*.md", "*.html")


def build_site(reports: Path, experiments: Path, folder: Path) -> Path:
    """Build the site into a folder, and return its index.

    Parameters
    ----------
    reports, experiments
        Folders of the reports and of the experiments; the latter may be missing.
    folder
        Folder for the site; created if needed. Other files in it are kept.

    Raises
    ------
    ReportError
        A report or an experiment cannot be read, the folder is within `reports`, or a file cannot be written.
    """
    target = folder.absolute()
    if target.resolve().is_relative_to(reports.resolve()):
        raise ReportError(f"{folder}: the site cannot be inside the folder of reports. Choose another folder.")
    cache = Cache(reports / CACHE_NAME)
    estimates = Estimates(cache)
    results = read_reports(reports)
    pages = complete_experiments(experiments, reports)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for source in results:
            copied = target / "reports" / source.name
            shutil.copytree(source, copied, ignore=_HIDDEN, dirs_exist_ok=True)
            for name, content in draw_report(source, results[source], cache, with_leaderboard=True).items():
                atomic_write(copied / name, content, flush=False)
        for source in pages:
            for path in source.glob("*.toml"):
                atomic_write(target / "experiments" / source.name / path.name, path.read_bytes(), flush=False)
        for as_html in (False, True):
            for name, content in experiment_pages(experiments, reports, estimates, as_html=as_html).items():
                atomic_write(target / "reports" / name, content, flush=False)
        standings = read_standings(target / "reports", target, estimates) if results else []
        boards = make_boards(standings, estimates)
        write_ranks(standings)
        atomic_write(target / LEADERBOARD, render_leaderboard(boards))
        atomic_write(target / LEADERBOARD_PAGE, render_leaderboard_html(boards, nav=[(INDEX, "Start")]))
        titles = [Link(read_experiment(each).title, f"reports/{each.name}.html") for each in pages]
        if (target / "reports" / f"{QUESTIONS}.html").is_file():
            titles.insert(0, Link("Questions and answers", f"reports/{QUESTIONS}.html"))
        atomic_write(target / INDEX, _render_index(results, standings, boards, titles, estimates))
    except OSError as error:
        raise ReportError(f"{error.filename or folder}: cannot be written ({error.strerror or error}).") from error
    return target / INDEX


def _render_index(
    reports: Mapping[Path, Results],
    standings: Sequence[Standings],
    boards: Sequence[Board],
    experiments: Sequence[Link],
    estimates: Estimates,
) -> str:
    ranks = {(entry.folder.name, each.name): find_rank(entry, each)[0] for each in standings for entry in each.entries}
    rows: list[list[Entry]] = []
    for folder, results in reports.items():
        known = read_estimates(results, folder, estimates)
        for name, collection in list(results.collections.items())[:1]:
            bias = known[name].bias if name in known else None
            link = Link(results.model.name, f"reports/{folder.name}/{REPORT_PAGE}")
            rows.append([link, name, ranks[folder.name, name], verdict(name, collection, bias)])
    return render_page(
        "index.html.j2",
        styles=("base.css", "site.css"),
        scripts=(),
        boards=boards,
        leaderboard=LEADERBOARD_PAGE,
        experiments=experiments,
        reports=Table("", [Column("model"), Column("collection"), Column("rank"), Column("in short")], rows),
    )
