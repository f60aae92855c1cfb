"""`babelrank approximate`: figures by language from a real index, printed and written; streamed as in memory."""

import pytest

from babelrank.errors import SearchError
from babelrank.pipelines.approximation import approximate
from babelrank.reporting.approximation import (
    FIGURES,
    LABELS,
    VALUES,
    cost_table,
    cost_tables,
    index_lines,
    render_approximation,
)
from made_collections import write_local
from observers import RecordingObserver
from paths import TESTS

MODEL = "streamed_encoders:words"


@pytest.fixture
def own(monkeypatch, tmp_path):
    """A made collection in three languages."""
    monkeypatch.chdir(TESTS)
    return f"local:{write_local(tmp_path / 'own', 900)}"


def measure(collection, factory, tmp_path, **options):
    return approximate(
        MODEL, collection, factory, RecordingObserver(), store=tmp_path / "store", **{"k": 20, **options}
    )


def test_an_index_that_leaves_nothing_out_costs_nothing(own, tmp_path):
    found = measure(own, "Flat", tmp_path)
    assert found.search.mean_recall > 0.95  # many passages tie, and an index need not keep to their order
    assert max(map(abs, found.cost.difference.macro.values())) < 0.05
    table = cost_table(found)
    rows = list(map(table.texts, table.rows))
    assert [row[0] for row in rows] == ["German (de)", "English (en)", "Thai (th)", "mean"]
    assert all(len(row) == len(LABELS) + len(FIGURES) * len(VALUES) for row in rows)
    assert [len(table.columns) for table in cost_tables(found)] == [5, 5, 5]
    assert [row[1] for row in rows] == ["15", "15", "0", "30"]
    assert rows[2][2:8] == ["–"] * 6


def test_an_index_that_looks_at_little_costs_recall_and_listed_passages(own, tmp_path):
    found = measure(own, "IVF16,Flat", tmp_path, parameters="nprobe=1", k=300)
    assert found.search.mean_recall < 0.9
    assert found.search.rows == 900
    difference = found.cost.difference.macro
    assert difference["listed"] < 0
    lines = index_lines(found)
    assert "index IVF16,Flat with nprobe=1, 900 passages, trained on 900" in lines[0]
    assert f"measured on 30 queries: {found.search.mean_recall:.4f}" in lines[-1]
    assert f"{difference['listed']:+.4f}".replace("-", "−") in render_approximation(found)


def test_figures_of_a_sample_are_of_its_queries_alone(own, tmp_path):
    found = measure(own, "Flat", tmp_path, sample=7)
    assert sum(found.cost.queries) == len(found.search.sample) == len(found.search.exact.positions) == 7


def test_the_command_prints_a_table_and_writes_it(babelrank, own, tmp_path):
    out = tmp_path / "out" / "cost.md"
    arguments = [MODEL, "-c", own, "--index", "IVF8,Flat", "--top", 20, "--store", tmp_path / "store", "--out", out]
    outcome = babelrank("approximate", *arguments)
    assert outcome.code == 0, outcome.err
    assert "Recall@20 against exact search" in outcome.out
    assert "German (de)" in outcome.out
    assert "| German (de) | 15 |" in out.read_text(encoding="utf-8")


def test_a_collection_in_memory_is_searched_too(tmp_path, monkeypatch):
    monkeypatch.chdir(TESTS)
    found = measure("sample:de,en", "Flat", tmp_path)
    assert found.collection == "sample:de,en"
    assert found.search.mean_recall > 0.95
    assert found.cost.queries == [28, 28]


def test_an_index_needs_dense_vectors(own, tmp_path):
    with pytest.raises(SearchError, match="FAISS needs dense vectors; bm25 returns sparse ones"):
        approximate("bm25", own, "Flat", RecordingObserver(), store=tmp_path / "store")
