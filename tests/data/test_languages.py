"""One language has one code, however files spell it; scripts stay apart."""

import json

import pandas as pd
import pytest

from babelrank.data.collection import Collection
from babelrank.data.language_facts import Spellings, canonical_code, covers, read_language
from babelrank.data.loading import load_collection
from babelrank.data.local import load_local
from made_collections import write_beir

SPELLINGS = {
    "en": ["EN", "En", "eng", "eng-Latn", "eng_Latn"],
    "de": ["DE", "deu", "ger", "deu-Latn"],
    "he": ["iw", "heb", "IW"],
    "id": ["in", "ind"],
    "yi": ["ji"],
    "zh": ["zho", "cmn", "chi"],
    "ar": ["arb", "arb_Arab", "ara"],
    "zh-Hans": ["zh_Hans", "zho-Hans", "cmn-Hans"],
    "zh-CN": ["zh_CN", "zh-cn"],
    "pt-BR": ["pt_BR"],
}


@pytest.mark.parametrize(("code", "spelled"), [(code, each) for code, some in SPELLINGS.items() for each in some])
def test_every_spelling_is_read_as_one_code(code, spelled):
    assert canonical_code(spelled) == read_language(spelled) == code


@pytest.mark.parametrize("codes", [("zh-Hans", "zh-Hant"), ("sr-Latn", "sr-Cyrl"), ("hi", "hi-Latn"), ("zh", "yue")])
def test_scripts_and_languages_that_matter_stay_apart(codes):
    assert len({canonical_code(code) for code in codes}) == 2


@pytest.mark.parametrize("text", ["", "e", "de en", "de-", "english", "123", "ÄÖ", None, 3, ["de"]])
def test_what_is_no_code_is_refused(text):
    with pytest.raises(ValueError, match="is not a language code such as"):
        read_language(text)


def test_what_is_said_of_codes():
    spellings = Spellings()
    for code in ("en", "und", "xx", "EN", "zh-Hans", "zh"):
        spellings.read(code)
    assert list(spellings.notes()) == [
        "the language code EN or en is read as en",
        "xx is not a known language code; check its spelling",
        "zh and zh-Hans are read as 2 languages; if they are the same, use one code",
    ]


def test_norwegian_is_usually_bokmal():
    spellings = Spellings()
    for code in ("no", "nb", "nn"):
        spellings.read(code)
    assert list(spellings.notes()) == ["nb and no are read as 2 languages; if they are the same, use one code"]
    assert covers(["no"], "nb")
    assert not covers(["no"], "nn")


@pytest.mark.parametrize(
    ("seen", "code", "covered"),
    [
        ("zh", "zh-Hans", True),
        ("zh", "zh-Hant", True),
        ("zh-Hans", "zh", True),
        ("zh-Hans", "zh-Hant", False),
        ("en", "eng-Latn", True),
        ("EN", "en-GB", True),
        ("en-US", "en-GB", False),
        ("e", "en", False),
        ("de", "den", False),
        ("iw", "he", True),
    ],
)
def test_a_seen_language_covers_its_scripts_and_regions(seen, code, covered):
    assert covers([seen], code) is covered


def write(folder, languages):
    """Queries and passages in turn in these languages, each of one question answered by all passages of its number."""
    folder.mkdir()
    queries = [{"id": f"q{i}", "lang": lang, "text": "?", "question": f"q{i}"} for i, lang in enumerate(languages)]
    passages = [{"id": f"p{i}", "lang": lang, "text": f"text {i}"} for i, lang in enumerate(languages)]
    for name, records in (("queries", queries), ("passages", passages)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "qrels.tsv").write_text("".join(f"q{i}\tp{i}\t1\n" for i in range(len(languages))))
    return load_local(folder)


def test_spellings_of_one_language_are_merged_and_told(tmp_path):
    collection = write(tmp_path / "own", ["en", "EN", "eng", "de", "iw", "zh-Hans", "zh-Hant"])
    assert collection.languages == ("de", "en", "he", "zh-Hans", "zh-Hant")
    assert collection.pool_sizes == {"de": 1, "en": 3, "he": 1, "zh-Hans": 1, "zh-Hant": 1}
    assert set(collection.qrels["passage_lang"]) == set(collection.languages)
    assert collection.passages.frame["lang"].tolist()[:5] == ["en", "en", "en", "de", "he"]
    assert collection.notes == (
        "the language code EN or en or eng is read as en",
        "the language code iw is read as he",
    )


def test_one_language_with_and_without_a_region_is_told(tmp_path):
    collection = write(tmp_path / "own", ["en", "en-US", "de"])
    assert collection.languages == ("de", "en", "en-US")
    assert collection.notes == ("en and en-US are read as 2 languages; if they are the same, use one code",)


def test_tables_are_read_the_same_way():
    queries = pd.DataFrame({"id": ["q"], "lang": ["EN"], "text": ["?"]})
    passages = pd.DataFrame({"id": ["p"], "lang": ["eng"], "text": ["!"]})
    collection = Collection.from_frames(queries, passages, pd.DataFrame({"query_id": ["q"], "passage_id": ["p"]}))
    assert collection.languages == ("en",)
    assert collection.notes == ("the language code EN or eng is read as en",)


# --- BEIR's layout, which does not name a language ---


@pytest.mark.parametrize(
    ("name", "card", "language", "expected"),
    [
        ("germanquad", None, None, "und"),
        ("germanquad", None, "de", "de"),
        ("germanquad", "---\nlanguage: deu\n---\n# Data\n", None, "de"),
        ("germanquad", "---\nlanguage:\n- de\n---\n", None, "de"),
        ("germanquad", "---\nlanguage: [de, en]\n---\n", None, "und"),
        ("germanquad", "# Data\n", None, "und"),
        ("germanquad", "---\nlanguage: [de\n---\n", None, "und"),
        ("germanquad", "---\nlanguage: 5\n---\n", None, "und"),
        ("germanquad", "---\nlanguage: German\n---\n", None, "und"),
        ("norquad", "---\nlanguage: no\n---\n", None, "no"),  # in YAML, false
        ("scifact", None, None, "en"),
        ("scifact", None, "de", "de"),
    ],
)
def test_the_language_is_that_given_or_that_of_the_card(tmp_path, name, card, language, expected):
    folder = write_beir(tmp_path / name, 60)
    if card is not None:
        (folder / "README.md").write_text(card)
    collection = load_collection(f"beir:{folder}" + (f"@{language}" if language else ""))
    assert collection.languages == (expected,)
    assert collection.name == f"beir:{name}" + (f"@{language}" if language else "")
    assert any("its language is unknown" in note for note in collection.notes) is (expected == "und")
