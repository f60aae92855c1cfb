"""Results and the tables beside them -> what a report shows: pages and heatmaps, the same wherever they are drawn."""

from dataclasses import dataclass, field
from pathlib import Path

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.detail import analyse_in_detail
from babelrank.analysis.errors import Texts, attach_texts, find_errors, select_worst
from babelrank.data.catalog import source_of
from babelrank.reporting.error_section import error_section
from babelrank.reporting.figures import figures_of
from babelrank.reporting.heatmaps import heatmaps_of
from babelrank.reporting.html_report import REPORT_PAGE, render_report_html
from babelrank.reporting.markdown import render_markdown
from babelrank.reporting.parts import Section
from babelrank.reporting.results import CollectionResults, ModelResults, Results
from babelrank.reporting.sections import detail_sections
from babelrank.reporting.space_section import space_section
from babelrank.reporting.stored_tables import read_stored_ranks, read_stored_top

REPORT_NAME = "report.md"
LEADERBOARD = "leaderboard.md"  # beside the folder of all reports
LEADERBOARD_PAGE = "leaderboard.html"
_AGAIN = "To have it, submit the model again (babelrank submit MODEL) without streaming; nothing is encoded again."


@dataclass(frozen=True)
class _Content:
    """What is shown of a collection beyond its results."""

    intervals: dict[str, Interval] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)


def render_report(results: Results, folder: Path, *, with_leaderboard: bool = False) -> dict[str, str | bytes]:
    """Return what a report shows, by file name: its pages and the heatmaps.

    All follow from `results` and the tables in `folder`; the heatmaps' bytes depend on the version of matplotlib, too.
    `with_leaderboard` is as in `render_pages`.

    Raises
    ------
    ReportError
        A table cannot be read.
    """
    from babelrank.reporting.plots import render_heatmap, shared_scale

    files: dict[str, str | bytes] = {**render_pages(results, folder, with_leaderboard=with_leaderboard)}
    for name, collection in results.collections.items():
        for heatmap in heatmaps_of(name, collection):
            scale = shared_scale(heatmap, [collection])
            files[heatmap.file_name(name)] = render_heatmap(results, name, heatmap, scale, "svg")
    return files


def render_pages(results: Results, folder: Path, *, with_leaderboard: bool = False) -> dict[str, str]:
    """Return the pages of a report by file name, from its results and the tables in its folder.

    A collection without a table of top passages has no section of errors, and one whose space was not measured none of
    that; the page says so. Pages link to the leaderboard if it is there, or about to be written (`with_leaderboard`).

    Raises
    ------
    ReportError
        A table cannot be read, or the rank table is missing.
    """
    contents = {
        name: _content(results.model, name, collection, folder) for name, collection in results.collections.items()
    }
    intervals = {name: content.intervals for name, content in contents.items() if content.intervals}
    sections = {name: content.sections for name, content in contents.items()}
    linked = with_leaderboard or (folder.absolute().parent.parent / LEADERBOARD).is_file()
    return {
        REPORT_NAME: render_markdown(results, intervals, sections, f"../../{LEADERBOARD}" if linked else None),
        REPORT_PAGE: render_report_html(results, intervals, sections, f"../../{LEADERBOARD_PAGE}" if linked else None),
    }


def _content(model: ModelResults, name: str, collection: CollectionResults, folder: Path) -> _Content:
    figures = figures_of(name, collection)
    intervals: dict[str, Interval] = {}
    sections: list[Section] = []
    left_out: list[str] = []
    if collection.ranks is not None and not figures.has_pool:
        ranks = read_stored_ranks(folder, collection.ranks)
        return _Content(analyse_in_detail(ranks, figures.headline[0]).intervals, [])
    if collection.space is None:
        left_out.append(f"Embedding space: it was not measured. {_AGAIN}")
    elif collection.space.undefined:
        left_out.append(f"Embedding space: {collection.space.undefined}")
    else:
        sections.append(space_section(collection.space))
    if collection.ranks is not None:
        ranks = read_stored_ranks(folder, collection.ranks)
        detail = analyse_in_detail(ranks, figures.headline[0], seen=model.seen)
        intervals = detail.intervals
        sections = [*(detail_sections(detail) if figures.has_bias else []), *sections]
        if collection.top is None or not (folder / collection.top.file).exists():
            left_out.append(f"Errors: there is no table of top passages. {_AGAIN}")
        else:
            errors = find_errors(ranks, read_stored_top(folder, collection.top))
            worst = attach_texts(select_worst(errors), collection.texts or Texts({}, {}))
            source = source_of(name) if collection.texts else None
            sections.append(error_section(errors, worst, source))
    if left_out:
        sections.append(Section("Not in this report", " ".join(left_out)))
    return _Content(intervals, sections)
