"""Choose a scorer for representations. Only here do kinds of representation differ.

Dense vectors give approximate scores by a matrix product, and exact ones for single pairs; exact scores have the same
bits for any split into shards. Sparse and multi-vectors are scored exactly in one panel.
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
    """Return a scorer for these representations.

    Parameters
    ----------
    passages
        Representations of the same kind as the queries; dense ones may be shards.
    similarity
        By value: ``cosine``, ``dot`` or ``euclidean``.

    Raises
    ------
    EncoderError
        The similarity is unknown, or not defined for this kind of representation; vectors are not finite.
    SearchError
        Queries and passages have different kinds or dimensions, or are too long for float32.
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
