"""Average scores by script, family, genus, resources and training languages of the settings' languages.

In: the contribution of each question to each setting (`bootstrap.QuestionScores`), or a matrix over pairs of languages,
with the facts about the languages. Out: macro measures of groups of settings with intervals, and correlations of the
cross-lingual pairs' values with the typological distance of their languages. If a fact about a language is unknown, the
language is in no group by that fact.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations as ordered_pairs
from typing import TypeVar

import numpy as np
import pandas as pd

from babelrank.analysis.bootstrap import (
    MACRO_MEASURES,
    RESAMPLES,
    Interval,
    QuestionScores,
    percentile_interval,
)
from babelrank.analysis.settings import Matrix
from babelrank.data.language_facts import (
    DISTANCE_KINDS,
    LanguageFacts,
    covers,
    language_facts,
    typological_distance,
)

LOW_RESOURCE = 3
PERMUTATIONS = 9_999  # the smallest possible p-value is 1 / (PERMUTATIONS + 1)
_CHUNK = 1 << 17  # cells of permuted matrices at a time: 1 MB, which stays in the cache
_AT_ONCE = 100  # resamples: 13 MB for the settings of 128 languages
_CROSS_LINGUAL = "cross_lingual"
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class Group:
    """Macro measures over some of the settings.

    Attributes
    ----------
    label
        Property that the settings share: ``Latn``, ``class 3``, ``same script``.
    languages
        Languages of the group, in order.
    settings, queries
        By measure (`bootstrap.MACRO_MEASURES`): number of settings with queries, and their total number of queries.
        Only measures for which the group has settings.
    intervals
        By measure: mean over the settings (mAP, or rank distance in ranks) with its bootstrap interval.
    """

    label: str
    languages: tuple[str, ...]
    settings: dict[str, int]
    queries: dict[str, int]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class DistanceCorrelation:
    """Correlation of a measure of the cross-lingual pairs with the distance of their languages.

    Attributes
    ----------
    languages
        Languages for which all distances and values between them are known.
    pairs
        Number of ordered pairs of different languages among them.
    rho, p
        Spearman's rank correlation, and its two-sided p-value by the Mantel test; None where one side is constant.
    partial_rho, partial_p
        The same with the resource class of the pair held constant; None also where a class is unknown.
    """

    languages: tuple[str, ...]
    pairs: int
    rho: float | None
    p: float | None
    partial_rho: float | None
    partial_p: float | None


def find_groups(
    figures: QuestionScores,
    *,
    seen: Collection[str] | None = None,
    traits: Mapping[str, Mapping[str, float]] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, tuple[Group, ...]]:
    """Average the settings by facts about their languages.

    Parameters
    ----------
    seen
        Languages that the encoder was trained on; None if unknown, which leaves out the views by training.
    traits
        Numbers by trait and language, by which the languages are cut into thirds.

    Returns
    -------
    dict
        By view. ``query_script``, ``query_family``, ``query_genus``, ``query_resource_class``, ``query_seen`` and
        ``query_`` with the name of a trait sort all settings by their query language, ``passage_…`` the cross-lingual
        ones by their passage language. Four
        views sort the pairs of different languages: ``pair_script`` and ``pair_family`` (same or different),
        ``pair_seen`` (both, one or none seen), and ``distant_low_resource`` (see `find_distant_pairs`).
        Intervals are of the bootstrap over questions (Efron 1979), all groups on the same resamples.
    """
    languages = figures.languages
    facts = {code: language_facts(code) for code in languages}
    members: list[tuple[str, str, tuple[str, ...], dict[str, np.ndarray]]] = []
    labelled = {fact: {code: sort(facts[code]) for code in languages} for fact, sort in _language_sorts(seen).items()}
    for fact, given in (labelled | {name: _thirds(values) for name, values in (traits or {}).items()}).items():
        for label, codes in _gather(given).items():
            by_query = {figure: figures.settings(figure, codes) for figure in MACRO_MEASURES}
            by_passage = _pair_positions(languages, [pair for pair in _pairs(languages) if pair[1] in codes])
            members.append((f"query_{fact}", label, codes, by_query))
            members.append((f"passage_{fact}", label, codes, {_CROSS_LINGUAL: by_passage}))
    distant = set(find_distant_pairs(languages))
    for view, sort_pair in _pair_sorts(seen, distant).items():
        labels = {(a, b): sort_pair(facts[a], facts[b]) for a, b in _pairs(languages)}
        for label, pairs in _gather(labels).items():
            codes = tuple(code for code in languages if any(code in pair for pair in pairs))
            members.append((view, label, codes, {_CROSS_LINGUAL: _pair_positions(languages, pairs)}))
    wanted = [(i, figure, settings) for i, (*_, chosen) in enumerate(members) for figure, settings in chosen.items()]
    membership = np.zeros((figures.counts.shape[1], len(wanted)))
    for column, (_, _, settings) in enumerate(wanted):
        membership[settings, column] = 1.0
    queries = figures.counts.sum(axis=0)
    sizes, totals = (queries > 0) @ membership, queries @ membership
    intervals = _find_intervals(figures, membership, resamples, seed)
    views: dict[str, list[Group]] = {}
    for i, (view, label, codes, _) in enumerate(members):
        columns = {figure: c for c, (group, figure, _) in enumerate(wanted) if group == i and sizes[c]}
        if columns:
            group = Group(
                label,
                codes,
                settings={figure: int(sizes[c]) for figure, c in columns.items()},
                queries={figure: int(totals[c]) for figure, c in columns.items()},
                intervals={figure: intervals[c] for figure, c in columns.items()},
            )
            views.setdefault(view, []).append(group)
    return {view: tuple(groups) for view, groups in views.items()}


def find_distant_pairs(languages: Sequence[str]) -> list[tuple[str, str]]:
    """Return the distant low-resource pairs: another family, another script, and a resource class of at most 3.

    The class of a pair is the lower class of its two languages. Classes 4 and 5 of Joshi et al. 2020 (arXiv 2004.09095)
    are the two with the most data, and 3 is the lowest in XQuAD-R. Its languages of class 3 are Greek and Thai, which
    makes 14 pairs of languages, 28 of the 110 cross-lingual settings: Greek with ar, th, tr, vi and zh, Thai with all
    others. MLQA-R has none: its languages are all in class 4 or 5.
    """
    facts = {code: language_facts(code) for code in languages}
    return [pair for pair in _pairs(languages) if _are_distant(*(facts[code] for code in pair))]


def correlate_with_distance(
    matrix: Matrix, languages: Sequence[str], kind: str, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> DistanceCorrelation:
    """Correlate a measure of the cross-lingual pairs with the typological distance of their languages.

    Pairs that share a language are not independent, so p-values come from permuting languages, not pairs: the Mantel
    test (Mantel 1967, Cancer Research 27, 209–220), two-sided, p = (1 + permutations with a |ρ| at least as large) /
    (1 + permutations). The partial correlation holds the lower resource class of the two languages constant:
    (ρ_xy − ρ_xz ρ_yz) / √((1 − ρ_xz²)(1 − ρ_yz²)) (Fisher 1924, Metron 3, 329–332, here on ranks), tested by the same
    permutations of the distances (Smouse, Long & Sokal 1986, Systematic Zoology 35, 627–632).

    Parameters
    ----------
    matrix
        Value for each query language (row) and passage language (column), such as `PairScores.scores["mAP"]` or
        `FavouredLanguages.mean_rank`; the diagonal is ignored.
    kind
        One of `language_facts.DISTANCE_KINDS`.

    Raises
    ------
    DataError
        `kind` is unknown.
    """
    return correlate_with_distances(matrix, languages, (kind,), permutations=permutations, seed=seed)[kind]


def correlate_with_distances(
    matrix: Matrix,
    languages: Sequence[str],
    kinds: Sequence[str] = DISTANCE_KINDS,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> dict[str, DistanceCorrelation]:
    """Apply `correlate_with_distance` to several kinds of distance, with the same permutations."""
    shape = len(languages), len(languages)
    figure = np.array(matrix, dtype=float).reshape(shape)
    distances = {
        kind: np.array([typological_distance(a, b, kind) for a in languages for b in languages], float).reshape(shape)
        for kind in kinds
    }
    kept = {kind: tuple(_find_complete(distance, figure)) for kind, distance in distances.items()}
    found: dict[str, DistanceCorrelation] = {}
    for places in dict.fromkeys(kept.values()):
        cells = np.ix_(places, places)
        alike = {kind: distances[kind][cells] for kind in kinds if kept[kind] == places}
        names = tuple(languages[i] for i in places)
        found |= _correlate_alike(figure[cells], alike, names, permutations, seed)
    return {kind: found[kind] for kind in kinds}


def _correlate_alike(
    figure: np.ndarray, distances: Mapping[str, np.ndarray], languages: tuple[str, ...], permutations: int, seed: int
) -> dict[str, DistanceCorrelation]:
    """Correlate a measure with distances that are known for the same languages."""
    size = len(languages)
    if size < 2:
        return dict.fromkeys(distances, DistanceCorrelation(languages, 0, None, None, None, None))
    classes = np.array([language_facts(code).resource_class for code in languages], dtype=float)
    y, z = _centred_ranks(figure), _centred_ranks(np.minimum.outer(classes, classes))
    x = np.stack([_centred_ranks(distance) for distance in distances.values()])
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(size), (permutations, 1)), axis=1)
    orders = np.concatenate([np.arange(size)[None], orders])  # the first is the original order
    # To permute the others instead, by the inverse, is the same, and serves all distances.
    inverse = np.argsort(orders, axis=1)
    (rho_xy, rho_xz), rho_yz = (_correlate(each, x, inverse) for each in (y, z)), (y * z).sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        unexplained = (1 - rho_xz**2) * (1 - rho_yz**2)
        partial = (rho_xy - rho_xz * rho_yz) / np.sqrt(np.where(unexplained > 1e-12, unexplained, np.nan))
    return {
        kind: DistanceCorrelation(languages, size * (size - 1), *_test(rho_xy[:, k]), *_test(partial[:, k]))
        for k, kind in enumerate(distances)
    }


def _language_sorts(seen: Collection[str] | None) -> dict[str, Callable[[LanguageFacts], str | None]]:
    sorts: dict[str, Callable[[LanguageFacts], str | None]] = {
        "script": lambda facts: facts.script,
        "family": lambda facts: facts.family,
        "genus": lambda facts: facts.genus,
        "resource_class": lambda facts: None if facts.resource_class is None else f"class {facts.resource_class}",
    }
    if seen is not None:
        sorts["seen"] = lambda facts: "seen" if covers(seen, facts.code) else "unseen"
    return sorts


def _thirds(values: Mapping[str, float]) -> dict[str, str | None]:
    """Return the third of the languages that each belongs to; equal values stay together. Empty if all are equal."""
    numbers = np.array([*values.values()])
    place = np.searchsorted(np.quantile(numbers, [1 / 3, 2 / 3]), numbers) if len(numbers) else np.zeros(0)
    labels = {}
    for third in np.unique(place):
        found = numbers[place == third]
        labels[third] = f"third {third + 1}: {found.min():.2g} to {found.max():.2g}"
    return {code: labels[third] for code, third in zip(values, place, strict=True)} if len(labels) > 1 else {}


def _pair_sorts(
    seen: Collection[str] | None, distant: set[tuple[str, str]]
) -> dict[str, Callable[[LanguageFacts, LanguageFacts], str | None]]:
    sorts: dict[str, Callable[[LanguageFacts, LanguageFacts], str | None]] = {
        "pair_script": lambda a, b: _compare(a.script, b.script, "script"),
        "pair_family": lambda a, b: _compare(a.family, b.family, "family"),
        "distant_low_resource": lambda a, b: "distant low-resource" if (a.code, b.code) in distant else "other pairs",
    }
    if seen is not None:
        labels = ("none seen", "one seen", "both seen")
        sorts["pair_seen"] = lambda a, b: labels[sum(covers(seen, facts.code) for facts in (a, b))]
    return sorts


def _compare(a: str | None, b: str | None, what: str) -> str | None:
    if a is None or b is None:
        return None
    return f"same {what}" if a == b else f"different {what}"


def _are_distant(a: LanguageFacts, b: LanguageFacts) -> bool:
    different = _compare(a.family, b.family, "") == _compare(a.script, b.script, "") == "different "
    classes = [facts.resource_class for facts in (a, b) if facts.resource_class is not None]
    return different and len(classes) == 2 and min(classes) <= LOW_RESOURCE


def _gather(labels: Mapping[_Key, str | None]) -> dict[str, tuple[_Key, ...]]:
    """Return the keys by label, labels in order; keys without a label are left out."""
    known = sorted({label for label in labels.values() if label is not None})
    return {label: tuple(key for key, given in labels.items() if given == label) for label in known}


def _pairs(languages: Sequence[str]) -> list[tuple[str, str]]:
    return list(ordered_pairs(languages, 2))


def _pair_positions(languages: Sequence[str], pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Return the positions of pairs among the settings of `QuestionScores`."""
    position = {code: i for i, code in enumerate(languages)}
    return np.array([position[a] * len(languages) + position[b] for a, b in pairs], dtype=np.int64)


def _find_intervals(figures: QuestionScores, membership: np.ndarray, resamples: int, seed: int) -> list[Interval]:
    """Return the mean of each column's settings with its interval, ignoring settings that a resample leaves empty."""
    parts = []
    for weights in np.array_split(figures.draw(resamples, seed), -(-(1 + resamples) // _AT_ONCE)):
        counts = weights @ figures.counts
        known = counts > 0
        means = np.where(known, weights @ figures.totals / np.where(known, counts, 1.0), 0.0)
        sizes = known @ membership
        parts.append(np.where(sizes > 0, means @ membership / np.maximum(sizes, 1.0), np.nan))
    return [percentile_interval(column, figures.cluster_count) for column in np.concatenate(parts).T]


def _find_complete(*matrices: np.ndarray) -> np.ndarray:
    """Return languages between which all values are known, by removing the one with most unknown values in turn."""
    unknown: np.ndarray = np.isnan(np.stack(matrices)).any(axis=0)
    np.fill_diagonal(unknown, val=False)
    unknown |= unknown.T
    kept = np.arange(len(unknown))
    while unknown[np.ix_(kept, kept)].any():
        kept = np.delete(kept, unknown[np.ix_(kept, kept)].sum(axis=0).argmax())
    return kept


def _centred_ranks(matrix: np.ndarray) -> np.ndarray:
    """Return mid-ranks of the cells off the diagonal, with mean 0 and length 1; NaN if all cells are equal."""
    off = ~np.eye(len(matrix), dtype=bool)
    if np.isnan(matrix[off]).any() or np.ptp(matrix[off]) == 0:
        return np.full_like(matrix, np.nan)
    ranks = pd.Series(matrix[off]).rank().to_numpy(copy=True)  # average of ties
    ranks -= ranks.mean()
    scaled = np.zeros_like(matrix)
    scaled[off] = ranks / np.sqrt((ranks**2).sum())
    return scaled


def _correlate(moved: np.ndarray, fixed: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return the correlations of a matrix of centred ranks with others, for each order of its languages.

    Parameters
    ----------
    moved, fixed
        Float64, shapes (languages, languages) and (others, languages, languages).
    orders
        Int64, shape (orders, languages).

    Returns
    -------
    numpy.ndarray
        Float64, shape (orders, others).
    """
    size, cells, others = len(moved), moved.ravel(), fixed.reshape(len(fixed), -1).T
    parts = np.array_split(orders, min(len(orders), -(-len(orders) * size**2 // _CHUNK)))
    places = ((order[:, :, None] * size + order[:, None, :]).reshape(len(order), -1) for order in parts)
    chunks = [cells.take(place) @ others for place in places]
    return np.concatenate(chunks)


def _test(correlations: np.ndarray) -> tuple[float | None, float | None]:
    """Return the first correlation, and the share of all correlations that are at least as far from 0."""
    observed = float(correlations[0])
    if np.isnan(observed):
        return None, None
    reached = np.abs(correlations) >= abs(observed) - 1e-12  # equal sums differ by rounding
    return observed, float(reached.mean())
