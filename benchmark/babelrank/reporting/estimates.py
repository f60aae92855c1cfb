"""Estimates from rank tables beyond results.json: intervals, language bias, groups of models. Each is computed once."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from babelrank.analysis.bootstrap import Interval, QuestionScores, find_interval, find_intervals, mean_scores
from babelrank.analysis.clusters import clusters
from babelrank.analysis.language_bias import LanguageBias, can_measure_bias, measure_language_bias
from babelrank.analysis.pool_recall import PoolRecall, measure_pool_recall
from babelrank.analysis.seeds import RecipeDifference, contrast_recipes, pool_seeds
from babelrank.analysis.settings import Cell
from babelrank.ranking.table import RankTable
from babelrank.reporting.cache import Cache
from babelrank.reporting.formatting import settle
from babelrank.reporting.measures import MeasureSet
from babelrank.reporting.stored_tables import StoredRanks, checked_path, question_values, read_stored_ranks

Estimate = Interval | float  # a value, with its interval if there is one


@dataclass(frozen=True)
class BiasFigure:
    """A macro measure of language bias: its value with an interval, the value without bias, and its range."""

    value: Estimate
    shuffled: Cell
    floor: Cell
    ceiling: Cell


@dataclass(frozen=True)
class BiasSummary:
    """Language bias on one collection.

    Attributes
    ----------
    measures
        Measures by name, as in `LanguageBias.measures`.
    effects
        m_l by passage language: the mean difference in log rank from the query's average answer.
    """

    measures: dict[str, BiasFigure]
    effects: dict[str, Estimate]

    @property
    def effect(self) -> Estimate | None:
        """The language effect η²; None if the answers of each query share one rank."""
        found = self.measures.get("language_effect")
        return found.value if found else None

    @property
    def favoured(self) -> list[tuple[str, float]]:
        """Passage languages with their m_l, most favoured first."""
        return sorted(((lang, number(effect)) for lang, effect in self.effects.items()), key=lambda each: each[1])


@dataclass(frozen=True)
class CollectionEstimates:
    """Estimates from the rank table of one collection.

    Attributes
    ----------
    intervals
        Intervals of the macro averages in one measure; empty if there are too few clusters.
    drawn
        What intervals and tests draw, in words.
    warning
        A sentence if there are too few clusters for intervals, else empty.
    bias
        Language bias, if languages can be compared.
    recall
        Recall and success in the pool of several languages, by depth.
    """

    intervals: dict[str, Interval] = field(default_factory=dict)
    drawn: str = ""
    warning: str | None = None
    bias: BiasSummary | None = None
    recall: list[PoolRecall] = field(default_factory=list)


_NEEDS_TOP = "exposure_irrelevant"  # not every report has it, since a summary needs only the rank table
_ADAPTER = TypeAdapter(CollectionEstimates)
_DIFFERENCE = TypeAdapter(RecipeDifference)


def estimate(
    ranks: RankTable, figures: QuestionScores, shown: MeasureSet, bias: LanguageBias | None = None
) -> CollectionEstimates:
    """Return the estimates from a rank table.

    Parameters
    ----------
    figures
        Scores by question.
    bias
        Language bias, if it is computed already.
    """
    if shown.has_bias and bias is None and can_measure_bias(ranks):
        bias = measure_language_bias(ranks, clusters=clusters(ranks))
    found = CollectionEstimates(
        {} if figures.warning else find_intervals(figures),
        figures.drawn,
        figures.warning,
        _summarise(bias) if bias else None,
        measure_pool_recall(ranks) if shown.has_pool else [],
    )
    return _ADAPTER.validate_python(_settled(_ADAPTER.dump_python(found)))


class Estimates:
    """Estimates from stored rank tables. Each table is checked against the checksum in its results.json."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache, self._checked = cache or Cache(), set[Path]()

    def of(self, table: StoredRanks, shown: MeasureSet) -> CollectionEstimates:
        """Return the estimates from a rank table."""
        origin = ["estimates", self._origin([table]), shown.has_bias, shown.has_pool]

        def compute() -> Any:
            found = estimate(read_stored_ranks(table.folder, table.file), question_values(table), shown)
            return _ADAPTER.dump_python(found, mode="json")

        return _ADAPTER.validate_python(self._cache.once(origin, compute))

    def interval(self, runs: Sequence[StoredRanks], figure: str, *, against: Sequence[StoredRanks] = ()) -> Interval:
        """Return a macro average, as a mean over runs, or its difference from others; see `bootstrap.find_interval`."""

        def compute() -> Any:
            other = _mean(against) if against else None
            return _settled(astuple(find_interval(_mean(runs), figure, against=other)))

        origin = ["interval", self._origin(runs), self._origin(against), figure]
        return Interval(*self._cache.once(origin, compute))

    def letters(
        self, tables: Sequence[StoredRanks], figure: str, *, recipes: Sequence[str] = (), margin: float = 0.0
    ) -> tuple[list[str], Cell]:
        """Return letters of models in the order given, best first, and the smallest detectable difference.

        See `letters.find_letters` and `letters.minimal_detectable_difference`. There are none with too few clusters.
        """

        def compute() -> Any:
            from babelrank.analysis.letters import find_letters, minimal_detectable_difference

            figures = list(map(question_values, tables))
            if any(each.warning for each in figures):
                return ["" for _ in figures], None
            least = settle(minimal_detectable_difference(figures, figure))
            return find_letters(figures, figure, recipes=recipes, margin=margin), least if least == least else None

        letters, least = self._cache.once(["groups", self._origin(tables), figure, list(recipes), margin], compute)
        return letters, least

    def contrast(
        self,
        recipes: Sequence[Sequence[StoredRanks]],
        weights: Sequence[float],
        figure: str,
        *,
        margin: float = 0.0,
        languages: Sequence[str] = (),
        than_languages: Sequence[str] = (),
        fixed: Collection[int] = (),
    ) -> RecipeDifference:
        """Return how recipes differ, with the variance between seeds of all; see `seeds.contrast_recipes`."""

        def compute() -> Any:
            runs = [list(map(question_values, tables)) for tables in recipes]
            found = contrast_recipes(
                runs,
                weights,
                figure,
                pool_seeds(runs, figure, languages, than_languages),
                margin=margin,
                languages=languages,
                than_languages=than_languages,
                fixed=fixed,
            )
            return _settled(asdict(found))

        options = [list(weights), figure, margin, list(languages), list(than_languages), sorted(fixed)]
        found = self._cache.once(["contrast", list(map(self._origin, recipes)), options], compute)
        return _DIFFERENCE.validate_python(found)

    def _origin(self, tables: Sequence[StoredRanks]) -> list[list[str]]:
        for table in tables:
            path = table.folder / table.file.file
            if path not in self._checked:
                self._checked.add(checked_path(table.folder, table.file))
        return [[table.file.sha256, table.measure] for table in tables]


def number(estimate: Estimate) -> float:
    """Return a value without its interval."""
    return estimate.value if isinstance(estimate, Interval) else estimate


def _summarise(found: LanguageBias) -> BiasSummary:
    few = found.merge_gap.warning is not None

    def shown(interval: Interval) -> Estimate:
        return interval.value if few else interval

    effects = zip(found.effect.languages, found.effect.effect, strict=True)
    return BiasSummary(
        {
            name: BiasFigure(shown(each.macro), each.shuffled, each.floor, each.ceiling)
            for name, each in found.measures.items()
            if each.macro is not None and name != _NEEDS_TOP
        },
        {lang: shown(effect) for lang, effect in effects if effect is not None},
    )


def _mean(runs: Sequence[StoredRanks]) -> QuestionScores:
    return mean_scores([question_values(run) for run in runs])


def _settled(value: Any) -> Any:
    """Return nested values with all numbers settled."""
    if isinstance(value, dict):
        return {key: _settled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_settled(item) for item in value]
    return settle(value) if isinstance(value, float) else value
