"""Test whether passage languages really differ in rank: rank tests over queries, one for each query language.

In: a rank table. Out: Friedman's test (Friedman 1937) over a query's parallel passages, generalised to queries with
only some of the languages; its effect size; and which of two languages ranks above the other more often than by chance.
Where a test is degenerate, a sentence says so.

By default, tests treat queries as independent. Questions about one article are not independent, so these p-values are
too small. With clusters of questions, p-values come from sums over clusters. Effect sizes are the same either way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components, laplacian
from scipy.special import bdtr, chdtrc, chdtri

from babelrank.analysis.clustered_tests import hotelling_test, t_test
from babelrank.analysis.clusters import query_clusters, sum_by_cluster
from babelrank.analysis.comparison import holm
from babelrank.analysis.preference import BestRanks, best_ranks, count_pairs, count_wins
from babelrank.analysis.settings import Cell, Matrix, as_cells
from babelrank.data.language_facts import language_facts
from babelrank.ranking.table import RankTable

MOST_LANGUAGES = 24  # compared in pairs: nobody reads more than 276 pairs for each query language
_SIGNIFICANT = 0.05
_FEW_QUERIES = 10  # below, scipy's friedmanchisquare also calls its p-value unreliable
_NEGLIGIBLE = 1e-10  # relative to the largest eigenvalue: rounding leaves some 1e-15 instead of 0
_TELLING = 0.01  # a smaller concordance makes no practical difference


@dataclass(frozen=True)
class BlockTest:
    """One test of the null hypothesis that all orders of the treatments within a block are equally likely.

    Attributes
    ----------
    blocks, treatments
        Size of the test: blocks with at least two treatments, and treatments that occur in one of these blocks.
    complete
        Whether every block has every treatment.
    statistic
        Chi-squared with `degrees_of_freedom` under the null hypothesis; NaN if every block is tied throughout.
    degrees_of_freedom
        Number of treatments minus the number of groups of treatments that no block connects.
    p
        Probability of a statistic at least this large; NaN if the statistic is NaN.
    concordance
        Kendall's W for complete blocks; see `skillings_mack`. NaN if the statistic is NaN.
    concordance_expected
        Its mean under the null hypothesis.
    """

    blocks: int
    treatments: int
    complete: bool
    statistic: float
    degrees_of_freedom: int
    p: float
    concordance: float
    concordance_expected: float


@dataclass(frozen=True)
class FriedmanTests:
    """Tests whether the ranks of parallel passages differ by language. Lists have one test for each query language.

    With more than `MOST_LANGUAGES` languages, families replace languages; see `merge_families`.

    Attributes
    ----------
    labels
        Languages, or families.
    queries
        Blocks: queries with relevant passages in two languages or more.
    languages
        Treatments: passage languages that occur in one of these blocks.
    complete
        Whether every query has all of these languages: then this is Friedman's test, else that of Skillings and Mack.
    statistic
        Chi-squared; see `skillings_mack`. Null if there are no queries, or all passages of each query share one rank.
    degrees_of_freedom
        Degrees of freedom of the statistic.
    p
        p-value if all languages are treated alike; 0 if it underflows. With clusters, the p-value of Hotelling's test
        on the clusters' sums of the queries' deviations.
    p_holm
        The same, corrected for the number of query languages (Holm 1979).
    concordance
        Effect size: Kendall's W, from 0 (languages are treated alike on average) to 1 (every query ranks them in the
        same order). With incomplete blocks, W as generalised in `skillings_mack`, which may not reach 1.
    concordance_expected
        Mean of the concordance if languages are treated alike.
    pair_p
        By query language, languages × languages: p-value of the sign test between two languages, corrected for the
        number of pairs of that query language (Holm 1979); symmetric; null if no query has both. With clusters, the
        p-value of the t-test on wins minus losses by cluster.
    preferred
        By query language, languages × languages: 1 if the row's language ranks above the column's significantly more
        often than below it (at 5 % after correction), −1 if less often, 0 if they do not differ significantly; null
        where `pair_p` is null.
    warnings
        Sentences that a reader should know before reading the values.
    """

    labels: list[str]
    queries: list[int]
    languages: list[int]
    complete: list[bool]
    statistic: list[Cell]
    degrees_of_freedom: list[int]
    p: list[Cell]
    p_holm: list[Cell]
    concordance: list[Cell]
    concordance_expected: list[Cell]
    pair_p: list[Matrix]
    preferred: list[list[list[int | None]]]
    warnings: list[str]


def compare_languages(ranks: RankTable, *, clusters: np.ndarray | None = None) -> FriedmanTests:
    """Test whether passage languages are treated alike, by query language.

    Parameters
    ----------
    clusters
        Cluster of each row (see `clusters.clusters`); None to treat queries as independent.

    Raises
    ------
    ReportError
        The clusters do not fit the table.
    """
    best, labels = best_ranks(ranks), list(ranks.languages)
    if len(labels) > MOST_LANGUAGES:
        best, labels = merge_families(best, labels)
    size = len(labels)
    groups = [np.flatnonzero(best.query_lang == lang) for lang in range(size)]
    tests = [skillings_mack(best.rank[group]) for group in groups]
    wins, pairs = count_wins(best), count_pairs(best)
    losses = wins.transpose(0, 2, 1)
    p_values, raw = np.array([test.p for test in tests]), sign_test(wins, losses, pairs)
    if clusters is not None:
        members = query_clusters(ranks, clusters)[best.query]
        p_values = np.array(
            [
                hotelling_test(
                    _by_cluster(scaled_deviations(best.rank[group]), members[group]), test.degrees_of_freedom
                )
                for group, test in zip(groups, tests, strict=True)
            ]
        )
        raw = np.stack([t_test(_by_cluster(_signs(best.rank[group]), members[group])) for group in groups])
        raw = np.where(pairs > 0, raw, np.nan)
    pair_p = np.stack([_holm_over_pairs(matrix) for matrix in raw])
    return FriedmanTests(
        labels=labels,
        queries=[test.blocks for test in tests],
        languages=[test.treatments for test in tests],
        complete=[test.complete for test in tests],
        statistic=_cells([test.statistic for test in tests]),
        degrees_of_freedom=[test.degrees_of_freedom for test in tests],
        p=_cells(p_values),
        p_holm=_cells(holm(p_values)),
        concordance=_cells([test.concordance for test in tests]),
        concordance_expected=_cells([test.concordance_expected for test in tests]),
        pair_p=[as_cells(matrix) for matrix in pair_p],
        preferred=_find_preferred(np.sign(wins - losses), pair_p),
        warnings=_warn(ranks, best, labels, tests, clustered=clusters is not None),
    )


def merge_families(best: BestRanks, languages: Sequence[str]) -> tuple[BestRanks, list[str]]:
    """Replace languages by their families; return the ranks and names of the families, sorted.

    The rank of a family is the geometric mean of its languages' ranks. Languages of unknown family are left out.
    """
    families = [language_facts(lang).family for lang in languages]
    names = sorted({family for family in families if family is not None})
    place = np.array([-1 if family is None else names.index(family) for family in families])
    logs = np.log(best.rank)
    present = np.isfinite(logs)
    member = (place[:, None] == np.arange(len(names))).astype(float)  # (languages, families)
    counts = present @ member
    sums = np.where(present, logs, 0.0) @ member
    rank = np.exp(np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0))
    lang = place[best.query_lang]
    kept = (lang >= 0) & (np.isfinite(rank).sum(axis=1) >= 2)
    return BestRanks(best.query[kept], lang[kept], rank[kept]), names


def _by_cluster(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Sum the contributions of blocks over each cluster with blocks."""
    return sum_by_cluster(values, np.unique(members, return_inverse=True)[1])


def _signs(values: np.ndarray) -> np.ndarray:
    """Return 1 where the row's treatment ranks above the column's, −1 where below, else 0, for each block."""
    signs: np.ndarray = np.nan_to_num(np.sign(values[:, None, :] - values[:, :, None]))
    return signs


def skillings_mack(values: np.ndarray) -> BlockTest:
    """Test whether treatments differ, from values that are comparable only within blocks.

    The statistic is that of Skillings and Mack (1981, Technometrics 23:171–177), which takes any pattern of missing
    treatments (Durbin's test takes balanced designs only): with mid-ranks r within blocks of kᵢ treatments,
    A_j = Σᵢ √(12 / (kᵢ + 1)) · (r_ij − (kᵢ + 1) / 2), and T = Aᵀ Σ⁻ A. Σ is here the covariance of A over all orders of
    the values that each block has (as in Benard and van Elteren 1953, Indagationes Mathematicae 15:358–369), so that
    ties are allowed for: without ties it is Skillings and Mack's own, and for complete blocks T is Friedman's statistic
    (1937, JASA 32:675–701), corrected for ties.

    The concordance is W = T / Σᵢ (kᵢ − 1). For complete blocks that is Kendall's W (Kendall and Babington Smith 1939,
    Annals of Mathematical Statistics 10:275–287), T / (b (k − 1)). In general W ≤ 1 by the Cauchy–Schwarz inequality,
    as no block can add more than its kᵢ − 1 degrees of freedom; with different treatments by block W may stay below 1
    even if all follow one order. Its mean under the null hypothesis is degrees of freedom / Σᵢ (kᵢ − 1).

    Parameters
    ----------
    values
        Shape (blocks, treatments); NaN where a block lacks a treatment.
    """
    known = ~np.isnan(values)
    values = values[known.sum(axis=1) >= 2]
    values = values[:, ~np.isnan(values).all(axis=0)]
    known = ~np.isnan(values)
    sizes = known.sum(axis=1)
    deviations = scaled_deviations(values)
    scales = (deviations**2).sum(axis=1) / (sizes * (sizes - 1))  # 1 without ties, 0 if a block is tied throughout
    weights = (known * scales[:, None]).T @ known  # off the diagonal minus the covariances: Σ is a graph's Laplacian
    np.fill_diagonal(weights, 0.0)
    freedom = len(weights) - int(connected_components(weights, directed=False, return_labels=False))
    sums, inverse = deviations.sum(axis=0), np.linalg.pinv(laplacian(weights), rcond=_NEGLIGIBLE, hermitian=True)
    statistic = float(sums @ inverse @ sums) if freedom else float("nan")
    room = int((sizes - 1).sum())
    return BlockTest(
        blocks=values.shape[0],
        treatments=values.shape[1],
        complete=bool(known.all()),
        statistic=statistic,
        degrees_of_freedom=freedom,
        p=float(chdtrc(freedom, statistic)) if freedom else float("nan"),
        concordance=statistic / room if freedom else float("nan"),
        concordance_expected=freedom / room if freedom else float("nan"),
    )


def scaled_deviations(values: np.ndarray) -> np.ndarray:
    """Return each block's contribution to the sums A of `skillings_mack`: shaped as the values, 0 for missing ones."""
    known = ~np.isnan(values)
    sizes = known.sum(axis=1, keepdims=True)
    mid_ranks = pd.DataFrame(values).rank(axis=1).to_numpy()  # average of ties
    deviations: np.ndarray = np.where(known, mid_ranks - (sizes + 1) / 2, 0.0) * np.sqrt(12 / (sizes + 1))
    return deviations


def sign_test(wins: np.ndarray, losses: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return two-sided p-values of exact sign tests (Dixon and Mood 1946, JASA 41:557–566); ties are ignored.

    Unlike other tests between two languages, it needs no scale of ranks and no third language. Tests on mean ranks
    (Nemenyi's, Conover's) depend on the other languages in the collection (Benavoli, Corani and Mangili 2016, JMLR
    17(5)), and Wilcoxon's would weigh a step from rank 1 to 11 like one from 5001 to 5011.

    Returns
    -------
    numpy.ndarray
        Shaped as the counts; 1 where all are ties, NaN where `n` is 0.
    """
    p_values = np.minimum(2 * bdtr(np.minimum(wins, losses), wins + losses, 0.5), 1.0)
    return np.where(n > 0, p_values, np.nan)


def _holm_over_pairs(p_values: np.ndarray) -> np.ndarray:
    """Correct a symmetric matrix of p-values for its number of pairs."""
    rows, columns = np.triu_indices(len(p_values), 1)
    corrected = np.full_like(p_values, np.nan)
    corrected[rows, columns] = corrected[columns, rows] = holm(p_values[rows, columns])
    return corrected


def _find_preferred(direction: np.ndarray, pair_p: np.ndarray) -> list[list[list[int | None]]]:
    verdicts = np.where(pair_p < _SIGNIFICANT, direction, 0).astype(int).astype(object)
    verdicts[np.isnan(pair_p)] = None
    nested: list[list[list[int | None]]] = verdicts.tolist()
    return nested


def _warn(
    ranks: RankTable, best: BestRanks, labels: Sequence[str], tests: Sequence[BlockTest], *, clustered: bool
) -> list[str]:
    """Return sentences about values that are degenerate or easily misread."""
    present = np.isfinite(best.rank)
    sizes = np.unique(present.sum(axis=1)).tolist()
    tied = np.nanmin(best.rank, axis=1) == np.nanmax(best.rank, axis=1) if len(best.rank) else present.any(axis=1)
    all_tied = np.bincount(best.query_lang[tied], minlength=len(tests))

    def among(chosen: Sequence[bool]) -> str:
        return ", ".join(lang for lang, yes in zip(labels, chosen, strict=True) if yes)

    some = [0 < test.blocks < _FEW_QUERIES for test in tests]
    no_test = [test.blocks > 0 and test.degrees_of_freedom == 0 for test in tests]
    mostly = [not none and 2 * count > test.blocks for none, count, test in zip(no_test, all_tied, tests, strict=True)]
    apart = [0 < test.degrees_of_freedom < test.treatments - 1 for test in tests]
    enough = [] if clustered else [_enough(test) for test in tests if test.degrees_of_freedom]
    of_language = np.bincount(ranks.query_numbers * len(ranks.languages) + ranks.language_codes[1])  # relevant passages
    sentences = {
        f"The {len(ranks.languages)} languages are compared by family: the rank of a family is the geometric mean of "
        "its languages' ranks.": len(labels) != len(ranks.languages),
        "No query has relevant passages in two languages, so there is nothing to compare.": not sizes,
        f"Queries in {among(some)}: fewer than {_FEW_QUERIES}, so p-values are rough.": any(some),
        f"Queries in {among(no_test)}: no test, since all relevant passages of each query tie.": any(no_test),
        f"Queries in {among(mostly)}: for over half, all relevant passages tie, which lowers the concordance.": any(
            mostly
        ),
        f"Queries in {among(apart)}: some passage languages are never compared, directly or through others, so the "
        "test covers only differences within groups of compared languages.": any(apart),
        f"With so many queries, a concordance of {max(enough, default=0):.2g} is significant at 5 %. Look at the "
        "concordance, not at p.": bool(enough) and max(enough) < _TELLING,
        "Not every query has a relevant passage in every language. The concordance can be compared between encoders "
        "on this collection, but may stay below 1 even if all queries rank languages in the same order.": any(
            test.degrees_of_freedom and not test.complete for test in tests
        ),
        "PEER (arXiv 2405.00978) is not shown: with one relevant passage per language, its p-value is constant "
        f"({_peer_constants(sizes)}).": bool(sizes) and of_language.max() == 1 and len(labels) == len(ranks.languages),
    }
    return [sentence for sentence, holds in sentences.items() if holds]


def _enough(test: BlockTest) -> float:
    """Return the smallest concordance that is significant for the number of queries."""
    return float(chdtri(test.degrees_of_freedom, _SIGNIFICANT)) * (test.concordance_expected / test.degrees_of_freedom)


def _peer_constants(sizes: Sequence[int]) -> str:
    """Kruskal and Wallis' H over k groups of one is k − 1, with as many degrees of freedom."""
    return ", ".join(f"{chdtrc(size - 1, size - 1):.4f} for {size} languages" for size in sizes)


def _cells(values: Sequence[float] | np.ndarray) -> list[Cell]:
    return as_cells(np.asarray(values, dtype=float)[None])[0]
