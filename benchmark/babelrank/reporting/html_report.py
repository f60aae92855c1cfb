"""Results -> report.html: the figures of one model, to be looked at.

In: results, as their file has them, with what was computed from the rank tables. Out: the page.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babelrank.analysis.bootstrap import RANK_DISTANCE, Interval
from babelrank.reporting.facts import (
    describe_collection,
    environment_facts,
    evaluation_facts,
    is_folder,
    model_facts,
    reproducing_command,
)
from babelrank.reporting.formatting import show_dimension, show_macro, show_parameters
from babelrank.reporting.heatmaps import HEATMAPS, pair_view
from babelrank.reporting.html_page import anchor, render_page
from babelrank.reporting.measures import measures_of
from babelrank.reporting.results import CollectionResults, Results
from babelrank.reporting.sections import Section
from babelrank.reporting.summary import TASK_LABELS, Intervals, distance_table, pool_table, summary_table, verdict

REPORT_PAGE = "report.html"
_SHARED = frozenset(("rows", "columns", "n"))
_MEANINGS = {
    **{task: (label, f"{{}}, {task.replace('_', '-')}") for task, label in TASK_LABELS.items()},
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
    intervals: Mapping[str, Intervals] | None = None,
    sections: Mapping[str, Sequence[Section]] | None = None,
    leaderboard: str | None = None,
    *,
    drawn: Mapping[str, str] | None = None,
) -> str:
    """Return a report.html: it follows from the arguments alone.

    Parameters
    ----------
    results
        As read from a results.json, which rounds.
    intervals
        By collection, then by macro figure (`bootstrap.MACRO_MEASURES`); what is missing is shown without one.
    sections
        By collection: what stands after the sections that follow from the results.
    leaderboard
        Address of the leaderboard's page, seen from the report; no link by default.
    drawn
        By collection, what the intervals draw, in words.
    """
    known, draws = intervals or {}, drawn or {}
    parts = {
        name: [
            *collection_sections(name, collection, known.get(name), draws.get(name, "")),
            *(sections or {}).get(name, ()),
        ]
        for name, collection in results.collections.items()
    }
    views = {
        anchor(name, section.title, view.label): view.data()
        for name, chosen in parts.items()
        for section in chosen
        for view in section.matrices
    }
    return render_page(
        "report.html.j2",
        styles=("base.css", "scales.css", "report.css"),
        scripts=("common.js", "report.js"),
        results=results,
        model=results.model,
        dimension=show_dimension(results.model.dimension),
        parameters=show_parameters(results.model.parameters),
        command=reproducing_command(results),
        is_folder=is_folder(results.model),
        headlines={
            name: headlines(name, collection, known.get(name, {})) for name, collection in results.collections.items()
        },
        verdicts={name: verdict(name, collection) for name, collection in results.collections.items()},
        has_intervals=any(known.values()),
        collections=[(anchor(name), name) for name in results.collections],
        sections=parts,
        choices_of=lambda section, part: [(f"{part}--{anchor(view.label)}", view.label) for view in section.matrices],
        data=_share_lists(views),
        describe=describe_collection,
        evaluation=evaluation_facts,
        settings=model_facts(results.model),
        environment=environment_facts(results.environment),
        leaderboard=leaderboard,
    )


def headlines(name: str, collection: CollectionResults, intervals: Intervals) -> list[Headline]:
    """Return the macro figures that a collection has: its headline measures, and the rank distance.

    Parameters
    ----------
    intervals
        Of the first of the headline measures, and of the rank distance.
    """
    shown = measures_of(name, collection)
    first, *others = shown.headline
    return [
        *(_headline(task, first, collection, intervals.get(task)) for task in shown.tasks),
        *(_headline(task, measure, collection, None) for measure in others for task in shown.tasks),
        *([_headline(RANK_DISTANCE, "", collection, intervals.get(RANK_DISTANCE))] if shown.has_bias else []),
    ]


def collection_sections(
    name: str, collection: CollectionResults, intervals: Intervals | None = None, drawn: str = ""
) -> list[Section]:
    """Return the sections that follow from a collection's results, as far as its judgements allow them."""
    shown = measures_of(name, collection)
    summary, distance = summary_table(name, collection, intervals), distance_table(collection)
    sections = [
        Section(
            title="Averages",
            caption="Each setting has the mean over its queries. Mo., Cr. and Mul. are means over settings (macro); "
            "micro is the mean over all queries of all languages, as LAReQA reports it."
            + (f" Intervals: bootstrap over {drawn}." if drawn else ""),
            tables=[summary],
        )
    ]
    if shown.has_pool:
        sections.append(
            Section(
                title="Pairs of languages",
                caption="Rows are query languages, columns passage languages. Monolingual settings, on the diagonal, "
                "are framed. Mul. is the pool of all languages at once. A pair's queries are those with a relevant "
                "passage in the passage language.",
                matrices=[pair_view(collection, measure) for measure in shown.measures],
            )
        )
    if shown.has_bias:
        sections += [
            Section(
                title="Rank distance",
                caption="How far apart parallel passages rank; lower is better.",
                tables=[distance],
            ),
            Section(
                title="Favoured languages",
                caption="Whose passages come first in the pool of all languages? Rows are query languages, columns the "
                "languages of the relevant passages.",
                matrices=[heatmap.view(collection) for heatmap in HEATMAPS[1:]],
            ),
        ]
    if shown.has_pool:
        sections.append(
            Section(
                title="Multilingual pool",
                caption="Queries of one language, passages of all languages in one pool; the relevant passages of all "
                "languages count. Higher is better.",
                tables=[pool_table(collection, shown.measures)],
            )
        )
    return sections


def _headline(figure: str, measure: str, collection: CollectionResults, interval: Interval | None) -> Headline:
    is_distance = figure == RANK_DISTANCE
    furthest = sum(collection.passages.values()) - 1  # first and last of the pool
    value = collection.macro["multilingual"][figure] if is_distance else collection.macro[figure][measure]
    known = [] if value is None else [value, *((interval.low, interval.high) if interval else ())]
    texts = [*(show_macro(figure, number) for number in known), "", "", ""]
    label, meaning = _MEANINGS[figure]
    return Headline(
        label,
        meaning.format(measure),
        higher_is_better=not is_distance,
        value=texts[0] or show_macro(figure, None),
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
