"""The section on the embedding space."""

from collections.abc import Callable
from functools import partial
from statistics import fmean
from typing import Any

from babelrank.analysis.settings import Cell, Matrix
from babelrank.analysis.space import Space, TextSpace
from babelrank.reporting.formatting import show_number, show_score, show_share
from babelrank.reporting.languages import language_name
from babelrank.reporting.matrices import MatrixView
from babelrank.reporting.sections import Section
from babelrank.reporting.tables import Bars, Column, Table

_SIDES = ("queries", "passages")
_CERTAIN = 0.995  # a share that is shown as 100 %


def space_section(space: Space) -> Section:
    """Show the space of dense vectors, which was measured."""
    return Section(
        title="Embedding space",
        folded=True,
        caption="Ranks show whether languages are favoured; vectors help to explain why. Vectors are scaled to length "
        "1, except for retrieval. Language probe: share of texts whose language a linear classifier predicts from the "
        "vector, on questions that it was not trained on. Uniformity (Wang & Isola 2020, arXiv 2005.10242): lower "
        "values mean that vectors fill the sphere more evenly. IsoScore (Rudman et al. 2022, arXiv 2108.07344): 1 if "
        "all directions have equal variance. Mean cosine (Ethayarajh 2019, arXiv 1909.00512): 0 in an isotropic space. "
        "Hubs (Radovanović et al. 2010): passages that are among the ten nearest of very many texts; skewness 0 means "
        "no hubs.",
        matrices=_views(space),
        tables=[_sides_table(space), _places_table(space), _hub_table(space), _language_table(space)],
    )


def _views(space: Space) -> list[MatrixView]:
    shared = partial(
        MatrixView,
        rows=space.languages,
        columns=space.languages,
        colours="viridis_r",
        limits=(0.0, None),
        unit="passages",
    )
    number = partial(shared, show=show_number, precise=show_score, limits=(0.0, None))

    def view(make: Callable[..., MatrixView], values: Matrix | None, label: str, **fields: Any) -> list[MatrixView]:
        return [] if values is None else [make(label=label, values=values, **{"join": "and", **fields})]

    retrieval, queries, passages = space.parallel_retrieval, space.queries, space.passages
    alignment = "Mean ‖x − y‖² (Wang & Isola 2020, arXiv 2005.10242): 0 if they coincide, 2 if they are orthogonal."
    apart = partial(
        number,
        legend="distance (lower: the languages are closer)",
        note="1 − cos of the means of two languages' vectors (Libovický et al. 2020, arXiv 2004.05160).",
    )
    near = partial(number, legend="mean squared distance (lower is closer)", note=alignment)
    return [
        *view(
            shared,
            retrieval.precision if retrieval else None,
            "translations found",
            title="Share of passages with their translation nearest among all passages in the other language",
            legend="P@1 (higher is better)",
            note="Similarity search as in Artetxe & Schwenk 2019, arXiv 1812.10464. Passages in the row's language are "
            "the queries.",
            colours="viridis",
            limits=(0.0, 1.0),
            show=show_share,
            n=retrieval.n if retrieval else None,
            join="→",
        ),
        *view(
            near,
            space.alignment,
            "alignment",
            title="Distance between queries and their relevant passages",
            note=f"{alignment} Rows are query languages, columns passage languages.",
            join="→",
        ),
        *(
            found
            for texts, name in ((passages, "passages"), (queries, "queries"))
            for found in view(
                near,
                texts.alignment if texts else None,
                f"translated {name}",
                title=f"Distance between {name} that are translations of each other",
            )
        ),
        *(
            found
            for texts, label, name in ((passages, "passage", "passages"), (queries, "query", "queries"))
            for found in view(
                apart,
                texts.centroid_cosine if texts else None,
                f"{label} centroids",
                title=f"Distance between the languages' mean {name}",
            )
        ),
    ]


def _sides_table(space: Space) -> Table:
    rows: list[list[str | Cell]] = []
    for name in _SIDES:
        texts: TextSpace | None = getattr(space, name)
        if texts is not None:
            probe = texts.language_probe
            rows.append(
                [
                    name,
                    probe.accuracy if probe else None,
                    probe.chance if probe else None,
                    texts.uniformity,
                    texts.isoscore,
                    texts.mean_cosine,
                    texts.mean_cosine_within,
                    texts.mean_cosine_across,
                ]
            )
    return Table(
        caption="All languages",
        columns=[
            Column("vectors of"),
            Column("language probe", show_share),
            Column("by chance", show_share),
            Column("uniformity", show_number),
            Column("IsoScore", show_score),
            Column("mean cosine", show_number),
            Column("within a language", show_number),
            Column("across languages", show_number),
        ],
        rows=rows,
    )


def _hub_table(space: Space) -> Table:
    found = {"queries": space.query_hubs, "other passages": space.passage_hubs}
    return Table(
        caption="Hubs: passages among the ten nearest",
        columns=[
            Column("nearest to"),
            Column("largest hub"),
            Column("skewness", show_number),
            Column("never near", show_share),
        ],
        rows=[
            [label, f"{hubs.hubs[0]}, to {hubs.occurrences[0]:,} of {hubs.n:,}", hubs.skewness, hubs.never]
            for label, hubs in found.items()
            if hubs is not None
        ],
    )


def _places_table(space: Space) -> Table:
    passages, hubs = space.passages, space.query_hubs
    pool = sum(passages.n) if passages else 0
    return Table(
        caption="By passage language: bars are the share among queries' ten nearest passages, with the share of the "
        "pool marked",
        columns=[
            Column("passage language"),
            Column("share of the nearest", "{:.1%}".format),
            Column("share of the pool", "{:.1%}".format),
        ],
        rows=[
            [
                language_name(lang),
                hubs.share_of_places[i] if hubs else None,
                passages.n[i] / pool if passages and pool else None,
            ]
            for i, lang in enumerate(space.languages)
        ],
        bars=Bars(length=1, marks=(2,)),
    )


def _language_table(space: Space) -> Table:
    """Return measures by language. If the probe finds every language, a line replaces its columns of 100 %."""
    sides = {name: texts for name in _SIDES if (texts := getattr(space, name)) is not None}
    probes = {name: texts.language_probe.by_language for name, texts in sides.items() if texts.language_probe}
    shares = [share for found in probes.values() for share in found if share is not None]
    certain = bool(shares) and min(shares) >= _CERTAIN
    shown = {} if certain else probes
    return Table(
        caption="By language",
        columns=[
            Column("language"),
            *(Column(f"probe, {side}", show_share) for side in shown),
            *(Column(f"uniformity, {side}", show_number) for side in sides),
        ],
        rows=[
            [
                language_name(lang),
                *(found[i] for found in shown.values()),
                *(texts.uniformity_by_language[i] for texts in sides.values()),
            ]
            for i, lang in enumerate(space.languages)
        ],
        note=f"The language probe is right for at least {_CERTAIN:.1%} of the texts in each language."
        if certain
        else "",
    )


SPACE_FIGURES = ("centroid distance ↓", "language probe", "translation found", "hubness ↓")


def space_figures(space: Space) -> list[Cell]:
    """Return `SPACE_FIGURES`: four numbers about how far languages are aligned.

    The mean cosine distance between languages' mean passages, the accuracy of a probe that names a passage's language,
    the mean share of passages whose nearest neighbour in another language is their translation, and the skewness of how
    often passages are among the ten nearest of queries.
    """
    passages, retrieval, hubs = space.passages, space.parallel_retrieval, space.query_hubs
    return [
        _mean_across(passages.centroid_cosine) if passages else None,
        passages.language_probe.accuracy if passages and passages.language_probe else None,
        _mean_across(retrieval.precision) if retrieval else None,
        hubs.skewness if hubs else None,
    ]


def _mean_across(matrix: Matrix) -> Cell:
    known = [value for i, row in enumerate(matrix) for j, value in enumerate(row) if i != j and value is not None]
    return fmean(known) if known else None
