"""Representations -> a scorer. Kinds of representation differ here only.

Dense vectors give approximate scores by a matrix product, and exact ones for single pairs; whichever shards the
passages lie in, the exact scores are the same to the bit. Sparse and multi-vectors are scored exactly in one panel.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from babelrank.encoding.protocol import Similarity, parse_similarity
from babelrank.encoding.vector_block import VectorBlock, array_block
from babelrank.encoding.vectors import MultiVectors, Vectors
from babelrank.errors import SearchError
from babelrank.ranking.dense import Corpus, DenseScorer
from babelrank.ranking.panels import Scorer
from babelrank.ranking.whole import maxsim_scorer, sparse_scorer

_WHOLE: dict[type, Callable[[Any, Any, Similarity], Scorer]] = {
    csr_array: sparse_scorer,
    MultiVectors: maxsim_scorer,
}


def make_scorer(queries: Vectors, passages: Vectors | Sequence[VectorBlock], similarity: Similarity | str) -> Scorer:
    """Return what scores these representations.

    Parameters
    ----------
    passages
        Representations of the queries' kind; of dense ones also shards.
    similarity
        By value: ``cosine``, ``dot`` or ``euclidean``.

    Raises
    ------
    EncoderError
        The similarity is unknown, or not defined for this kind of representation; vectors are not finite.
    SearchError
        Queries and passages are of different kinds or dimensions, or too long for float32.
    """
    chosen = parse_similarity(similarity) or Similarity.COSINE
    if isinstance(queries, np.ndarray):
        shards = [array_block(np.ascontiguousarray(passages))] if isinstance(passages, np.ndarray) else passages
        if not isinstance(shards, Sequence):
            raise SearchError(f"queries are dense, but passages are a {type(passages).__name__}.")
        return DenseScorer(queries, Corpus(shards, chosen))
    if type(queries) is not type(passages):
        raise SearchError(f"queries are a {type(queries).__name__}, but passages are a {type(passages).__name__}.")
    return _WHOLE[type(queries)](queries, passages, chosen)
