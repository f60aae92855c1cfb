"""The figures at the top of a report that follow from its own files; `report_ranks` adds the rank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babelrank.analysis.settings import Cell
from babelrank.reporting.estimates import CollectionEstimates
from babelrank.reporting.formatting import show_bias, show_score, show_share
from babelrank.reporting.languages import short_name
from babelrank.reporting.measures import measures_of
from babelrank.reporting.results import CollectionResults
from babelrank.reporting.summary import MEANINGS, TASK_LABELS, with_interval
from babelrank.reporting.tables import Column, Entry, Show, Table, number_in, show_cell

ENDS, OWN, RATIO = "best and worst language", "own language first", "rank ratio"


@dataclass(frozen=True)
class KeyFigure:
    """A figure at the top of a report.

    Attributes
    ----------
    label, note
        What it is called, and what it is.
    values
        One or two values, each with its 95 % interval if that is known.
    show
        Formats a value.
    names
        What each value is of, such as a language.
    chance
        Value without bias, if known.
    """

    label: str
    note: str
    values: Sequence[Entry]
    show: Show = show_score
    names: Sequence[str] = ("",)
    chance: Cell = None

    @property
    def text(self) -> str:
        """The values with intervals and with the value without bias, on one line."""
        found = ", ".join(
            f"{name} {show_cell(value, self.show)}".strip() for name, value in zip(self.names, self.values, strict=True)
        )
        return found if self.chance is None else f"{found}, {self.show(self.chance)} without bias"


def key_figures(name: str, collection: CollectionResults, estimates: CollectionEstimates) -> list[KeyFigure]:
    """Return the figures at the top of a report, except for the rank, as far as the collection has them.

    Without language bias, the main averages take the free places.
    """
    shown, bias = measures_of(name, collection), estimates.bias
    found = [_ends(collection, estimates, shown.headline[0])] if shown.has_pool else []
    if bias and (own := bias.measures.get("own_first")):
        found.append(KeyFigure(OWN, "of queries", [own.value], show_share, chance=own.shuffled))
    if bias and (ratio := bias.measures.get("rank_ratio")):
        note = "times higher rank answers in the most than in the least favoured language, mean over query languages"
        found.append(KeyFigure(RATIO, note, [ratio.value], show_bias, chance=ratio.shuffled))
    if bias:
        return found
    averages = [
        KeyFigure(
            f"{TASK_LABELS[task]} {measure}",
            MEANINGS[task],
            [with_interval(collection.macro[task][measure], None if i else estimates.intervals.get(task))],
        )
        for task in shown.tasks
        for i, measure in enumerate(shown.headline)
    ]
    return [*found, *averages[: 3 - len(found)]]


def key_table(collections: Mapping[str, CollectionResults], estimates: Mapping[str, CollectionEstimates]) -> Table:
    """Return the key figures of the collections with language bias, as a table."""
    rows: list[list[Entry]] = []
    for name, collection in collections.items():
        known = {each.label: each.text for each in key_figures(name, collection, estimates[name])}
        if OWN in known or RATIO in known:
            rows.append([name, *(known.get(label) for label in (ENDS, OWN, RATIO))])
    return Table("", [Column("collection"), *map(Column, (ENDS, OWN, RATIO))], rows)


def _ends(collection: CollectionResults, estimates: CollectionEstimates, measure: str) -> KeyFigure:
    """Return the scores of the best and of the worst query language in the pool."""
    intervals = estimates.by_language.get("multilingual") or [None] * len(collection.languages)
    scores = {
        lang: with_interval(score, interval)
        for lang, score, interval in zip(collection.languages, collection.pool.scores[measure], intervals, strict=True)
        if score is not None
    }
    order = sorted(scores, key=lambda lang: -(number_in(scores[lang]) or 0.0))
    ends = [order[0], order[-1]] if len(order) > 1 else order
    names = [short_name(lang) for lang in ends]
    return KeyFigure(
        ENDS, f"{measure} of queries in this language, in the pool", [scores[lang] for lang in ends], names=names
    )
