"""Collections of one family side by side, as MIRACL's languages and BEIR's sets are: one column each, and the average.

In: sections of the leaderboard. Out: a table for each headline measure, as Tables 12 and 13 of arXiv 2408.10536.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from babelrank.analysis.settings import Cell
from babelrank.reporting.figures import FAMILY_TITLES
from babelrank.reporting.results import ModelResults

if TYPE_CHECKING:
    from babelrank.reporting.leaderboard import Section

SIDE_BY_SIDE = ("miracl", "beir")
AVERAGE = "average"
_MEANINGS = {
    "miracl": "Monolingual retrieval of Wikipedia's passages, MIRACL's dev queries of each language (Zhang et al. "
    "2023, arXiv 2210.09984).",
    "beir": "Collections in BEIR's layout (Thakur et al. 2021, arXiv 2104.08663), each in one language.",
}


@dataclass(frozen=True)
class FamilyRow:
    """A model's scores.

    Attributes
    ----------
    model, link
        The model, and where its report is.
    scores
        By measure: one per column, then the average, which only a model has that was evaluated on all; None where
        there is nothing.
    """

    model: ModelResults
    link: str
    scores: dict[str, list[Cell]]


@dataclass(frozen=True)
class FamilyTable:
    """The models on a family's collections; best average first.

    Attributes
    ----------
    title, meaning
        What the family is called, and what it is.
    measures
        The family's headline measures.
    columns
        What each collection is called within the family, then `AVERAGE`.
    rows
        Those that have no average come last.
    """

    title: str
    meaning: str
    measures: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[FamilyRow]


def tabulate(family: str, sections: "Sequence[Section]") -> FamilyTable:
    """Put a family's collections side by side; `sections` holds one at least."""
    measures = sections[0].figures.headline
    models = {entry.model.name: (entry.model, entry.link) for section in sections for entry in section.entries}
    rows = []
    for name, (model, link) in models.items():
        scores = {measure: [_score(section, name, measure) for section in sections] for measure in measures}
        rows.append(FamilyRow(model, link, {measure: [*each, _average(each)] for measure, each in scores.items()}))

    def place(row: FamilyRow) -> tuple[bool, float, str]:
        average = row.scores[measures[0]][-1]
        return average is None, -(average or 0.0), row.model.name

    columns = (*(section.title.removeprefix(f"{family}:") for section in sections), AVERAGE)
    return FamilyTable(FAMILY_TITLES[family], _MEANINGS[family], measures, columns, sorted(rows, key=place))


def _score(section: "Section", model: str, measure: str) -> Cell:
    return next(
        (entry.result.macro["monolingual"][measure] for entry in section.entries if entry.model.name == model), None
    )


def _average(scores: Sequence[Cell]) -> Cell:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(scores) else None
