"""Tables on the differences between two models."""

import math

from babelrank.analysis.comparison import Comparison
from babelrank.reporting.formatting import NO_VALUE, show_change, show_difference, show_signed
from babelrank.reporting.languages import language_name
from babelrank.reporting.summary import MACRO_LABELS
from babelrank.reporting.tables import Column, Table

_LABELS = ("difference (95 %)", "p", "p, Holm", "d", "won / tied / lost")


def comparison_tables(first: str, second: str, collection: str, measure: str, comparison: Comparison) -> list[Table]:
    """Return how two models differ on a collection: macro averages with tests, then gains by query language."""
    found = comparison.macro
    macro = Table(
        f"{first} − {second} on {collection}, {measure}",
        [Column(""), *(Column(label, numeric=True) for label in _LABELS)],
        [
            [
                MACRO_LABELS[figure],
                show_change(figure, found[figure].interval),
                f"{found[figure].p:.4f}",
                f"{found[figure].p_holm:.4f}",
                NO_VALUE if math.isnan(found[figure].effect) else show_signed(found[figure].effect),
                f"{tally.wins}/{tally.ties}/{tally.losses}",
            ]
            for figure, tally in comparison.tallies.items()
        ],
        note=f"Intervals and tests draw {comparison.drawn}. p, Holm: corrected over all figures and pairs of models. "
        f"Won and lost {comparison.tallied}: at 5 %, corrected over those of one kind. d: Cohen's effect size. "
        "Rank distance: lower wins. Tests compare these checkpoints; other seeds of a recipe may differ by more."
        + (f" p tests for differences of more than {comparison.margin:g} in {measure}." if comparison.margin else "")
        + (f" {comparison.warning}" if comparison.warning else ""),
    )
    gains = Table(
        "",
        [Column("query language"), *(Column(MACRO_LABELS[figure], numeric=True) for figure in found)],
        [
            [language_name(lang), *(show_difference(figure, float(comparison.gains[figure][i])) for figure in found)]
            for i, lang in enumerate(comparison.languages)
        ],
    )
    return [macro, gains]
