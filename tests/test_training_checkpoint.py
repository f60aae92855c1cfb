"""What a checkpoint says of itself."""

import json

import pytest

from babelrank.checkpoints import METADATA_FILE, trained_languages


def test_a_checkpoint_tells_the_languages_that_it_was_trained_on(tmp_path):
    (tmp_path / METADATA_FILE).write_text(json.dumps({"languages": ["en", "de"]}), encoding="utf-8")
    assert trained_languages(tmp_path) == ["de", "en"]


@pytest.mark.parametrize("metadata", [None, "{", "[]", "{}", '{"languages": 1}'])
def test_what_is_no_account_of_a_training_tells_none(tmp_path, metadata):
    if metadata is not None:
        (tmp_path / METADATA_FILE).write_text(metadata, encoding="utf-8")
    assert trained_languages(tmp_path) is None


def test_a_model_that_is_no_folder_tells_none(tmp_path):
    assert trained_languages(tmp_path / "org" / "model") is None
