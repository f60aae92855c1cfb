"""BM25 over words and character n-grams, with bm25s' formulas, weighted in the pool that is ranked.

Robertson & Zaragoza 2009, doi 10.1561/1500000019; bm25s: Lù 2024, arXiv 2407.03618. A text becomes a count per term. A
term's column is a hash, so no vocabulary is stored. The idf and average length are applied when the pool is known.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from itertools import chain
from typing import Any

import numpy as np
import xxhash
from scipy.sparse import csr_array

from babelrank.encoding.protocol import (
    PROMPT_NAMES,
    Adapter,
    EncoderInfo,
    EncoderOptions,
    Role,
    Similarity,
    TokenCounts,
)
from babelrank.encoding.vectors import Kind
from babelrank.errors import EncoderError, requires
from babelrank_adapters.option_types import number, one_of, positive_integer

MODEL = "bm25"
# Columns, one per hash. With a million distinct terms, the probability of a collision is 0.2 %. The number fits into a
# double, the number type of JSON readers.
DIMENSION = 2**48
_METHODS = ("lucene", "robertson", "atire", "bm25l", "bm25+")
_DEFAULTS = {"method": "lucene", "k1": 1.5, "b": 0.75, "delta": 0.5, "ngram": 2}  # bm25s' defaults, and bigrams
_DELTA_METHODS = ("bm25l", "bm25+")  # the others have no delta
# Letters and marks of scripts without spaces between words. Punctuation that they share is not \w.
_SCRIPTS = ("Thai", "Lao", "Khmer", "Myanmar", "Han", "Hiragana", "Katakana")
_UNSPACED = r"[\w&&[" + "".join(rf"\p{{scx={script}}}" for script in _SCRIPTS) + "]]"
_TOKENS = "tokens 1"  # increase it when tokenization changes, so old stored counts are not read


class Bm25Encoder:
    """Encode queries and passages as term counts. `weigh` turns the passages' counts into BM25 weights.

    The score is the dot product. It equals bm25s' score, up to a constant per query for methods that also score
    passages without the term (bm25l, bm25+).

    Parameters
    ----------
    settings
        For `info`: ``method``, ``k1``, ``b``, ``delta`` for the methods that have one, and what else changes terms.
    tokenise
        Splits a text into terms.
    common
        Terms in at least this share of a pool's passages are ignored, as stop words are. None keeps all terms.
    name, adapter, fingerprint, notes
        For `info`; the fingerprint is that of `tokenise`.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        tokenise: Callable[[str], list[str]],
        common: float | None = None,
        *,
        name: str = MODEL,
        adapter: str = MODEL,
        fingerprint: str = _TOKENS,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        from bm25s import scoring

        # Private names of bm25s, hence the upper bound in pyproject.toml. Tests compare the weights with its index.
        self._parameters = {name: settings.get(name) for name in ("k1", "b", "delta")}
        self._idf = scoring._select_idf_scorer(settings["method"])
        self._saturate = scoring._select_tfc_scorer(settings["method"])
        self._tokenise, self._common = tokenise, common
        self.info = EncoderInfo(
            name=name,
            adapter=adapter,
            fingerprint=f"bm25s=={version('bm25s')}, {fingerprint}",
            dimension=DIMENSION,
            parameters=0,
            similarity=Similarity.DOT,
            settings=settings,
            notes=notes or {},
            kind=Kind.SPARSE,
        )

    def encode_query(self, texts: Sequence[str]) -> csr_array:
        """Return term counts as float32, shape (len(texts), 2⁴⁸)."""
        return self._count(texts)

    def encode_document(self, texts: Sequence[str]) -> csr_array:
        """Return term counts as float32, shape (len(texts), 2⁴⁸)."""
        return self._count(texts)

    def _count(self, texts: Sequence[str]) -> csr_array:
        tokens = [self._tokenise(text) for text in texts]
        indptr = np.cumsum([0, *map(len, tokens)], dtype=np.int64)
        distinct = list(set(chain.from_iterable(tokens)))
        column_of = dict(zip(distinct, columns_of(distinct), strict=True))
        columns = np.fromiter(map(column_of.get, chain.from_iterable(tokens)), dtype=np.int64, count=indptr[-1])
        counts = csr_array((np.ones(len(columns), dtype=np.float32), columns, indptr), shape=(len(texts), DIMENSION))
        counts.sum_duplicates()
        return counts

    def weigh(self, documents: csr_array) -> csr_array:
        """Turn counts into BM25 weights with the idf and the average length of `documents`: float32, same shape.

        The formulas are bm25s', applied to all counts at once. Its index would count lists of terms again.
        """
        if not documents.nnz:  # no average length to divide by
            return documents
        import pandas as pd

        terms, _ = pd.factorize(documents.indices)  # a hash table: far cheaper than np.unique's sort
        frequency = np.bincount(terms)
        if self._common is not None and (common := frequency >= self._common * documents.shape[0]).any():
            return self.weigh(_without(documents, common[terms]))
        frequencies, place = np.unique(frequency, return_inverse=True)
        idf = np.array([self._idf(int(df), documents.shape[0]) for df in frequencies])[place]
        lengths = documents.sum(axis=1, dtype=np.float64)
        saturate = partial(self._saturate, l_avg=lengths.mean(), **self._parameters)
        lengths_here = np.repeat(lengths, np.diff(documents.indptr))
        weights = idf.astype(np.float32)[terms] * saturate(documents.data, lengths_here)
        if self.info.settings["method"] in _DELTA_METHODS:  # the weight of a passage without the term
            weights -= (idf * saturate(0, lengths.mean())).astype(np.float32)[terms]
        return csr_array((weights.astype(np.float32), documents.indices, documents.indptr), shape=documents.shape)

    def count_truncated(self, _texts: Sequence[str], _role: Role) -> int:
        """Return 0, as texts are never cut."""
        return 0

    def count_tokens(self, texts: Sequence[str]) -> TokenCounts:
        """Return the number of terms of each text. There is no vocabulary, so none is unknown."""
        counts = [len(self._tokenise(text)) for text in texts]
        return TokenCounts(counts, [0] * len(counts))


def _without(counts: csr_array, dropped: np.ndarray) -> csr_array:
    """Return counts without those at some places, a Boolean each."""
    kept = np.concatenate([[0], np.cumsum(~dropped)])
    return csr_array((counts.data[~dropped], counts.indices[~dropped], kept[counts.indptr]), shape=counts.shape)


def tokeniser(ngram: int) -> Callable[[str], list[str]]:
    """Return a function from a text to its terms.

    The text is normalised to NFKC and lower case. Words are runs of letters, marks, digits and underscores. In scripts
    without spaces between words, a run becomes overlapping n-grams of `ngram` user-perceived characters (a Thai
    consonant keeps the vowels and tones above and below it). Shorter runs are one term.
    """
    import regex

    runs = regex.compile(rf"(?P<unspaced>{_UNSPACED}+)|[\w--{_UNSPACED}]+", regex.VERSION1)
    unspaced, words = regex.compile(_UNSPACED, regex.VERSION1), regex.compile(r"\w+", regex.VERSION1)
    characters = regex.compile(r"\X")

    def tokenise(text: str) -> list[str]:
        text = unicodedata.normalize("NFKC", text).lower()
        if not unspaced.search(text):
            return list(words.findall(text))
        tokens = []
        for run in runs.finditer(text):
            if run["unspaced"] is None:
                tokens.append(run[0])
                continue
            parts = characters.findall(run[0])
            tokens += ["".join(parts[i : i + ngram]) for i in range(max(1, len(parts) - ngram + 1))]
        return tokens

    return tokenise


def columns_of(tokens: Sequence[str]) -> list[int]:
    """Return the column in which each term is counted."""
    hashes = np.array([xxhash.xxh3_64_intdigest(token.encode()) for token in tokens], dtype=np.uint64)
    columns: list[int] = (hashes % DIMENSION).tolist()
    return columns


def _load(options: EncoderOptions) -> Bm25Encoder:
    options.reject_unsupported(
        "bm25",
        "query_prompt",
        "document_prompt",
        *PROMPT_NAMES,
        "max_length",
        "dtype",
        "device",
        "revision",
        "similarity",
    )
    given = options.read_options(
        "bm25",
        {"method": one_of(*_METHODS), "k1": number(), "b": number(0, 1), "delta": number(), "ngram": positive_integer},
    )
    settings: dict[str, Any] = _DEFAULTS | given
    if settings["method"] not in _DELTA_METHODS:
        if "delta" in given:
            raise EncoderError(f"adapter 'bm25': --option delta is for the methods {' and '.join(_DELTA_METHODS)}.")
        del settings["delta"]
    with requires("bm25", EncoderError):
        return Bm25Encoder(settings, tokeniser(settings["ngram"]))


ADAPTER = Adapter.of_one_model("bm25", MODEL, _load, requires="babelrank[bm25]")
