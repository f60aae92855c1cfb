"""Results -> report.html: the figures of one model, to be looked at.

In: results, as their file has them, with what was computed from the rank tables besides. Out: the page. `parts` says
what a section holds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babelrank.analysis.bootstrap import RANK_DISTANCE, Interval
from babelrank.analysis.settings import Cell, mean_or_none
from babelrank.data.catalog import source_of
from babelrank.reporting.figures import figures_of
from babelrank.reporting.heatmaps import HEATMAPS
from babelrank.reporting.html_page import anchor, render_page
from babelrank.reporting.languages import language_name
from babelrank.reporting.markdown import (
    HASHED,
    is_folder,
    reproducing_command,
    show_seconds,
)
from babelrank.reporting.parts import Bars, Column, Margin, MatrixView, Section, Table
from babelrank.reporting.results import CollectionResults, Results
from babelrank.reporting.summary import (
    BIAS_LABELS,
    SETTING_LABELS,
    settle,
    show_parameters,
    show_rank,
    show_score,
    summary_rows,
)

REPORT_PAGE = "report.html"
_PAIRS, *_FAVOURED = HEATMAPS
_SHARED = frozenset(("rows", "columns", "n"))
_MEANINGS = {
    **{kind: (label, f"{{}}, {kind.replace('_', '-')}") for kind, label in SETTING_LABELS.items()},
    RANK_DISTANCE: ("Rank distance", "language bias"),
}


@dataclass(frozen=True)
class Headline:
    """A macro figure as the head of a report shows it.

    Attributes
    ----------
    label, meaning
        What it is called, and what it is.
    higher_is_better
        Which way is up.
    value, low, high
        The figure and the ends of its interval, as text; without an interval, the ends are empty.
    places
        Where the figure and its ends stand on the way from the lowest to the highest possible: 0 to 100.
    """

    label: str
    meaning: str
    higher_is_better: bool
    value: str
    low: str
    high: str
    places: list[float]


def render_report_html(
    results: Results,
    intervals: Mapping[str, Mapping[str, Interval]] | None = None,
    sections: Mapping[str, Sequence[Section]] | None = None,
    leaderboard: str | None = None,
) -> str:
    """Return a report.html: it follows from the arguments alone.

    Parameters
    ----------
    results
        As read from a results.json, which rounds.
    intervals
        By collection, then by macro figure (`bootstrap.MACRO_FIGURES`); what is missing is shown without one.
    sections
        By collection: what stands after the sections that follow from the results.
    leaderboard
        Address of the leaderboard's page, seen from the report; no link by default.
    """
    parts = {
        name: [*collection_sections(name, collection), *(sections or {}).get(name, ())]
        for name, collection in results.collections.items()
    }
    views = {
        anchor(name, section.title, view.label): view.data()
        for name, chosen in parts.items()
        for section in chosen
        for view in section.matrices
    }
    dimension = results.model.dimension
    return render_page(
        "report.html.j2",
        styles=("base.css", "scales.css", "report.css"),
        scripts=("common.js", "report.js"),
        results=results,
        model=results.model,
        dimension=f"{dimension:,}" if dimension < HASHED else None,
        parameters=show_parameters(results.model.parameters),
        settings={key: json.dumps(value, ensure_ascii=False) for key, value in results.model.settings.items()},
        command=reproducing_command(results),
        is_folder=is_folder(results.model),
        headlines={
            name: headlines(name, collection, (intervals or {}).get(name, {}))
            for name, collection in results.collections.items()
        },
        has_intervals=any((intervals or {}).values()),
        collections=[(anchor(name), name) for name in results.collections],
        sections=parts,
        choices_of=lambda section, part: [(f"{part}--{anchor(view.label)}", view.label) for view in section.matrices],
        data=_share_lists(views),
        source_of=source_of,
        seconds=show_seconds,
        leaderboard=leaderboard,
    )


def headlines(name: str, collection: CollectionResults, intervals: Mapping[str, Interval]) -> list[Headline]:
    """Return the macro figures that a collection has: its headline measures, and the rank distance.

    Parameters
    ----------
    intervals
        Of the first of the headline measures, and of the rank distance.
    """
    figures = figures_of(name, collection)
    first, *others = figures.headline
    return [
        *(_headline(kind, first, collection, intervals.get(kind)) for kind in figures.kinds),
        *(_headline(kind, measure, collection, None) for measure in others for kind in figures.kinds),
        *([_headline(RANK_DISTANCE, "", collection, intervals.get(RANK_DISTANCE))] if figures.has_bias else []),
    ]


def collection_sections(name: str, collection: CollectionResults) -> list[Section]:
    """Return the sections that follow from a collection's results, as far as its judgements allow them."""
    figures = figures_of(name, collection)
    sections = [_averages(collection, figures.measures)]
    if figures.has_pool:
        sections.append(_pairs(collection, figures.measures))
    if figures.has_bias:
        sections += [_rank_distance(collection), _favoured(collection)]
    if figures.has_pool:
        sections.append(_pool(collection, figures.measures))
    return sections


def _headline(figure: str, measure: str, collection: CollectionResults, interval: Interval | None) -> Headline:
    is_distance = figure == RANK_DISTANCE
    furthest = sum(collection.passages.values()) - 1  # first and last of the pool
    value = collection.macro["multilingual"][figure] if is_distance else collection.macro[figure][measure]
    known = [value, *((interval.low, interval.high) if interval else ())] if value is not None else []
    show = (lambda number: f"{settle(number):,.0f}") if is_distance else show_score
    texts = [*map(show, known), "", "", ""]
    label, meaning = _MEANINGS[figure][0], _MEANINGS[figure][1].format(measure)
    return Headline(
        label,
        meaning,
        higher_is_better=not is_distance,
        value=texts[0] or show_score(None),
        low=texts[1],
        high=texts[2],
        places=[min(max(number / (furthest if is_distance else 1), 0.0), 1.0) * 100 for number in known],
    )


def _share_lists(views: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Put each list that several views have, such as languages or numbers of queries, into the page once."""
    lists: dict[str, int] = {}  # as JSON -> its place
    shared = {
        name: {
            key: lists.setdefault(json.dumps(value), len(lists)) if key in _SHARED and value is not None else value
            for key, value in view.items()
        }
        for name, view in views.items()
    }
    return {"views": shared, "lists": [json.loads(text) for text in lists]}


def _averages(collection: CollectionResults, measures: Sequence[str]) -> Section:
    return Section(
        title="Averages",
        caption="Each setting has the mean over its queries. Mo., Cr. and Mul. are means over settings (macro); micro "
        "is the mean over all queries of all languages, as LAReQA reports it.",
        tables=[
            Table(
                caption="Means over settings, by measure; higher is better",
                columns=[Column(""), Column("mean over"), *(Column(measure, show_score) for measure in measures)],
                rows=[
                    [row.label, row.meaning, *(row.scores[measure] for measure in measures)]
                    for row in summary_rows(collection)
                ],
            )
        ],
    )


def _pairs(collection: CollectionResults, measures: Sequence[str]) -> Section:
    return Section(
        title="Pairs of languages",
        caption="Rows are query languages, columns passage languages. Monolingual settings, on the diagonal, are "
        "framed. Mul. is the pool of all languages at once. A pair's queries are those with a relevant passage in the "
        "passage language.",
        matrices=[
            MatrixView(
                label=measure,
                title=f"{measure} by query and passage language",
                rows=collection.languages,
                columns=collection.languages,
                values=collection.pairs.scores[measure],
                show=_PAIRS.show,
                precise=_show_precisely,
                legend=f"{measure} (higher is better)",
                n=collection.pairs.n,
                beside=Margin("Mul.", "all languages", collection.pool.scores[measure], collection.pool.n),
            )
            for measure in measures
        ],
    )


def _rank_distance(collection: CollectionResults) -> Section:
    distance = collection.rank_distance
    macro = collection.macro["multilingual"]
    languages = zip(
        map(language_name, collection.languages),
        distance.mean,
        distance.median,
        distance.floor,
        distance.normalised,
        distance.n,
        strict=True,
    )
    return Section(
        title="Rank distance",
        caption="Per query, the difference between the ranks in the pool of its worst and its best relevant passage, "
        "which say the same in different languages; over the n queries that have at least two. Its floor is their "
        "number less one, below which it falls only where they tie. Normalised: 0 at the floor, 1 if they stand at "
        "both ends of the pool. Lower is better.",
        tables=[
            Table(
                caption="Rank distance by query language: bars are means, with median and floor marked",
                columns=[
                    Column("query language"),
                    *(Column(label, show_rank) for label in ("mean", "median", "floor")),
                    Column("normalised", _show_precisely),
                    Column("n", _show_count),
                ],
                rows=[*map(list, languages), ["mean over languages", *(macro[name] for name in BIAS_LABELS), None]],
                bars=Bars(length=1, marks=(2, 3)),
            )
        ],
    )


def _favoured(collection: CollectionResults) -> Section:
    views = []
    for heatmap in _FAVOURED:
        values = heatmap.matrix(collection)
        views.append(
            MatrixView(
                label=heatmap.name.replace("-", " "),
                title=heatmap.title[0].upper() + heatmap.title[1:],
                rows=collection.languages,
                columns=collection.languages,
                values=values,
                show=heatmap.show,
                precise=show_rank if heatmap.logarithmic else "{:.1%}".format,
                legend=heatmap.label,
                note=heatmap.caption,
                colours=heatmap.colours,
                limits=heatmap.limits,
                logarithmic=heatmap.logarithmic,
                n=collection.favoured.n,
                below=Margin("mean", "mean over query languages", _column_means(values)),
            )
        )
    return Section(
        title="Favoured languages",
        caption="Whose passages come first in the pool of all languages? Rows are query languages, columns the "
        "languages of the relevant passages.",
        matrices=views,
    )


def _pool(collection: CollectionResults, measures: Sequence[str]) -> Section:
    scores = collection.pool.scores
    rows = zip(
        map(language_name, collection.languages),
        *(scores[measure] for measure in measures),
        collection.pool.n,
        strict=True,
    )
    return Section(
        title="Multilingual pool",
        caption="Queries of one language, passages of all languages in one pool; the relevant passages of all "
        "languages count. Higher is better.",
        tables=[
            Table(
                caption=f"Scores in the pool of all languages, by query language: bars are {measures[0]}, from 0 to 1",
                columns=[
                    Column("query language"),
                    *(Column(measure, show_score) for measure in measures),
                    Column("n", _show_count),
                ],
                rows=[list(row) for row in rows],
                bars=Bars(length=1, limit=1.0),
            )
        ],
    )


def _column_means(values: Sequence[Sequence[Cell]]) -> list[Cell]:
    return [mean_or_none(column) for column in np.array(values, dtype=float).T]


def _show_precisely(score: float) -> str:
    return f"{score:.4f}"


def _show_count(number: float) -> str:
    return f"{number:,.0f}"
