r"""LaTeX tables for papers, laid out as those of arXiv 2408.10536 (Elmahdy, Lin & Ahmad 2024).

In: reports. Out: one file for each table, to be taken in with ``\input``. They need
``\usepackage{booktabs,graphicx}`` (graphicx shrinks a table that is wider than the line) and, for names of models
beyond ASCII, an engine and a font that have their characters.

- ``main.tex``, Table 1: a row for each model, its mAP Mo., Cr., Mul. by collection.
- ``language-bias.tex``, Table 2: a row for each model, its rank distance by collection.
- ``monolingual.tex``, as Tables 12 and 13: a row for each model, nDCG@10 and Recall@100 by collection of one language,
  such as MIRACL's and BEIR's; these stand in none of the other tables.
- ``<collection>.by-language.tex``, Tables 3–6: a row for each query language and one for their mean; Mo., Cr., Mul.,
  and in each a column for each model. Above mAP; below R@1, but R@10 for Mul. Cr. of a query language is the mean over
  the other passage languages. The paper has one table for each base model: name the models of one base to get it.
- ``<collection>.rank-distance.tex``, Tables 7–8: a row for each query language and one for their mean, a column for
  each model.
- ``<collection>.pairs.<model>.tex``, not in the paper and on request: mAP of each query language (rows) on each passage
  language, and on the pool.

The best value is bold where it is significantly better than those of all other models, down the columns of Tables 1 and
2, along the rows and within a task in the others: see `analysis.letters.significantly_best`. Scores have 3 decimals and
rank distances 1, as in reports. Intervals, on request in Tables 1 and 2, are 95 % percentile intervals of a bootstrap
over articles, else over questions (see `analysis.bootstrap`).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

import numpy as np

from babelrank.analysis.bootstrap import (
    DEFAULT_MEASURE,
    RANK_DISTANCE,
    QuestionScores,
    clustered_scores,
    find_intervals,
)
from babelrank.analysis.letters import significantly_best
from babelrank.analysis.settings import Cell, mean_or_none
from babelrank.reporting.export.protocol import File, Options, RanksReader, collection_names
from babelrank.reporting.formatting import show_rank, show_score
from babelrank.reporting.latex import table_latex
from babelrank.reporting.measures import measures_of
from babelrank.reporting.names import collection_stem, slug
from babelrank.reporting.results import TASKS, CollectionResults, Results
from babelrank.reporting.summary import TASK_LABELS, macro_value, with_interval
from babelrank.reporting.tables import Column, Entry, Table

_HEADINGS = dict(zip(TASKS, ("Monolingual", "Cross-lingual", "Multilingual"), strict=True))
# Of Tables 3-6: the measure of each task, in the upper and the lower half.
_BLOCKS = (dict.fromkeys(TASKS, DEFAULT_MEASURE), dict(zip(TASKS, ("R@1", "R@1", "R@10"), strict=True)))


def render(results: Sequence[Results], read_ranks: RanksReader, options: Options) -> Iterator[File]:
    """Yield the tables."""
    having = {name: [each for each in results if name in each.collections] for name in collection_names(results)}
    shown = {name: measures_of(name, models[0].collections[name]) for name, models in having.items()}
    names = [name for name in having if shown[name].has_pool]
    biased = [name for name in names if shown[name].has_bias]
    single = [(name, measure) for name in having if name not in names for measure in shown[name].headline]

    @cache
    def scores(name: str, measure: str = DEFAULT_MEASURE) -> list[QuestionScores]:
        return [clustered_scores(read_ranks(each.model.name, name), measure) for each in having[name]]

    def best(name: str, measure: str, figures: Sequence[tuple[str, Sequence[str]]]) -> list[int | None]:
        return significantly_best(scores(name, measure), figures)

    def estimate(each: Results, name: str, figure: str) -> Entry:
        value = macro_value(each.collections[name], figure) if name in each.collections else None
        if value is None or not options.intervals:
            return value
        return with_interval(value, find_intervals(scores(name)[having[name].index(each)]).get(figure))

    def by_model(caption: str, columns: Sequence[tuple[Column, str, str, str]]) -> Table:
        """Return a row for each model; `columns` have a collection, a measure and a figure each."""
        bold = set()
        for j, (_, name, measure, figure) in enumerate(columns, start=1):
            (first,) = best(name, measure, [(figure, ())])
            if first is not None:
                bold.add((list(results).index(having[name][first]), j))
        rows = [
            [
                each.model.name,
                *(
                    estimate(each, name, figure)
                    if measure == DEFAULT_MEASURE
                    else each.collections[name].macro[figure][measure]
                    if name in each.collections
                    else None
                    for _, name, measure, figure in columns
                ),
            ]
            for each in results
        ]
        return Table(caption, [Column("Model"), *(column for column, *_ in columns)], rows, bold=bold)

    tables: dict[str, list[Table]] = {
        "main": [
            by_model(
                "mAP of monolingual (Mo.), cross-lingual (Cr.) and multilingual (Mul.) retrieval, averaged over "
                "settings (macro).",
                [
                    (Column(TASK_LABELS[task], show_score, f"{name} ↑"), name, DEFAULT_MEASURE, task)
                    for name in names
                    for task in TASKS
                ],
            )
        ],
        "language-bias": [
            by_model(
                "Spread in multilingual retrieval: rank distance, averaged over query languages (macro).",
                [(Column(name, show_rank, "Rank distance ↓"), name, DEFAULT_MEASURE, RANK_DISTANCE) for name in biased],
            )
        ],
        "monolingual": [
            by_model(
                "Monolingual retrieval: queries and passages in one language.",
                [(Column(measure, show_score, f"{name} ↑"), name, measure, TASKS[0]) for name, measure in single],
            )
        ],
    }
    for name in names:
        stem = collection_stem(name)
        tables[f"{stem}.by-language"] = [
            _by_language(having[name], name, measures, partial(best, name)) for measures in _BLOCKS
        ]
        if name in biased:
            tables[f"{stem}.rank-distance"] = [_distances(having[name], name, partial(best, name))]
        for each in having[name] if options.pairs else ():
            tables[f"{stem}.pairs.{slug(each.model.name)}"] = [_pairs(each, name)]
    for stem, parts in tables.items():
        if len(parts[0].columns) > 1:
            yield f"{stem}.tex", table_latex(parts, stem.replace(".", "-"))


# (measure, figures with their query languages) -> for each, the place of the model that is significantly best.
_Best = Callable[[str, Sequence[tuple[str, Sequence[str]]]], Sequence[int | None]]


def _by_language(results: Sequence[Results], name: str, measures: dict[str, str], best: _Best) -> Table:
    collections = [each.collections[name] for each in results]
    values = [_by_query_language(collection, task, measures[task]) for task in TASKS for collection in collections]
    macro = [collection.macro[task][measures[task]] for task in TASKS for collection in collections]
    languages = collections[0].languages
    return Table(
        f"mAP and recall of monolingual, cross-lingual and multilingual retrieval on {name}, by query language. "
        f"{_numbered(results)}",
        [
            Column("Query language"),
            *(
                Column(f"({place})", show_score, f"{_HEADINGS[task]}, {measures[task]}")
                for task in TASKS
                for place in range(1, len(results) + 1)
            ),
        ],
        [*([lang, *(column[i] for column in values)] for i, lang in enumerate(languages)), ["Mean", *macro]],
        footer=1,
        bold={
            (i, 1 + block * len(results) + first)
            for block, task in enumerate(TASKS)
            for i, first in enumerate(best(measures[task], _rows(task, languages)))
            if first is not None
        },
    )


def _rows(figure: str, languages: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Return a figure for each query language, then for all."""
    return [*((figure, [lang]) for lang in languages), (figure, ())]


def _distances(results: Sequence[Results], name: str, best: _Best) -> Table:
    collections = [each.collections[name] for each in results]
    languages = collections[0].languages
    return Table(
        f"Rank distance between the relevant passages of {name} in multilingual retrieval, by query language; lower is "
        f"better. {_numbered(results)}",
        [Column("Query language"), *(Column(f"({place})", show_rank) for place in range(1, len(results) + 1))],
        [
            *([lang, *(c.rank_distance.mean[i] for c in collections)] for i, lang in enumerate(languages)),
            ["Mean", *(macro_value(collection, RANK_DISTANCE) for collection in collections)],
        ],
        footer=1,
        bold={
            (i, 1 + first)
            for i, first in enumerate(best(DEFAULT_MEASURE, _rows(RANK_DISTANCE, languages)))
            if first is not None
        },
    )


def _pairs(results: Results, name: str) -> Table:
    collection = results.collections[name]
    pairs, pool = collection.pairs.scores[DEFAULT_MEASURE], collection.pool.scores[DEFAULT_MEASURE]
    return Table(
        f"mAP of {results.model.name} on {name}, by query and passage language, and on all languages.",
        [
            Column("Query language"),
            *(Column(lang, show_score, "Passage language") for lang in collection.languages),
            Column("all", show_score),
        ],
        [[lang, *row, pooled] for lang, row, pooled in zip(collection.languages, pairs, pool, strict=True)],
    )


def _by_query_language(collection: CollectionResults, task: str, measure: str) -> list[Cell]:
    """Return a score for each query language: of one setting, or the mean over the cross-lingual ones."""
    if task == TASKS[2]:
        return collection.pool.scores[measure]
    matrix = np.array(collection.pairs.scores[measure], dtype=float)
    diagonal = np.eye(len(matrix), dtype=bool)
    wanted = diagonal if task == TASKS[0] else ~diagonal
    return [mean_or_none(row[chosen]) for row, chosen in zip(matrix, wanted, strict=True)]


def _numbered(results: Sequence[Results]) -> str:
    models = "; ".join(f"({place}) {each.model.name}" for place, each in enumerate(results, start=1))
    return f"Models: {models}."
