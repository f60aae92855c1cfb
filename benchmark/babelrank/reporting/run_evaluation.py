"""The evaluation of a run, which may be cut off: tables for the terminal, and JSON.

In: a run in trec_eval's order, and its ranks. Out: measures of every setting. There is no rank distance if the run
lacks a relevant passage, as its rank is unknown.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from rich.console import Group
from rich.table import Table as RichTable

from babelrank.analysis.bias import measure_rank_distance
from babelrank.analysis.bootstrap import RANK_DISTANCE
from babelrank.analysis.settings import Cell, PairScores, PoolScores, macro_averages, score_pairs, score_pool
from babelrank.data.collection import Collection
from babelrank.ranking.runs import Resolved, rank_run
from babelrank.reporting.formatting import show_precisely, show_rank, show_score
from babelrank.reporting.measures import headline_measures, shown_measures, tasks_of
from babelrank.reporting.tables import Column, Table
from babelrank.reporting.terminal import table_terminal, text_lines

_COLUMNS = 14  # of scores side by side: with the query language, 77 characters
NO_DISTANCE = "No rank distance: the run does not hold all relevant passages, and the ranks of the others are unknown."


@dataclass(frozen=True)
class Depth:
    """The minimum and maximum number of passages per query in a run."""

    least: int
    most: int


@dataclass(frozen=True)
class RunEvaluation:
    """The measures of a run.

    Attributes
    ----------
    name
        Name of the run.
    collection, sha256
        Collection, and digest of its files.
    languages
        Languages in the order of rows and columns.
    queries
        Number of judged queries. Those that are not in the run count as 0.
    depth
        Passages per query in the run.
    notes
        What was left out, and what limits the measures.
    measures
        Measures that are shown, the headline measure first. ``mAP`` is cut off at the end of the run and divided by
        |R|.
    kinds
        Kinds of settings.
    macro, pairs, pool
        As in results.json. For a pair, the run is restricted to the passage language.
    rank_distance
        Mean over query languages; None if the run lacks a relevant passage, or if no query has two.
    """

    name: str
    collection: str
    sha256: str
    languages: list[str]
    queries: int
    depth: Depth
    notes: list[str]
    measures: list[str]
    kinds: list[str]
    macro: dict[str, dict[str, Cell]]
    pairs: PairScores
    pool: PoolScores
    rank_distance: Cell

    def __rich__(self) -> Group:
        return Group(*evaluation_tables(self), *text_lines(self.notes))


def evaluate_run(name: str, resolved: Resolved, collection: Collection) -> RunEvaluation:
    """Score a run with trec_eval's measures, by language if there are several."""
    ranks = rank_run(resolved, collection)
    pairs, pool = score_pairs(ranks), score_pool(ranks)
    kinds = tasks_of(collection.languages, pairs.n)
    depths = resolved.depths
    notes = [*collection.notes, *resolved.notes]
    deepest = int(depths.max())
    if deepest < 100:
        notes.append(f"the run has at most {deepest} passages per query, so R@100 is the recall at that depth")
    several = len(collection.languages) > 1
    distance = None
    if several and np.isfinite(ranks.table["rank_in_pool"]).all():
        distance = measure_rank_distance(ranks).macro[RANK_DISTANCE]
    elif several:
        notes.append(NO_DISTANCE)
    return RunEvaluation(
        name=name,
        collection=collection.name,
        sha256=collection.sha256,
        languages=list(collection.languages),
        queries=len(collection.queries),
        depth=Depth(int(depths.min()), deepest),
        notes=notes,
        measures=list(shown_measures(headline_measures(collection.source, kinds), cut=True)),
        kinds=list(kinds),
        macro=macro_averages(pairs, pool),
        pairs=pairs,
        pool=pool,
        rank_distance=distance,
    )


def as_json(evaluation: RunEvaluation) -> str:
    """Return an evaluation as JSON. The same measures give the same text."""
    return json.dumps(asdict(evaluation), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def evaluation_tables(evaluation: RunEvaluation) -> Iterator[RichTable]:
    """Yield the averages and, with several languages, the headline measure of every setting."""
    distance = evaluation.rank_distance
    ending = "" if distance is None else f"; rank distance {show_rank(distance)}"
    yield table_terminal(
        Table(
            f"{evaluation.name} on {evaluation.collection}",
            [Column("mean over"), *(Column(f"{measure} ↑", show_precisely) for measure in evaluation.measures)],
            [
                [task.replace("_", "-"), *(evaluation.macro[task][measure] for measure in evaluation.measures)]
                for task in evaluation.kinds
            ],
            note=f"{evaluation.queries:,} queries; mAP is cut where the run ends{ending}",
        )
    )
    if len(evaluation.languages) > 1:
        yield from _tables_by_pair(evaluation)


def _tables_by_pair(evaluation: RunEvaluation) -> Iterator[RichTable]:
    """Yield the headline measure by query and passage language, in tables that fit 80 columns."""
    measure = evaluation.measures[0]
    columns = [*evaluation.languages, "all"]
    scores = zip(evaluation.pairs.scores[measure], evaluation.pool.scores[measure], strict=True)
    rows = [[*row, pooled] for row, pooled in scores]
    for start in range(0, len(columns), _COLUMNS):
        shown = slice(start, start + _COLUMNS)
        table = Table(
            f"{measure} by query and passage language",
            [Column("query"), *(Column(label, _show_briefly) for label in columns[shown])],
            [[lang, *row[shown]] for lang, row in zip(evaluation.languages, rows, strict=True)],
        )
        yield table_terminal(table, padding=(0, 0))


def _show_briefly(score: float) -> str:
    """Format a score in four characters: .840 or 1.00."""
    return show_score(score).removeprefix("0")[:4]
