"""Estimates from rank tables beyond results.json: intervals, language bias, groups of models. Each is computed once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import lru_cache
from math import nan
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from babelrank.analysis.bootstrap import (
    Interval,
    QuestionScores,
    find_interval,
    find_intervals,
    mean_scores,
    setting_intervals,
)
from babelrank.analysis.clusters import clusters
from babelrank.analysis.comparison import side_by_side
from babelrank.analysis.influence import BIAS_FIGURES, Influence, influence_on_bias, influence_on_mean
from babelrank.analysis.language_bias import LanguageBias, measure_language_bias
from babelrank.analysis.pool_recall import PoolRecall, measure_pool_recall
from babelrank.analysis.query_variants import VariantGain, compare_variants
from babelrank.analysis.seeds import RecipeDifference, contrast_recipes, pool_seeds
from babelrank.analysis.settings import Cell
from babelrank.ranking.table import RankTable
from babelrank.reporting.cache import Cache
from babelrank.reporting.formatting import settle
from babelrank.reporting.measures import MeasureSet
from babelrank.reporting.stored_tables import StoredRanks, checked_path, question_values, read_stored_ranks


@dataclass(frozen=True)
class BiasFigure:
    """A macro measure of language bias: its value with an interval, the value without bias, and its range."""

    value: Interval
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
    effects: dict[str, Interval]

    @property
    def effect(self) -> Interval | None:
        """The language effect η²; None if the answers of each query share one rank."""
        found = self.measures.get("language_effect")
        return found.value if found else None

    @property
    def favoured(self) -> list[tuple[str, float]]:
        """Passage languages with their m_l, most favoured first."""
        return sorted(((lang, effect.value) for lang, effect in self.effects.items()), key=lambda each: each[1])


@dataclass(frozen=True)
class CollectionEstimates:
    """Estimates from the rank table of one collection.

    Attributes
    ----------
    intervals
        Intervals of the macro averages in one measure; without bounds if there are too few clusters.
    drawn
        What intervals and tests draw, in words.
    warning
        A sentence if there are too few clusters for intervals, else empty.
    bias
        Language bias, if languages can be compared.
    recall
        Recall and success in the pool of several languages, by depth.
    gains
        Of a query variant: how its queries do against other versions, by version and query language.
    by_language
        Intervals of the monolingual and of the multilingual settings, by query language; None without queries.
    """

    intervals: dict[str, Interval] = field(default_factory=dict)
    drawn: str = ""
    warning: str | None = None
    bias: BiasSummary | None = None
    recall: list[PoolRecall] = field(default_factory=list)
    gains: dict[str, dict[str, VariantGain]] = field(default_factory=dict)
    by_language: dict[str, list[Interval | None]] = field(default_factory=dict)


_NEEDS_TOP = "exposure_irrelevant"  # not every report has it, since a summary needs only the rank table
_ADAPTER = TypeAdapter(CollectionEstimates)
_DIFFERENCE = TypeAdapter(RecipeDifference)


def estimate(
    ranks: RankTable,
    figures: QuestionScores,
    shown: MeasureSet,
    bias: LanguageBias | None = None,
    versions: Mapping[str, RankTable] | None = None,
) -> CollectionEstimates:
    """Return the estimates from a rank table.

    Parameters
    ----------
    figures
        Scores by question.
    bias
        Language bias, if it is computed already.
    versions
        If the queries are a variant, the ranks for other versions, by name; see `variant_section.find_versions`.
    """
    if shown.has_bias and bias is None:
        bias = measure_language_bias(ranks, clusters=clusters(ranks))
    found = CollectionEstimates(
        find_intervals(figures),
        figures.drawn,
        figures.warning,
        _summarise(bias) if bias else None,
        measure_pool_recall(ranks) if shown.has_pool else [],
        {
            name: gains
            for name, other in (versions or {}).items()
            if (gains := compare_variants(other, ranks, shown.headline[0]))
        },
        {task: setting_intervals(figures, figures.settings(task)) for task in ("monolingual", "multilingual")},
    )
    return _ADAPTER.validate_python(_settled(_ADAPTER.dump_python(found)))


class Estimates:
    """Estimates from stored rank tables. Each table is checked against the checksum in its results.json."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.cache, self._checked = cache or Cache(), set[Path]()

    def of(
        self, table: StoredRanks, shown: MeasureSet, versions: Mapping[str, StoredRanks] | None = None
    ) -> CollectionEstimates:
        """Return the estimates from a rank table; see `estimate` for `versions`."""
        others = versions or {}
        origin = ["estimates", self._origin([table, *others.values()]), [*others], shown.has_bias, shown.has_pool]

        def compute() -> Any:
            ranks = read_stored_ranks(table.folder, table.file)
            tables = {name: read_stored_ranks(each.folder, each.file) for name, each in others.items()}
            found = estimate(ranks, question_values(table), shown, versions=tables)
            return _ADAPTER.dump_python(found, mode="json")

        return _ADAPTER.validate_python(self.cache.once(origin, compute))

    def interval(self, runs: Sequence[StoredRanks], figure: str, *, against: Sequence[StoredRanks] = ()) -> Interval:
        """Return a macro average, as a mean over runs, or its difference from others; see `bootstrap.find_interval`."""

        def compute() -> Any:
            other = _mean(against) if against else None
            return _settled(astuple(find_interval(_mean(runs), figure, against=other)))

        origin = ["interval", self._origin(runs), self._origin(against), figure]
        return Interval(*self.cache.once(origin, compute))

    def average(self, tables: Sequence[StoredRanks], figure: str) -> Interval:
        """Return the mean of a macro figure over one model's collections; without bounds if one has few clusters."""

        def compute() -> Any:
            found = find_interval(_side_by_side(tables, figure), "monolingual")
            return _settled(astuple(found if _are_enough(tables) else replace(found, low=nan, high=nan)))

        return Interval(*self.cache.once(["average", self._origin(tables), figure], compute))

    def letters(
        self, models: Sequence[Sequence[StoredRanks]], figure: str, *, recipes: Sequence[str] = (), margin: float = 0.0
    ) -> tuple[list[str], Cell]:
        """Return letters of models in the order given, best first, and the smallest detectable difference.

        See `letters.find_letters` and `letters.minimal_detectable_difference`. There are none with too few clusters.

        Parameters
        ----------
        models
            The tables of each; of several collections, the mean of the figure over them is compared.
        """

        def compute() -> Any:
            from babelrank.analysis.letters import find_letters, minimal_detectable_difference

            if not all(map(_are_enough, models)):
                return ["" for _ in models], None
            several = any(len(tables) > 1 for tables in models)
            compared = "monolingual" if several else figure
            scores = [_side_by_side(each, figure) if several else question_values(each[0]) for each in models]
            least = settle(minimal_detectable_difference(scores, compared))
            return find_letters(scores, compared, recipes=recipes, margin=margin), least if least == least else None

        origin = ["groups", list(map(self._origin, models)), figure, list(recipes), margin]
        letters, least = self.cache.once(origin, compute)
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
        """Return how recipes differ, with the variance between seeds of all; see `seeds.contrast_recipes`.

        Parameters
        ----------
        figure
            One of `bootstrap.MACRO_MEASURES` or `influence.BIAS_FIGURES`.
        languages
            Only queries in these languages.
        than_languages
            If given, the measure in `languages` minus the measure in these is compared: do the former gain more?
        """

        def compute() -> Any:
            runs = [[_influence(table, figure, languages, than_languages) for table in tables] for tables in recipes]
            return _settled(asdict(contrast_recipes(runs, weights, pool_seeds(runs), margin=margin, fixed=fixed)))

        options = [list(weights), figure, margin, list(languages), list(than_languages), sorted(fixed)]
        found = self.cache.once(["contrast", list(map(self._origin, recipes)), options], compute)
        return _DIFFERENCE.validate_python(found)

    def _origin(self, tables: Sequence[StoredRanks]) -> list[list[str]]:
        for table in tables:
            path = table.folder / table.file.file
            if path not in self._checked:
                self._checked.add(checked_path(table.folder, table.file))
        return [[table.file.sha256, table.measure] for table in tables]


def _summarise(found: LanguageBias) -> BiasSummary:
    effects = zip(found.effect.languages, found.effect.effect, strict=True)
    return BiasSummary(
        {
            name: BiasFigure(each.macro, each.shuffled, each.floor, each.ceiling)
            for name, each in found.measures.items()
            if each.macro is not None and name != _NEEDS_TOP
        },
        {lang: effect for lang, effect in effects if effect is not None},
    )


def _side_by_side(tables: Sequence[StoredRanks], figure: str) -> QuestionScores:
    return side_by_side([question_values(table) for table in tables], figure)


def _are_enough(tables: Sequence[StoredRanks]) -> bool:
    """Return whether each table has enough clusters for intervals and tests."""
    return not any(question_values(table).warning for table in tables)


@lru_cache(maxsize=512)  # an experiment's claims about one measure share the values of its checkpoints
def _influence(
    table: StoredRanks, figure: str, languages: Sequence[str] = (), than_languages: Sequence[str] = ()
) -> Influence:
    scores = question_values(table)
    if than_languages:
        return _influence(table, figure, languages) - _influence(table, figure, than_languages)
    if figure in BIAS_FIGURES:
        return influence_on_bias(scores, read_stored_ranks(table.folder, table.file), figure, languages)
    return influence_on_mean(scores, figure, languages)


def _mean(runs: Sequence[StoredRanks]) -> QuestionScores:
    return mean_scores([question_values(run) for run in runs])


def _settled(value: Any) -> Any:
    """Return nested values with all numbers settled."""
    if isinstance(value, dict):
        return {key: _settled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_settled(item) for item in value]
    return settle(value) if isinstance(value, float) else value
