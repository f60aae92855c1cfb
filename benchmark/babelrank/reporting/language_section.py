"""Sections on groups of languages, on the distance between languages, and on what explains their scores."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from babelrank.analysis.bootstrap import MACRO_MEASURES
from babelrank.analysis.comparison import holm
from babelrank.analysis.detail import Detail
from babelrank.analysis.groups import LOW_RESOURCE, Group
from babelrank.analysis.settings import Cell
from babelrank.analysis.typology import MEASURED, Explanation
from babelrank.reporting.formatting import show_count, show_macro, show_p, show_signed
from babelrank.reporting.sections import Section
from babelrank.reporting.summary import MACRO_LABELS
from babelrank.reporting.tables import Column, Table

_CROSS = ("cross_lingual",)
# Facts about languages by which settings are grouped, in the order in which they are shown, and their names.
_FACTS = {
    "script": "script",
    "family": "family",
    "genus": "genus",
    "resource_class": "resources",
    "seen": "training",
} | {name: name for name in MEASURED}
# Views of `analysis.groups`.
_VIEWS = {
    **{f"query_{fact}": name for fact, name in _FACTS.items()},
    **{f"passage_{fact}": f"passage, {name}" for fact, name in _FACTS.items()},
    **dict.fromkeys(("pair_script", "pair_family", "pair_seen", "distant_low_resource"), "pair"),
}


def group_section(groups: Mapping[str, Sequence[Group]], warning: str | None = None) -> Section:
    """Show scores by groups of languages, and a warning if there is one."""
    return Section(
        title="Groups of languages",
        folded=True,
        caption="Macro averages by script (Unicode), family (Glottolog), genus (WALS) and resource class (Joshi et al. "
        f"2020, arXiv 2004.09095; 0 to 5){'' if warning else ', with 95 % intervals'}. Groups of one language are left "
        f"out.{f' {warning}' if warning else ''} Distant low-resource pairs differ in family and script, and the lower "
        f"resource class of the two is at most {LOW_RESOURCE}. Distances and tokens are cut into thirds of the "
        "languages.",
        tables=[
            Table(
                caption=caption,
                columns=[
                    Column("group"),
                    Column("languages"),
                    *(Column(MACRO_LABELS[figure], partial(show_macro, figure)) for figure in figures),
                    Column("pairs", show_count),
                ],
                rows=[
                    [
                        f"{_VIEWS[view]}: {group.label}",
                        ", ".join(group.languages),
                        *(group.intervals.get(figure) for figure in figures),
                        group.settings.get("cross_lingual"),
                    ]
                    for view in _VIEWS
                    if view.startswith(prefixes)
                    for group in groups.get(view, ())
                    if len(group.languages) > 1
                ],
            )
            for caption, prefixes, figures in (
                ("By query language", ("query_",), MACRO_MEASURES),
                ("By passage language and by pair: cross-lingual settings", ("passage_", "pair_", "distant_"), _CROSS),
            )
        ],
    )


def distance_section(detail: Detail) -> Section:
    """Show whether scores depend on the distance between two languages."""
    by_kind = [
        [found[kind] for found in (detail.score_by_distance, detail.rank_by_distance)]
        for kind in detail.score_by_distance
    ]
    p_values = [[each.p, each.partial_p] for found in by_kind for each in found]
    corrected = holm(np.array(p_values, dtype=float).ravel()).reshape(len(by_kind), 4)
    rows: list[list[str | Cell]] = [
        [
            kind,
            score.rho,
            float(p[0]),
            score.partial_rho,
            float(p[1]),
            rank.rho,
            float(p[2]),
            rank.partial_rho,
            float(p[3]),
            rank.pairs,
        ]
        for kind, (score, rank), p in zip(detail.score_by_distance, by_kind, corrected, strict=True)
    ]
    correlations = [
        column
        for group in ("mAP", "mean rank")
        for label in ("ρ", "partial ρ")
        for column in (Column(label, show_signed, group), Column("p", show_p, group))
    ]
    return Section(
        title="Distance between languages",
        folded=True,
        caption="Spearman's correlation, over ordered pairs of languages, of typological distance (after URIEL, "
        "Littell et al. 2017) with cross-lingual mAP and with the mean rank in the pool. p-values come from Mantel's "
        f"test, which permutes languages, corrected over all {np.size(corrected)} in the table (Holm). Partial: the "
        "resource class of the pair held constant. A negative ρ with mAP says that the encoder serves distant pairs "
        "worse.",
        tables=[
            Table(
                caption="Correlation with the distance between query and passage language",
                columns=[Column("distance"), *correlations, Column("pairs", show_count)],
                rows=rows,
            )
        ],
    )


def explanation_section(explanations: Mapping[str, Explanation]) -> Section:
    """Show which traits of languages their scores depend on."""
    first = next(iter(explanations.values()))
    cells = {
        name: {each.trait: (each.rho, each.partial) for each in found.associations}
        for name, found in explanations.items()
    }
    return Section(
        title="What explains the scores?",
        caption=f"Spearman's correlation of mAP with traits of {len(first.languages)} languages (one variant of each, "
        "those with all traits known), alone and with the other traits held constant (partial). 95 % intervals "
        f"resample the {first.families} language families, as related languages are not independent; with few "
        "families they are too narrow. Few tokens may also be unknown ones, so both are in the table.",
        tables=[
            Table(
                caption="Correlation of mAP with traits of the language",
                columns=[
                    Column("trait"),
                    *(Column(label, show_signed, name) for name in explanations for label in ("ρ", "partial ρ")),
                ],
                rows=[
                    [each.trait, *(value for found in cells.values() for value in found.get(each.trait, (None, None)))]
                    for each in first.associations
                ],
            )
        ],
    )
