"""NTREX-128: headlines and articles, parallel by line in many languages."""

import unicodedata
from collections import Counter

import pytest

from babelrank.analysis.clusters import clusters
from babelrank.data.catalog import SOURCES
from babelrank.data.language_facts import language_facts
from babelrank.data.loading import load_collection
from babelrank.data.ntrex import DOCUMENTS, LANGUAGES, canonical_codes, load_ntrex
from babelrank.data.spec import known_languages
from babelrank.encoding.representations import encode
from babelrank.errors import DataError
from babelrank.ranking.rank import rank

ENGLISH = ("Ann ran", "She ran far.", "She ran on.", "She fell.", "She lay.", "Bob sat", "He sat long.")
GERMAN = ("Ann lief", "Sie lief weit.", "Sie lief weiter.", "Sie fiel.", "Sie lag.", "Bob saß", "Er saß lange.")
DOCUMENT_IDS = ("a.1",) * 5 + ("b.2",) * 2


def lines_file(path, lines, end="\r\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode())


@pytest.fixture
def folder(tmp_path):
    """Two documents in English and German, in the publisher's layout."""
    lines_file(tmp_path / DOCUMENTS, DOCUMENT_IDS, "\n")
    lines_file(tmp_path / LANGUAGES, ["deu German"], "\n")
    lines_file(tmp_path / "NTREX-128" / "newstest2019-src.eng.txt", ENGLISH)
    lines_file(tmp_path / "NTREX-128" / "newstest2019-ref.deu.txt", GERMAN, "\n")
    return tmp_path


def add_language(folder, code, lines=GERMAN, name="Some"):
    with (folder / LANGUAGES).open("a", encoding="utf-8") as file:
        file.write(f"{code}\t{name}\n")
    lines_file(folder / "NTREX-128" / f"newstest2019-ref.{code}.txt", lines)


def test_the_first_line_of_a_document_asks_for_the_others(folder):
    collection = load_ntrex("ntrex", folder)
    assert collection.languages == ("de", "en")
    assert collection.queries["text"].tolist() == ["Ann lief", "Bob saß", "Ann ran", "Bob sat"]
    assert collection.queries["question"].tolist() == ["a.1", "b.2"] * 2
    texts = collection.passages.frame["text"].tolist()
    assert texts[2:] == ["She ran far.\nShe ran on.\nShe fell.\nShe lay.", "He sat long."]
    assert collection.qrels[["query", "passage"]].to_numpy().tolist() == [
        [0, 0], [0, 2], [1, 1], [1, 3], [2, 0], [2, 2], [3, 1], [3, 3],
    ]  # fmt: skip


def test_a_lead_is_the_three_lines_after_the_headline(folder):
    collection = load_ntrex("ntrex:lead", folder, candidates="lead", languages=["en"])
    assert collection.passages.frame["text"].tolist() == ["She ran far.\nShe ran on.\nShe fell.", "He sat long."]


def test_a_document_is_a_cluster(folder, fake_encoder, tmp_path):
    collection = load_ntrex("ntrex", folder)
    ranks = rank(collection, encode(fake_encoder(), collection, store=tmp_path / "store")).ranks
    assert len(ranks.table) == 8
    assert clusters(ranks).tolist() == ranks.table["query_id"].map({"a.1": 0, "b.2": 1}).tolist()


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["zho-CN", "zho-TW"], ["zh-Hans", "zh-Hant"]),
        (["srp-Cyrl", "srp-Latn"], ["sr-Cyrl", "sr-Latn"]),
        (["por", "por-BR"], ["pt", "pt-BR"]),
        (["eng", "eng-IN"], ["en", "en-IN"]),
        (["aze-Latn", "tgk-Cyrl", "ckb-Arab", "srp-Latn"], ["az", "tg", "ckb", "sr-Latn"]),
        (["fas", "prs"], ["fa", "fa-AF"]),
        (["kmr", "shi", "mey", "hmn"], ["ku", "shi-Arab", "mey-Arab", "hmn"]),
    ],
)
def test_codes_have_script_and_region_only_where_they_tell_something(codes, expected):
    assert list(canonical_codes(codes).values()) == expected


def test_notes_say_what_is_few_close_empty_or_the_same(folder):
    empty = [*GERMAN[:2], "", *GERMAN[3:5], "Ann lief!", GERMAN[6]]
    add_language(folder, "deu-AT", empty)
    add_language(folder, "dan", ["", *GERMAN[1:]])
    collection = load_ntrex("ntrex", folder)
    few, close, lines, documents, similar = collection.notes
    assert "only 2 questions" in few
    assert close == "variants of a language count as separate languages: de, de-AT"
    assert lines == "2 lines are empty (da 1, de-AT 1) and were left out of their passages"
    assert documents.startswith("1 documents have an empty headline or article in some language")
    assert similar == "the headlines of a.1 and b.2 are nearly the same in de-AT (1 in total)"
    assert collection.query_counts == {"da": 1, "de": 2, "de-AT": 2, "en": 2}


def test_a_second_translation_is_left_out_with_a_note(folder):
    lines_file(folder / "NTREX-128" / "newstest2019-ref-2.deu.txt", GERMAN)
    collection = load_ntrex("ntrex", folder)
    assert collection.languages == ("de", "en")
    assert "ignored: NTREX-128/newstest2019-ref-2.deu.txt; each language" in collection.notes[-1]


def test_english_may_be_listed(folder):
    with (folder / LANGUAGES).open("a", encoding="utf-8") as file:
        file.write("eng English\n")
    assert load_ntrex("ntrex", folder).languages == ("de", "en")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "NTREX-128/newstest2019-ref.deu.txt").unlink(), r"newstest2019-ref\.deu\.txt is missing"),
        (lambda f: (f / "NTREX-128/newstest2019-src.eng.txt").unlink(), r"newstest2019-src|ref\.eng\.txt is missing"),
        (lambda f: (f / DOCUMENTS).unlink(), r"DOCUMENT_IDS\.tsv: cannot be read"),
        (
            lambda f: lines_file(f / "NTREX-128/newstest2019-ref.deu.txt", GERMAN[:-1]),
            r"ref\.deu\.txt: has 6 lines, DOCUMENT_IDS\.tsv has 7; files must be parallel by line",
        ),
        (
            lambda f: (f / "NTREX-128/newstest2019-ref.deu.txt").write_bytes(b"a\r\nb\nc\r\n" * 2),
            r"ref\.deu\.txt: line ends must be LF or CRLF throughout; 4 lines end in CRLF, 2 lines end in LF",
        ),
        (
            lambda f: lines_file(f / "NTREX-128/newstest2019-ref.tlh.txt", GERMAN),
            r"ref\.tlh\.txt: 'tlh' is not a language code in LANGUAGES\.tsv",
        ),
        (lambda f: add_language(f, "qqqq1"), r"LANGUAGES\.tsv:2: 'qqqq1' is not a language code"),
        (lambda f: add_language(f, "deu"), r"LANGUAGES\.tsv:2: the language code 'deu' is repeated; .* line 1"),
        (
            lambda f: lines_file(f / "NTREX-128/newstest2019-ref.eng.txt", ENGLISH),
            r"newstest2019-ref\.eng\.txt and .*newstest2019-src\.eng\.txt are of the same language",
        ),
        (lambda f: add_language(f, "ger"), r"deu and ger are codes of the same language, de\."),
        (
            lambda f: lines_file(f / DOCUMENTS, ("a", "a", "b", "b", "a", "a", "b")),
            r"DOCUMENT_IDS\.tsv:5: document 'a' continues after line 2; the lines of a document must be together",
        ),
        (lambda f: lines_file(f / DOCUMENTS, ("a",) * 6 + ("b",)), r":7: document 'b' has only one line, a headline"),
        (lambda f: lines_file(f / DOCUMENTS, ("a",) * 6 + ("",)), r":7: no document id"),
        (lambda f: (f / "NTREX-128/newstest2019-ref.deu.txt").write_bytes(b"\xff"), r"not UTF-8 at byte 0"),
    ],
)
def test_what_is_wrong_is_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(DataError, match=message):
        load_ntrex("ntrex", folder)


def test_published_files_are_needed_and_held_to_their_checksums(folder, tmp_path):
    (folder / "data").mkdir()
    with pytest.raises(
        DataError,
        match=r"DOCUMENT_IDS\.tsv, .* and 128 more files missing\. Download .* `babelrank data fetch ntrex`",
    ):
        load_collection("ntrex", folder / "data")
    with pytest.raises(DataError, match="its SHA-256 is"):
        load_ntrex("ntrex", folder, sha256={"NTREX-128/newstest2019-ref.deu.txt": "0" * 64})


@pytest.fixture(scope="module")
def published(real_data):
    return load_collection("ntrex:lead:de,en,en-IN,shi-Arab,sr-Cyrl,sr-Latn,yo,zh-Hans,zh-Hant", real_data)


def test_there_are_128_languages_with_123_documents(real_data, published):
    lines = (real_data / "ntrex" / DOCUMENTS).read_text(encoding="utf-8").split()
    documents = list(dict.fromkeys(lines))
    assert (len(lines), len(documents)) == (1997, 123)
    assert len(known_languages(SOURCES["ntrex"])) == 128
    assert published.query_counts == published.pool_sizes == dict.fromkeys(published.languages, 123)
    assert published.queries["question"].unique().tolist() == documents
    assert len(published.qrels) == 123 * 9 * 9


def test_texts_are_those_of_the_files(real_data, published):
    english = (real_data / "ntrex/NTREX-128/newstest2019-src.eng.txt").read_text(encoding="utf-8").splitlines()
    ours = published.passages.frame.query("lang == 'en'")["text"].iloc[0]
    assert ours == "\n".join(english[1:4])
    assert published.queries.query("lang == 'en'")["text"].iloc[0] == english[0]


@pytest.mark.parametrize("lang", ["shi-Arab", "sr-Cyrl", "sr-Latn", "yo"])
def test_scripts_are_those_that_the_texts_are_written_in(published, lang):
    letters = Counter(
        unicodedata.name(letter).split()[0]
        for text in published.queries.query("lang == @lang")["text"]
        for letter in text
        if letter.isalpha()
    )
    script = {"ARABIC": "Arab", "CYRILLIC": "Cyrl", "LATIN": "Latn"}[letters.most_common(1)[0][0]]
    assert language_facts(lang).script == script
