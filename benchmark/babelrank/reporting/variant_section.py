"""Versions of the same questions in one report -> a table of what the wording changes."""

from collections.abc import Mapping
from functools import partial

from babelrank.analysis.query_variants import VariantGain, mean_gain
from babelrank.data.variants import split_name
from babelrank.reporting.formatting import show_count, show_difference, show_score
from babelrank.reporting.languages import language_name
from babelrank.reporting.results import Results
from babelrank.reporting.sections import Section
from babelrank.reporting.tables import Column, Entry, Table


def find_original(results: Results, name: str) -> str | None:
    """Return the collection of the original queries if `name` has a variant of them over the same passages."""
    original, variant = split_name(name)
    found, other = results.collections.get(original), results.collections[name]
    if not variant or found is None or (found.languages, found.passages) != (other.languages, other.passages):
        return None
    return original


def variant_section(name: str, gains: Mapping[str, VariantGain], measure: str) -> Section:
    """Show how the queries of a variant do against the original ones, by query language."""
    original, variant = split_name(name)
    rows: list[list[Entry]] = [
        [language_name(lang), each.queries, each.original, each.variant, each.gain] for lang, each in gains.items()
    ]
    return Section(
        title="Against the original questions",
        caption=f"The same questions over the same passages, in the original ({original}) and in another version "
        f"({variant}): {measure} in the pool, compared question by question.",
        tables=[
            Table(
                caption=f"{measure} of the original questions and of the variant {variant}",
                columns=[
                    Column("query language"),
                    Column("questions", show_count),
                    Column("original ↑", show_score),
                    Column(f"{variant} ↑", show_score),
                    Column("gain", partial(show_difference, "multilingual")),
                ],
                rows=[*rows, ["mean over languages", None, None, None, mean_gain(gains)]],
                note="Intervals of the gain are paired: both versions are drawn together.",
                footer=1,
            )
        ],
    )
