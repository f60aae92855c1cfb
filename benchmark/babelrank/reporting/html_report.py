"""The interactive report of one model, report.html.

Input: results, as stored in results.json, and estimates from the rank tables. Output: the page.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from babelrank.analysis.friedman import MOST_LANGUAGES
from babelrank.data.language_facts import language_facts
from babelrank.reporting.bias_section import bias_section
from babelrank.reporting.estimates import CollectionEstimates
from babelrank.reporting.facts import (
    describe_collection,
    environment_facts,
    evaluation_facts,
    is_folder,
    model_facts,
    reproducing_command,
)
from babelrank.reporting.formatting import show_dimension, show_parameters
from babelrank.reporting.heatmaps import HEATMAPS, CellIntervals, pair_view
from babelrank.reporting.html_page import anchor, render_page
from babelrank.reporting.key_figures import key_figures
from babelrank.reporting.languages import language_name
from babelrank.reporting.large import by_family
from babelrank.reporting.maps import CAPTION as MAP_CAPTION
from babelrank.reporting.maps import has_map, language_maps, render_map
from babelrank.reporting.matrices import DIGITS
from babelrank.reporting.measures import measures_of
from babelrank.reporting.results import CollectionResults, Results
from babelrank.reporting.sections import Section
from babelrank.reporting.summary import (
    MEANING,
    certainty,
    distance_table,
    language_table,
    pool_table,
    summary_table,
    verdict,
)

REPORT_PAGE = "report.html"
_SHARED = frozenset(("rows", "columns", "n"))


def render_report_html(
    results: Results,
    estimates: Mapping[str, CollectionEstimates] | None = None,
    sections: Mapping[str, Sequence[Section]] | None = None,
    leaderboard: str | None = None,
    cells: Mapping[str, Mapping[str, CellIntervals]] | None = None,
) -> str:
    """Return the content of report.html, which depends on the arguments alone.

    Parameters
    ----------
    results
        Results as read from a results.json, where they are rounded.
    estimates
        Estimates by collection. Collections without estimates have no intervals.
    sections
        Further sections by collection, shown after those that follow from the results.
    leaderboard
        Address of the leaderboard's page, relative to the report; no link by default.
    cells
        Intervals of the cells of `pair_view`, by collection and measure.
    """
    known = {name: (estimates or {}).get(name, CollectionEstimates()) for name in results.collections}
    parts = {
        name: [
            *collection_sections(name, collection, known[name], (cells or {}).get(name, {})),
            *(sections or {}).get(name, ()),
        ]
        for name, collection in results.collections.items()
    }
    parts = {
        name: [replace(section, matrices=[*map(by_family, section.matrices)]) for section in chosen]
        for name, chosen in parts.items()
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
        scripts=("common.js", "zoom.js", "report.js"),
        results=results,
        model=results.model,
        dimension=show_dimension(results.model.dimension),
        parameters=show_parameters(results.model.parameters),
        command=reproducing_command(results),
        is_folder=is_folder(results.model),
        figures={name: key_figures(name, each, known[name]) for name, each in results.collections.items()},
        verdicts={name: verdict(name, each, known[name].bias) for name, each in results.collections.items()},
        has_intervals=any(interval.is_known for each in known.values() for interval in each.intervals.values()),
        collections=[(anchor(name), name) for name in results.collections],
        sections=parts,
        choices_of=lambda section, part: [(f"{part}--{anchor(view.label)}", view.label) for view in section.matrices],
        data=_share_lists(views) | _many(results),
        svg_of=render_map,
        describe=describe_collection,
        evaluation=evaluation_facts,
        settings=model_facts(results.model),
        environment=environment_facts(results.environment),
        leaderboard=leaderboard,
    )


def collection_sections(
    name: str, collection: CollectionResults, estimates: CollectionEstimates, cells: Mapping[str, CellIntervals]
) -> list[Section]:
    """Return the sections that follow from a collection's results, as far as its judgements allow them."""
    shown = measures_of(name, collection)
    sections = [
        Section(
            title="Averages",
            caption=f"{MEANING if shown.has_pool else ''} {certainty(estimates)}".strip(),
            tables=[summary_table(name, collection, estimates.intervals)],
        )
    ]
    if shown.has_pool:
        sections += [
            Section(
                title="By language",
                caption="How well each language works as the language of queries and of passages. Longer bars are "
                "better.",
                tables=[language_table(collection, shown.headline[0], estimates)],
            ),
            Section(
                title="Pairs of languages",
                caption="Rows are query languages, columns passage languages. Monolingual settings, on the diagonal, "
                "are framed. Mul. is the pool of all languages. A pair counts only queries that have a relevant "
                "passage in the passage language. Hover over a cell, or move to it by keyboard, for its interval.",
                matrices=[pair_view(collection, measure, cells.get(measure)) for measure in shown.measures],
            ),
        ]
    if has_map(name, collection):
        sections.append(Section("Map", MAP_CAPTION, maps=language_maps(name, collection)))
    if estimates.bias:
        sections.append(bias_section(estimates.bias))
    if shown.has_bias:
        sections += [
            Section(
                title="Rank distance",
                caption="How far apart parallel passages rank; lower is better.",
                tables=[distance_table(collection)],
            ),
            Section(
                title="Favoured languages",
                caption="Which language's passages come first in the pool of all languages? Rows are query languages, "
                "columns the languages of the relevant passages.",
                matrices=[heatmap.view(collection) for heatmap in HEATMAPS[1:]],
            ),
        ]
    if shown.has_pool:
        sections.append(
            Section(
                title="Multilingual pool",
                caption="Queries in one language, passages of all languages in one pool. Relevant passages of all "
                "languages count. Higher is better.",
                tables=[pool_table(collection, shown.measures, estimates.recall)],
            )
        )
    return sections


def _many(results: Results) -> dict[str, object]:
    """Return what matrices of large collections need: facts on their languages, mAP within each, digits of cells."""
    large = {name: each for name, each in results.collections.items() if len(each.languages) > MOST_LANGUAGES}
    facts = {lang: language_facts(lang) for each in large.values() for lang in each.languages}
    return {
        "languages": {
            lang: {
                "name": language_name(lang),
                "family": fact.family,
                "script": fact.script,
                "resources": fact.resource_class,
            }
            for lang, fact in facts.items()
        },
        "scores": {
            anchor(name): {lang: each.pairs.scores["mAP"][i][i] for i, lang in enumerate(each.languages)}
            for name, each in large.items()
        },
        "digits": DIGITS,
    }


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
