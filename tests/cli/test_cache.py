"""The command `cache`: what it lists, and what it deletes."""

import os
from pathlib import Path

import pytest

from babelrank.encoding.store import describe_entry
from command_line import Babelrank

HOUR = 3600


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a entry that is in use and one that is not."""
    store = tmp_path / "store"
    for name in ("new", "old"):
        describe_entry(store / name, name, {"role": "query", "adapter": "fake"})
    then = (store / "new" / "encoder.json").stat().st_mtime - HOUR
    os.utime(store / "old" / "encoder.json", (then, then))
    return store


def test_what_may_be_in_use_is_not_pruned(babelrank: Babelrank, store: Path) -> None:
    outcome = babelrank("cache", "--store", store, "--prune", 0)
    assert outcome.code == 0, outcome.err
    assert "deleted old (query)" in outcome.out
    assert [folder.name for folder in store.iterdir()] == ["new"]


def test_no_limit_deletes_nothing(babelrank: Babelrank, store: Path) -> None:
    outcome = babelrank("cache", "--store", store, "--prune", "inf")
    assert outcome.code == 0, outcome.err
    assert len(list(store.iterdir())) == 2


@pytest.mark.parametrize("damaged", ["", "[]", '{"model": "ol'])
def test_what_a_damaged_description_belongs_to_is_listed_and_pruned(
    babelrank: Babelrank, store: Path, damaged: str
) -> None:
    description = store / "old" / "encoder.json"
    then = description.stat().st_mtime
    description.write_text(damaged, encoding="utf-8")
    os.utime(description, (then, then))
    assert "?         ? (?)" in babelrank("cache", "--store", store).out
    assert "deleted ? (?)" in babelrank("cache", "--store", store, "--prune", 0).out
    assert not description.exists()
