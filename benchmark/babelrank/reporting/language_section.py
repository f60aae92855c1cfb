"""What is known of the languages -> sections: figures by groups of them, and by how far apart two are."""

from collections.abc import Mapping, Sequence

import numpy as np

from babelrank.analysis.bootstrap import MACRO_MEASURES
from babelrank.analysis.comparison import holm
from babelrank.analysis.detail import Detail
from babelrank.analysis.groups import LOW_RESOURCE, Group
from babelrank.analysis.settings import Cell
from babelrank.reporting.formatting import NO_VALUE, show_count, show_interval, show_p, show_signed
from babelrank.reporting.sections import Section
from babelrank.reporting.summary import MACRO_LABELS
from babelrank.reporting.tables import Column, Table

_CROSS = ("cross_lingual",)
# Views of `analysis.groups`, in the order in which they are shown, and what they are called.
_VIEWS = {
    "query_script": "script",
    "query_family": "family",
    "query_genus": "genus",
    "query_resource_class": "resources",
    "query_seen": "training",
    "passage_script": "passage script",
    "passage_family": "passage family",
    "passage_genus": "passage genus",
    "passage_resource_class": "passage resources",
    "passage_seen": "passage, training",
    "pair_script": "pair",
    "pair_family": "pair",
    "pair_seen": "pair",
    "distant_low_resource": "pair",
}


def group_section(groups: Mapping[str, Sequence[Group]]) -> Section:
    """Show figures by what is known of the languages."""
    return Section(
        title="Groups of languages",
        caption="Macro figures by script (Unicode), family (Glottolog), genus (WALS) and resource class (Joshi et al. "
        "2020, arXiv 2004.09095; 0 to 5), with 95 % intervals; groups of one language are left out. Distant "
        f"low-resource pairs differ in family and script, and the lower resource class of the two is at most "
        f"{LOW_RESOURCE}.",
        tables=[
            Table(
                caption=caption,
                columns=[
                    Column("group"),
                    Column("languages"),
                    *(Column(MACRO_LABELS[figure]) for figure in MACRO_MEASURES if figure in figures),
                    Column("pairs", show_count),
                ],
                rows=[
                    [
                        f"{_VIEWS[view]}: {group.label}",
                        ", ".join(group.languages),
                        *(
                            show_interval(figure, group.intervals[figure]) if figure in group.intervals else NO_VALUE
                            for figure in MACRO_MEASURES
                            if figure in figures
                        ),
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
    """Show whether figures go with how far apart two languages are."""
    kinds = list(detail.score_by_distance)
    corrected = {
        name: holm(np.array([found[kind].p for kind in kinds], dtype=float))
        for name, found in (("score", detail.score_by_distance), ("rank", detail.rank_by_distance))
    }
    rows: list[list[str | Cell]] = [
        [
            kind,
            detail.score_by_distance[kind].rho,
            float(corrected["score"][i]),
            detail.score_by_distance[kind].partial_rho,
            detail.rank_by_distance[kind].rho,
            float(corrected["rank"][i]),
            detail.rank_by_distance[kind].pairs,
        ]
        for i, kind in enumerate(kinds)
    ]
    return Section(
        title="Distance between languages",
        caption="Spearman's correlation, over ordered pairs of languages, of typological distance (after URIEL, "
        "Littell et al. 2017) with cross-lingual mAP, and with the mean rank in the pool; p-values by Mantel's test, "
        "which permutes languages, corrected over the kinds of distance (Holm). Partial: with the resource class of "
        "the pair held constant. A negative ρ with mAP says that the encoder serves distant pairs worse.",
        tables=[
            Table(
                caption="Correlation with the distance between query and passage language",
                columns=[
                    Column("distance"),
                    Column("ρ with mAP", show_signed),
                    Column("p, Holm", show_p),
                    Column("partial ρ", show_signed),
                    Column("ρ with rank", show_signed),
                    Column("p, Holm", show_p),
                    Column("pairs", show_count),
                ],
                rows=rows,
            )
        ],
    )
