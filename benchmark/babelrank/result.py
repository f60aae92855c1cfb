"""The result of an evaluation: one model's measures on one or more collections, as tables for notebooks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import pandas as pd
from rich.console import Group

from babelrank.analysis.bootstrap import RANK_DISTANCE, clustered_scores, find_intervals
from babelrank.analysis.clusters import clusters
from babelrank.analysis.errors import Errors
from babelrank.analysis.language_bias import measure_language_bias
from babelrank.analysis.measures import MEASURES
from babelrank.errors import ReportError, unknown_choice
from babelrank.files import as_path
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import TopTable
from babelrank.reporting.html_report import REPORT_PAGE
from babelrank.reporting.measures import measures_of
from babelrank.reporting.report import write_report
from babelrank.reporting.results import Results
from babelrank.reporting.results_file import FILE_NAME, read_results
from babelrank.reporting.stored_tables import read_stored_ranks, read_stored_top
from babelrank.reporting.terminal import summary_tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Table = TypeVar("Table")
_POOL = "pool"


class StoredTables(Mapping[str, Table], Generic[Table]):
    """Tables by collection. Each is read from its file on first use."""

    def __init__(self, readers: Mapping[str, Callable[[], Table]]) -> None:
        self._readers = readers
        self._read: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        if name not in self._read:
            self._read[name] = self._readers[name]()
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


class PairMatrix(pd.DataFrame):
    """Scores of all pairs of languages: rows are query languages, columns are passage languages and the pool, if any.

    Attributes
    ----------
    n
        Number of queries in each cell.
    """

    _metadata = ("n",)
    n: pd.DataFrame

    @property
    def _constructor(self) -> type["PairMatrix"]:
        return PairMatrix


class Result:
    """The result of one model on one or more collections.

    Methods take the name of a `collection`, which is optional if there is only one.

    Attributes
    ----------
    name
        Name of the model in reports.
    collections
        Names of the collections, as specified.
    results
        All measures and the model's settings: the content of results.json.
    folder
        Folder of the report; None if no report was written.
    """

    def __init__(
        self,
        results: Results,
        ranks: Mapping[str, RankTable],
        tops: Mapping[str, TopTable] | None = None,
        errors: Mapping[str, Errors] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.results = results
        self.folder = folder
        self._ranks, self._tops, self._errors = ranks, tops or {}, errors

    @property
    def name(self) -> str:
        """Name of the model in reports."""
        return self.results.model.name

    @property
    def collections(self) -> tuple[str, ...]:
        """Names of the collections."""
        return tuple(self.results.collections)

    @property
    def page(self) -> Path | None:
        """Path of the report's interactive page; None if no report was written."""
        return None if self.folder is None else self.folder / REPORT_PAGE

    @property
    def ranks(self) -> pd.DataFrame:
        """Rank table: one row per query and relevant passage, with its rank in its language and in the pool."""
        return self._stack({name: self.rank_table(name).table for name in self.collections})

    @property
    def top(self) -> pd.DataFrame:
        """Top passages of each query. A rank is NaN if the passage is not near the top of that list."""
        return self._stack({name: self._tops[name].table for name in self.collections if name in self._tops})

    def rank_table(self, collection: str | None = None) -> RankTable:
        """Return the rank table of a collection.

        Raises
        ------
        ReportError
            The table is missing or cannot be read.
        """
        name = self._choose(collection)
        if name not in self._ranks:
            raise ReportError(f"{self.name}: the report has no rank table of {name}.")
        return self._ranks[name]

    def summary(self, collection: str | None = None, *, measure: str = "mAP") -> pd.DataFrame:
        """Return the macro averages with 95 % intervals, one row each.

        Parameters
        ----------
        collection
            All by default.
        measure
            One of mAP, R@1, R@10, R@100, MRR@10 and nDCG@10.

        Returns
        -------
        DataFrame
            Columns ``collection``, ``figure`` (``monolingual``, ``cross_lingual``, ``multilingual``,
            ``rank_distance``), ``measure``, ``value``, ``low``, ``high``, ``queries``. Settings that a collection does
            not have are left out, such as the cross-lingual one if there is only one language. With fewer than 30
            independent groups of questions, ``low`` and ``high`` are NaN.

        Examples
        --------
        >>> import babelrank
        >>> result = babelrank.load_report("reports/bm25")
        >>> result.summary("xquad-r")["figure"].tolist()
        ['monolingual', 'cross_lingual', 'multilingual', 'rank_distance']
        """
        check_measure(measure)
        rows = []
        for name in self.collections if collection is None else [self._choose(collection)]:
            results = self.results.collections[name]
            kinds = measures_of(name, results).macro
            scores = clustered_scores(self.rank_table(name), measure)
            for figure, interval in find_intervals(scores).items():
                if figure in kinds:
                    shown = "ranks" if figure == RANK_DISTANCE else measure
                    rows.append((name, figure, shown, *astuple(interval), sum(results.queries.values())))
        columns = ["collection", "figure", "measure", "value", "low", "high", "queries"]
        return pd.DataFrame(rows, columns=columns)

    def pairs(self, measure: str = "mAP", *, collection: str | None = None) -> PairMatrix:
        """Return the scores of all pairs of languages, with the number of queries of each in `.n`.

        Returns
        -------
        PairMatrix
            DataFrame with one row per query language and one column per passage language. With several languages,
            the column ``pool`` holds the multilingual setting. NaN where a setting has no queries.

        Examples
        --------
        >>> import babelrank
        >>> pairs = babelrank.load_report("reports/bm25").pairs(collection="mlqa-r")
        >>> pairs.shape, int(pairs.n.loc["de", "en"])
        ((7, 8), 512)
        """
        check_measure(measure)
        results = self.results.collections[self._choose(collection)]
        index, columns = (pd.Index(results.languages, name=side) for side in ("query", "passage"))
        frames = []
        for matrix, pool in (
            (results.pairs.scores[measure], results.pool.scores[measure]),
            (results.pairs.n, results.pool.n),
        ):
            frame = pd.DataFrame(matrix, index=index, columns=columns)
            if len(results.languages) > 1:
                frame[_POOL] = pool
            frames.append(frame)
        scores = PairMatrix(frames[0].astype(float))
        scores.n = frames[1]
        return scores

    def bias(self, *, collection: str | None = None, by_language: bool = False) -> pd.DataFrame:
        """Return the measures of language bias.

        Parameters
        ----------
        by_language
            Return one column per query language instead of the macro averages with intervals.

        Returns
        -------
        DataFrame
            One row per measure. Columns ``value``, ``low`` and ``high`` (95 % interval), ``shuffled`` (the value of an
            encoder without bias: languages are shuffled within each query), ``floor`` and ``ceiling``. Rank distance
            is the spread that arXiv 2408.10536 reports; it ignores which language is which.

        Raises
        ------
        ReportError
            No query has relevant passages in two languages.

        Examples
        --------
        >>> import babelrank
        >>> bias = babelrank.load_report("reports/bm25").bias(collection="mlqa-r")
        >>> "language_effect" in bias.index
        True
        """
        name = self._choose(collection)
        results, ranks = self.results.collections[name], self.rank_table(name)
        if not measures_of(name, results).has_bias:
            raise ReportError(f"{name}: no query has relevant passages in two languages, so bias cannot be measured.")
        measures = measure_language_bias(ranks, self._tops.get(name), clusters=clusters(ranks)).measures
        distance = results.rank_distance
        if by_language:
            rows = {
                measure: [None if each is None else each.value for each in found.by_language]
                for measure, found in measures.items()
            }
            rows[RANK_DISTANCE] = list(distance.mean)
            return pd.DataFrame(rows, index=pd.Index(results.languages, name="query")).T.rename_axis("measure")
        table = {
            measure: {
                "value": found.macro.value,
                "low": found.macro.low,
                "high": found.macro.high,
                "shuffled": found.shuffled,
                "floor": found.floor,
                "ceiling": found.ceiling,
            }
            for measure, found in measures.items()
            if found.macro is not None
        }
        (distances,) = self.summary(name).query("figure == @RANK_DISTANCE").to_dict("records")
        floor = results.macro["multilingual"]["rank_distance_floor"]
        table[RANK_DISTANCE] = {key: distances[key] for key in ("value", "low", "high")} | {"floor": floor}
        return pd.DataFrame(table).T.astype(float).rename_axis("measure")

    def plot(self, kind: str = "pairs", *others: "Result", collection: str | None = None) -> "Axes":
        """Draw a figure, as `babelrank plot` does, and return its Axes.

        Parameters
        ----------
        kind
            ``pairs``, ``mean-rank`` or ``share-first`` (heatmaps), ``bars``, ``radar``, ``distance``, ``scatter``,
            ``scaling``, ``map`` (languages at their places), or ``difference`` (from another model).
        others
            Other models to draw in the same figure.

        Returns
        -------
        matplotlib.axes.Axes
            First Axes of the figure; ``.figure`` holds all of them.

        Raises
        ------
        ReportError
            The kind is unknown, or the collection has no data for it.

        Examples
        --------
        >>> import babelrank
        >>> axes = babelrank.load_report("reports/bm25").plot("pairs", collection="mlqa-r")
        >>> len(axes.get_xticks())
        7
        """
        from babelrank.reporting.plots import PlotInputs, draw

        models = [self, *others]
        inputs = PlotInputs([each.results for each in models], lambda i, name: models[i].rank_table(name))
        figure = next(iter(draw(kind, inputs, collection=None if collection is None else self._choose(collection))))
        axes: Axes = figure.axes[0]
        return axes

    def save(self, reports: str | Path = "reports") -> Path:
        """Write the report, or add to the model's existing one, as `submit` does; return its folder.

        Raises
        ------
        ReportError
            The folder cannot be written or holds another model's report.
        """
        return write_report(as_path(reports), self.results, self._ranks, self._tops, errors=self._errors)

    def written_to(self, reports: str | Path, *, with_leaderboard: bool = False) -> "Result":
        """Write the report and return the result with its folder; see `save` and `write_report`."""
        place, found = as_path(reports), (self.results, self._ranks, self._tops)
        folder = write_report(place, *found, errors=self._errors, with_leaderboard=with_leaderboard)
        return Result(self.results, self._ranks, self._tops, self._errors, folder)

    def __rich__(self) -> Group:
        return Group(*summary_tables(self.results))

    def __repr__(self) -> str:
        lines = [f"Result of {self.name} on {', '.join(self.collections)}"]
        summary = self.summary()
        for row in summary.itertuples(index=False):
            digits = 1 if row.figure == RANK_DISTANCE else 3
            label = f"{row.collection:<16} {row.figure.replace('_', ' '):<14} {row.measure:<8}"
            bounds = "" if np.isnan(row.low) else f"  ({row.low:.{digits}f} to {row.high:.{digits}f})"
            lines.append(f"  {label} {row.value:.{digits}f}{bounds}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        summary = self.summary()
        shown = summary.assign(
            **{
                column: [
                    "–" if np.isnan(value) else f"{value:.1f}" if figure == RANK_DISTANCE else f"{value:.3f}"
                    for value, figure in zip(summary[column], summary["figure"], strict=True)
                ]
                for column in ("value", "low", "high")
            }
        )
        caption = f"{self.name}: macro averages with 95 % intervals"
        html: str = shown.style.hide(axis="index").set_caption(caption).to_html()
        return html

    def _choose(self, collection: str | None) -> str:
        known = self.collections
        if collection is None and len(known) == 1:
            return known[0]
        if collection is None:
            raise ReportError(f"{self.name}: the report has several collections; choose one of {', '.join(known)}.")
        if collection not in known:
            raise ReportError(f"{self.name}: " + unknown_choice("collection", collection, known))
        return collection

    def _stack(self, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        frames = [frame.assign(collection=name) for name, frame in tables.items()]
        if not frames:
            raise ReportError(f"{self.name}: the report has no such table.")
        return pd.concat(frames, ignore_index=True).pipe(lambda all_: all_[["collection", *all_.columns[:-1]]])


def check_measure(measure: str) -> None:
    """Refuse an unknown measure.

    Raises
    ------
    ReportError
        The measure is unknown.
    """
    if measure not in MEASURES:
        raise ReportError(unknown_choice("measure", measure, MEASURES))


def read_result(folder: Path) -> Result:
    """Return the result in a report's folder. Its tables are read on first use.

    Raises
    ------
    ReportError
        The report is missing or cannot be read.
    """
    results = read_results(folder / FILE_NAME)
    ranks = {
        name: partial(read_stored_ranks, folder, each.ranks)
        for name, each in results.collections.items()
        if each.ranks is not None
    }
    tops = {
        name: partial(read_stored_top, folder, each.top)
        for name, each in results.collections.items()
        if each.top is not None and (folder / each.top.file).exists()
    }
    return Result(results, StoredTables(ranks), StoredTables(tops), folder=folder)
