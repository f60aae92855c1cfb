"""Adapter callable: functions and classes of the user's own, and what they may do wrong."""

import hashlib
import sys
import textwrap
from itertools import count

import pytest
from scipy.sparse import csr_array

import babelrank
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import find_adapter, load_adapter, load_encoder
from babelrank.encoding.vectors import MultiVectors
from babelrank.errors import EncoderError

_numbers = count()
LETTERS = """
    import numpy as np

    def letters(texts):
        return np.array([[text.count("e"), len(text), 1.0] for text in texts], dtype=np.float32)
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module of a name that was never used into the working directory, and return the name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write_module(source: str, name: str | None = None) -> str:
        name = name or f"users_module_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        return name

    yield write_module
    for name in [name for name in sys.modules if name.startswith("users_")]:
        del sys.modules[name]


def load(model, *, batch_size=32, **options):
    prompts = {name: options.pop(name) for name in ("query_prompt", "document_prompt") if name in options}
    return load_encoder(model, EncoderOptions(batch_size=batch_size, options=options, **prompts), adapter="callable")


BODY = (
    LETTERS
    + """
    def plain(texts):
        return letters(texts)

    def with_default(texts, batch_size=8):
        assert batch_size == 8
        return letters(texts)

    def with_role(texts, role):
        return letters([role + text for text in texts])

    def with_role_by_name(texts, *, batch_size=8, role="?"):
        return letters([role + text for text in texts])

    def with_role_by_place(texts, role="?", /):
        return letters([role + text for text in texts])

    class OneMethod:
        def encode(self, texts):
            return letters(texts)

    class OneMethodWithRole:
        def encode(self, texts, role):
            return letters([role + text for text in texts])

    class TwoMethods:
        def encode_query(self, texts):
            return letters(["query" + text for text in texts])

        def encode_document(self, texts):
            return letters(["document" + text for text in texts])

    class OneMethodAndOneForBoth:
        def encode(self, texts):
            return letters(["document" + text for text in texts])

        def encode_query(self, texts):
            return letters(["query" + text for text in texts])

    made = TwoMethods()
"""
)


@pytest.mark.parametrize(
    ("name", "knows_role"),
    [
        ("plain", False),
        ("with_default", False),
        ("with_role", True),
        ("with_role_by_name", True),
        ("with_role_by_place", True),
        ("OneMethod", False),
        ("OneMethodWithRole", True),
        ("TwoMethods", True),
        ("OneMethodAndOneForBoth", True),
        ("made", True),
    ],
)
def test_every_form_that_is_promised(write, name, knows_role):
    encoder = load(f"{write(BODY)}:{name}")
    query, document = ("query", "document") if knows_role else ("", "")
    assert encoder.info.dimension == 3
    assert encoder.encode_query(["bee"]).tolist() == [[2 + query.count("e"), 3 + len(query), 1]]
    assert encoder.encode_document(["bee"]).tolist() == [[2 + document.count("e"), 3 + len(document), 1]]


def test_evaluates_from_end_to_end(write, tmp_path):
    name = f"{write(LETTERS)}:letters"
    collection = babelrank.load_collection("sample:de,en")
    vectors = babelrank.encode(load_encoder(name), collection, store=tmp_path / "store")
    assert vectors.queries.shape == (len(collection.queries), 3)
    assert len(babelrank.rank(collection, vectors).ranks.table) == len(collection.qrels)


def test_modules_in_packages_and_imports_beside_them(write, tmp_path):
    package = tmp_path / "users_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner.py").write_text("from users_sibling import letters as encode\n")
    write(LETTERS, "users_sibling")

    assert load("users_package.inner:encode").info.name == "users_package.inner:encode"


def test_what_is_imported_only_when_texts_come_is_found_beside_the_module(write):
    write(LETTERS, "users_late")
    name = write("""
        def encode(texts):
            from users_late import letters
            return letters(texts)
    """)
    assert load(f"{name}:encode").encode_query(["bee"]).tolist() == [[2, 3, 1]]


def test_prompts_are_put_before_texts(write):
    encoder = load(f"{write(LETTERS)}:letters", query_prompt="eee ")
    assert encoder.encode_query(["bee"])[0].tolist() == [5, 7, 1]
    assert encoder.encode_document(["bee"])[0].tolist() == [2, 3, 1]
    assert encoder.info.settings == {"query_prompt": "eee ", "document_prompt": ""}


def test_a_call_is_for_no_more_texts_than_a_batch_holds(write):
    name = write("""
        import numpy as np

        sizes = []

        def encode(texts):
            sizes.append(len(texts))
            return np.array([[len(text), 1.0] for text in texts])
    """)
    encoder = load(f"{name}:encode", batch_size=4)
    sizes = sys.modules[name].sizes
    sizes.clear()
    assert encoder.encode_query(["a" * length for length in range(10)])[:, 0].tolist() == list(range(10))
    assert sizes == [4, 4, 2, 1, 4]  # the last to see whether texts get the same vectors alone and in another order


def test_sparse_and_multi_vectors_are_taken_as_they_are(write):
    name = write("""
        import numpy as np
        from scipy.sparse import csr_array
        from babelrank.encoding.vectors import MultiVectors

        def sparse(texts):
            return csr_array(np.array([[float(text.count(letter)) for letter in "aeiou"] for text in texts]))

        def multi(texts):
            return MultiVectors.from_list([np.ones((len(text), 2), dtype=np.float32) for text in texts])
    """)
    sparse, multi = load(f"{name}:sparse"), load(f"{name}:multi")
    assert (sparse.info.kind, sparse.info.dimension) == ("sparse", 5)
    assert (multi.info.kind, multi.info.dimension) == ("multi-vector", 2)
    assert isinstance(sparse.encode_query(["bee"]), csr_array)
    assert isinstance(multi.encode_query(["bee"]), MultiVectors)


class TestFingerprint:
    def test_follows_the_source_and_the_name(self, write, tmp_path):
        name = write(BODY)
        digest = hashlib.sha256((tmp_path / f"{name}.py").read_bytes()).hexdigest()
        assert load(f"{name}:plain").info.fingerprint == f"{digest} {name}:plain"

    def test_leaves_to_the_user_what_it_cannot_see(self, write):
        name = f"{write(LETTERS)}:letters"
        one, other = load(name, version="1").info, load(name, version="2").info
        assert one.fingerprint == other.fingerprint
        assert (one.settings["version"], other.settings["version"]) == ("1", "2")


class TestRecognition:
    def test_by_a_module_that_is_there(self, write):
        assert find_adapter(f"{write(LETTERS)}:letters", EncoderOptions()).name == "callable"

    @pytest.mark.parametrize(
        "model", ["users_nothing:f", "openai:model", "bm25:x", "a/b:c", "numpy", "C:\\model", ":f"]
    )
    def test_of_nothing_else(self, write, model):
        write(LETTERS, "openai")
        assert not load_adapter("callable").recognises(model, EncoderOptions())

    def test_of_a_module_that_is_not_there_says_so(self, write):
        with pytest.raises(EncoderError, match="there is also no module named 'users_nothing' here"):
            load_encoder("users_nothing:f")

    def test_imports_nothing_and_leaves_the_path_alone(self, write, capsys):
        name = write("print('imported')")
        before = list(sys.path)
        find_adapter(f"{name}:f", EncoderOptions())
        assert name not in sys.modules
        assert sys.path == before
        assert capsys.readouterr().out == ""


class TestBadCode:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("return [[1.0, 2.0] for _ in texts]", "returned the same vector for 3 different texts"),
            ("return np.zeros((len(texts), 2))", "returned a zero vector for 3 of 3 texts"),
            ("return None", "returned a NoneType, expected a NumPy array"),
            ("return np.ones((len(texts) - 1, 2))", r"returned shape \(2, 2\) for 3 texts"),
            ("return np.array(1.0)", r"returned shape \(\) for 3 texts"),
            ("return np.ones(len(texts))", r"returned shape \(3,\) for 3 texts"),
            ("return np.ones((len(texts), 2), dtype=bool)", "an array of bool, expected a NumPy array"),
            ("return np.full((len(texts), 2), np.nan)", "NaN or infinity"),
            ("return np.outer([*map(len, texts)], np.ones(2 if texts[1:] else 3))", "returned dimension 3, expected 2"),
            ("raise KeyError('lost')", r"raised KeyError: 'lost' \(for 3 texts, the first of them 'Where do bees"),
            (
                "return np.array([[len(t)] for t in sorted(texts, key=len)], dtype=float)",
                "gets different vectors alone and",
            ),
            (
                "return np.array([[len(t)] for t in sorted(texts, key=len)[::-1]], dtype=float)",
                "gets different vectors alone",
            ),
            (
                "return np.array([[len(t)] for t in sorted(texts)], dtype=float)",
                "gets different vectors alone and in a batch",
            ),
            ("return np.array([[len(t) - len(texts[0]) + 1] for t in texts])", "gets different vectors alone"),
        ],
    )
    @pytest.mark.parametrize("batch_size", [1, 32])
    @pytest.mark.parametrize("form", ["def f(texts):\n    {}", "class f:\n    def encode(self, texts):\n        {}"])
    def test_what_is_returned_or_raised(self, write, form, body, message, batch_size):
        name = write("import numpy as np\n" + form.format(body))
        with pytest.raises(EncoderError, match=message) as caught:
            load(f"{name}:f", batch_size=batch_size)
        assert name in str(caught.value)

    def test_what_is_raised_later_names_the_text(self, write):
        source = (
            textwrap.dedent(LETTERS) + "\ndef f(texts):\n    assert 'x' not in texts, 'no x'\n    return letters(texts)"
        )
        name = write(source)
        encoder = load(f"{name}:f")
        with pytest.raises(EncoderError, match=r"f raised AssertionError: no x \(for 2 texts, the first of them 'a'\)"):
            encoder.encode_document(["a", "x"])

    def test_rounding_in_a_batch_is_no_change_of_order(self, write):
        name = write("""
            import numpy as np

            def f(texts):
                return np.array([[len(text) * (1 + 1e-3 * len(texts)), 1.0] for text in texts])
        """)
        assert load(f"{name}:f").info.dimension == 2

    def test_roles_of_different_dimensions(self, write):
        name = write("""
            import numpy as np

            def f(texts, role):
                return np.outer([len(text) for text in texts], np.ones(len(role)))
        """)
        with pytest.raises(EncoderError, match="returned dimension 8, expected 5"):
            load(f"{name}:f")

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("import users_missing_module", "cannot be imported .ModuleNotFoundError: No module named 'users_missing"),
            ("def f(:", "cannot be imported .SyntaxError"),
            ("raise RuntimeError('no GPU')", "cannot be imported .RuntimeError: no GPU"),
            ("def encoed(texts): ...", "unknown function or class 'encode'. Did you mean 'encoed'"),
            (
                "class encode:\n    def __init__(self): raise OSError('no weights')",
                r"encode\(\) raised OSError: no weights",
            ),
            ("class encode:\n    def __init__(self, path): ...", r"encode\(\) raised TypeError.*path"),
            ("class encode: ...", "has no method encode_query or encode"),
            ("class encode:\n    def encode_query(self, texts): ...", "has no method encode_document or encode"),
            ("encode = 3", "has no method encode_query or encode, and is not a function"),
        ],
    )
    def test_what_cannot_be_imported_or_made(self, write, source, message):
        with pytest.raises(EncoderError, match=message):
            load(f"{write(source)}:encode")

    @pytest.mark.parametrize("model", ["module", "module:", "a b:c", "module:function()", "/x/module.py:f"])
    def test_names_that_are_none(self, model):
        with pytest.raises(EncoderError, match="expected module:function or module:Class"):
            load(model)

    def test_a_module_without_a_file_needs_a_version(self, write, monkeypatch):
        name = write(LETTERS)
        load(f"{name}:letters")
        monkeypatch.delattr(sys.modules[name], "__file__")
        with pytest.raises(EncoderError, match="no source file; set --option version="):
            load(f"{name}:letters")
        assert load(f"{name}:letters", version="3").info.fingerprint == f"no file {name}:letters"
