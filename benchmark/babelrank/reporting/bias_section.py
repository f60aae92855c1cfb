"""Tables and sections on language bias: how much the passage's language matters, and which languages it favours."""

from collections.abc import Sequence
from functools import partial

from babelrank.analysis.bias_measure import BiasMeasure
from babelrank.analysis.language_bias import LanguageBias
from babelrank.reporting.estimates import BiasSummary
from babelrank.reporting.formatting import show_bias, show_share, show_signed
from babelrank.reporting.languages import language_name
from babelrank.reporting.matrices import MatrixView
from babelrank.reporting.sections import Section
from babelrank.reporting.tables import Column, Table, show_cell

_LABELS = {
    "language_effect": "language effect η² ↓",
    "rank_ratio": "rank ratio, most to least favoured language ↓",
    "kendall_w": "Kendall's W ↓",
    "merge_gap": "merge gap, in mAP ↓",
    "own_first": "own language first",
    "own_above": "own language above the others",
    "exposure_relevant": "inequality of exposure@10, relevant passages ↓",
}
MEANING = (
    "The language effect η² is the share of the variance of log ranks within queries that the passage's language "
    "explains, minus the share expected by chance: 0 without bias at any accuracy, 1 if the language decides "
    "everything. Rank ratio: how many times higher answers in the most favoured language rank than those in the least "
    "favoured one. Merge gap: mAP if the languages' separate rankings are merged in turns, minus mAP in the shared "
    "pool; its value without bias cannot be computed from the ranks. Measures of MLAIRE (arXiv 2605.07249) are "
    "missing, as their formulas could not be verified."
)


def bias_table(bias: BiasSummary) -> Table:
    """Return the macro measures of language bias, with the values of an encoder without bias."""
    intervals = ", with 95 % intervals" if any(each.value.is_known for each in bias.measures.values()) else ""
    return Table(
        caption=f"Measures of language bias, means over query languages{intervals}",
        columns=[
            Column("measure"),
            *(Column(label, show_bias) for label in ("value", "without bias", "lowest", "highest")),
        ],
        rows=[
            [label, found.value, found.shuffled, found.floor, found.ceiling]
            for measure, label in _LABELS.items()
            if (found := bias.measures.get(measure))
        ],
        note=MEANING,
    )


def bias_columns(chosen: Sequence[str]) -> list[Column]:
    """Return columns for some measures of language bias."""
    return [Column(_LABELS[measure], show_bias) for measure in chosen]


def effect_table(bias: BiasSummary) -> Table:
    """Return how much higher or lower answers rank in each passage language, most favoured first."""
    return Table(
        caption="Favoured languages: m, the mean difference in log rank from a query's average answer",
        columns=[Column("passage language"), Column("m", show_signed)],
        rows=[[language_name(lang), bias.effects[lang]] for lang, _ in bias.favoured],
        note="Below 0, a language is favoured: −0.69 means half the rank of the average answer, +0.69 twice the rank.",
    )


def bias_section(bias: BiasSummary) -> Section:
    """Show how much the passage's language matters, and which languages it favours."""
    return Section(
        title="Language bias",
        caption="How much does a passage's language affect its rank in the pool? “By language” shows which languages "
        "that favours (m).",
        tables=[bias_table(bias)],
    )


def _describe(measure: BiasMeasure) -> str:
    """Return a macro measure with its interval, what no bias gives, and its range."""
    values = [show_cell(each, show_bias) for each in (measure.macro, measure.shuffled, measure.floor, measure.ceiling)]
    return "{} ({} without bias; from {} to {})".format(*values)


def bias_views(found: LanguageBias) -> Sequence[MatrixView]:
    """Return favoured languages by query language: m, and exposure in the top 10."""
    languages = found.effect.languages
    view = partial(MatrixView, rows=languages, columns=languages, colours="cividis")
    exposure = [("relevant passages", found.exposure.relevant), ("other passages", found.exposure.irrelevant)]
    return [
        view(
            label="m",
            title="m of each passage language: mean difference in log rank from the query's average answer",
            values=found.effect.effects,
            show=show_signed,
            legend="difference in log rank (below 0: favoured)",
            colours="cividis_r",
            note="Without bias, all values are 0.",
        ),
        *(
            view(
                label=f"exposure, {what}",
                title=f"Share of each language in the exposure of {what} in the top 10",
                values=shares.share,
                show=show_share,
                legend="share of 1 / log₂(rank + 1), over ranks 1 to 10",
                note="Each row adds up to 100 %. Without bias, all languages have equal shares. Inequality, the share "
                f"that would have to move to other languages, is {_describe(shares.unevenness)}.",
                limits=(0.0, None),
            )
            for what, shares in exposure
            if shares
        ),
    ]
