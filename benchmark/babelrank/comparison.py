"""Paired tests between models: every pair, on the collections that they share."""

from collections.abc import Mapping, Sequence

import pandas as pd
from rich.console import Group

from babelrank.analysis.bootstrap import clustered_scores
from babelrank.analysis.comparison import Comparison as PairedTests
from babelrank.analysis.comparison import compare as compare_figures
from babelrank.errors import ReportError
from babelrank.reporting.comparison_tables import comparison_tables
from babelrank.reporting.measures import measures_of
from babelrank.reporting.results import find_collections
from babelrank.reporting.terminal import table_terminal
from babelrank.result import Result, check_measure


class Comparison:
    """Paired tests between models on the collections that they share.

    Attributes
    ----------
    models
        Names of the models, in the order given.
    pairs
        Differences, intervals and p-values, by collection and by the positions of two models.
    measures
        Measure that is compared, by collection.
    """

    def __init__(
        self,
        models: Sequence[str],
        pairs: Mapping[str, Mapping[tuple[int, int], PairedTests]],
        measures: Mapping[str, str],
    ) -> None:
        self.models, self.pairs, self.measures = tuple(models), pairs, measures

    def to_frame(self) -> pd.DataFrame:
        """Return one row per collection, pair of models and macro average.

        Returns
        -------
        DataFrame
            Columns ``collection``, ``first``, ``second``, ``figure``, ``difference`` (first minus second), ``low`` and
            ``high`` (95 % interval), ``p``, ``p_holm`` (corrected by Holm's method over all pairs and figures of the
            collection), ``effect`` (Cohen's d for paired samples) and ``clusters`` (independent observations).
        """
        rows = [
            {
                "collection": collection,
                "first": self.models[first],
                "second": self.models[second],
                "figure": figure,
                "difference": found.interval.value,
                "low": found.interval.low,
                "high": found.interval.high,
                "p": found.p,
                "p_holm": found.p_holm,
                "effect": found.effect,
                "clusters": tests.clusters,
            }
            for collection, by_pair in self.pairs.items()
            for (first, second), tests in by_pair.items()
            for figure, found in tests.macro.items()
        ]
        return pd.DataFrame(rows)

    def __rich__(self) -> Group:
        tables = [
            table
            for collection, by_pair in self.pairs.items()
            for (i, j), tests in by_pair.items()
            for table in comparison_tables(self.models[i], self.models[j], collection, self.measures[collection], tests)
        ]
        return Group(*map(table_terminal, tables))

    def __repr__(self) -> str:
        text: str = self.to_frame().to_string(index=False, float_format="{:.4f}".format)
        return text

    def _repr_html_(self) -> str:
        html: str = self.to_frame().to_html(index=False, float_format="{:.4f}".format)
        return html


def compare_results(
    results: Sequence[Result], collections: Sequence[str] = (), *, measure: str | None = None, margin: float = 0.0
) -> Comparison:
    """Compare every pair of models; see `babelrank.compare`."""
    if len(results) < 2:
        raise ReportError(f"compare needs at least two models, got {len(results)}.")
    shared = [name for name in results[0].collections if all(name in each.collections for each in results)]
    if not shared and not collections:
        raise ReportError(f"{', '.join(each.name for each in results)}: these reports have no collection in common.")
    pairs, measures = {}, {}
    for name in collections or shared:
        found = find_collections([each.results for each in results], name)
        shown = measures_of(name, found[0])
        chosen = measure or shown.headline[0]
        check_measure(chosen)
        questions = [clustered_scores(each.rank_table(name), chosen) for each in results]
        pairs[name] = compare_figures(questions, shown.macro, margin=margin)
        measures[name] = chosen
    return Comparison([each.name for each in results], pairs, measures)
