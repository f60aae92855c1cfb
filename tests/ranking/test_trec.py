"""Runs and qrels in TREC's format: what is written, ir-measures reads."""

import ir_measures
import numpy as np
import pandas as pd
import pytest

from babelrank.data.collection import Collection
from babelrank.ranking.best import TopPassages
from babelrank.ranking.trec import write_qrels, write_run
from made_collections import collection_of_tables


@pytest.fixture
def collection() -> Collection:
    """One question in two languages, three passages, two of them relevant."""
    return collection_of_tables(
        name="made up",
        languages=("de", "en"),
        queries=pd.DataFrame({"lang": ["de", "en"], "id": ["q1", "q1"], "text": ["Wer?", "Who?"]}),
        passages=pd.DataFrame({"lang": ["de", "de", "en"], "id": ["de/0", "de/1", "en/0"], "text": ["a", "b", "c"]}),
        qrels=pd.DataFrame({"query": [0, 0, 1, 1], "passage": [1, 2, 1, 2], "grade": [1, 2, 1, 2]}),
        candidates="sentence",
        sha256="",
    )


@pytest.fixture
def top() -> TopPassages:
    return TopPassages(np.array([[2, 0], [1, 2]]), np.array([[0.9, 0.1], [0.1234567890, -1.5e-7]], dtype=np.float32))


def test_a_run_has_one_line_per_query_and_place(collection, top, tmp_path):
    write_run(tmp_path / "run.trec", collection, top, tag="model")
    lines = [line.split(" ") for line in (tmp_path / "run.trec").read_text().splitlines()]
    assert [line[:4] + line[5:] for line in lines] == [
        ["de:q1", "Q0", "en/0", "1", "model"],
        ["de:q1", "Q0", "de/0", "2", "model"],
        ["en:q1", "Q0", "de/1", "1", "model"],
        ["en:q1", "Q0", "en/0", "2", "model"],
    ]
    # Nine digits tell any two float32 apart.
    assert np.array_equal(np.float32([line[4] for line in lines]), top.scores.ravel())


def test_ir_measures_reads_run_and_qrels_with_the_queries_of_each_language_apart(collection, top, tmp_path):
    write_run(tmp_path / "run.trec", collection, top, tag="model")
    write_qrels(tmp_path / "qrels.trec", collection)
    metrics = ir_measures.iter_calc(
        [ir_measures.AP, ir_measures.nDCG @ 10],
        list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.trec"))),
        list(ir_measures.read_trec_run(str(tmp_path / "run.trec"))),
    )
    values = {(metric.query_id, str(metric.measure)): metric.value for metric in metrics}
    ideal = 2 + 1 / np.log2(3)
    assert values == pytest.approx(
        {
            ("de:q1", "AP"): 1 / 2,
            ("de:q1", "nDCG@10"): 2 / ideal,
            ("en:q1", "AP"): 1,
            ("en:q1", "nDCG@10"): (1 + 2 / np.log2(3)) / ideal,
        }
    )
