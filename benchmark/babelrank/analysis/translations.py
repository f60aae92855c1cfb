"""Find which texts of a collection are translations of one another, from ids and qrels.

Queries are translations if they have one id and share a relevant passage, passages if they are relevant to one
question.
"""

import numpy as np
import pandas as pd

from babelrank.data.collection import Collection


def number_questions(collection: Collection) -> np.ndarray:
    """Return a number for each query, the same for the translations of one question: int64, from 0 without gaps.

    An id alone is not enough: collections that are not parallel may number their queries from 1 in each language.
    """
    query, passage = (collection.qrels[side].to_numpy(np.int64) for side in ("query", "passage"))
    identity = collection.queries["question"].factorize()[0]
    _, link = np.unique(identity[query] * len(collection.passages) + passage, return_inverse=True)
    count = len(identity)
    questions: np.ndarray = _components(query, link, count, int(link.max(initial=-1)) + 1)[:count]
    return np.unique(questions, return_inverse=True)[1]


def find_translations(question: np.ndarray, text: np.ndarray, lang: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all pairs of texts in two languages that belong to one question, in both directions, sorted; int64."""
    texts = pd.DataFrame({"question": question, "text": text}).drop_duplicates()
    pairs = texts.merge(texts, on="question")
    first, second = (pairs[side].to_numpy(np.int64) for side in ("text_x", "text_y"))
    across = lang[first] != lang[second]
    first, second = np.divmod(np.unique(first[across] * len(lang) + second[across]), len(lang))
    return first, second


def group_translations(collection: Collection, question: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each query and each passage, the same for all that qrels link; int64, both.

    A group contains questions with a relevant passage in common, and passages that are relevant to one question. No
    text of one group has a translation in another, so a probe can train on some groups and test on the others.

    Parameters
    ----------
    question
        Result of `number_questions`.
    """
    query, passage = (collection.qrels[side].to_numpy(np.int64) for side in ("query", "passage"))
    count = int(question.max(initial=-1)) + 1
    groups = _components(question[query], passage, count, len(collection.passages))
    return groups[:count][question], groups[count:]


def _components(first: np.ndarray, second: np.ndarray, first_count: int, second_count: int) -> np.ndarray:
    """Return the connected component of each node of a bipartite graph, nodes of the first kind first; int64."""
    from scipy.sparse import coo_array  # not needed to read a report
    from scipy.sparse.csgraph import connected_components

    shape = (first_count + second_count,) * 2
    edges = coo_array((np.ones(len(first), dtype=np.int8), (first, first_count + second)), shape=shape)
    labels: np.ndarray = connected_components(edges.tocsr(), directed=False)[1].astype(np.int64)
    return labels
