"""Collections by name: specifications, and where their files are looked for."""

import pytest

from babelrank.data.catalog import (
    SOURCES,
    Source,
    data_folder,
    find_sources,
    is_users_folder,
    source_folder,
)
from babelrank.data.loading import load_collection
from babelrank.errors import DataError

TINY = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "Ann ran.",
                    "sentences": ["Ann ran."],
                    "sentence_breaks": [[0, 8]],
                    "qas": [{"id": "1", "question": "Ran?", "answers": [{"text": "ran", "answer_start": 4}]}],
                }
            ]
        }
    ]
}


@pytest.fixture
def published(tmp_path, json_file, monkeypatch):
    """Make "tiny" a collection in en and de whose checksums are those of TINY; return a function that writes it."""
    import hashlib

    digest = hashlib.sha256(json_file(tmp_path / "x.json", TINY).read_bytes()).hexdigest()
    source = Source("tiny", "", "", "", "http://127.0.0.1:1/tiny", {"de.json": digest, "en.json": digest})
    monkeypatch.setitem(SOURCES, "tiny", source)
    monkeypatch.delenv("BABELRANK_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))

    def write(folder, *languages):
        for lang in languages or ("de", "en"):
            json_file(folder / "tiny" / f"{lang}.json", TINY)
        return folder

    return write


def test_sources_are_found_by_name_and_without_one_are_those_to_download():
    assert [source.name for source in find_sources(["mlqa-r", "sample"])] == ["mlqa-r", "sample"]
    assert {"xquad-r", "mlqa-r"} <= {source.name for source in find_sources(None)}
    assert not any(source.ships_with_package for source in find_sources(None))
    with pytest.raises(DataError, match=r"unknown collection 'sampel'\. Did you mean 'sample'\?"):
        find_sources(["sampel"])


def test_every_published_file_has_a_checksum_and_a_licence():
    for name in ("xquad-r", "mlqa-r"):
        source = SOURCES[name]
        assert all(len(digest) == 64 for digest in source.sha256.values())
        assert source.licence.startswith("CC BY")
        assert "354d67d" in source.url


def test_the_option_goes_before_the_variable_and_that_before_the_users_folder(published, tmp_path, monkeypatch):
    option, variable, home = (published(tmp_path / name) for name in ("option", "variable", "home/babelrank"))
    assert data_folder() == home
    assert not is_users_folder()
    monkeypatch.setenv("BABELRANK_DATA", str(variable))
    assert data_folder() == variable
    assert source_folder(SOURCES["tiny"]) == variable / "tiny"
    assert data_folder(option) == option
    assert is_users_folder()
    for folder in (variable, option):
        for file in (folder / "tiny").iterdir():
            file.unlink()
    with pytest.raises(DataError, match=str(option)):
        load_collection("tiny", option)
    with pytest.raises(DataError, match=str(variable)):
        load_collection("tiny")
    monkeypatch.setenv("BABELRANK_DATA", "")
    assert load_collection("tiny").languages == ("de", "en")


def test_a_missing_collection_is_named_with_the_command_and_the_option_that_help(published, tmp_path):
    with pytest.raises(DataError) as caught:
        load_collection("tiny", tmp_path / "nowhere")
    message = str(caught.value)
    assert str(tmp_path / "nowhere" / "tiny") in message
    assert "de.json, en.json missing" in message
    assert "`babelrank data fetch tiny`" in message
    assert "--data DIR" in message
    assert "BABELRANK_DATA" in message


def test_only_the_files_of_the_wanted_languages_need_be_there(published, tmp_path):
    folder = published(tmp_path / "data", "en")
    collection = load_collection("tiny:en", folder)
    assert (collection.name, collection.languages) == ("tiny:en", ("en",))
    with pytest.raises(DataError, match=r": de\.json missing"):
        load_collection("tiny", folder)


def test_files_of_other_languages_beside_a_published_collection_are_no_part_of_it(published, tmp_path, json_file):
    folder = published(tmp_path / "data")
    json_file(folder / "tiny" / "fr.json", TINY)
    assert load_collection("tiny", folder).languages == ("de", "en")


def test_a_published_collection_is_held_to_its_checksums(published, tmp_path, json_file):
    folder = published(tmp_path / "data")
    json_file(folder / "tiny" / "de.json", {**TINY, "version": "2"})
    with pytest.raises(DataError, match=r"de\.json: its SHA-256 is"):
        load_collection("tiny", folder)
    assert load_collection("tiny:en", folder).languages == ("en",)
