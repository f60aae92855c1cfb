"""Versions of the same questions in one report -> tables of what the wording changes."""

from collections.abc import Mapping
from functools import partial

from babelrank.analysis.query_variants import VariantGain, mean_gain
from babelrank.data.variants import split_name
from babelrank.reporting.formatting import show_count, show_difference, show_score
from babelrank.reporting.languages import language_name
from babelrank.reporting.results import RanksFile, Results
from babelrank.reporting.sections import Section
from babelrank.reporting.tables import Column, Entry, Table

ORIGINAL = "original"


def find_versions(results: Results, name: str) -> dict[str, RanksFile]:
    """Return the rank tables of other versions of a variant's queries, over the same passages.

    These are `ORIGINAL` and the variants that come before this one, so that a report compares each pair once. Empty if
    `name` is not a variant.
    """
    original, variant = split_name(name)
    here = results.collections[name]
    found = {}
    for other, collection in sorted(results.collections.items()):
        same = (collection.languages, collection.passages) == (here.languages, here.passages)
        if variant and same and collection.ranks and split_name(other)[0] == original and other < name:
            found[split_name(other)[1] or ORIGINAL] = collection.ranks
    return found


def variant_section(name: str, gains: Mapping[str, Mapping[str, VariantGain]], measure: str) -> Section:
    """Show how the queries of a variant do against other versions, by version and query language."""
    original, variant = split_name(name)
    alone = list(gains) == [ORIGINAL]
    versions = f"in the original ({original}) and in another version ({variant})" if alone else "in several versions"
    return Section(
        title="Against the original questions" if alone else "Against other versions of the questions",
        caption=f"The same questions over the same passages, {versions}: {measure} in the pool, compared question by "
        "question.",
        tables=[_table(other, variant, found, measure) for other, found in gains.items()],
    )


def _table(other: str, variant: str, gains: Mapping[str, VariantGain], measure: str) -> Table:
    rows: list[list[Entry]] = [
        [language_name(lang), each.queries, each.original, each.variant, each.gain] for lang, each in gains.items()
    ]
    both = (
        f"original questions and of the variant {variant}" if other == ORIGINAL else f"variants {other} and {variant}"
    )
    return Table(
        caption=f"{measure} of the {both}",
        columns=[
            Column("query language"),
            Column("questions", show_count),
            Column(f"{other} ↑", show_score),
            Column(f"{variant} ↑", show_score),
            Column("gain", partial(show_difference, "multilingual")),
        ],
        rows=[*rows, ["mean over languages", None, None, None, mean_gain(gains)]],
        note="Intervals of the gain are paired: both versions are drawn together.",
        footer=1,
    )
