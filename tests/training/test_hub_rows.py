"""Examples in tables that the `datasets` library reads: both layouts, in folders on this machine."""

import json
import pickle
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from babelrank.errors import TrainingError
from babelrank.training.examples import Example
from babelrank.training.hub_rows import HubRows
from babelrank.training.indexing import index_rows

# As mMARCO names them.
CONFIGS = {"de": "german", "en": "english"}


def hub_examples(*args, **settings):
    return index_rows(HubRows(*args, **settings))


@pytest.fixture(autouse=True)
def no_network(tmp_path, monkeypatch):
    """Keep what `datasets` caches in a folder of the test, and let nothing connect to anywhere."""
    import datasets
    import huggingface_hub

    def refuse(*_args, **_kwargs):
        raise AssertionError("a connection was wanted")

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "set"
    path.mkdir()
    return path


@pytest.fixture
def wide(folder) -> Path:
    """A column per language and side."""
    pd.DataFrame(
        {
            "query_de": ["wer?", None, "wo?"],
            "query_en": ["who?", "what?", "where?"],
            "passage_de": ["er", "es", " "],
            "passage_en": ["he", "", "here"],
            "query_th": [None, None, "ไหน"],
            "passage_th": ["เขา", None, None],
        }
    ).to_parquet(folder / "train.parquet")
    return folder


def write_config(folder: Path, config: str, rows) -> None:
    """Add a configuration to a folder, and to its README's header."""
    (folder / f"{config}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    configs = [f"- config_name: {path.stem}\n  data_files: {path.name}\n" for path in sorted(folder.glob("*.jsonl"))]
    (folder / "README.md").write_text("---\nconfigs:\n" + "".join(configs) + "---\n", encoding="utf-8")


@pytest.fixture
def aligned(folder) -> Path:
    """A configuration per language, aligned by row."""
    write_config(
        folder,
        "german",
        [{"query": "wer?", "positive": "er", "negative": "es"}, {"query": None, "positive": "da", "negative": None}],
    )
    write_config(
        folder,
        "english",
        [
            {"query": "who?", "positive": "he", "negative": "it"},
            {"query": "where?", "positive": "there", "negative": ""},
        ],
    )
    return folder


def members(row_set) -> list[int]:
    return np.flatnonzero(row_set.contains(np.arange(row_set.size))).tolist()


def texts_of(examples, side) -> dict[str, list[int]]:
    """Return, from the examples themselves, which of them have which language."""
    found = {}
    for row in range(len(examples)):
        for lang in getattr(examples[row], side):
            found.setdefault(lang, []).append(row)
    return found


# --- one table ---


def test_columns_by_language_make_units(wide):
    examples = hub_examples(str(wide), "query_{lang}", "passage_{lang}", ("de", "en"))
    assert len(examples) == 3
    assert examples.name == str(wide)
    assert examples[0] == Example(f"{wide}/0", {"de": "wer?", "en": "who?"}, {"de": "er", "en": "he"})


def test_missing_empty_and_blank_texts_are_not_there(wide):
    examples = hub_examples(str(wide), "query_{lang}", "passage_{lang}", ("de", "en", "th"))
    assert examples[1] == Example(f"{wide}/1", {"en": "what?"}, {"de": "es"})
    assert examples[2] == Example(f"{wide}/2", {"de": "wo?", "en": "where?", "th": "ไหน"}, {"en": "here"})


def test_row_sets_agree_with_the_units(wide):
    examples = hub_examples(str(wide), "query_{lang}", "passage_{lang}", ("de", "en", "th"))
    queries = {lang: members(rows) for lang, rows in examples.queries.items()}
    passages = {lang: members(rows) for lang, rows in examples.passages.items()}
    assert queries == texts_of(examples, "query") == {"de": [0, 2], "en": [0, 1, 2], "th": [2]}
    assert passages == texts_of(examples, "passage") == {"de": [0, 1], "en": [0, 2], "th": [0]}
    assert {rows.size for rows in (*examples.queries.values(), *examples.passages.values())} == {3}


def test_only_the_languages_named_take_part(wide):
    examples = hub_examples(str(wide), "query_{lang}", "passage_{lang}", ("en",))
    assert examples[0].query == {"en": "who?"}
    assert list(examples.queries) == list(examples.passages) == ["en"]


def test_a_column_without_the_language_is_the_same_in_all(folder):
    pd.DataFrame({"query": ["who?"], "answer_de": ["er"], "answer_en": ["he"]}).to_parquet(folder / "train.parquet")
    examples = hub_examples(str(folder), "query", "answer_{lang}", ("de", "en"))
    assert examples[0] == Example(f"{folder}/0", {"de": "who?", "en": "who?"}, {"de": "er", "en": "he"})


def test_a_dot_steps_into_a_struct(folder):
    rows = [
        {"queries": {"de": "wer?", "en": "who?"}, "answers": {"best": {"de": "er", "en": None}}},
        {"queries": {"de": "", "en": "what?"}, "answers": {"best": {"de": "es", "en": "it"}}},
        {"queries": None, "answers": {"best": None}},
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    examples = hub_examples(str(folder), "queries.{lang}", "answers.best.{lang}", ("de", "en"))
    assert examples[0] == Example(f"{folder}/0", {"de": "wer?", "en": "who?"}, {"de": "er"})
    assert examples[2] == Example(f"{folder}/2", {}, {})
    assert {lang: members(rows) for lang, rows in examples.queries.items()} == {"de": [0], "en": [0, 1]}
    assert {lang: members(rows) for lang, rows in examples.passages.items()} == {"de": [0, 1], "en": [1]}


def test_negatives_are_those_that_a_unit_has(folder):
    pd.DataFrame(
        {
            "q_de": ["a", "b", "c"],
            "p_de": ["A", "B", "C"],
            "q_en": ["d", "e", "f"],
            "p_en": ["D", "E", "F"],
            "n1_de": ["x", None, ""],
            "n1_en": ["y", "z", None],
            "n2_de": [None, "u", None],
            "n2_en": [None, "v", " "],
        }
    ).to_parquet(folder / "train.parquet")
    examples = hub_examples(str(folder), "q_{lang}", "p_{lang}", ("de", "en"), negatives=("n1_{lang}", "n2_{lang}"))
    assert [tuple(texts for texts in examples[row].negatives if texts) for row in range(3)] == [
        ({"de": "x", "en": "y"},),
        ({"en": "z"}, {"de": "u", "en": "v"}),
        (),
    ]


def test_another_split_is_read_if_asked_for(wide):
    pd.DataFrame({"query_en": ["split?"], "passage_en": ["yes"]}).to_parquet(wide / "test.parquet")
    pd.DataFrame({"query_en": ["one?"], "passage_en": ["two"]}).to_parquet(wide / "train.parquet")
    train, test = (
        hub_examples(str(wide), "query_{lang}", "passage_{lang}", ("en",), split=s) for s in ("train", "test")
    )
    assert (train[0].query, test[0].query) == ({"en": "one?"}, {"en": "split?"})
    assert train.fingerprint != test.fingerprint


# --- a configuration per language ---


def test_aligned_configurations_make_units(aligned):
    examples = hub_examples(str(aligned), "query", "positive", ("de", "en"), configs=CONFIGS, negatives=("negative",))
    assert len(examples) == 2
    assert replace(examples[0], negatives=tuple(examples[0].negatives)) == Example(
        f"{aligned}/0", {"de": "wer?", "en": "who?"}, {"de": "er", "en": "he"}, ({"de": "es", "en": "it"},)
    )
    assert examples[1] == Example(f"{aligned}/1", {"en": "where?"}, {"de": "da", "en": "there"})
    assert {lang: members(rows) for lang, rows in examples.queries.items()} == {"de": [0], "en": [0, 1]}
    assert {lang: members(rows) for lang, rows in examples.passages.items()} == {"de": [0, 1], "en": [0, 1]}


def test_all_languages_with_a_configuration_take_part_by_default(aligned):
    assert list(hub_examples(str(aligned), "query", "positive", (), configs=CONFIGS).queries) == ["de", "en"]
    assert list(hub_examples(str(aligned), "query", "positive", ("en",), configs=CONFIGS).queries) == ["en"]


def test_configurations_of_unequal_length_are_an_error(aligned):
    write_config(aligned, "french", [{"query": "qui?", "positive": "lui", "negative": "ça"}])
    with pytest.raises(TrainingError) as caught:
        hub_examples(str(aligned), "query", "positive", (), configs=CONFIGS | {"fr": "french"})
    assert str(caught.value) == (
        f"{aligned}: configurations should have the same rows, but their lengths are {{'de': 2, 'en': 2, 'fr': 1}}."
    )


def test_a_language_without_a_configuration_is_an_error(aligned):
    with pytest.raises(TrainingError) as caught:
        hub_examples(str(aligned), "query", "positive", ("en", "th", "tr"), configs=CONFIGS)
    assert str(caught.value) == f"{aligned}: no configuration is given for th, tr, only for de, en."


def test_an_unknown_configuration_is_told_with_those_that_there_are(aligned):
    with pytest.raises(TrainingError, match=r"set: cannot be loaded \(ValueError: .*'thai'.*english.*german"):
        hub_examples(str(aligned), "query", "positive", (), configs={"th": "thai"})


# --- errors ---


@pytest.mark.parametrize(
    ("query", "passage", "languages", "complaint"),
    [
        (
            "query_{lang}",
            "passage_{lang}",
            ("de", "fr"),
            "no column 'query_fr'; there are query_de, query_en, passage_de",
        ),
        ("query_{lang}", "answer", ("de",), "no column 'answer'; there are query_de, query_en, passage_de"),
        ("query_{lang}", "query_{lang}.text", ("de",), "no column 'query_de.text'; there are none in query_de."),
    ],
)
def test_a_missing_column_is_told_with_those_that_there_are(wide, query, passage, languages, complaint):
    with pytest.raises(TrainingError) as caught:
        hub_examples(str(wide), query, passage, languages)
    assert str(caught.value).startswith(f"{wide}: {complaint}")


def test_a_missing_field_of_a_struct_is_told_with_those_that_there_are(folder):
    (folder / "train.jsonl").write_text('{"queries": {"de": "a", "en": "b"}, "p": "c"}\n')
    with pytest.raises(TrainingError) as caught:
        hub_examples(str(folder), "queries.{lang}", "p", ("de", "fr"))
    assert str(caught.value) == f"{folder}: no column 'queries.fr'; there are de, en in queries."


def test_a_missing_column_of_negatives_is_an_error(wide):
    with pytest.raises(TrainingError, match="no column 'negative_en'; there are query_de, "):
        hub_examples(str(wide), "query_{lang}", "passage_{lang}", ("en",), negatives=("negative_{lang}",))


def test_a_data_set_that_is_not_there_is_named(folder):
    for name in (str(folder / "none"), "nobody/nothing"):
        with pytest.raises(TrainingError) as caught:
            hub_examples(name, "query", "passage", ("en",))
        assert str(caught.value).startswith(f"{name}: cannot be loaded (")


def test_an_unknown_split_is_told_with_those_that_there_are(wide):
    with pytest.raises(TrainingError, match=r"""set: cannot be loaded \(ValueError: .*"dev".*'train'"""):
        hub_examples(str(wide), "query_{lang}", "passage_{lang}", ("en",), split="dev")


def test_a_damaged_file_is_an_error(folder):
    (folder / "train.jsonl").write_text('{"query": \n')
    with pytest.raises(TrainingError, match=r"set: cannot be loaded \("):
        hub_examples(str(folder), "query", "passage", ("en",))


# --- identity ---


def test_the_fingerprint_changes_with_the_content_the_columns_and_the_languages(wide):
    def fingerprint(query="query_{lang}", passage="passage_{lang}", languages=("de", "en"), **others):
        return hub_examples(str(wide), query, passage, languages, **others).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    changed = {
        fingerprint(languages=("de",)),
        fingerprint(query="passage_{lang}"),
        fingerprint(negatives=("passage_{lang}",)),
        fingerprint(split="train[:2]"),
    }
    pd.read_parquet(wide / "train.parquet").iloc[::-1].to_parquet(wide / "train.parquet")
    changed.add(fingerprint())
    assert len(changed - {first}) == 5


def test_units_can_be_sent_to_another_process(wide):
    examples = hub_examples(str(wide), "query_{lang}", "passage_{lang}", ("de", "en"))
    copy = pickle.loads(pickle.dumps(examples))
    assert [copy[row] for row in (2, 0)] == [examples[row] for row in (2, 0)]
    assert members(copy.queries["de"]) == [0, 2]
