"""What the vectors look like: dense representations of parallel queries and passages in, geometry by language out.

Ranks tell that an encoder favours a language; the space tells why. All vectors are brought to length 1 first, except
where passages are retrieved, which goes by the encoder's own similarity. Texts are translations of one another if they
are queries with one id that share a relevant passage, or passages that are relevant to one question.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from babelrank.analysis.neighbours import Hubness, ParallelRetrieval, find_hubs, retrieve_translations
from babelrank.analysis.settings import Cell, Matrix, as_cells
from babelrank.analysis.translations import find_translations, group_translations, number_questions
from babelrank.data.collection import Collection
from babelrank.encoding.representations import Representations
from babelrank.encoding.vectors import Kind, MultiVectors, unit_rows

PROBE_TEXTS = 10_000  # the accuracy still rises with the sample; all that stands in the way of more is time
_FOLDS = 5
_MOST_POINTS = 1 << 14  # texts of which all pairs are compared; more are sampled
_BLOCK_BYTES = 32 << 20
_TEMPERATURE = 2.0  # t of the uniformity, as its authors take it


@dataclass(frozen=True)
class LanguageProbe:
    """How well a linear classifier reads the language off a vector.

    Attributes
    ----------
    n
        Texts of the sample.
    accuracy
        Share of them whose language is found, by five-fold cross-validation; translations are in the same fold.
    chance
        Share of the most frequent language among them.
    by_language
        Share found of each language's texts.
    """

    n: int
    accuracy: float
    chance: float
    by_language: list[Cell]


@dataclass(frozen=True)
class TextSpace:
    """Geometry of the queries' vectors, or of the passages'. Rows and columns are languages.

    Attributes
    ----------
    n
        Texts by language.
    centroid_cosine, centroid_euclidean
        Distances 1 − cos(c_a, c_b) and ‖c_a − c_b‖ between the means of the languages' unit vectors: how far the
        languages stand apart (Libovický et al. 2020, arXiv 2004.05160).
    language_probe
        None for a single language, or with fewer than five questions.
    alignment
        Mean ‖x − y‖² over translations x, y in two languages (Wang & Isola 2020, arXiv 2005.10242, α = 2): 0 if they
        coincide, 2 if they are orthogonal.
    uniformity, uniformity_by_language
        log of the mean of exp(−2 ‖x − y‖²) over pairs of different texts, of all languages and of one (Wang & Isola
        2020, t = 2): 0 if all vectors coincide, the lower the more evenly they fill the sphere.
    isoscore
        Rudman et al. 2022, arXiv 2108.07344: 1 if the vectors vary alike along all principal axes, 0 if along one only.
    mean_cosine, mean_cosine_within, mean_cosine_across
        Of all pairs of different texts, of those in one language, and of those in two (Ethayarajh 2019, arXiv
        1909.00512): 0 in an isotropic space.
    """

    n: list[int]
    centroid_cosine: Matrix
    centroid_euclidean: Matrix
    language_probe: LanguageProbe | None
    alignment: Matrix
    uniformity: Cell
    uniformity_by_language: list[Cell]
    isoscore: Cell
    mean_cosine: Cell
    mean_cosine_within: Cell
    mean_cosine_across: Cell


@dataclass(frozen=True)
class Space:
    """The space of one encoder on one collection.

    Attributes
    ----------
    languages
        Order of all rows and columns.
    undefined
        Why there are no figures: the representations are not dense. Otherwise None.
    queries, passages
        Each side for itself.
    alignment
        Mean ‖q − p‖² over queries and their relevant passages, by query language (rows) and passage language (columns).
    parallel_retrieval
        Of passages.
    query_hubs, passage_hubs
        Passages that are near many queries, and near many other passages.
    """

    languages: list[str]
    undefined: str | None
    queries: TextSpace | None = None
    passages: TextSpace | None = None
    alignment: Matrix | None = None
    parallel_retrieval: ParallelRetrieval | None = None
    query_hubs: Hubness | None = None
    passage_hubs: Hubness | None = None


def measure_space(
    collection: Collection, representations: Representations, *, seed: int = 0, threads: int | None = None
) -> Space:
    """Measure the space of dense representations.

    Parameters
    ----------
    seed
        Of the samples.
    threads
        For retrieval; by default one per available core.

    Returns
    -------
    Space
        With a reason in place of figures for sparse vectors and multi-vectors: neither has one vector per text of a
        dimension in which means and distances would be comparable.
    """
    languages = list(collection.languages)
    queries, passages = representations.queries, representations.passages
    if not (isinstance(queries, np.ndarray) and isinstance(passages, np.ndarray)):
        kind = Kind.MULTI_VECTOR if isinstance(passages, MultiVectors) else Kind.SPARSE
        return Space(languages, f"{kind} representations: one dense vector per text is needed.")
    size = len(languages)
    query_lang, passage_lang = (
        pd.Categorical(table["lang"], categories=languages).codes.astype(np.int64)
        for table in (collection.queries, collection.passages.frame)
    )
    query, passage = (collection.qrels[side].to_numpy(np.int64) for side in ("query", "passage"))
    question = number_questions(collection)
    query_group, passage_group = group_translations(collection, question)
    unit_queries, unit_passages = unit_rows(queries), unit_rows(passages)
    pairs = find_translations(question[query], passage, passage_lang)
    judged = np.unique(passage)
    own = _sample(len(passages), seed)
    askers = _sample(len(queries), seed)
    return Space(
        languages,
        None,
        _measure_texts(
            unit_queries,
            query_lang,
            size,
            find_translations(question, np.arange(len(queries)), query_lang),
            _probe_language(unit_queries, query_lang, size, query_group, seed),
            seed,
        ),
        _measure_texts(
            unit_passages,
            passage_lang,
            size,
            pairs,
            _probe_language(unit_passages[judged], passage_lang[judged], size, passage_group[judged], seed),
            seed,
        ),
        _align(unit_queries, unit_passages, query, passage, query_lang, passage_lang, size),
        retrieve_translations(collection, representations, pairs, passage_lang, threads),
        find_hubs(collection, replace(representations, queries=queries[askers]), passage_lang, None, threads),
        find_hubs(collection, replace(representations, queries=passages[own]), passage_lang, own, threads),
    )


def isoscore(vectors: np.ndarray) -> float | None:
    """Return how evenly vectors vary along all directions (Rudman et al. 2022, arXiv 2108.07344).

    In terms of the covariance C of d dimensions, their definition comes down to (r − 1) / (d − 1) with
    r = (tr C)² / tr C²: the number of axes that vary, of d, made to begin at 0. No principal axes need to be found.

    Parameters
    ----------
    vectors
        Shape (texts, dimension). With fewer texts than dimensions the score cannot reach 1.

    Returns
    -------
    float or None
        0 for a single axis, 1 for all alike; None if nothing varies or there is one dimension.
    """
    dimension = vectors.shape[1]
    if len(vectors) < 2 or dimension < 2:
        return None
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((dimension, dimension))
    for block in _blocks(len(vectors), 8 * dimension):
        centred = vectors[block] - mean
        covariance += centred.T @ centred
    squares = float((covariance**2).sum())
    if squares == 0:
        return None
    return float((np.trace(covariance) ** 2 / squares - 1) / (dimension - 1))


def _measure_texts(
    vectors: np.ndarray,
    lang: np.ndarray,
    size: int,
    pairs: tuple[np.ndarray, np.ndarray],
    probe: LanguageProbe | None,
    seed: int,
) -> TextSpace:
    n = np.bincount(lang, minlength=size)
    sums = np.stack([vectors[lang == i].sum(axis=0, dtype=np.float64) for i in range(size)])
    centroids = sums / np.where(n == 0, np.nan, n)[:, None]
    lengths = np.linalg.norm(centroids, axis=1)
    directions = centroids / np.where(lengths == 0, np.nan, lengths)[:, None]
    # Σ x·y over all pairs of vectors is the square of their sum: no pair has to be looked at.
    own = float(np.einsum("ij,ij->i", vectors, vectors).sum(dtype=np.float64))
    within, total = (sums**2).sum(axis=1), float((sums.sum(axis=0) ** 2).sum())
    everywhere, by_language = _measure_uniformity(vectors, lang, size, seed)
    return TextSpace(
        n=n.tolist(),
        centroid_cosine=as_cells(1 - directions @ directions.T),
        centroid_euclidean=as_cells(np.linalg.norm(centroids[:, None] - centroids, axis=2)),
        language_probe=probe,
        alignment=_align(vectors, vectors, *pairs, lang, lang, size),
        uniformity=everywhere,
        uniformity_by_language=by_language,
        isoscore=isoscore(vectors),
        mean_cosine=_ratio(total - own, n.sum() * (n.sum() - 1)),
        mean_cosine_within=_ratio(within.sum() - own, (n * (n - 1)).sum()),
        mean_cosine_across=_ratio(total - within.sum(), n.sum() ** 2 - (n**2).sum()),
    )


def _measure_uniformity(vectors: np.ndarray, lang: np.ndarray, size: int, seed: int) -> tuple[Cell, list[Cell]]:
    """Return the uniformity of all texts and of each language's."""
    rows = _sample(len(vectors), seed)
    vectors, lang = vectors[rows], lang[rows]
    squares = np.einsum("ij,ij->i", vectors, vectors)
    of_lang = (lang[:, None] == np.arange(size)).astype(np.float32)  # (texts, languages)
    sums = np.zeros((size, size))
    for block in _blocks(len(vectors), 4 * len(vectors)):
        potential = vectors[block] @ vectors.T
        potential *= 2
        potential -= squares
        potential -= squares[block, None]  # −‖x − y‖²
        np.exp(np.minimum(potential, 0, out=potential) * _TEMPERATURE, out=potential)
        sums += of_lang[block].T @ (potential @ of_lang)
    n = np.bincount(lang, minlength=size)
    own = np.diag(sums) - n  # without a text's pair with itself
    everywhere = _ratio(sums.sum() - len(lang), len(lang) * (len(lang) - 1))
    by_language = [_ratio(value, count * (count - 1)) for value, count in zip(own.tolist(), n.tolist(), strict=True)]
    return _log(everywhere), [_log(value) for value in by_language]


def _align(
    first: np.ndarray,
    second: np.ndarray,
    rows: np.ndarray,
    others: np.ndarray,
    first_lang: np.ndarray,
    second_lang: np.ndarray,
    size: int,
) -> Matrix:
    """Return the mean ‖x − y‖² over the pairs (first[rows], second[others]), by their languages."""
    distances = np.empty(len(rows))
    for block in _blocks(len(rows), 12 * first.shape[1]):
        difference = first[rows[block]] - second[others[block]]
        distances[block] = np.einsum("ij,ij->i", difference, difference)
    cells = first_lang[rows] * size + second_lang[others]
    n = np.bincount(cells, minlength=size * size)
    sums = np.bincount(cells, weights=distances, minlength=size * size)
    return as_cells((sums / np.where(n == 0, np.nan, n)).reshape(size, size))


def _probe_language(
    vectors: np.ndarray, lang: np.ndarray, size: int, groups: np.ndarray, seed: int
) -> LanguageProbe | None:
    """Cross-validate a linear classifier of the language on whole groups of translations, drawn until there are enough.

    Ridge regression on the languages as ±1 has a closed form: it always converges, and comes out the same everywhere.
    """
    from sklearn.linear_model import RidgeClassifier  # takes a second, and who reads a report needs only the fields
    from sklearn.model_selection import GroupKFold, cross_val_predict

    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    chosen = drawn[np.cumsum(sizes[drawn]) <= PROBE_TEXTS]
    rows = np.flatnonzero(np.isin(group, chosen))
    if len(chosen) < _FOLDS or len(np.unique(lang[rows])) < 2:
        return None
    lang = lang[rows]
    # Scaled to the variance that inputs of a ridge are expected to have, so that its default strength fits.
    inputs = vectors[rows] * np.sqrt(vectors.shape[1])
    found = cross_val_predict(RidgeClassifier(), inputs, lang, groups=group[rows], cv=GroupKFold(_FOLDS)) == lang
    n = np.bincount(lang, minlength=size)
    return LanguageProbe(
        n=len(rows),
        accuracy=float(found.mean()),
        chance=float(n.max() / n.sum()),
        by_language=as_cells((np.bincount(lang, weights=found, minlength=size) / np.where(n == 0, np.nan, n))[None])[0],
    )


def _sample(count: int, seed: int) -> np.ndarray:
    """Return as many positions below `count` as can be compared with one another, in order; int64."""
    if count <= _MOST_POINTS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, _MOST_POINTS, replace=False))


def _blocks(count: int, row_bytes: int) -> Iterator[slice]:
    """Cut rows into parts that take about `_BLOCK_BYTES`."""
    rows = max(1, _BLOCK_BYTES // max(1, row_bytes))
    return (slice(start, start + rows) for start in range(0, count, rows))


def _ratio(total: float, count: float) -> float | None:
    return float(total / count) if count else None


def _log(value: float | None) -> float | None:
    return None if value is None else float(np.log(max(value, np.finfo(float).tiny)))
