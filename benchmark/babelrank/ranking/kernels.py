"""Compiled loops that compute score blocks of sparse and multi-vector representations."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True, error_model="numpy")
def sparse_products(
    query_starts: np.ndarray,
    query_terms: np.ndarray,
    query_weights: np.ndarray,
    posting_starts: np.ndarray,
    posting_passages: np.ndarray,
    posting_weights: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Add up, term by term, the products of query and passage weights.

    Parameters
    ----------
    query_starts, query_terms, query_weights
        The block's queries in compressed rows: int64 (queries + 1,), int64, float32.
    posting_starts, posting_passages, posting_weights
        The pool in compressed columns, an inverted index: int64 (terms + 1,), int64, float32.
    scores
        float32, shape (queries, pool): overwritten.
    """
    scores[:] = 0
    for query in range(len(scores)):
        row = scores[query]
        for i in range(query_starts[query], query_starts[query + 1]):
            weight = query_weights[i]
            for j in range(posting_starts[query_terms[i]], posting_starts[query_terms[i] + 1]):
                row[posting_passages[j]] += weight * posting_weights[j]


# The order of maxima does not matter, so the compiler can use vector registers; no similarity is NaN.
@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nnan", "nsz"})
def add_token_maxima(
    similarities: np.ndarray, query_starts: np.ndarray, passage_starts: np.ndarray, scores: np.ndarray
) -> None:
    """Add, for each query token, its similarity to the nearest token of each passage (MaxSim).

    Parameters
    ----------
    similarities
        float32, shape (query tokens, passage tokens).
    query_starts, passage_starts
        int64, shapes (queries + 1,) and (passages + 1,): start of each text's tokens.
    scores
        float32, shape (queries, passages): added to.
    """
    for query in range(len(query_starts) - 1):
        for token in range(query_starts[query], query_starts[query + 1]):
            row = similarities[token]
            for passage in range(len(passage_starts) - 1):
                best = row[passage_starts[passage]]
                for i in range(passage_starts[passage] + 1, passage_starts[passage + 1]):
                    best = max(best, row[i])
                scores[query, passage] += best
