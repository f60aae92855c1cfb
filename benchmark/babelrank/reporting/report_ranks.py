"""Fill the rank of each model into the pages of reports.

A report's other figures follow from its own files. Its rank follows from all reports on the same files. So only the
pages in HTML, which are not committed, show it, and a new report changes nothing else in them.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from babelrank.errors import ReportError
from babelrank.files import atomic_write
from babelrank.reporting.formatting import NO_VALUE
from babelrank.reporting.html_page import anchor
from babelrank.reporting.html_report import REPORT_PAGE
from babelrank.reporting.standings import Standing, Standings
from babelrank.reporting.summary import TASK_LABELS

_PLACE = re.compile(r'(<dd id="_rank-([a-z0-9-]+)">).*?(</dd>)', re.DOTALL)  # names and texts are escaped


def without_ranks(page: str) -> str:
    """Return a report's page with its ranks left out, for comparison."""
    return _PLACE.sub(r"\1\3", page)


def write_ranks(standings: Sequence[Standings]) -> list[Path]:
    """Fill the ranks of models into the pages of their reports, where there are pages; return those that changed.

    Raises
    ------
    ReportError
        A page cannot be read or written.
    """
    ranks: dict[Path, dict[str, tuple[str, str]]] = {}
    for each in standings:
        for entry in each.entries:
            ranks.setdefault(entry.folder / REPORT_PAGE, {})[anchor(each.name)] = find_rank(entry, each)
    changed = []
    for path, known in ranks.items():
        try:
            page = path.read_text(encoding="utf-8") if path.is_file() else ""
            if (filled := _PLACE.sub(partial(_fill, known), page)) != page:
                atomic_write(path, filled)
                changed.append(path)
        except OSError as error:
            raise ReportError(f"{path}: cannot be written ({error.strerror or error}).") from error
    return changed


def find_rank(entry: Standing, standings: Standings) -> tuple[str, str]:
    """Return the rank of a model in words, and by what and how sure it is; without other models, a dash and why."""
    task, measure = standings.shown.main
    scores = [each.result.macro[task][measure] or 0.0 for each in standings.entries]
    better = sum(score > (entry.result.macro[task][measure] or 0.0) for score in scores)
    if len(scores) == 1:
        return NO_VALUE, "the only report on this collection in its folder"
    note = f"by {TASK_LABELS[task]} {measure}"
    if letters := _letters(entry, measure):
        same = sum(bool(letters & _letters(each, measure)) for each in standings.entries) - 1
        note += f"; {same} other{'s do' if same > 1 else ' does'} not differ significantly" if same else ""
    return f"{better + 1} of {len(scores)}", note


def _letters(entry: Standing, measure: str) -> set[str]:
    return set(re.findall(r"[a-z]\d*", entry.letters.get(measure, "")))


def _fill(ranks: Mapping[str, tuple[str, str]], match: re.Match[str]) -> str:
    if match[2] not in ranks:
        return match[0]
    value, note = ranks[match[2]]
    return f"{match[1]}<strong>{value}</strong> <small>{note}</small>{match[3]}"
