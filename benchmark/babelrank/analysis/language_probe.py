"""Measure how well a linear classifier predicts the language of a text from its vector, in closed form."""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.settings import Cell, as_cells

PROBE_TEXTS = 10_000  # accuracy still rises with the sample, but more would take too long
_FOLDS = 5
_STRENGTH = 1.0  # strength of the ridge, scikit-learn's default


@dataclass(frozen=True)
class LanguageProbe:
    """Accuracy of a linear classifier that predicts the language from a vector.

    Attributes
    ----------
    n
        Number of texts in the sample.
    accuracy
        Share of correctly predicted texts, by five-fold cross-validation; translations share a fold.
    chance
        Share of the most frequent language in the sample.
    by_language
        Share of correctly predicted texts by language.
    """

    n: int
    accuracy: float
    chance: float
    by_language: list[Cell]


def probe_language(
    vectors: np.ndarray, lang: np.ndarray, size: int, groups: np.ndarray, seed: int
) -> LanguageProbe | None:
    """Cross-validate a linear classifier of the language on a sample of whole groups of translations.

    The classifier is ridge regression on the languages as ±1, which has a closed form: it always converges. All folds
    share one pass over the vectors, as the sums of squares of a training set are those of all texts minus those of the
    fold.

    Parameters
    ----------
    vectors
        Unit vectors, shape (texts, dimension).
    lang
        int64, shape (texts,): language of each text, below `size`.
    groups
        int64, shape (texts,): the same number for all translations of a text.
    seed
        Seed of the order in which groups are drawn until they hold `PROBE_TEXTS` texts.

    Returns
    -------
    LanguageProbe or None
        None with fewer than five groups or two languages.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    chosen = drawn[np.cumsum(sizes[drawn]) <= PROBE_TEXTS]
    rows = np.flatnonzero(np.isin(group, chosen))
    if len(chosen) < _FOLDS or len(np.unique(lang[rows])) < 2:
        return None
    lang = lang[rows]
    points: np.ndarray = vectors[rows]
    if len(points) < vectors.shape[1]:
        # The ridge depends on lengths and angles alone, which need no more dimensions than there are texts.
        points = np.transpose(np.linalg.qr(points.T.astype(np.float64), mode="r"))
    # The last column is the intercept. Inputs have the variance that the default strength assumes.
    inputs = np.ones((len(rows), points.shape[1] + 1), dtype=np.float32)
    np.multiply(points, np.sqrt(vectors.shape[1]), out=inputs[:, :-1])
    targets = np.where(lang[:, None] == np.arange(size), np.float32(1), np.float32(-1))
    fold = _assign_folds(group[rows])
    parts = [np.flatnonzero(fold == i) for i in range(_FOLDS)]
    squares = np.stack([inputs[part].T @ inputs[part] for part in parts]).astype(np.float64)
    products = np.stack([inputs[part].T @ targets[part] for part in parts]).astype(np.float64)
    penalty = np.diag([*np.full(points.shape[1], _STRENGTH), 0.0])
    found = np.empty(len(rows), dtype=bool)
    for i, part in enumerate(parts):
        training = squares.sum(axis=0) - squares[i] + penalty
        weights = np.linalg.solve(training, products.sum(axis=0) - products[i])
        found[part] = (inputs[part] @ weights).argmax(axis=1) == lang[part]
    n = np.bincount(lang, minlength=size)
    return LanguageProbe(
        n=len(rows),
        accuracy=float(found.mean()),
        chance=float(n.max() / n.sum()),
        by_language=as_cells((np.bincount(lang, weights=found, minlength=size) / np.where(n == 0, np.nan, n))[None])[0],
    )


def _assign_folds(groups: np.ndarray) -> np.ndarray:
    """Return the fold of each text: largest groups first, each into the smallest fold, as scikit-learn's GroupKFold."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    folds = np.zeros(len(sizes), dtype=np.int64)
    filled = [0] * _FOLDS
    for number in np.argsort(sizes, kind="stable")[::-1].tolist():
        folds[number] = smallest = filled.index(min(filled))
        filled[smallest] += int(sizes[number])
    return folds[group]
