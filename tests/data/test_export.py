"""Reading texts that `babelrank data export` wrote, and a person may have changed."""

import pytest

from babelrank.data.export import read_texts
from babelrank.errors import DataError


def test_texts_are_read_by_id(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"id": "a", "lang": "de", "text": "Ann lief."}\n', encoding="utf-8")
    assert read_texts(path) == {"a": "Ann lief."}


@pytest.mark.parametrize("line", ["[" * 100_000, "{", "[]", '{"id": "a"}'], ids=["deep", "cut", "list", "field"])
def test_a_line_that_is_no_text_is_named(tmp_path, line):
    path = tmp_path / "texts.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"texts\.jsonl:1: expected"):
        read_texts(path)
