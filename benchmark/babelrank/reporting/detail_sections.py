"""Sections of a report that follow from a rank table."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from babelrank.analysis.consistency import PERSISTENCE, Consistency
from babelrank.analysis.detail import Detail
from babelrank.analysis.friedman import FriedmanTests
from babelrank.analysis.language_bias import LanguageBias
from babelrank.analysis.list_consistency import ListConsistency
from babelrank.analysis.preference import DEPTHS, LanguagePreference
from babelrank.analysis.proportions import wilson_intervals
from babelrank.analysis.settings import Matrix, as_cells
from babelrank.reporting.bias_section import bias_views
from babelrank.reporting.formatting import show_count, show_number, show_p, show_rank, show_score, show_share
from babelrank.reporting.language_section import distance_section, explanation_section, group_section
from babelrank.reporting.languages import language_name
from babelrank.reporting.matrices import MatrixView
from babelrank.reporting.sections import Section
from babelrank.reporting.tables import Bars, Column, Table


def detail_sections(detail: Detail) -> list[Section]:
    """Return the sections on one collection that follow from its rank table."""
    languages = detail.figures.languages
    return [
        preference_section(detail.preference, detail.bias, languages),
        own_language_section(detail.preference, languages),
        test_section(detail.tests),
        consistency_section(detail.consistency, detail.lists, languages),
        group_section(detail.groups, detail.figures.warning),
        distance_section(detail),
        *([explanation_section(detail.explanations)] if detail.explanations else []),
    ]


def preference_section(preference: LanguagePreference, bias: LanguageBias, languages: Sequence[str]) -> Section:
    """Show how high each passage language ranks, and which of two languages ranks higher."""
    view = partial(
        MatrixView, rows=languages, columns=languages, show=show_share, colours="cividis", limits=(0.0, None)
    )
    by_passage = partial(view, n=preference.n)
    even = all(len({round(share, 12) for share in row if share is not None}) < 2 for row in preference.share_expected)
    found = "Each row adds up to 100 %."
    if not even:
        found += " Not every query has a passage in every language: compare with “share without bias”."
    matrices = [
        *bias_views(bias),
        view(
            label="which of two",
            title="How often the row's passage ranks above the column's",
            values=preference.above_macro,
            legend="share of queries; 50 % without bias",
            note="P(rank a < rank b) + ½ P(rank a = rank b) over queries with a relevant passage in both, mean over "
            "query languages. Above 50 % the row's language is preferred.",
            limits=(0.0, 1.0),
            join="above",
        ),
        by_passage(
            label="reciprocal rank",
            title="Mean reciprocal rank in the pool of each language's best relevant passage",
            values=preference.reciprocal_rank,
            legend="mean of 1 / rank",
            note="From 1 / |D| to 1. Only one passage of a query can be first, so not all values of a row can be 1.",
            show=show_score,
        ),
        *(
            by_passage(
                label=f"in top {depth}",
                title=f"Share of queries with the language's relevant passage in the top {depth} of the pool",
                values=preference.in_top[str(depth)],
                legend="share of queries",
                note=f"Rank in the pool ≤ {depth}. Without bias, a row has one colour.",
            )
            for depth in DEPTHS
        ),
        *(
            view(
                label=f"share of top {depth}",
                title=f"Share of each language among the relevant passages in the top {depth}",
                values=preference.share_of_top[str(depth)],
                legend=f"share of what is found{'; equal without bias' if even else ''}",
                note=found,
                n=[[sum(row)] * len(row) for row in hits],
                unit="passages found",
                intervals=wilson_intervals(hits, [[sum(row)] * len(row) for row in hits]),
            )
            for depth in DEPTHS[1:]
            for hits in [_hits(preference, str(depth))]
        ),
    ]
    if not even:
        matrices.append(
            by_passage(
                label="share without bias",
                title="Share without bias: share of each language among all relevant passages",
                values=preference.share_expected,
                legend="share of relevant passages",
                note="The share in the top passages, at any depth, of an encoder without bias. Rows add up to 100 %.",
            )
        )
    return Section(
        title="Preference between languages",
        caption="Which of a query's parallel passages rank high in the pool? Rows are query languages, columns "
        "passage languages. Only queries with relevant passages in at least two languages count.",
        matrices=matrices,
    )


def own_language_section(preference: LanguagePreference, languages: Sequence[str]) -> Section:
    """Show whether passages in the query's own language are preferred."""
    own = preference.own
    macro = [own.macro[name] for name in ("own_above", "own_first", "own_first_expected")]
    rows = zip(map(language_name, languages), own.above, own.first, own.first_expected, own.n, strict=True)
    return Section(
        title="The query's own language",
        caption="Does a query prefer the passage in its own language? Above: share of the other languages' relevant "
        "passages that rank below the one in the query's language (50 % without bias). First: share of queries for "
        "which the passage in their own language comes first, next to the value without bias.",
        tables=[
            Table(
                caption="Preference for the query's own language: bars are the share ranked below it, from 0 to 100 %",
                columns=[
                    Column("query language"),
                    Column("above", show_share),
                    Column("first", show_share),
                    Column("first without bias", show_share),
                    Column("n", show_count),
                ],
                rows=[*map(list, rows), ["mean over query languages", *macro, None]],
                bars=Bars(length=1, limit=1.0),
                footer=1,
            )
        ],
    )


def test_section(tests: FriedmanTests) -> Section:
    """Show whether the languages' ranks differ by more than chance."""
    which = "Friedman's test" if all(tests.complete) else "the test of Skillings and Mack (Friedman's, for gaps)"
    languages = tests.labels
    rows = zip(
        map(language_name, languages),
        tests.statistic,
        tests.degrees_of_freedom,
        tests.p_holm,
        tests.concordance,
        tests.concordance_expected,
        tests.queries,
        strict=True,
    )
    # Number of query languages that prefer the row's language, minus the number that prefer the column's.
    verdicts = np.array(
        [[[np.nan if cell is None else cell for cell in row] for row in matrix] for matrix in tests.preferred]
    )
    known = ~np.isnan(verdicts)
    balance = np.where(known.any(axis=0), np.where(known, verdicts, 0.0).sum(axis=0), np.nan)
    values: Matrix = [[None if np.isnan(cell) else float(cell) for cell in row] for row in balance]
    return Section(
        title="Are the differences real?",
        folded=True,
        caption=f"For each query language, {which} over the ranks of parallel passages. p-values are corrected over "
        "query languages (Holm). Kendall's W is the effect size: 0 if all languages are treated alike, 1 if every "
        "query ranks them in the same order. " + " ".join(tests.warnings),
        matrices=[
            MatrixView(
                label="pairs",
                title="Query languages that prefer the row's language, minus those that prefer the column's",
                rows=languages,
                columns=languages,
                values=values,
                show=_show_balance,
                legend="query languages",
                note="Sign tests between two passage languages, at 5 % after Holm's correction over the pairs of a "
                "query language.",
                colours="cividis",
                limits=(-float(len(languages)), float(len(languages))),
                join="over",
            )
        ],
        tables=[
            Table(
                caption="Tests by query language: bars are Kendall's W, from 0 to 1",
                columns=[
                    Column("query language"),
                    Column("χ²", show_count),
                    Column("df", show_count),
                    Column("p, Holm", show_p),
                    Column("Kendall's W", show_score),
                    Column("W by chance", show_score),
                    Column("n", show_count),
                ],
                rows=[*map(list, rows)],
                bars=Bars(length=4, limit=1.0),
            )
        ],
    )


def consistency_section(consistency: Consistency, lists: ListConsistency | None, languages: Sequence[str]) -> Section:
    """Show whether translations of a question retrieve the same passages, and rank answers in the same order."""
    view = partial(MatrixView, rows=languages, columns=languages, unit="questions", join="and")
    likeness = partial(view, show=show_number, precise=show_score, limits=(None, 1.0))
    views = []
    if lists:
        legend = "0: chance, 1: the same list"
        compared = (
            (f"overlap@{lists.depth}", lists.overlap, lists.overlap_chance, "share of passages in both lists"),
            (f"RBO@{lists.depth}", lists.rbo, lists.rbo_chance, "rank-biased overlap (Webber et al. 2010)"),
        )
        views += [
            likeness(
                label=label,
                title=f"{label} of the lists for a question in two languages, beyond chance",
                values=_beyond_chance(values, chance),
                legend=legend,
                note=f"The {meaning}, corrected for chance: 0 is the value of lists for different questions.",
                n=lists.n,
            )
            for label, values, chance, meaning in compared
        ]
    views += [
        likeness(
            label="answers' order, RBO",
            title="Order of the answers: rank-biased overlap for a question in two languages",
            values=consistency.rbo,
            legend="similarity (higher is more consistent)",
            note=f"Webber et al. 2010, p = {PERSISTENCE}; 1 if the orders are the same.",
            n=consistency.n,
        ),
        likeness(
            label="answers' order, RankC",
            title="Order of the answers: RankC-like overlap for a question in two languages",
            values=consistency.rankc,
            legend="similarity (higher is more consistent)",
            note="After Qi et al. 2023 (arXiv 2310.10378). The first place has nearly all the weight.",
            n=consistency.n,
        ),
        view(
            label="rank gap",
            title="Difference in rank of the answers in the query's own language",
            values=consistency.own_rank_gap,
            show=show_rank,
            legend="mean difference of ranks (lower is more consistent)",
            note="Mean absolute difference between the pool ranks of the own-language answers when a question is asked "
            "in one language and in the other.",
            colours="viridis_r",
            n=consistency.own_n,
        ),
    ]
    return Section(
        title="Consistency",
        folded=True,
        caption="Do a question's translations retrieve the same passages? Diagonals compare a language with itself. "
        f"{_describe_lists(lists)}{_describe_orders(consistency)}",
        matrices=[each for each in views if each.bounds],
    )


def _describe_lists(lists: ListConsistency | None) -> str:
    macro = lists.macro if lists else {"overlap": None}
    if lists is None or macro["overlap"] is None:
        return ""
    return (
        f"On average, two languages share {show_share(macro['overlap'])} of their top {lists.depth} passages. "
        f"Corrected for chance, this is {show_score(macro['overlap_beyond_chance'])} (0: lists of different "
        "questions, 1: the same list). "
    )


def _describe_orders(consistency: Consistency) -> str:
    macro = consistency.macro
    if macro["rbo"] is None:
        return "No question with several answers is asked in two languages, so orders of answers are not compared."
    return (
        "The orders in which two languages rank a question's answers have a rank-biased overlap of "
        f"{show_score(macro['rbo'])} (random orders: {show_score(macro['rbo_random'])}). Corrected for chance, this is "
        f"{show_score(macro['rbo_beyond_random'])} (0: random orders, 1: the same order)."
    )


def _beyond_chance(values: Matrix, chance: Matrix) -> Matrix:
    found, expected = (np.array(matrix, dtype=float) for matrix in (values, chance))
    return as_cells((found - expected) / np.where(expected == 1, np.nan, 1 - expected))


def _hits(preference: LanguagePreference, depth: str) -> list[list[int]]:
    """Return the number of relevant passages of each language within a depth."""
    return [
        [round((share or 0.0) * n) for share, n in zip(*rows, strict=True)]
        for rows in zip(preference.in_top[depth], preference.n, strict=True)
    ]


def _show_balance(number: float) -> str:
    return f"{number:+.0f}".replace("-", "−") if number else "0"
