"""Collections in MTEB's layout: subsets by language and by pair of languages, pooled into one collection."""

import json
from itertools import product

import pandas as pd
import pytest

from babelrank.data.loading import load_collection
from babelrank.errors import DataError

TEXTS = {
    "de": ["Ann lief heim.", "Bob aß Brot."],
    "en": ["Ann walked home.", "Bob ate bread."],
    "ru": ["Анна пошла домой.", "Боб ел хлеб."],
}
ASKED = {
    "de": ["Wer lief?", "Was aß Bob?"],
    "en": ["Who walked?", "What did Bob eat?"],
    "ru": ["Кто шёл?", "Что ел Боб?"],
}


def records(texts, letter):
    return [{"_id": f"{letter}{i}", "text": text} for i, text in enumerate(texts)]


def subset(asked, found):
    """Return corpus, queries and qrels of a pair: query i is answered by passage i."""
    qrels = [{"query-id": f"q{i}", "corpus-id": f"d{i}", "score": 1} for i in range(2)]
    return {"corpus": records(TEXTS[found], "d"), "queries": records(ASKED[asked], "q"), "qrels": qrels}


def write(folder, parts, name="{part}/test-00000-of-00001.parquet"):
    for part, rows in parts.items():
        path = folder / name.format(part=part)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pd.DataFrame(rows).to_parquet(path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def write_pairs(folder, pairs, join="{1}-{0}"):
    for pair in pairs:
        name = pair[0] if pair[0] == pair[1] else join.format(*pair)
        write(folder, subset(*pair), name + "-{part}/test-00000-of-00001.parquet")
    return folder


def relevant(collection):
    """Return (query language, query id, passage language, passage id) of each judgement."""
    asked = collection.queries.iloc[collection.qrels["query"]]
    columns = (asked["lang"], asked["question"], collection.qrels["passage_lang"], collection.qrels["passage_id"])
    return sorted(zip(*columns, strict=True))


@pytest.mark.parametrize(
    "name",
    [
        "{lang}-{part}/test-00000-of-00001.parquet",
        "{lang}-{part}.jsonl",
        "{lang}/{part}.jsonl",
        "{lang}/{part}/test-00000-of-00001.parquet",
        "{lang}/{part}/test.jsonl",
    ],
)
def test_languages_are_pooled_whatever_their_files_are_called(tmp_path, name):
    folder = tmp_path / "made"
    for lang in ("de", "en"):
        write(folder, subset(lang, lang), name.replace("{lang}", lang))
    collection = load_collection(f"hf:{folder}")
    assert (collection.name, collection.source) == ("hf:made", "hf")
    assert (collection.query_counts, collection.pool_sizes) == ({"de": 2, "en": 2}, {"de": 2, "en": 2})
    assert relevant(collection) == [(lang, f"q{i}", lang, f"{lang}/d{i}") for lang in ("de", "en") for i in (0, 1)]
    assert collection.passages["text"].tolist() == [*TEXTS["de"], *TEXTS["en"]]


def test_a_card_says_which_files_are_a_subset(tmp_path):
    folder = tmp_path / "made"
    for lang, code in (("de", "deu"), ("en", "eng")):
        write(folder, subset(lang, lang), f"data/{code}.{{part}}.jsonl")
    configs = "".join(
        f"- config_name: {lang}-{part}\n  data_files:\n  - split: test\n    path: data/{code}.{part}.jsonl\n"
        for lang, code in (("de", "deu"), ("en", "eng"))
        for part in ("corpus", "queries", "qrels")
    )
    (folder / "README.md").write_text(f"---\nlanguage: [de, en]\nconfigs:\n{configs}---\n# Made\n")
    assert load_collection(f"hf:{folder}").pool_sizes == {"de": 2, "en": 2}
    assert load_collection(f"hf:{folder}:en").pool_sizes == {"en": 2}
    with pytest.raises(DataError, match=r"made \(en\): qrels: unknown split 'dev'\. Known: test"):
        load_collection(f"hf:{folder}:en:dev")


@pytest.mark.parametrize("path", ["5", "/etc/passwd", "../other/*.jsonl", "", "nowhere.jsonl", "[de]"])
def test_a_card_that_names_no_files_of_the_folder_does_not_count(tmp_path, path):
    folder = tmp_path / "made"
    write(folder, subset("de", "de"), "de-{part}.jsonl")
    write(tmp_path / "other", subset("en", "en"), "de-{part}.jsonl")
    card = f"configs:\n- 5\n- config_name: de-corpus\n  data_files:\n  - split: test\n    path: {path}\n"
    (folder / "README.md").write_text(f"---\n{card}---\n")
    assert load_collection(f"hf:{folder}").passages["text"].tolist() == TEXTS["de"]


@pytest.mark.parametrize("join", ["{1}-{0}", "{0}-{1}", "made.{0}.{1}"])
def test_pairs_share_texts_and_either_language_may_be_named_first(tmp_path, join):
    collection = load_collection(f"hf:{write_pairs(tmp_path / 'made', product(TEXTS, repeat=2), join)}")
    assert collection.pool_sizes == collection.query_counts == {"de": 2, "en": 2, "ru": 2}
    expected = [(a, f"q{i}", b, f"{b}/d{i}") for a in TEXTS for b in TEXTS for i in (0, 1)]
    assert relevant(collection) == sorted(expected)
    assert "12 passages occur in several subsets; each counts once" in collection.notes


@pytest.mark.parametrize("join", ["{1}-{0}", "{0}-{1}"])
def test_a_script_tells_the_passages_language(tmp_path, join):
    folder = write_pairs(tmp_path / "made", [("en", "ru")], join)
    collection = load_collection(f"hf:{folder}")
    assert (collection.query_counts, collection.pool_sizes) == ({"en": 2, "ru": 0}, {"en": 0, "ru": 2})


def test_where_nothing_tells_the_passages_language_it_is_refused(tmp_path):
    folder = write_pairs(tmp_path / "made", [("en", "de")])
    with pytest.raises(DataError, match=r"hf:made: subset de-en has texts in de and en, and it is unclear in"):
        load_collection(f"hf:{folder}")


def test_an_id_with_two_texts_is_two_passages(tmp_path):
    folder = tmp_path / "made"
    write_pairs(folder, [("en", "en"), ("de", "de")])
    other = subset("de", "en") | {"corpus": records(["Bob ate bread.", "Cy slept."], "d")}
    other["qrels"] = [{"query-id": "q1", "corpus-id": "d0", "score": 1}]
    write(folder, other, "en-de-{part}.jsonl")
    collection = load_collection(f"hf:{folder}")
    passages = collection.passages.frame
    assert dict(zip(passages["id"], passages["text"], strict=True)) == {
        "de/d0": TEXTS["de"][0],
        "de/d1": TEXTS["de"][1],
        "en/d0": TEXTS["en"][0],
        "en/d1": TEXTS["en"][1],
        "en-de/d1": "Cy slept.",
    }
    assert ("de", "q1", "en", "en/d1") in relevant(collection)
    assert "ids of passages are prefixed with the subset, as an id has several texts" in collection.notes
    assert "the pool of en is larger than in any subset: it has the passages of all subsets" in collection.notes


def test_a_passage_that_a_subset_has_twice_stays_two(tmp_path):
    folder = tmp_path / "made"
    twice = [*records(TEXTS["en"], "d"), {"_id": "d2", "text": TEXTS["en"][0]}]
    for asked in ("en", "de"):
        write(folder, subset(asked, "en") | {"corpus": twice}, f"{'en' if asked == 'en' else 'en-de'}-{{part}}.jsonl")
    write_pairs(folder, [("de", "de")])
    assert load_collection(f"hf:{folder}").pool_sizes == {"de": 2, "en": 3}


def test_one_subset_stays_on_disk(tmp_path):
    folder = write_pairs(tmp_path / "made", product(("de", "en"), repeat=2))
    german = load_collection(f"hf:{folder}:de")
    assert (german.name, german.pool_sizes, german.passages.in_memory) == ("hf:made:de", {"de": 2}, False)
    assert german.passages.frame["id"].tolist() == ["d0", "d1"]


def test_what_is_missing_is_said_of_all_subsets(tmp_path):
    folder = write_pairs(tmp_path / "made", [("de", "de"), ("en", "en")])
    (folder / "de-queries" / "test-00000-of-00001.parquet").unlink()
    (folder / "en-qrels" / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(DataError) as caught:
        load_collection(f"hf:{folder}")
    assert str(caught.value).splitlines() == [
        f"{folder}: no de-queries.jsonl, nor de-queries.jsonl.gz, de-queries.parquet.",
        f"{folder}: no en-qrels/test.tsv.",
    ]


@pytest.mark.parametrize("listed", [False, True])
def test_a_subset_without_a_corpus_is_not_left_out_silently(tmp_path, listed):
    folder = write_pairs(tmp_path / "made", [("de", "de"), ("en", "en")])
    (folder / "en-corpus" / "test-00000-of-00001.parquet").unlink()
    if listed:
        configs = "".join(
            f"- config_name: {lang}-{part}\n  data_files:\n  - split: test\n    path: {lang}-{part}/test-*.parquet\n"
            for lang in ("de", "en")
            for part in ("corpus", "queries", "qrels")
        )
        (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n# Made\n")
    with pytest.raises(DataError, match=r"made: no en-corpus\.jsonl"):
        load_collection(f"hf:{folder}")
    assert load_collection(f"hf:{folder}:de").pool_sizes == {"de": 2}


def test_subsets_that_spell_one_language_differently_are_told(tmp_path):
    folder = write(
        write(tmp_path / "made", subset("de", "de"), "DE-{part}.jsonl"), subset("de", "de"), "ger-{part}.jsonl"
    )
    collection = load_collection(f"hf:{folder}")
    assert collection.languages == ("de",)
    assert "subsets DE and ger are read as de" in collection.notes
    write(folder, subset("de", "de"), "de_AT-{part}.jsonl")
    note = "de and de-AT are read as 2 languages; if they are the same, use one code"
    assert note in load_collection(f"hf:{folder}").notes


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (":fr", r"unknown subset 'fr'.*Known: de, en"),
        (":de:dev", r"unknown split 'dev'\. Known: test"),
    ],
)
def test_what_there_is_not_is_refused(tmp_path, spec, message):
    folder = write_pairs(tmp_path / "made", [("de", "de"), ("en", "en")])
    with pytest.raises(DataError, match=message):
        load_collection(f"hf:{folder}{spec}")


def test_one_corpus_for_all_and_others_by_subset_are_kept_apart(tmp_path):
    folder = write(write_pairs(tmp_path / "made", [("de", "de"), ("en", "en")]), subset("en", "en"))
    with pytest.raises(DataError, match=r"has one common corpus and others by subset; name one of default, de, en\."):
        load_collection(f"hf:{folder}")
    assert load_collection(f"hf:{folder}:de,en").pool_sizes == {"de": 2, "en": 2}
    assert load_collection(f"hf:{folder}:default@en").pool_sizes == load_collection(f"beir:{folder}@en").pool_sizes


def test_beir_names_the_source_that_reads_several_languages(tmp_path):
    folder = write_pairs(tmp_path / "made", [("de", "de"), ("en", "en")])
    with pytest.raises(DataError, match=r"unknown subset 'default'.*Known: de, en\. `hf:` reads all of them"):
        load_collection(f"beir:{folder}")


def test_a_folder_without_subsets_is_what_beir_reads(tmp_path):
    folder = write(tmp_path / "made", subset("de", "de"))
    found, beir = load_collection(f"hf:{folder}@de"), load_collection(f"beir:{folder}@de")
    assert found.name == "hf:made@de"
    assert found.sha256 == beir.sha256
    assert load_collection(f"hf:{folder}").notes == ("its language is unknown; name it, as in hf:made@de",)


@pytest.mark.parametrize(
    ("names", "card", "languages"),
    [
        (("deu_Latn", "eng_Latn"), "", ("de", "en")),
        (("zh-Hans", "zh-Hant"), "", ("zh-Hans", "zh-Hant")),
        (("pt-br", "en"), "language: [pt-BR, en]", ("en", "pt-BR")),
        (("law", "sci", "biology"), "language: en", ("en",)),
        (("iw", "in"), "", ("he", "id")),
    ],
)
def test_names_of_subsets_are_languages_if_all_are(tmp_path, names, card, languages):
    folder = tmp_path / "made"
    for number, name in enumerate(names):
        parts = subset("en", "en")
        parts["corpus"] = records([f"{text} {number}" for text in TEXTS["en"]], "d")
        write(folder, parts, f"{name}-{{part}}.jsonl")
    (folder / "README.md").write_text(f"---\n{card}\n---\n")
    assert load_collection(f"hf:{folder}").languages == languages
