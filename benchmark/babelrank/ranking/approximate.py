"""Build and search approximate FAISS indexes, and measure their seconds, bytes and recall.

FAISS's factory strings name the indexes (https://github.com/facebookresearch/faiss/wiki/The-index-factory). Scores and
order are those of the index; use exact search if they must be exact. `analysis.approximation` measures what an
approximation does to nDCG and to the bias between languages.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.vector_block import VectorBlock
from babelrank.environment import available_cores
from babelrank.errors import SearchError
from babelrank.files import show_size
from babelrank.ranking.best import TopPassages, find_best
from babelrank.ranking.dense import Corpus, DenseScorer
from babelrank.ranking.tally import MEMORY_LIMIT

_UNTYPED: Any = faiss  # its stubs lack these names or get them wrong

FACTORIES = "Flat, SQ8, PQ48, HNSW32, IVF1024,Flat, IVF1024,SQ8, IVF1024,PQ48 or OPQ48,IVF1024,PQ48"
PARAMETERS = "nprobe=16 (IVF), efSearch=64 (HNSW), quantizer_efSearch=64 (IVF over HNSW); several separated by commas"
_TRAIN_ROWS = 65_536  # more rows do not improve a quantiser
_TRAIN_ROWS_PER_LIST = 64  # of an inverted file; FAISS warns below 39
_ADD_ROWS = 16_384
_SAMPLE = 256  # number of queries for recall by default


@dataclass(frozen=True)
class ApproximateIndex:
    """An index over a corpus, and its build costs.

    Attributes
    ----------
    index
        The FAISS index.
    factory
        Factory string of the index.
    similarity
        Similarity that it approximates.
    rows, trained_on
        Passages in the index; passages that it was trained on, 0 if it needs no training.
    build_seconds
        Seconds for training and adding.
    nbytes
        Size on disk in bytes, about equal to the size in memory.
    corpus
        Shards of the passages.
    """

    index: Any
    factory: str
    similarity: Similarity
    rows: int
    trained_on: int
    build_seconds: float
    nbytes: int
    corpus: Corpus


@dataclass(frozen=True)
class Approximation:
    """Results and costs of an approximate search.

    Attributes
    ----------
    top
        Best passages found for all queries; see `search_index`.
    factory, parameters
        Factory string of the index, and its search parameters.
    rows, trained_on, build_seconds, nbytes
        See `ApproximateIndex`.
    search_seconds
        Seconds for all queries.
    exact_seconds
        Seconds of the exact search of the sample.
    sample
        Rows of the queries on which recall was measured: int64.
    exact
        Exact results for the sample.
    recall
        Share of the exact best k that was found, by query of the sample: float64. If passages tie at the k-th place,
        the ones that exact search lists count.
    """

    top: TopPassages
    factory: str
    parameters: str
    rows: int
    trained_on: int
    build_seconds: float
    nbytes: int
    search_seconds: float
    exact_seconds: float
    sample: np.ndarray
    exact: TopPassages
    recall: np.ndarray

    @property
    def mean_recall(self) -> float:
        """Recall@k: mean over the sample."""
        return float(self.recall.mean())


def measure_approximation(
    queries: np.ndarray,
    shards: Sequence[VectorBlock],
    factory: str,
    k: int,
    similarity: Similarity,
    *,
    parameters: str = "",
    sample: int = _SAMPLE,
    self_matches: np.ndarray | None = None,
    seed: int = 0,
    memory_limit: int = MEMORY_LIMIT,
    threads: int | None = None,
) -> Approximation:
    """Build an index, search it, and compare it with exact search on a sample of the queries.

    Parameters
    ----------
    factory, parameters, seed, memory_limit, threads
        See `build_index` and `search_index`.
    sample
        Number of queries, drawn with `seed`, for measuring recall; all queries if there are fewer.
    self_matches
        Position of the passage to leave out for each query, −1 for none: int64, shape (queries,).

    Raises
    ------
    SearchError
        See `build_index`, `search_index` and `find_best`; or the sample is empty.
    """
    if sample < 1 or not len(queries):
        raise SearchError(f"recall is measured on at least one query; asked for {sample} of {len(queries)}.")
    index = build_index(shards, factory, similarity, seed=seed, memory_limit=memory_limit, threads=threads)
    began = time.perf_counter()
    if self_matches is None:
        top = search_index(index, queries, k, parameters, threads=threads)
    else:
        top = search_index(index, queries, k + 1, parameters, threads=threads).without(self_matches, k)
    searched = time.perf_counter()
    rows = np.sort(np.random.default_rng(seed).permutation(len(queries))[:sample])
    began_exact = time.perf_counter()
    exact = find_best(
        DenseScorer(queries[rows], index.corpus),
        k,
        self_matches=None if self_matches is None else self_matches[rows],
        memory=memory_limit,
        threads=threads,
    )
    return Approximation(
        top=top,
        factory=factory,
        parameters=parameters,
        rows=index.rows,
        trained_on=index.trained_on,
        build_seconds=index.build_seconds,
        nbytes=index.nbytes,
        search_seconds=searched - began,
        exact_seconds=time.perf_counter() - began_exact,
        sample=rows,
        exact=exact,
        recall=measure_recall(exact, top.of_queries(rows)),
    )


def build_index(
    shards: Sequence[VectorBlock],
    factory: str,
    similarity: Similarity,
    *,
    train_rows: int | None = None,
    seed: int = 0,
    memory_limit: int = MEMORY_LIMIT,
    threads: int | None = None,
) -> ApproximateIndex:
    """Train an index on a sample of the passages and add them all.

    With more than one thread, FAISS builds graphs (HNSW) in no fixed order, so two builds may differ.

    Parameters
    ----------
    factory
        FAISS's factory string of the index, such as ``IVF1024,Flat``.
    train_rows
        Number of passages to train on, drawn with `seed`; by default as many as improve a quantiser, at least 64 for
        each list of an inverted file.
    memory_limit
        Largest size of the index in bytes. The first added passages give an estimate of its size.

    Raises
    ------
    SearchError
        FAISS does not know the index, or does not support it for this dimension or similarity; there are too few
        passages to train it; or it exceeds the memory limit.
    """
    corpus = Corpus(shards, similarity)
    metric = faiss.METRIC_L2 if similarity == Similarity.EUCLIDEAN else faiss.METRIC_INNER_PRODUCT
    began = time.perf_counter()
    with threadpool_limits(threads or available_cores()):
        with _explained(f"index {factory!r} for vectors of dimension {corpus.dimension}", FACTORIES):
            index = faiss.index_factory(corpus.dimension, factory, metric)
        sampled = 0
        if not index.is_trained:
            inverted = faiss.try_extract_index_ivf(index)
            sampled = max(_TRAIN_ROWS, _TRAIN_ROWS_PER_LIST * inverted.nlist if inverted else 0)
            sampled = min(train_rows or sampled, len(corpus))
            with _explained(f"index {factory!r}, trained on {sampled:,} of {len(corpus):,} passages", FACTORIES):
                index.train(_sample_rows(corpus, sampled, seed))
        _add(index, corpus, factory, memory_limit)
    seconds = time.perf_counter() - began
    return ApproximateIndex(index, factory, similarity, len(corpus), sampled, seconds, _size(index), corpus)


def search_index(
    index: ApproximateIndex, queries: np.ndarray, k: int, parameters: str = "", *, threads: int | None = None
) -> TopPassages:
    """Return each query's best passages from the index; equal scores in the order of positions.

    Parameters
    ----------
    parameters
        FAISS's search-time parameters, such as ``nprobe=16``; they stay set on the index.

    Returns
    -------
    TopPassages
        Approximate scores. Where the index finds fewer than `k`, position −1 with a score of −∞ fills the row.

    Raises
    ------
    SearchError
        A parameter is unknown or invalid; queries have another dimension or are not finite; or `k` is below 1.
    """
    scorer = DenseScorer(queries, index.corpus)
    if k < 1:
        raise SearchError(f"k must be at least 1, got {k}.")
    with _explained(f"index {index.factory!r} with parameters {parameters!r}", PARAMETERS):
        if parameters:
            _UNTYPED.ParameterSpace().set_index_parameters(index.index, parameters)
        with threadpool_limits(threads or available_cores()):
            values, rows = index.index.search(scorer.fed, min(k, index.rows))
    if index.similarity == Similarity.EUCLIDEAN:
        values = -np.sqrt(np.maximum(values, 0))
    scores = np.where(rows < 0, -np.inf, values).astype(np.float32)
    positions = _positions(index.corpus, rows)
    order = np.lexsort((positions, -scores), axis=1)
    return TopPassages(*(np.take_along_axis(column, order, axis=1) for column in (positions, scores)))


def measure_recall(exact: TopPassages, approximate: TopPassages) -> np.ndarray:
    """Return the share of each query's exact best passages in the approximate list: float64, shape (queries,).

    Raises
    ------
    SearchError
        The lists belong to different queries.
    """
    if len(exact.positions) != len(approximate.positions):
        raise SearchError(f"lists of {len(exact.positions)} and of {len(approximate.positions)} queries.")
    span = 2 + max(exact.positions.max(initial=0), approximate.positions.max(initial=0))
    keys = (np.arange(len(top.positions))[:, None] * span + top.positions + 1 for top in (exact, approximate))
    recall: np.ndarray = np.isin(*keys).mean(axis=1)
    return recall


def _add(index: Any, corpus: Corpus, factory: str, memory_limit: int) -> None:
    empty = _size(index)
    for number, block in enumerate(corpus.blocks(_ADD_ROWS)):
        with _explained(f"index {factory!r}", FACTORIES):
            index.add(block.fed)
        if not number:
            foreseen = empty + (_size(index) - empty) / len(block.fed) * len(corpus)
            if foreseen > memory_limit:
                raise SearchError(
                    f"index {factory!r} of {len(corpus):,} passages takes about {show_size(foreseen)}, more than the "
                    f"limit of {show_size(memory_limit)}. Smaller are SQ8 (a byte per dimension) and PQ48 (48 bytes)."
                )


def _sample_rows(corpus: Corpus, count: int, seed: int) -> np.ndarray:
    """Draw passages without replacement; float32, as the index takes them."""
    chosen = np.sort(np.random.default_rng(seed).choice(len(corpus), count, replace=False))
    sample, begin = np.empty((count, corpus.dimension), dtype=np.float32), 0
    for block in corpus.blocks(_ADD_ROWS):
        window = slice(*np.searchsorted(chosen, [begin, begin + len(block.fed)]))
        sample[window] = block.fed[chosen[window] - begin]
        begin += len(block.fed)
    return sample


def _positions(corpus: Corpus, rows: np.ndarray) -> np.ndarray:
    """Convert numbers of passages in the order of adding into positions; −1 stays −1."""
    firsts = np.cumsum([0, *map(len, corpus.shards)])[:-1]
    shifts = np.array([shard.start for shard in corpus.shards]) - firsts
    return np.where(rows < 0, -1, rows + shifts[np.searchsorted(firsts, rows, side="right") - 1])


def _size(index: Any) -> int:
    """Return the bytes of an index when written, without writing it."""
    size = 0

    def count(content: bytes) -> None:
        nonlocal size
        size += len(content)

    _UNTYPED.write_index(index, _UNTYPED.PyCallbackIOWriter(count))
    return size


@contextmanager
def _explained(what: str, valid: str) -> Iterator[None]:
    """Convert FAISS's errors into ones that name the request and the valid values."""
    try:
        yield
    except RuntimeError as error:
        message = str(error).rsplit(": ", 1)[-1].strip()
        raise SearchError(f"{what}: FAISS says: {message}. Valid are, for instance: {valid}.") from error
