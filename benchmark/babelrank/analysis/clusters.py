"""Group related questions: find the cluster of each row of a rank table.

Questions about one article share its topic, its wording and often an answer sentence. They are not independent, and
intervals that resample single questions are too narrow. Resamples and permutations therefore use whole clusters, and
keep a question's translations together.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from babelrank.errors import ReportError, unknown_choice
from babelrank.ranking.table import RankTable

LEVELS = ("article", "paragraph", "question")
FEWEST = 30  # with fewer, intervals and tests cannot be trusted (Cameron, Gelbach & Miller 2008, REStat 90, 414–427)
_LAREQA_ID = r"^(?P<paragraph>(?P<article>[^/]+/\d+)/\d+)/\d+$"  # language/article/paragraph/sentence


def clusters(ranks: RankTable, level: str = "article") -> np.ndarray | None:
    """Return the cluster of each row's question.

    A question belongs to the articles (or paragraphs) of its relevant passages. LAReQA numbers articles separately in
    each language. Questions with an article in common form a cluster, as do questions that are linked through others.
    XQuAD-R has 48 articles and 240 paragraphs, MLQA-R 520 and 933.

    Parameters
    ----------
    level
        ``article``, ``paragraph``, or ``question``: each question is its own cluster.

    Returns
    -------
    numpy.ndarray or None
        int64, shape (rows,): 0, 1, … without gaps. None if the passage ids do not name articles. Only ids of LAReQA do,
        such as ``en/12/3/0``.

    Raises
    ------
    ReportError
        `level` is not one of these.
    """
    if level not in LEVELS:
        raise ReportError(unknown_choice("level of clusters", level, LEVELS))
    question = _questions(ranks)
    if level == "question":
        return question
    passage, ids = ranks.table["passage_id"].factorize()
    units = ids.to_series().astype("str").str.extract(_LAREQA_ID)[level]
    if units.isna().any():
        return None
    unit = units.factorize()[0][passage]
    questions = int(question.max(initial=-1)) + 1
    size = questions + int(unit.max(initial=-1)) + 1
    links = coo_array((np.ones(len(unit), dtype=np.int8), (question, questions + unit)), shape=(size, size))
    parts: np.ndarray = connected_components(links.tocsr(), directed=False)[1][:questions].astype(np.int64)
    numbers: np.ndarray = np.unique(parts, return_inverse=True)[1][question]
    return numbers


def number_clusters(clusters: np.ndarray | None, members: np.ndarray, count: int) -> np.ndarray | None:
    """Return the cluster of each question, or query, from that of each row.

    Parameters
    ----------
    clusters
        Shape (rows,); None if questions are not clustered.
    members
        int64, shape (rows,): number of each row's question, below `count`.

    Returns
    -------
    numpy.ndarray or None
        int64, shape (count,): 0, 1, … without gaps; None if `clusters` is None.

    Raises
    ------
    ReportError
        The clusters belong to another table, or the rows of a question are in different clusters.
    """
    if clusters is None:
        return None
    if np.shape(clusters) != members.shape:
        raise ReportError(f"clusters need one number for each of the {len(members)} rows, got {np.shape(clusters)}.")
    numbers = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    found = np.zeros(count, dtype=np.int64)
    found[members] = numbers
    if (found[members] != numbers).any():
        raise ReportError("clusters must keep the rows of a question together; one question is in several.")
    return found


def query_clusters(ranks: RankTable, given: np.ndarray | None) -> np.ndarray:
    """Return the cluster of each query: that of its rows, or by default that of its question with its translations.

    Parameters
    ----------
    given
        Cluster of each row, shape (rows,), or None.

    Returns
    -------
    numpy.ndarray
        int64, shape (queries,), in the order of `RankTable.query_numbers`.

    Raises
    ------
    ReportError
        The clusters do not fit the table, or do not keep a question together.
    """
    questions = _questions(ranks)
    number_clusters(given, questions, int(questions.max(initial=-1)) + 1)
    rows = questions if given is None else np.asarray(given)
    members = ranks.query_numbers
    found = number_clusters(rows, members, int(members.max(initial=-1)) + 1)
    return np.zeros(0, dtype=np.int64) if found is None else found


def sum_by_cluster(values: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """Sum the rows of each cluster: shape (clusters, …)."""
    if clusters is None:
        return values
    sums = np.zeros((int(clusters.max(initial=-1)) + 1, *values.shape[1:]))
    np.add.at(sums, clusters, values)
    return sums


def warn_of_few(count: int) -> str | None:
    """Return a sentence if there are too few clusters for intervals, and for tests to be trusted."""
    if count >= FEWEST:
        return None
    return (
        f"There are only {count} independent groups of questions; with fewer than {FEWEST} there are no intervals, and "
        "p-values are too small."
    )


def _questions(ranks: RankTable) -> np.ndarray:
    """Return the number of each row's question: int64, shape (rows,)."""
    numbers: np.ndarray = ranks.table["query_id"].factorize()[0].astype(np.int64)
    return numbers
