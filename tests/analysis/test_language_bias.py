"""Measures of language bias, against statsmodels, scipy, brute force and hand-worked cases."""

import tracemalloc
from dataclasses import asdict
from itertools import permutations, product
from math import log, log2

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm

from babelrank.analysis.bootstrap import RESAMPLES
from babelrank.analysis.clusters import clusters
from babelrank.analysis.exposure import measure_exposure
from babelrank.analysis.friedman import compare_languages
from babelrank.analysis.language_bias import measure_language_bias
from babelrank.analysis.language_effect import measure_language_effect
from babelrank.analysis.merge_gap import measure_merge_gap, merged_precision
from babelrank.analysis.own_language import measure_own_language
from babelrank.analysis.preference import measure_preference
from babelrank.errors import ReportError
from babelrank.ranking.table import COLUMNS, RankTable, read_ranks
from babelrank.ranking.top_table import COLUMNS as TOP_COLUMNS
from babelrank.ranking.top_table import TopTable, read_top
from made_ranks import pool_ranks
from paths import REPORTS

POOL = {"de": 400, "en": 400, "th": 400}


def random_table(questions=40, *, shift=0.0, missing=0.0, seed=0, query_langs=("de",)):
    """Ranks that are log-normal, English ones lower by `shift` in logs; some languages of a query may be missing."""
    rng = np.random.default_rng(seed)
    queries = {}
    for lang, question in product(query_langs, range(questions)):
        present = [other for other in POOL if rng.random() >= missing]
        present = present if len(present) > 1 else list(POOL)
        logs = rng.normal(3, 1, len(present)) - shift * np.array([other == "en" for other in present])
        queries[lang, f"q{question:03}"] = list(zip(present, np.exp(np.maximum(logs, 0)), strict=True))
    return pool_ranks(queries, POOL)


def literal(table, lang="de"):
    """Fit the two-way model with statsmodels: share of the languages, and their effects with the mean 0."""
    rows = table.table[table.table["query_lang"] == lang]
    frame = pd.DataFrame(
        {"y": np.log(rows["rank_in_pool"]), "query": rows["query_id"].astype(str), "lang": rows["passage_lang"]}
    )
    fit = smf.ols("y ~ C(query) + C(lang)", frame.astype({"lang": str})).fit()
    squares = anova_lm(fit, typ=2)["sum_sq"]
    effects = np.array([0.0, fit.params["C(lang)[T.en]"], fit.params["C(lang)[T.th]"]])
    return squares["C(lang)"] / (squares["C(lang)"] + squares["Residual"]), effects - effects.mean()


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_the_language_effect_is_that_of_an_analysis_of_variance(missing, shift):
    table = random_table(shift=shift, missing=missing)
    found = measure_language_effect(table)
    share, effects = literal(table)
    raw = found.eta_squared.by_language[0].value + found.eta_squared_expected[0]
    assert raw == pytest.approx(share)
    assert found.effects[0] == pytest.approx(effects.tolist())
    assert found.effects[1] == [None] * 3
    assert found.rank_ratio.by_language[0].value == pytest.approx(np.exp(np.ptp(effects)))


def test_the_language_effect_by_hand():
    # Log ranks to base 2 are (0, 2) and (0, 4): less their means (−1, 1) and (−2, 2), with effects (−1.5, 1.5).
    queries = {("de", "a"): [("de", 1), ("en", 4)], ("de", "b"): [("de", 1), ("en", 16)]}
    found = measure_language_effect(pool_ranks(queries, {"de": 20, "en": 20}))
    assert found.effects[0] == pytest.approx([-1.5 * log(2), 1.5 * log(2)])
    assert found.eta_squared_expected[0] == pytest.approx(1 / 2)
    assert found.eta_squared.macro.value == pytest.approx(2 * (1.5**2 + 1.5**2) / (1 + 1 + 4 + 4) - 1 / 2)
    assert found.rank_ratio.macro.value == pytest.approx(2**3)
    assert found.eta_squared.warning.startswith("There are only 2 independent groups")


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_the_expectation_is_the_mean_over_all_ways_to_shuffle(missing):
    table = random_table(4, missing=missing)
    found = measure_language_effect(table)
    groups = [np.flatnonzero(table.query_numbers == query) for query in range(4)]
    shares = [share_of(table, groups, orders) for orders in product(*map(permutations, groups))]
    assert shares[0] == pytest.approx(literal(table)[0])  # the first order is the one as it is
    assert found.eta_squared_expected[0] == pytest.approx(np.mean(shares))


def share_of(table, groups, orders):
    """The share that languages explain after a shuffle, by plain least squares."""
    logs, design = np.log(table.table["rank_in_pool"].to_numpy()), np.eye(3)[table.language_codes[1]]
    y = np.empty(len(logs))
    for group, order in zip(groups, orders, strict=True):
        y[group] = logs[list(order)] - logs[group].mean()
        design[group] -= design[group].mean(axis=0)
    residual = y - design @ np.linalg.lstsq(design, y)[0]
    return 1 - (residual**2).sum() / (y**2).sum()


def test_the_rank_ratio_under_shuffling_is_what_shuffles_give():
    table = random_table(150, shift=1.0)
    rng, logs = np.random.default_rng(0), np.log(table.table["rank_in_pool"].to_numpy().reshape(150, 3))
    ranges = [np.ptp(rng.permuted(logs, axis=1).mean(axis=0)) for _ in range(2000)]
    assert measure_language_effect(table).rank_ratio.shuffled == pytest.approx(np.exp(np.mean(ranges)), rel=0.01)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_kendalls_w_is_that_of_the_friedman_tests(missing):
    table = random_table(shift=0.5, missing=missing, query_langs=("de", "th"))
    found, tests = measure_language_effect(table).concordance, compare_languages(table)
    assert [each and each.value for each in found.by_language] == pytest.approx(tests.concordance)
    known = [value for value in tests.concordance if value is not None]
    assert found.macro.value == pytest.approx(np.mean(known))
    assert found.shuffled == pytest.approx(np.mean([value for value in tests.concordance_expected if value]))


def test_one_query_that_lacks_a_language_hardly_changes_the_fit():
    """A collection that is parallel but for one query is fitted by way of matrices."""
    table = random_table(120, shift=0.5, query_langs=("de", "th"))
    fewer = RankTable(table.table.iloc[:-1], table.languages, table.pool_sizes, 0)
    whole, part = measure_language_effect(table), measure_language_effect(fewer)
    assert part.effects[0] == pytest.approx(whole.effects[0])
    for name in ("eta_squared", "rank_ratio", "concordance"):
        ours, other = getattr(whole, name), getattr(part, name)
        assert asdict(ours.by_language[0]) == pytest.approx(asdict(other.by_language[0]))
        assert ours.macro.value == pytest.approx(other.macro.value, rel=0.03)
        assert ours.shuffled == pytest.approx(other.shuffled, rel=0.03)


def test_measures_are_near_0_without_favour_and_rise_with_it():
    values = {shift: measure_language_effect(random_table(300, shift=shift)) for shift in (0.0, 0.2, 0.4, 0.8)}
    effects = [each.eta_squared.macro for each in values.values()]
    assert abs(effects[0].value) < 0.01
    assert effects[0].low < 0 < effects[0].high
    assert [each.value for each in effects] == sorted(each.value for each in effects)
    assert effects[-1].low > 0
    assert values[0.8].effect[1].high < 0


@pytest.mark.parametrize("width", [[3, 3, 3], [1, 2, 4]])
def test_a_merge_has_the_mean_precision_over_all_orders_of_the_languages(width):
    """Every language's list is written out, and merged in every order."""
    pool = dict(zip(POOL, width, strict=True))
    relevant = {("de", 1), ("en", 1), ("th", 1), ("en", 2), ("th", 3)}
    relevant = {(lang, rank) for lang, rank in relevant if rank <= pool[lang]}
    rows = [("de", "q", lang, f"{lang}{rank}", 1, float(rank), 1.0) for lang, rank in sorted(relevant)]
    ranks = RankTable(pd.DataFrame(rows, columns=COLUMNS), tuple(pool), pool, 0)
    precisions = []
    for order in permutations(pool):
        merged = [(lang, turn) for turn in range(1, 5) for lang in order if turn <= pool[lang]]
        places = [place for place, passage in enumerate(merged, 1) if passage in relevant]
        precisions.append(np.mean([(i + 1) / place for i, place in enumerate(places)]))
    assert merged_precision(ranks) == pytest.approx([np.mean(precisions)])


def test_a_merge_by_hand():
    # Two lists of two: the first passage of one is relevant, and stands first or second.
    pool = {"de": 2, "en": 2}
    rows = [("de", "q", "en", "en1", 1, 1.0, 4.0)]
    ranks = RankTable(pd.DataFrame(rows, columns=COLUMNS), tuple(pool), pool, 0)
    found = measure_merge_gap(ranks)
    assert found.macro.value == pytest.approx((1 + 1 / 2) / 2 - 1 / 4)
    assert (found.floor, found.ceiling, found.shuffled) == (-1 / 4, 3 / 4, None)


def test_tied_passages_of_one_list_can_be_merged():
    rows = [("de", "q", "de", name, 1, 1.5, 1.5) for name in ("a", "b")]
    ranks = RankTable(pd.DataFrame(rows, columns=COLUMNS), ("de",), {"de": 2}, 2)
    assert 0 < merged_precision(ranks)[0] <= 1


def test_own_language_preference_is_that_of_the_preference_table_with_scipys_interval():
    table = random_table(60, shift=0.5, query_langs=("en", "th"))
    found, known = measure_own_language(table), measure_preference(table).own
    assert [each and each.value for each in found.first.by_language] == pytest.approx(known.first)
    assert found.above.macro.value == pytest.approx(known.macro["own_above"])
    assert found.first.shuffled == pytest.approx(known.macro["own_first_expected"])
    best = table.table.assign(query=table.query_numbers).sort_values("rank_in_pool").groupby("query").first()
    first = (best["passage_lang"] == "en")[best["query_lang"] == "en"].to_numpy(float)
    scipys = stats.bootstrap((first,), np.mean, n_resamples=5000, method="percentile", rng=1).confidence_interval
    assert found.first.by_language[1].low == pytest.approx(scipys.low, abs=0.04)
    assert found.first.by_language[1].high == pytest.approx(scipys.high, abs=0.04)


def top_of(rows):
    return TopTable(pd.DataFrame(rows, columns=TOP_COLUMNS), ("de", "en"), {"de": 50, "en": 50}, 10, 1)


def test_exposure_by_hand():
    pool = {"de": 50, "en": 50}
    rows = [
        ("de", "a", "de", "d1", 1, 1.0, 1.0),
        ("de", "a", "en", "e1", 1, 1.0, 3.0),
        ("de", "b", "de", "d2", 1, 1.0, 11.0),
        ("de", "b", "en", "e2", 1, 1.0, 7.0),
    ]
    ranks = RankTable(pd.DataFrame(rows, columns=COLUMNS), tuple(pool), pool, 0)
    top = top_of(
        [
            ("de", "a", "de", "d1", 1.0, 1.0),
            ("de", "a", "de", "d8", 2.0, 2.0),
            ("de", "a", "en", "e1", 1.0, 3.0),
            ("de", "b", "de", "d9", 1.0, 1.0),
            ("de", "b", "en", "e9", 1.0, 2.0),
            ("de", "b", "en", "e8", np.nan, np.nan),
        ]
    )
    found = measure_exposure(ranks, top)
    german, english = 1.0, 1 / 2 + 1 / 3
    assert found.relevant.share[0] == pytest.approx([german / (german + english), english / (german + english)])
    assert found.relevant.target[0] == pytest.approx([0.5, 0.5])
    assert found.relevant.unevenness.macro.value == pytest.approx(german / (german + english) - 0.5)
    third = 1 / log2(3)
    german, english = 1 + third, third
    assert found.irrelevant.share[0] == pytest.approx([german / (german + english), english / (german + english)])
    assert found.irrelevant.unevenness.ceiling == 0.5
    assert measure_exposure(ranks).irrelevant is None


def test_relevant_exposure_under_shuffling_is_what_shuffles_give():
    table = random_table(400, shift=1.5)
    found = measure_exposure(table).relevant.unevenness
    rank = table.table["rank_in_pool"].to_numpy().reshape(400, 3)
    seen, rng = np.where(rank <= 10, 1 / np.log2(rank + 1), 0), np.random.default_rng(0)
    shares = [rng.permuted(seen, axis=1).sum(axis=0) / seen.sum() for _ in range(2000)]
    assert found.shuffled == pytest.approx(np.abs(np.array(shares) - 1 / 3).sum(axis=1).mean() / 2, rel=0.05)
    assert found.macro.value > 5 * found.shuffled


def test_tables_of_other_collections_or_clusters_are_refused():
    table = random_table(5)
    with pytest.raises(ReportError, match="different collections"):
        measure_exposure(table, top_of([]))
    with pytest.raises(ReportError, match="one question is in several"):
        measure_language_bias(table, clusters=np.arange(15))
    with pytest.raises(ReportError, match="one number for each of the 15 rows"):
        measure_language_bias(table, clusters=np.arange(4))


def test_nothing_to_compare_gives_no_figures():
    table = pool_ranks({("de", "a"): [("de", 3)], ("en", "a"): [("de", 2)]}, {"de": 9, "en": 9})
    found = measure_language_bias(table)
    assert not any(found.effect.effect)
    assert found.effect.eta_squared.macro is found.effect.rank_ratio.macro is found.own_language.first.macro is None
    assert found.merge_gap.macro is not None
    assert found.merge_gap.macro.is_known is False


# Figures that an independent computation gave for committed reports.
@pytest.mark.parametrize(
    ("report", "gap", "first"),
    [
        ("multilingual-e5-small-4-bit-weights", 0.229, 0.965),
        ("me5-small-distilled", 0.007, None),
        ("use-multilingual-v3", -0.030, None),
    ],
)
def test_figures_of_committed_reports(report, gap, first):
    folder = REPORTS / report
    ranks, top = read_ranks(folder / "xquad-r.ranks.parquet"), read_top(folder / "xquad-r.top.parquet")
    bias = measure_language_bias(ranks, top, clusters=clusters(ranks))
    assert bias.merge_gap.macro.value == pytest.approx(gap, abs=5e-4)
    assert first is None or bias.own_language.first.macro.value == pytest.approx(first, abs=5e-4)
    assert bias.effect.concordance.macro.value == pytest.approx(np.mean(compare_languages(ranks).concordance))
    assert bias.effect.eta_squared_expected == pytest.approx([1 / 1190] * 11)
    for measure in bias.measures.values():
        assert measure.clusters == 48
        assert measure.macro.low < measure.macro.value < measure.macro.high
        assert measure.floor <= measure.macro.low < measure.macro.high <= measure.ceiling


def test_many_languages_of_which_queries_lack_some_are_fitted_by_least_squares():
    rng = np.random.default_rng(0)
    languages = [f"l{i:02}" for i in range(40)]
    favour = rng.normal(0, 0.5, 40)
    queries, design, logs = {}, [], []
    for i in range(60):
        present = np.sort(rng.choice(40, rng.integers(2, 12), replace=False))
        ranks = np.exp(np.maximum(rng.normal(4, 1, len(present)) + favour[present], 0))
        queries["l00", f"q{i}"] = [(languages[p], rank) for p, rank in zip(present, ranks, strict=True)]
        design.append(np.eye(100)[present] + np.eye(100)[40 + i])
        logs.append(np.log(ranks))
    expected = np.linalg.lstsq(np.concatenate(design), np.concatenate(logs))[0][:40]
    found = measure_language_bias(pool_ranks(queries, dict.fromkeys(languages, 400)))
    assert found.effect.effects[0] == pytest.approx((expected - expected.mean()).tolist())
    assert all(measure.macro.is_known for measure in found.measures.values())


def test_intervals_of_an_unbalanced_collection_are_close_to_those_of_fits_of_each_resample():
    table = random_table(150, shift=0.5, missing=0.3)
    found = measure_language_effect(table).eta_squared.by_language[0]
    logs = np.log(
        table.table.astype({"query_id": str}).pivot_table("rank_in_pool", "query_id", "passage_lang", observed=True)
    )
    known, y = logs.notna().to_numpy(), logs.sub(logs.mean(axis=1), axis=0).fillna(0.0).to_numpy()
    count = known.sum(axis=1)
    laplacians = (np.eye(3) * count[:, None, None] - 1) * (known[:, :, None] & known[:, None]) / count[:, None, None]
    shares = []
    for weights in np.random.default_rng(0).multinomial(150, np.full(150, 1 / 150), size=2000):
        sums = weights @ y
        effects = np.linalg.pinv(np.tensordot(weights, laplacians, 1)) @ sums
        shares.append(sums @ effects / (weights @ (y**2).sum(axis=1)))
    assert found.high - found.low == pytest.approx(np.ptp(np.quantile(shares, [0.025, 0.975])), rel=0.05)


def test_many_languages_take_the_memory_of_few_resamples():
    languages, rng = [f"l{i:02}" for i in range(64)], np.random.default_rng(0)
    queries = {
        (lang, f"q{question}"): list(zip(languages, rng.permutation(64) + 1.0, strict=True))
        for lang, question in product(languages, range(3))
    }
    table = pool_ranks(queries, dict.fromkeys(languages, 3))
    tracemalloc.start()
    try:
        measure_language_bias(table)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * (1 + RESAMPLES) * 64 * 64 * 8
