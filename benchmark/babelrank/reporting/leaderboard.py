"""Write leaderboard.md and leaderboard.html: all submitted models, by collection."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from babelrank.analysis.margins import PRACTICAL_MARGIN
from babelrank.analysis.settings import Cell
from babelrank.environment import one_blas_thread
from babelrank.errors import ReportError
from babelrank.files import atomic_write
from babelrank.observer import Progress, no_progress
from babelrank.reporting.boards import EFFECT, Board, make_boards
from babelrank.reporting.cache import Cache, digest, open_cache
from babelrank.reporting.column_meanings import meanings
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.html_page import render_page
from babelrank.reporting.html_report import REPORT_PAGE
from babelrank.reporting.markdown import render_template
from babelrank.reporting.names import LEADERBOARD, LEADERBOARD_PAGE
from babelrank.reporting.pages import REPORT_NAME
from babelrank.reporting.report import lock_reports
from babelrank.reporting.report_ranks import write_ranks
from babelrank.reporting.results import ModelResults
from babelrank.reporting.standings import read_standings
from babelrank.reporting.tables import Entry, Link, is_bounded, number_in, show_bounds, show_cell


def read_boards(
    reports: Path,
    root: Path | None = None,
    cache: Cache | None = None,
    *,
    margin: float = PRACTICAL_MARGIN,
    on_progress: Progress = no_progress,
) -> list[Board]:
    """Return the boards of a leaderboard.

    Parameters
    ----------
    reports
        Folder of all reports.
    root
        Folder of the leaderboard; links are relative to it. By default the parent of `reports`.
    cache
        Cache of the reports.
    margin
        Largest difference that does not matter in practice. Letters separate models that differ by more.
    on_progress
        See `read_standings`.

    Raises
    ------
    ReportError
        A report or a rank table cannot be read, or is of another schema version.
    """
    estimates = Estimates(cache)
    standings = read_standings(reports, root or reports.parent, estimates, margin=margin, on_progress=on_progress)
    return make_boards(standings, estimates, margin=margin)


def render_leaderboard(boards: Sequence[Board]) -> str:
    """Return the content of leaderboard.md, which depends on the arguments alone."""
    return render_template("leaderboard.md.j2", boards=boards, meanings=meanings(boards))


def render_leaderboard_html(boards: Sequence[Board], *, nav: Sequence[tuple[str, str]] = ()) -> str:
    """Return the content of leaderboard.html, which depends on the arguments alone.

    Parameters
    ----------
    nav
        Addresses and names of other pages to link to.
    """
    measures = dict.fromkeys(measure for board in boards for measure in board.measures)
    return render_page(
        "leaderboard.html.j2",
        styles=("base.css", "leaderboard.css"),
        scripts=("common.js", "scatter.js", "picker.js", "leaderboard.js"),
        nav=[*nav, (LEADERBOARD, LEADERBOARD)],
        boards=boards,
        collections=[(board.id, board.title) for board in boards],
        measure_choices=[(measure, measure) for measure in measures],
        kinds=sorted({model.kind for board in boards for model in board.models}),
        adapters=sorted({model.adapter for board in boards for model in board.models}),
        has_badges=any(isinstance(row[1], Link) and row[1].badge for board in boards for row in board.table.rows),
        meanings=meanings(boards),
        page_of=_to_page,
        data={board.id: _data(board) for board in boards},
    )


@one_blas_thread
def write_leaderboard(
    reports: Path, root: Path, *, margin: float = PRACTICAL_MARGIN, on_progress: Progress = no_progress
) -> list[Path]:
    """Write the leaderboard of `reports` to `root`, and the ranks of models into the pages of their reports.

    Each page is written atomically. The pages that changed are returned.

    Parameters
    ----------
    margin, on_progress
        See `read_standings`.

    Raises
    ------
    ReportError
        A report cannot be read, or a page cannot be written.
    """
    changed = []
    with lock_reports(reports), open_cache(reports) as cache:
        estimates = Estimates(cache)
        standings = read_standings(reports, root, estimates, margin=margin, on_progress=cache.saving(on_progress))
        boards = make_boards(standings, estimates, margin=margin)
        page, drawn = root / LEADERBOARD_PAGE, ["leaderboard", *map(_shown, boards)]
        files = {root / LEADERBOARD: render_leaderboard(boards)}
        if not page.is_file() or cache.once(drawn, str) != digest(page.read_bytes()):
            files[page] = render_leaderboard_html(boards)
            cache.replace(drawn, digest(files[page]))
        for path, content in files.items():
            if path.is_file() and path.read_bytes() == content.encode():
                continue
            try:
                atomic_write(path, content)
            except OSError as error:
                raise ReportError(f"{path}: cannot be written ({error.strerror}).") from error
            changed.append(path)
        changed += write_ranks(standings)
    return changed


@one_blas_thread
def check_leaderboard(
    reports: Path,
    root: Path,
    cache: Cache | None = None,
    *,
    margin: float = PRACTICAL_MARGIN,
    on_progress: Progress = no_progress,
) -> list[str]:
    """Return the path of leaderboard.md in `root` if it is missing or out of date.

    Raises
    ------
    ReportError
        A report cannot be read.
    """
    boards = read_boards(reports, root, cache, margin=margin, on_progress=on_progress)
    path, content = root / LEADERBOARD, render_leaderboard(boards)
    return [] if path.is_file() and path.read_bytes() == content.encode() else [str(path)]


def _shown(board: Board) -> str:
    """Return all that a board shows, for comparison."""
    return repr((board.title, board.note, board.table.rows, board.models, board.scaling and board.scaling.rows))


def _data(board: Board) -> list[dict[str, object]]:
    """Return the data that the page's script sorts, filters and draws, by row."""
    return [_row(board, *each) for each in zip(board.table.rows, board.models, board.heads, strict=True)]


def _row(board: Board, row: Sequence[Entry], model: ModelResults, head: str) -> dict[str, object]:
    cells = {column.key: (cell, column.show) for cell, column in zip(row, board.table.columns, strict=True)}
    link, intervals = row[1], {key: each for key, (each, _) in cells.items() if is_bounded(each)}
    values = {key: _value(cell) for key, (cell, _) in cells.items()}
    return {
        "kind": model.kind,
        "adapter": model.adapter,
        "badge": link.badge if isinstance(link, Link) else "",
        "head": head,
        "link": _to_page(link).href if isinstance(link, Link) else "",
        "values": values | {"name": model.name},
        "intervals": {key: [number_in(each.low), number_in(each.high)] for key, each in intervals.items()},
        "texts": {
            key: show_cell(number_in(cell), show) for key, (cell, show) in cells.items() if "/M" in key or key == EFFECT
        },
        "ranges": {key: show_bounds(each, cells[key][1]) for key, each in intervals.items()},
        "scores": _matrices(board, model),
    }


def _value(cell: Entry) -> str | Cell:
    return cell if isinstance(cell, str) else cell.href if isinstance(cell, Link) else number_in(cell)


def _matrices(board: Board, model: ModelResults) -> dict[str, object]:
    """Return the scores of all pairs, and of the pool by query language, in each measure, for the language picker."""
    result = board.results.get(model.name)
    if result is None:
        return {}
    return {
        measure: {
            "pairs": [[_rounded(score) for score in row] for row in result.pairs.scores[measure]],
            "pool": [_rounded(score) for score in result.pool.scores[measure]],
        }
        for measure in board.measures
    }


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)


def _to_page(link: Link) -> Link:
    """Return a link to a report's page in HTML."""
    return replace(link, href=link.href.removesuffix(REPORT_NAME) + REPORT_PAGE)
