"""The languages that a model ranks first, as tables and DataFrames."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from rich.console import Group

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.language_shares import MEAN, LanguageShares
from babelrank.reporting.formatting import show_count, show_share
from babelrank.reporting.languages import language_name
from babelrank.reporting.tables import Column, Table
from babelrank.reporting.terminal import table_terminal, text_lines

_COLUMNS = 9  # languages side by side: with the query language, 80 characters
CAUTION = (
    "A share above that in the corpus is a preference only if all languages have texts on the same subjects. Without "
    "qrels, it is unknown which passages are relevant."
)


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The languages that a model ranks first, measured without qrels.

    Attributes
    ----------
    model, collection
        Names of the model and the collection.
    passages
        Number of passages in each language.
    depths
        Numbers of top passages that are examined.
    measured
        All shares.
    notes
        What was left out, and what limits the results.
    """

    model: str
    collection: str
    passages: dict[str, int]
    depths: tuple[int, ...]
    measured: LanguageShares
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the share of each passage language, by query language and depth.

        Returns
        -------
        DataFrame
            Columns ``query`` (``mean``: over the query languages), ``passage``, ``depth``, ``share``, ``low`` and
            ``high`` (95 % interval), ``corpus`` (share in the corpus), ``ratio`` (share / corpus) and ``queries``.
        """
        return self.measured.shares.copy()

    def own_language(self) -> pd.DataFrame:
        """Return the share of passages in the query's own language, by query language and depth.

        Returns
        -------
        DataFrame
            Columns as in `to_frame`, without ``passage``. The mean is over the query languages that have passages.
        """
        return self.measured.own.copy()

    def verdict(self) -> list[str]:
        """Return sentences on languages with a share above or below that in the corpus, if intervals confirm it."""
        depth = self.depths[len(self.depths) // 2]
        means = self.measured.shares.query("query == @MEAN and depth == @depth").sort_values("ratio")
        if means["low"].isna().all():
            return ["There are too few questions to say which languages the model ranks first more often."]
        more, less = means[means["low"] > means["corpus"]][::-1], means[means["high"] < means["corpus"]]
        lines = []
        for word, found in (("More", more), ("Less", less)):
            shown = [
                f"{language_name(lang)} ({show_share(share)} of the top {depth}, {show_share(corpus)} of the corpus)"
                for lang, share, corpus in zip(found["passage"], found["share"], found["corpus"], strict=True)
            ]
            if shown:
                lines.append(f"{word} than in the corpus: {', '.join(shown)}.")
        return lines or [f"In the top {depth}, no language differs significantly from its share in the corpus."]

    def __rich__(self) -> Group:
        return Group(*map(table_terminal, self._tables()), *text_lines([*self.verdict(), *self.notes, CAUTION]))

    def __repr__(self) -> str:
        return "\n".join([f"Diagnosis of {self.model} on {self.collection}", *(f"  {line}" for line in self.verdict())])

    def _repr_html_(self) -> str:
        html: str = self.to_frame().to_html(index=False, float_format="{:.3f}".format)
        return html

    def _tables(self) -> Iterator[Table]:
        shares, own = self.measured.shares, self.measured.own
        if len(own):
            tops = [Column(f"top {depth}", show_share) for depth in self.depths]
            yield Table(
                f"{self.model} on {self.collection}: share of the query's own language",
                [Column("query language"), Column("queries", show_count), Column("corpus", show_share), *tops],
                [
                    [_name(query), int(table["queries"].iloc[0]), float(table["corpus"].iloc[0]), *_intervals(table)]
                    for query, table in own.groupby("query", sort=False)
                ],
                footer=1,
            )
        langs, total = list(self.passages), sum(self.passages.values())
        for depth, table in shares.groupby("depth"):
            by_query = {
                query: dict(zip(rows["passage"], rows["share"], strict=True))
                for query, rows in table.groupby("query", sort=False)
            }
            for start in range(0, len(langs), _COLUMNS):
                shown = langs[start : start + _COLUMNS]
                yield Table(
                    f"Languages of the top {depth}",
                    [Column("query language"), *(Column(lang, show_share) for lang in shown)],
                    [
                        ["(corpus)", *(self.passages[lang] / total for lang in shown)],
                        *([_name(query), *(found[lang] for lang in shown)] for query, found in by_query.items()),
                    ],
                    footer=1,
                )


def _intervals(table: pd.DataFrame) -> Iterator[Interval]:
    for value, low, high in zip(table["share"], table["low"], table["high"], strict=True):
        yield Interval(value, low, high)


def _name(query: str) -> str:
    return MEAN if query == MEAN else language_name(query)
