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

The best value is bold, the second underlined, as shown: values that look alike are marked alike. Models are compared,
down the columns of Tables 1 and 2, along the rows and within a task in the others. Nothing is marked where there is
nothing to choose. Scores have 3 decimals and rank distances 1, as in reports. Intervals, on request in Tables 1 and 2,
are 95 % percentile intervals of a bootstrap over articles, else over questions (see `analysis.bootstrap`).
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from babelrank.analysis.bootstrap import DEFAULT_MEASURE, RANK_DISTANCE, Interval, clustered_scores, find_intervals
from babelrank.analysis.settings import Cell, mean_or_none
from babelrank.reporting.export.protocol import File, Options, RanksReader, collection_names
from babelrank.reporting.formatting import show_rank, show_score
from babelrank.reporting.latex import table_latex
from babelrank.reporting.measures import measures_of
from babelrank.reporting.names import collection_stem, slug
from babelrank.reporting.results import TASKS, CollectionResults, Results
from babelrank.reporting.summary import TASK_LABELS, macro_value
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

    def estimate(each: Results, name: str, figure: str) -> Entry:
        value = macro_value(each.collections[name], figure) if name in each.collections else None
        if value is None or not options.intervals:
            return value
        found = find_intervals(clustered_scores(read_ranks(each.model.name, name))).get(figure)
        return Interval(value, found.low, found.high) if found else value

    def score(each: Results, name: str, measure: str) -> Entry:
        return each.collections[name].macro[TASKS[0]][measure] if name in each.collections else None

    tables: dict[str, list[Table]] = {
        "main": [
            _by_model(
                "mAP of monolingual (Mo.), cross-lingual (Cr.) and multilingual (Mul.) retrieval, averaged over "
                "settings (macro).",
                results,
                [Column(TASK_LABELS[task], show_score, f"{name} ↑") for name in names for task in TASKS],
                lambda each: [estimate(each, name, task) for name in names for task in TASKS],
            )
        ],
        "language-bias": [
            _by_model(
                "Language bias in multilingual retrieval: rank distance, averaged over query languages (macro).",
                results,
                [Column(name, show_rank, "Language bias ↓", lower_is_better=True) for name in biased],
                lambda each: [estimate(each, name, RANK_DISTANCE) for name in biased],
            )
        ],
        "monolingual": [
            _by_model(
                "Monolingual retrieval: queries and passages in one language.",
                results,
                [Column(measure, show_score, f"{name} ↑") for name, measure in single],
                lambda each: [score(each, name, measure) for name, measure in single],
            )
        ],
    }
    for name in names:
        stem = collection_stem(name)
        tables[f"{stem}.by-language"] = [_by_language(having[name], name, measures) for measures in _BLOCKS]
        if name in biased:
            tables[f"{stem}.rank-distance"] = [_distances(having[name], name)]
        for each in having[name] if options.pairs else ():
            tables[f"{stem}.pairs.{slug(each.model.name)}"] = [_pairs(each, name)]
    for stem, parts in tables.items():
        if len(parts[0].columns) > 1:
            yield f"{stem}.tex", table_latex(parts, stem.replace(".", "-"))


def _by_model(
    caption: str, results: Sequence[Results], columns: Sequence[Column], cells: Callable[[Results], Sequence[Entry]]
) -> Table:
    rows = [[each.model.name, *cells(each)] for each in results]
    return Table(caption, [Column("Model"), *columns], rows, best="columns")


def _by_language(results: Sequence[Results], name: str, measures: dict[str, str]) -> Table:
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
        best="rows",
    )


def _distances(results: Sequence[Results], name: str) -> Table:
    collections = [each.collections[name] for each in results]
    return Table(
        f"Rank distance between the relevant passages of {name} in multilingual retrieval, by query language; lower is "
        f"better. {_numbered(results)}",
        [
            Column("Query language"),
            *(Column(f"({place})", show_rank, lower_is_better=True) for place in range(1, len(results) + 1)),
        ],
        [
            *(
                [lang, *(c.rank_distance.mean[i] for c in collections)]
                for i, lang in enumerate(collections[0].languages)
            ),
            ["Mean", *(macro_value(collection, RANK_DISTANCE) for collection in collections)],
        ],
        footer=1,
        best="rows",
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
