"""Overlap of the lists that translated questions retrieve."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from babelrank.analysis.consistency import PERSISTENCE
from babelrank.analysis.list_consistency import compare_lists
from babelrank.ranking.top_table import COLUMNS, TopTable, read_top
from paths import REPORTS


def top_of(lists, languages=("de", "en")):
    """Make a table from (language, question) -> passages, best first."""
    rows = [
        (lang, question, "de", passage, np.nan, float(rank))
        for (lang, question), passages in lists.items()
        for rank, passage in enumerate(passages, 1)
    ]
    rows.append(("de", next(iter(lists))[1], "en", "listed in its language only", 1.0, np.nan))
    return TopTable(pd.DataFrame(rows, columns=COLUMNS), languages, dict.fromkeys(languages, 50), 10, 1)


def literal_rbo(first, second):
    """RBO_ext of two lists of one length, term by term."""
    agreement = [len({*first[:d]} & {*second[:d]}) / d for d in range(1, len(first) + 1)]
    terms = sum(a * PERSISTENCE**d for d, a in enumerate(agreement, 1))
    return agreement[-1] * PERSISTENCE ** len(first) + (1 - PERSISTENCE) / PERSISTENCE * terms


def test_overlap_by_hand():
    lists = {("de", "a"): "xyz", ("en", "a"): "yxw", ("de", "b"): "uvx", ("en", "b"): "uvx"}
    found = compare_lists(top_of(lists))
    assert (found.depth, found.n[0][1]) == (3, 2)
    assert found.overlap[0][1] == pytest.approx((2 / 3 + 1) / 2)
    assert found.rbo[0][1] == pytest.approx((literal_rbo("xyz", "yxw") + 1) / 2)
    # German a with English b shares x, German b with English a shares x.
    assert found.overlap_chance[0][1] == pytest.approx(1 / 3)
    assert found.rbo_chance[0][1] == pytest.approx((literal_rbo("xyz", "uvx") + literal_rbo("uvx", "yxw")) / 2)
    assert found.overlap[0][0] == found.rbo[1][1] == pytest.approx(1)
    expected = (found.overlap[0][1] - 1 / 3) / (1 - 1 / 3)
    assert found.macro["overlap_beyond_chance"] == pytest.approx(expected)
    assert next(iter(found.macro)) == "overlap_beyond_chance"


def test_lists_of_any_questions_have_no_overlap_beyond_chance():
    rng = np.random.default_rng(0)
    lists = {(lang, f"q{i}"): rng.permutation(20)[:10].astype(str) for lang in ("de", "en") for i in range(200)}
    macro = compare_lists(top_of(lists)).macro
    assert macro["overlap"] == pytest.approx(0.5, abs=0.02)
    assert macro["overlap_beyond_chance"] == pytest.approx(0, abs=0.03)
    assert macro["rbo_beyond_chance"] == pytest.approx(0, abs=0.03)


def test_questions_of_one_language_are_compared_with_nothing():
    found = compare_lists(top_of({("de", "a"): "xy", ("en", "b"): "xy"}))
    assert found.n == [[1, 0], [0, 1]]
    assert found.overlap == [[1, None], [None, 1]]
    assert set(found.macro.values()) == {None}
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["n"] == found.n


def test_a_hybrid_retrieves_more_alike_than_its_start():
    macro = [
        compare_lists(read_top(REPORTS / name / "xquad-r.top.parquet")).macro
        for name in ("multilingual-e5-small-4-bit-weights", "me5-small-batches-hybrid")
    ]
    assert 0 < macro[0]["overlap_beyond_chance"] < macro[1]["overlap_beyond_chance"] < 1
