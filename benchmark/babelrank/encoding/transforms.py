"""Post-hoc transforms of dense representations. They are fitted on passages.

These are the searched passages, which must be known beforehand, or those of another collection. Only `center-roles` is
also fitted on the queries, so all queries must be known beforehand, as in an evaluation.

For cosine similarity, vectors are scaled to length 1 first, so that a transform sees the same vectors as the score,
which scales them again. For other similarities, vectors are used unchanged.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from babelrank.data.collection import Collection
from babelrank.data.language_facts import alike
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.encoding.vectors import Kind, unit_rows
from babelrank.errors import EncoderError, unknown_choice

# Transforms vectors, shape (texts, dimension), given the language of each, shape (texts,).
Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
# Fits a transform to the passages and their languages.
Fit = Callable[[np.ndarray, np.ndarray], Change]

_BLOCK = 1 << 16  # rows that are copied to double precision at a time
_NO_VARIANCE = 1e-10  # of the largest variance; smaller variances are rounding errors of float32
_INT8_LIMIT = 127  # −128 is left out, so that the range is symmetric


@dataclass(frozen=True)
class Transform:
    """A transform, made by `parse_transform`.

    Attributes
    ----------
    name
        Name for `parse_transform`, such as ``abtt:3``.
    fit
        Fits the transform of passages and queries to the passages.
    similarity
        Similarity of the transformed vectors; None if unchanged.
    size
        Number in its name; None if it has none.
    by_role
        Whether queries get a separate transform, fitted to the queries.
    bits
        Bits per number of the transformed vectors.
    source
        Collection to fit on, as a specification until it is opened; None for the searched collection.
    """

    name: str
    fit: Fit
    similarity: Similarity | None = None
    size: int | None = None
    by_role: bool = False
    bits: int = 32
    source: Collection | str | None = None

    def check(self, kind: Kind, dimension: int) -> int:
        """Return the maximum dimension of the transformed vectors, and check it before there are vectors.

        Raises
        ------
        EncoderError
            As for `apply`, as far as kind and dimension show it.
        """
        if kind is not Kind.DENSE:
            raise self._error("for dense representations only")
        if self.size is None:
            return dimension
        verb = self.name.partition("@")[0].partition(":")[0]
        try:
            _require_at_most(self.size, dimension if verb == "whiten" else dimension - 1, dimension)
        except ValueError as error:
            raise self._error(str(error)) from error
        return dimension if verb == "abtt" else self.size

    def check_languages(self, collection: Collection) -> None:
        """Refuse a collection with languages that the source lacks, if there is a source.

        The passages of ``zh-Hans`` serve for ``zh``, too, if there are none in ``zh``; see `language_facts.alike`.

        Raises
        ------
        EncoderError
            The source lacks a language. The message names the missing ones.
        """
        if not isinstance(self.source, Collection):
            return
        known = self.source.languages
        if missing := [lang for lang in collection.languages if _same_language(lang, known) is None]:
            raise self._error(f"{self.source.name} has no passages in {', '.join(missing)}")

    def learn(self, representations: Representations, collection: Collection) -> "Transform":
        """Return the transform fitted on these passages, for use on any vectors.

        Raises
        ------
        EncoderError
            The representations are not dense, or have too few dimensions or passages for the transform.
        """
        _, passages = self._dense(representations)
        try:
            change = self.fit(passages, collection.passages.frame["lang"].to_numpy(dtype=object))
        except ValueError as error:
            raise self._error(str(error)) from error
        return replace(self, fit=lambda *_: change, source=None)

    def apply(self, representations: Representations, collection: Collection) -> Representations:
        """Return the transformed representations, float32.

        Raises
        ------
        EncoderError
            They are not dense, or have too few dimensions or passages for the transform.
        """
        queries, passages = self._dense(representations)
        query_langs, passage_langs = (
            table["lang"].to_numpy(dtype=object) for table in (collection.queries, collection.passages.frame)
        )
        try:
            if self.by_role:
                _require_several(query_langs)
            change = self.fit(passages, passage_langs)
            change_queries = self.fit(queries, query_langs) if self.by_role else change
            queries, passages = change_queries(queries, query_langs), change(passages, passage_langs)
        except ValueError as error:
            raise self._error(str(error)) from error
        return replace(
            representations,
            queries=queries.astype(np.float32, copy=False),
            passages=passages.astype(np.float32, copy=False),
            similarity=self.similarity or representations.similarity,
            bits=self.bits,
        )

    def _dense(self, representations: Representations) -> tuple[np.ndarray, np.ndarray]:
        """Return queries and passages as the score sees them."""
        queries, passages = representations.queries, representations.passages
        if not (isinstance(queries, np.ndarray) and isinstance(passages, np.ndarray)):
            raise self._error("for dense representations only")
        if representations.similarity is Similarity.COSINE:
            return unit_rows(queries), unit_rows(passages)
        return queries, passages

    def _error(self, problem: str) -> EncoderError:
        return EncoderError(f"transform {self.name!r}: {problem}.")


def parse_transform(text: str) -> Transform:
    """Parse ``center``, ``center-roles``, ``whiten``, ``whiten:K``, ``abtt:K``, ``truncate:K``, ``int8`` or ``binary``.

    ``center:P`` and ``center-roles:P`` subtract P percent of the means. ``center:P@COLLECTION``, and the others alike,
    are fitted on the passages of that collection.

    Raises
    ------
    EncoderError
        The transform is unknown, its number is missing, not allowed or not a whole number above 0, or a collection is
        named for a transform that is fitted on queries.
    """
    verb, at, place = text.partition("@")
    if at:
        plain = parse_transform(verb)
        if plain.by_role or not place:
            raise EncoderError(f"transform {text!r}: expected a collection after @, and a transform but center-roles.")
        return replace(plain, name=f"{plain.name}@{place}", source=place)
    name, colon, number = text.partition(":")
    if name in _PLAIN and not colon:
        return _PLAIN[name]
    if name in _CENTERING and number.isdecimal() and 0 < int(number) <= 100:
        fit = partial(fit_center, share=int(number) / 100)
        return replace(_PLAIN[name], name=f"{name}:{int(number)}", fit=fit)
    if name in _NUMBERED and number.isdecimal() and int(number) > 0:
        size = int(number)
        return Transform(f"{name}:{size}", partial(_NUMBERED[name], size=size), size=size)
    if name not in _PLAIN | _NUMBERED:
        raise EncoderError(unknown_choice("transform", name, _PLAIN | _NUMBERED))
    wanted = [
        *([name] if name in _PLAIN else []),
        *([f"{name}:P, P a percentage from 1 to 100"] if name in _CENTERING else []),
        *([f"{name}:K, K a whole number above 0"] if name in _NUMBERED else []),
    ]
    expected = " or ".join(wanted)
    raise EncoderError(f"transform {text!r}: expected {expected}.")


def fit_center(passages: np.ndarray, languages: np.ndarray, share: float = 1.0) -> Change:
    """Subtract from each vector the mean of the passages in its language, or a share of it.

    The mean of a language's vectors identifies the language, not the content: Libovický et al. 2020, "On the Language
    Neutrality of Pre-trained Multilingual Representations", arXiv 2004.05160. The same vector is subtracted from
    passages and queries in a language. `center-roles` subtracts separate means, and so also the difference between
    queries and passages as such.
    """
    means = {lang: share * passages[languages == lang].mean(axis=0, dtype=np.float64) for lang in np.unique(languages)}

    def change(vectors: np.ndarray, languages: np.ndarray) -> np.ndarray:
        centred = np.empty(vectors.shape)
        for lang in np.unique(languages):
            learnt = _same_language(lang, means)
            if learnt is None:
                raise ValueError(f"there are queries but no passages in {lang!r}")
            centred[languages == lang] = vectors[languages == lang] - means[learnt]
        return centred

    return change


def _same_language(lang: str, known: Iterable[str]) -> str | None:
    """Return the code for a language among the known ones, exactly or without its likely script and region."""
    known = sorted(known)
    return lang if lang in known else next((each for each in known if alike([each, lang])), None)


def fit_whiten(passages: np.ndarray, _: np.ndarray, size: int | None = None) -> Change:
    """Subtract the passages' mean, rotate to their principal axes, scale each to variance 1, and keep the first `size`.

    Su et al. 2021, "Whitening Sentence Representations for Better Semantics and Faster Retrieval", arXiv 2103.15316.
    ZCA whitening would rotate back to the original axes, which does not change scores. Axes without variance, as with
    fewer passages than dimensions, are left out.
    """
    mean, axes, variances = _principal_axes(passages)
    varying = int((variances > _NO_VARIANCE * variances[0]).sum())
    if size is not None and size > varying:
        raise ValueError(f"the passages vary only along {varying} of {len(mean)} axes")
    if not varying:
        raise ValueError("the passages' vectors are all the same")
    kept = slice(size or varying)
    matrix = axes[:, kept] / np.sqrt(variances[kept])
    return lambda vectors, _: _multiply(vectors, matrix) - mean @ matrix


def fit_abtt(passages: np.ndarray, _: np.ndarray, size: int) -> Change:
    """Subtract the passages' mean and the projection on their first `size` principal axes.

    Mu & Viswanath 2018, "All-but-the-Top: Simple and Effective Postprocessing for Word Representations", arXiv
    1702.01417.
    """
    mean, axes, _variances = _principal_axes(passages)
    _require_at_most(size, len(mean) - 1, len(mean))
    matrix = np.eye(len(mean)) - axes[:, :size] @ axes[:, :size].T
    return lambda vectors, _: _multiply(vectors, matrix) - mean @ matrix


def fit_truncate(passages: np.ndarray, _: np.ndarray, size: int) -> Change:
    """Keep the first `size` dimensions.

    Models trained for this put the most information into them: Kusupati et al. 2022, "Matryoshka Representation
    Learning", arXiv 2205.13147.
    """
    _require_at_most(size, passages.shape[1] - 1, passages.shape[1])
    return lambda vectors, _: vectors[:, :size]


def fit_int8(passages: np.ndarray, _: np.ndarray) -> Change:
    """Round to 255 levels per dimension, evenly spaced around 0 up to the largest magnitude among the passages.

    Larger values of queries are clipped. Symmetric uniform quantisation: Krishnamoorthi 2018, arXiv 1806.08342, section
    2.2. The result is the value of each level, so scores equal those of integer arithmetic.
    """
    scale = np.abs(passages).max(axis=0) / _INT8_LIMIT
    scale = np.where(scale == 0, 1, scale)
    return lambda vectors, _: np.clip(np.rint(vectors / scale), -_INT8_LIMIT, _INT8_LIMIT) * scale


def fit_binary(_passages: np.ndarray, _: np.ndarray) -> Change:
    """Keep the sign: 1 for values of at least 0, else −1.

    The dot product is then dimension − 2 · Hamming distance (Yamada et al. 2021, arXiv 2106.00882, compares binary
    queries and passages like this). It is exact in float32, while rounding of the cosine would break ties.
    """
    return lambda vectors, _: np.where(vectors >= 0, 1.0, -1.0)


_PLAIN = {
    transform.name: transform
    for transform in (
        Transform("center", fit_center),
        Transform("center-roles", fit_center, by_role=True),
        Transform("whiten", fit_whiten),
        Transform("int8", fit_int8, bits=8),
        Transform("binary", fit_binary, Similarity.DOT, bits=1),
    )
}
_CENTERING = ("center", "center-roles")
_NUMBERED: dict[str, Callable[..., Change]] = {"whiten": fit_whiten, "abtt": fit_abtt, "truncate": fit_truncate}


def _require_several(query_langs: np.ndarray) -> None:
    langs, counts = np.unique(query_langs, return_counts=True)
    for lang in langs[counts == 1]:
        raise ValueError(f"there is only one query in {lang!r}; subtracting the mean would leave a zero vector")


def _require_at_most(size: int, most: int, dimension: int) -> None:
    if size > most:
        raise ValueError(f"the vectors have {dimension} dimensions, so K is at most {most}")


def _principal_axes(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean, the principal axes (columns) and the variance along each, largest first: float64."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    blocks = (vectors[start : start + _BLOCK] - mean for start in range(0, len(vectors), _BLOCK))
    covariance = np.sum([block.T @ block for block in blocks], axis=0) / len(vectors)
    variances, axes = np.linalg.eigh(covariance)
    return mean, axes[:, ::-1], variances[::-1]


def _multiply(vectors: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the product. Equal rows of `vectors` give bitwise equal results.

    A plain matrix product does not guarantee that, and passages with the same vector would then no longer tie.
    """
    rows = np.ascontiguousarray(vectors).view(np.dtype((np.void, vectors.itemsize * vectors.shape[1])))
    _, first, inverse = np.unique(rows.ravel(), return_index=True, return_inverse=True)
    product: np.ndarray = vectors[first] @ matrix
    return product[inverse]
