"""Dense, sparse and multi-vector representations go through the same store, checks and ranking."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

import babelrank
from babelrank.encoding.protocol import Role
from babelrank.encoding.representations import encode_texts
from babelrank.encoding.store import StoreEntry, list_entries, prune, text_key
from babelrank.encoding.vectors import Kind, MultiVectors, Vectors, concatenate, count, take

COLUMNS = 2**60  # a hashed vocabulary: no array may be as long as it


def dense(rng: np.random.Generator, texts: int) -> np.ndarray:
    return rng.normal(size=(texts, 5)).astype(np.float32)


def sparse(rng: np.random.Generator, texts: int) -> csr_array:
    terms = np.sort(np.stack([rng.choice(40, 3, replace=False) for _ in range(texts)]), axis=1).astype(np.int64)
    weights = rng.random(texts * 3).astype(np.float32) + 0.1
    return csr_array((weights, terms.ravel() * 2**50, np.arange(texts + 1) * 3), shape=(texts, COLUMNS))


def multi_vector(rng: np.random.Generator, texts: int) -> MultiVectors:
    return MultiVectors.from_list([rng.normal(size=(size, 5)).astype(np.float32) for size in rng.integers(1, 7, texts)])


MAKERS: dict[Kind, Callable[[np.random.Generator, int], Vectors]] = {
    Kind.DENSE: dense,
    Kind.SPARSE: sparse,
    Kind.MULTI_VECTOR: multi_vector,
}
DIMENSIONS = {Kind.DENSE: 5, Kind.SPARSE: COLUMNS, Kind.MULTI_VECTOR: 5}


def row(vectors: Vectors, index: int) -> list[tuple[float, ...]]:
    """One text's representation in a form that compares."""
    one = take(vectors, np.array([index]))
    if isinstance(one, csr_array):
        return sorted(zip(one.indices.tolist(), one.data.tolist(), strict=True))
    return [tuple(token) for token in (one.tokens if isinstance(one, MultiVectors) else one).tolist()]


@dataclasses.dataclass
class KindEncoder:
    kind: Kind
    change: Callable[[Vectors], object] = lambda vectors: vectors

    @property
    def info(self) -> babelrank.EncoderInfo:
        return babelrank.EncoderInfo("fake", "fake", self.kind.value, DIMENSIONS[self.kind], kind=self.kind)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self.change(concatenate([self.one(text) for text in texts]))

    encode_document = encode_query

    def one(self, text: str) -> Vectors:
        return MAKERS[self.kind](np.random.default_rng(list(text.encode())), 1)


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def test_taking_and_joining_rows_keeps_each_text_whole(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    first, second = MAKERS[kind](rng, 4), MAKERS[kind](rng, 6)
    joined = concatenate([first, second])
    assert count(joined) == 10
    assert [row(joined, i) for i in range(10)] == [row(first, i) for i in range(4)] + [row(second, i) for i in range(6)]
    picked = take(joined, np.array([9, 0, 0, 5]))
    assert [row(picked, i) for i in range(4)] == [row(joined, i) for i in (9, 0, 0, 5)]


def test_the_store_gives_back_what_it_was_given(kind: Kind, tmp_path: Path) -> None:
    encoder = KindEncoder(kind)
    entry = StoreEntry(tmp_path, encoder.info, Role.QUERY)
    texts = ["one", "two", "three", "four"]
    entry.add([text_key(text) for text in texts[:3]], encoder.encode_query(texts[:3]))
    entry.add([text_key(text) for text in texts[3:]], encoder.encode_query(texts[3:]))
    rows, vectors = entry.read()
    assert vectors is not None
    assert {key: row(vectors, place) for key, place in rows.items()} == {
        key: row(encoder.one(text), 0) for key, text in zip(map(_key, texts), texts, strict=True)
    }


def _key(text: str) -> bytes:
    from babelrank.encoding.store import text_key

    return text_key(text)


def test_every_kind_is_ranked_end_to_end_and_from_the_store_alike(kind: Kind, tmp_path: Path) -> None:
    collection = babelrank.load_collection("sample:de,en,th")
    encoder = KindEncoder(kind)
    first = babelrank.rank(collection, babelrank.encode(encoder, collection, store=tmp_path)).ranks
    again = babelrank.encode(encoder, collection, store=tmp_path)
    assert again.texts_encoded == {"query": 0, "document": 0}
    assert first.table.equals(babelrank.rank(collection, again).ranks.table)
    assert count(again.passages) == 210


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (
            Kind.SPARSE,
            lambda v: v.toarray() if v.shape[1] < 10**6 else np.zeros((v.shape[0], 5)),
            "expected a csr_array",
        ),
        (Kind.SPARSE, lambda v: v[:-1], "expected"),
        (Kind.SPARSE, lambda v: csr_array((v.data * np.nan, v.indices, v.indptr), shape=v.shape), "NaN"),
        (Kind.SPARSE, lambda v: v.astype(np.int64), "int64"),
        (Kind.MULTI_VECTOR, lambda v: v.tokens, "expected a MultiVectors"),
        (Kind.MULTI_VECTOR, lambda v: take(v, np.arange(len(v) - 1)), "expected"),
        (Kind.MULTI_VECTOR, lambda v: MultiVectors(v.tokens[:, :3], v.offsets), "dimension 3"),
        (Kind.MULTI_VECTOR, lambda v: MultiVectors(v.tokens * np.inf, v.offsets), "infinity"),
        (Kind.MULTI_VECTOR, lambda v: MultiVectors(v.tokens, np.r_[v.offsets[:1], v.offsets[:-1]]), "no vectors for"),
    ],
)
def test_what_is_no_representation_is_refused(
    kind: Kind, change: Callable[[Vectors], object], said: str, tmp_path: Path
) -> None:
    collection = babelrank.load_collection("sample:en")
    with pytest.raises(babelrank.BabelrankError, match=said):
        babelrank.encode(KindEncoder(kind, change), collection, store=tmp_path)


def test_texts_without_any_term_have_an_empty_row(tmp_path: Path) -> None:
    encoder = KindEncoder(Kind.SPARSE, lambda vectors: csr_array(vectors.shape, dtype=np.float32))
    for texts_encoded in (2, 0):
        encoded = encode_texts(encoder, ["...", "?"], Role.DOCUMENT, tmp_path, lambda *_: None)
        assert encoded.encoded == texts_encoded
        assert encoded.vectors.shape == (2, COLUMNS)
        assert encoded.vectors.nnz == 0


class PoolCounter(KindEncoder):
    """Weighs every passage by the number of passages in its pool."""

    def weigh(self, documents: csr_array) -> csr_array:
        return documents * documents.shape[0]


def test_weights_that_depend_on_the_pool_are_made_for_each_pool(tmp_path: Path) -> None:
    collection = babelrank.load_collection("sample:de,en")
    plain = babelrank.encode(KindEncoder(Kind.SPARSE), collection, store=tmp_path)
    weighted = babelrank.encode(PoolCounter(Kind.SPARSE), collection, store=tmp_path)
    assert plain.passages_in_language is None
    assert row(weighted.passages, 3) == [(term, pytest.approx(140 * weight)) for term, weight in row(plain.passages, 3)]
    assert row(weighted.passages_in_language, 90) == [
        (term, pytest.approx(70 * weight)) for term, weight in row(plain.passages, 90)
    ]


def test_ranks_in_a_language_come_from_the_weights_in_that_language() -> None:
    collection = babelrank.load_collection("sample:de,en")
    rng = np.random.default_rng(0)
    queries, pool, own = (rng.normal(size=(rows, 8)).astype(np.float32) for rows in (56, 140, 140))
    similarity = babelrank.Similarity.DOT

    def ranks(passages: np.ndarray, in_language: np.ndarray | None) -> babelrank.RankTable:
        representations = babelrank.Representations(
            queries, passages, similarity, {}, {}, passages_in_language=in_language
        )
        return babelrank.rank(collection, representations).ranks

    both, by_pool, by_language = ranks(pool, own), ranks(pool, None), ranks(own, None)
    assert both.table["rank_in_pool"].equals(by_pool.table["rank_in_pool"])
    assert both.table["rank_in_language"].equals(by_language.table["rank_in_language"])
    assert not by_pool.table["rank_in_language"].equals(by_language.table["rank_in_language"])


def test_pruning_deletes_what_was_used_longest_ago(tmp_path: Path) -> None:
    import os

    for age, name in enumerate(("newest", "middle", "oldest")):
        entry = StoreEntry(tmp_path, babelrank.EncoderInfo(name, "fake", name, 5), Role.QUERY)
        entry.add([text_key("text")], np.ones((1, 5), dtype=np.float32))
        for path in entry.folder.iterdir():
            os.utime(path, (10**9 - age, 10**9 - age))
    entries = list_entries(tmp_path)
    assert [entry.model for entry in entries] == ["newest", "middle", "oldest"]
    limit = entries[0].size + entries[1].size
    assert prune(tmp_path, limit, spare_seconds=10**10) == []
    assert [entry.model for entry in prune(tmp_path, limit)] == ["oldest"]
    assert [entry.model for entry in list_entries(tmp_path)] == ["newest", "middle"]
    assert len(prune(tmp_path, 0)) == 2


def test_reading_a_shelf_counts_as_use(tmp_path: Path) -> None:
    import os

    entry = StoreEntry(tmp_path, babelrank.EncoderInfo("model", "fake", "1", 5), Role.QUERY)
    entry.add([text_key("text")], np.ones((1, 5), dtype=np.float32))
    for path in entry.folder.iterdir():
        os.utime(path, (10**9, 10**9))
    entry.read()
    assert list_entries(tmp_path)[0].used > 1.5 * 10**9
